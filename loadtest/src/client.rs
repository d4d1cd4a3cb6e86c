//! One synthetic participant: a socket, a UDP port, and the clock between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use confer_auth::AccessToken;
use confer_headless::{Media, MediaConfig, Requests};
use confer_protocol::client::Request;
use confer_protocol::id::RoomId;
use confer_protocol::room::TrackSource;
use confer_protocol::server::Reply;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::socket::Socket;

/// Receive slots a browser page offers by default.
const AUDIO_SLOTS: usize = 4;
const VIDEO_SLOTS: usize = 8;
/// One Opus packet every 20 ms.
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const AUDIO_BYTES: usize = 100;
/// Frames of eight packets, 30 a second: about 2.3 Mbit/s.
const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
const FRAME_PACKETS: usize = 8;
const PACKET_BYTES: usize = 1200;
/// A whole picture this often, so that late joiners need not ask.
const FRAMES_PER_KEYFRAME: u64 = 30;
/// Pings keep the socket and say that the client lives.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long an answer may take before the run is void.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one participant saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) offer_bytes: usize,
    pub(crate) answer_bytes: usize,
    /// From opening the socket to a finished handshake.
    pub(crate) connected_after: Duration,
    /// From opening the socket to the first media packet; none if none came.
    pub(crate) media_after: Option<Duration>,
    pub(crate) sent_packets: u64,
    pub(crate) received_packets: u64,
    pub(crate) received_bytes: u64,
}

/// Who joins, and how.
pub(crate) struct Participant {
    pub(crate) socket_url: String,
    pub(crate) token: AccessToken,
    pub(crate) room: RoomId,
    pub(crate) publish: bool,
    pub(crate) ssrc: u32,
}

impl Participant {
    /// Joins, says so on `connected`, and stays until `stop` says true.
    pub(crate) async fn run(
        self,
        connected: tokio::sync::oneshot::Sender<()>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        let publish = match self.publish {
            true => {
                vec![(TrackSource::Microphone, self.ssrc), (TrackSource::Camera, self.ssrc + 1)]
            }
            false => Vec::new(),
        };
        let config = MediaConfig {
            local: udp.local_addr()?,
            publish,
            audio_slots: AUDIO_SLOTS,
            video_slots: VIDEO_SLOTS,
        };
        let mut media = Media::new(&config, Instant::now())?;
        let mut outcome = Outcome::default();
        let mut socket = self.negotiate(&mut media, &mut outcome).await?;

        let mut connected = Some(connected);
        let mut source = Source::new(Instant::now());
        let mut ping = tokio::time::interval(PING_INTERVAL);
        let mut requests = Requests::default();
        let mut buffer = vec![0; 2048];
        while !*stop.borrow_and_update() {
            // 1. Drain what the connection has to say.
            while let Some((peer, datagram)) = media.poll_transmit() {
                // A full socket buffer is loss, as on any network.
                let _ = udp.try_send_to(&datagram, peer);
            }
            self.observe(&media, started, &mut connected, &mut outcome)?;

            // 2. Wait for exactly one thing.
            let sending = self.publish && media.connected();
            let wake = media.poll_timeout().unwrap_or_else(|| Instant::now() + PATIENCE);
            let wake = if sending { wake.min(source.next_at()) } else { wake };
            tokio::select! {
                received = udp.recv_from(&mut buffer) => {
                    let (length, peer): (usize, SocketAddr) = received?;
                    media.handle_datagram(peer, &buffer[..length], Instant::now());
                }
                frame = socket.receive() => {
                    let frame = frame.context("in the call")?;
                    // Events and notices are what a page would show; nobody looks here.
                    let _ = requests.answer(&frame);
                }
                _ = ping.tick() => socket.send(&requests.frame(Request::Ping, ())).await?,
                () = tokio::time::sleep_until(wake.into()) => media.handle_timeout(Instant::now()),
                changed = stop.changed() => changed?,
            }

            // 3. Publish what is due.
            if sending {
                outcome.sent_packets += source.publish(&mut media, Instant::now())?;
            }
        }
        socket.send(&requests.frame(Request::Leave, ())).await?;
        Ok(outcome)
    }

    async fn negotiate(&self, media: &mut Media, outcome: &mut Outcome) -> anyhow::Result<Socket> {
        let mut socket = Socket::open(&self.socket_url, &self.token).await?;
        let mut requests = Requests::default();
        let (sdp, publish) = media.offer(Instant::now())?;
        outcome.offer_bytes = sdp.len();
        // Back to back: the server takes them in order.
        socket.send(&requests.frame(Request::Join { room: self.room }, ())).await?;
        let offer = Request::Offer { offer_id: 1, sdp, publish };
        socket.send(&requests.frame(offer, ())).await?;
        let answering = async {
            loop {
                match requests.answer(&socket.receive().await?) {
                    Some(((), Ok(Reply::Offer(answer)))) => break Ok(answer),
                    Some(((), Err(error))) => bail!("refused: {}", error.message),
                    Some(((), Ok(_))) | None => {}
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answering).await.context("no answer")??;
        outcome.answer_bytes = answer.sdp.len();
        media.accept(&answer.sdp, Instant::now())?;
        Ok(socket)
    }

    fn observe(
        &self,
        media: &Media,
        started: Instant,
        connected: &mut Option<tokio::sync::oneshot::Sender<()>>,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        if media.failed() {
            bail!("the media connection failed");
        }
        if media.connected()
            && let Some(connected) = connected.take()
        {
            outcome.connected_after = started.elapsed();
            // The scenario may have given up on us already.
            let _ = connected.send(());
        }
        outcome.received_packets = media.received().values().map(|slot| slot.packets).sum();
        outcome.received_bytes = media.received().values().map(|slot| slot.payload_bytes).sum();
        if outcome.received_packets > 0 && outcome.media_after.is_none() {
            outcome.media_after = Some(started.elapsed());
        }
        Ok(())
    }
}

/// A microphone and a camera on a fixed schedule that no server slows down.
struct Source {
    audio_at: Instant,
    frame_at: Instant,
    started: Instant,
    frames: u64,
}

impl Source {
    fn new(now: Instant) -> Self {
        Self { audio_at: now, frame_at: now, started: now, frames: 0 }
    }

    fn next_at(&self) -> Instant {
        self.audio_at.min(self.frame_at)
    }

    /// Sends everything that is due; says how many packets that were.
    fn publish(&mut self, media: &mut Media, now: Instant) -> anyhow::Result<u64> {
        let mut sent = 0;
        while self.audio_at <= now {
            let timestamp = ticks(self.audio_at - self.started, 48_000);
            let payload = Bytes::from_static(&[0xFC; AUDIO_BYTES]);
            media.send(TrackSource::Microphone, timestamp, false, payload, now)?;
            self.audio_at += AUDIO_INTERVAL;
            sent += 1;
        }
        while self.frame_at <= now {
            let timestamp = ticks(self.frame_at - self.started, 90_000);
            let keyframe = self.frames.is_multiple_of(FRAMES_PER_KEYFRAME);
            for index in 0..FRAME_PACKETS {
                let marker = index + 1 == FRAME_PACKETS;
                let payload = vp8_packet(index == 0, keyframe);
                media.send(TrackSource::Camera, timestamp, marker, payload, now)?;
                sent += 1;
            }
            self.frames += 1;
            self.frame_at += FRAME_INTERVAL;
        }
        Ok(sent)
    }
}

/// A packet as a VP8 payloader would make it (RFC 7741, section 4.2).
fn vp8_packet(start: bool, keyframe: bool) -> Bytes {
    let mut payload = vec![0x55; PACKET_BYTES];
    payload[0] = if start { 0x10 } else { 0x00 };
    if start {
        payload[1] = if keyframe { 0x10 } else { 0x11 };
        payload[4..7].copy_from_slice(&[0x9d, 0x01, 0x2a]);
    }
    payload.into()
}

fn ticks(elapsed: Duration, rate: u64) -> u32 {
    let ticks = elapsed.as_micros() * u128::from(rate) / 1_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(0)
}
