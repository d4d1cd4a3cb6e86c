//! Offers as real clients write them, and our answers to them, byte for byte.
//!
//! `offers/*.sdp` are the offers: Chromium's captured, the others put together from what those
//! clients are known to write. `offers/*.answer` are the answers. Run with `UPDATE_GOLDEN=1` to
//! write those anew, and read the difference before committing it.

use std::fs;
use std::path::{Path, PathBuf};

use confer_protocol::id::Mid;
use confer_sfu_core::sdp::{
    Capabilities, CodecName, Extension, LocalDescription, Negotiated, NegotiatedSection, SdpLimits,
    SendingSource, negotiate, read, write_answer,
};
use confer_sfu_core::transport::dtls::DtlsRole;
use confer_sfu_core::transport::ice::IceCredentials;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offers")
}

fn offer(name: &str) -> String {
    fs::read_to_string(folder().join(name).with_extension("sdp")).expect("the offer is there")
}

fn negotiated(name: &str) -> Negotiated {
    let offer = read(&offer(name), &SdpLimits::default()).expect("it is an offer");
    negotiate(&offer, &Capabilities::default()).expect("it has what we need")
}

/// Takes what is sent and sends wherever something may be received.
fn local(negotiated: &Negotiated) -> LocalDescription {
    let sending = (1000..).step_by(10).zip(negotiated.media());
    let fingerprint = format!("sha-256 {}", vec!["AB"; 32].join(":"));
    LocalDescription {
        session_id: 7,
        session_version: 1,
        ice: IceCredentials { ufrag: "ourUfrag".into(), pwd: "ourPasswordOurPassword00".into() },
        fingerprint: fingerprint.parse().expect("a fingerprint"),
        candidates: ["192.0.2.1:7000", "[2001:db8::1]:7000"]
            .map(|address| address.parse().expect("an address"))
            .to_vec(),
        receiving: negotiated.media().map(|media| media.mid.clone()).collect(),
        sending: sending
            .filter(|(_, media)| media.client_receives)
            .map(|(ssrc, media)| {
                let source = SendingSource {
                    ssrc,
                    rtx_ssrc: Some(ssrc + 1),
                    cname: "confer".into(),
                    stream: format!("slot-{}", media.mid),
                    track: format!("slot-{}", media.mid),
                };
                (media.mid.clone(), source)
            })
            .collect(),
    }
}

#[test]
fn every_offer_gets_the_answer_beside_it() {
    let mut offers: Vec<_> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .collect();
    offers.sort();
    assert!(offers.len() >= 8, "offers are missing");
    for path in offers {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        let negotiated = negotiated(name);
        let answer = write_answer(&negotiated, &local(&negotiated));
        let golden = path.with_extension("answer");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &answer).expect("the folder can be written to");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(answer.replace("\r\n", "\n"), expected.replace("\r\n", "\n"), "{name}");
    }
}

#[test]
fn answers_can_be_read_again_and_keep_mids_payload_types_and_ids() {
    for name in ["chromium-publish-and-slots", "firefox-simulcast", "react-native-android"] {
        let negotiated = negotiated(name);
        let answer = write_answer(&negotiated, &local(&negotiated));
        let answer = read(&answer, &SdpLimits::default()).expect("it is SDP");
        let offer = read(&offer(name), &SdpLimits::default()).expect("it is SDP");
        assert_eq!(answer.sections.len(), offer.sections.len());
        for (answered, offered) in answer.sections.iter().zip(&offer.sections) {
            assert_eq!(answered.mid, offered.mid);
            assert_eq!(answered.media, offered.media);
            for extension in &answered.extensions {
                assert!(offered.extensions.contains(extension));
            }
            for codec in &answered.codecs {
                let original = offered.codecs.iter().find(|original| original.pt == codec.pt);
                let original = original.expect("payload types are the offer's");
                assert!(original.name.eq_ignore_ascii_case(&codec.name));
                assert_eq!(original.fmtp, codec.fmtp);
            }
        }
    }
}

#[test]
fn chromiums_sending_sections_name_their_streams_and_its_slots_do_not() {
    let negotiated = negotiated("chromium-publish-and-slots");
    let media: Vec<_> = negotiated.media().collect();
    assert_eq!(media.len(), 4);
    assert_eq!(negotiated.role, DtlsRole::Server);
    assert!(media[0].client_sends && !media[0].client_receives);
    assert_eq!(media[0].incoming.sources.len(), 1);
    assert!(media[1].incoming.sources[0].rtx_ssrc.is_some());
    assert_eq!(media[1].codecs[0].format.name(), CodecName::Vp8);
    assert!(!media[2].client_sends && media[2].client_receives);
    assert!(media[3].incoming.sources.is_empty());
    assert!(media[1].extension_id(Extension::TransportCc).is_some());
}

#[test]
fn simulcast_is_taken_up_by_rid_with_and_without_ssrcs() {
    let chromium = negotiated("chromium-simulcast");
    let section = chromium.media().next().expect("one section");
    assert_eq!(section.incoming.rids, ["l", "m", "h"]);
    assert!(section.incoming.simulcast && section.incoming.sources.is_empty());

    let firefox = negotiated("firefox-simulcast");
    let section = firefox.media().nth(1).expect("the second is video");
    assert_eq!(section.incoming.rids, ["hi", "mid", "lo"]);
    assert_eq!(section.incoming.sources.len(), 3);
    assert!(section.incoming.sources.iter().all(|source| source.rtx_ssrc.is_some()));
}

#[test]
fn an_offer_fixed_to_passive_makes_us_active() {
    let negotiated = negotiated("ffmpeg-whip");
    assert_eq!(negotiated.role, DtlsRole::Client);
    let video = negotiated.media().nth(1).expect("the second is video");
    assert!(video.codecs[0].feedback.nack && !video.codecs[0].feedback.pli);
    assert!(video.extensions.is_empty());
    assert_eq!(video.incoming.sources[0].rtx_ssrc, Some(1_234_567_891));
    assert!(write_answer(&negotiated, &local(&negotiated)).contains("a=setup:active"));
}

#[test]
fn port_zero_with_bundle_only_is_no_rejection_and_feedback_needs_its_extension() {
    let negotiated = negotiated("gstreamer-publisher");
    let media: Vec<_> = negotiated.media().collect();
    assert_eq!(media.len(), 2);
    assert_eq!(media[0].mid, Mid::from("video0"));
    assert_eq!(media[1].mid, Mid::from("audio1"));
    assert_eq!(media[1].codecs[0].format.name(), CodecName::Opus);
    assert!(media.iter().all(|media| !media.codecs[0].feedback.transport_cc));
    assert!(media[0].codecs[1].feedback.pli, "rtcp-fb:* is for all payload types");
}

#[test]
fn vp8_leads_whatever_the_client_prefers() {
    let negotiated = negotiated("react-native-android");
    let video = negotiated.media().nth(1).expect("the second is video");
    let names: Vec<_> = video.codecs.iter().map(|codec| codec.format.name()).collect();
    assert_eq!(names, [CodecName::Vp8, CodecName::H264, CodecName::Av1]);
}

#[test]
fn sections_of_no_use_keep_their_place_with_port_zero() {
    let data = negotiated("chromium-data-channel");
    assert!(matches!(data.sections[1], NegotiatedSection::Rejected(_)));
    let answer = write_answer(&data, &local(&data));
    assert!(answer.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(answer.contains("a=group:BUNDLE 0\r\n"));
}
