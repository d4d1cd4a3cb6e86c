use uuid::Uuid;

use super::*;
use crate::rtp::ExtensionIds;
use crate::sdp::{self, Capabilities, SdpLimits};
use crate::testing;

const SECOND: Duration = Duration::from_secs(1);

fn publication(rids: &[&str]) -> Publication {
    let mut offer = testing::offer("video", "sendonly", true);
    for rid in rids {
        offer.push_str(&format!("a=rid:{rid} send\r\n"));
    }
    if !rids.is_empty() {
        offer.push_str(&format!("a=simulcast:send {}\r\n", rids.join(";")));
    }
    let offer = sdp::read(&offer, &SdpLimits::default()).expect("valid");
    let negotiated = sdp::negotiate(&offer, &Capabilities::default()).expect("usable");
    let publish = PublishTrack {
        mid: Mid("0".into()),
        track: TrackId(Uuid::from_u128(1)),
        source: TrackSource::Camera,
        muted: false,
    };
    let section = negotiated.media().next().expect("one");
    Publication::new(RoomId(Uuid::from_u128(1)), testing::nobody(Instant::now()), &publish, section)
}

/// Gives a packet of a layer; whether it is to be forwarded.
fn give(publication: &mut Publication, layer: usize, packet: &[u8], now: Instant) -> bool {
    let view = RtpView::parse(packet).expect("valid");
    let known = view.extensions.read(&ExtensionIds::default());
    let mut stats = ShardStats::default();
    let received = publication.receive(&view, &known, layer, false, now, &mut stats);
    matches!(received, Received::Forward(_))
}

fn delta(seq: u16, length: usize) -> Vec<u8> {
    let mut packet = testing::vp8_packet(seq, u32::from(seq) * 3_000, length);
    packet[12 + testing::VP8_DESCRIPTOR] |= 1;
    packet
}

fn key(seq: u16, length: usize) -> Vec<u8> {
    testing::vp8_packet(seq, u32::from(seq) * 3_000, length)
}

#[test]
fn of_simulcast_one_layer_is_forwarded_and_a_larger_one_takes_over_at_a_keyframe() {
    let start = Instant::now();
    let mut publication = publication(&["q", "h"]);
    assert!(give(&mut publication, 0, &key(1, 300), start));
    assert!(!give(&mut publication, 1, &delta(1, 1_000), start), "no keyframe yet");
    assert!(!publication.keyframes.poll(SECOND, start));
    publication.compare_layers(start);
    assert!(publication.keyframes.poll(SECOND, start), "the larger layer is asked for one");

    let epoch = publication.epoch;
    assert!(give(&mut publication, 1, &key(2, 1_000), start));
    assert_ne!(publication.epoch, epoch, "subscriptions begin anew");
    assert!(!give(&mut publication, 0, &delta(2, 300), start));
    assert!(!give(&mut publication, 0, &key(3, 300), start), "a smaller one does not take over");
}

#[test]
fn when_the_forwarded_layer_stops_another_one_takes_over() {
    let start = Instant::now();
    let mut publication = publication(&["q", "h"]);
    assert!(give(&mut publication, 0, &key(1, 1_000), start));
    let later = start + LAYER_SILENCE;
    assert!(!give(&mut publication, 1, &delta(1, 100), later));
    publication.compare_layers(later);
    assert!(publication.keyframes.poll(SECOND, later));
    assert!(give(&mut publication, 1, &key(2, 100), later));
}

#[test]
fn a_layer_is_found_by_its_rid_and_by_nothing_else() {
    let publication = publication(&["q", "h"]);
    assert_eq!(publication.layer_of(b"h"), Some(1));
    assert_eq!(publication.layer_of(b"x"), None);
}

#[test]
fn a_packet_comes_once_whether_as_itself_or_as_a_retransmission() {
    let now = Instant::now();
    let mut publication = publication(&[]);
    assert!(give(&mut publication, 0, &key(1, 100), now));
    assert!(give(&mut publication, 0, &delta(3, 100), now));
    let mut repaired = delta(2, 100);
    let osn = 2_u16.to_be_bytes();
    repaired.splice(12..12, osn);
    repaired[1] = 97;
    let view = RtpView::parse(&repaired).expect("valid");
    let known = view.extensions.read(&ExtensionIds::default());
    let mut stats = ShardStats::default();
    let received = publication.receive(&view, &known, 0, true, now, &mut stats);
    assert!(matches!(received, Received::Forward(_)));
    assert_eq!(stats.repaired, 1);
    assert!(!give(&mut publication, 0, &delta(2, 100), now), "the original was only late");
    let again = publication.receive(&view, &known, 0, true, now, &mut stats);
    assert_eq!((again, stats.dropped_duplicate), (Received::Nothing, 1));
}

#[test]
fn a_muted_track_is_taken_note_of_but_not_forwarded() {
    let now = Instant::now();
    let mut publication = publication(&[]);
    assert!(give(&mut publication, 0, &key(1, 100), now));
    assert!(publication.mute(true));
    assert!(!publication.mute(true), "nothing changes twice");
    assert!(!give(&mut publication, 0, &delta(2, 100), now));
    publication.mute(false);
    assert!(give(&mut publication, 0, &delta(3, 100), now));
    assert_eq!(publication.current_layer().nack.highest().map(|seq| seq.truncate().0), Some(3));
}

#[test]
fn an_unknown_payload_type_and_a_giant_are_dropped() {
    let now = Instant::now();
    let mut publication = publication(&[]);
    let mut unknown = key(1, 100);
    unknown[1] = 55;
    assert!(!give(&mut publication, 0, &unknown, now));
    assert!(!give(&mut publication, 0, &key(1, 1_450), now));
}
