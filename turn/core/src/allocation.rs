//! One client's relayed addresses and who may use them: permissions and channels (RFC 8656,
//! sections 9 and 12).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::credentials::TenantId;
use crate::integrity::StoredKey;
use crate::message::TransactionId;
use crate::policy::PeerPolicy;
use crate::quota::{Carried, Meters, Shares, TenantLimits, Toll};
use crate::server::{Family, FiveTuple, Limits, RelayKind};

/// A permission lasts this long after its last refresh (RFC 8656, section 9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// A channel lasts this long after its last refresh (RFC 8656, section 12).
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// The relayed addresses of one client: one, or one of each family.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) tuple: FiveTuple,
    pub(crate) tenant: TenantId,
    pub(crate) username: String,
    /// What proved the request that made it, and proves the later ones as well.
    pub(crate) key: StoredKey,
    pub(crate) kind: RelayKind,
    pub(crate) relayed: Relayed,
    /// The request that made it: the same one again gets the same answer.
    pub(crate) transaction: TransactionId,
    /// What else that answer says.
    pub(crate) extras: Extras,
    /// The request that brought it here from another five-tuple, and the ticket it spent.
    pub(crate) moved_by: Option<(TransactionId, [u8; 24])>,
    pub(crate) since: Instant,
    pub(crate) expires: Instant,
    /// It cannot be refreshed beyond this; only access tokens set it.
    pub(crate) until: Option<Instant>,
    /// Counts its moves to other five-tuples; part of its mobility ticket (RFC 8016).
    pub(crate) mobility: Option<u64>,
    permissions: Vec<Permission>,
    /// Sorted by number.
    channels: Vec<Channel>,
    rates: Meters,
    /// What its user, its tenant and everybody may use together.
    shares: Shares,
    /// What passed in packets.
    pub(crate) traffic: Traffic,
    /// What passed in streams; there once one does.
    carried: Option<Arc<Carried>>,
}

/// Parts of the answer to an Allocate that are nowhere else in the allocation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    /// Of the port that was kept beside this one.
    pub(crate) reservation: Option<[u8; 8]>,
    /// The one of two families that could not be had.
    pub(crate) missing: Option<Family>,
}

/// At most one relayed address of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    pub v4: Option<SocketAddr>,
    pub v6: Option<SocketAddr>,
}

impl Relayed {
    /// The address of a family.
    pub fn of(&self, family: Family) -> Option<SocketAddr> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// Both, as far as there are.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        [self.v4, self.v6].into_iter().flatten()
    }

    pub(crate) fn set(&mut self, address: SocketAddr) {
        match Family::of(address.ip()) {
            Family::V4 => self.v4 = Some(address),
            Family::V6 => self.v6 = Some(address),
        }
    }
}

/// What an allocation carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Payload bytes and packets of the client.
    pub sent_bytes: u64,
    pub sent_packets: u64,
    /// Payload bytes and packets of its peers.
    pub received_bytes: u64,
    pub received_packets: u64,
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

/// Why a permission or a channel was not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindError {
    /// Number and peer are bound to others (400).
    Inconsistent,
    /// As many as one allocation may hold (508).
    Full,
}

impl Allocation {
    /// An allocation without permissions.
    pub(crate) fn new(
        tuple: FiveTuple,
        (tenant, limits, shares): (TenantId, &TenantLimits, Shares),
        username: String,
        key: StoredKey,
        kind: RelayKind,
        transaction: TransactionId,
        now: Instant,
    ) -> Self {
        Self {
            tuple,
            tenant,
            username,
            key,
            kind,
            relayed: Relayed::default(),
            transaction,
            extras: Extras::default(),
            moved_by: None,
            since: now,
            expires: now,
            until: None,
            mobility: None,
            permissions: Vec::new(),
            channels: Vec::new(),
            rates: Meters::new(limits.rates(), now),
            shares,
            traffic: Traffic::default(),
            carried: None,
        }
    }

    /// Installs or refreshes permissions for all of `peers`, or for none.
    ///
    /// # Errors
    /// When they would be more than [`Limits::permissions_per_allocation`], or than its user may
    /// have.
    pub(crate) fn permit(
        &mut self,
        peers: impl Iterator<Item = IpAddr> + Clone,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), BindError> {
        self.forget_expired(now);
        let peers = peers.map(|ip| ip.to_canonical());
        // A request may name a peer twice.
        let earlier = |at: usize, ip: IpAddr| peers.clone().take(at).any(|other| other == ip);
        let fresh = peers
            .clone()
            .enumerate()
            .filter(|(at, ip)| self.permission(*ip).is_none() && !earlier(*at, *ip))
            .count();
        if self.permissions.len() + fresh > usize::from(limits.permissions_per_allocation)
            || !self.shares.take_permissions(fresh)
        {
            return Err(BindError::Full);
        }
        let expires = now + PERMISSION_LIFETIME;
        for ip in peers {
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
    pub(crate) fn bind(
        &mut self,
        number: u16,
        peer: SocketAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), BindError> {
        self.forget_expired(now);
        let bound = |channel: &Channel| (channel.number == number, channel.peer == peer);
        if self.channels.iter().map(bound).any(|(number, peer)| number != peer) {
            return Err(BindError::Inconsistent);
        }
        let same = self.channels.iter().map(bound).any(|(number, _)| number);
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

    /// Drops permissions and channels that a changed policy no longer allows, and takes changed
    /// rates.
    pub(crate) fn reconsider(&mut self, policy: &PeerPolicy, limits: &TenantLimits) {
        self.keep_permissions(|permission| policy.permits_address(permission.ip));
        self.channels.retain(|channel| policy.permits(channel.peer));
        self.rates.set(limits.rates());
        if let Some(carried) = &self.carried {
            carried.set(limits.bytes_per_second);
        }
    }

    /// What has expired takes no place any more, of its own or of its user's.
    pub(crate) fn forget_expired(&mut self, now: Instant) {
        self.keep_permissions(|permission| permission.expires > now);
        self.channels.retain(|channel| channel.expires > now);
    }

    /// Its permissions no longer count for its user.
    pub(crate) fn give_permissions_back(&self) {
        self.shares.give_permissions_back(self.permissions.len());
    }

    fn keep_permissions(&mut self, keeps: impl Fn(&Permission) -> bool) {
        let before = self.permissions.len();
        self.permissions.retain(keeps);
        self.shares.give_permissions_back(before - self.permissions.len());
    }

    /// Whether packets to and from this address may pass now.
    pub(crate) fn permits(&self, ip: IpAddr, now: Instant) -> bool {
        self.permission(ip).is_some_and(|permission| permission.expires > now)
    }

    /// The peer behind a channel number.
    pub(crate) fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let at = self.channels.binary_search_by_key(&number, |channel| channel.number).ok()?;
        self.channels.get(at).filter(|channel| channel.expires > now).map(|channel| channel.peer)
    }

    /// The channel bound to a peer.
    pub(crate) fn channel_to(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        self.channels
            .iter()
            .find(|channel| channel.peer == peer && channel.expires > now)
            .map(|channel| channel.number)
    }

    /// Whether the rates that hold for the allocation leave room for a packet; spends it if so.
    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        self.rates.spend(bytes, now) && self.shares.spend(bytes, now)
    }

    /// What a stream between the client and a peer owes for its bytes.
    pub(crate) fn toll(&mut self, limits: &TenantLimits, now: Instant) -> Toll {
        let made = || Arc::new(Carried::new(limits.bytes_per_second, now));
        let carried = self.carried.get_or_insert_with(made);
        Toll::new(Arc::clone(carried), self.shares.clone())
    }

    /// All that it carried so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let (sent, received) = self.carried.as_ref().map_or((0, 0), |carried| carried.bytes());
        let Traffic { sent_bytes, received_bytes, .. } = self.traffic;
        Traffic {
            sent_bytes: sent_bytes + sent,
            received_bytes: received_bytes + received,
            ..self.traffic
        }
    }

    /// Only the very address: what stands inside one is anybody's to choose.
    fn permission(&self, ip: IpAddr) -> Option<&Permission> {
        let ip = ip.to_canonical();
        self.permissions.iter().find(|permission| permission.ip == ip)
    }
}
