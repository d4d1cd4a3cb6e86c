//! Takes a PROXY header off a connection.

use confer_turn_core::proxy::{HEAD, Head};
use tokio::io::{AsyncRead, AsyncReadExt};

pub use confer_turn_core::proxy::Way;

/// Why there was no header to take.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the connection ended before its PROXY header did")]
    Ended(#[from] std::io::Error),
    #[error("the connection begins with something else")]
    Header(#[from] confer_turn_core::proxy::ProxyError),
}

/// Takes the header off a stream, and nothing of what follows. `None` when the load balancer
/// speaks for itself (a health check) or for something that is not TCP.
///
/// # Errors
/// As [`ProxyError`] says; the stream is of no use then.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Way>, ProxyError> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    let head = Head::read(&head)?;
    let mut body = vec![0; head.length()];
    stream.read_exact(&mut body).await?;
    Ok(head.way(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb";

    #[tokio::test]
    async fn what_follows_a_header_is_left() {
        let bytes = [HEADER, b"rest"].concat();
        let mut rest = bytes.as_slice();
        let way = read(&mut rest).await.expect("well formed");
        let from = "192.0.2.1:12345".parse().expect("a literal");
        assert_eq!(way.map(|(from, _)| from), Some(from));
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn what_is_cut_or_something_else_is_told_apart() {
        let mut cut = &HEADER[..20];
        assert!(matches!(read(&mut cut).await, Err(ProxyError::Ended(_))));
        assert!(matches!(read(&mut &[0; 20][..]).await, Err(ProxyError::Header(_))));
    }
}
