//! Starting the media threads, and ending them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use confer_inprocess::MediaEnd;
use confer_protocol::media::MediaEvent;
use confer_sfu_core::io::ShardConfig;
use confer_sfu_core::shard::Shard;
use confer_sfu_core::transport::dtls::Certificate;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::sync::mpsc;

use crate::EVENT_CAPACITY;
use crate::command_queue::CommandQueue;
use crate::config::Config;
use crate::driver::Driver;
use crate::error::StartError;
use crate::handle::{SfuHandle, ShardLink};
use crate::in_process::InProcess;
use crate::stats::Published;
use crate::udp::UdpPort;

/// The running media threads. Dropping it ends them and waits for that.
#[must_use = "dropping it ends the media threads"]
pub struct Running {
    threads: Vec<(Arc<CommandQueue>, JoinHandle<()>)>,
    local: Vec<SocketAddr>,
}

impl Running {
    /// Where the sockets listen, by shard.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.local
    }

    /// Ends the threads and waits for that.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (commands, _) in &self.threads {
            commands.stop();
        }
        for (_, thread) in self.threads.drain(..) {
            if thread.join().is_err() {
                // The panic itself was reported when it happened.
                tracing::error!("a media thread had ended by a panic");
            }
        }
    }
}

/// Opens the sockets and starts the threads.
///
/// # Errors
/// When a socket or a thread cannot be had; nothing is left running then.
pub fn start(
    config: Config,
) -> Result<(SfuHandle, mpsc::Receiver<MediaEvent>, Running), StartError> {
    start_beside_relay(config, Vec::new())
}

/// Opens the sockets and starts the threads, each with its end of the way to the relay of this
/// process. Threads beyond the ends reach it through sockets.
///
/// # Errors
/// When a socket or a thread cannot be had; nothing is left running then.
pub fn start_beside_relay(
    config: Config,
    relay: Vec<MediaEnd>,
) -> Result<(SfuHandle, mpsc::Receiver<MediaEvent>, Running), StartError> {
    let mut relay = relay.into_iter();
    let ports = bind(&config)?;
    let certificate = Certificate::generate().map_err(StartError::Certificate)?;
    let (events, receiver) = mpsc::channel(EVENT_CAPACITY);

    let mut running = Running { threads: Vec::new(), local: Vec::new() };
    let mut links = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        let commands = Arc::new(CommandQueue::new().map_err(StartError::Thread)?);
        let published = Arc::new(Published::default());
        let candidates = candidates(&config, &port)?;
        let in_process = InProcess::new(relay.next(), &candidates, port.local().port(), &commands);
        let shard_config = ShardConfig {
            candidates,
            certificate: certificate.clone(),
            limits: config.limits,
            seed: rand::random(),
        };
        running.local.push(port.local());
        links
            .push(ShardLink { commands: Arc::clone(&commands), published: Arc::clone(&published) });

        let pin = (config.pin && config.shards > 1).then_some(index);
        let (queue, events) = (Arc::clone(&commands), events.clone());
        let thread = std::thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || {
                if let Some(index) = pin {
                    stay_on_core(index);
                }
                let shard = Shard::new(shard_config, Instant::now());
                Driver { shard, port, in_process, commands: queue, events, published }.drive();
            })
            .map_err(StartError::Thread)?;
        running.threads.push((commands, thread));
    }
    Ok((SfuHandle::new(links), receiver, running))
}

/// All sockets before any thread: a port in use leaves nothing to clean up.
fn bind(config: &Config) -> Result<Vec<UdpPort>, StartError> {
    if config.shards == 0 {
        return Err(StartError::BadShards);
    }
    (0..config.shards)
        .map(|index| {
            let port = match config.port {
                0 => 0,
                first => first.checked_add(index).ok_or(StartError::BadShards)?,
            };
            let address = SocketAddr::new(config.bind, port);
            UdpPort::bind(address, config.gso, config.socket_buffer)
                .map_err(|cause| StartError::from_bind(address, config.shards, cause))
        })
        .collect()
}

fn candidates(config: &Config, port: &UdpPort) -> Result<Vec<SocketAddr>, StartError> {
    let own = port.local();
    let fallback =
        [if own.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { own.ip() }];
    let announced = if config.announced.is_empty() { &fallback[..] } else { &config.announced };
    let candidates: Vec<SocketAddr> = announced
        .iter()
        .map(IpAddr::to_canonical)
        .filter(|ip| port.speaks(*ip))
        .map(|ip| SocketAddr::new(ip, own.port()))
        .collect();
    if candidates.is_empty() { Err(StartError::NothingToAnnounce) } else { Ok(candidates) }
}

/// Keeps this thread on one of the cores that the process may use. Where that fails the kernel
/// places it, which is only slower.
fn stay_on_core(index: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    if let Some(core) = cores.get(index % cores.len().max(1)) {
        let mut one = CpuSet::new();
        one.set(*core);
        if let Err(error) = sched_setaffinity(None, &one) {
            tracing::debug!(%error, "media thread is not pinned");
        }
    }
}
