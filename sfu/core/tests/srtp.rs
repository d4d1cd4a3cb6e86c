//! Our SRTP against rtc-srtp's, both ways: same keys, same packets, same bytes.

use confer_sfu_core::transport::srtp::{
    MasterKey, OpenError, Opener, RTCP_OVERHEAD, RTP_OVERHEAD, Sealer, SrtpProfile,
};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

const PROFILES: [(SrtpProfile, ProtectionProfile); 2] = [
    (SrtpProfile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (SrtpProfile::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
];

struct Sides {
    sealer: Sealer,
    opener: Opener,
    theirs: Context,
}

fn sides((ours, theirs): (SrtpProfile, ProtectionProfile), seed: u8) -> Sides {
    let key = [seed; 16];
    let salt = vec![seed ^ 0x5a; ours.salt_len()];
    let master = MasterKey::new(&key, &salt).expect("right lengths");
    let options = (srtp_replay_protection(128), srtcp_replay_protection(128));
    let provider = AwsLcRsProvider::new();
    Sides {
        sealer: Sealer::new(ours, &master),
        opener: Opener::new(ours, &master),
        theirs: Context::new(
            &key,
            &salt,
            theirs,
            Some(options.0),
            Some(options.1),
            provider.crypto(),
        )
        .expect("right lengths"),
    }
}

/// A small generator, so that the cases are many and always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn rtp(dice: &mut Dice, ssrc: u32, index: u64) -> Vec<u8> {
    let seq = u16::try_from(index & 0xffff).expect("masked");
    let csrcs = u8::try_from(dice.roll(4)).expect("small");
    let extension = dice.roll(2) == 1;
    let mut packet = vec![0x80 | csrcs | if extension { 0x10 } else { 0 }, 96];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&[1, 2, 3, 4]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend(std::iter::repeat_n(0xcc, 4 * usize::from(csrcs)));
    if extension {
        packet.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x20, 0xbb, 0, 0, 0, 0]);
    }
    let payload = usize::try_from(dice.roll(1200)).expect("small");
    packet.extend((0..payload).map(|_| u8::try_from(dice.roll(256)).expect("a byte")));
    packet
}

fn rtcp(dice: &mut Dice, ssrc: u32) -> Vec<u8> {
    let words = 1 + u16::try_from(dice.roll(40)).expect("small");
    let mut packet = vec![0x81, 201];
    packet.extend_from_slice(&words.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend((1..words).flat_map(|word| u32::from(word).to_be_bytes()));
    packet
}

fn seal_rtp(sealer: &Sealer, plain: &[u8], index: u64) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + RTP_OVERHEAD, 0);
    let len = sealer.seal_rtp(&mut packet, plain.len(), index);
    packet.truncate(len);
    packet
}

fn seal_rtcp(sealer: &mut Sealer, plain: &[u8]) -> Vec<u8> {
    let mut packet = plain.to_vec();
    packet.resize(plain.len() + RTCP_OVERHEAD, 0);
    let len = sealer.seal_rtcp(&mut packet, plain.len()).expect("few packets");
    packet.truncate(len);
    packet
}

#[test]
fn rtp_is_sealed_to_the_same_bytes_and_each_opens_the_others() {
    for (seed, profile) in (1..).zip(PROFILES) {
        let mut dice = Dice(u64::from(seed));
        let mut sides = sides(profile, seed);
        let mut reader = self::sides(profile, seed);
        for step in 0..500 {
            let index = 65_200 + step * 3;
            let plain = rtp(&mut dice, 0xdead_beef, index);
            let ours = seal_rtp(&sides.sealer, &plain, index);
            let theirs = sides.theirs.encrypt_rtp(&plain).expect("it is RTP");
            assert_eq!(ours, theirs.to_vec(), "index {index} of {profile:?}");

            let mut packet = theirs.to_vec();
            let len = sides.opener.open_rtp(&mut packet).expect("it is authentic");
            assert_eq!(packet[..len], plain);
            let opened = reader.theirs.decrypt_rtp(&ours).expect("it is authentic");
            assert_eq!(opened.to_vec(), plain);
        }
    }
}

#[test]
fn rtcp_opens_both_ways() {
    for (seed, profile) in (1..).zip(PROFILES) {
        let mut dice = Dice(u64::from(seed));
        let mut sides = sides(profile, seed);
        let mut reader = self::sides(profile, seed);
        for ssrc in 1..200 {
            let plain = rtcp(&mut dice, ssrc % 5);
            let ours = seal_rtcp(&mut sides.sealer, &plain);
            let opened = reader.theirs.decrypt_rtcp(&ours).expect("it is authentic");
            assert_eq!(opened.to_vec(), plain);

            let theirs = sides.theirs.encrypt_rtcp(&plain).expect("it is RTCP");
            let mut packet = theirs.to_vec();
            let len = sides.opener.open_rtcp(&mut packet).expect("it is authentic");
            assert_eq!(packet[..len], plain);
            assert_eq!(sides.opener.open_rtcp(&mut theirs.to_vec()), Err(OpenError::Replayed));
        }
    }
}

#[test]
fn shuffled_duplicated_and_lost_packets_open_the_same_on_both() {
    for (seed, profile) in (1..).zip(PROFILES) {
        let mut dice = Dice(u64::from(seed) << 8);
        let mut sides = sides(profile, seed);
        // Three rounds of the sequence number, every fourth packet lost, swaps within twenty.
        let mut order: Vec<u64> =
            (60_000..200_000).step_by(37).filter(|_| dice.roll(4) > 0).collect();
        for at in 0..order.len() - 20 {
            let other = at + usize::try_from(dice.roll(3)).expect("small");
            order.swap(at, other);
            if dice.roll(10) == 0 {
                order[other] = order[at];
            }
        }
        let (mut opened, mut refused) = (0, 0);
        for index in order {
            let plain = rtp(&mut dice, 7, index);
            let sealed = seal_rtp(&sides.sealer, &plain, index);
            let mut packet = sealed.clone();
            let ours = sides.opener.open_rtp(&mut packet);
            let theirs = sides.theirs.decrypt_rtp(&sealed);
            match (ours, theirs) {
                (Ok(len), Ok(bytes)) => {
                    assert_eq!(packet[..len], plain);
                    assert_eq!(bytes.to_vec(), plain);
                    opened += 1;
                }
                (Err(OpenError::Replayed | OpenError::TooOld), Err(_)) => refused += 1,
                (ours, theirs) => {
                    panic!("index {index}: {ours:?} here, {} there", theirs.is_ok())
                }
            }
        }
        assert!(opened > 1000 && refused > 50, "{opened} opened, {refused} refused");
    }
}
