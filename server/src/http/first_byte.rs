//! One port for HTTP, for TLS and for TURN: the first byte of a connection tells which.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// A STUN message: its type begins with two zero bits and, of all methods there are, has
    /// nothing but the class in its first byte (RFC 8489, section 5). TURN clients begin with a
    /// request, never with ChannelData, whose first byte could be a letter's.
    Turn,
    /// HTTP, a TLS record, or nonsense: not for the relay.
    Other,
}

/// Tells by the first byte.
pub(crate) fn first_byte(byte: u8) -> Spoken {
    match byte {
        0..=3 => Spoken::Turn,
        _ => Spoken::Other,
    }
}

/// A stream whose first byte was read to see what it is, and is still to be read.
pub(crate) struct Rewound<S> {
    stream: S,
    first: Option<u8>,
}

impl<S> Rewound<S> {
    /// Puts back what was read: the first byte, or nothing.
    pub(crate) fn new(stream: S, first: Option<u8>) -> Self {
        Self { stream, first }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buf.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn requests_of_http_and_records_of_tls_are_not_taken_for_turn() {
        for begins in [b'G', b'P', b'H', b'O', b'D', 0x16, b'\r', 0x40] {
            assert_eq!(first_byte(begins), Spoken::Other);
        }
        // Binding and Allocate; no method has a longer number.
        assert_eq!(first_byte(0x00), Spoken::Turn);
    }

    #[tokio::test]
    async fn what_was_read_is_read_again_and_the_rest_follows() {
        let mut stream = Rewound::new(&b"ET /"[..], Some(b'G'));
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("it is in memory");
        assert_eq!(text, "GET /");
    }
}
