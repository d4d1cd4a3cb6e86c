//! Opening what comes in.

use super::cipher::{Cipher, Cm, Gcm, NotAuthentic, Protocol, Unique};
use super::index::{ReplayWindow, Stale};
use super::keys::{MasterKey, SrtpProfile};
use super::seal::rollover;
use super::{RTCP_HEADER, SRTCP_E_FLAG, SRTCP_INDEX, read_u32, rtp_header_len};

/// How many SSRCs of one sender an opener remembers. The packets of one more are refused: to
/// forget an old one instead would let its packets be replayed.
///
/// A call uses about ten; a sender that stops and starts its camera takes two new ones each time.
pub const SSRC_CAPACITY: usize = 1024;

/// Why a packet was not opened. Each is counted; none is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It ends before its header or its tag does, or is not RTP version 2.
    #[error("packet is malformed")]
    Malformed,
    /// Its tag does not match its bytes.
    #[error("packet is not authentic")]
    NotAuthentic,
    /// It was opened before.
    #[error("packet is a replay")]
    Replayed,
    /// It is too far behind to tell whether it was opened before.
    #[error("packet is too old")]
    TooOld,
    /// It is authentic but not encrypted, which WebRTC forbids (RFC 8827, section 6.5).
    #[error("packet is not encrypted")]
    NotEncrypted,
    /// Its sender has used [`SSRC_CAPACITY`] others before.
    #[error("sender uses too many SSRCs")]
    TooManySsrcs,
}

impl From<NotAuthentic> for OpenError {
    fn from(NotAuthentic: NotAuthentic) -> Self {
        Self::NotAuthentic
    }
}

impl From<Stale> for OpenError {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Seen => Self::Replayed,
            Stale::TooOld => Self::TooOld,
        }
    }
}

/// The keys of what we receive, and what was received with them.
pub struct Opener {
    profile: SrtpProfile,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_windows: Windows,
    rtcp_windows: Windows,
}

impl Opener {
    /// Takes the secret of the other side's direction.
    pub fn new(profile: SrtpProfile, master: &MasterKey) -> Self {
        Self {
            profile,
            rtp: Cipher::new(profile, master, Protocol::Rtp),
            rtcp: Cipher::new(profile, master, Protocol::Rtcp),
            rtp_windows: Windows::default(),
            rtcp_windows: Windows::default(),
        }
    }

    /// The profile both sides agreed on.
    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Opens an SRTP packet in place and returns the length of the RTP packet that it then is.
    ///
    /// # Errors
    /// The bytes of a refused packet are worthless afterwards.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let header = rtp_header_len(packet).ok_or(OpenError::Malformed)?;
        let len = packet
            .len()
            .checked_sub(self.profile.tag_len())
            .filter(|len| *len >= header)
            .ok_or(OpenError::Malformed)?;
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = read_u32(packet, 8).ok_or(OpenError::Malformed)?;

        let place = self.rtp_windows.find(ssrc)?;
        let window = self.rtp_windows.get(place);
        let index = window.unroll(seq);
        window.check(index)?;

        let unique = Unique { ssrc, index };
        let (rest, tag) = packet.split_at_mut(len);
        match &self.rtp {
            Cipher::Gcm(gcm) => {
                let (aad, text) = rest.split_at_mut(header);
                gcm.open(unique, aad, text, tag)?;
            }
            Cipher::Cm(cm) => {
                cm.verify([rest, &rollover(index)], tag)?;
                cm.apply(unique, &mut rest[header..]);
            }
        }
        self.rtp_windows.record(place, ssrc, index);
        Ok(len)
    }

    /// Opens an SRTCP packet in place and returns the length of the RTCP compound that it then is.
    ///
    /// # Errors
    /// The bytes of a refused packet are worthless afterwards.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let len = packet
            .len()
            .checked_sub(self.profile.tag_len() + SRTCP_INDEX)
            .filter(|len| *len >= RTCP_HEADER)
            .ok_or(OpenError::Malformed)?;
        if packet[0] >> 6 != 2 {
            return Err(OpenError::Malformed);
        }
        let ssrc = read_u32(packet, 4).ok_or(OpenError::Malformed)?;
        let trailer_at = match self.rtcp {
            Cipher::Gcm(_) => len + Gcm::TAG_LEN,
            Cipher::Cm(_) => len,
        };
        let trailer = read_u32(packet, trailer_at).ok_or(OpenError::Malformed)?;
        if trailer & SRTCP_E_FLAG == 0 {
            return Err(OpenError::NotEncrypted);
        }
        let index = u64::from(trailer & !SRTCP_E_FLAG);

        let place = self.rtcp_windows.find(ssrc)?;
        self.rtcp_windows.get(place).check(index)?;

        let unique = Unique { ssrc, index };
        match &self.rtcp {
            Cipher::Gcm(gcm) => {
                let mut aad = [0; RTCP_HEADER + SRTCP_INDEX];
                aad[..RTCP_HEADER].copy_from_slice(&packet[..RTCP_HEADER]);
                aad[RTCP_HEADER..].copy_from_slice(&trailer.to_be_bytes());
                let (rest, tail) = packet.split_at_mut(len);
                gcm.open(unique, &aad, &mut rest[RTCP_HEADER..], &tail[..Gcm::TAG_LEN])?;
            }
            Cipher::Cm(cm) => {
                let (rest, tag) = packet.split_at_mut(len + SRTCP_INDEX);
                cm.verify([rest, &[]], &tag[..Cm::TAG_LEN])?;
                cm.apply(unique, &mut rest[RTCP_HEADER..len]);
            }
        }
        self.rtcp_windows.record(place, ssrc, index);
        Ok(len)
    }
}

/// Replay windows by SSRC, sorted by it.
#[derive(Default)]
struct Windows {
    windows: Vec<(u32, ReplayWindow)>,
    /// Where the last packet's window stands: packets of one stream come in trains.
    last: usize,
}

/// Where an SSRC's window stands, or where it would go once it has one.
#[derive(Clone, Copy)]
enum Place {
    Known(usize),
    Vacant(usize),
}

impl Windows {
    fn find(&self, ssrc: u32) -> Result<Place, OpenError> {
        if self.windows.get(self.last).is_some_and(|(known, _)| *known == ssrc) {
            return Ok(Place::Known(self.last));
        }
        match self.windows.binary_search_by_key(&ssrc, |(known, _)| *known) {
            Ok(at) => Ok(Place::Known(at)),
            Err(_) if self.windows.len() >= SSRC_CAPACITY => Err(OpenError::TooManySsrcs),
            Err(at) => Ok(Place::Vacant(at)),
        }
    }

    fn get(&self, place: Place) -> ReplayWindow {
        match place {
            Place::Known(at) => self.windows[at].1,
            Place::Vacant(_) => ReplayWindow::default(),
        }
    }

    /// Called for authentic packets only, so that nobody else can make this grow.
    fn record(&mut self, place: Place, ssrc: u32, index: u64) {
        let at = match place {
            Place::Known(at) => at,
            Place::Vacant(at) => {
                self.windows.insert(at, (ssrc, ReplayWindow::default()));
                at
            }
        };
        self.windows[at].1.record(index);
        self.last = at;
    }
}
