//! The two transforms on one packet: the keys of one direction, no state.

use aes::Aes128;
use aes::cipher::{InnerIvInit, StreamCipher};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ctr::CtrCore;
use ctr::cipher::StreamCipherCoreWrapper;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::keys::{KEY_LEN, Label, MasterKey, SrtpProfile, block_cipher, derive};

/// The packet's authentication tag did not match: it was damaged, or nobody with the key made it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// The session keys of one direction, for RTP or for RTCP.
pub(super) enum Cipher {
    Gcm(Gcm),
    /// Boxed: its key schedules are ten times larger, and few clients need it.
    Cm(Box<Cm>),
}

/// Which of the two protocols a [`Cipher`] is for.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Rtp,
    Rtcp,
}

/// What is unique about a packet: its SSRC and its index (48 bits for RTP, 31 for RTCP).
#[derive(Clone, Copy)]
pub(super) struct Unique {
    pub(super) ssrc: u32,
    pub(super) index: u64,
}

impl Cipher {
    pub(super) fn new(profile: SrtpProfile, master: &MasterKey, protocol: Protocol) -> Self {
        let (cipher, auth, salt) = match protocol {
            Protocol::Rtp => (Label::RtpCipher, Label::RtpAuth, Label::RtpSalt),
            Protocol::Rtcp => (Label::RtcpCipher, Label::RtcpAuth, Label::RtcpSalt),
        };
        let key: [u8; KEY_LEN] = derive(master, cipher);
        match profile {
            SrtpProfile::AeadAes128Gcm => {
                let key = UnboundKey::new(&AES_128_GCM, &key)
                    .expect("a key of 16 bytes is what AES-128 takes");
                Self::Gcm(Gcm { key: LessSafeKey::new(key), salt: derive(master, salt) })
            }
            SrtpProfile::AesCm128HmacSha1_80 => {
                let auth: [u8; 20] = derive(master, auth);
                let mac = Hmac::new_from_slice(&auth).expect("HMAC takes keys of any length");
                Self::Cm(Box::new(Cm {
                    cipher: block_cipher(&key),
                    mac,
                    salt: derive(master, salt),
                }))
            }
        }
    }
}

/// AES-128 in Galois/Counter Mode (RFC 7714).
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) const TAG_LEN: usize = 16;

    pub(super) fn seal(&self, unique: Unique, aad: &[u8], text: &mut [u8]) -> [u8; Self::TAG_LEN] {
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(unique), Aad::from(aad), text)
            .expect("a packet is far shorter than AES-GCM's limit");
        let mut out = [0; Self::TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Decrypts `text` when `tag` proves it. A refused packet's bytes are worthless afterwards.
    pub(super) fn open(
        &self,
        unique: Unique,
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8],
    ) -> Result<(), NotAuthentic> {
        self.key
            .open_in_place_separate_tag(self.nonce(unique), Aad::from(aad), tag, text)
            .map(|_| ())
            .map_err(|_| NotAuthentic)
    }

    /// RFC 7714, sections 8.1 and 9.1: the 48-bit RTP index and the 31-bit RTCP index, which
    /// stand at the same end of the vector.
    fn nonce(&self, unique: Unique) -> Nonce {
        let mut nonce = self.salt;
        xor(&mut nonce[2..6], &unique.ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &unique.index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// AES-128 in counter mode with HMAC-SHA1-80 (RFC 3711).
pub(super) struct Cm {
    cipher: Aes128,
    mac: Hmac<Sha1>,
    salt: [u8; 14],
}

impl Cm {
    pub(super) const TAG_LEN: usize = 10;

    /// Encrypts or decrypts, which is the same (RFC 3711, section 4.1.1).
    pub(super) fn apply(&self, unique: Unique, text: &mut [u8]) {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        xor(&mut counter[4..8], &unique.ssrc.to_be_bytes());
        xor(&mut counter[8..14], &unique.index.to_be_bytes()[2..]);
        let core = CtrCore::<_, Ctr128BE>::inner_iv_init(self.cipher.clone(), &counter.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
    }

    /// The tag over `parts` in their order (RFC 3711, section 4.2.1).
    pub(super) fn tag(&self, parts: [&[u8]; 2]) -> [u8; Self::TAG_LEN] {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        let mut out = [0; Self::TAG_LEN];
        out.copy_from_slice(&mac.finalize().into_bytes()[..Self::TAG_LEN]);
        out
    }

    pub(super) fn verify(&self, parts: [&[u8]; 2], tag: &[u8]) -> Result<(), NotAuthentic> {
        if bool::from(self.tag(parts).ct_eq(tag)) { Ok(()) } else { Err(NotAuthentic) }
    }
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (byte, mask) in into.iter_mut().zip(with) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7714, section 16.1.1.
    #[test]
    fn aes_gcm_seals_as_rfc_7714_shows() {
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).expect("16 fits"));
        let key = UnboundKey::new(&AES_128_GCM, &key).expect("16 bytes");
        let gcm = Gcm { key: LessSafeKey::new(key), salt: *b"Quid pro quo" };
        let header = hex("8040f17b8041f8d35501a0b2");
        let mut text = b"Gallia est omnis divisa in partes tres".to_vec();

        let tag = gcm.seal(Unique { ssrc: 0x5501_a0b2, index: 0xf17b }, &header, &mut text);

        let sealed = "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833";
        assert_eq!(text, hex(sealed));
        assert_eq!(tag.to_vec(), hex("899d7f27beb16a9152cf765ee4390cce"));
    }

    /// RFC 3711, appendix B.3.
    #[test]
    fn session_keys_are_derived_as_rfc_3711_shows() {
        let master = MasterKey::new(
            &hex("e1f97a0d3e018be0d64fa32c06de4139"),
            &hex("0ec675ad498afeebb6960b3aabe6"),
        )
        .expect("lengths are right");
        let cipher: [u8; 16] = derive(&master, Label::RtpCipher);
        let salt: [u8; 14] = derive(&master, Label::RtpSalt);
        let auth: [u8; 20] = derive(&master, Label::RtpAuth);

        assert_eq!(cipher.to_vec(), hex("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(salt.to_vec(), hex("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(auth.to_vec(), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        (0..text.len()).step_by(2).map(digits).collect()
    }
}
