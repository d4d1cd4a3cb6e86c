//! Session descriptions: reading offers, choosing what both sides can do, writing answers
//! (RFC 8866, RFC 8829, RFC 9429).
//!
//! The client is the only one who offers; so there are three steps and no state: [`read()`] an
//! offer, [`negotiate`] it, [`write_answer`]. Payload types, extension ids, mids and the order of
//! m-lines are the offer's and are echoed, so that a re-offer changes nothing by itself.
//!
//! Lines are cut by our own reader: what is common to all descriptions is one letter, `=` and a
//! value, and rtc-sdp, which does little more, refuses a whole offer for an `o=` id above 64 bits
//! or a media type it does not know, and has no limits.

mod answer;
mod capability;
mod codec;
mod description;
mod error;
mod read;

pub use answer::{LocalDescription, SendingSource, write_answer};
pub use capability::{
    Capabilities, Incoming, IncomingSource, MediaSection, Negotiated, NegotiatedSection,
    RejectedSection, negotiate,
};
pub use codec::{Codec, CodecFormat, CodecName, Feedback, H264Format, H264Profile};
pub use description::{
    Direction, Extension, Media, Offer, OfferedCodec, OfferedExtension, OfferedSection, Setup,
    SsrcGroup,
};
pub use error::SdpError;
pub use read::{SdpLimits, read};

#[cfg(test)]
mod tests;
