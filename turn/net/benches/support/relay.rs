//! A relay on loopback for benchmarks: one listener, one user.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use confer_turn_core::{Credentials, PeerPolicy, Tenant, TenantLimits};
use confer_turn_net::{Config, Listener, RelayAddress, Transport};

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The user, and its password.
pub(crate) const NAME: &str = "bench";

pub(crate) fn config(transport: Transport) -> Config {
    let tenant = Tenant {
        realm: "confer".to_owned(),
        users: [(NAME.to_owned(), NAME.to_owned())].into(),
        limits: TenantLimits {
            allocations: u32::MAX,
            allocations_per_user: u32::MAX,
            permissions_per_user: u32::MAX,
            ..TenantLimits::default()
        },
        policy: PeerPolicy {
            allowed: vec!["127.0.0.0/8".parse().expect("a literal")],
            ..PeerPolicy::default()
        },
        ..Tenant::default()
    };
    let mut core = confer_turn_core::Config {
        credentials: Credentials::new(vec![tenant]),
        nonce_secret: vec![7; 32],
        ..confer_turn_core::Config::default()
    };
    // All clients come from one address at once.
    core.limits.challenges_per_prefix = u64::from(u32::MAX);
    Config {
        listen: vec![Listener {
            address: SocketAddr::new(LOOPBACK, 0),
            transports: vec![transport],
        }],
        relay: vec![RelayAddress { bind: LOOPBACK, external: LOOPBACK }],
        relay_ports: 1_024..=65_535,
        socket_buffer: 64 * 1024,
        core,
        unix_time: || 1_000_000_000,
        ..Config::default()
    }
}
