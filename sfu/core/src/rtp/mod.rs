//! RTP and RTCP as bytes: borrowed views to read, functions over buffers to write.

pub mod extension;
pub mod packet;
pub mod rtcp;
pub mod seq;

pub use extension::ExtensionIds;
pub use packet::{Pt, RtpView, Ssrc};
pub use seq::{RtpTime, SeqNo, SeqNo16};
