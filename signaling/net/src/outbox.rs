use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use confer_protocol::error::{CloseCode, ErrorBody};
use confer_protocol::server::Reply;
use tokio::sync::Notify;

/// What the hub has for one socket. The hub never waits: what does not fit ends the socket.
///
/// Notices are dropped first, the oldest before the newer: each is overtaken by the next of its
/// kind. Events and answers are not dropped; a socket that cannot take them is closed, and its
/// client resumes from the last number it saw.
#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    state: Mutex<State>,
    changed: Notify,
}

/// How much may wait for one socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    bytes: usize,
    /// Set once; what was queued before it is still delivered, unless the socket is too slow.
    end: Option<CloseCode>,
}

#[derive(Debug)]
struct Queued {
    ephemeral: bool,
    bytes: usize,
    item: Outgoing,
}

/// One thing for a socket.
#[derive(Debug, PartialEq)]
pub(crate) enum Outgoing {
    /// The hub's answer to a request; the session turns it into a frame.
    Answer { request: u32, outcome: Result<Reply, ErrorBody> },
    /// A frame.
    Text(Utf8Bytes),
    /// The end. Nothing follows.
    Close(CloseCode),
}

/// What an answer is counted as before it is a frame.
const ANSWER_BYTES: usize = 4096;

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self { limits, state: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn answer(&self, request: u32, outcome: Result<Reply, ErrorBody>) {
        let item = Outgoing::Answer { request, outcome };
        self.push(Queued { ephemeral: false, bytes: ANSWER_BYTES, item });
    }

    pub(crate) fn event(&self, text: Utf8Bytes) {
        self.push(Queued { ephemeral: false, bytes: text.len(), item: Outgoing::Text(text) });
    }

    pub(crate) fn notice(&self, text: Utf8Bytes) {
        self.push(Queued { ephemeral: true, bytes: text.len(), item: Outgoing::Text(text) });
    }

    /// Ends the socket after what is queued. The first reason given stays.
    pub(crate) fn close(&self, code: CloseCode) {
        self.lock().end.get_or_insert(code);
        self.changed.notify_one();
    }

    /// Waits for the next thing. While `writable` is false, only for the word that the socket is
    /// too slow. Cancel-safe.
    pub(crate) async fn next(&self, writable: bool) -> Outgoing {
        loop {
            let changed = self.changed.notified();
            if let Some(item) = self.take(writable) {
                return item;
            }
            changed.await;
        }
    }

    fn take(&self, writable: bool) -> Option<Outgoing> {
        let mut state = self.lock();
        if state.end == Some(CloseCode::TooSlow) {
            return Some(Outgoing::Close(CloseCode::TooSlow));
        }
        if !writable {
            return None;
        }
        if let Some(queued) = state.queue.pop_front() {
            state.bytes -= queued.bytes;
            return Some(queued.item);
        }
        state.end.map(Outgoing::Close)
    }

    fn push(&self, queued: Queued) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        state.bytes += queued.bytes;
        state.queue.push_back(queued);
        if !state.fits(self.limits) {
            state.drop_ephemeral(self.limits);
        }
        if !state.fits(self.limits) {
            *state = State { end: Some(CloseCode::TooSlow), ..State::default() };
        }
        drop(state);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fits(&self, limits: OutboxLimits) -> bool {
        self.queue.len() <= limits.frames && self.bytes <= limits.bytes
    }

    fn drop_ephemeral(&mut self, limits: OutboxLimits) {
        let mut excess_frames = self.queue.len().saturating_sub(limits.frames);
        let mut excess_bytes = self.bytes.saturating_sub(limits.bytes);
        let mut freed = 0;
        self.queue.retain(|queued| {
            let drop = queued.ephemeral && (excess_frames > 0 || excess_bytes > 0);
            if drop {
                excess_frames = excess_frames.saturating_sub(1);
                excess_bytes = excess_bytes.saturating_sub(queued.bytes);
                freed += queued.bytes;
            }
            !drop
        });
        self.bytes -= freed;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn outbox(frames: usize, bytes: usize) -> Outbox {
        Outbox::new(OutboxLimits { frames, bytes })
    }

    fn drain(outbox: &Outbox) -> Vec<Outgoing> {
        std::iter::from_fn(|| outbox.next(true).now_or_never()).take(10).collect()
    }

    fn text(text: &'static str) -> Outgoing {
        Outgoing::Text(Utf8Bytes::from_static(text))
    }

    #[test]
    fn the_oldest_notices_make_way_for_events() {
        let outbox = outbox(3, 1000);
        outbox.notice(Utf8Bytes::from_static("n1"));
        outbox.event(Utf8Bytes::from_static("e1"));
        outbox.notice(Utf8Bytes::from_static("n2"));
        outbox.event(Utf8Bytes::from_static("e2"));
        assert_eq!(drain(&outbox), [text("e1"), text("n2"), text("e2")]);
    }

    #[test]
    fn events_that_do_not_fit_end_the_socket_even_while_it_takes_nothing() {
        let outbox = outbox(100, 3);
        outbox.event(Utf8Bytes::from_static("e1"));
        assert_eq!(outbox.next(false).now_or_never(), None);
        outbox.event(Utf8Bytes::from_static("e2"));
        assert_eq!(outbox.next(false).now_or_never(), Some(Outgoing::Close(CloseCode::TooSlow)));
    }

    #[test]
    fn a_close_comes_after_what_was_queued_and_nothing_after_it() {
        let outbox = outbox(100, 1000);
        outbox.event(Utf8Bytes::from_static("last words"));
        outbox.close(CloseCode::Replaced);
        outbox.close(CloseCode::Drained);
        outbox.event(Utf8Bytes::from_static("too late"));
        assert_eq!(outbox.next(true).now_or_never(), Some(text("last words")));
        assert_eq!(outbox.next(true).now_or_never(), Some(Outgoing::Close(CloseCode::Replaced)));
    }
}
