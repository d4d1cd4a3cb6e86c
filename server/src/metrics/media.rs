//! What the media threads count.

use confer_sfu_core::stats::ShardStats;
use confer_sfu_net::{InProcessStats, ShardSnapshot, SocketStats};

use super::page::Page;

/// Name, help, and where the number is.
type Row<T> = (&'static str, &'static str, fn(&T) -> u64);

/// A reason for a drop, and where its number is.
type Drop = (&'static str, fn(&ShardStats) -> u64);

const GAUGES: [Row<ShardStats>; 5] = [
    ("confer_sfu_rooms", "Rooms with a call now.", |stats| stats.rooms),
    ("confer_sfu_participants", "Participants of calls now.", |stats| stats.participants),
    ("confer_sfu_connected", "Those whose media is connected.", |stats| stats.connected),
    ("confer_sfu_publications", "Published tracks now.", |stats| stats.publications),
    ("confer_sfu_subscriptions", "Slots that carry a track now.", |stats| stats.subscriptions),
];

const COUNTERS: [Row<ShardStats>; 14] = [
    ("confer_sfu_packets_received_total", "RTP packets accepted.", |stats| stats.packets_in),
    ("confer_sfu_received_bytes_total", "RTP bytes accepted.", |stats| stats.bytes_in),
    ("confer_sfu_packets_sent_total", "RTP packets sent.", |stats| stats.packets_out),
    ("confer_sfu_sent_bytes_total", "RTP bytes sent.", |stats| stats.bytes_out),
    ("confer_sfu_packets_in_runs_total", "Packets sent in runs of several.", |stats| {
        stats.packets_in_runs
    }),
    ("confer_sfu_keyframes_received_total", "Keyframes of publishers.", |stats| stats.keyframes_in),
    ("confer_sfu_nacks_sent_total", "Packets asked of publishers again.", |stats| stats.nacks_sent),
    ("confer_sfu_packets_repaired_total", "Packets that came when asked again.", |stats| {
        stats.repaired
    }),
    ("confer_sfu_packets_lost_total", "Packets of publishers given up.", |stats| stats.lost),
    ("confer_sfu_nacks_received_total", "Packets subscribers asked for again.", |stats| {
        stats.nacks_received
    }),
    ("confer_sfu_retransmitted_total", "Packets sent to subscribers again.", |stats| {
        stats.retransmitted
    }),
    ("confer_sfu_not_retransmitted_total", "Packets asked for that were not sent.", |stats| {
        stats.not_retransmitted
    }),
    ("confer_sfu_keyframes_requested_total", "Keyframes asked of publishers.", |stats| {
        stats.keyframes_requested
    }),
    ("confer_sfu_keyframe_requests_total", "Keyframes subscribers asked for.", |stats| {
        stats.keyframe_requests_received
    }),
];

const DROPS: [Drop; 13] = [
    ("unknown_address", |stats| stats.dropped_unknown),
    ("malformed", |stats| stats.dropped_malformed),
    ("stun", |stats| stats.dropped_stun),
    ("dtls", |stats| stats.dropped_dtls),
    ("srtp", |stats| stats.dropped_srtp),
    ("unmapped", |stats| stats.dropped_unmapped),
    ("duplicate", |stats| stats.dropped_duplicate),
    ("payload", |stats| stats.dropped_payload),
    ("muted", |stats| stats.dropped_muted),
    ("no_codec", |stats| stats.dark_no_codec),
    ("no_keyframe", |stats| stats.dark_no_keyframe),
    ("egress_full", |stats| stats.dropped_egress_full),
    ("control_full", |stats| stats.dropped_control_full),
];

const SOCKET: [Row<SocketStats>; 10] = [
    ("confer_udp_datagrams_received_total", "Datagrams received.", |socket| {
        socket.datagrams_received
    }),
    ("confer_udp_received_bytes_total", "Bytes received.", |socket| socket.bytes_received),
    ("confer_udp_receive_calls_total", "System calls that brought them.", |socket| {
        socket.receive_calls
    }),
    ("confer_udp_receive_errors_total", "Reads that failed.", |socket| socket.receive_errors),
    ("confer_udp_datagrams_sent_total", "Datagrams sent.", |socket| socket.datagrams_sent),
    ("confer_udp_sent_bytes_total", "Bytes sent.", |socket| socket.bytes_sent),
    ("confer_udp_send_calls_total", "System calls that sent them.", |socket| socket.send_calls),
    ("confer_udp_send_buffer_full_total", "Datagrams lost to a full buffer.", |socket| {
        socket.send_buffer_full
    }),
    ("confer_udp_send_errors_total", "Datagrams lost otherwise.", |socket| socket.send_errors),
    ("confer_udp_segmentation_refused_total", "Runs sent one by one.", |socket| {
        socket.segmentation_refused
    }),
];

const IN_PROCESS: [Row<InProcessStats>; 3] = [
    ("confer_sfu_in_process_received_total", "Datagrams from the relay, past sockets.", |stats| {
        stats.received
    }),
    ("confer_sfu_in_process_sent_total", "Datagrams to the relay, past sockets.", |stats| {
        stats.sent
    }),
    ("confer_sfu_in_process_full_total", "Datagrams lost on the full way there.", |stats| {
        stats.full
    }),
];

/// One sample per media thread, in the order of their ports.
pub(super) fn write(page: &mut Page, shards: &[ShardSnapshot]) {
    for (name, help, value) in GAUGES {
        page.gauge(name, help);
        each(page, name, shards, |snapshot| value(&snapshot.shard));
    }
    for (name, help, value) in COUNTERS {
        page.counter(name, help);
        each(page, name, shards, |snapshot| value(&snapshot.shard));
    }
    let dropped = "confer_sfu_packets_dropped_total";
    page.counter(dropped, "Packets that were not taken or not forwarded, by reason.");
    for (reason, value) in DROPS {
        let sum = shards.iter().map(|snapshot| value(&snapshot.shard)).sum::<u64>();
        page.labelled(dropped, "reason", reason, sum);
    }
    for (name, help, value) in SOCKET {
        page.counter(name, help);
        each(page, name, shards, |snapshot| value(&snapshot.socket));
    }
    for (name, help, value) in IN_PROCESS {
        page.counter(name, help);
        each(page, name, shards, |snapshot| value(&snapshot.in_process));
    }
}

fn each(
    page: &mut Page,
    name: &str,
    shards: &[ShardSnapshot],
    value: impl Fn(&ShardSnapshot) -> u64,
) {
    for (index, snapshot) in shards.iter().enumerate() {
        page.labelled(name, "shard", index, value(snapshot));
    }
}
