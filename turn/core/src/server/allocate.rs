//! Allocate (RFC 8656, section 7).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use super::request::{Refusal, Request, whole_seconds};
use super::{
    Event, Family, Host, PortWish, RelayKind, RelayRequest, Reservation, Server, Verdict, code,
};
use crate::allocation::{Allocation, Extras, Relayed};
use crate::credentials::{TenantId, identity};
use crate::message::{AdditionalFamily, EvenPort, attribute};
use crate::quota::{Claim, Exceeded, Kind, Shares, TenantLimits};

/// IANA protocol numbers of REQUESTED-TRANSPORT (RFC 8656, section 18.8).
const UDP_PROTOCOL: u8 = 17;
const TCP_PROTOCOL: u8 = 6;
/// How long a port is kept for its token (RFC 8656, section 7.2: at least 30 s).
const RESERVATION_LIFETIME: Duration = Duration::from_secs(60);

/// What relayed addresses a request wants.
struct Wish {
    kind: RelayKind,
    family: Family,
    also_v6: bool,
    port: PortWish,
    /// Where the client reached us.
    server: IpAddr,
    /// Names a port that was kept for this.
    token: Option<[u8; 8]>,
}

impl Wish {
    /// The one of two wanted families that `relayed` lacks.
    fn missing(&self, relayed: Relayed) -> Option<Family> {
        let lacks = |family: &Family| self.also_v6 && relayed.of(*family).is_none();
        [Family::V4, Family::V6].into_iter().find(lacks)
    }
}

impl Server {
    pub(super) fn allocate(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
        host: &mut dyn Host,
    ) -> Result<Verdict, Refusal> {
        let (tuple, now) = (request.tuple, request.now);
        if let Some(allocation) = self.allocations.get(&tuple) {
            if allocation.transaction != *request.message.transaction()
                || self.own(request).is_err()
            {
                return Err(Refusal(code::ALLOCATION_MISMATCH));
            }
            let left = allocation.expires.saturating_duration_since(now.steady);
            self.write_allocated(request, allocation, left, out);
            return Ok(Verdict::REPLY);
        }
        if self.is_revoked(&request.caller.username) {
            return Err(Refusal(code::FORBIDDEN));
        }
        let wish = self.wish(request, host)?;
        if self.draining {
            let elsewhere = self.config.alternate_server.is_some();
            let code = if elsewhere { code::TRY_ALTERNATE } else { code::INSUFFICIENT_CAPACITY };
            return Err(Refusal(code));
        }
        let ticket_wanted = request.attributes.mobility_ticket.is_some();
        if ticket_wanted && !self.config.mobility {
            return Err(Refusal(code::MOBILITY_FORBIDDEN));
        }
        let holder = (request.caller.tenant, identity(&request.caller.username));
        let (limits, shares) = self.claim(holder, &wish, now.steady)?;
        let (relayed, token) = match self.open(&wish, holder, host, now.steady) {
            Ok(opened) => opened,
            Err(refusal) => {
                self.ledger.give_back(Kind::Allocation, holder.0, holder.1, now.steady);
                return Err(refusal);
            }
        };
        let mut allocation = Allocation::new(
            tuple,
            (holder.0, &limits, shares),
            request.caller.username.clone(),
            request.caller.key.store(),
            wish.kind,
            *request.message.transaction(),
            now.steady,
        );
        allocation.relayed = relayed;
        allocation.extras = Extras { reservation: token, missing: wish.missing(relayed) };
        allocation.until = self.bound(request.caller.ends, now);
        self.next_number += 1;
        allocation.mobility = ticket_wanted.then_some(self.next_number);

        for address in relayed.iter() {
            self.by_relayed.insert(address, tuple);
        }
        self.expiries.add(allocation.expires, tuple);
        if let Some(number) = allocation.mobility {
            self.tickets.insert(self.ticket(number), tuple);
        }
        self.events.push_back(Event::Allocated {
            tuple,
            tenant: holder.0,
            username: allocation.username.clone(),
            relayed,
        });
        self.allocations.insert(tuple, allocation);
        let lifetime = self.extend(&tuple, self.lifetime(request.attributes.lifetime), now);
        if let Some(allocation) = self.allocations.get(&tuple) {
            self.write_allocated(request, allocation, lifetime, out);
        }
        Ok(Verdict::REPLY)
    }

    /// Checks what is asked for, in the order of section 7.2.
    fn wish(&self, request: &Request<'_>, host: &dyn Host) -> Result<Wish, Refusal> {
        let attributes = request.attributes;
        let kind = match attributes.requested_transport {
            None => return Err(Refusal(code::BAD_REQUEST)),
            Some(UDP_PROTOCOL) => RelayKind::Udp,
            Some(TCP_PROTOCOL) if !self.config.tcp_relay => {
                return Err(Refusal(code::UNSUPPORTED_TRANSPORT));
            }
            // Data connections could not be told apart over UDP (RFC 6062, section 5.1).
            Some(TCP_PROTOCOL) if !request.tuple.transport.is_stream() => {
                return Err(Refusal(code::BAD_REQUEST));
            }
            Some(TCP_PROTOCOL) => RelayKind::Tcp,
            Some(_) => return Err(Refusal(code::UNSUPPORTED_TRANSPORT)),
        };
        let (family, additional) = (attributes.requested_family, attributes.additional_family);
        let token = attributes.reservation_token;
        let reserves = attributes.even_port == Some(EvenPort::AndReserveNext);
        let contradicts = (token.is_some()
            && (attributes.even_port.is_some() || family.is_some() || additional.is_some()))
            || (family.is_some() && additional.is_some())
            || additional == Some(AdditionalFamily::NotAllowed)
            || (additional.is_some() && reserves);
        // RFC 6062, section 5.1, and it knows no fragments to forbid.
        let udp_only =
            attributes.even_port.is_some() || token.is_some() || attributes.dont_fragment;
        if contradicts || (kind == RelayKind::Tcp && udp_only) {
            return Err(Refusal(code::BAD_REQUEST));
        }
        let family = match family {
            None => Family::V4,
            Some(family) => {
                Family::read(family).ok_or(Refusal(code::ADDRESS_FAMILY_NOT_SUPPORTED))?
            }
        };
        let also_v6 = additional.is_some();
        let served = host.serves(family) || (also_v6 && host.serves(Family::V6));
        if token.is_none() && !served {
            return Err(Refusal(code::ADDRESS_FAMILY_NOT_SUPPORTED));
        }
        let port = match attributes.even_port {
            None => PortWish::Any,
            Some(EvenPort::Alone) => PortWish::Even,
            Some(EvenPort::AndReserveNext) => PortWish::EvenAndNext,
        };
        let server = request.tuple.server.ip();
        Ok(Wish { kind, family, also_v6, port, server, token })
    }

    /// Notes one more allocation, in the place of the port that was kept for it if one was.
    fn claim(
        &mut self,
        (id, user): (TenantId, &str),
        wish: &Wish,
        now: Instant,
    ) -> Result<(TenantLimits, Shares), Refusal> {
        let tenant = self.config.credentials.tenant(id);
        let tenant = tenant.ok_or(Refusal(code::UNAUTHENTICATED))?;
        // One that is over stays for the timer, which gives its port back.
        let kept = wish.token.and_then(|token| self.reservations.get(&token));
        let kept = kept.filter(|kept| kept.expires > now);
        let mut claim = Claim {
            tenant: id,
            user,
            kind: Kind::Allocation,
            instead_of: kept.map(|kept| (kept.tenant, kept.user.as_str())),
            tenant_limits: &tenant.limits,
            limits: &self.config.limits,
        };
        let shares = self.ledger.claim(&claim, now).map_err(exceeded)?;
        if wish.token.is_some() && kept.is_none() {
            self.ledger.give_back(Kind::Allocation, id, user, now);
            return Err(Refusal(code::INSUFFICIENT_CAPACITY));
        }
        if wish.port == PortWish::EvenAndNext {
            claim.kind = Kind::Reservation;
            if let Err(full) = self.ledger.claim(&claim, now) {
                self.ledger.give_back(Kind::Allocation, id, user, now);
                return Err(exceeded(full));
            }
        }
        Ok((tenant.limits.clone(), shares))
    }

    /// Opens the relayed addresses, or takes the one that was kept for a token. What was claimed
    /// for a port to keep is given back if there is none.
    fn open(
        &mut self,
        wish: &Wish,
        (tenant, user): (TenantId, &str),
        host: &mut dyn Host,
        now: Instant,
    ) -> Result<(Relayed, Option<[u8; 8]>), Refusal> {
        let mut relayed = Relayed::default();
        if let Some(token) = wish.token {
            let kept = self.reservations.remove(&token);
            let kept = kept.ok_or(Refusal(code::INSUFFICIENT_CAPACITY))?;
            self.reservation_ends.remove(kept.expires, token);
            relayed.set(kept.relayed);
            return Ok((relayed, None));
        }
        let Wish { kind, port, server, .. } = *wish;
        let mut open = |family| host.open_relay(RelayRequest { family, kind, port, server });
        let first = open(wish.family);
        let second = if wish.also_v6 { open(Family::V6) } else { None };
        // Half of a dual allocation is better than none (section 7.2).
        for socket in [second, first].into_iter().flatten() {
            relayed.set(socket.relayed);
        }
        let keeps = wish.port == PortWish::EvenAndNext;
        let next = first.and_then(|socket| socket.next).filter(|_| keeps);
        if keeps && next.is_none() {
            self.ledger.give_back(Kind::Reservation, tenant, user, now);
        }
        if first.or(second).is_none() {
            return Err(Refusal(code::INSUFFICIENT_CAPACITY));
        }
        let token = next.map(|next| {
            let token = self.reservation_token();
            let expires = now + RESERVATION_LIFETIME;
            let user = user.to_owned();
            self.reservation_ends.add(expires, token);
            self.reservations.insert(token, Reservation { relayed: next, expires, tenant, user });
            token
        });
        Ok((relayed, token))
    }

    fn write_allocated(
        &self,
        request: &Request<'_>,
        allocation: &Allocation,
        lifetime: Duration,
        out: &mut Vec<u8>,
    ) {
        let mut answer = request.success(out);
        for address in allocation.relayed.iter() {
            answer.address(attribute::XOR_RELAYED_ADDRESS, address);
        }
        answer
            .number(attribute::LIFETIME, whole_seconds(lifetime))
            .address(attribute::XOR_MAPPED_ADDRESS, request.tuple.client);
        if let Some(token) = allocation.extras.reservation {
            answer.bytes(attribute::RESERVATION_TOKEN, &token);
        }
        if let Some(number) = allocation.mobility {
            answer.bytes(attribute::MOBILITY_TICKET, &self.ticket(number));
        }
        // The family and code 508 (RFC 8656, section 18.13).
        match allocation.extras.missing {
            None => {}
            Some(Family::V4) => {
                answer.bytes(attribute::ADDRESS_ERROR_CODE, &[1, 0, 5, 8]);
            }
            Some(Family::V6) => {
                answer.bytes(attribute::ADDRESS_ERROR_CODE, &[2, 0, 5, 8]);
            }
        }
        answer.integrity(&request.caller.key);
    }

    fn reservation_token(&mut self) -> [u8; 8] {
        self.next_number += 1;
        self.derive(b"reservation", self.next_number)
    }

    pub(super) fn derive<const N: usize>(&self, purpose: &[u8], number: u64) -> [u8; N] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.config.nonce_secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose);
        context.update(&number.to_be_bytes());
        let tag = context.sign();
        let mut derived = [0; N];
        derived.iter_mut().zip(tag.as_ref()).for_each(|(byte, tag)| *byte = *tag);
        if let Some(first) = derived.first_mut() {
            *first = self.config.shard;
        }
        derived
    }
}

fn exceeded(limit: Exceeded) -> Refusal {
    Refusal(match limit {
        Exceeded::Quota => code::ALLOCATION_QUOTA,
        Exceeded::Capacity => code::INSUFFICIENT_CAPACITY,
    })
}
