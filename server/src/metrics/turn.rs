//! What the relay counts.

use confer_turn_core::{CloseReason, DropReason, Transport};
use confer_turn_net::{BYTES_BOUNDS, DURATION_BOUNDS, Histogram, StatsSnapshot};

use super::page::Page;

/// Name, help, and where the number is.
type Row = (&'static str, &'static str, fn(&StatsSnapshot) -> u64);

const COUNTERS: [Row; 11] = [
    ("confer_turn_relayed_packets_total", "Payload packets, both ways.", |stats| {
        stats.relayed_packets
    }),
    ("confer_turn_relayed_bytes_total", "Payload bytes, both ways.", |stats| stats.relayed_bytes),
    ("confer_turn_queue_full_total", "Packets lost to a full queue.", |stats| stats.queue_full),
    ("confer_turn_send_failed_total", "Packets the system did not send.", |stats| {
        stats.send_failed
    }),
    ("confer_turn_handed_over_total", "Packets that another thread had to answer.", |stats| {
        stats.handed_over
    }),
    (
        "confer_turn_challenges_total",
        "Requests without credentials, as every client's first one, that were told to bring some.",
        |stats| stats.challenges,
    ),
    (
        "confer_turn_in_process_packets_total",
        "Packets to and from this process's media threads that passed no socket.",
        |stats| stats.in_process_packets,
    ),
    ("confer_turn_in_process_full_total", "Packets lost on the full way to one.", |stats| {
        stats.in_process_full
    }),
    ("confer_turn_connections_refused_total", "Connections beyond a limit.", |stats| {
        stats.connections_refused
    }),
    (
        "confer_turn_handshakes_failed_total",
        "TLS and DTLS handshakes and PROXY headers not completed.",
        |stats| stats.handshakes_failed,
    ),
    ("confer_turn_connections_cut_total", "Connections closed for silence or nonsense.", |stats| {
        stats.connections_cut
    }),
];

pub(super) fn write(page: &mut Page, stats: &StatsSnapshot) {
    page.one_gauge("confer_turn_allocations", "Allocations now.", stats.allocations);
    let name = "confer_turn_connections";
    page.gauge(name, "Clients' connections now, by what they speak.");
    for (transport, count) in &stats.connected {
        page.labelled(name, "transport", transport_word(*transport), count);
    }
    for (name, help, value) in COUNTERS {
        page.one_counter(name, help, value(stats));
    }
    let name = "confer_turn_allocated_total";
    page.counter(name, "Allocations made, by what the client speaks.");
    for (transport, count) in &stats.allocated {
        page.labelled(name, "transport", transport_word(*transport), count);
    }
    let name = "confer_turn_closed_total";
    page.counter(name, "Allocations ended, by reason.");
    for (reason, count) in &stats.closed {
        page.labelled(name, "reason", close_word(*reason), count);
    }
    let name = "confer_turn_dropped_total";
    page.counter(name, "Packets that went no further, by reason.");
    for (reason, count) in &stats.dropped {
        page.labelled(name, "reason", drop_word(*reason), count);
    }
    let name = "confer_turn_refused_total";
    page.counter(name, "Requests that were refused, by the code they got.");
    for (code, count) in &stats.refused {
        page.labelled(name, "code", code, count);
    }
    let help = "How long allocations lived.";
    histogram(page, "confer_turn_allocation_seconds", help, &DURATION_BOUNDS, &stats.durations);
    let help = "What allocations carried, both ways.";
    histogram(page, "confer_turn_allocation_bytes", help, &BYTES_BOUNDS, &stats.bytes);
}

fn histogram(page: &mut Page, name: &str, help: &str, bounds: &[u64], found: &Histogram) {
    page.histogram(name, help);
    let mut so_far = 0;
    let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(found.counts) {
        so_far += count;
        page.labelled(&format!("{name}_bucket"), "le", bound, so_far);
    }
    page.sample(&format!("{name}_sum"), found.sum);
    page.sample(&format!("{name}_count"), so_far);
}

/// As it stands in labels.
pub(crate) fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Dtls => "dtls",
    }
}

/// As it stands in labels.
pub(crate) fn close_word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Expired => "expired",
        CloseReason::Released => "released",
        CloseReason::Disconnected => "disconnected",
        CloseReason::Kicked => "kicked",
    }
}

fn drop_word(reason: DropReason) -> &'static str {
    match reason {
        DropReason::NotTurn => "not_turn",
        DropReason::Unexpected => "unexpected",
        DropReason::NoAllocation => "no_allocation",
        DropReason::NoChannel => "no_channel",
        DropReason::NotPermitted => "not_permitted",
        DropReason::PeerDenied => "peer_denied",
        DropReason::TooLarge => "too_large",
        DropReason::OverRate => "over_rate",
        DropReason::ChallengesSpent => "challenges_spent",
        DropReason::NoSession => "no_session",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_to_the_count() {
        let mut page = Page::default();
        let stats = StatsSnapshot {
            durations: Histogram { counts: [1, 0, 2, 0, 0, 0, 3], sum: 99 },
            ..StatsSnapshot::default()
        };
        write(&mut page, &stats);
        let has = |line: &str| assert!(page.text.contains(line), "{}", page.text);
        has("confer_turn_allocation_seconds_bucket{le=\"300\"} 3\n");
        has("confer_turn_allocation_seconds_bucket{le=\"+Inf\"} 6\n");
        has("confer_turn_allocation_seconds_count 6\n");
    }

    #[test]
    fn connections_are_told_apart_by_transport() {
        let mut page = Page::default();
        let connected = [(Transport::Tcp, 0), (Transport::Tls, 2), (Transport::Dtls, 3)].into();
        write(&mut page, &StatsSnapshot { connections: 5, connected, ..StatsSnapshot::default() });
        for line in ["{transport=\"tcp\"} 0\n", "{transport=\"dtls\"} 3\n"] {
            let line = format!("confer_turn_connections{line}");
            assert!(page.text.contains(&line), "{}", page.text);
        }
    }
}
