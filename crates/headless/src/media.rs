use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use confer_protocol::client::PublishIntent;
use confer_protocol::id::Mid;
use confer_protocol::room::{MediaKind, TrackSource};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine,
};
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{
    RTCRtpTransceiverDirection, RTCRtpTransceiverId, RTCRtpTransceiverInit,
};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

/// What a client brings into a call.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Where its datagrams come from; announced as its only candidate.
    pub local: SocketAddr,
    /// Tracks to publish, each with an SSRC that no other of this client uses.
    pub publish: Vec<(TrackSource, u32)>,
    /// Receive slots to offer.
    pub audio_slots: usize,
    pub video_slots: usize,
}

/// Why a step of the negotiation failed.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("the peer connection refused")]
    Rtc(#[from] rtc::shared::error::Error),
    /// The answer leaves no codec for this track.
    #[error("the answer has no codec for {0:?}")]
    NoCodec(TrackSource),
    /// Packets can be sent only on tracks that were offered.
    #[error("{0:?} is not published")]
    NotPublished(TrackSource),
}

/// One published track.
#[derive(Debug)]
pub struct Track {
    pub source: TrackSource,
    transceiver: RTCRtpTransceiverId,
    ssrc: u32,
    payload_type: Option<u8>,
    sequence: u16,
}

/// What arrived on one receive slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub packets: u64,
    pub payload_bytes: u64,
    /// Packets that end a frame.
    pub marked: u64,
}

/// One peer connection in the client's role. Feed it datagrams and time, drain what it sends.
pub struct Media {
    pc: RTCPeerConnection,
    local: SocketAddr,
    tracks: Vec<Track>,
    received: BTreeMap<u32, Received>,
    connected: bool,
    failed: bool,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("connected", &self.connected).finish_non_exhaustive()
    }
}

impl Media {
    /// A peer connection with its transceivers, not yet offered.
    ///
    /// # Errors
    /// When the peer connection refuses a track.
    pub fn new(config: &MediaConfig, now: Instant) -> Result<Self, MediaError> {
        let mut engine = MediaEngine::default();
        engine.register_default_codecs()?;
        let mut pc = RTCPeerConnectionBuilder::new().with_media_engine(engine).build(now)?;

        let mut tracks = Vec::new();
        for &(source, ssrc) in &config.publish {
            let transceiver = pc.add_transceiver_from_track(
                stream_track(source, ssrc),
                Some(RTCRtpTransceiverInit {
                    direction: RTCRtpTransceiverDirection::Sendonly,
                    ..RTCRtpTransceiverInit::default()
                }),
            )?;
            tracks.push(Track { source, transceiver, ssrc, payload_type: None, sequence: 0 });
        }
        let slots =
            [(RtpCodecKind::Audio, config.audio_slots), (RtpCodecKind::Video, config.video_slots)];
        for (kind, count) in slots {
            for _ in 0..count {
                pc.add_transceiver_from_kind(kind, None)?;
            }
        }

        let host = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: config.local.ip().to_string(),
                port: config.local.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        }
        .new_candidate_host()?;
        pc.add_local_candidate(RTCIceCandidate::from(&host).to_json()?)?;

        let local = config.local;
        Ok(Self { pc, local, tracks, received: BTreeMap::new(), connected: false, failed: false })
    }

    /// The offer, and what its sending m-lines carry.
    ///
    /// # Errors
    /// When the peer connection is in no state to offer.
    pub fn offer(&mut self, now: Instant) -> Result<(String, Vec<PublishIntent>), MediaError> {
        let offer = self.pc.create_offer(None)?;
        self.pc.set_local_description(now, offer.clone())?;
        let mut publish = Vec::new();
        for track in &self.tracks {
            let mid = self.pc.rtp_transceiver(track.transceiver);
            let mid = mid.and_then(|transceiver| transceiver.mid().clone());
            let mid = Mid(mid.ok_or(MediaError::NotPublished(track.source))?);
            publish.push(PublishIntent { mid, source: track.source, muted: false });
        }
        Ok((offer.sdp, publish))
    }

    /// Takes the server's answer; checks and the handshake begin.
    ///
    /// # Errors
    /// When the answer cannot be used.
    pub fn accept(&mut self, answer: &str, now: Instant) -> Result<(), MediaError> {
        self.pc.set_remote_description(now, RTCSessionDescription::answer(answer.to_owned())?)?;
        for track in &mut self.tracks {
            let mime = mime_type(track.source.kind());
            let mut sender = self.pc.rtp_sender(track.transceiver.into());
            let codecs = sender.as_mut().map(|sender| sender.get_parameters());
            track.payload_type = codecs
                .and_then(|parameters| {
                    let codecs = parameters.rtp_parameters.codecs.iter();
                    codecs
                        .clone()
                        .find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime))
                })
                .map(|codec| codec.payload_type);
            if track.payload_type.is_none() {
                return Err(MediaError::NoCodec(track.source));
            }
        }
        Ok(())
    }

    /// Sends one RTP packet of a track.
    ///
    /// # Errors
    /// When the track was not negotiated.
    pub fn send(
        &mut self,
        source: TrackSource,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
        now: Instant,
    ) -> Result<(), MediaError> {
        let track = self
            .tracks
            .iter_mut()
            .find(|track| track.source == source)
            .ok_or(MediaError::NotPublished(source))?;
        let packet = rtp::Packet {
            header: rtp::Header {
                version: 2,
                marker,
                payload_type: track.payload_type.ok_or(MediaError::NoCodec(source))?,
                sequence_number: track.sequence,
                timestamp,
                ssrc: track.ssrc,
                ..rtp::Header::default()
            },
            payload,
        };
        track.sequence = track.sequence.wrapping_add(1);
        let mut sender =
            self.pc.rtp_sender(track.transceiver.into()).ok_or(MediaError::NotPublished(source))?;
        sender.write_rtp(now, packet)?;
        Ok(())
    }

    /// Takes a datagram. What is wrong with it is the network's business, not an error.
    pub fn handle_datagram(&mut self, peer: SocketAddr, bytes: &[u8], now: Instant) {
        let _ = self.pc.handle_read(TaggedBytesMut {
            now,
            transport: TransportContext {
                local_addr: self.local,
                peer_addr: peer,
                ecn: None,
                transport_protocol: TransportProtocol::UDP,
            },
            message: BytesMut::from(bytes),
        });
        self.settle();
    }

    /// Time has reached [`Media::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = self.pc.handle_timeout(now);
        self.settle();
    }

    /// When [`Media::handle_timeout`] is wanted at the latest.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.pc.poll_timeout()
    }

    /// The next datagram to send, and where to.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        let sent = self.pc.poll_write()?;
        Some((sent.transport.peer_addr, sent.message))
    }

    /// Whether the handshake is done and media can flow.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Whether the connection was given up.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// What arrived so far, by the SSRC of the slot.
    pub fn received(&self) -> &BTreeMap<u32, Received> {
        &self.received
    }

    fn settle(&mut self) {
        while let Some(event) = self.pc.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.connected = state == RTCPeerConnectionState::Connected;
                self.failed = state == RTCPeerConnectionState::Failed;
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.pc.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                let received = self.received.entry(packet.header.ssrc).or_default();
                received.packets += 1;
                received.payload_bytes += packet.payload.len() as u64;
                received.marked += u64::from(packet.header.marker);
            }
        }
    }
}

fn mime_type(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => MIME_TYPE_OPUS,
        MediaKind::Video => MIME_TYPE_VP8,
    }
}

fn stream_track(source: TrackSource, ssrc: u32) -> MediaStreamTrack {
    let kind = source.kind();
    let (codec_kind, clock_rate, channels) = match kind {
        MediaKind::Audio => (RtpCodecKind::Audio, 48_000, 2),
        MediaKind::Video => (RtpCodecKind::Video, 90_000, 0),
    };
    let name = format!("{source:?}");
    MediaStreamTrack::new(
        name.clone(),
        name.clone(),
        name,
        codec_kind,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..RTCRtpCodingParameters::default()
            },
            active: true,
            codec: RTCRtpCodec {
                mime_type: mime_type(kind).to_owned(),
                clock_rate,
                channels,
                ..RTCRtpCodec::default()
            },
            ..RTCRtpEncodingParameters::default()
        }],
    )
}
