//! Whatever arrives at the relay: the frame, where it ends in a stream, and its attributes.
#![no_main]

use confer_turn_core::frame::{Frame, classify, stream_frame_length};
use confer_turn_core::message::{Attributes, Message};
use confer_turn_core::nonce::Nonces;
use confer_turn_core::server::owner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Ok(Some(length)) = stream_frame_length(packet) {
        assert!(length >= 4);
    }
    if let Some(Frame::ChannelData { payload, .. }) = classify(packet) {
        assert!(payload.len() <= packet.len() - 4);
    }
    if let Ok(message) = Message::read(packet) {
        let attributes = Attributes::gather(&message);
        assert!(attributes.peers().count() <= packet.len() / 8);
    }
    owner(packet);
    let nonces = Nonces::new(b"fuzz", std::time::Duration::from_secs(60));
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 1));
    assert!(nonces.check(packet, source, 0).is_err(), "nobody guesses a nonce");
});
