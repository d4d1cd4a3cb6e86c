//! What the relay and its model share: addresses, users, ports and the numbers of the
//! configuration.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use confer_turn_core::credentials::ephemeral_password;
use confer_turn_core::{
    Config, Credentials, Family, FiveTuple, Host, Limits, PeerPolicy, PortWish, RelayRequest,
    RelaySocket, Tenant, TenantLimits, Transport,
};

pub(crate) const REALM: &str = "confer.test";
pub(crate) const SECRET: &str = "s3cr3t";
/// Unix time at the beginning.
pub(crate) const BEGINNING: u64 = 1_000_000;
/// Carol's name may make no allocation after this.
pub(crate) const CAROL_UNTIL: u64 = BEGINNING + 2000;
pub(crate) const NONCE_LIFETIME: u64 = 3600;

pub(crate) const PER_USER: u32 = 2;
pub(crate) const PER_TENANT: u32 = 3;
pub(crate) const ALLOCATIONS: usize = 4;
pub(crate) const PERMISSIONS: u16 = 2;
pub(crate) const CHANNELS: u16 = 2;
pub(crate) const CONNECTIONS: u16 = 1;
pub(crate) const RESERVATIONS: usize = 1;
/// Sockets the host opens at once.
const SOCKETS: usize = 6;

/// A peer: its address, the address that packets for it reach in the end, and who may talk to it.
pub(crate) struct Peer {
    pub(crate) address: &'static str,
    pub(crate) canonical: &'static str,
    pub(crate) rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Open,
    /// Denied once the policy is strict.
    OpenUnlessStrict,
    Denied,
}

pub(crate) const PEERS: [Peer; 6] = [
    Peer { address: "8.8.8.8:53", canonical: "8.8.8.8", rule: Rule::Open },
    Peer { address: "8.8.8.8:54", canonical: "8.8.8.8", rule: Rule::Open },
    Peer { address: "1.1.1.1:9", canonical: "1.1.1.1", rule: Rule::OpenUnlessStrict },
    Peer { address: "[2606:4700::1]:53", canonical: "2606:4700::1", rule: Rule::Open },
    Peer { address: "10.0.0.1:53", canonical: "10.0.0.1", rule: Rule::Denied },
    Peer { address: "[64:ff9b::10.0.0.1]:53", canonical: "10.0.0.1", rule: Rule::Denied },
];

impl Peer {
    pub(crate) fn at(&self) -> SocketAddr {
        self.address.parse().expect("a literal")
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.canonical.parse().expect("a literal")
    }

    pub(crate) fn allowed(&self, strict: bool) -> bool {
        match self.rule {
            Rule::Open => true,
            Rule::OpenUnlessStrict => !strict,
            Rule::Denied => false,
        }
    }
}

pub(crate) fn client(number: usize) -> FiveTuple {
    let (client, server) = if number == 2 {
        ("[2001:db8::7]:4002".to_owned(), "[2001:db8::1]:3478")
    } else {
        (format!("198.51.100.7:{}", 4000 + number), "192.0.2.1:3478")
    };
    FiveTuple {
        client: client.parse().expect("a literal"),
        server: server.parse().expect("a literal"),
        transport: if number < 3 { Transport::Udp } else { Transport::Tcp },
    }
}

/// Name, password and identity of a user.
pub(crate) fn user(number: usize) -> (String, String, &'static str) {
    match number {
        0 => ("alice".to_owned(), "hunter1".to_owned(), "alice"),
        1 => ("bob".to_owned(), "hunter2".to_owned(), "bob"),
        _ => {
            let name = format!("{CAROL_UNTIL}:carol");
            let password = ephemeral_password(SECRET, &name);
            (name, password, "carol")
        }
    }
}

/// Alice and Bob share a tenant.
pub(crate) fn tenant_of(user: usize) -> usize {
    usize::from(user == 2)
}

pub(crate) fn config(strict: bool) -> Config {
    let limits = TenantLimits {
        allocations: PER_TENANT,
        allocations_per_user: PER_USER,
        ..TenantLimits::default()
    };
    let denied = if strict { vec!["1.1.1.1/32".parse().expect("a literal")] } else { vec![] };
    let tenant = Tenant {
        realm: REALM.to_owned(),
        limits,
        policy: PeerPolicy { denied, ..PeerPolicy::default() },
        ..Tenant::default()
    };
    let statics = [0, 1].map(user).map(|(name, password, _)| (name, password));
    let credentials = Credentials::new(vec![
        Tenant { users: statics.into(), ..tenant.clone() },
        Tenant { secrets: vec![SECRET.to_owned()], ..tenant },
    ]);
    Config {
        credentials,
        nonce_secret: b"model".to_vec(),
        limits: Limits {
            allocations: ALLOCATIONS,
            permissions_per_allocation: PERMISSIONS,
            channels_per_allocation: CHANNELS,
            connections_per_allocation: CONNECTIONS,
            // Silence has its own test.
            challenges_per_prefix: 0,
            reservations: RESERVATIONS,
            ..Limits::default()
        },
        tcp_relay: true,
        ..Config::default()
    }
}

/// Ports that count upwards, and a cap of how many are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    last: u16,
    pub(crate) open: BTreeSet<SocketAddr>,
}

impl Host for Ports {
    fn open_relay(&mut self, request: RelayRequest) -> Option<RelaySocket> {
        let ip: IpAddr = match request.family {
            Family::V4 => [192, 0, 2, 1].into(),
            Family::V6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
        };
        let wanted = if request.port == PortWish::EvenAndNext { 2 } else { 1 };
        if self.open.len() + wanted > SOCKETS {
            return None;
        }
        self.last += 1;
        if request.port != PortWish::Any {
            self.last = self.last.next_multiple_of(2);
        }
        let relayed = SocketAddr::new(ip, 50_000 + self.last);
        self.open.insert(relayed);
        let next = (request.port == PortWish::EvenAndNext).then(|| {
            self.last += 1;
            let next = SocketAddr::new(ip, 50_000 + self.last);
            self.open.insert(next);
            next
        });
        Some(RelaySocket { relayed, next })
    }
}
