//! Both sides in one process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use confer_inprocess::{MediaEnd, RelayEnd, connect};
use confer_protocol::media::MediaEvent;
use confer_sfu_net::{InProcessStats, SfuHandle};
use confer_turn_core::{Credentials, PeerPolicy, Tenant, TenantLimits, Transport};
use confer_turn_net::{Listener, RelayAddress, TurnHandle};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Far more than anything here takes; reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// As peers see the relay, behind one-to-one NAT.
pub(crate) const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// As clients are told to reach media.
pub(crate) const ANNOUNCED: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// The relay with its runtime.
pub(crate) struct Relay {
    runtime: Runtime,
    pub(crate) handle: TurnHandle,
    running: Option<confer_turn_net::Running>,
}

/// What a relay of a test differs in.
pub(crate) struct Wish {
    pub(crate) external: IpAddr,
    pub(crate) own_media: Vec<SocketAddr>,
    pub(crate) limits: TenantLimits,
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) threads: u16,
}

impl Wish {
    /// Reaches `media`, and else nothing.
    pub(crate) fn to(media: SocketAddr) -> Self {
        Self {
            external: OUTSIDE,
            own_media: vec![media],
            limits: TenantLimits::default(),
            ports: 49_152..=65_535,
            threads: 1,
        }
    }
}

impl Relay {
    pub(crate) fn start(wish: Wish, ends: Vec<RelayEnd>) -> Self {
        let own_media = wish.own_media.into_iter().collect();
        let tenant = Tenant {
            realm: "confer".to_owned(),
            users: [("ann".to_owned(), "ann".to_owned()), ("ben".to_owned(), "ben".to_owned())]
                .into(),
            limits: wish.limits,
            policy: PeerPolicy { own_media, ..PeerPolicy::default() },
            ..Tenant::default()
        };
        let config = confer_turn_net::Config {
            listen: vec![Listener {
                address: SocketAddr::new(LOOPBACK, 0),
                transports: vec![Transport::Udp],
            }],
            relay: vec![RelayAddress { bind: LOOPBACK, external: wish.external }],
            relay_ports: wish.ports,
            threads: wish.threads,
            core: confer_turn_core::Config {
                credentials: Credentials::new(vec![tenant]),
                nonce_secret: vec![7; 32],
                ..confer_turn_core::Config::default()
            },
            unix_time: || 1_000_000_000,
            ..confer_turn_net::Config::default()
        };
        let runtime = Runtime::new().expect("a runtime");
        let starting = confer_turn_net::start_beside_media(config, ends);
        let (handle, running) = runtime.block_on(starting).expect("loopback has free ports");
        Self { runtime, handle, running: Some(running) }
    }

    /// Ends the relay. Also done when it is dropped.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }

    pub(crate) fn kick(&self, user: &str) -> usize {
        self.runtime.block_on(self.handle.kick(user))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The media plane.
pub(crate) struct Media {
    pub(crate) handle: SfuHandle,
    pub(crate) events: mpsc::Receiver<MediaEvent>,
    pub(crate) running: confer_sfu_net::Running,
    announced: IpAddr,
}

impl Media {
    pub(crate) fn start(announced: IpAddr, ends: Vec<MediaEnd>) -> Self {
        let config = confer_sfu_net::Config {
            bind: LOOPBACK,
            port: 0,
            announced: vec![announced],
            ..confer_sfu_net::Config::default()
        };
        let started = confer_sfu_net::start_beside_relay(config, ends);
        let (handle, events, running) = started.expect("loopback has free ports");
        Self { handle, events, running, announced }
    }

    /// Where clients are told to send.
    pub(crate) fn candidate(&self) -> SocketAddr {
        SocketAddr::new(self.announced, self.running.local_addresses()[0].port())
    }

    /// What passed between it and the relay, and what passed its socket.
    pub(crate) fn counted(&self) -> (InProcessStats, confer_sfu_net::SocketStats) {
        let snapshot = self.handle.snapshots()[0];
        (snapshot.in_process, snapshot.socket)
    }
}

/// One thread each, as short rings as there are.
pub(crate) fn one_way() -> (Vec<RelayEnd>, Vec<MediaEnd>) {
    let relayed = vec![OUTSIDE, LOOPBACK];
    connect(&confer_inprocess::Config { relayed, ring_bytes: 0, ..Default::default() })
}

/// Both sides, connected.
pub(crate) fn both() -> (Relay, Media) {
    let (relay, media) = one_way();
    let media = Media::start(ANNOUNCED, media);
    (Relay::start(Wish::to(media.candidate()), relay), media)
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::yield_now();
    }
}
