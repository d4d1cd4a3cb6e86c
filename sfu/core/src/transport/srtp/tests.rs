use super::*;

const PROFILES: [SrtpProfile; 2] = [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80];

fn pair(profile: SrtpProfile) -> (Sealer, Opener) {
    let master = MasterKey::new(&[7; 16], &vec![9; profile.salt_len()]).expect("right lengths");
    (Sealer::new(profile, &master), Opener::new(profile, &master))
}

fn rtp(ssrc: u32, index: u64) -> Vec<u8> {
    let seq = u16::try_from(index & 0xffff).expect("masked");
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 3, 0xe8]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"some payload of some length");
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[3; 20]);
    packet
}

fn seal(sealer: &Sealer, ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = rtp(ssrc, index);
    let len = packet.len();
    packet.resize(len + RTP_OVERHEAD, 0);
    let sealed = sealer.seal_rtp(&mut packet, len, index);
    packet.truncate(sealed);
    packet
}

fn seal_rtcp(sealer: &mut Sealer, ssrc: u32) -> Vec<u8> {
    let mut packet = rtcp(ssrc);
    let len = packet.len();
    packet.resize(len + RTCP_OVERHEAD, 0);
    let sealed = sealer.seal_rtcp(&mut packet, len).expect("the index is not used up");
    packet.truncate(sealed);
    packet
}

#[test]
fn what_is_sealed_opens_once_and_to_the_same_bytes() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let sealed = seal(&sealer, 5, 1000);
        assert_ne!(sealed[12..39], rtp(5, 1000)[12..]);
        let mut packet = sealed.clone();
        let len = opener.open_rtp(&mut packet).expect("it is authentic");
        assert_eq!(packet[..len], rtp(5, 1000));
        assert_eq!(opener.open_rtp(&mut sealed.clone()), Err(OpenError::Replayed));

        let sealed = seal_rtcp(&mut sealer, 5);
        let mut packet = sealed.clone();
        let len = opener.open_rtcp(&mut packet).expect("it is authentic");
        assert_eq!(packet[..len], rtcp(5));
        assert_eq!(opener.open_rtcp(&mut sealed.clone()), Err(OpenError::Replayed));
    }
}

#[test]
fn one_changed_bit_anywhere_is_noticed() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let sealed = seal(&sealer, 5, 1000);
        for at in 0..sealed.len() {
            let mut packet = sealed.clone();
            packet[at] ^= 1;
            assert!(opener.open_rtp(&mut packet).is_err(), "byte {at} under {profile:?}");
        }
        let sealed = seal_rtcp(&mut sealer, 5);
        for at in 0..sealed.len() {
            let mut packet = sealed.clone();
            packet[at] ^= 1;
            assert!(opener.open_rtcp(&mut packet).is_err(), "byte {at} under {profile:?}");
        }
        // Nothing of the above has spoiled the state.
        assert!(opener.open_rtp(&mut seal(&sealer, 5, 1000)).is_ok());
        assert!(opener.open_rtcp(&mut seal_rtcp(&mut sealer, 5)).is_ok());
    }
}

#[test]
fn truncated_packets_are_refused_at_every_length() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let sealed = seal(&sealer, 5, 1000);
        let compound = seal_rtcp(&mut sealer, 5);
        for len in 0..sealed.len() {
            assert!(opener.open_rtp(&mut sealed[..len].to_vec()).is_err());
        }
        for len in 0..compound.len() {
            assert!(opener.open_rtcp(&mut compound[..len].to_vec()).is_err());
        }
    }
}

#[test]
fn the_rollover_counter_follows_through_wraps_loss_and_reordering() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        let order = [
            65_530, 65_535, 65_537, 65_536, 65_534, 65_600, 90_000, 120_000, 131_071, 131_073,
            131_072,
        ];
        for index in order {
            let mut packet = seal(&sealer, 5, index);
            let len = opener.open_rtp(&mut packet).expect("each is new and near the last");
            assert_eq!(packet[..len], rtp(5, index));
        }
        assert_eq!(opener.open_rtp(&mut seal(&sealer, 5, 131_072)), Err(OpenError::Replayed));
        assert_eq!(opener.open_rtp(&mut seal(&sealer, 5, 130_000)), Err(OpenError::TooOld));
    }
}

#[test]
fn a_packet_of_another_round_does_not_pass_for_one_of_this() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        assert!(opener.open_rtp(&mut seal(&sealer, 5, 1000)).is_ok());
        let far = seal(&sealer, 5, 1001 + 0x1_0000);
        assert_eq!(opener.open_rtp(&mut far.clone()), Err(OpenError::NotAuthentic));
    }
}

#[test]
fn the_window_takes_each_of_the_last_128_once() {
    let (sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    assert!(opener.open_rtp(&mut seal(&sealer, 5, 1127)).is_ok());
    assert_eq!(opener.open_rtp(&mut seal(&sealer, 5, 999)), Err(OpenError::TooOld));
    for index in 1000..1127 {
        assert!(opener.open_rtp(&mut seal(&sealer, 5, index)).is_ok());
        assert_eq!(opener.open_rtp(&mut seal(&sealer, 5, index)), Err(OpenError::Replayed));
    }
    assert!(opener.open_rtp(&mut seal(&sealer, 5, 1128)).is_ok());
    assert_eq!(opener.open_rtp(&mut seal(&sealer, 5, 1000)), Err(OpenError::TooOld));
    assert!(opener.open_rtp(&mut seal(&sealer, 5, 5000)).is_ok());
    assert!(opener.open_rtp(&mut seal(&sealer, 5, 4999)).is_ok());
}

#[test]
fn forged_packets_leave_no_state_and_authentic_ones_only_so_much() {
    let (sealer, mut opener) = pair(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..10_000 {
        let mut forged = seal(&sealer, ssrc, 1);
        *forged.last_mut().expect("it has a tag") ^= 1;
        assert_eq!(opener.open_rtp(&mut forged), Err(OpenError::NotAuthentic));
    }
    let capacity = u32::try_from(SSRC_CAPACITY).expect("it is small");
    for ssrc in 0..capacity {
        assert!(opener.open_rtp(&mut seal(&sealer, ssrc.wrapping_mul(0x9e37_79b9), 1)).is_ok());
    }
    let one_more = seal(&sealer, capacity.wrapping_mul(0x9e37_79b9), 1);
    assert_eq!(opener.open_rtp(&mut one_more.clone()), Err(OpenError::TooManySsrcs));
    assert!(opener.open_rtp(&mut seal(&sealer, 0, 2)).is_ok());
}

#[test]
fn streams_do_not_disturb_each_other() {
    let (sealer, mut opener) = pair(SrtpProfile::AesCm128HmacSha1_80);
    for index in 65_000..66_500 {
        assert!(opener.open_rtp(&mut seal(&sealer, 1, index)).is_ok());
        assert!(opener.open_rtp(&mut seal(&sealer, 2, index - 64_000)).is_ok());
    }
}

#[test]
fn rtcp_that_is_not_encrypted_is_refused() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let mut packet = seal_rtcp(&mut sealer, 5);
        let flag = match profile {
            SrtpProfile::AeadAes128Gcm => packet.len() - 4,
            SrtpProfile::AesCm128HmacSha1_80 => packet.len() - 14,
        };
        packet[flag] &= 0x7f;
        assert_eq!(opener.open_rtcp(&mut packet), Err(OpenError::NotEncrypted));
    }
}

#[test]
fn the_rtcp_index_is_not_used_twice() {
    let (mut sealer, _) = pair(SrtpProfile::AeadAes128Gcm);
    sealer.exhaust_rtcp();
    let mut packet = rtcp(5);
    let len = packet.len();
    packet.resize(len + RTCP_OVERHEAD, 0);
    assert!(sealer.seal_rtcp(&mut packet, len).is_some());
    assert_eq!(sealer.seal_rtcp(&mut packet, len), None);
}

#[test]
#[should_panic(expected = "assertion")]
fn sealing_under_an_index_that_is_not_the_packets_is_a_bug() {
    let (sealer, _) = pair(SrtpProfile::AeadAes128Gcm);
    let mut packet = rtp(5, 7);
    let len = packet.len();
    packet.resize(len + RTP_OVERHEAD, 0);
    sealer.seal_rtp(&mut packet, len, 8);
}

#[test]
fn header_extensions_and_csrcs_stay_readable() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        let mut packet = rtp(5, 7);
        packet[0] = 0x92;
        let tail = packet.split_off(12);
        packet.extend_from_slice(&[1; 8]);
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0]);
        packet.extend_from_slice(&tail);
        let plain = packet.clone();
        let len = packet.len();
        packet.resize(len + RTP_OVERHEAD, 0);
        let sealed = sealer.seal_rtp(&mut packet, len, 7);
        assert_eq!(packet[..28], plain[..28]);
        assert_ne!(packet[28..len], plain[28..]);
        assert_eq!(opener.open_rtp(&mut packet[..sealed]), Ok(len));
        assert_eq!(packet[..len], plain);
    }
}
