use std::sync::atomic::{AtomicU64, Ordering};

use confer_protocol::error::{CloseCode, ErrorCode};

/// What signaling counted since it started, and what is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Sockets open now.
    pub connections: u64,
    /// Rooms with somebody in them now.
    pub rooms: u64,
    /// Participants in all rooms now, those away included.
    pub participants: u64,
    pub frames_in: u64,
    pub frames_out: u64,
    /// Errors answered, by code; codes that never came are left out.
    pub errors: Vec<(ErrorCode, u64)>,
    /// Sockets closed by the server, by code; codes that never came are left out.
    pub closes: Vec<(CloseCode, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) frames_in: AtomicU64,
    pub(crate) frames_out: AtomicU64,
    errors: [AtomicU64; ErrorCode::ALL.len()],
    closes: [AtomicU64; CloseCode::ALL.len()],
}

impl Counters {
    pub(crate) fn count_error(&self, code: ErrorCode) {
        add_at(&self.errors, ErrorCode::ALL, code);
    }

    pub(crate) fn count_close(&self, code: CloseCode) {
        add_at(&self.closes, CloseCode::ALL, code);
    }

    pub(crate) fn snapshot(&self, rooms: u64, participants: u64) -> Metrics {
        Metrics {
            connections: self.connections.load(Ordering::Relaxed),
            rooms,
            participants,
            frames_in: self.frames_in.load(Ordering::Relaxed),
            frames_out: self.frames_out.load(Ordering::Relaxed),
            errors: non_zero(&self.errors, ErrorCode::ALL),
            closes: non_zero(&self.closes, CloseCode::ALL),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn add_at<T: PartialEq>(counters: &[AtomicU64], all: &[T], which: T) {
    if let Some((_, counter)) = all.iter().zip(counters).find(|(it, _)| **it == which) {
        add(counter);
    }
}

fn non_zero<T: Copy>(counters: &[AtomicU64], all: &[T]) -> Vec<(T, u64)> {
    all.iter()
        .zip(counters)
        .map(|(it, counter)| (*it, counter.load(Ordering::Relaxed)))
        .filter(|(_, count)| *count > 0)
        .collect()
}
