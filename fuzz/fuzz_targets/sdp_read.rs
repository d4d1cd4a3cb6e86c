//! An offer, read, negotiated and answered; our own answer must be readable again.
#![no_main]

use confer_sfu_core::sdp::{
    Capabilities, LocalDescription, SdpLimits, SendingSource, negotiate, read, write_answer,
};
use confer_sfu_core::transport::ice::IceCredentials;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = SdpLimits::default();
    let Ok(offer) = read(text, &limits) else { return };
    let Ok(negotiated) = negotiate(&offer, &Capabilities::default()) else { return };
    let mids = || negotiated.media().map(|media| media.mid.clone());
    let source = SendingSource {
        ssrc: 1,
        rtx_ssrc: Some(2),
        cname: "c".into(),
        stream: "s".into(),
        track: "t".into(),
    };
    let local = LocalDescription {
        session_id: 1,
        session_version: 1,
        ice: IceCredentials { ufrag: "abcd".into(), pwd: "0123456789012345678901".into() },
        fingerprint: negotiated.fingerprints[0].clone(),
        candidates: vec![([192, 0, 2, 1], 1).into()],
        receiving: mids().collect(),
        sending: mids().map(|mid| (mid, source.clone())).collect(),
    };
    let answer = write_answer(&negotiated, &local);
    let limits = SdpLimits { bytes: usize::MAX, ..limits };
    let answer = read(&answer, &limits).expect("our answer is SDP");
    assert_eq!(answer.sections.len(), offer.sections.len());
});
