//! SRTP and SRTCP from somebody without the keys.
#![no_main]

use confer_sfu_core::transport::srtp::{MasterKey, Opener, SrtpProfile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::AesCm128HmacSha1_80] {
        let master = MasterKey::new(&[7; 16], &[9; 12]).expect("the lengths are right");
        let mut opener = Opener::new(profile, &master);
        assert!(opener.open_rtp(&mut packet.to_vec()).is_err());
        assert!(opener.open_rtcp(&mut packet.to_vec()).is_err());
    }
});
