use super::*;
use crate::transport::srtp::{Opener, RTP_OVERHEAD, Sealer};

/// Two associations and the link between them, in simulated time.
struct Pair {
    server: Side,
    client: Side,
    now: Instant,
}

struct Side {
    dtls: Dtls,
    events: Vec<DtlsEvent>,
}

impl Side {
    fn new(dtls: Dtls) -> Self {
        Self { dtls, events: Vec::new() }
    }

    fn note_events(&mut self) {
        while let Some(event) = self.dtls.poll_event() {
            self.events.push(event);
        }
    }

    fn connected(&self) -> Option<&DtlsConnected> {
        self.events.iter().find_map(|event| match event {
            DtlsEvent::Connected(connected) => Some(connected),
            DtlsEvent::Failed(_) | DtlsEvent::Closed => None,
        })
    }

    fn failed(&self) -> Option<DtlsError> {
        self.events.iter().find_map(|event| match event {
            DtlsEvent::Failed(error) => Some(*error),
            DtlsEvent::Connected(_) | DtlsEvent::Closed => None,
        })
    }
}

impl Pair {
    fn new() -> Self {
        let [ours, theirs] = certificates();
        let now = Instant::now();
        let expected = |certificate: &Certificate| vec![certificate.fingerprint().clone()];
        let server = Dtls::new(&ours, expected(&theirs), DtlsRole::Server, now);
        let client = Dtls::new(&theirs, expected(&ours), DtlsRole::Client, now);
        Self {
            server: Side::new(server.expect("the certificate serves")),
            client: Side::new(client.expect("the certificate serves")),
            now,
        }
    }

    /// Runs until nothing moves any more, at most for `patience`. `fate` says how often a datagram
    /// arrives: not at all, once or more.
    fn run(&mut self, patience: Duration, mut fate: impl FnMut(&[u8]) -> usize) {
        let end = self.now + patience;
        loop {
            let mut moved = false;
            while let Some(sent) = self.client.dtls.poll_transmit() {
                moved = true;
                for _ in 0..fate(&sent) {
                    let _refused = self.server.dtls.handle_datagram(&sent, self.now);
                }
            }
            while let Some(sent) = self.server.dtls.poll_transmit() {
                moved = true;
                for _ in 0..fate(&sent) {
                    let _refused = self.client.dtls.handle_datagram(&sent, self.now);
                }
            }
            self.server.note_events();
            self.client.note_events();
            if moved {
                continue;
            }
            let sides = [&self.server, &self.client];
            match sides.iter().filter_map(|side| side.dtls.poll_timeout()).min() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => return,
            }
            self.server.dtls.handle_timeout(self.now);
            self.client.dtls.handle_timeout(self.now);
        }
    }
}

fn certificates() -> [Certificate; 2] {
    [(); 2].map(|()| Certificate::generate().expect("there is randomness"))
}

/// A client as rtc-dtls makes it, to be configured in ways that ours cannot.
struct Raw {
    endpoint: Endpoint,
}

impl Raw {
    fn new(profiles: &[SrtpProtectionProfile], certificate: Option<&Certificate>) -> Self {
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider())
            .with_certificates(certificate.iter().map(|some| some.inner().clone()).collect())
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_insecure_skip_verify(true)
            .with_server_name("localhost".to_owned())
            .build(true, None)
            .expect("the configuration is whole");
        let mut endpoint = endpoint(None);
        endpoint
            .connect(Instant::now(), REMOTE, Arc::new(config), None)
            .expect("a hello can always be said");
        Self { endpoint }
    }

    /// Shakes hands with `server` without loss.
    fn shake(&mut self, server: &mut Side, now: Instant) {
        loop {
            let mut moved = false;
            while let Some(sent) = self.endpoint.poll_transmit() {
                moved = true;
                let _refused = server.dtls.handle_datagram(&sent.message, now);
            }
            while let Some(sent) = server.dtls.poll_transmit() {
                moved = true;
                let _refused = self.endpoint.read(now, REMOTE, None, sent);
            }
            server.note_events();
            if !moved {
                return;
            }
        }
    }
}

/// A server for a client that has `theirs`.
fn server_for(theirs: &Certificate) -> Side {
    let [ours, _] = certificates();
    let expected = vec![theirs.fingerprint().clone()];
    let dtls = Dtls::new(&ours, expected, DtlsRole::Server, Instant::now());
    Side::new(dtls.expect("the certificate serves"))
}

const PATIENCE: Duration = Duration::from_secs(60);
const GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
const GCM_256: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm;
const CM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;

#[test]
fn both_sides_get_the_same_keys() {
    let mut pair = Pair::new();
    pair.run(PATIENCE, |_| 1);
    let server = pair.server.connected().expect("the handshake is over");
    let client = pair.client.connected().expect("the handshake is over");
    assert_eq!(server.profile, SrtpProfile::AeadAes128Gcm);
    assert_eq!(server.version, "DTLS 1.2");

    let sealer = Sealer::new(server.profile, &server.keys.server);
    let mut opener = Opener::new(client.profile, &client.keys.server);
    let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3];
    let len = packet.len();
    packet.resize(len + RTP_OVERHEAD, 0);
    let sealed = sealer.seal_rtp(&mut packet, len, 1);
    assert_eq!(opener.open_rtp(&mut packet[..sealed]), Ok(len));
}

#[test]
fn aes_gcm_is_chosen_wherever_the_client_lists_it() {
    let [theirs, _] = certificates();
    for profiles in [vec![GCM], vec![CM, GCM_256, GCM], vec![GCM_256, GCM, CM]] {
        let mut server = server_for(&theirs);
        Raw::new(&profiles, Some(&theirs)).shake(&mut server, Instant::now());
        let connected = server.connected().expect("the handshake is over");
        assert_eq!(connected.profile, SrtpProfile::AeadAes128Gcm);
    }
}

#[test]
fn a_client_without_aes_gcm_gets_aes_cm() {
    let [theirs, _] = certificates();
    let mut server = server_for(&theirs);
    Raw::new(&[CM], Some(&theirs)).shake(&mut server, Instant::now());
    let connected = server.connected().expect("the handshake is over");
    assert_eq!(connected.profile, SrtpProfile::AesCm128HmacSha1_80);
}

#[test]
fn a_client_with_no_profile_of_ours_is_refused() {
    let [theirs, _] = certificates();
    for profiles in [vec![GCM_256], vec![]] {
        let mut server = server_for(&theirs);
        Raw::new(&profiles, Some(&theirs)).shake(&mut server, Instant::now());
        assert_eq!(server.failed(), Some(DtlsError::NoCommonProfile), "{profiles:?}");
        assert!(server.connected().is_none());
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let [theirs, _] = certificates();
    let mut server = server_for(&theirs);
    Raw::new(&[GCM], None).shake(&mut server, Instant::now());
    assert_eq!(server.failed(), Some(DtlsError::NoCertificate));
    assert!(server.connected().is_none());
}

#[test]
fn a_client_with_another_certificate_than_its_sdp_says_is_refused() {
    let [theirs, other] = certificates();
    let mut server = server_for(&theirs);
    Raw::new(&[GCM], Some(&other)).shake(&mut server, Instant::now());
    assert_eq!(server.failed(), Some(DtlsError::WrongFingerprint));
    assert!(server.connected().is_none());
}

#[test]
fn one_of_several_fingerprints_is_enough() {
    let [ours, theirs] = certificates();
    let [other, _] = certificates();
    let sha512 = Fingerprint::of(HashAlgorithm::Sha512, &theirs.inner().certificate[0]);
    let expected = vec![other.fingerprint().clone(), sha512];
    let dtls = Dtls::new(&ours, expected, DtlsRole::Server, Instant::now());
    let mut server = Side::new(dtls.expect("the certificate serves"));
    Raw::new(&[GCM], Some(&theirs)).shake(&mut server, Instant::now());
    assert!(server.connected().is_some());
}

/// Cuts the one handshake message of a datagram into two datagrams, as browsers with post-quantum
/// key exchange do with their hello.
fn fragment(datagram: &[u8]) -> [Vec<u8>; 2] {
    let (record, message) = datagram.split_at(13);
    let (header, body) = message.split_at(12);
    let middle = body.len() / 2;
    [(0, &body[..middle]), (middle, &body[middle..])].map(|(offset, part)| {
        let offset = u32::try_from(offset).expect("a hello is short").to_be_bytes();
        let length = u32::try_from(part.len()).expect("a hello is short");
        let whole = u16::try_from(part.len() + 12).expect("a hello is short").to_be_bytes();
        let mut out = record.to_vec();
        // Another record number for the second half, or it would count as a replay.
        out[10] = if offset == [0; 4] { 0 } else { 30 };
        out[11..13].copy_from_slice(&whole);
        out.extend_from_slice(&header[..6]);
        out.extend_from_slice(&offset[1..]);
        out.extend_from_slice(&length.to_be_bytes()[1..]);
        out.extend_from_slice(part);
        out
    })
}

#[test]
fn a_hello_in_two_datagrams_is_put_together_in_any_order_and_with_duplicates() {
    let [theirs, _] = certificates();
    for profiles in [[GCM], [CM]] {
        for order in [vec![0, 1], vec![1, 0], vec![0, 0, 1, 1], vec![1, 0, 1, 0]] {
            let now = Instant::now();
            let mut server = server_for(&theirs);
            let mut client = Raw::new(&profiles, Some(&theirs));
            let hello = client.endpoint.poll_transmit().expect("the hello").message;
            let halves = fragment(&hello);
            for half in order {
                let _refused = server.dtls.handle_datagram(&halves[half], now);
            }
            while let Some(sent) = server.dtls.poll_transmit() {
                let _refused = client.endpoint.read(now, REMOTE, None, sent);
            }
            client.shake(&mut server, now);
            assert!(server.connected().is_some(), "{profiles:?}");
        }
    }
}

#[test]
fn the_loss_of_any_one_datagram_costs_less_than_half_a_second() {
    for lost in 0..12 {
        let mut pair = Pair::new();
        let start = pair.now;
        let mut count = 0;
        pair.run(PATIENCE, |_| {
            count += 1;
            usize::from(count != lost + 1)
        });
        assert!(pair.server.connected().is_some(), "without datagram {lost}");
        assert!(pair.client.connected().is_some(), "without datagram {lost}");
        assert!(pair.now - start <= Duration::from_millis(500), "without datagram {lost}");
    }
}

#[test]
fn a_handshake_ends_well_under_heavy_loss_and_duplication() {
    for seed in 1..60u64 {
        let mut pair = Pair::new();
        let mut dice = seed;
        pair.run(PATIENCE, |_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (dice >> 33) % 10 {
                0..3 => 0,
                3 => 2,
                _ => 1,
            }
        });
        assert!(pair.server.connected().is_some(), "seed {seed}: {:?}", pair.server.events);
        assert!(pair.client.connected().is_some(), "seed {seed}: {:?}", pair.client.events);
    }
}

#[test]
fn junk_between_the_flights_changes_nothing() {
    let junk: [&[u8]; 7] = [
        &[22; 40],
        &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 1],
        &[23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 1],
        &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 2],
        &[20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 7],
        &[22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 3, 1, 2, 3],
        &[25, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 1, 2, 3],
    ];
    let mut pair = Pair::new();
    for round in 0..8 {
        for datagram in junk {
            let _refused = pair.server.dtls.handle_datagram(datagram, pair.now);
        }
        let mut budget = round;
        pair.run(Duration::from_millis(50), |_| {
            budget -= 1;
            usize::from(budget > -2)
        });
    }
    pair.run(PATIENCE, |_| 1);
    assert!(pair.server.connected().is_some(), "{:?}", pair.server.events);
    for datagram in junk {
        let _refused = pair.server.dtls.handle_datagram(datagram, pair.now);
    }
    pair.server.note_events();
    assert_eq!(pair.server.events.len(), 1);
}

#[test]
fn a_client_that_falls_silent_is_given_up() {
    let mut pair = Pair::new();
    let start = pair.now;
    let mut count = 0;
    pair.run(PATIENCE, |_| {
        count += 1;
        usize::from(count <= 3)
    });
    assert_eq!(pair.server.failed(), Some(DtlsError::TimedOut));
    assert!(pair.now - start <= HANDSHAKE_TIMEOUT);
    assert_eq!(pair.server.dtls.poll_timeout(), None);
}

#[test]
fn a_flood_before_the_handshake_is_over_ends_it() {
    let [theirs, _] = certificates();
    let mut server = server_for(&theirs);
    let mut record = vec![22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9];
    record.extend_from_slice(&1000u16.to_be_bytes());
    record.extend_from_slice(&[0; 1000]);
    for _ in 0..HANDSHAKE_BYTES / 1000 + 1 {
        let _refused = server.dtls.handle_datagram(&record, Instant::now());
    }
    server.note_events();
    assert_eq!(server.failed(), Some(DtlsError::TooMuch));
}

#[test]
fn goodbye_reaches_the_other_side() {
    let mut pair = Pair::new();
    pair.run(PATIENCE, |_| 1);
    pair.server.dtls.close(pair.now);
    pair.run(PATIENCE, |_| 1);
    assert!(matches!(pair.client.events.last(), Some(DtlsEvent::Closed)));
}

#[test]
fn fingerprints_are_read_as_they_are_written() {
    let [certificate, _] = certificates();
    let text = certificate.fingerprint().to_string();
    assert_eq!(text.parse().as_ref(), Ok(certificate.fingerprint()));
    let shouted = text.replace("sha-256", "SHA-256").to_lowercase();
    assert_eq!(shouted.parse().as_ref(), Ok(certificate.fingerprint()));

    let refused = |text: &str| text.parse::<Fingerprint>().expect_err("it is no proof");
    assert_eq!(refused("sha-1 00:11:22"), certificate::FingerprintError::Algorithm);
    assert_eq!(refused("sha-256 00:11:22"), certificate::FingerprintError::Digest);
    assert_eq!(refused(&text.replace(':', "")), certificate::FingerprintError::Digest);
    assert_eq!(refused("sha-256"), certificate::FingerprintError::Digest);
}
