//! RTP header extensions by type, whatever id a session description gave them (RFC 8285).

use crate::sdp::Extension;

/// Which id each extension has on one m-line; zero is "not negotiated".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds([u8; Extension::ALL.len()]);

impl ExtensionIds {
    /// Notes an id. Ids 0 and 15 mean no extension in the one-byte form (RFC 8285, section 4.2).
    pub fn set(&mut self, extension: Extension, id: u8) {
        self.0[extension as usize] = id;
    }

    /// The id of an extension, if negotiated.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.0[extension as usize]).filter(|id| *id != 0)
    }

    /// The extension with an id.
    pub fn extension(&self, id: u8) -> Option<Extension> {
        if id == 0 {
            return None;
        }
        Extension::ALL.into_iter().find(|extension| self.0[*extension as usize] == id)
    }
}

/// The extension block of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    form: Form,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Form {
    OneByte,
    TwoByte,
    /// Of no known profile: skipped whole.
    Other,
}

impl<'a> Extensions<'a> {
    /// No extension.
    pub fn none() -> Self {
        Self { form: Form::Other, bytes: &[] }
    }

    pub(super) fn new(profile: u16, bytes: &'a [u8]) -> Self {
        let form = match profile {
            0xbede => Form::OneByte,
            0x1000..=0x100f => Form::TwoByte,
            _ => Form::Other,
        };
        Self { form, bytes }
    }

    /// Ids and values, in packet order. Stops at the first malformed element.
    pub fn iter(&self) -> ExtensionIter<'a> {
        ExtensionIter { form: self.form, rest: self.bytes }
    }

    /// What a receiver of ours needs of the block.
    pub fn read(&self, ids: &ExtensionIds) -> Known<'a> {
        let mut known = Known::default();
        for (id, value) in self.iter() {
            match ids.extension(id) {
                Some(Extension::Mid) => known.mid = Some(value),
                Some(Extension::Rid) => known.rid = Some(value),
                Some(Extension::RepairedRid) => known.repaired_rid = Some(value),
                Some(Extension::AudioLevel) => known.audio_level = value.first().copied(),
                Some(Extension::TransportCc) => {
                    known.transport_seq =
                        value.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes));
                }
                Some(Extension::DependencyDescriptor) => known.dependency = value,
                // Says when the sender sent; we note when the packet came instead.
                Some(Extension::AbsSendTime) | None => {}
            }
        }
        known
    }
}

/// The values of the extensions we know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    pub mid: Option<&'a [u8]>,
    pub rid: Option<&'a [u8]>,
    pub repaired_rid: Option<&'a [u8]>,
    /// Voice activity in the top bit, level in -dBov below (RFC 6464, section 3).
    pub audio_level: Option<u8>,
    pub transport_seq: Option<u16>,
    pub dependency: &'a [u8],
}

/// See [`Extensions::iter`].
#[derive(Clone, Debug)]
pub struct ExtensionIter<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Iterator for ExtensionIter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&head, rest) = self.rest.split_first()?;
            if head == 0 {
                // Padding between elements (RFC 8285, section 4.1.1).
                self.rest = rest;
                continue;
            }
            let (id, length, rest) = match self.form {
                Form::OneByte if head >> 4 == 15 => return None,
                Form::OneByte => (head >> 4, usize::from(head & 0x0f) + 1, rest),
                Form::TwoByte => {
                    let (&length, rest) = rest.split_first()?;
                    (head, usize::from(length), rest)
                }
                Form::Other => return None,
            };
            let value = rest.get(..length)?;
            self.rest = &rest[length..];
            return Some((id, value));
        }
    }
}

/// Writes an extension block; see RFC 8285, section 4.2 (one-byte) and 4.3 (two-byte).
///
/// The form is chosen before the first element, because a block has only one.
#[derive(Debug)]
pub struct ExtensionWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
    two_byte: bool,
}

/// Length of the profile and length words in front of a block.
pub const BLOCK_HEADER: usize = 4;

impl<'a> ExtensionWriter<'a> {
    /// Begins a block at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8], two_byte: bool) -> Self {
        Self { buffer, used: BLOCK_HEADER, two_byte }
    }

    /// Adds one element. Too long ones, and those the buffer has no room for, are left out.
    #[expect(clippy::cast_possible_truncation, reason = "the length was checked just before")]
    pub fn push(&mut self, id: u8, value: &[u8]) {
        let longest = if self.two_byte { 255 } else { 16 };
        if value.len() > longest || (value.is_empty() && !self.two_byte) {
            return;
        }
        let head = if self.two_byte { 2 } else { 1 };
        let end = self.used + head + value.len();
        let Some(space) = self.buffer.get_mut(self.used..end) else { return };
        if self.two_byte {
            space[0] = id;
            space[1] = value.len() as u8;
        } else {
            space[0] = (id << 4) | (value.len() as u8 - 1);
        }
        space[head..].copy_from_slice(value);
        self.used = end;
    }

    /// Pads to a whole number of words, writes the block's header and says how long it is; zero
    /// when there is no element.
    #[expect(clippy::cast_possible_truncation, reason = "a block is shorter than 2^16 words")]
    pub fn finish(self) -> usize {
        if self.used == BLOCK_HEADER {
            return 0;
        }
        let end = self.used.next_multiple_of(4);
        let Some(block) = self.buffer.get_mut(..end) else { return 0 };
        block[self.used..].fill(0);
        let profile: u16 = if self.two_byte { 0x1000 } else { 0xbede };
        block[..2].copy_from_slice(&profile.to_be_bytes());
        let words = (end - BLOCK_HEADER) / 4;
        block[2..4].copy_from_slice(&(words as u16).to_be_bytes());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(two_byte: bool, elements: &[(u8, &[u8])]) -> Vec<(u8, Vec<u8>)> {
        let mut buffer = [0xff; 64];
        let mut writer = ExtensionWriter::new(&mut buffer, two_byte);
        for (id, value) in elements {
            writer.push(*id, value);
        }
        let length = writer.finish();
        assert_eq!(length % 4, 0);
        let profile = u16::from_be_bytes([buffer[0], buffer[1]]);
        let block = Extensions::new(profile, &buffer[4..length]);
        block.iter().map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn both_forms_are_read_as_they_were_written() {
        let elements: [(u8, &[u8]); 3] = [(1, b"video0"), (4, &[1, 2, 3]), (14, &[9])];
        for two_byte in [false, true] {
            let read = round_trip(two_byte, &elements);
            assert_eq!(read.len(), 3);
            for ((id, value), (read_id, read_value)) in elements.iter().zip(&read) {
                assert_eq!((id, *value), (read_id, &read_value[..]));
            }
        }
    }

    #[test]
    fn an_element_that_does_not_fit_the_form_is_left_out() {
        assert_eq!(round_trip(false, &[(1, &[0; 17]), (2, &[5])]), [(2, vec![5])]);
    }

    #[test]
    fn an_empty_block_is_no_block() {
        let mut buffer = [0; 8];
        assert_eq!(ExtensionWriter::new(&mut buffer, false).finish(), 0);
    }

    #[test]
    fn an_element_longer_than_its_block_ends_the_reading() {
        let block = Extensions::new(0xbede, &[0x10, 0x30, 0x2f, 0x00]);
        assert_eq!(block.iter().count(), 1);
    }

    #[test]
    fn every_extension_is_found_by_its_id() {
        let mut ids = ExtensionIds::default();
        for (index, extension) in Extension::ALL.into_iter().enumerate() {
            assert_eq!(extension as usize, index);
            ids.set(extension, u8::try_from(index).expect("few") + 1);
            assert_eq!(ids.extension(ids.id(extension).expect("set")), Some(extension));
        }
    }
}
