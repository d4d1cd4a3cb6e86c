use super::*;

const GOOD: &str = "v=0\r\n\
    o=- 1 1 IN IP4 0.0.0.0\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
    a=mid:0\r\n\
    a=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789012345678901\r\n\
    a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n\
    a=setup:actpass\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:96 VP8/90000\r\n";

fn negotiated(offer: &str) -> Result<Negotiated, SdpError> {
    negotiate(&read(offer, &SdpLimits::default())?, &Capabilities::default())
}

fn codec(name: &str, fmtp: &str) -> Option<CodecFormat> {
    CodecFormat::of(&OfferedCodec {
        pt: 96,
        name: name.into(),
        clock_rate: 90_000,
        channels: 1,
        fmtp: fmtp.into(),
        feedback: Feedback::default(),
    })
}

#[test]
fn what_is_missing_is_said() {
    let without = |line: &str| {
        assert!(GOOD.contains(line));
        negotiated(&GOOD.replace(line, "a=x\r\n")).expect_err("something is missing")
    };
    let mid = || "0".into();
    assert!(negotiated(GOOD).is_ok());
    assert_eq!(without("a=group:BUNDLE 0\r\n"), SdpError::NotBundled { mid: mid() });
    assert_eq!(without("a=mid:0\r\n"), SdpError::BadMid { index: 0 });
    assert_eq!(without("a=ice-ufrag:abcd\r\n"), SdpError::NoIceCredentials);
    assert_eq!(without("a=ice-pwd:0123456789012345678901\r\n"), SdpError::NoIceCredentials);
    assert_eq!(without("a=setup:actpass\r\n"), SdpError::NoSetup);
    assert_eq!(without("a=rtcp-mux\r\n"), SdpError::NoRtcpMux { mid: mid() });
    assert_eq!(
        negotiated(&GOOD.replace("sha-256", "sha-1")).expect_err("SHA-1 proves nothing"),
        SdpError::NoFingerprint
    );
    assert_eq!(
        negotiated(&GOOD.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")).expect_err("it is not secure"),
        SdpError::NotSecure { mid: mid() }
    );
    assert_eq!(
        negotiated(&GOOD.replace("actpass", "holdconn")).expect_err("nobody would say hello"),
        SdpError::NoSetup
    );
}

#[test]
fn what_is_not_sdp_is_refused_with_its_line() {
    let line = |offer: &str| match read(offer, &SdpLimits::default()) {
        Err(SdpError::Syntax { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line("hello"), 1);
    assert_eq!(line("o=- 1 1 IN IP4 0.0.0.0\r\n"), 1);
    assert_eq!(line("v=0\r\nm=video\r\n"), 2);
    assert_eq!(line("v=0\r\nm=video port UDP/TLS/RTP/SAVPF 96\r\n"), 2);
    assert_eq!(line("v=0\r\nm=video 70000 UDP/TLS/RTP/SAVPF 96\r\n"), 2);
    assert_eq!(line(&GOOD.replace("a=mid:0", "a=mid:seventeen letters")), 7);
    assert_eq!(line(&GOOD.replace("a=mid:0", "a=mid:seventeen_letters")), 7);
    assert_eq!(line(&GOOD.replace("a=ice-ufrag:abcd", "a=ice-ufrag:a b")), 8);
    assert_eq!(line(&GOOD.replace("VP8/90000", "VP8")), 13);
    assert_eq!(line(&format!("{GOOD}a=ssrc:x cname:y\r\n")), 14);
    assert_eq!(line(&format!("{GOOD}a=ssrc-group:FID 1\r\n")), 14);
    assert_eq!(line(&format!("{GOOD}a=rid:h both\r\n")), 14);
    assert_eq!(line(&format!("{GOOD}a=extmap:1\r\n")), 14);
    assert_eq!(read("v=0\r\n", &SdpLimits::default()), Err(SdpError::NoMedia));
    assert!(matches!(read("", &SdpLimits::default()), Err(SdpError::NoMedia)));
}

#[test]
fn limits_are_kept() {
    let limits = SdpLimits::default();
    let long = "v=0\r\n".to_owned() + &"a=x\r\n".repeat(limits.bytes / 5);
    assert!(matches!(read(&long, &limits), Err(SdpError::TooLong { .. })));

    let sections = "v=0\r\n".to_owned() + &"m=audio 9 X 0\r\n".repeat(limits.sections + 1);
    assert_eq!(read(&sections, &limits), Err(SdpError::TooManySections { limit: limits.sections }));

    let repeated = |line: &dyn Fn(usize) -> String| {
        let lines: String = (1..1000).map(line).collect();
        matches!(read(&format!("{GOOD}{lines}"), &limits), Err(SdpError::Syntax { .. }))
    };
    assert!(repeated(&|at| format!("a=ssrc:{at} cname:x\r\n")));
    assert!(repeated(&|at| format!("a=ssrc-group:FID {at} 1\r\n")));
    assert!(repeated(&|at| format!("a=rid:{at} send\r\n")));
    let fingerprint = format!("a=fingerprint:sha-256 {}\r\n", ["00"; 32].join(":"));
    assert!(repeated(&|_| fingerprint.clone()));
}

#[test]
fn two_sections_may_not_share_a_mid() {
    let twice = format!("{GOOD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n");
    assert_eq!(read(&twice, &SdpLimits::default()), Err(SdpError::BadMid { index: 1 }));
}

#[test]
fn a_section_without_a_codec_in_common_is_rejected_alone() {
    let offer = GOOD.replace("BUNDLE 0", "BUNDLE 0 1")
        + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\n";
    let negotiated = negotiated(&offer).expect("the other section is good");
    assert_eq!(negotiated.media().count(), 1);
    match &negotiated.sections[1] {
        NegotiatedSection::Rejected(rejected) => assert!(rejected.no_common_codec),
        NegotiatedSection::Media(media) => panic!("{media:?}"),
    }
}

#[test]
fn h264_profiles_are_compared_by_meaning() {
    let h264 = |profile: &str| codec("h264", &format!("profile-level-id={profile}"));
    assert_eq!(h264("42e01f"), h264("42C016"));
    assert_eq!(h264("42e01f"), h264("4d8033"));
    assert_eq!(h264("42001f"), h264("42000c"));
    assert_ne!(h264("42e01f"), h264("42001f"));
    assert_ne!(h264("4d001f"), h264("64001f"));
    assert_ne!(h264("640c1f"), h264("64001f"));
    assert_eq!(h264("42e0"), None);
    assert_eq!(h264("42e0ag"), None);
    let modes =
        |mode| codec("H264", &format!("packetization-mode={mode}; profile-level-id=42e01f"));
    assert_ne!(modes(0), modes(1));
    assert_eq!(modes(2), None);
    assert!(codec("H264", "").is_some());
}

#[test]
fn only_profile_zero_of_vp9_and_av1_is_common() {
    assert_eq!(codec("VP9", "profile-id=0"), Some(CodecFormat::Vp9));
    assert_eq!(codec("vp9", ""), Some(CodecFormat::Vp9));
    assert_eq!(codec("VP9", "profile-id=2"), None);
    assert_eq!(codec("AV1", "level-idx=5;profile=0;tier=0"), Some(CodecFormat::Av1));
    assert_eq!(codec("AV1", "profile=1"), None);
    assert_eq!(codec("opus", ""), None);
    assert_eq!(codec("red", ""), None);
}

#[test]
fn session_level_attributes_hold_where_a_section_has_none() {
    let moved = ["a=setup:actpass\r\n", "a=ice-ufrag:abcd\r\n"];
    let mut offer = GOOD.to_owned();
    for line in moved {
        offer = offer.replace(line, "").replace("m=video", &format!("{line}m=video"));
    }
    let offer = offer.replace("m=video", "a=recvonly\r\nm=video");
    let negotiated = negotiated(&offer).expect("nothing is missing");
    let media = negotiated.media().next().expect("one section");
    assert!(media.client_receives && !media.client_sends);
    assert_eq!(negotiated.ice.ufrag, "abcd");
}

#[test]
fn every_error_has_a_code_and_names_the_field() {
    let body = SdpError::NoFingerprint.to_body();
    assert_eq!(body.code, confer_protocol::error::ErrorCode::BadOffer);
    assert!(body.fields.contains_key("sdp"));
}
