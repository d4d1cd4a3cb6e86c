//! SRTP and SRTCP in place, without allocation (RFC 3711, RFC 7714).
//!
//! [`Opener`] holds the keys of what comes in, [`Sealer`] of what goes out. An opener keeps state
//! per SSRC, and only after a packet of it has proved authentic. A sealer keeps none for RTP: its
//! caller owns the 48-bit packet index, so that no two packets can share a nonce by construction.

mod cipher;
mod index;
mod keys;
mod open;
mod seal;

pub use keys::{KeyMaterial, MasterKey, SrtpProfile};
pub use open::{OpenError, Opener, SSRC_CAPACITY};
pub use seal::Sealer;

/// The longest tail that [`Sealer::seal_rtp`] adds under any profile.
pub const RTP_OVERHEAD: usize = 16;

/// The longest tail that [`Sealer::seal_rtcp`] adds under any profile.
pub const RTCP_OVERHEAD: usize = 20;

/// Fixed part of an RTP header (RFC 3550, section 5.1).
const RTP_FIXED_HEADER: usize = 12;

/// The part of an SRTCP packet that stays readable (RFC 3711, section 3.4).
const RTCP_HEADER: usize = 8;

/// The E flag and the index that end an SRTCP packet (RFC 3711, section 3.4).
const SRTCP_INDEX: usize = 4;

/// The flag that says an SRTCP packet is encrypted.
const SRTCP_E_FLAG: u32 = 1 << 31;

/// The SRTCP index counts to this and never again (RFC 3711, section 3.4).
const SRTCP_INDEX_MAX: u32 = SRTCP_E_FLAG - 1;

/// Length of the RTP header with its CSRCs and extension, which SRTP leaves readable.
///
/// `None` when `packet` is not RTP version 2 or ends before its header does.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = RTP_FIXED_HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (len <= packet.len()).then_some(len)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests;
