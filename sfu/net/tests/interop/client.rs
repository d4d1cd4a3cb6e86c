//! A str0m client on a real socket of loopback.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use confer_protocol::id::{Mid as WireMid, TrackId};
use confer_protocol::media::PublishTrack;
use confer_protocol::room::TrackSource;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use uuid::Uuid;

const FRAME_INTERVAL: Duration = Duration::from_millis(15);

/// Several packets, so that they can go out as one run.
const FRAME_LEN: usize = 6000;

pub(crate) struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    started_at: Instant,
    pending: Option<SdpPendingOffer>,
    camera: Option<Mid>,
    next_frame_at: Instant,
    frames_sent: u32,
    wants_keyframe: bool,
    pub(crate) connected: bool,
    /// Frames that came whole and unchanged.
    pub(crate) frames_received: u32,
}

impl Client {
    pub(crate) fn new(ip: IpAddr) -> Self {
        let now = Instant::now();
        let socket = UdpSocket::bind((ip, 0)).expect("loopback has free ports");
        socket.set_nonblocking(true).expect("a socket can be");
        let address = socket.local_addr().expect("it is bound");
        let mut rtc = Rtc::builder().build(now);
        let candidate = Candidate::host(address, Protocol::Udp).expect("a usable address");
        rtc.add_local_candidate(candidate);
        Self {
            rtc,
            socket,
            address,
            started_at: now,
            pending: None,
            camera: None,
            next_frame_at: now,
            frames_sent: 0,
            wants_keyframe: true,
            connected: false,
            frames_received: 0,
        }
    }

    /// An offer with a camera or with a slot for another's.
    pub(crate) fn offer(&mut self, publishes: bool) -> (String, Vec<PublishTrack>) {
        let mut change = self.rtc.sdp_api();
        let direction = if publishes { Direction::SendOnly } else { Direction::RecvOnly };
        let mid = change.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = change.apply().expect("something changed");
        self.pending = Some(pending);
        self.camera = publishes.then_some(mid);
        let track = PublishTrack {
            mid: WireMid(mid.to_string()),
            track: TrackId(Uuid::from_u128(1)),
            source: TrackSource::Camera,
            muted: false,
        };
        (offer.to_sdp_string(), publishes.then_some(track).into_iter().collect())
    }

    pub(crate) fn answer(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("str0m reads our answer");
        let pending = self.pending.take().expect("an offer is open");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("str0m takes our answer");
    }

    /// Takes what came, sends what is due, and says when it wants to be called again.
    pub(crate) fn turn(&mut self) -> Instant {
        let mut buffer = [0; 2000];
        loop {
            let now = Instant::now();
            let (len, source) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("loopback failed: {error}"),
            };
            let receive = Receive::new(Protocol::Udp, source, self.address, &buffer[..len]);
            let receive = receive.expect("the server sends nothing unknown");
            self.rtc.handle_input(Input::Receive(now, receive)).expect("it goes on");
            self.drain();
        }

        let now = Instant::now();
        self.rtc.handle_input(Input::Timeout(now)).expect("it goes on");
        let mut next = self.drain();
        if self.connected && self.camera.is_some() {
            if now >= self.next_frame_at {
                self.next_frame_at = now + FRAME_INTERVAL;
                self.film(now);
                next = self.drain();
            }
            next = next.min(self.next_frame_at);
        }
        next
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().expect("it goes on") {
                Output::Timeout(next) => return next,
                Output::Transmit(sent) => {
                    self.socket
                        .send_to(&sent.contents, sent.destination)
                        .expect("loopback takes everything");
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::KeyframeRequest(_)) => self.wants_keyframe = true,
                Output::Event(Event::MediaData(data)) => {
                    assert_eq!(data.data.len(), FRAME_LEN);
                    assert!(data.data[3..] == frame(true)[3..]);
                    self.frames_received += 1;
                }
                Output::Event(_) => {}
            }
        }
    }

    fn film(&mut self, now: Instant) {
        let is_key = std::mem::take(&mut self.wants_keyframe);
        let mid = self.camera.expect("only cameras film");
        let writer = self.rtc.writer(mid).expect("the m-line sends");
        let pt = writer.payload_params().next().expect("a codec was negotiated").pt();
        let elapsed = now.saturating_duration_since(self.started_at).as_micros();
        let time = MediaTime::from_micros(u64::try_from(elapsed).expect("a short test"));
        writer.write(pt, now, time, frame(is_key)).expect("the m-line sends");
        self.frames_sent += 1;
    }
}

/// Begins as VP8 does (RFC 6386, section 9.1).
fn frame(is_key: bool) -> Vec<u8> {
    let mut frame = vec![u8::from(!is_key), 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
    frame.extend((frame.len()..FRAME_LEN).map(|at| at.to_le_bytes()[0]));
    frame
}
