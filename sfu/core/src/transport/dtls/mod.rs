//! DTLS for the keys of SRTP (RFC 5764), by rtc-dtls.
//!
//! One [`Dtls`] belongs to one participant and is fed only from addresses that ICE has validated.
//! It knows no address: a client that moves during the handshake goes on with it. rtc-dtls keys
//! associations by address, therefore each of ours runs in an endpoint of its own under a constant
//! one.
//!
//! We are the server whenever the client lets us, because the server chooses the SRTP profile and
//! AES-GCM costs a fifth of AES-CM. rtc-dtls would choose the *client's* first profile, so the
//! handshake begins with AES-GCM alone and, when the client has none, begins again from the
//! stored first flight with AES-CM.

mod certificate;
mod error;
mod record;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use super::srtp::{KeyMaterial, SrtpProfile};
pub use certificate::{Certificate, Fingerprint, HashAlgorithm};
pub use error::DtlsError;

/// Which side of the handshake we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// We wait for the client's hello: `setup:passive`.
    Server,
    /// We say hello: `setup:active`, for offers that are fixed to `passive`.
    Client,
}

/// What happened in a handshake or after it.
#[derive(Debug)]
pub enum DtlsEvent {
    /// The other side is who the SDP says, and these are the keys.
    Connected(DtlsConnected),
    /// The handshake is over and has failed, or the other side said so. Nothing follows.
    Failed(DtlsError),
    /// The other side has closed the association in order.
    Closed,
}

/// A handshake's result.
#[derive(Debug)]
pub struct DtlsConnected {
    pub profile: SrtpProfile,
    pub keys: KeyMaterial,
    /// As the IANA registry of protocol versions is usually written: `DTLS 1.2`.
    pub version: &'static str,
}

/// One participant's association.
pub struct Dtls {
    role: DtlsRole,
    certificate: Certificate,
    expected: Arc<[Fingerprint]>,
    endpoint: Endpoint,
    state: State,
    /// What came while the profile was open, to begin again with.
    first_flight: Vec<BytesMut>,
    /// Bytes of datagrams taken before the handshake was over.
    taken: usize,
    began_at: Option<Instant>,
    retransmit: Option<Retransmit>,
    /// What we last sent, to be sent again.
    flight: Vec<BytesMut>,
    transmits: VecDeque<BytesMut>,
    events: VecDeque<DtlsEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A server that has not settled on a profile: AES-GCM may still be refused.
    Choosing,
    Handshaking,
    Connected,
    Over,
}

/// When to repeat our flight (RFC 6347, section 4.2.4), doubling from a LAN's patience.
///
/// rtc-dtls repeats at a fixed interval and gives up at the eighth time, which is too slow or too
/// early; so its timer is always due and this one decides. It also forgets its timer when the
/// other side repeats a flight while ours is lost, and would then wait for ever; so our last
/// flight is kept and goes out as it was, which for the other side is a late duplicate.
#[derive(Clone, Copy)]
struct Retransmit {
    due: Instant,
    interval: Duration,
}

/// RFC 6347 suggests one second; after ICE the path is known to work and mostly fast.
const FIRST_RETRANSMIT: Duration = Duration::from_millis(100);

/// Seven repetitions that double from [`FIRST_RETRANSMIT`] are spread over 12.7 s.
const LAST_RETRANSMIT: Duration = Duration::from_millis(6400);

/// A handshake that takes longer is given up; the client must then begin anew.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// More bytes than this before the handshake is over are not a client's: a whole one is 5 kB, and
/// rtc-dtls would put fragments aside up to 2 MB.
const HANDSHAKE_BYTES: usize = 128 * 1024;

/// The first flight is two datagrams when the client does post-quantum key exchange; the rest is
/// for duplicates.
const FIRST_FLIGHT_CAPACITY: usize = 8;

/// rtc-dtls's own timer: as good as always due.
const ALWAYS_DUE: Duration = Duration::from_nanos(1);

/// Datagrams of ours are at most this long without IP and UDP headers.
const MTU: usize = 1200;

/// The constant address under which the one association of an endpoint runs.
const REMOTE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// RFC 5764, section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

impl Dtls {
    /// An association with the holder of a certificate that has one of the `expected`
    /// fingerprints. As client it has a first flight to send at once.
    ///
    /// # Errors
    /// When `certificate` cannot serve, which [`Certificate::generate`] rules out.
    pub fn new(
        certificate: &Certificate,
        expected: Vec<Fingerprint>,
        role: DtlsRole,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let expected: Arc<[Fingerprint]> = expected.into();
        let (endpoint, state) = match role {
            DtlsRole::Server => {
                let profiles = vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm];
                (server(certificate, &expected, profiles)?, State::Choosing)
            }
            DtlsRole::Client => (client(certificate, &expected, now)?, State::Handshaking),
        };
        let mut dtls = Self {
            role,
            certificate: certificate.clone(),
            expected,
            endpoint,
            state,
            first_flight: Vec::new(),
            taken: 0,
            began_at: None,
            retransmit: None,
            flight: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        };
        if role == DtlsRole::Client {
            dtls.began_at = Some(now);
            dtls.collect();
            dtls.begin_flight(0, now);
        }
        Ok(dtls)
    }

    /// Which side we are.
    pub fn role(&self) -> DtlsRole {
        self.role
    }

    /// Takes a datagram that [`classify`](crate::demux::classify) calls DTLS.
    ///
    /// # Errors
    /// When it was dropped: malformed, forged or out of place. The association goes on; what ends
    /// it comes as [`DtlsEvent::Failed`].
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) -> Result<(), DtlsError> {
        if self.state == State::Over {
            return Err(DtlsError::Over);
        }
        if !record::well_formed(datagram) {
            return Err(DtlsError::Dropped);
        }
        self.began_at.get_or_insert(now);
        if self.state != State::Connected {
            self.taken += datagram.len();
            if self.taken > HANDSHAKE_BYTES {
                self.fail(DtlsError::TooMuch);
                return Err(DtlsError::TooMuch);
            }
        }
        let datagram = BytesMut::from(datagram);
        if self.state == State::Choosing && self.first_flight.len() < FIRST_FLIGHT_CAPACITY {
            self.first_flight.push(datagram.clone());
        }

        match self.endpoint.read(now, REMOTE, None, datagram) {
            Ok(events) => self.advance(events, now),
            Err(rtc_shared::error::Error::ErrServerNoMatchingSrtpProfile)
                if self.state == State::Choosing =>
            {
                self.fall_back(now)
            }
            Err(cause) => self.handle_error(cause),
        }
    }

    /// Takes the next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.transmits.pop_front()
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Choosing | State::Handshaking => {
                let give_up = self.began_at.map(|began_at| began_at + HANDSHAKE_TIMEOUT);
                let repeat = self.retransmit.map(|retransmit| retransmit.due);
                give_up.into_iter().chain(repeat).min()
            }
            State::Connected | State::Over => None,
        }
    }

    /// Repeats our flight, or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !matches!(self.state, State::Choosing | State::Handshaking) {
            return;
        }
        if self.began_at.is_some_and(|began_at| now >= began_at + HANDSHAKE_TIMEOUT) {
            self.fail(DtlsError::TimedOut);
            return;
        }
        if self.retransmit.is_some_and(|retransmit| now >= retransmit.due) {
            match self.endpoint.handle_timeout(REMOTE, now) {
                Ok(()) => self.repeat_flight(now),
                Err(_) => self.fail(DtlsError::TimedOut),
            }
        }
    }

    /// Says goodbye. What [`poll_transmit`](Self::poll_transmit) then has is worth sending once.
    pub fn close(&mut self, now: Instant) {
        if self.state != State::Over {
            let _association = self.endpoint.stop(now, REMOTE);
            self.collect();
            self.state = State::Over;
        }
    }

    /// Goes on after a datagram that rtc-dtls took.
    fn advance(&mut self, events: Vec<EndpointEvent>, now: Instant) -> Result<(), DtlsError> {
        let sent = self.collect();
        if sent > 0 && self.state != State::Connected {
            if self.state == State::Choosing {
                // The hello was answered, so its profile was good.
                self.state = State::Handshaking;
                self.first_flight = Vec::new();
            }
            self.begin_flight(self.transmits.len() - sent, now);
        }
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.complete()?,
                EndpointEvent::PeerClosed => {
                    self.state = State::Over;
                    self.events.push_back(DtlsEvent::Closed);
                }
                // Nothing was negotiated that would come this way.
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins again with AES-CM and the hello that asked for it. The alert that rtc-dtls has
    /// queued is dropped with its endpoint.
    fn fall_back(&mut self, now: Instant) -> Result<(), DtlsError> {
        let profiles = vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80];
        match server(&self.certificate, &self.expected, profiles) {
            Ok(endpoint) => self.endpoint = endpoint,
            Err(error) => {
                self.fail(error);
                return Err(error);
            }
        }
        self.state = State::Handshaking;
        for datagram in std::mem::take(&mut self.first_flight) {
            match self.endpoint.read(now, REMOTE, None, datagram) {
                Ok(events) => self.advance(events, now)?,
                Err(cause) => self.handle_error(cause)?,
            }
        }
        Ok(())
    }

    /// A datagram made rtc-dtls fail. When it tells the other side so, or was told, the
    /// association is over; otherwise it was junk that anybody could have sent.
    fn handle_error(&mut self, cause: rtc_shared::error::Error) -> Result<(), DtlsError> {
        use rtc_shared::error::Error;

        let before = self.transmits.len();
        self.collect();
        let alerted = self.transmits.range(before..).any(|sent| record::is_fatal_alert(sent));
        let error = match cause {
            Error::ErrAlertFatalOrClose => DtlsError::Alerted,
            _ if !alerted || self.state == State::Connected => return Err(DtlsError::Dropped),
            Error::ErrServerNoMatchingSrtpProfile | Error::ErrClientNoMatchingSrtpProfile => {
                DtlsError::NoCommonProfile
            }
            Error::ErrUnsupportedProtocolVersion => DtlsError::Version,
            // What the callback of `configure` says.
            Error::ErrInvalidCertificate => DtlsError::WrongFingerprint,
            Error::ErrClientCertificateRequired | Error::ErrCertificateVerifyNoCertificate => {
                DtlsError::NoCertificate
            }
            _ => DtlsError::Refused,
        };
        self.fail(error);
        Err(error)
    }

    /// Looks at whom we have shaken hands with, and takes the keys.
    fn complete(&mut self) -> Result<(), DtlsError> {
        match self.export() {
            Ok(connected) => {
                self.state = State::Connected;
                self.retransmit = None;
                self.flight = Vec::new();
                self.events.push_back(DtlsEvent::Connected(connected));
                Ok(())
            }
            Err(error) => {
                self.fail(error);
                Err(error)
            }
        }
    }

    fn export(&self) -> Result<DtlsConnected, DtlsError> {
        let state = self.endpoint.get_connection_state(REMOTE).ok_or(DtlsError::Over)?;
        // rtc-dtls has asked the callback of `configure` already; that it did is not left to it.
        let certificate = state.peer_certificates.first().ok_or(DtlsError::NoCertificate)?;
        if !self.expected.iter().any(|fingerprint| fingerprint.matches(certificate)) {
            return Err(DtlsError::WrongFingerprint);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => SrtpProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => SrtpProfile::AesCm128HmacSha1_80,
            _ => return Err(DtlsError::NoCommonProfile),
        };
        let exported = state
            .export_keying_material(EXPORTER_LABEL, &[], profile.exporter_len())
            .map_err(|_| DtlsError::Crypto)?;
        let keys =
            KeyMaterial::from_exporter(profile, exported.as_ref()).ok_or(DtlsError::Crypto)?;
        Ok(DtlsConnected { profile, keys, version: "DTLS 1.2" })
    }

    fn fail(&mut self, error: DtlsError) {
        self.state = State::Over;
        self.retransmit = None;
        self.flight = Vec::new();
        self.first_flight = Vec::new();
        self.events.push_back(DtlsEvent::Failed(error));
    }

    /// Moves what rtc-dtls wants to send into our queue, and says how much that was.
    fn collect(&mut self) -> usize {
        let before = self.transmits.len();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.transmits.push_back(transmit.message);
        }
        self.transmits.len() - before
    }

    /// What was queued from `first` on is our new flight.
    fn begin_flight(&mut self, first: usize, now: Instant) {
        self.flight.clear();
        self.flight.extend(self.transmits.range(first..).cloned());
        let interval = FIRST_RETRANSMIT;
        self.retransmit = Some(Retransmit { due: now + interval, interval });
    }

    fn repeat_flight(&mut self, now: Instant) {
        if self.collect() == 0 {
            self.transmits.extend(self.flight.iter().cloned());
        }
        let last = self.retransmit.map_or(FIRST_RETRANSMIT, |retransmit| retransmit.interval);
        let interval = (last * 2).min(LAST_RETRANSMIT);
        self.retransmit = Some(Retransmit { due: now + interval, interval });
    }
}

fn server(
    certificate: &Certificate,
    expected: &Arc<[Fingerprint]>,
    profiles: Vec<SrtpProtectionProfile>,
) -> Result<Endpoint, DtlsError> {
    let config = configure(certificate, expected, profiles)
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .build(false, None)
        .map_err(|_| DtlsError::Crypto)?;
    Ok(endpoint(Some(Arc::new(config))))
}

fn client(
    certificate: &Certificate,
    expected: &Arc<[Fingerprint]>,
    now: Instant,
) -> Result<Endpoint, DtlsError> {
    let profiles = vec![
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    ];
    let config = configure(certificate, expected, profiles)
        .with_server_name("localhost".to_owned())
        .build(true, None)
        .map_err(|_| DtlsError::Crypto)?;
    let mut endpoint = endpoint(None);
    endpoint.connect(now, REMOTE, Arc::new(config), None).map_err(|_| DtlsError::Crypto)?;
    Ok(endpoint)
}

fn endpoint(server_config: Option<Arc<HandshakeConfig>>) -> Endpoint {
    Endpoint::new(REMOTE, TransportProtocol::UDP, server_config)
}

/// What both roles have in common. Certificates are self-signed; the fingerprint from the SDP is
/// what vouches for them (RFC 8827, section 6.5).
fn configure(
    certificate: &Certificate,
    expected: &Arc<[Fingerprint]>,
    profiles: Vec<SrtpProtectionProfile>,
) -> ConfigBuilder {
    let expected = Arc::clone(expected);
    ConfigBuilder::default()
        .with_crypto_provider(provider())
        .with_certificates(vec![certificate.inner().clone()])
        .with_srtp_protection_profiles(profiles)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_flight_interval(ALWAYS_DUE)
        .with_mtu(MTU)
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
            let matches = chain
                .first()
                .is_some_and(|leaf| expected.iter().any(|fingerprint| fingerprint.matches(leaf)));
            if matches { Ok(()) } else { Err(rtc_shared::error::Error::ErrInvalidCertificate) }
        })))
}

fn provider() -> Arc<dyn RTCCryptoProvider> {
    Arc::new(AwsLcRsProvider::new())
}

#[cfg(test)]
mod tests;
