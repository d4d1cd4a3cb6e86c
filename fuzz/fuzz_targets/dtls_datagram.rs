//! Datagrams to a DTLS server whose client has not proved anything yet.
#![no_main]

use std::sync::OnceLock;
use std::time::Instant;

use confer_sfu_core::transport::dtls::{Certificate, Dtls, DtlsEvent, DtlsRole};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate =
        CERTIFICATE.get_or_init(|| Certificate::generate().expect("there is randomness"));
    let expected = vec![certificate.fingerprint().clone()];
    let now = Instant::now();
    let mut dtls =
        Dtls::new(certificate, expected, DtlsRole::Server, now).expect("the certificate serves");
    // Two bytes of length before each datagram.
    let mut rest = input;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
        let (datagram, tail) = tail.split_at(length);
        let _refused = dtls.handle_datagram(datagram, now);
        rest = tail;
    }
    while dtls.poll_transmit().is_some() {}
    while let Some(event) = dtls.poll_event() {
        assert!(!matches!(event, DtlsEvent::Connected(_)));
    }
});
