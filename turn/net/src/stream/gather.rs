//! Records of TLS that are written together: each frame has a record of its own, and rustls hands
//! every record down at once, which without this would be a system call for each.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::pool::{Pool, SMALLEST};

/// Bytes gathered before they are written without anybody having asked.
const GATHER_MOST: usize = SMALLEST << 3;

/// A connection that keeps what is written until it is flushed.
pub(super) struct Gather<S> {
    inner: S,
    pool: Arc<Pool>,
    gathered: Vec<u8>,
    /// How much of it is written already.
    gone: usize,
}

impl<S> Gather<S> {
    pub(super) fn new(inner: S, pool: &Arc<Pool>) -> Self {
        Self { inner, pool: Arc::clone(pool), gathered: Vec::new(), gone: 0 }
    }
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.gathered.get(self.gone..) {
            match ready!(Pin::new(&mut self.inner).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.gone += written,
            }
        }
        self.gone = 0;
        if self.gathered.capacity() > 0 {
            // An idle connection holds none.
            self.pool.give(std::mem::take(&mut self.gathered));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.gathered.len() + bytes.len() > GATHER_MOST {
            ready!(this.poll_drain(context))?;
        }
        if this.gathered.capacity() == 0 {
            this.gathered = this.pool.take(GATHER_MOST);
        }
        let taken = bytes.get(..GATHER_MOST - this.gathered.len()).unwrap_or(bytes);
        this.gathered.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_written_goes_with_the_flush_in_order_and_whole() {
        let (ours, mut theirs) = tokio::io::duplex(1000);
        let mut gather = Gather::new(ours, &Arc::new(Pool::new()));
        gather.write_all(b"two ").await.expect("gathered");
        gather.write_all(b"writes").await.expect("gathered");
        assert_eq!(gather.gathered, b"two writes");
        gather.flush().await.expect("there is room");
        assert_eq!(gather.gathered.capacity(), 0);
        let mut read = [0; 10];
        theirs.read_exact(&mut read).await.expect("flushed");
        assert_eq!(&read, b"two writes");

        let long: Vec<u8> = (0..=255).cycle().take(3 * GATHER_MOST).collect();
        let writing = async {
            gather.write_all(&long).await.expect("somebody reads");
            gather.shutdown().await.expect("somebody reads");
        };
        let mut heard = Vec::new();
        let (_, read) = tokio::join!(writing, theirs.read_to_end(&mut heard));
        assert_eq!((read.expect("an end"), heard), (long.len(), long));
    }
}
