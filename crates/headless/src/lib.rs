//! A client without a screen, sans-IO: what a browser page does in a call, without the browser.
//!
//! [`Media`] is one peer connection in the client's role, on the sans-IO core of the `webrtc`
//! crate: it offers its tracks and its receive slots, takes the answer, and then exchanges
//! datagrams. [`Requests`] numbers what is asked on the socket and finds what an answer belongs
//! to. Sockets and clocks are the caller's: `loadtest` runs hundreds of these, `e2e` a few.
//!
//! It knows the server only by the wire.

mod media;
mod requests;

pub use media::{Media, MediaConfig, MediaError, Received, Track};
pub use requests::Requests;
