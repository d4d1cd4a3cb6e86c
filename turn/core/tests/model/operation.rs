//! What can happen to a relay, and how often each of it is drawn.

use proptest::prelude::*;

/// Clients by number; the first three come over UDP, the others over TCP.
pub(crate) const CLIENTS: usize = 6;
/// Peers by number, see [`crate::world::PEERS`].
const PEERS: usize = 6;

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Allocate {
        at: usize,
        who: Who,
        ask: Ask,
    },
    Refresh {
        at: usize,
        who: Who,
        lifetime: Option<u32>,
        family: Option<u8>,
    },
    Move {
        at: usize,
        who: Who,
        ticket: usize,
        lifetime: Option<u32>,
    },
    Permit {
        at: usize,
        who: Who,
        peers: Vec<usize>,
    },
    BindChannel {
        at: usize,
        who: Who,
        channel: Option<u16>,
        peer: Option<usize>,
    },
    Connect {
        at: usize,
        who: Who,
        peer: Option<usize>,
    },
    BindConnection {
        at: usize,
        who: Who,
        connection: usize,
    },
    /// The client's last request once more, byte for byte.
    Again {
        at: usize,
    },
    Send {
        at: usize,
        peer: usize,
        length: usize,
        dont_fragment: bool,
    },
    ChannelData {
        at: usize,
        channel: u16,
        length: usize,
    },
    FromPeer {
        relayed: usize,
        peer: usize,
        length: usize,
    },
    Connected {
        connection: usize,
        reached: bool,
    },
    PeerGone {
        connection: usize,
    },
    Disconnect {
        at: usize,
    },
    Kick {
        user: usize,
    },
    /// Time passes, and the timer runs.
    Wait {
        seconds: u64,
    },
    Policy {
        strict: bool,
    },
}

/// Who a request says it is from, and what is wrong with its proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    /// Alice and Bob are static users of one tenant, Carol an ephemeral one of another.
    pub(crate) user: usize,
    pub(crate) flaw: Flaw,
    pub sha256: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    NoIntegrity,
    WrongPassword,
    UnknownUser,
    WrongRealm,
    /// A nonce that was made for another address.
    ForeignNonce,
    NoNonce,
}

/// What an Allocate asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) transport: Option<u8>,
    pub(crate) family: Option<u8>,
    pub(crate) additional: Option<u8>,
    pub(crate) even: Option<bool>,
    pub(crate) token: Option<usize>,
    pub(crate) dont_fragment: bool,
    pub(crate) mobile: bool,
    pub(crate) lifetime: Option<u32>,
}

pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop_oneof![
        3 => prop::collection::vec(operation(), 1..100),
        1 => prop::collection::vec(stream_operation(), 1..100),
    ]
}

/// What happens around relayed TCP: among everything else it is too rare that a connection is made
/// for an allocation that then moves.
fn stream_operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let at = || 3..CLIENTS;
    let who = || Just(Who { user: 0, flaw: Flaw::None, sha256: false });
    let peer = || prop_oneof![3 => Just(0), 1 => 0..PEERS];
    let ask = Ask {
        transport: Some(6),
        family: None,
        additional: None,
        even: None,
        token: None,
        dont_fragment: false,
        mobile: true,
        lifetime: None,
    };
    prop_oneof![
        4 => (at(), who()).prop_map(move |(at, who)| O::Allocate { at, who, ask }),
        3 => (at(), who(), 0..12usize, lifetime()).prop_map(|(at, who, ticket, lifetime)| {
            O::Move { at, who, ticket, lifetime }
        }),
        2 => (at(), who(), peer()).prop_map(|(at, who, peer)| O::Permit { at, who, peers: vec![peer] }),
        4 => (at(), who(), peer())
            .prop_map(|(at, who, peer)| O::Connect { at, who, peer: Some(peer) }),
        4 => (0..12usize, prop::bool::weighted(0.8))
            .prop_map(|(connection, reached)| O::Connected { connection, reached }),
        3 => (0..6usize, peer()).prop_map(|(relayed, peer)| O::FromPeer { relayed, peer, length: 0 }),
        3 => (at(), who(), 0..12usize)
            .prop_map(|(at, who, connection)| O::BindConnection { at, who, connection }),
        1 => (0..12usize).prop_map(|connection| O::PeerGone { connection }),
        1 => at().prop_map(|at| O::Disconnect { at }),
        1 => (0..2usize).prop_map(|user| O::Kick { user }),
        1 => prop_oneof![0..10u64, 29..31u64].prop_map(|seconds| O::Wait { seconds }),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    // Mostly few clients and peers, so that things happen to the same ones.
    let at = || prop_oneof![4 => Just(0), 3 => Just(3), 2 => 0..CLIENTS];
    let stream = || prop_oneof![2 => Just(3), 1 => 3..CLIENTS];
    let peer = || prop_oneof![3 => Just(0), 2 => 0..PEERS];
    let length = || 0..1200usize;
    prop_oneof![
        6 => (at(), who(), ask()).prop_map(|(at, who, ask)| O::Allocate { at, who, ask }),
        3 => (at(), who(), lifetime(), family()).prop_map(|(at, who, lifetime, family)| {
            O::Refresh { at, who, lifetime, family }
        }),
        2 => (at(), who(), 0..4usize, lifetime()).prop_map(|(at, who, ticket, lifetime)| {
            O::Move { at, who, ticket, lifetime }
        }),
        4 => (at(), who(), prop::collection::vec(peer(), 0..4))
            .prop_map(|(at, who, peers)| O::Permit { at, who, peers }),
        4 => (at(), who(), channel(), maybe(peer()))
            .prop_map(|(at, who, channel, peer)| O::BindChannel { at, who, channel, peer }),
        2 => (stream(), who(), maybe(peer()))
            .prop_map(|(at, who, peer)| O::Connect { at, who, peer }),
        2 => (at(), who(), 0..4usize)
            .prop_map(|(at, who, connection)| O::BindConnection { at, who, connection }),
        2 => at().prop_map(|at| O::Again { at }),
        4 => (at(), peer(), length(), any::<bool>()).prop_map(|(at, peer, length, dont_fragment)| {
            O::Send { at, peer, length, dont_fragment }
        }),
        4 => (at(), 0x4000..0x4003u16, length())
            .prop_map(|(at, channel, length)| O::ChannelData { at, channel, length }),
        6 => (0..6usize, peer(), length())
            .prop_map(|(relayed, peer, length)| O::FromPeer { relayed, peer, length }),
        2 => (0..4usize, any::<bool>())
            .prop_map(|(connection, reached)| O::Connected { connection, reached }),
        1 => (0..4usize).prop_map(|connection| O::PeerGone { connection }),
        1 => (3..CLIENTS).prop_map(|at| O::Disconnect { at }),
        1 => (0..3usize).prop_map(|user| O::Kick { user }),
        3 => prop_oneof![0..10u64, 29..31u64, 59..61u64, 299..301u64, 299..302u64, 599..601u64, 3599..3601u64]
            .prop_map(|seconds| O::Wait { seconds }),
        1 => any::<bool>().prop_map(|strict| O::Policy { strict }),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    let flaw = prop_oneof![
        30 => Just(Flaw::None),
        1 => Just(Flaw::NoIntegrity),
        1 => Just(Flaw::WrongPassword),
        1 => Just(Flaw::UnknownUser),
        1 => Just(Flaw::WrongRealm),
        1 => Just(Flaw::ForeignNonce),
        1 => Just(Flaw::NoNonce),
    ];
    (prop_oneof![6 => Just(0usize), 2 => Just(1usize), 2 => Just(2usize)], flaw, any::<bool>())
        .prop_map(|(user, flaw, sha256)| Who { user, flaw, sha256 })
}

fn ask() -> impl Strategy<Value = Ask> {
    let transport = prop_oneof![
        12 => Just(Some(17)),
        6 => Just(Some(6)),
        1 => Just(Some(99)),
        1 => Just(None),
    ];
    let additional = prop_oneof![6 => Just(None), 2 => Just(Some(2)), 1 => Just(Some(1))];
    let even = prop_oneof![6 => Just(None), 1 => Just(Some(false)), 2 => Just(Some(true))];
    let token = prop_oneof![8 => Just(None), 2 => (0..3usize).prop_map(Some)];
    let fragment = prop::bool::weighted(0.1);
    (transport, family(), additional, even, token, fragment, any::<bool>(), lifetime()).prop_map(
        |(transport, family, additional, even, token, dont_fragment, mobile, lifetime)| Ask {
            transport,
            family,
            additional,
            even,
            token,
            dont_fragment,
            mobile,
            lifetime,
        },
    )
}

fn family() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![8 => Just(None), 1 => Just(Some(1)), 2 => Just(Some(2)), 1 => Just(Some(3))]
}

fn lifetime() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![4 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(1000)), 1 => Just(Some(9999))]
}

fn channel() -> impl Strategy<Value = Option<u16>> {
    prop_oneof![
        12 => (0x4000..0x4003u16).prop_map(Some),
        1 => Just(Some(0x3FFF)),
        1 => Just(Some(0x5000)),
        1 => Just(None),
    ]
}

fn maybe(number: impl Strategy<Value = usize>) -> impl Strategy<Value = Option<usize>> {
    prop_oneof![12 => number.prop_map(Some), 1 => Just(None)]
}
