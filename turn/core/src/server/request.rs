//! Requests: who asks, whether it may, and the answer (RFC 8656, sections 6 to 12).

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::hmac;

use super::{CloseReason, Event, Family, FiveTuple, Now, RelayPorts, Server, Verdict};
use crate::allocation::{Allocation, BindError};
use crate::credentials::{Expiry, identity};
use crate::message::{Attributes, Class, Message, Method, Writer, attribute};
use crate::server::DropReason;

/// The only transport a relayed address has here (RFC 8656, section 18.8).
const UDP_PROTOCOL: u8 = 17;
const FAMILY_V4: u8 = 1;
const FAMILY_V6: u8 = 2;

/// STUN and TURN error codes (RFC 8489 section 14.8, RFC 8656 section 19).
mod code {
    pub(super) const BAD_REQUEST: u16 = 400;
    pub(super) const UNAUTHENTICATED: u16 = 401;
    pub(super) const FORBIDDEN: u16 = 403;
    pub(super) const UNKNOWN_ATTRIBUTE: u16 = 420;
    pub(super) const ALLOCATION_MISMATCH: u16 = 437;
    pub(super) const STALE_NONCE: u16 = 438;
    pub(super) const ADDRESS_FAMILY_NOT_SUPPORTED: u16 = 440;
    pub(super) const WRONG_CREDENTIALS: u16 = 441;
    pub(super) const UNSUPPORTED_TRANSPORT: u16 = 442;
    pub(super) const PEER_FAMILY_MISMATCH: u16 = 443;
    pub(super) const ALLOCATION_QUOTA: u16 = 486;
    pub(super) const INSUFFICIENT_CAPACITY: u16 = 508;
}

/// Somebody whose integrity verified. Answers to it are signed with the same key.
struct Caller<'a> {
    username: &'a str,
    key: hmac::Key,
}

/// The code of an error answer to somebody who is authenticated; it is signed.
struct Refusal(u16);

fn refuse(code: u16) -> Refusal {
    Refusal(code)
}

impl Server {
    pub(super) fn handle_message(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        ports: &mut dyn RelayPorts,
        now: Now,
    ) -> Verdict {
        match (message.class(), message.method()) {
            (Class::Request, Some(Method::Binding)) => self.bind_answer(tuple, message),
            (Class::Request, Some(method)) => {
                let attributes = Attributes::gather(message);
                self.answer(tuple, message, method, &attributes, ports, now);
                Verdict::Reply
            }
            (Class::Indication, Some(Method::Send)) => self.relay_send(&tuple, message, now.steady),
            _ => Verdict::Drop(DropReason::Unexpected),
        }
    }

    /// The shortest answer there is: 1.6 times the smallest request over IPv4.
    fn bind_answer(&mut self, tuple: FiveTuple, message: &Message<'_>) -> Verdict {
        let attributes = Attributes::gather(message);
        if attributes.unknown().is_empty() {
            Writer::begin(&mut self.reply, Class::Success, Method::Binding, message.transaction())
                .address(attribute::XOR_MAPPED_ADDRESS, tuple.client);
        } else {
            self.write_error(message, Method::Binding, &attributes, code::UNKNOWN_ATTRIBUTE, None);
        }
        Verdict::Reply
    }

    fn answer(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        method: Method,
        attributes: &Attributes<'_>,
        ports: &mut dyn RelayPorts,
        now: Now,
    ) {
        let expiry = if method == Method::Allocate { Expiry::Counts } else { Expiry::Ignored };
        let caller = match self.authenticate(tuple, message, attributes, expiry, now) {
            Ok(caller) => caller,
            Err(code) => return self.write_challenge(tuple, message, method, code, now),
        };
        let done = if !attributes.unknown().is_empty() {
            Err(refuse(code::UNKNOWN_ATTRIBUTE))
        } else if attributes.malformed {
            Err(refuse(code::BAD_REQUEST))
        } else {
            self.carry_out(tuple, message, method, attributes, &caller, ports, now)
        };
        if let Err(refusal) = done {
            self.write_error(message, method, attributes, refusal.0, Some(&caller.key));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one request with all that it is judged by")]
    fn carry_out(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        method: Method,
        attributes: &Attributes<'_>,
        caller: &Caller<'_>,
        ports: &mut dyn RelayPorts,
        now: Now,
    ) -> Result<(), Refusal> {
        if method == Method::Allocate {
            return self.allocate(tuple, message, attributes, caller, ports, now);
        }
        match self.allocations.get(&tuple) {
            None => return Err(refuse(code::ALLOCATION_MISMATCH)),
            // Another user on the same five-tuple; the key that signs is not the allocation's.
            Some(allocation) if allocation.username != caller.username => {
                return Err(refuse(code::WRONG_CREDENTIALS));
            }
            Some(_) => {}
        }
        match method {
            Method::Refresh => self.refresh(tuple, message, attributes, caller, now),
            Method::CreatePermission => self.permit(tuple, attributes, now),
            Method::ChannelBind => self.bind_channel(tuple, attributes, now),
            Method::Binding | Method::Allocate | Method::Send | Method::Data => {
                Err(refuse(code::BAD_REQUEST))
            }
        }?;
        if method != Method::Refresh {
            Writer::begin(&mut self.reply, Class::Success, method, message.transaction())
                .integrity(&caller.key);
        }
        Ok(())
    }

    /// RFC 8489, section 9.2.4.
    fn authenticate<'a>(
        &self,
        tuple: FiveTuple,
        message: &Message<'_>,
        attributes: &Attributes<'a>,
        expiry: Expiry,
        now: Now,
    ) -> Result<Caller<'a>, u16> {
        let (offset, tag) = attributes.integrity.ok_or(code::UNAUTHENTICATED)?;
        let (Some(username), Some(realm), Some(nonce)) =
            (attributes.username, attributes.realm, attributes.nonce)
        else {
            return Err(code::BAD_REQUEST);
        };
        self.nonces.check(nonce, tuple.client, now.unix).map_err(|_| code::STALE_NONCE)?;
        if realm != self.config.credentials.realm.as_bytes() {
            return Err(code::UNAUTHENTICATED);
        }
        let username = std::str::from_utf8(username).map_err(|_| code::UNAUTHENTICATED)?;
        let key = self
            .config
            .credentials
            .verify(username, message.bytes(), offset, tag, expiry, now.unix)
            .ok_or(code::UNAUTHENTICATED)?;
        Ok(Caller { username, key })
    }

    /// RFC 8656, section 7.2.
    fn allocate(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        attributes: &Attributes<'_>,
        caller: &Caller<'_>,
        ports: &mut dyn RelayPorts,
        now: Now,
    ) -> Result<(), Refusal> {
        if let Some(allocation) = self.allocations.get(&tuple) {
            if allocation.transaction != *message.transaction() {
                return Err(refuse(code::ALLOCATION_MISMATCH));
            }
            let (relayed, left) = (allocation.relayed, allocation.expires - now.steady);
            self.write_allocated(tuple, message, caller, relayed, left);
            return Ok(());
        }
        match attributes.requested_transport {
            None => return Err(refuse(code::BAD_REQUEST)),
            Some(UDP_PROTOCOL) => {}
            Some(_) => return Err(refuse(code::UNSUPPORTED_TRANSPORT)),
        }
        let family = match attributes.requested_family {
            None | Some(FAMILY_V4) => Family::V4,
            Some(FAMILY_V6) => Family::V6,
            Some(_) => return Err(refuse(code::ADDRESS_FAMILY_NOT_SUPPORTED)),
        };
        let user = identity(caller.username);
        let held = self.per_user.get(user).copied().unwrap_or(0);
        if held >= self.config.limits.allocations_per_user {
            return Err(refuse(code::ALLOCATION_QUOTA));
        }
        if self.allocations.len() >= self.config.limits.allocations as usize {
            return Err(refuse(code::INSUFFICIENT_CAPACITY));
        }
        let relayed = ports.open(family).ok_or(refuse(code::INSUFFICIENT_CAPACITY))?;

        let lifetime = self.lifetime(attributes.lifetime);
        let expires = now.steady + lifetime;
        let allocation = Allocation::new(
            tuple,
            caller.username.to_owned(),
            relayed,
            *message.transaction(),
            expires,
        );
        self.allocations.insert(tuple, allocation);
        self.by_relayed.insert(relayed, tuple);
        self.expiries.insert((expires, tuple));
        *self.per_user.entry(user.to_owned()).or_default() += 1;
        let username = caller.username.to_owned();
        self.events.push_back(Event::Allocated { tuple, username, relayed });
        self.write_allocated(tuple, message, caller, relayed, lifetime);
        Ok(())
    }

    fn write_allocated(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        caller: &Caller<'_>,
        relayed: SocketAddr,
        lifetime: Duration,
    ) {
        Writer::begin(&mut self.reply, Class::Success, Method::Allocate, message.transaction())
            .address(attribute::XOR_RELAYED_ADDRESS, relayed)
            .number(attribute::LIFETIME, whole_seconds(lifetime))
            .address(attribute::XOR_MAPPED_ADDRESS, tuple.client)
            .integrity(&caller.key);
    }

    /// RFC 8656, section 8.2.
    fn refresh(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        attributes: &Attributes<'_>,
        caller: &Caller<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let asked = attributes.lifetime;
        let lifetime = if asked == Some(0) { Duration::ZERO } else { self.lifetime(asked) };
        let Some(allocation) = self.allocations.get_mut(&tuple) else {
            return Err(refuse(code::ALLOCATION_MISMATCH));
        };
        let family = attributes.requested_family;
        let own = match Family::of(allocation.relayed.ip()) {
            Family::V4 => FAMILY_V4,
            Family::V6 => FAMILY_V6,
        };
        if family.is_some_and(|family| family != own) {
            return Err(refuse(code::PEER_FAMILY_MISMATCH));
        }
        if lifetime.is_zero() {
            self.close(&tuple, CloseReason::Released);
        } else {
            self.expiries.remove(&(allocation.expires, tuple));
            allocation.expires = now.steady + lifetime;
            self.expiries.insert((allocation.expires, tuple));
        }
        Writer::begin(&mut self.reply, Class::Success, Method::Refresh, message.transaction())
            .number(attribute::LIFETIME, whole_seconds(lifetime))
            .integrity(&caller.key);
        Ok(())
    }

    /// RFC 8656, section 10.2: all of the peers or none.
    fn permit(
        &mut self,
        tuple: FiveTuple,
        attributes: &Attributes<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(allocation) = self.allocations.get_mut(&tuple) else {
            return Err(refuse(code::ALLOCATION_MISMATCH));
        };
        let mut named = false;
        for peer in attributes.peers() {
            named = true;
            if Family::of(peer.ip()) != Family::of(allocation.relayed.ip()) {
                return Err(refuse(code::PEER_FAMILY_MISMATCH));
            }
            if !self.config.policy.permits_address(peer.ip()) {
                return Err(refuse(code::FORBIDDEN));
            }
        }
        if !named {
            return Err(refuse(code::BAD_REQUEST));
        }
        let peers: Vec<_> = attributes.peers().map(|peer| peer.ip()).collect();
        allocation.permit(peers.into_iter(), &self.config.limits, now.steady).map_err(bind_refusal)
    }

    /// RFC 8656, section 12.2.
    fn bind_channel(
        &mut self,
        tuple: FiveTuple,
        attributes: &Attributes<'_>,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(allocation) = self.allocations.get_mut(&tuple) else {
            return Err(refuse(code::ALLOCATION_MISMATCH));
        };
        let (Some(number), Some(peer)) = (attributes.channel, attributes.peers().next()) else {
            return Err(refuse(code::BAD_REQUEST));
        };
        if Family::of(peer.ip()) != Family::of(allocation.relayed.ip()) {
            return Err(refuse(code::PEER_FAMILY_MISMATCH));
        }
        if !self.config.policy.permits(peer) {
            return Err(refuse(code::FORBIDDEN));
        }
        allocation.bind(number, peer, &self.config.limits, now.steady).map_err(bind_refusal)
    }

    fn lifetime(&self, asked: Option<u32>) -> Duration {
        let default = self.config.default_lifetime;
        let asked = asked.map_or(default, |seconds| Duration::from_secs(u64::from(seconds)));
        asked.clamp(default, self.config.max_lifetime)
    }

    /// 401, 438 and what comes before authentication: realm and a fresh nonce, unsigned.
    fn write_challenge(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        method: Method,
        code: u16,
        now: Now,
    ) {
        let nonce = self.nonces.make(tuple.client, now.unix);
        let mut writer =
            Writer::begin(&mut self.reply, Class::Error, method, message.transaction());
        writer.error(code);
        if code != code::BAD_REQUEST {
            writer
                .bytes(attribute::REALM, self.config.credentials.realm.as_bytes())
                .bytes(attribute::NONCE, &nonce);
        }
    }

    fn write_error(
        &mut self,
        message: &Message<'_>,
        method: Method,
        attributes: &Attributes<'_>,
        code: u16,
        key: Option<&hmac::Key>,
    ) {
        let mut writer =
            Writer::begin(&mut self.reply, Class::Error, method, message.transaction());
        writer.error(code);
        if code == code::UNKNOWN_ATTRIBUTE {
            let list: Vec<u8> =
                attributes.unknown().iter().flat_map(|kind| kind.to_be_bytes()).collect();
            writer.bytes(attribute::UNKNOWN_ATTRIBUTES, &list);
        }
        if let Some(key) = key {
            writer.integrity(key);
        }
    }
}

fn bind_refusal(error: BindError) -> Refusal {
    refuse(match error {
        BindError::Inconsistent => code::BAD_REQUEST,
        BindError::Full => code::INSUFFICIENT_CAPACITY,
    })
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
