//! What the relay counts.
//!
//! Each thread has counters of its own and alone writes them, so that counting a packet is a plain
//! store; whoever reads adds them up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use confer_turn_core::{CloseReason, DropReason, Refusals, Traffic, Transport};

/// Upper bounds of how long allocations lived, in seconds; the last bucket has none.
pub const DURATION_BOUNDS: [u64; 6] = [10, 60, 300, 1_800, 7_200, 36_000];
/// Upper bounds of how many bytes allocations carried both ways; the last bucket has none.
pub const BYTES_BOUNDS: [u64; 6] =
    [1_000, 100_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
/// Why allocations end, in the order of [`CloseReason`]'s numbers.
const CLOSE_REASONS: [CloseReason; 4] =
    [CloseReason::Expired, CloseReason::Released, CloseReason::Disconnected, CloseReason::Kicked];
/// In the order of [`Transport`]'s numbers.
const TRANSPORTS: [Transport; 4] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];

/// The counters of one thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) allocations: AtomicU64,
    pub(crate) relayed_packets: AtomicU64,
    pub(crate) relayed_bytes: AtomicU64,
    pub(crate) queue_full: AtomicU64,
    pub(crate) send_failed: AtomicU64,
    pub(crate) handed_over: AtomicU64,
    pub(crate) in_process_packets: AtomicU64,
    pub(crate) in_process_full: AtomicU64,
    pub(crate) dtls_open: AtomicU64,
    pub(crate) dtls_failed: AtomicU64,
    pub(crate) dtls_refused: AtomicU64,
    allocated: [AtomicU64; TRANSPORTS.len()],
    closed: [AtomicU64; CLOSE_REASONS.len()],
    dropped: [AtomicU64; DropReason::ALL.len()],
    refused: [AtomicU64; Refusals::CODES.len()],
    challenges: AtomicU64,
    durations: Buckets,
    bytes: Buckets,
}

/// The counters of what happens before a connection belongs to a thread.
#[derive(Debug, Default)]
pub(crate) struct StreamCounters {
    pub(crate) tcp: AtomicU64,
    pub(crate) tls: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) cut: AtomicU64,
}

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; 7],
    sum: AtomicU64,
}

/// How often a value was in which range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// One per bound, and one for what is above the last.
    pub counts: [u64; 7],
    pub sum: u64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Allocations now.
    pub allocations: u64,
    pub allocations_total: u64,
    /// The same by what the client speaks.
    pub allocated: BTreeMap<Transport, u64>,
    pub closed: BTreeMap<CloseReason, u64>,
    /// Payload packets and bytes, both ways, before any loss.
    pub relayed_packets: u64,
    pub relayed_bytes: u64,
    /// Packets lost because a client's queue or another thread's was full.
    pub queue_full: u64,
    /// Packets the system refused to send; loss to both ends.
    pub send_failed: u64,
    /// Packets that one thread gave to another.
    pub handed_over: u64,
    /// Packets that passed between here and this process's media threads without a socket, both
    /// ways.
    pub in_process_packets: u64,
    /// Packets lost because the way to a media thread was full.
    pub in_process_full: u64,
    pub dropped: BTreeMap<DropReason, u64>,
    /// Requests that were refused, by the code they got; first challenges are not among them.
    pub refused: BTreeMap<u16, u64>,
    /// Requests without any proof, which got a challenge.
    pub challenges: u64,
    /// Connections over TCP, TLS and DTLS now.
    pub connections: u64,
    /// The same by transport; those that have none are here, too.
    pub connected: BTreeMap<Transport, u64>,
    /// Connections over TCP, TLS and DTLS closed at once because there were too many.
    pub connections_refused: u64,
    /// TLS and DTLS handshakes and PROXY headers that were not completed.
    pub handshakes_failed: u64,
    /// Connections that were closed because they were silent, stalled, or not TURN.
    pub connections_cut: u64,
    /// Seconds that allocations lived; see [`DURATION_BOUNDS`].
    pub durations: Histogram,
    /// Payload bytes that allocations carried; see [`BYTES_BOUNDS`].
    pub bytes: Histogram,
}

/// Adds to a counter that only this thread writes.
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn dropped(&self, reason: DropReason) {
        if let Some(counter) = self.dropped.get(reason as usize) {
            add(counter, 1);
        }
    }

    pub(crate) fn allocated(&self, transport: Transport) {
        if let Some(counter) = self.allocated.get(transport as usize) {
            add(counter, 1);
        }
    }

    pub(crate) fn closed(&self, reason: CloseReason, lived: Duration, traffic: &Traffic) {
        if let Some(counter) = self.closed.get(reason as usize) {
            add(counter, 1);
        }
        self.durations.note(lived.as_secs(), &DURATION_BOUNDS);
        self.bytes.note(traffic.sent_bytes + traffic.received_bytes, &BYTES_BOUNDS);
    }

    /// Takes over what the core counts.
    pub(crate) fn refused(&self, refusals: &Refusals) {
        for (counter, count) in self.refused.iter().zip(refusals.counts()) {
            counter.store(*count, Ordering::Relaxed);
        }
        self.challenges.store(refusals.challenges(), Ordering::Relaxed);
    }

    /// Bytes of a stream, which has no packets.
    pub(crate) fn carried(&self, bytes: usize) {
        add(&self.relayed_bytes, bytes as u64);
    }

    pub(crate) fn relayed(&self, packets: usize, bytes: usize) {
        add(&self.relayed_packets, packets as u64);
        add(&self.relayed_bytes, bytes as u64);
    }
}

impl StreamCounters {
    /// Where connections over a transport are counted.
    pub(crate) fn connections(&self, transport: Transport) -> &AtomicU64 {
        if transport == Transport::Tls { &self.tls } else { &self.tcp }
    }
}

impl Buckets {
    fn note(&self, value: u64, bounds: &[u64; 6]) {
        let at = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(at) {
            add(count, 1);
        }
        add(&self.sum, value);
    }
}

impl Histogram {
    fn add(&mut self, buckets: &Buckets) {
        for (sum, count) in self.counts.iter_mut().zip(&buckets.counts) {
            *sum += read(count);
        }
        self.sum += read(&buckets.sum);
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl StatsSnapshot {
    pub(crate) fn gather<'c>(
        threads: impl Iterator<Item = &'c Counters>,
        streams: &StreamCounters,
    ) -> Self {
        let mut sum = Self {
            connections_refused: read(&streams.refused),
            handshakes_failed: read(&streams.handshakes_failed),
            connections_cut: read(&streams.cut),
            ..Self::default()
        };
        let (tcp, tls, mut dtls) = (read(&streams.tcp), read(&streams.tls), 0);
        for counters in threads {
            dtls += read(&counters.dtls_open);
            sum.allocations += read(&counters.allocations);
            sum.relayed_packets += read(&counters.relayed_packets);
            sum.relayed_bytes += read(&counters.relayed_bytes);
            sum.queue_full += read(&counters.queue_full);
            sum.send_failed += read(&counters.send_failed);
            sum.handed_over += read(&counters.handed_over);
            sum.in_process_packets += read(&counters.in_process_packets);
            sum.in_process_full += read(&counters.in_process_full);
            sum.handshakes_failed += read(&counters.dtls_failed);
            sum.connections_refused += read(&counters.dtls_refused);
            tally(&mut sum.allocated, TRANSPORTS, &counters.allocated);
            tally(&mut sum.closed, CLOSE_REASONS, &counters.closed);
            tally(&mut sum.dropped, DropReason::ALL, &counters.dropped);
            tally(&mut sum.refused, Refusals::CODES, &counters.refused);
            sum.challenges += read(&counters.challenges);
            sum.durations.add(&counters.durations);
            sum.bytes.add(&counters.bytes);
        }
        sum.connected =
            [(Transport::Tcp, tcp), (Transport::Tls, tls), (Transport::Dtls, dtls)].into();
        sum.connections = tcp + tls + dtls;
        sum.allocations_total = sum.allocated.values().sum();
        sum
    }
}

/// Adds what is not zero.
fn tally<K: Ord, const N: usize>(
    sums: &mut BTreeMap<K, u64>,
    keys: [K; N],
    counters: &[AtomicU64; N],
) {
    // What did not happen yet is told as well: an alarm on something that is missing never rings.
    for (key, count) in keys.into_iter().zip(counters.iter().map(read)) {
        *sums.entry(key).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_counter_of_its_number() {
        for (at, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        for (at, reason) in CLOSE_REASONS.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        for (at, transport) in TRANSPORTS.into_iter().enumerate() {
            assert_eq!(transport as usize, at);
        }
    }

    #[test]
    fn threads_add_up() {
        let (one, other) = (Counters::default(), Counters::default());
        one.dropped(DropReason::NotTurn);
        other.dropped(DropReason::NotTurn);
        let traffic = Traffic { sent_bytes: 500, received_bytes: 501, ..Traffic::default() };
        one.closed(CloseReason::Kicked, Duration::from_secs(10), &traffic);
        let sum = StatsSnapshot::gather([&one, &other].into_iter(), &StreamCounters::default());
        assert_eq!(sum.dropped.get(&DropReason::NotTurn), Some(&2));
        assert_eq!(sum.dropped.get(&DropReason::TooLarge), Some(&0));
        assert_eq!(sum.durations.counts, [1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sum.bytes.counts, [0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(sum.bytes.sum, 1001);
    }
}
