//! What relaying a packet costs, beside coturn: the same client, the same peer, the same minute.
//!
//! Both relays run as processes of their own on loopback, one thread each, in turns. What counts is
//! the processor time of the whole process (`schedstat`) per packet that arrived, so that other
//! load on the machine moves the figures little and the ratio less.
//!
//! They share one processor with the generator. On two, most of what is measured is how each packet
//! and each wake-up gets from one to the other, and it doubles or triples with what ran there
//! before ([`Options::spread`]).

mod generator;
mod relay;
mod stream;
mod summary;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use serde_json::{Value, json};

use generator::{Load, Measured};
use relay::{Kind, Relay, Transport};

/// Bytes of payload, as video has.
const PAYLOAD: usize = 1_200;
/// Packets of a burst: what a keyframe or a busy sender hands over at once.
const BURST: usize = 32;
/// The same over TCP and TLS: coturn loses what goes beyond 32 KB at once there.
const STREAM_BURST: usize = 24;

#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The confer binary to measure [default: the one beside this program].
    #[arg(long)]
    confer: Option<PathBuf>,

    /// Rounds of each relay; the first is thrown away.
    #[arg(long, default_value_t = 7)]
    rounds: usize,

    /// Packets each way, per round and kind of load.
    #[arg(long, default_value_t = 20_000)]
    packets: usize,

    /// What the client speaks; its peer has UDP.
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,

    /// Let the system choose the processors, instead of one for generator and relay.
    #[arg(long)]
    spread: bool,
}

/// Measures, prints a table to standard error and merges the figures into the summary.
pub(crate) fn run(options: &Options) -> anyhow::Result<Value> {
    anyhow::ensure!(options.rounds >= 3, "a median needs --rounds 3 or more");
    let _kept = if options.spread {
        None
    } else {
        Some(OneProcessor::keep().context("generator and relays cannot share a processor")?)
    };
    let beside = || Ok(std::env::current_exe()?.with_file_name("confer"));
    let confer = options.confer.clone().map_or_else(beside, anyhow::Ok)?;
    let burst_packets = match options.transport {
        Transport::Udp => BURST,
        Transport::Tcp | Transport::Tls => STREAM_BURST,
    };
    let kinds = [Kind::Confer(confer), Kind::Coturn];
    let mut rounds: Vec<[[Measured; 2]; 2]> = Vec::new();
    for round in 0..options.rounds {
        let mut pair = Vec::new();
        for kind in &kinds {
            let relay = Relay::start(kind)?;
            let mut load = Load::connect(&relay, options.transport)?;
            let single = load.run(1, options.packets)?;
            let burst = load.run(burst_packets, options.packets)?;
            pair.push([single, burst]);
        }
        let pair: [[Measured; 2]; 2] =
            pair.try_into().map_err(|_| anyhow::anyhow!("two relays"))?;
        #[expect(clippy::print_stderr, reason = "progress of a run that takes a minute")]
        for (name, [single, burst]) in ["confer", "coturn"].into_iter().zip(&pair) {
            eprintln!(
                "round {round} {name}: single {:.2} µs, bursts {:.2} µs, lost {}",
                single.micros(),
                burst.micros(),
                single.lost() + burst.lost(),
            );
        }
        rounds.push(pair);
    }
    let rounds = &rounds[1..];
    let of = |relay: usize, load: usize| {
        median(rounds.iter().map(|round| round[relay][load].micros()).collect())
    };
    let ratio = |load: usize| {
        median(
            rounds.iter().map(|round| round[0][load].micros() / round[1][load].micros()).collect(),
        )
    };
    let lost = |relay: usize| -> u64 {
        rounds.iter().flat_map(|round| &round[relay]).map(Measured::lost).sum()
    };
    // UDP is what the bars are about, and has no name of its own.
    let suffix = match options.transport {
        Transport::Udp => "",
        Transport::Tcp => "_tcp",
        Transport::Tls => "_tls",
    };
    summary::merge(
        &[
            ("turn.ratio_to_coturn_single", ratio(0)),
            ("turn.ratio_to_coturn_burst", ratio(1)),
            ("turn.us_per_packet_single", of(0, 0)),
            ("turn.us_per_packet_burst", of(0, 1)),
            ("turn.coturn_us_per_packet_single", of(1, 0)),
            ("turn.coturn_us_per_packet_burst", of(1, 1)),
        ]
        .map(|(name, figure)| (format!("{name}{suffix}"), figure)),
    )?;
    Ok(json!({
        "transport": format!("{:?}", options.transport).to_lowercase(),
        "payload_bytes": PAYLOAD,
        "burst_packets": burst_packets,
        "rounds": rounds.len(),
        "coturn": relay::coturn_version(),
        "us_per_packet": {
            "confer": { "single": of(0, 0), "burst": of(0, 1), "lost": lost(0) },
            "coturn": { "single": of(1, 0), "burst": of(1, 1), "lost": lost(1) },
        },
        "ratio": { "single": ratio(0), "burst": ratio(1) },
    }))
}

/// Keeps this thread, and the processes it starts, on the processor where it is.
struct OneProcessor {
    before: CpuSet,
}

impl OneProcessor {
    fn keep() -> rustix::io::Result<Self> {
        let before = sched_getaffinity(None)?;
        let mut one = CpuSet::new();
        one.set(sched_getcpu());
        sched_setaffinity(None, &one)?;
        Ok(Self { before })
    }
}

impl Drop for OneProcessor {
    fn drop(&mut self) {
        // What was allowed before is allowed again.
        let _ = sched_setaffinity(None, &self.before);
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
