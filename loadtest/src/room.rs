//! Participants join one room one by one; some publish, all receive.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use confer_auth::RoomScope;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use crate::Target;
use crate::api::Api;
use crate::client::{Outcome, Participant};
use crate::report::Quantiles;

/// How long one participant may take to connect before the run is void.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,

    /// How many join.
    #[arg(long, default_value_t = 10)]
    participants: u32,

    /// How many of them publish a microphone and a camera.
    #[arg(long, default_value_t = 2)]
    publishers: u32,

    /// How long all stay once the last has connected, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<Value> {
    let api = &Api::open(&options.target)?;
    let room = api.create_room("load test").await?;
    let (stop, stopped) = watch::channel(false);
    let mut running = Vec::new();
    for number in 0..options.participants {
        let participant = Participant {
            socket_url: api.socket_url(),
            token: api.token(&format!("loadtest-{number}"), RoomScope::Only(vec![room]))?,
            room,
            publish: number < options.publishers,
            ssrc: 1000 + 10 * number,
        };
        let (connected, waiting) = oneshot::channel();
        let mut task = tokio::spawn(participant.run(connected, stopped.clone()));
        tokio::select! {
            outcome = tokio::time::timeout(JOIN_PATIENCE, waiting) => {
                outcome.with_context(|| format!("participant {number} did not connect"))??;
            }
            ended = &mut task => {
                ended??;
            }
        }
        eprintln!("{} of {} joined", number + 1, options.participants);
        running.push(task);
    }

    let all_joined = Instant::now();
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let steady = all_joined.elapsed();
    stop.send_replace(true);
    let mut outcomes = Vec::new();
    for task in running {
        outcomes.push(task.await??);
    }
    Ok(summary(&outcomes, steady))
}

fn summary(outcomes: &[Outcome], steady: Duration) -> Value {
    let sdp: Vec<usize> =
        outcomes.iter().map(|outcome| outcome.offer_bytes + outcome.answer_bytes).collect();
    let connected = outcomes.iter().map(|outcome| outcome.connected_after.as_secs_f64() * 1e3);
    let media = outcomes.iter().filter_map(|outcome| outcome.media_after);
    let sum = |figure: fn(&Outcome) -> u64| outcomes.iter().map(figure).sum::<u64>();
    json!({
        "participants": outcomes.len(),
        "steady_seconds": steady.as_secs_f64(),
        "connected_ms": Quantiles::of(connected.collect()),
        "first_media_ms": Quantiles::of(media.map(|after| after.as_secs_f64() * 1e3).collect()),
        "sdp_bytes": { "5th": sdp.get(4), "last": sdp.last() },
        "packets_sent": sum(|outcome| outcome.sent_packets),
        "packets_received": sum(|outcome| outcome.received_packets),
        "bytes_received": sum(|outcome| outcome.received_bytes),
    })
}
