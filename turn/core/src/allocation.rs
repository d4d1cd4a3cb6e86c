//! One relayed address and who may use it: permissions and channels (RFC 8656, sections 9 and 12).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::frame::CHANNELS;
use crate::message::TransactionId;
use crate::policy::canonical;
use crate::server::{FiveTuple, Limits};

/// A permission lasts this long after its last refresh (RFC 8656, section 9).
pub const PERMISSION_LIFETIME: std::time::Duration = std::time::Duration::from_secs(300);
/// A channel lasts this long after its last refresh (RFC 8656, section 12).
pub const CHANNEL_LIFETIME: std::time::Duration = std::time::Duration::from_secs(600);

/// One relayed address of one client.
#[derive(Debug)]
pub struct Allocation {
    pub tuple: FiveTuple,
    pub username: String,
    pub relayed: SocketAddr,
    /// The request that made it: the same one again gets the same answer.
    pub transaction: TransactionId,
    pub expires: Instant,
    permissions: Vec<Permission>,
    /// Sorted by number.
    channels: Vec<Channel>,
    /// Payload bytes from the client, and to it.
    pub relayed_bytes: [u64; 2],
}

#[derive(Clone, Copy, Debug)]
struct Permission {
    ip: IpAddr,
    expires: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Instant,
}

/// Why a channel was not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// Outside the range, or number and peer are bound to others (400).
    Inconsistent,
    /// As many as one allocation may hold (508).
    Full,
}

impl Allocation {
    /// An allocation without permissions.
    pub fn new(
        tuple: FiveTuple,
        username: String,
        relayed: SocketAddr,
        transaction: TransactionId,
        expires: Instant,
    ) -> Self {
        Self {
            tuple,
            username,
            relayed,
            transaction,
            expires,
            permissions: Vec::new(),
            channels: Vec::new(),
            relayed_bytes: [0; 2],
        }
    }

    /// Installs or refreshes permissions for all of `peers`, or for none.
    ///
    /// # Errors
    /// When they would be more than [`Limits::permissions_per_allocation`].
    pub fn permit(
        &mut self,
        peers: impl Iterator<Item = IpAddr> + Clone,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), BindError> {
        self.permissions.retain(|permission| permission.expires > now);
        let fresh = peers.clone().filter(|ip| self.permission(*ip).is_none()).count();
        if self.permissions.len() + fresh > usize::from(limits.permissions_per_allocation) {
            return Err(BindError::Full);
        }
        let expires = now + PERMISSION_LIFETIME;
        for ip in peers.map(canonical) {
            match self.permissions.iter_mut().find(|permission| permission.ip == ip) {
                Some(permission) => permission.expires = expires,
                None => self.permissions.push(Permission { ip, expires }),
            }
        }
        Ok(())
    }

    /// Binds or refreshes a channel, and with it the permission for its peer.
    ///
    /// # Errors
    /// As [`BindError`] says; nothing has changed then.
    pub fn bind(
        &mut self,
        number: u16,
        peer: SocketAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), BindError> {
        if !CHANNELS.contains(&number) {
            return Err(BindError::Inconsistent);
        }
        self.channels.retain(|channel| channel.expires > now);
        let same =
            self.channels.iter().any(|channel| channel.number == number && channel.peer == peer);
        let clash = self
            .channels
            .iter()
            .any(|channel| (channel.number == number) != (channel.peer == peer));
        if clash {
            return Err(BindError::Inconsistent);
        }
        if !same && self.channels.len() >= usize::from(limits.channels_per_allocation) {
            return Err(BindError::Full);
        }
        self.permit(std::iter::once(peer.ip()), limits, now)?;

        let bound = Channel { number, peer, expires: now + CHANNEL_LIFETIME };
        match self.channels.binary_search_by_key(&number, |channel| channel.number) {
            Ok(at) => self.channels[at] = bound,
            Err(at) => self.channels.insert(at, bound),
        }
        Ok(())
    }

    /// Whether packets to and from this address may pass now.
    pub fn permits(&self, ip: IpAddr, now: Instant) -> bool {
        self.permission(ip).is_some_and(|permission| permission.expires > now)
    }

    /// The peer behind a channel number.
    pub fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let at = self.channels.binary_search_by_key(&number, |channel| channel.number).ok()?;
        self.channels.get(at).filter(|channel| channel.expires > now).map(|channel| channel.peer)
    }

    /// The channel bound to a peer.
    pub fn channel_to(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        self.channels
            .iter()
            .find(|channel| channel.peer == peer && channel.expires > now)
            .map(|channel| channel.number)
    }

    fn permission(&self, ip: IpAddr) -> Option<&Permission> {
        let ip = canonical(ip);
        self.permissions.iter().find(|permission| permission.ip == ip)
    }
}
