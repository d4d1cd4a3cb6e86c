//! Connections between relayed TCP addresses and peers (RFC 6062), found by their number, by either
//! of their client's connections, and by what ends next: a thread may have tens of thousands, and
//! every client that goes away asks for its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use super::deadlines::Deadlines;
use super::{ConnectionId, FiveTuple};
use crate::credentials::TenantId;
use crate::integrity::Key;
use crate::message::TransactionId;

/// A connection between a relayed address and a peer.
#[derive(Debug)]
pub(super) struct PeerConnection {
    pub(super) control: FiveTuple,
    pub(super) tenant: TenantId,
    pub(super) username: String,
    pub(super) peer: SocketAddr,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Asked for with this request, which is answered once the peer has.
    Connecting {
        transaction: TransactionId,
        key: Box<Key>,
        expires: Instant,
    },
    AwaitingBind {
        expires: Instant,
    },
    Spliced {
        data: FiveTuple,
    },
}

impl State {
    fn expires(&self) -> Option<Instant> {
        match self {
            Self::Connecting { expires, .. } | Self::AwaitingBind { expires } => Some(*expires),
            Self::Spliced { .. } => None,
        }
    }

    fn data(&self) -> Option<FiveTuple> {
        match self {
            Self::Connecting { .. } | Self::AwaitingBind { .. } => None,
            Self::Spliced { data } => Some(*data),
        }
    }
}

/// All of one server.
#[derive(Debug, Default)]
pub(super) struct PeerConnections {
    all: BTreeMap<ConnectionId, PeerConnection>,
    by_control: BTreeSet<(FiveTuple, ConnectionId)>,
    by_data: BTreeMap<FiveTuple, ConnectionId>,
    ends: Deadlines<ConnectionId>,
}

impl PeerConnections {
    pub(super) fn get(&self, id: ConnectionId) -> Option<&PeerConnection> {
        self.all.get(&id)
    }

    pub(super) fn insert(&mut self, id: ConnectionId, connection: PeerConnection) {
        self.by_control.insert((connection.control, id));
        self.all.insert(id, connection);
        self.note(id);
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<PeerConnection> {
        let connection = self.all.remove(&id)?;
        self.by_control.remove(&(connection.control, id));
        self.unnote(id, &connection.state);
        Some(connection)
    }

    /// Goes on to another state; gives the one before.
    pub(super) fn advance(&mut self, id: ConnectionId, to: State) -> Option<State> {
        let place = self.all.get_mut(&id)?;
        let before = std::mem::replace(&mut place.state, to);
        // In this order: both may end at the same time.
        self.unnote(id, &before);
        self.note(id);
        Some(before)
    }

    /// Those of a control connection.
    pub(super) fn of(&self, control: FiveTuple) -> impl Iterator<Item = ConnectionId> + Clone {
        let all = (control, ConnectionId(0))..=(control, ConnectionId(u32::MAX));
        self.by_control.range(all).map(|(_, id)| *id)
    }

    /// The one that a client's data connection carries.
    pub(super) fn carried_by(&self, data: &FiveTuple) -> Option<ConnectionId> {
        self.by_data.get(data).copied()
    }

    /// Those with which something is the matter.
    pub(super) fn which(&self, matter: impl Fn(&PeerConnection) -> bool) -> Vec<ConnectionId> {
        let found = self.all.iter().filter(|(_, connection)| matter(connection));
        found.map(|(id, _)| *id).collect()
    }

    /// A control connection continues as another one.
    pub(super) fn rename(&mut self, from: FiveTuple, to: FiveTuple) {
        let moved: Vec<ConnectionId> = self.of(from).collect();
        for id in moved {
            self.by_control.remove(&(from, id));
            self.by_control.insert((to, id));
            if let Some(connection) = self.all.get_mut(&id) {
                connection.control = to;
            }
        }
    }

    /// When the next one ends that nobody goes on with.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.first()
    }

    /// One whose time is over.
    pub(super) fn due(&mut self, now: Instant) -> Option<ConnectionId> {
        self.ends.take_due(now)
    }

    fn note(&mut self, id: ConnectionId) {
        let Some(PeerConnection { state, .. }) = self.all.get(&id) else { return };
        if let Some(at) = state.expires() {
            self.ends.add(at, id);
        }
        if let Some(data) = state.data() {
            self.by_data.insert(data, id);
        }
    }

    fn unnote(&mut self, id: ConnectionId, state: &State) {
        if let Some(at) = state.expires() {
            self.ends.remove(at, id);
        }
        if let Some(data) = state.data() {
            self.by_data.remove(&data);
        }
    }
}
