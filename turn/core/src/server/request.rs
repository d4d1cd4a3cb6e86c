//! Authenticated requests on an allocation: Refresh, CreatePermission, ChannelBind (RFC 8656,
//! sections 8 to 12), and the answers all requests share.

use std::time::{Duration, Instant};

use super::authenticate::Unproved;
use super::{
    CloseReason, DropReason, Event, Family, FiveTuple, Host, Now, RelayKind, Server, Verdict, code,
};
use crate::allocation::BindError;
use crate::credentials::{Ends, Expiry, Verified};
use crate::message::{Attributes, Class, Message, Method, Writer, attribute};

/// The code of an error answer to somebody who is authenticated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal(pub(super) u16);

/// One authenticated request and all that it is judged by.
pub(super) struct Request<'r> {
    pub(super) tuple: FiveTuple,
    pub(super) message: &'r Message<'r>,
    pub(super) method: Method,
    pub(super) attributes: &'r Attributes<'r>,
    pub(super) caller: &'r Verified,
    pub(super) now: Now,
}

impl Request<'_> {
    /// Begins the answer.
    pub(super) fn success<'b>(&self, out: &'b mut Vec<u8>) -> Writer<'b> {
        Writer::begin(out, Class::Success, self.method, self.message.transaction())
    }
}

impl Server {
    pub(super) fn answer(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        method: Method,
        out: &mut Vec<u8>,
        host: &mut dyn Host,
        now: Now,
    ) -> Verdict {
        let attributes = &Attributes::gather(message);
        let expiry = if method == Method::Allocate { Expiry::Counts } else { Expiry::Ignored };
        let caller = match self.authenticate(tuple, message, attributes, expiry, now) {
            Ok(caller) => caller,
            Err(Unproved::Unheard) => return Verdict::Drop(DropReason::ChallengesSpent),
            Err(_) if !self.challenges.admit(tuple.client.ip(), now.steady) => {
                return Verdict::Drop(DropReason::ChallengesSpent);
            }
            Err(Unproved::Told(code)) => {
                match attributes.integrity.or(attributes.integrity_sha256) {
                    None if code == code::UNAUTHENTICATED => self.refusals.challenge(),
                    _ => self.refusals.count(code),
                }
                self.write_challenge(tuple, message, attributes, code, out, now);
                return Verdict::REPLY;
            }
        };
        let request = Request { tuple, message, method, attributes, caller: &caller, now };
        let start = out.len();
        match self.carry_out(&request, out, host) {
            Ok(verdict) => verdict,
            Err(Refusal(code)) => {
                out.truncate(start);
                self.refusals.count(code);
                self.write_error(&request, code, out);
                Verdict::REPLY
            }
        }
    }

    fn carry_out(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
        host: &mut dyn Host,
    ) -> Result<Verdict, Refusal> {
        if first_unknown(request.attributes).is_some() {
            return Err(Refusal(code::UNKNOWN_ATTRIBUTE));
        }
        if request.attributes.malformed {
            return Err(Refusal(code::BAD_REQUEST));
        }
        match request.method {
            Method::Allocate => self.allocate(request, out, host),
            Method::ConnectionBind => self.bind_connection(request, out),
            Method::Refresh if request.attributes.mobility_ticket.is_some() => {
                self.move_allocation(request, out)
            }
            Method::Refresh => self.own(request).and_then(|()| self.refresh(request, out)),
            Method::CreatePermission => {
                self.own(request).and_then(|()| self.create_permission(request, out))
            }
            Method::ChannelBind => self.own(request).and_then(|()| self.bind_channel(request, out)),
            Method::Connect => self.own(request).and_then(|()| self.connect(request)),
            Method::Binding | Method::Send | Method::Data | Method::ConnectionAttempt => {
                Err(Refusal(code::BAD_REQUEST))
            }
        }
    }

    /// That there is an allocation, and that it is the caller's.
    pub(super) fn own(&self, request: &Request<'_>) -> Result<(), Refusal> {
        match self.allocations.get(&request.tuple) {
            None => Err(Refusal(code::ALLOCATION_MISMATCH)),
            Some(allocation)
                if allocation.username != request.caller.username
                    || allocation.tenant != request.caller.tenant =>
            {
                Err(Refusal(code::WRONG_CREDENTIALS))
            }
            Some(_) => Ok(()),
        }
    }

    /// RFC 8656, section 8.2.
    pub(super) fn refresh(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        let asked = request.attributes.lifetime;
        let lifetime = if asked == Some(0) { Duration::ZERO } else { self.lifetime(asked) };
        let tuple = request.tuple;
        let Some(allocation) = self.allocations.get_mut(&tuple) else {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        };
        let mut granted = lifetime;
        match request.attributes.requested_family {
            // One address of two may be given back alone (section 8.2).
            Some(family) => {
                let family = Family::read(family).ok_or(Refusal(code::PEER_FAMILY_MISMATCH))?;
                let relayed =
                    allocation.relayed.of(family).ok_or(Refusal(code::PEER_FAMILY_MISMATCH))?;
                if lifetime.is_zero() {
                    if allocation.relayed.iter().count() == 1 {
                        self.close(&tuple, CloseReason::Released, request.now.steady);
                    } else {
                        self.release(&tuple, relayed);
                    }
                } else {
                    granted = self.prolong(request, lifetime);
                }
            }
            None if lifetime.is_zero() => {
                self.close(&tuple, CloseReason::Released, request.now.steady);
            }
            None => granted = self.prolong(request, lifetime),
        }
        let mut answer = request.success(out);
        answer.number(attribute::LIFETIME, whole_seconds(granted));
        answer.integrity(&request.caller.key);
        Ok(Verdict::REPLY)
    }

    /// Until when what this credential makes may live; `None` for as long as it is refreshed.
    pub(super) fn bound(&self, ends: Option<Ends>, now: Now) -> Option<Instant> {
        let until = match ends {
            Some(Ends::Name(_)) if self.config.outlive_credentials => return None,
            Some(Ends::Name(until) | Ends::Token(until)) => until,
            None => return None,
        };
        // What is beyond all clocks is no end.
        now.steady.checked_add(Duration::from_secs(until.saturating_sub(now.unix)))
    }

    /// Gives the allocation of a request another lifetime. A token that was shown with it bounds it
    /// from now on (RFC 7635, section 9).
    pub(super) fn prolong(&mut self, request: &Request<'_>, lifetime: Duration) -> Duration {
        let until = self.bound(request.caller.ends, request.now);
        if let (Some(Ends::Token(_)), Some(allocation)) =
            (request.caller.ends, self.allocations.get_mut(&request.tuple))
        {
            allocation.until = until;
        }
        self.extend(&request.tuple, lifetime, request.now)
    }

    /// Gives an allocation another lifetime, as long as its token allows; says how long that is.
    pub(super) fn extend(&mut self, tuple: &FiveTuple, lifetime: Duration, now: Now) -> Duration {
        let Some(allocation) = self.allocations.get_mut(tuple) else { return Duration::ZERO };
        allocation.forget_expired(now.steady);
        let wanted = now.steady + lifetime;
        let expires = allocation.until.map_or(wanted, |until| until.min(wanted));
        self.expiries.remove(allocation.expires, *tuple);
        allocation.expires = expires;
        self.expiries.add(expires, *tuple);
        let lifetime = expires.saturating_duration_since(now.steady);
        let traffic = allocation.traffic();
        self.events.push_back(Event::Refreshed { tuple: *tuple, lifetime, traffic });
        lifetime
    }

    /// RFC 8656, section 10.2: all of the peers or none.
    fn create_permission(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        let Some(allocation) = self.allocations.get_mut(&request.tuple) else {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        };
        let tenant = self.config.credentials.tenant(allocation.tenant);
        let peers = request.attributes.peers();
        if peers.clone().next().is_none() {
            return Err(Refusal(code::BAD_REQUEST));
        }
        for peer in peers.clone() {
            if allocation.relayed.of(Family::of(peer.ip())).is_none() {
                return Err(Refusal(code::PEER_FAMILY_MISMATCH));
            }
            if !tenant.is_some_and(|tenant| tenant.policy.permits_address(peer.ip())) {
                return Err(Refusal(code::FORBIDDEN));
            }
        }
        let peers = peers.map(|peer| peer.ip());
        allocation.permit(peers, &self.config.limits, request.now.steady).map_err(bind_refusal)?;
        request.success(out).integrity(&request.caller.key);
        Ok(Verdict::REPLY)
    }

    /// RFC 8656, section 12.2.
    fn bind_channel(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        let Some(allocation) = self.allocations.get_mut(&request.tuple) else {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        };
        let attributes = request.attributes;
        let (Some(number), Some(peer)) = (attributes.channel, attributes.peers().next()) else {
            return Err(Refusal(code::BAD_REQUEST));
        };
        if allocation.relayed.of(Family::of(peer.ip())).is_none() {
            return Err(Refusal(code::PEER_FAMILY_MISMATCH));
        }
        let tenant = self.config.credentials.tenant(allocation.tenant);
        // Channels are for datagrams (RFC 6062, section 3).
        if allocation.kind == RelayKind::Tcp
            || !tenant.is_some_and(|tenant| tenant.policy.permits(peer))
        {
            return Err(Refusal(code::FORBIDDEN));
        }
        if !self.config.channels.contains(number) {
            return Err(Refusal(code::BAD_REQUEST));
        }
        allocation
            .bind(number, peer, &self.config.limits, request.now.steady)
            .map_err(bind_refusal)?;
        request.success(out).integrity(&request.caller.key);
        Ok(Verdict::REPLY)
    }

    pub(super) fn lifetime(&self, asked: Option<u32>) -> Duration {
        let default = self.config.default_lifetime;
        let asked = asked.map_or(default, |seconds| Duration::from_secs(u64::from(seconds)));
        asked.clamp(default, self.config.max_lifetime)
    }

    pub(super) fn write_error(&self, request: &Request<'_>, code: u16, out: &mut Vec<u8>) {
        let transaction = request.message.transaction();
        let mut writer = Writer::begin(out, Class::Error, request.method, transaction);
        writer.error(code);
        if code == code::UNKNOWN_ATTRIBUTE {
            let listed = request.attributes.unknown();
            let single = first_unknown(request.attributes);
            let listed = if listed.is_empty() { single.as_slice() } else { listed };
            let list: Vec<u8> = listed.iter().flat_map(|kind| kind.to_be_bytes()).collect();
            writer.bytes(attribute::UNKNOWN_ATTRIBUTES, &list);
        }
        if let (code::TRY_ALTERNATE, Some(other)) = (code, self.config.alternate_server) {
            writer.plain_address(attribute::ALTERNATE_SERVER, other);
        }
        writer.integrity(&request.caller.key);
    }
}

/// Of the attributes that must be understood, the first that is not understood in a request.
fn first_unknown(attributes: &Attributes<'_>) -> Option<u16> {
    let change = attributes.change.map(|_| attribute::CHANGE_REQUEST);
    attributes.unknown().first().copied().or(change)
}

fn bind_refusal(error: BindError) -> Refusal {
    Refusal(match error {
        BindError::Inconsistent => code::BAD_REQUEST,
        BindError::Full => code::INSUFFICIENT_CAPACITY,
    })
}

pub(super) fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
