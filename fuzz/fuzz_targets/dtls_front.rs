//! The first look at datagrams of clients over DTLS, before anything is kept of them.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use confer_turn_core::hello::{Hello, is_hello};
use confer_turn_core::record::{records, renumber, well_formed};
use confer_turn_core::{Cookies, FiveTuple, Standing, Transport};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let length: usize = records(datagram).map(|record| record.whole.len()).sum();
    assert!(length <= datagram.len());
    if well_formed(datagram) {
        assert!(matches!(datagram.first(), Some(20..=23)));
        assert_eq!(length, datagram.len());
        // Records follow each other: twice the same is as good as once.
        assert!(well_formed(&datagram.repeat(2)));
    }
    let mut renumbered = datagram.to_vec();
    renumber(&mut renumbered, 5);
    assert_eq!(well_formed(&renumbered), well_formed(datagram));
    renumber(&mut renumbered, (1 << 48) - 5);
    assert_eq!(renumbered, datagram);

    let Some(hello) = Hello::read(datagram) else { return };
    assert!(is_hello(datagram) && well_formed(datagram));
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tuple = FiveTuple { client: at(1), server: at(3478), transport: Transport::Dtls };
    let cookies = Cookies::new(b"secret");
    // Nobody guesses a cookie.
    assert_ne!(cookies.judge(&tuple, &hello, 1_000), Standing::Proven);

    let first = hello.without_cookie();
    let first = Hello::read(&first).expect("what was made of a hello is one");
    assert_eq!((first.place, first.cookie, first.random), (0, &[][..], hello.random));
    assert_eq!(first.parameters(), hello.parameters());
    let cookie = cookies.make(&tuple, &first, 1_000);
    assert_eq!(cookie, cookies.make(&tuple, &hello, 1_000));
    let asked = hello.verify_request(&cookie);
    assert!(asked.len() < datagram.len() && well_formed(&asked));
});
