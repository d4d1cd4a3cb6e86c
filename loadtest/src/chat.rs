//! Members send durable messages and wait for each acknowledgement.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{bail, ensure};
use clap::Args;
use confer_auth::RoomScope;
use confer_headless::Requests;
use confer_protocol::chat::NewMessage;
use confer_protocol::client::Request;
use confer_protocol::id::{ClientMessageId, RoomId};
use confer_protocol::server::Reply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Target;
use crate::api::Api;
use crate::report::Quantiles;
use crate::socket::Socket;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    target: Target,

    /// How many members send.
    #[arg(long, default_value_t = 20)]
    senders: u32,

    /// How many rooms they are spread over.
    #[arg(long, default_value_t = 4)]
    rooms: u32,

    /// How many messages each sends.
    #[arg(long, default_value_t = 250)]
    messages: u32,

    /// How many a sender has in flight at once.
    #[arg(long, default_value_t = 8)]
    in_flight: usize,
}

pub(crate) async fn run(options: &Options) -> anyhow::Result<Value> {
    let api = &Api::open(&options.target)?;
    let mut rooms = Vec::new();
    for number in 0..options.rooms.max(1) {
        rooms.push(api.create_room(&format!("load test {number}")).await?);
    }
    let mut members = Vec::new();
    for (number, room) in (0..options.senders).zip(rooms.iter().cycle().copied()) {
        let token = api.token(&format!("loadtest-{number}"), RoomScope::Only(vec![room]))?;
        let socket = Socket::open(&api.socket_url(), &token).await?;
        members.push((socket, room));
    }
    let started = Instant::now();
    let mut tasks = Vec::new();
    for (socket, room) in members {
        let (messages, in_flight) = (options.messages, options.in_flight.max(1));
        tasks.push(tokio::spawn(send_all(socket, room, messages, in_flight)));
    }
    let mut latencies = Vec::new();
    let mut numbers = BTreeSet::new();
    for task in tasks {
        let (room, acknowledged) = task.await??;
        for (seq, latency) in acknowledged {
            ensure!(numbers.insert((room, seq)), "two messages got the number {seq}");
            latencies.push(latency);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let acknowledged = latencies.len();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = acknowledged as f64 / seconds;
    Ok(json!({
        "acknowledged": acknowledged,
        "seconds": seconds,
        "per_second": rate,
        "ack_ms": Quantiles::of(latencies),
    }))
}

type Acknowledged = Vec<(u64, f64)>;

async fn send_all(
    mut socket: Socket,
    room: RoomId,
    messages: u32,
    in_flight: usize,
) -> anyhow::Result<(RoomId, Acknowledged)> {
    // Joining is what makes a token's bearer a member of the room.
    let mut requests = Requests::default();
    socket.send(&requests.frame(Request::Join { room }, Instant::now())).await?;
    while requests.answer(&socket.receive().await?).is_none() {}

    let mut acknowledged = Vec::new();
    let mut sent = 0;
    while acknowledged.len() < messages as usize {
        while sent < messages && requests.unanswered().count() < in_flight {
            let message = NewMessage {
                client_id: ClientMessageId(Uuid::now_v7()),
                body: format!(
                    "message {sent} of a load test, about a hundred bytes long with this"
                ),
                reply_to: None,
            };
            let request = Request::ChatSend { conversation: room.conversation(), message };
            socket.send(&requests.frame(request, Instant::now())).await?;
            sent += 1;
        }
        match requests.answer(&socket.receive().await?) {
            Some((at, Ok(Reply::ChatSend(receipt)))) => {
                acknowledged.push((receipt.seq.0, at.elapsed().as_secs_f64() * 1e3));
            }
            Some((_, Err(error))) => bail!("refused: {}", error.message),
            Some((_, Ok(_))) | None => {}
        }
    }
    Ok((room, acknowledged))
}
