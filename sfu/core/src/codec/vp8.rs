//! The VP8 payload descriptor (RFC 7741, section 4.2).

/// What a descriptor says, and where, so that it can be overwritten in a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp8 {
    pub picture_id: Option<PictureId>,
    /// `TL0PICIDX` and its offset in the payload.
    pub tl0: Option<(u8, u8)>,
    /// This packet begins a keyframe.
    pub keyframe: bool,
}

/// `PictureID`, 7 or 15 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    pub value: u16,
    pub is_long: bool,
    /// Offset in the payload.
    pub offset: u8,
}

impl PictureId {
    /// The bits that count.
    pub fn mask(self) -> u16 {
        if self.is_long { 0x7fff } else { 0x7f }
    }
}

impl Vp8 {
    /// Reads a descriptor; `None` when the payload is too short for what it announces.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1_u8;
        let mut vp8 = Self::default();
        if first & 0x80 != 0 {
            let extended = byte(payload, at)?;
            at += 1;
            if extended & 0x80 != 0 {
                let high = byte(payload, at)?;
                let is_long = high & 0x80 != 0;
                let mut value = u16::from(high & 0x7f);
                if is_long {
                    value = (value << 8) | u16::from(byte(payload, at + 1)?);
                }
                vp8.picture_id = Some(PictureId { value, is_long, offset: at });
                at += if is_long { 2 } else { 1 };
            }
            if extended & 0x40 != 0 {
                vp8.tl0 = Some((byte(payload, at)?, at));
                at += 1;
            }
            if extended & 0x30 != 0 {
                at += 1;
            }
        }
        // The frame header stands in the first partition's first packet; bit 0 is "inter frame"
        // (RFC 6386, section 9.1).
        let begins_frame = first & 0x17 == 0x10;
        vp8.keyframe = begins_frame && byte(payload, at)? & 1 == 0;
        Some(vp8)
    }

    /// Overwrites the numbers in a copy of the payload.
    pub fn overwrite(&self, payload: &mut [u8], picture_id: u16, tl0: u8) {
        if let Some(old) = self.picture_id {
            let at = usize::from(old.offset);
            if old.is_long {
                if let Some(space) = payload.get_mut(at..at + 2) {
                    space.copy_from_slice(&(picture_id | 0x8000).to_be_bytes());
                }
            } else if let Some(space) = payload.get_mut(at) {
                *space = (picture_id & 0x7f) as u8;
            }
        }
        if let Some((_, at)) = self.tl0
            && let Some(space) = payload.get_mut(usize::from(at))
        {
            *space = tl0;
        }
    }
}

fn byte(payload: &[u8], at: u8) -> Option<u8> {
    payload.get(usize::from(at)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chromium writes it: X, long picture id, TL0PICIDX, TID and KEYIDX; then a frame header.
    const KEY: &[u8] = &[0x90, 0xf0, 0x81, 0x23, 0x05, 0x20, 0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a];

    #[test]
    fn a_keyframe_of_chromium_is_seen_with_its_numbers() {
        let vp8 = Vp8::parse(KEY).expect("golden");
        assert!(vp8.keyframe);
        assert_eq!(vp8.picture_id, Some(PictureId { value: 0x123, is_long: true, offset: 2 }));
        assert_eq!(vp8.tl0, Some((5, 4)));
    }

    #[test]
    fn a_delta_frame_and_a_continuation_begin_no_keyframe() {
        let mut delta = KEY.to_vec();
        delta[6] |= 1;
        assert!(!Vp8::parse(&delta).expect("golden").keyframe);
        let mut continuation = KEY.to_vec();
        continuation[0] = 0x80;
        assert!(!Vp8::parse(&continuation).expect("golden").keyframe);
    }

    #[test]
    fn numbers_are_overwritten_in_place_in_both_widths() {
        let mut payload = KEY.to_vec();
        Vp8::parse(KEY).expect("golden").overwrite(&mut payload, 0x7abc, 9);
        let read = Vp8::parse(&payload).expect("golden");
        assert_eq!(read.picture_id.map(|id| id.value), Some(0x7abc));
        assert_eq!(read.tl0, Some((9, 4)));

        let short = [0x90, 0x80, 0x12, 0x00];
        let mut payload = short;
        Vp8::parse(&short).expect("valid").overwrite(&mut payload, 0xffff, 0);
        assert_eq!(payload, [0x90, 0x80, 0x7f, 0x00]);
    }

    #[test]
    fn no_cut_of_a_payload_is_read_beyond_its_end() {
        for length in 0..KEY.len() {
            let _ = Vp8::parse(&KEY[..length]);
        }
        assert_eq!(Vp8::parse(&KEY[..5]), None);
    }
}
