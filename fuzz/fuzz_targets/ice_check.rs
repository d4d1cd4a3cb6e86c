//! A connectivity check from somebody who has seen an offer but not the password.
#![no_main]

use std::time::Instant;

use confer_sfu_core::transport::Route;
use confer_sfu_core::transport::ice::{CheckOutcome, ConsentLimits, IceCredentials, IceLite};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let now = Instant::now();
    let local = IceCredentials { ufrag: "a".into(), pwd: "a password nobody guesses".into() };
    let mut agent = IceLite::new(local, ConsentLimits::default(), now);
    let route = Route { remote: ([192, 0, 2, 1], 1).into(), local: [192, 0, 2, 2].into() };
    let mut reply = Vec::new();
    let outcome = agent.handle_check(datagram, route, now, &mut reply);
    assert!(matches!(outcome, CheckOutcome::Refused(_)));
    assert!(reply.is_empty());
    assert_eq!(agent.path(), None);
});
