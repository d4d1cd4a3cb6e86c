//! The first look at datagrams of clients over DTLS, before anything is kept of them.
#![no_main]

use confer_turn_core::record::{first_hello, well_formed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let (formed, hello) = (well_formed(datagram), first_hello(datagram));
    if formed {
        assert!(matches!(datagram.first(), Some(20..=23)));
        assert!(!well_formed(&datagram[..datagram.len() - 1]) || datagram.len() > 14);
        // Records follow each other: twice the same is as good as once.
        assert!(well_formed(&datagram.repeat(2)));
    }
    if let Some(random) = hello {
        assert!(datagram.windows(32).any(|window| window == random));
    }
});
