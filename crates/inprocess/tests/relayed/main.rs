//! The relay and the media plane of one process, with their sockets, on the path between them.
//!
//! Where it can be, relayed addresses and media candidates are addresses for documentation (RFC
//! 5737), which no packet on a wire of this machine reaches: what arrives came in process.

#[path = "../../../../sfu/core/tests/simulation/client.rs"]
#[expect(dead_code, reason = "the simulation uses the rest of it")]
mod client;
#[expect(dead_code, reason = "the benchmark uses the rest of it")]
mod person;
#[path = "../../../../sfu/core/benches/support/picture.rs"]
mod picture;
#[expect(dead_code, reason = "the benchmark uses the rest of it")]
mod relayed;
mod support;

mod call;
mod decisions;
mod ending;
mod limits;
mod threads;
