//! Protecting what goes out.

use super::cipher::{Cipher, Cm, Gcm, Protocol, Unique};
use super::keys::{MasterKey, SrtpProfile};
use super::{RTCP_HEADER, SRTCP_E_FLAG, SRTCP_INDEX, SRTCP_INDEX_MAX, read_u32, rtp_header_len};

/// The keys of what we send.
pub struct Sealer {
    profile: SrtpProfile,
    rtp: Cipher,
    rtcp: Cipher,
    /// Shared by all of our SSRCs, so that no SRTCP nonce repeats whoever the sender is.
    rtcp_index: u32,
}

impl Sealer {
    /// Takes the secret of our own direction.
    pub fn new(profile: SrtpProfile, master: &MasterKey) -> Self {
        Self {
            profile,
            rtp: Cipher::new(profile, master, Protocol::Rtp),
            rtcp: Cipher::new(profile, master, Protocol::Rtcp),
            rtcp_index: 0,
        }
    }

    /// The profile both sides agreed on.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Leaves one SRTCP index unused.
    #[cfg(test)]
    pub(super) fn exhaust_rtcp(&mut self) {
        self.rtcp_index = SRTCP_INDEX_MAX - 1;
    }

    /// Protects the RTP packet in `buf[..len]` and returns its new length, which is at most
    /// [`RTP_OVERHEAD`](super::RTP_OVERHEAD) more.
    ///
    /// `index` is the packet's sequence number with its rollover counter above it. The caller must
    /// never use one twice with the same SSRC, retransmissions and padding included: that would
    /// give away the plain text of both packets.
    ///
    /// # Panics
    /// When `buf` holds no whole RTP header, has no room for the tail, or `index` does not end in
    /// the packet's sequence number: the packet is our own work.
    pub fn seal_rtp(&self, buf: &mut [u8], len: usize, index: u64) -> usize {
        let header = rtp_header_len(&buf[..len]).expect("we write whole headers");
        assert_eq!(index & 0xffff, u64::from(u16::from_be_bytes([buf[2], buf[3]])));
        let ssrc = read_u32(buf, 8).expect("the header was checked");
        let unique = Unique { ssrc, index };

        match &self.rtp {
            Cipher::Gcm(gcm) => {
                let (aad, text) = buf[..len].split_at_mut(header);
                let tag = gcm.seal(unique, aad, text);
                buf[len..len + Gcm::TAG_LEN].copy_from_slice(&tag);
                len + Gcm::TAG_LEN
            }
            Cipher::Cm(cm) => {
                cm.apply(unique, &mut buf[header..len]);
                let tag = cm.tag([&buf[..len], &rollover(index)]);
                buf[len..len + Cm::TAG_LEN].copy_from_slice(&tag);
                len + Cm::TAG_LEN
            }
        }
    }

    /// Protects the RTCP compound in `buf[..len]` and returns its new length, which is at most
    /// [`RTCP_OVERHEAD`](super::RTCP_OVERHEAD) more.
    ///
    /// Returns `None` when 2^31 compounds were sent and the keys are used up.
    ///
    /// # Panics
    /// When `len` is less than an RTCP header or `buf` has no room for the tail.
    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        if self.rtcp_index >= SRTCP_INDEX_MAX {
            return None;
        }
        self.rtcp_index += 1;
        let ssrc = read_u32(buf, 4).expect("we write whole headers");
        let unique = Unique { ssrc, index: u64::from(self.rtcp_index) };
        let trailer = (self.rtcp_index | SRTCP_E_FLAG).to_be_bytes();

        Some(match &self.rtcp {
            // RFC 7714, section 9.2: the tag comes before the index.
            Cipher::Gcm(gcm) => {
                let mut aad = [0; RTCP_HEADER + SRTCP_INDEX];
                aad[..RTCP_HEADER].copy_from_slice(&buf[..RTCP_HEADER]);
                aad[RTCP_HEADER..].copy_from_slice(&trailer);
                let tag = gcm.seal(unique, &aad, &mut buf[RTCP_HEADER..len]);
                let index = len + Gcm::TAG_LEN;
                buf[len..index].copy_from_slice(&tag);
                buf[index..index + SRTCP_INDEX].copy_from_slice(&trailer);
                index + SRTCP_INDEX
            }
            // RFC 3711, section 3.4: the index comes before the tag, which covers it.
            Cipher::Cm(cm) => {
                cm.apply(unique, &mut buf[RTCP_HEADER..len]);
                let tag = len + SRTCP_INDEX;
                buf[len..tag].copy_from_slice(&trailer);
                let bytes = cm.tag([&buf[..tag], &[]]);
                buf[tag..tag + Cm::TAG_LEN].copy_from_slice(&bytes);
                tag + Cm::TAG_LEN
            }
        })
    }
}

/// The rollover counter, which authenticates but is not sent (RFC 3711, section 4.2).
pub(super) fn rollover(index: u64) -> [u8; 4] {
    let bytes = index.to_be_bytes();
    [bytes[2], bytes[3], bytes[4], bytes[5]]
}
