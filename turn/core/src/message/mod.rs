//! STUN messages (RFC 8489): a borrowed view to read, a writer over a reused buffer.

mod attributes;
mod read;
mod write;

pub use attributes::{AdditionalFamily, Attributes, EvenPort, attribute, xor_address};
pub use read::{Message, ReadError};
pub use write::Writer;

/// The fixed value that marks a STUN message (RFC 8489, section 5).
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// Chosen by the client; the answer carries the same.
pub type TransactionId = [u8; 12];

/// Request, indication or answer (RFC 8489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// What is asked for (RFC 8656, section 17; RFC 6062, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Method {
    Binding = 0x001,
    Allocate = 0x003,
    Refresh = 0x004,
    Send = 0x006,
    Data = 0x007,
    CreatePermission = 0x008,
    ChannelBind = 0x009,
    /// RFC 6062, section 6.1.
    Connect = 0x00A,
    ConnectionBind = 0x00B,
    ConnectionAttempt = 0x00C,
}

impl Method {
    fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            0x001 => Self::Binding,
            0x003 => Self::Allocate,
            0x004 => Self::Refresh,
            0x006 => Self::Send,
            0x007 => Self::Data,
            0x008 => Self::CreatePermission,
            0x009 => Self::ChannelBind,
            0x00A => Self::Connect,
            0x00B => Self::ConnectionBind,
            0x00C => Self::ConnectionAttempt,
            _ => return None,
        })
    }
}

/// The first two bytes of a message of this class and method.
fn type_bits(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    // All our methods fit the low four bits, which the class bits leave in place.
    class | method as u16
}

#[cfg(test)]
mod tests;
