//! The PROXY protocol, version 2 (haproxy's proxy-protocol.txt, section 2.2): where a client of a
//! load balancer really comes from.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Begins every header; nothing else does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD: usize = 16;
/// Addresses and what a load balancer adds to them (TLS certificates' names, for one).
const BODY_LIMIT: usize = 1024;
const VERSION_2_LOCAL: u8 = 0x20;
const VERSION_2_PROXY: u8 = 0x21;
const TCP_V4: u8 = 0x11;
const TCP_V6: u8 = 0x21;

/// From where to where a client connected.
pub type Way = (SocketAddr, SocketAddr);

/// Why a header was not understood.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the connection ended before its PROXY header did")]
    Ended(#[from] std::io::Error),
    #[error("the connection does not begin with a PROXY header of version 2")]
    NotProxy,
    #[error("the PROXY header is longer than it may be, or shorter than it must be")]
    Length,
}

/// Takes the header off a stream. `None` when the load balancer speaks for itself (a health
/// check) or for something that is not TCP.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Way>, ProxyError> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    let (signature, [command, family, high, low]) = split(&head)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if signature != SIGNATURE {
        return Err(ProxyError::NotProxy);
    }
    if length > BODY_LIMIT {
        return Err(ProxyError::Length);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    match command {
        VERSION_2_LOCAL => Ok(None),
        VERSION_2_PROXY => addresses(family, &body),
        _ => Err(ProxyError::NotProxy),
    }
}

fn split(head: &[u8; HEAD]) -> Result<([u8; 12], [u8; 4]), ProxyError> {
    let (signature, rest) = head.split_first_chunk().ok_or(ProxyError::Length)?;
    let rest = rest.first_chunk().ok_or(ProxyError::Length)?;
    Ok((*signature, *rest))
}

fn addresses(family: u8, body: &[u8]) -> Result<Option<Way>, ProxyError> {
    match family {
        TCP_V4 => {
            let block = body.first_chunk::<12>().ok_or(ProxyError::Length)?;
            let ip =
                |at: usize| Ipv4Addr::new(block[at], block[at + 1], block[at + 2], block[at + 3]);
            let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
            Ok(Some((SocketAddr::from((ip(0), port(8))), SocketAddr::from((ip(4), port(10))))))
        }
        TCP_V6 => {
            let block = body.first_chunk::<36>().ok_or(ProxyError::Length)?;
            let ip = |at: usize| {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&block[at..at + 16]);
                Ipv6Addr::from(bytes).to_canonical()
            };
            let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
            Ok(Some((SocketAddr::new(ip(0), port(32)), SocketAddr::new(ip(16), port(34)))))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
        header.extend(body);
        header
    }

    async fn parse(bytes: &[u8]) -> Result<(Option<Way>, Vec<u8>), ProxyError> {
        let mut rest = bytes;
        let way = read(&mut rest).await?;
        Ok((way, rest.to_vec()))
    }

    #[tokio::test]
    async fn both_families_are_read_and_what_follows_is_left() {
        let body = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb, 4, 0, 1, 9];
        let mut bytes = header(VERSION_2_PROXY, TCP_V4, &body);
        bytes.extend(b"rest");
        let way = ("192.0.2.1:12345".parse(), "198.51.100.2:443".parse());
        let way = (way.0.expect("a literal"), way.1.expect("a literal"));
        assert_eq!(parse(&bytes).await.expect("well formed"), (Some(way), b"rest".to_vec()));

        let mut body = [0; 36];
        (body[15], body[31], body[33], body[35]) = (1, 2, 7, 8);
        let (way, _) = parse(&header(VERSION_2_PROXY, TCP_V6, &body)).await.expect("well formed");
        let expected = ("[::1]:7".parse(), "[::2]:8".parse());
        assert_eq!(way, Some((expected.0.expect("a literal"), expected.1.expect("a literal"))));
    }

    #[tokio::test]
    async fn a_load_balancer_may_speak_for_itself() {
        let (way, _) = parse(&header(VERSION_2_LOCAL, 0, &[])).await.expect("well formed");
        assert_eq!(way, None);
        let (way, _) = parse(&header(VERSION_2_PROXY, 0x31, &[0; 216])).await.expect("a unix one");
        assert_eq!(way, None);
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        assert!(matches!(parse(&[0; 20]).await, Err(ProxyError::NotProxy)));
        let version_1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
        assert!(matches!(parse(version_1).await, Err(ProxyError::NotProxy)));
        let cut = header(VERSION_2_PROXY, TCP_V4, &[0; 11]);
        assert!(matches!(parse(&cut).await, Err(ProxyError::Length)));
        let long = header(VERSION_2_PROXY, TCP_V4, &[0; BODY_LIMIT + 1]);
        assert!(matches!(parse(&long).await, Err(ProxyError::Length)));
        let odd = header(0x22, TCP_V4, &[0; 12]);
        assert!(matches!(parse(&odd).await, Err(ProxyError::NotProxy)));
        assert!(matches!(parse(&SIGNATURE).await, Err(ProxyError::Ended(_))));
    }
}
