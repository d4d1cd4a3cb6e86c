//! What a packet is, by its first bytes (RFC 7983, RFC 8656 section 12), and where it ends in a
//! stream.

/// Smallest STUN message: the header.
pub const STUN_HEADER: usize = 20;
/// First two bytes of a ConnectionBind request (RFC 6062, section 6.1).
const CONNECTION_BIND: [u8; 2] = [0x00, 0x0B];
/// ChannelData header: channel number and length.
pub const CHANNEL_HEADER: usize = 4;

/// Channel numbers a client may bind. In either case a frame that begins with 0x40 to 0x7F is
/// read as ChannelData; on a channel that nobody could bind it goes nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelRange {
    /// 0x4000 to 0x4FFF (RFC 8656, section 12).
    #[default]
    Rfc8656,
    /// 0x4000 to 0x7FFF (RFC 5766, section 11), for old clients that still draw from all of it.
    Rfc5766,
}

impl ChannelRange {
    /// Whether a client may bind this number.
    pub fn contains(self, number: u16) -> bool {
        match self {
            Self::Rfc8656 => (0x4000..=0x4FFF).contains(&number),
            Self::Rfc5766 => (0x4000..=0x7FFF).contains(&number),
        }
    }
}

/// A packet of a client, told apart but not yet checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    Stun(&'a [u8]),
    ChannelData { channel: u16, payload: &'a [u8] },
}

/// Tells a datagram apart; `None` for what is neither STUN nor ChannelData.
pub fn classify(datagram: &[u8]) -> Option<Frame<'_>> {
    match *datagram.first()? {
        0..=3 if datagram.len() >= STUN_HEADER => Some(Frame::Stun(datagram)),
        0x40..=0x7F => {
            let (header, rest) = datagram.split_first_chunk::<CHANNEL_HEADER>()?;
            let channel = u16::from_be_bytes([header[0], header[1]]);
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            // Over UDP, bytes after the announced length are padding (section 12.5).
            Some(Frame::ChannelData { channel, payload: rest.get(..length)? })
        }
        _ => None,
    }
}

/// How many bytes the frame at the head of a stream takes, its padding included (section 12.5).
///
/// `Ok(None)` asks for more bytes.
///
/// # Errors
/// When the stream holds neither STUN nor ChannelData and cannot be resynchronised.
pub fn stream_frame_length(head: &[u8]) -> Result<Option<usize>, NotTurn> {
    let Some(header) = head.first_chunk::<4>() else {
        return match head.first() {
            None | Some(0..=3 | 0x40..=0x7F) => Ok(None),
            Some(_) => Err(NotTurn),
        };
    };
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    match header[0] {
        0..=3 if length % 4 == 0 => Ok(Some(STUN_HEADER + length)),
        0x40..=0x7F => Ok(Some(CHANNEL_HEADER + length.next_multiple_of(4))),
        _ => Err(NotTurn),
    }
}

/// Whole frames at the head of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeFrames {
    /// How many bytes they take together.
    pub length: usize,
    /// It is a ConnectionBind request, and nothing else: what follows it may be the peer's (RFC
    /// 6062, section 5.4), and is not to be read before the answer is known.
    pub binds: bool,
}

/// How many whole frames there are that may be taken together. `Ok(None)` asks for more bytes.
///
/// # Errors
/// As [`stream_frame_length`], when there is no whole frame before it.
pub fn whole_frames(bytes: &[u8]) -> Result<Option<WholeFrames>, NotTurn> {
    let mut length = 0;
    loop {
        let rest = bytes.get(length..).unwrap_or_default();
        let next = match stream_frame_length(rest) {
            Ok(Some(next)) if next <= rest.len() => next,
            Err(NotTurn) if length == 0 => return Err(NotTurn),
            Ok(_) | Err(NotTurn) => {
                return Ok((length > 0).then_some(WholeFrames { length, binds: false }));
            }
        };
        if is_connection_bind(rest) {
            let binds = length == 0;
            return Ok(Some(WholeFrames { length: if binds { next } else { length }, binds }));
        }
        length += next;
    }
}

/// Whether these bytes begin with a ConnectionBind request (RFC 6062, section 5.4).
pub fn is_connection_bind(bytes: &[u8]) -> bool {
    bytes.starts_with(&CONNECTION_BIND)
}

/// The bytes are not of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream carries neither STUN nor ChannelData")]
pub struct NotTurn;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_data_may_be_padded_but_not_cut() {
        let datagram = [0x40, 0x00, 0x00, 0x03, b'a', b'b', b'c', 0];
        assert_eq!(
            classify(&datagram),
            Some(Frame::ChannelData { channel: 0x4000, payload: b"abc" })
        );
        assert_eq!(classify(&datagram[..6]), None);
    }

    #[test]
    fn a_stream_frame_waits_for_its_header_and_counts_its_padding() {
        assert_eq!(stream_frame_length(&[]), Ok(None));
        assert_eq!(stream_frame_length(&[0x40, 0, 0]), Ok(None));
        assert_eq!(stream_frame_length(&[0x40, 0, 0, 5]), Ok(Some(12)));
        assert_eq!(stream_frame_length(&[0, 1, 0, 8]), Ok(Some(28)));
        assert_eq!(stream_frame_length(&[22, 3, 1, 0]), Err(NotTurn));
        assert_eq!(stream_frame_length(&[0x80]), Err(NotTurn));
    }

    #[test]
    fn a_connection_bind_goes_alone() {
        let channel_data = [0x40, 0, 0, 4, 1, 2, 3, 4];
        let mut bind = CONNECTION_BIND.to_vec();
        bind.extend([0; 18]);
        let mut bytes = channel_data.repeat(2);
        bytes.extend(&bind);
        bytes.extend(b"peer");
        let whole = |length, binds| Ok(Some(WholeFrames { length, binds }));
        assert_eq!(whole_frames(&bytes), whole(16, false));
        assert_eq!(whole_frames(&bytes[16..]), whole(20, true));
        assert_eq!(whole_frames(&channel_data[..7]), Ok(None));
        assert_eq!(whole_frames(&[0x80; 12]), Err(NotTurn));
    }

    #[test]
    fn what_came_before_nonsense_is_still_taken() {
        let mut bytes = vec![0x40, 0, 0, 4, 1, 2, 3, 4];
        bytes.extend([0x80; 4]);
        assert_eq!(whole_frames(&bytes), Ok(Some(WholeFrames { length: 8, binds: false })));
        assert_eq!(whole_frames(&bytes[8..]), Err(NotTurn));
    }

    #[test]
    fn other_protocols_are_told_apart() {
        assert_eq!(classify(&[22, 254, 253]), None);
        assert_eq!(classify(&[0x80; 40]), None);
        assert_eq!(classify(&[]), None);
    }
}
