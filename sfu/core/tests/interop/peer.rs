//! A client made by str0m: another implementation of everything between us and a browser.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_protocol::id::{Mid as WireMid, TrackId};
use confer_protocol::media::PublishTrack;
use confer_protocol::room::TrackSource;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use uuid::Uuid;

/// One datagram on its way: from, to, bytes.
pub(crate) type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const VIDEO_INTERVAL: Duration = Duration::from_millis(33);

/// Frames of one stream by their number, as they were sent or as they came.
pub(crate) type Frames = BTreeMap<u32, Vec<u8>>;

pub(crate) struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    started_at: Instant,
    pending: Option<SdpPendingOffer>,
    audio: Option<Source>,
    video: Option<Source>,
    pub(crate) received_audio: Frames,
    pub(crate) received_video: Frames,
    pub(crate) connected: bool,
}

struct Source {
    mid: Mid,
    next_at: Option<Instant>,
    /// Numbers of different publishers lie far apart.
    next_number: u32,
    wants_keyframe: bool,
    sent: Frames,
}

impl Source {
    fn new(mid: Mid, publisher: SocketAddr) -> Self {
        let next_number = u32::from(publisher.port()) << 16;
        Self { mid, next_at: None, next_number, wants_keyframe: true, sent: Frames::new() }
    }

    fn next_frame(&mut self, len: usize, is_key: bool) -> Vec<u8> {
        let frame = frame(self.next_number, len, is_key);
        self.sent.insert(self.next_number, frame.clone());
        self.next_number += 1;
        frame
    }

    fn is_due(&mut self, now: Instant, interval: Duration) -> bool {
        let next_at = *self.next_at.get_or_insert(now);
        if now >= next_at {
            self.next_at = Some(next_at + interval);
        }
        now >= next_at
    }
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, now: Instant) -> Self {
        let mut rtc = Rtc::builder().build(now);
        let candidate = Candidate::host(address, Protocol::Udp).expect("a usable address");
        rtc.add_local_candidate(candidate);
        Self {
            rtc,
            address,
            started_at: now,
            pending: None,
            audio: None,
            video: None,
            received_audio: Frames::new(),
            received_video: Frames::new(),
            connected: false,
        }
    }

    /// An offer to publish and to receive, and what the sending m-lines carry.
    pub(crate) fn offer(&mut self, publishes: bool, slots: usize) -> (String, Vec<PublishTrack>) {
        let mut change = self.rtc.sdp_api();
        let mut published = Vec::new();
        if publishes {
            let kinds = [
                (MediaKind::Audio, TrackSource::Microphone),
                (MediaKind::Video, TrackSource::Camera),
            ];
            for (number, (kind, source)) in (1..).zip(kinds) {
                let mid = change.add_media(kind, Direction::SendOnly, None, None, None);
                published.push(PublishTrack {
                    mid: WireMid(mid.to_string()),
                    track: TrackId(Uuid::from_u128(
                        number + (u128::from(self.address.port()) << 8),
                    )),
                    source,
                    muted: false,
                });
                match kind {
                    MediaKind::Audio => self.audio = Some(Source::new(mid, self.address)),
                    MediaKind::Video => self.video = Some(Source::new(mid, self.address)),
                }
            }
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            for _ in 0..slots {
                change.add_media(kind, Direction::RecvOnly, None, None, None);
            }
        }
        let (offer, pending) = change.apply().expect("something changed");
        self.pending = Some(pending);
        (offer.to_sdp_string(), published)
    }

    pub(crate) fn answer(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("str0m reads our answer");
        let pending = self.pending.take().expect("an offer is open");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("str0m takes our answer");
    }

    pub(crate) fn receive(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        let receive = Receive::new(Protocol::Udp, source, self.address, bytes);
        let receive = receive.expect("we send nothing that str0m does not know");
        let input = Input::Receive(now, receive);
        self.rtc.handle_input(input).expect("we send nothing that ends a call");
    }

    /// Lets time pass, publishes what is due, and returns what goes out.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Datagram> {
        let mut out = Vec::new();
        self.rtc.handle_input(Input::Timeout(now)).expect("time may pass");
        self.drain(&mut out);
        if self.connected {
            self.speak(now);
            self.drain(&mut out);
            self.film(now);
            self.drain(&mut out);
        }
        out
    }

    pub(crate) fn drain(&mut self, out: &mut Vec<Datagram>) {
        loop {
            match self.rtc.poll_output().expect("nothing ends the call") {
                Output::Timeout(_) => return,
                Output::Transmit(sent) => {
                    out.push((sent.source, sent.destination, sent.contents.to_vec()));
                }
                Output::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::KeyframeRequest(_) => {
                if let Some(video) = &mut self.video {
                    video.wants_keyframe = true;
                }
            }
            Event::MediaData(data) => {
                let frames = if data.params.spec().codec == Codec::Opus {
                    &mut self.received_audio
                } else {
                    &mut self.received_video
                };
                let number = number_of(&data.data);
                assert_eq!(frames.insert(number, data.data.to_vec()), None, "frame {number} twice");
            }
            _ => {}
        }
    }

    fn speak(&mut self, now: Instant) {
        let Some(source) = &mut self.audio else { return };
        if !source.is_due(now, AUDIO_INTERVAL) {
            return;
        }
        let frame = source.next_frame(80, false);
        let mid = source.mid;
        self.write(mid, Codec::Opus, now, frame);
    }

    fn film(&mut self, now: Instant) {
        let Some(source) = &mut self.video else { return };
        if !source.is_due(now, VIDEO_INTERVAL) {
            return;
        }
        let is_key = std::mem::take(&mut source.wants_keyframe);
        let frame = source.next_frame(if is_key { 9000 } else { 3000 }, is_key);
        let mid = source.mid;
        self.write(mid, Codec::Vp8, now, frame);
    }

    fn write(&mut self, mid: Mid, codec: Codec, now: Instant, frame: Vec<u8>) {
        let elapsed = now.saturating_duration_since(self.started_at);
        let time =
            MediaTime::from_micros(u64::try_from(elapsed.as_micros()).expect("a short test"));
        let writer = self.rtc.writer(mid).expect("the m-line sends");
        let pt = writer
            .payload_params()
            .find(|params| params.spec().codec == codec)
            .map(|params| params.pt())
            .expect("the codec was negotiated");
        writer.write(pt, now, time, frame).expect("the m-line sends");
    }

    pub(crate) fn sent_audio(&self) -> &Frames {
        &self.audio.as_ref().expect("it publishes").sent
    }

    pub(crate) fn sent_video(&self) -> &Frames {
        &self.video.as_ref().expect("it publishes").sent
    }
}

/// A frame that begins as VP8's do (RFC 6386, section 9.1) and carries its number.
fn frame(number: u32, len: usize, is_key: bool) -> Vec<u8> {
    let mut frame = vec![u8::from(!is_key), 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
    frame.extend_from_slice(&number.to_be_bytes());
    frame.extend((frame.len()..len).map(|at| at.to_le_bytes()[0] ^ number.to_le_bytes()[0]));
    frame
}

fn number_of(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[10..14].try_into().expect("frames are longer"))
}
