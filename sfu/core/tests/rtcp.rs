//! Our RTCP against another implementation, both ways.

use confer_sfu_core::rtp::rtcp::{Message, ReportBlock, RtcpWriter, read};
use confer_sfu_core::rtp::{RtpTime, SeqNo16, Ssrc};
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::packet::{Packet, unmarshal};
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::SourceDescription;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

fn theirs<T: Packet + 'static>(packet: &dyn Packet) -> &T {
    packet.as_any().downcast_ref().expect("the member that was written")
}

#[test]
fn another_implementation_reads_every_member_we_write() {
    let block = ReportBlock {
        ssrc: Ssrc(7),
        fraction_lost: 9,
        cumulative_lost: 1_234,
        highest_seq: 70_000,
        jitter: 11,
        last_sr: 12,
        delay_since_last_sr: 13,
    };
    let mut writer = RtcpWriter::default();
    writer.receiver_report(Ssrc(1), &[block, ReportBlock { ssrc: Ssrc(8), ..block }]);
    writer.sender_report(Ssrc(2), 0x0102_0304_0506_0708, RtpTime(99), 5, 6);
    writer.source_description(Ssrc(2), "confer");
    let missing = [3, 4, 19, 21, 65_535];
    writer.nack(Ssrc(1), Ssrc(3), &missing.map(SeqNo16));
    writer.pli(Ssrc(1), Ssrc(4));
    writer.fir(Ssrc(1), Ssrc(5), 200);

    let mut bytes = writer.bytes();
    let members = unmarshal(&mut bytes).expect("readable");
    assert_eq!(members.len(), 6);
    let report: &ReceiverReport = theirs(&*members[0]);
    assert_eq!((report.ssrc, report.reports.len()), (1, 2));
    let first = &report.reports[0];
    assert_eq!((first.ssrc, first.fraction_lost, first.total_lost), (7, 9, 1_234));
    assert_eq!((first.last_sequence_number, first.jitter), (70_000, 11));
    assert_eq!((first.last_sender_report, first.delay), (12, 13));
    let report: &SenderReport = theirs(&*members[1]);
    assert_eq!((report.ssrc, report.ntp_time), (2, 0x0102_0304_0506_0708));
    assert_eq!((report.rtp_time, report.packet_count, report.octet_count), (99, 5, 6));
    let names: &SourceDescription = theirs(&*members[2]);
    assert_eq!(names.chunks[0].source, 2);
    assert_eq!(&names.chunks[0].items[0].text[..], b"confer");
    let nack: &TransportLayerNack = theirs(&*members[3]);
    let asked: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
    assert_eq!((nack.media_ssrc, &asked[..]), (3, &missing[..]));
    let pli: &PictureLossIndication = theirs(&*members[4]);
    assert_eq!((pli.sender_ssrc, pli.media_ssrc), (1, 4));
    let fir: &FullIntraRequest = theirs(&*members[5]);
    assert_eq!((fir.fir[0].ssrc, fir.fir[0].sequence_number), (5, 200));
}

#[test]
fn we_read_every_member_another_implementation_writes() {
    let missing = [10, 11, 27, 300];
    let members: Vec<Box<dyn Packet>> = vec![
        Box::new(SenderReport {
            ssrc: 1,
            ntp_time: 77,
            rtp_time: 88,
            packet_count: 1,
            octet_count: 2,
            reports: vec![ReceptionReport {
                ssrc: 5,
                fraction_lost: 1,
                total_lost: 2,
                last_sequence_number: 3,
                jitter: 4,
                last_sender_report: 5,
                delay: 6,
            }],
            ..SenderReport::default()
        }),
        Box::new(TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: 2,
            nacks: nack_pairs_from_sequence_numbers(&missing),
        }),
        Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc: 3 }),
        Box::new(FullIntraRequest {
            sender_ssrc: 1,
            media_ssrc: 0,
            fir: vec![FirEntry { ssrc: 4, sequence_number: 1 }],
        }),
        Box::new(Goodbye { sources: vec![1, 2], ..Goodbye::default() }),
    ];
    let mut compound = Vec::new();
    for member in &members {
        compound.extend_from_slice(&member.marshal().expect("well formed"));
    }
    let mut found = Vec::new();
    let malformed = read(&compound, |message| found.push(message));
    assert_eq!(malformed, 0);

    let mut asked = Vec::new();
    found.retain(|message| match message {
        Message::Nack { media, first, bitmap } => {
            assert_eq!(*media, Ssrc(2));
            asked.push(first.0);
            asked.extend(
                (0..16).filter(|bit| bitmap & (1 << bit) != 0).map(|bit| first.0 + bit + 1),
            );
            false
        }
        _ => true,
    });
    assert_eq!(asked, missing);
    assert_eq!(
        found,
        [
            Message::SenderReport { ssrc: Ssrc(1), ntp: 77, timestamp: RtpTime(88) },
            Message::Report(ReportBlock {
                ssrc: Ssrc(5),
                fraction_lost: 1,
                cumulative_lost: 2,
                highest_seq: 3,
                jitter: 4,
                last_sr: 5,
                delay_since_last_sr: 6,
            }),
            Message::KeyframeRequest { media: Ssrc(3) },
            Message::KeyframeRequest { media: Ssrc(4) },
            Message::Bye { ssrc: Ssrc(1) },
            Message::Bye { ssrc: Ssrc(2) },
        ]
    );
}
