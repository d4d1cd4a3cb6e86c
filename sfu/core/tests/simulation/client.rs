//! A client's transport: real ICE checks, real DTLS, real SRTP, offers as Chromium writes them.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_protocol::id::Mid;
use confer_sfu_core::demux::{Kind, classify};
use confer_sfu_core::sdp::{self, SdpLimits};
use confer_sfu_core::transport::dtls::{Certificate, Dtls, DtlsEvent, DtlsRole};
use confer_sfu_core::transport::ice::IceCredentials;
use confer_sfu_core::transport::srtp::{Opener, RTCP_OVERHEAD, RTP_OVERHEAD, Sealer, SrtpProfile};
use stun_rs::attributes::ice::{IceControlling, Priority, UseCandidate};
use stun_rs::attributes::stun::{Fingerprint, MessageIntegrity, UserName};
use stun_rs::{HMACKey, MessageClass, MessageEncoderBuilder, StunMessageBuilder, methods};

pub(crate) const OPUS: u8 = 111;
pub(crate) const VP8: u8 = 96;
pub(crate) const VP8_RTX: u8 = 97;
pub(crate) const H264: u8 = 102;
pub(crate) const H264_RTX: u8 = 103;

pub(crate) const MID_ID: u8 = 4;
pub(crate) const LEVEL_ID: u8 = 1;
pub(crate) const SEND_TIME_ID: u8 = 2;
pub(crate) const TRANSPORT_CC_ID: u8 = 3;

/// How often checks are sent; browsers do it every 50 ms at first and every 2.5 s later.
const CHECKS: Duration = Duration::from_millis(50);
const CHECKS_LATER: Duration = Duration::from_secs(2);

/// One m-line of a client's offer.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) mid: String,
    pub(crate) kind: &'static str,
    pub(crate) direction: &'static str,
    /// In order of preference: "VP8", "H264".
    pub(crate) codecs: Vec<&'static str>,
    /// Whether retransmission and NACK are offered.
    pub(crate) rtx: bool,
}

impl Line {
    pub(crate) fn audio(mid: impl Into<String>, direction: &'static str) -> Self {
        Self { mid: mid.into(), kind: "audio", direction, codecs: vec!["opus"], rtx: false }
    }

    pub(crate) fn video(mid: impl Into<String>, direction: &'static str) -> Self {
        Self { mid: mid.into(), kind: "video", direction, codecs: vec!["VP8", "H264"], rtx: true }
    }
}

/// A slot as an answer describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnsweredSlot {
    pub(crate) mid: Mid,
    pub(crate) kind: &'static str,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
}

/// What arrived for the client, opened.
#[derive(Debug)]
pub(crate) enum Arrived {
    Rtp(Vec<u8>),
    Rtcp(Vec<u8>),
}

pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    certificate: Certificate,
    ice: IceCredentials,
    server: Option<IceCredentials>,
    dtls: Option<Dtls>,
    opener: Option<Opener>,
    sealer: Option<Sealer>,
    pub(crate) profile: Option<SrtpProfile>,
    check_due: Option<Instant>,
    has_answer: bool,
    /// Datagrams for the server.
    pub(crate) outbox: VecDeque<Vec<u8>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            certificate: Certificate::generate().expect("randomness"),
            ice: IceCredentials { ufrag: "cLie".into(), pwd: "clients+password+of+length".into() },
            server: None,
            dtls: None,
            opener: None,
            sealer: None,
            profile: None,
            check_due: None,
            has_answer: false,
            outbox: VecDeque::new(),
        }
    }

    /// The client's offer, as Chromium puts it.
    pub(crate) fn offer(&self, lines: &[Line]) -> String {
        let mut out = String::new();
        let mids: Vec<_> = lines.iter().map(|line| line.mid.as_str()).collect();
        let mut put = |text: String| {
            out.push_str(&text);
            out.push_str("\r\n");
        };
        put("v=0".into());
        put("o=- 4611731400430051336 2 IN IP4 127.0.0.1".into());
        put("s=-".into());
        put("t=0 0".into());
        put(format!("a=group:BUNDLE {}", mids.join(" ")));
        put("a=extmap-allow-mixed".into());
        for line in lines {
            let mut pts = String::new();
            for codec in &line.codecs {
                let (pt, rtx) = payload_types(codec);
                write!(pts, " {pt}").expect("a String");
                if let Some(rtx) = rtx.filter(|_| line.rtx) {
                    write!(pts, " {rtx}").expect("a String");
                }
            }
            put(format!("m={} 9 UDP/TLS/RTP/SAVPF{pts}", line.kind));
            put("c=IN IP4 0.0.0.0".into());
            put(format!("a=ice-ufrag:{}", self.ice.ufrag));
            put(format!("a=ice-pwd:{}", self.ice.pwd));
            put("a=ice-options:trickle".into());
            put(format!("a=fingerprint:{}", self.certificate.fingerprint()));
            put("a=setup:actpass".into());
            put(format!("a=mid:{}", line.mid));
            if line.kind == "audio" {
                put(format!("a=extmap:{LEVEL_ID} {}", sdp::Extension::AudioLevel.uri()));
            }
            put(format!("a=extmap:{SEND_TIME_ID} {}", sdp::Extension::AbsSendTime.uri()));
            put(format!("a=extmap:{TRANSPORT_CC_ID} {}", sdp::Extension::TransportCc.uri()));
            put(format!("a=extmap:{MID_ID} {}", sdp::Extension::Mid.uri()));
            put(format!("a={}", line.direction));
            put("a=rtcp-mux".into());
            put("a=rtcp-rsize".into());
            for codec in &line.codecs {
                let (pt, rtx) = payload_types(codec);
                match *codec {
                    "opus" => put(format!("a=rtpmap:{pt} opus/48000/2")),
                    name => put(format!("a=rtpmap:{pt} {name}/90000")),
                }
                put(format!("a=rtcp-fb:{pt} transport-cc"));
                if line.kind == "video" {
                    put(format!("a=rtcp-fb:{pt} ccm fir"));
                    put(format!("a=rtcp-fb:{pt} nack"));
                    put(format!("a=rtcp-fb:{pt} nack pli"));
                }
                if *codec == "H264" {
                    put(format!(
                        "a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
                    ));
                }
                if let Some(rtx) = rtx.filter(|_| line.rtx) {
                    put(format!("a=rtpmap:{rtx} rtx/90000"));
                    put(format!("a=fmtp:{rtx} apt={pt}"));
                }
            }
        }
        out
    }

    /// Reads an answer: begins to connect with the first, and says which slots there are.
    pub(crate) fn answered(&mut self, answer: &str, now: Instant) -> Vec<AnsweredSlot> {
        let answer = sdp::read(answer, &SdpLimits::default()).expect("our own answer");
        let first = answer.sections.first().expect("m-lines");
        self.server = first.ice.clone();
        if !self.has_answer {
            self.has_answer = true;
            let dtls =
                Dtls::new(&self.certificate, first.fingerprints.clone(), DtlsRole::Client, now);
            self.dtls = Some(dtls.expect("a certificate of ours"));
            self.check_due = Some(now);
        }
        answer
            .sections
            .iter()
            .filter(|section| section.direction.sends())
            .map(|section| AnsweredSlot {
                mid: section.mid.clone().expect("answers have mids"),
                kind: match &section.media {
                    sdp::Media::Kind(confer_protocol::room::MediaKind::Audio) => "audio",
                    _ => "video",
                },
                ssrc: *section.ssrcs.first().expect("slots have an SSRC"),
                rtx_ssrc: section.groups.first().map(|group| group.rtx),
            })
            .collect()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.sealer.is_some()
    }

    /// Moves to another address, as a phone does: the next check comes from there.
    pub(crate) fn move_to(&mut self, address: SocketAddr, now: Instant) {
        self.address = address;
        self.check_due = Some(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.check_due.is_some_and(|due| due <= now) {
            let later = if self.is_connected() { CHECKS_LATER } else { CHECKS };
            self.check_due = Some(now + later);
            let check = self.check();
            self.outbox.push_back(check);
        }
        if let Some(dtls) = &mut self.dtls
            && dtls.poll_timeout().is_some_and(|due| due <= now)
        {
            dtls.handle_timeout(now);
        }
    }

    /// Takes what the server sent.
    pub(crate) fn handle_datagram(&mut self, bytes: &mut [u8], now: Instant) -> Option<Arrived> {
        match classify(bytes) {
            Kind::Rtp => {
                let length = self.opener.as_mut()?.open_rtp(bytes).ok()?;
                Some(Arrived::Rtp(bytes[..length].to_vec()))
            }
            Kind::Rtcp => {
                let length = self.opener.as_mut()?.open_rtcp(bytes).ok()?;
                Some(Arrived::Rtcp(bytes[..length].to_vec()))
            }
            Kind::Dtls => {
                let dtls = self.dtls.as_mut()?;
                let _dropped = dtls.handle_datagram(bytes, now);
                self.drain();
                None
            }
            // The server's answers to checks.
            Kind::Stun { .. } | Kind::Unknown => {
                if bytes.first() == Some(&1) {
                    self.drain();
                }
                None
            }
        }
    }

    fn drain(&mut self) {
        let Some(dtls) = &mut self.dtls else { return };
        while let Some(datagram) = dtls.poll_transmit() {
            self.outbox.push_back(datagram.to_vec());
        }
        while let Some(event) = dtls.poll_event() {
            match event {
                DtlsEvent::Connected(connected) => {
                    self.profile = Some(connected.profile);
                    self.opener = Some(Opener::new(connected.profile, &connected.keys.server));
                    self.sealer = Some(Sealer::new(connected.profile, &connected.keys.client));
                }
                DtlsEvent::Failed(error) => panic!("handshake failed: {error}"),
                DtlsEvent::Closed => {}
            }
        }
    }

    /// Seals and sends an RTP packet. `index` ends in its sequence number.
    pub(crate) fn send_rtp(&mut self, packet: &[u8], index: u64) {
        let Some(sealer) = &self.sealer else { return };
        let mut bytes = packet.to_vec();
        bytes.resize(packet.len() + RTP_OVERHEAD, 0);
        let length = sealer.seal_rtp(&mut bytes, packet.len(), index);
        bytes.truncate(length);
        self.outbox.push_back(bytes);
    }

    /// Seals and sends an RTCP compound.
    pub(crate) fn send_rtcp(&mut self, compound: &[u8]) {
        let Some(sealer) = &mut self.sealer else { return };
        let mut bytes = compound.to_vec();
        bytes.resize(compound.len() + RTCP_OVERHEAD, 0);
        let length = sealer.seal_rtcp(&mut bytes, compound.len()).expect("few compounds");
        bytes.truncate(length);
        self.outbox.push_back(bytes);
    }

    fn check(&self) -> Vec<u8> {
        let server = self.server.as_ref().expect("answered");
        let name = format!("{}:{}", server.ufrag, self.ice.ufrag);
        let key = HMACKey::new_short_term(&server.pwd).expect("a password");
        let message = StunMessageBuilder::new(methods::BINDING, MessageClass::Request)
            .with_attribute(UserName::new(name).expect("a name"))
            .with_attribute(Priority::from(0x6e00_1eff))
            .with_attribute(IceControlling::from(7))
            .with_attribute(UseCandidate::default())
            .with_attribute(MessageIntegrity::new(key))
            .with_attribute(Fingerprint::default())
            .build();
        let mut bytes = vec![0; 256];
        let length =
            MessageEncoderBuilder::default().build().encode(&mut bytes, &message).expect("it fits");
        bytes.truncate(length);
        bytes
    }
}

fn payload_types(codec: &str) -> (u8, Option<u8>) {
    match codec {
        "opus" => (OPUS, None),
        "VP8" => (VP8, Some(VP8_RTX)),
        "H264" => (H264, Some(H264_RTX)),
        other => panic!("unknown codec {other}"),
    }
}
