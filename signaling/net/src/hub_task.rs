use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use confer_protocol::error::CloseCode;
use confer_protocol::media::{MediaEvent, MediaHappening};
use confer_protocol::server::{Notice, RoomEvent, ServerFrame};
use confer_signaling_core::hub::{Context, Input, Output};
use confer_signaling_core::ports::MediaPlane;
use confer_signaling_core::{ConnectionId, Hub, Limits, Random};
use rand::Rng as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::outbox::Outbox;
use crate::signaling::Board;

/// Inputs that wait for the hub. When it is full, sockets wait, and are not read meanwhile.
pub(crate) const HUB_CAPACITY: usize = 4096;

/// What reaches the hub's task.
#[derive(Debug)]
pub(crate) enum ToHub {
    /// A socket's task began; everything for the socket goes into this outbox.
    Arrived {
        connection: ConnectionId,
        outbox: Arc<Outbox>,
    },
    Input(Input),
    Drain {
        retry_after: Duration,
    },
    /// Ends every socket.
    CloseAll,
}

/// Owns the hub until nobody can reach it any more.
pub(crate) async fn run(
    limits: Limits,
    media: Arc<dyn MediaPlane>,
    mut inputs: mpsc::Receiver<ToHub>,
    mut media_events: mpsc::Receiver<MediaEvent>,
    board: Arc<Board>,
) {
    let mut hub = Hub::new(limits);
    let mut random = SystemRandom;
    let mut post = Post::default();
    let mut media_lives = true;
    loop {
        // 1. Drain: everybody hears of the last input before the next one counts.
        while let Some(output) = hub.poll_output() {
            post.deliver(output, &board);
        }

        // 2. Wait for exactly one thing; what must not wait first.
        let now_inputs = tokio::select! {
            biased;
            () = board.changed.notified() => urgent(&board, &mut post),
            event = media_events.recv(), if media_lives => match event {
                Some(event) => { log_security(&event); vec![Input::Media(event)] }
                None => { media_lives = false; Vec::new() }
            },
            input = inputs.recv() => match input {
                Some(input) => post.sort(input).into_iter().collect(),
                None => return,
            },
            () = until(hub.poll_timeout()) => vec![Input::Timeout],
        };

        // 3. Apply it.
        for input in now_inputs {
            let now = Instant::now().into_std();
            let mut context = Context { media: &*media, random: &mut random, now };
            hub.handle_input(input, &mut context);
        }
    }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

fn urgent(board: &Board, post: &mut Post) -> Vec<Input> {
    let urgent = std::mem::take(&mut *board.urgent());
    let revoked = urgent.revoked.into_iter().map(Input::Revoke);
    let lost = urgent.lost.into_iter().map(|(connection, parting)| {
        post.outboxes.remove(&connection);
        Input::Closed { connection, parting }
    });
    revoked.chain(lost).collect()
}

/// What a handshake chose is worth a line; addresses are not in it.
fn log_security(event: &MediaEvent) {
    if let MediaHappening::TransportChanged { state, security } = &event.happening {
        let security = security.as_ref();
        tracing::info!(
            room.id = %event.room,
            participant.id = %event.participant,
            state = ?state,
            dtls = security.map(|it| it.dtls_version),
            srtp = security.map(|it| it.srtp_profile),
            "media transport changed",
        );
    }
}

/// Brings outputs to outboxes.
#[derive(Default)]
struct Post {
    outboxes: HashMap<ConnectionId, Arc<Outbox>>,
    /// An event of a room goes to all of its members one after the other; it is written once.
    last_event: Option<(Arc<RoomEvent>, String)>,
    last_notice: Option<(Arc<Notice>, Utf8Bytes)>,
}

impl Post {
    fn sort(&mut self, input: ToHub) -> Option<Input> {
        match input {
            ToHub::Arrived { connection, outbox } => {
                self.outboxes.insert(connection, outbox);
                None
            }
            ToHub::Input(input) => {
                if let Input::Closed { connection, .. } = &input {
                    self.outboxes.remove(connection);
                }
                Some(input)
            }
            ToHub::Drain { retry_after } => Some(Input::Drain { retry_after }),
            ToHub::CloseAll => {
                self.outboxes.values().for_each(|outbox| outbox.close(CloseCode::Drained));
                None
            }
        }
    }

    fn deliver(&mut self, output: Output, board: &Board) {
        match output {
            Output::Answer { connection, request, outcome } => {
                if let Some(outbox) = self.outboxes.get(&connection) {
                    outbox.answer(request, outcome);
                }
            }
            Output::Event { connection, seq, event } => {
                let text = self.event_text(seq, event);
                if let Some(outbox) = self.outboxes.get(&connection) {
                    outbox.event(text);
                }
            }
            Output::Notice { connection, notice } => {
                let text = self.notice_text(notice);
                if let Some(outbox) = self.outboxes.get(&connection) {
                    outbox.notice(text);
                }
            }
            Output::Close { connection, code } => {
                if let Some(outbox) = self.outboxes.get(&connection) {
                    outbox.close(code);
                }
            }
            Output::InCall { room, participants: 0 } => {
                board.in_call().remove(&room);
            }
            Output::InCall { room, participants } => {
                board.in_call().insert(room, participants);
            }
        }
    }

    /// The frame of [`ServerFrame::Event`], whose event is written only once.
    fn event_text(&mut self, seq: u64, event: Arc<RoomEvent>) -> Utf8Bytes {
        if !matches!(&self.last_event, Some((last, _)) if Arc::ptr_eq(last, &event)) {
            let text = serde_json::to_string(&*event).expect("the wire is JSON");
            self.last_event = Some((event, text));
        }
        let json = self.last_event.as_ref().map_or("", |(_, text)| text);
        format!(r#"{{"type":"event","seq":{seq},"event":{json}}}"#).into()
    }

    fn notice_text(&mut self, notice: Arc<Notice>) -> Utf8Bytes {
        match &self.last_notice {
            Some((last, text)) if Arc::ptr_eq(last, &notice) => text.clone(),
            _ => {
                let frame = ServerFrame::Notice { notice: (*notice).clone() };
                let text: Utf8Bytes =
                    serde_json::to_string(&frame).expect("the wire is JSON").into();
                self.last_notice = Some((notice, text.clone()));
                text
            }
        }
    }
}

/// The operating system's generator, through a thread-local cryptographic one.
struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use confer_protocol::server::TransportState;

    use super::*;

    #[test]
    fn an_event_is_written_as_its_frame_would_be() {
        let event = RoomEvent::TransportChanged { state: TransportState::Connected };
        let frame = ServerFrame::Event { seq: 7, event: event.clone() };
        let text = Post::default().event_text(7, Arc::new(event));
        assert_eq!(text.as_str(), serde_json::to_string(&frame).expect("the wire is JSON"));
    }
}
