//! Allocate (RFC 8656, section 7), and allocations that move with their client (RFC 8016).

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use super::request::{Refusal, Request, whole_seconds};
use super::{
    CloseReason, Event, Family, FiveTuple, Host, PortWish, RelayKind, RelayRequest, Reservation,
    Server, Verdict, code,
};
use crate::allocation::{Allocation, Relayed};
use crate::credentials::identity;
use crate::message::{AdditionalFamily, EvenPort, attribute};
use crate::quota::Rate;

/// IANA protocol numbers of REQUESTED-TRANSPORT (RFC 8656, section 18.8).
const UDP_PROTOCOL: u8 = 17;
const TCP_PROTOCOL: u8 = 6;
/// How long a port is kept for its token (RFC 8656, section 7.2: at least 30 s).
const RESERVATION_LIFETIME: Duration = Duration::from_secs(60);
/// A mobility ticket: the allocation's number and move, then a proof.
const TICKET: usize = 24;

/// What relayed addresses a request wants.
struct Wish {
    kind: RelayKind,
    family: Family,
    also_v6: bool,
    port: PortWish,
    token: Option<[u8; 8]>,
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
            if allocation.transaction != *request.message.transaction() {
                return Err(Refusal(code::ALLOCATION_MISMATCH));
            }
            let left = allocation.expires.saturating_duration_since(now.steady);
            let (relayed, ticket) = (allocation.relayed, self.ticket_of(&tuple));
            self.write_allocated(request, relayed, left, None, ticket, false, out);
            return Ok(Verdict::REPLY);
        }
        let wish = self.wish(request)?;
        if self.draining {
            let elsewhere = self.config.alternate_server.is_some();
            let code = if elsewhere { code::TRY_ALTERNATE } else { code::INSUFFICIENT_CAPACITY };
            return Err(Refusal(code));
        }
        let ticket_wanted = request.attributes.mobility_ticket.is_some();
        if ticket_wanted && !self.config.mobility {
            return Err(Refusal(code::MOBILITY_FORBIDDEN));
        }
        let (id, user) = (request.caller.tenant, identity(&request.caller.username));
        let Some(tenant) = self.config.credentials.tenant(id) else {
            return Err(Refusal(code::UNAUTHENTICATED));
        };
        if !self.holdings.admits(id, user, &tenant.limits) {
            return Err(Refusal(code::ALLOCATION_QUOTA));
        }
        if self.allocations.len() >= self.config.limits.allocations {
            return Err(Refusal(code::INSUFFICIENT_CAPACITY));
        }
        let mut allocation = Allocation::new(
            tuple,
            (id, &tenant.limits),
            request.caller.username.clone(),
            wish.kind,
            *request.message.transaction(),
            now.steady,
        );
        let tenant_rate = tenant.limits.tenant_bytes_per_second;

        let (relayed, token) = self.open(&wish, host, now.steady)?;
        allocation.relayed = relayed;
        let v6_missing = wish.also_v6 && relayed.v6.is_none();
        if let Some(until) = request.caller.until {
            let left = Duration::from_secs(until.saturating_sub(now.unix));
            allocation.until = Some(now.steady + left);
        }
        self.next_number += 1;
        allocation.mobility = ticket_wanted.then_some(self.next_number);

        for address in relayed.iter() {
            self.by_relayed.insert(address, tuple);
        }
        self.holdings.add(id, user);
        if tenant_rate > 0 {
            self.tenant_rates.entry(id).or_insert_with(|| Rate::new(tenant_rate, now.steady));
        }
        self.expiries.insert((allocation.expires, tuple));
        let ticket = allocation.mobility.map(|number| self.ticket(number));
        if let Some(ticket) = ticket {
            self.tickets.insert(ticket, tuple);
        }
        self.events.push_back(Event::Allocated {
            tuple,
            tenant: id,
            username: allocation.username.clone(),
            relayed,
        });
        self.allocations.insert(tuple, allocation);
        let lifetime = self.extend(&tuple, self.lifetime(request.attributes.lifetime), now);
        self.write_allocated(request, relayed, lifetime, token, ticket, v6_missing, out);
        Ok(Verdict::REPLY)
    }

    /// Checks what is asked for, in the order of section 7.2.
    fn wish(&self, request: &Request<'_>) -> Result<Wish, Refusal> {
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
        let port = match attributes.even_port {
            None => PortWish::Any,
            Some(EvenPort::Alone) => PortWish::Even,
            Some(EvenPort::AndReserveNext) => PortWish::EvenAndNext,
        };
        Ok(Wish { kind, family, also_v6: additional.is_some(), port, token })
    }

    /// Opens the relayed addresses, or takes the one that was kept for a token.
    fn open(
        &mut self,
        wish: &Wish,
        host: &mut dyn Host,
        now: Instant,
    ) -> Result<(Relayed, Option<[u8; 8]>), Refusal> {
        let mut relayed = Relayed::default();
        if let Some(token) = wish.token {
            let reservation = self
                .reservations
                .remove(&token)
                .filter(|reservation| reservation.expires > now)
                .ok_or(Refusal(code::INSUFFICIENT_CAPACITY))?;
            relayed.set(reservation.relayed);
            return Ok((relayed, None));
        }
        if wish.port == PortWish::EvenAndNext
            && self.reservations.len() >= self.config.limits.reservations
        {
            return Err(Refusal(code::INSUFFICIENT_CAPACITY));
        }
        let mut open =
            |family| host.open_relay(RelayRequest { family, kind: wish.kind, port: wish.port });
        let first = open(wish.family);
        let second = if wish.also_v6 { open(Family::V6) } else { None };
        // Half of a dual allocation is better than none (section 7.2).
        let socket = match (first, second) {
            (Some(first), Some(second)) => {
                relayed.set(second.relayed);
                first
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Err(Refusal(code::INSUFFICIENT_CAPACITY)),
        };
        relayed.set(socket.relayed);
        let token = socket.next.map(|next| {
            let token = self.reservation_token();
            let expires = now + RESERVATION_LIFETIME;
            self.reservations.insert(token, Reservation { relayed: next, expires });
            token
        });
        Ok((relayed, token))
    }

    #[expect(clippy::too_many_arguments, reason = "all that one answer says")]
    fn write_allocated(
        &self,
        request: &Request<'_>,
        relayed: Relayed,
        lifetime: Duration,
        token: Option<[u8; 8]>,
        ticket: Option<[u8; TICKET]>,
        v6_missing: bool,
        out: &mut Vec<u8>,
    ) {
        let mut answer = request.success(out);
        for address in relayed.iter() {
            answer.address(attribute::XOR_RELAYED_ADDRESS, address);
        }
        answer
            .number(attribute::LIFETIME, whole_seconds(lifetime))
            .address(attribute::XOR_MAPPED_ADDRESS, request.tuple.client);
        if let Some(token) = token {
            answer.bytes(attribute::RESERVATION_TOKEN, &token);
        }
        if let Some(ticket) = ticket {
            answer.bytes(attribute::MOBILITY_TICKET, &ticket);
        }
        if v6_missing {
            // Family 2, code 508 (RFC 8656, section 18.13).
            answer.bytes(attribute::ADDRESS_ERROR_CODE, &[2, 0, 5, 8]);
        }
        answer.integrity(&request.caller.key);
    }

    /// A refresh from a new five-tuple, with the ticket of an allocation (RFC 8016, section 3.3).
    pub(super) fn move_allocation(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        let ticket = request.attributes.mobility_ticket.unwrap_or_default();
        let ticket = <[u8; TICKET]>::try_from(ticket).map_err(|_| Refusal(code::BAD_REQUEST))?;
        if !self.config.mobility {
            return Err(Refusal(code::MOBILITY_FORBIDDEN));
        }
        let (from, to) = (self.tickets.get(&ticket).copied(), request.tuple);
        let from = from.ok_or(Refusal(code::BAD_REQUEST))?;
        let Some(allocation) = self.allocations.get(&from) else {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        };
        // A ticket is good for its owner only (coturn#1969).
        if allocation.username != request.caller.username
            || allocation.tenant != request.caller.tenant
        {
            return Err(Refusal(code::WRONG_CREDENTIALS));
        }
        if from != to && self.allocations.contains_key(&to) {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        }
        let lifetime = match request.attributes.lifetime {
            Some(0) => Duration::ZERO,
            asked => self.lifetime(asked),
        };
        if from != to {
            self.rename(&from, to);
        }
        let mut granted = Duration::ZERO;
        let mut fresh = None;
        if lifetime.is_zero() {
            self.close(&to, CloseReason::Released);
        } else {
            granted = self.extend(&to, lifetime, request.now);
            fresh = self.renew_ticket(&ticket, &to);
        }
        let mut answer = request.success(out);
        answer.number(attribute::LIFETIME, whole_seconds(granted));
        if let Some(fresh) = fresh {
            answer.bytes(attribute::MOBILITY_TICKET, &fresh);
        }
        answer.integrity(&request.caller.key);
        Ok(Verdict::REPLY)
    }

    /// Puts an allocation under another five-tuple.
    fn rename(&mut self, from: &FiveTuple, to: FiveTuple) {
        let Some(mut allocation) = self.allocations.remove(from) else { return };
        allocation.tuple = to;
        for address in allocation.relayed.iter() {
            self.by_relayed.insert(address, to);
        }
        self.expiries.remove(&(allocation.expires, *from));
        self.expiries.insert((allocation.expires, to));
        self.allocations.insert(to, allocation);
        self.events.push_back(Event::Moved { from: *from, to });
    }

    /// A ticket is good once.
    fn renew_ticket(&mut self, used: &[u8; TICKET], tuple: &FiveTuple) -> Option<[u8; TICKET]> {
        self.tickets.remove(used);
        self.next_number += 1;
        let number = self.next_number;
        let allocation = self.allocations.get_mut(tuple)?;
        allocation.mobility = Some(number);
        let ticket = self.ticket(number);
        self.tickets.insert(ticket, *tuple);
        Some(ticket)
    }

    fn ticket_of(&self, tuple: &FiveTuple) -> Option<[u8; TICKET]> {
        let number = self.allocations.get(tuple)?.mobility?;
        Some(self.ticket(number))
    }

    /// Unguessable, and as good as random to anybody without the secret.
    pub(super) fn ticket(&self, number: u64) -> [u8; TICKET] {
        self.derive(b"ticket", number)
    }

    fn reservation_token(&mut self) -> [u8; 8] {
        self.next_number += 1;
        self.derive(b"reservation", self.next_number)
    }

    fn derive<const N: usize>(&self, purpose: &[u8], number: u64) -> [u8; N] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.config.nonce_secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose);
        context.update(&number.to_be_bytes());
        let tag = context.sign();
        let mut derived = [0; N];
        derived.iter_mut().zip(tag.as_ref()).for_each(|(byte, tag)| *byte = *tag);
        derived
    }
}
