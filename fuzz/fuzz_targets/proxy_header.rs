//! What a load balancer, or whoever sits at its address, puts before a connection.
#![no_main]

use confer_turn_core::proxy::{HEAD, Head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((head, rest)) = input.split_first_chunk::<HEAD>() else { return };
    // Half of the inputs begin as they must, so that the rest is looked at.
    let mut head = *head;
    if input.len() % 2 == 0 {
        head[..12].copy_from_slice(b"\r\n\r\n\0\r\nQUIT\n");
    }
    let Ok(head) = Head::read(&head) else { return };
    assert!(head.length() <= 1024, "memory is taken for it");
    let body = rest.get(..head.length()).unwrap_or(rest);
    if let Ok(Some((client, server))) = head.way(body) {
        assert!(body.len() >= 12);
        assert_eq!(client.ip(), client.ip().to_canonical());
        assert_eq!(server.ip(), server.ip().to_canonical());
    }
});
