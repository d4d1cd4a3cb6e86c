//! The bundled relay's sockets: UDP and TCP listeners, one UDP socket per relayed address.
//!
//! [`start`] binds everything and returns once clients can be answered. One task owns the
//! `Server` of `confer-turn-core` and decides ([`driver`]); a task per socket reads and hands it
//! what arrived. Queues are bounded; what does not fit is dropped, as a network would.

mod config;
mod driver;
mod handle;
mod relay;
mod tcp;
mod udp;

pub use config::{Config, RelayAddress, StartError};
pub use handle::{Running, StatsSnapshot, TurnHandle};

use std::sync::Arc;

use handle::Stats;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Packets waiting for the driver. When full, readers drop, and the drop is counted.
const INBOUND_CAPACITY: usize = 4096;
/// Requests of other parts waiting for the driver.
const CONTROL_CAPACITY: usize = 64;

/// Binds the listeners and starts relaying.
///
/// # Errors
/// When a listener cannot be bound; nothing runs then.
pub async fn start(config: Config) -> Result<(TurnHandle, Running), StartError> {
    let (inbound, packets) = mpsc::channel(INBOUND_CAPACITY);
    let (control, requests) = mpsc::channel(CONTROL_CAPACITY);
    let stats = Arc::new(Stats::default());
    let world = World {
        inbound,
        stats: stats.clone(),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    };

    let mut listeners = Vec::new();
    for address in &config.listen {
        let udp = udp::bind(*address).await?;
        let bound =
            udp.local_addr().map_err(|cause| StartError::Listen { address: *address, cause })?;
        // The same port on both, also where the system chose it.
        let tcp = tcp::bind(bound).await?;
        listeners.push((bound, Arc::new(udp), tcp));
    }
    let mut sockets = Vec::new();
    for (bound, udp, tcp) in listeners {
        udp::spawn_reader(udp.clone(), bound, &world);
        tcp::spawn_acceptor(tcp, bound, config.tcp_connections, &world);
        sockets.push((bound, udp));
    }
    let listening = sockets.iter().map(|(bound, _)| *bound).collect();
    let driver = driver::Driver::new(config, sockets, world.clone());
    world.tasks.spawn(driver.run(packets, requests));

    let handle = TurnHandle::new(control, stats, listening);
    Ok((handle, Running::new(world.tasks, world.stop)))
}

/// What every task of the relay shares.
#[derive(Clone, Debug)]
struct World {
    inbound: mpsc::Sender<Inbound>,
    stats: Arc<Stats>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Something that arrived on a socket.
#[derive(Debug)]
enum Inbound {
    Client { tuple: confer_turn_core::FiveTuple, packet: Vec<u8> },
    Peer { relayed: std::net::SocketAddr, peer: std::net::SocketAddr, packet: Vec<u8> },
    Connected { tuple: confer_turn_core::FiveTuple, outbound: mpsc::Sender<Vec<u8>> },
    Disconnected { tuple: confer_turn_core::FiveTuple },
}
