use std::time::Instant;

use confer_protocol::id::{Mid, RoomId, TrackId};
use confer_protocol::media::PublishTrack;
use confer_protocol::room::TrackSource;
use uuid::Uuid;

use super::*;
use crate::arena::Key;
use crate::publication::Received;
use crate::rtp::RtpView;
use crate::sdp::{self, Capabilities, MediaSection, SdpLimits};
use crate::stats::ShardStats;
use crate::subscription::Decision;
use crate::testing;
use crate::transport::srtp::{MasterKey, Opener, SrtpProfile};

/// One publication, one subscriber, and keys that open what was sealed.
struct Pair {
    publications: Arena<Publication>,
    publication: Key<Publication>,
    slots: Vec<Slot>,
    egress: Egress,
    workbench: Workbench,
    sealer: Sealer,
    master: MasterKey,
    seq: u16,
}

impl Pair {
    fn new(has_rtx: bool) -> Self {
        let section = section(has_rtx);
        let publish = PublishTrack {
            mid: Mid("0".into()),
            track: TrackId(Uuid::from_u128(1)),
            source: TrackSource::Camera,
            muted: false,
        };
        let mut publications = Arena::default();
        let room = RoomId(Uuid::from_u128(1));
        let publication = publications.insert(Publication::new(
            room,
            testing::nobody(Instant::now()),
            &publish,
            &section,
        ));
        let master = MasterKey::new(&[1; 16], &[2; 12]).expect("right lengths");
        let mut slot = Slot::new(&section, Ssrc(10), Ssrc(11), [500, 600, 0, 0]);
        slot.carry(Some(publication));
        Self {
            publications,
            publication,
            slots: vec![slot],
            egress: Egress::default(),
            workbench: Workbench::new(),
            sealer: Sealer::new(SrtpProfile::AeadAes128Gcm, &master),
            master,
            seq: 100,
        }
    }

    /// Publishes a packet with this many bytes of payload and queues it.
    fn publish(&mut self, length: usize) -> SeqNo {
        let now = Instant::now();
        let packet = testing::vp8_packet(self.seq, 0, length);
        self.seq += 1;
        let view = RtpView::parse(&packet).expect("valid");
        let known = view.extensions.read(&crate::rtp::ExtensionIds::default());
        let mut stats = ShardStats::default();
        let publication = self.publications.get_mut(self.publication).expect("there");
        let Received::Forward(index) =
            publication.receive(&view, &known, 0, false, now, &mut stats)
        else {
            panic!("it is forwarded");
        };
        let cached = *publication.cache().and_then(|cache| cache.get(index)).expect("new").packet;
        let epoch = publication.epoch;
        let decision = self.slots[0].take(self.publication, epoch, index, &cached, now, &mut stats);
        let (Decision::Send(seq) | Decision::Begin(seq)) = decision else {
            panic!("{decision:?}");
        };
        self.egress.pending.push_back(Pending::media(0, seq));
        seq
    }

    fn run(&mut self) -> Option<(Run, Vec<u8>)> {
        let run = self.workbench.make_run(
            &mut self.egress,
            &mut self.slots,
            &self.sealer,
            &self.publications,
            77,
        )?;
        Some((run, self.workbench.bytes(run).to_vec()))
    }

    /// The datagrams of a run, opened.
    fn open(&self, run: Run, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut opener = Opener::new(SrtpProfile::AeadAes128Gcm, &self.master);
        let datagrams: Vec<_> = bytes.chunks(run.segment).collect();
        assert_eq!(datagrams.len(), run.datagrams);
        let open = |datagram: &&[u8]| {
            let mut datagram = datagram.to_vec();
            let length = opener.open_rtp(&mut datagram).expect("authentic");
            datagram.truncate(length);
            datagram
        };
        datagrams.iter().map(open).collect()
    }
}

fn section(has_rtx: bool) -> MediaSection {
    let offer = testing::offer("video", "sendrecv", has_rtx);
    let offer = sdp::read(&offer, &SdpLimits::default()).expect("valid");
    let negotiated = sdp::negotiate(&offer, &Capabilities::default()).expect("usable");
    negotiated.media().next().expect("one").clone()
}

#[test]
fn packets_that_differ_by_a_few_bytes_are_one_run_of_equal_datagrams() {
    let mut pair = Pair::new(true);
    let lengths = [1_000, 998, 1_003, 1_003, 990, 700];
    for length in lengths {
        pair.publish(length);
    }
    let (run, bytes) = pair.run().expect("packets wait");
    assert_eq!(run.datagrams, 6);
    assert!(bytes.len() < 6 * run.segment, "only the last may be shorter");
    let opened = pair.open(run, &bytes);
    for (packet, length) in opened.iter().zip(lengths) {
        let view = RtpView::parse(packet).expect("valid");
        assert_eq!(view.payload.len(), length, "padding is not payload");
        assert_eq!(view.ssrc, Ssrc(10));
    }
    assert!(pair.run().is_none());
}

#[test]
fn a_packet_that_padding_cannot_even_ends_a_run_or_begins_one() {
    let mut pair = Pair::new(true);
    for length in [1_000, 1_000, 500, 1_000, 1_100, 1_100] {
        pair.publish(length);
    }
    let mut runs = Vec::new();
    while let Some((run, bytes)) = pair.run() {
        pair.open(run, &bytes);
        runs.push(run.datagrams);
    }
    assert_eq!(runs, [3, 1, 2]);
}

#[test]
fn a_run_has_no_more_datagrams_and_bytes_than_the_kernel_takes() {
    let mut pair = Pair::new(true);
    for _ in 0..120 {
        pair.publish(1_200);
    }
    for _ in 0..120 {
        pair.publish(50);
    }
    let mut datagrams = 0;
    while let Some((run, bytes)) = pair.run() {
        assert!(run.datagrams <= RUN_DATAGRAMS && bytes.len() <= RUN_BYTES);
        datagrams += run.datagrams;
    }
    assert_eq!(datagrams, 240);
}

#[test]
fn without_rtx_a_packet_is_repeated_byte_for_byte() {
    let mut pair = Pair::new(false);
    pair.publish(1_000);
    let seq = pair.publish(995);
    pair.publish(1_000);
    let (run, bytes) = pair.run().expect("packets wait");
    let sent = bytes.chunks(run.segment).nth(1).expect("three").to_vec();
    for _ in 0..2 {
        pair.egress.pending.push_back(Pending::repeat(0, seq));
        let (_, again) = pair.run().expect("it waits");
        assert_eq!(again, sent, "the same nonce must never seal anything else");
    }
}

#[test]
fn with_rtx_a_packet_is_repeated_under_numbers_of_its_own() {
    let mut pair = Pair::new(true);
    let seq = pair.publish(1_000);
    pair.run();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        pair.egress.pending.push_back(Pending::repeat(0, seq));
        let (run, bytes) = pair.run().expect("it waits");
        let opened = pair.open(run, &bytes);
        let view = RtpView::parse(&opened[0]).expect("valid");
        assert_eq!((view.ssrc, view.pt), (Ssrc(11), Pt(97)));
        let (original, payload) = rtx::unwrap(view.payload).expect("not padding");
        assert_eq!((original, payload.len()), (seq.truncate(), 1_000));
        numbers.push(view.seq.0);
    }
    assert_eq!(numbers[1], numbers[0] + 1);
}

#[test]
fn what_is_no_longer_in_the_cache_is_not_waited_for() {
    let mut pair = Pair::new(true);
    let seq = pair.publish(1_000);
    pair.run();
    pair.publications.remove(pair.publication);
    pair.egress.pending.push_back(Pending::repeat(0, seq));
    assert!(pair.run().is_none());
    assert!(pair.egress.pending.is_empty());
}
