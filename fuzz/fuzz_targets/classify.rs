//! The first look at every datagram.
#![no_main]

use confer_sfu_core::demux::{Kind, classify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    if let Kind::Stun { local_ufrag } = classify(datagram) {
        assert!(local_ufrag.len() < datagram.len());
    }
});
