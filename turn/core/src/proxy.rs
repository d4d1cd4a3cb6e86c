//! The PROXY protocol, version 2 (haproxy's proxy-protocol.txt, section 2.2): where a client of a
//! load balancer really comes from.
//!
//! Read [`HEAD`] bytes, give them to [`Head::read`], read as many more as it says, and ask
//! [`Head::way`] what they mean.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Begins every header; nothing else does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
pub const HEAD: usize = 16;
/// Addresses and what a load balancer adds to them (TLS certificates' names, for one).
const BODY_LIMIT: usize = 1024;
const VERSION_2_LOCAL: u8 = 0x20;
const VERSION_2_PROXY: u8 = 0x21;
const TCP_V4: u8 = 0x11;
const TCP_V6: u8 = 0x21;

/// From where to where a client connected.
pub type Way = (SocketAddr, SocketAddr);

/// Why a header was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Something else, or another version.
    #[error("the connection does not begin with a PROXY header of version 2")]
    NotProxy,
    /// Longer than a load balancer's, or too short for its addresses.
    #[error("the PROXY header is longer than it may be, or shorter than it must be")]
    Length,
}

/// The part of a header that has always the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    command: u8,
    family: u8,
    length: usize,
}

impl Head {
    /// Understands the first bytes of a connection.
    ///
    /// # Errors
    /// When they are no header, or one that is too long.
    pub fn read(head: &[u8; HEAD]) -> Result<Self, ProxyError> {
        let [signature @ .., command, family, high, low] = *head;
        let known = matches!(command, VERSION_2_LOCAL | VERSION_2_PROXY);
        if signature != SIGNATURE || !known {
            return Err(ProxyError::NotProxy);
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > BODY_LIMIT {
            return Err(ProxyError::Length);
        }
        Ok(Self { command, family, length })
    }

    /// How many bytes follow.
    pub fn length(&self) -> usize {
        self.length
    }

    /// From where to where the client connected, by the bytes that follow. `None` when the load
    /// balancer speaks for itself (a health check) or for something that is not TCP.
    ///
    /// # Errors
    /// When there are too few of them.
    pub fn way(&self, body: &[u8]) -> Result<Option<Way>, ProxyError> {
        match (self.command, self.family) {
            (VERSION_2_PROXY, TCP_V4) => {
                let block = body.first_chunk::<12>().ok_or(ProxyError::Length)?;
                let [a, b, c, d, e, f, g, h, p0, p1, q0, q1] = *block;
                let from = (Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p0, p1]));
                let to = (Ipv4Addr::new(e, f, g, h), u16::from_be_bytes([q0, q1]));
                Ok(Some((from.into(), to.into())))
            }
            (VERSION_2_PROXY, TCP_V6) => {
                let (from, rest) = body.split_first_chunk::<16>().ok_or(ProxyError::Length)?;
                let (to, rest) = rest.split_first_chunk::<16>().ok_or(ProxyError::Length)?;
                let [p0, p1, q0, q1] = *rest.first_chunk().ok_or(ProxyError::Length)?;
                // IPv4 inside IPv6 is IPv4 to everybody else.
                let at = |ip: [u8; 16], port| {
                    SocketAddr::new(Ipv6Addr::from(ip).to_canonical(), u16::from_be_bytes(port))
                };
                Ok(Some((at(*from, [p0, p1]), at(*to, [q0, q1]))))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(command: u8, family: u8, length: u16) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..12].copy_from_slice(&SIGNATURE);
        (head[12], head[13]) = (command, family);
        head[14..].copy_from_slice(&length.to_be_bytes());
        head
    }

    fn way(command: u8, family: u8, body: &[u8]) -> Result<Option<Way>, ProxyError> {
        let length = u16::try_from(body.len()).expect("short");
        let head = Head::read(&head(command, family, length))?;
        assert_eq!(head.length(), body.len());
        head.way(body)
    }

    #[test]
    fn both_families_are_read() {
        let body = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb, 4, 0, 1, 9];
        let from = "192.0.2.1:12345".parse().expect("a literal");
        let to = "198.51.100.2:443".parse().expect("a literal");
        assert_eq!(way(VERSION_2_PROXY, TCP_V4, &body), Ok(Some((from, to))));

        let mut body = [0; 36];
        (body[15], body[31], body[33], body[35]) = (1, 2, 7, 8);
        let from = "[::1]:7".parse().expect("a literal");
        let to = "[::2]:8".parse().expect("a literal");
        assert_eq!(way(VERSION_2_PROXY, TCP_V6, &body), Ok(Some((from, to))));
    }

    #[test]
    fn a_load_balancer_may_speak_for_itself() {
        assert_eq!(way(VERSION_2_LOCAL, 0, &[]), Ok(None));
        assert_eq!(way(VERSION_2_LOCAL, TCP_V4, &[0; 12]), Ok(None));
        assert_eq!(way(VERSION_2_PROXY, 0x31, &[0; 216]), Ok(None), "a Unix socket");
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(Head::read(&[0; HEAD]), Err(ProxyError::NotProxy));
        assert_eq!(Head::read(b"PROXY TCP4 192.0"), Err(ProxyError::NotProxy), "version 1");
        assert_eq!(Head::read(&head(0x22, TCP_V4, 12)), Err(ProxyError::NotProxy));
        assert_eq!(Head::read(&head(VERSION_2_PROXY, TCP_V4, 1025)), Err(ProxyError::Length));
        assert_eq!(way(VERSION_2_PROXY, TCP_V4, &[0; 11]), Err(ProxyError::Length));
        assert_eq!(way(VERSION_2_PROXY, TCP_V6, &[0; 35]), Err(ProxyError::Length));
    }
}
