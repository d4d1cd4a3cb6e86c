//! What strangers may send, in small: real offers, checks and records with bytes changed, cut,
//! repeated and swapped. `fuzz/` looks further; this runs with every test, always the same.

use std::fs;
use std::path::Path;
use std::time::Instant;

use confer_sfu_core::demux::{Kind, classify};
use confer_sfu_core::sdp::{
    Capabilities, LocalDescription, SdpLimits, SendingSource, negotiate, read, write_answer,
};
use confer_sfu_core::transport::Route;
use confer_sfu_core::transport::dtls::{Certificate, Dtls, DtlsEvent, DtlsRole};
use confer_sfu_core::transport::ice::{CheckOutcome, ConsentLimits, IceCredentials, IceLite};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Changes `bytes` in one to four places.
fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        let to = rng.random_range(at..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..to.min(at + 40))),
            4 => {
                let copy = bytes[at..to.min(at + 200)].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes.swap(at, to),
        }
    }
}

#[test]
fn a_damaged_offer_is_refused_or_answered_and_the_answer_is_sdp() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offers");
    let mut offers: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .collect();
    offers.sort();
    let limits = SdpLimits::default();
    let mut rng = StdRng::seed_from_u64(1);
    let (mut answered, mut refused) = (0, 0);
    for path in offers {
        let original = fs::read(path).expect("it can be read");
        for _ in 0..300 {
            let mut bytes = original.clone();
            mutate(&mut bytes, &mut rng);
            let text = String::from_utf8_lossy(&bytes);
            let negotiated =
                read(&text, &limits).and_then(|offer| negotiate(&offer, &Capabilities::default()));
            let Ok(negotiated) = negotiated else {
                refused += 1;
                continue;
            };
            answered += 1;
            let mids = || negotiated.media().map(|media| media.mid.clone());
            let source = SendingSource {
                ssrc: 1,
                rtx_ssrc: Some(2),
                cname: "c".into(),
                stream: "s".into(),
                track: "t".into(),
            };
            let answer = write_answer(
                &negotiated,
                &LocalDescription {
                    session_id: 1,
                    session_version: 1,
                    ice: IceCredentials { ufrag: "abcd".into(), pwd: "0".repeat(22) },
                    fingerprint: negotiated.fingerprints[0].clone(),
                    candidates: vec![([192, 0, 2, 1], 1).into()],
                    receiving: mids().collect(),
                    sending: mids().map(|mid| (mid, source.clone())).collect(),
                },
            );
            let again = read(&answer, &limits).expect("our answer is SDP");
            assert_eq!(again.sections.len(), negotiated.sections.len());
        }
    }
    assert!(answered > 500 && refused > 200, "{answered} answered, {refused} refused");
}

#[test]
fn a_check_from_somebody_without_the_password_changes_nothing() {
    // RFC 5769, section 2.1, whose password this agent does not have.
    let check: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\
        \xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\
        \x00\x24\x00\x04\x6e\x00\x01\xff\
        \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09evtj:h6vY\x20\x20\x20\
        \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\
        \xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
        \x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    let now = Instant::now();
    let local = IceCredentials { ufrag: "evtj".into(), pwd: "another password of ours".into() };
    let mut agent = IceLite::new(local, ConsentLimits::default(), now);
    let route = Route { remote: ([192, 0, 2, 1], 1).into(), local: [192, 0, 2, 2].into() };
    let mut rng = StdRng::seed_from_u64(2);
    let mut reply = Vec::new();
    for _ in 0..20_000 {
        let mut bytes = check.to_vec();
        mutate(&mut bytes, &mut rng);
        if let Kind::Stun { local_ufrag } = classify(&bytes) {
            assert!(local_ufrag.len() < bytes.len());
        }
        let outcome = agent.handle_check(&bytes, route, now, &mut reply);
        assert!(matches!(outcome, CheckOutcome::Refused(_)));
        assert!(reply.is_empty());
    }
    assert_eq!(agent.path(), None);
    assert_eq!(agent.sources().count(), 0);
}

#[test]
fn damaged_flights_never_make_a_connection_and_never_a_panic() {
    let [ours, theirs] = [(); 2].map(|()| Certificate::generate().expect("there is randomness"));
    let expected = |certificate: &Certificate| vec![certificate.fingerprint().clone()];
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..100 {
        let now = Instant::now();
        let mut server = Dtls::new(&ours, expected(&theirs), DtlsRole::Server, now)
            .expect("the certificate serves");
        let mut client = Dtls::new(&theirs, expected(&ours), DtlsRole::Client, now)
            .expect("the certificate serves");
        // Every datagram comes damaged once; what is whole comes only from the server.
        for _ in 0..20 {
            let mut moved = false;
            while let Some(sent) = client.poll_transmit() {
                moved = true;
                for _ in 0..3 {
                    let mut bytes = sent.to_vec();
                    mutate(&mut bytes, &mut rng);
                    if bytes != sent[..] {
                        let _refused = server.handle_datagram(&bytes, now);
                    }
                }
            }
            while let Some(sent) = server.poll_transmit() {
                moved = true;
                let _refused = client.handle_datagram(&sent, now);
            }
            if !moved {
                break;
            }
        }
        while let Some(event) = server.poll_event() {
            assert!(!matches!(event, DtlsEvent::Connected(_)));
        }
    }
}
