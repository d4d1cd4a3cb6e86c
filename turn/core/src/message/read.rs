use super::{Class, MAGIC_COOKIE, Method, TransactionId};
use crate::frame::STUN_HEADER;

/// A message whose framing is sound: header, length and every attribute's bounds.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    class: Class,
    method: Option<Method>,
    transaction: &'a TransactionId,
    bytes: &'a [u8],
}

/// Why bytes are no STUN message. Such packets are dropped and counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("shorter than a STUN header")]
    Short,
    #[error("no magic cookie")]
    NoCookie,
    #[error("the length field disagrees with the packet")]
    Length,
    #[error("an attribute reaches past the end")]
    Attribute,
}

impl<'a> Message<'a> {
    /// Checks the framing. Allocates nothing.
    ///
    /// # Errors
    /// When the bytes are not one whole STUN message.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let (header, mut rest) =
            bytes.split_first_chunk::<STUN_HEADER>().ok_or(ReadError::Short)?;
        let [t0, t1, l0, l1, cookie @ .., _, _, _, _, _, _, _, _, _, _, _, _] = header;
        if *cookie != MAGIC_COOKIE || t0 & 0xC0 != 0 {
            return Err(ReadError::NoCookie);
        }
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if length != rest.len() || length % 4 != 0 {
            return Err(ReadError::Length);
        }
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            rest = tail.get(length.next_multiple_of(4)..).ok_or(ReadError::Attribute)?;
        }

        let kind = u16::from_be_bytes([*t0, *t1]);
        let class = match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let method = (kind & 0x000F) | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2;
        let transaction =
            bytes.get(8..STUN_HEADER).and_then(|id| id.try_into().ok()).ok_or(ReadError::Short)?;
        Ok(Self { class, method: Method::from_bits(method), transaction, bytes })
    }

    pub fn class(&self) -> Class {
        self.class
    }

    /// `None` for a method this server does not do.
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    pub fn transaction(&self) -> &'a TransactionId {
        self.transaction
    }

    /// The whole message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Every attribute in order: its offset in the message, type and value.
    pub fn attributes(&self) -> impl Iterator<Item = (usize, u16, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let mut offset = STUN_HEADER;
        std::iter::from_fn(move || {
            let head = bytes.get(offset..)?.first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = bytes.get(offset + 4..offset + 4 + length)?;
            let at = offset;
            offset += 4 + length.next_multiple_of(4);
            Some((at, u16::from_be_bytes([head[0], head[1]]), value))
        })
    }
}
