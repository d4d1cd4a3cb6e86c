//! What was read of a connection and not yet taken: in a small buffer while it is idle, in larger
//! ones while much comes, all of them from the [`Pool`].

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use crate::pool::{Pool, SMALLEST, room};

/// Bytes read before they are looked at: a burst of video. More only of a frame that is longer.
/// It bounds as well what is kept of a client's data that came with its ConnectionBind (RFC 6062,
/// section 5.4); the rest waits at the client.
pub(super) const READ_MOST: usize = SMALLEST << 3;

pub(super) struct Intake {
    bytes: Vec<u8>,
    /// How reading ended, when that was found out behind bytes that came first.
    ended: Option<io::Result<()>>,
}

impl Intake {
    /// Begins with bytes that somebody else has read.
    pub(super) fn new(pool: &Pool, first: &[u8]) -> Self {
        let mut bytes = pool.take(first.len());
        bytes.extend_from_slice(first);
        Self { bytes, ended: None }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the first `length` bytes in their buffer; only what follows them is copied.
    pub(super) fn take(&mut self, pool: &Pool, length: usize) -> Vec<u8> {
        let rest = self.bytes.get(length..).unwrap_or_default();
        let mut next = pool.take(rest.len());
        next.extend_from_slice(rest);
        let mut taken = std::mem::replace(&mut self.bytes, next);
        taken.truncate(length);
        taken
    }

    /// All of it was used where it is.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Reads all that has come, up to [`READ_MOST`], waiting for the first of it; 0 is the end.
    /// Cancel-safe.
    pub(super) async fn fill<R: AsyncRead + Unpin>(
        &mut self,
        pool: &Pool,
        reader: &mut R,
    ) -> io::Result<usize> {
        let before = self.bytes.len();
        poll_fn(|context| self.poll_fill(pool, reader, before, context)).await
    }

    fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        pool: &Pool,
        reader: &mut R,
        before: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(ended) = self.ended.take() {
            return Poll::Ready(ended.map(|()| 0));
        }
        loop {
            let new = self.bytes.len() - before;
            if self.bytes.len() == self.bytes.capacity() {
                if new > 0 && self.bytes.len() >= READ_MOST {
                    return Poll::Ready(Ok(new));
                }
                self.change(pool, self.bytes.len() + 1);
            }
            let read = poll_read_buf(Pin::new(&mut *reader), context, &mut self.bytes);
            if read.is_pending() && new == 0 {
                // Whoever waits holds no more than it must.
                if room(self.bytes.len() + 1) < self.bytes.capacity() {
                    self.change(pool, self.bytes.len() + 1);
                }
                return Poll::Pending;
            }
            match read {
                Poll::Ready(Ok(1..)) => {}
                Poll::Pending => return Poll::Ready(Ok(new)),
                Poll::Ready(ended) if new > 0 => {
                    self.ended = Some(ended.map(drop));
                    return Poll::Ready(Ok(new));
                }
                Poll::Ready(ended) => return Poll::Ready(ended),
            }
        }
    }

    /// Goes on in a buffer with room for so many bytes.
    fn change(&mut self, pool: &Pool, bytes: usize) {
        let mut other = pool.take(bytes);
        other.extend_from_slice(&self.bytes);
        pool.give(std::mem::replace(&mut self.bytes, other));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn much_is_read_at_once_and_little_is_held_while_nothing_comes() {
        let pool = Pool::new();
        let mut intake = Intake::new(&pool, b"first ");
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 20);
        ours.write_all(&[1; 40_000]).await.expect("there is room");
        assert_eq!(intake.fill(&pool, &mut theirs).await.ok(), Some(READ_MOST - 6));
        assert_eq!(intake.take(&pool, READ_MOST).len(), READ_MOST);
        assert_eq!(intake.fill(&pool, &mut theirs).await.ok(), Some(READ_MOST));
        intake.clear();
        assert_eq!(intake.fill(&pool, &mut theirs).await.ok(), Some(40_006 - 2 * READ_MOST));
        drop(intake.take(&pool, 5_000));
        {
            let waiting = intake.fill(&pool, &mut theirs);
            tokio::pin!(waiting);
            assert!(polled_once(waiting.as_mut()).await.is_pending());
        }
        assert_eq!(intake.bytes.capacity(), room(intake.bytes.len() + 1));
        drop(ours);
        assert_eq!(intake.fill(&pool, &mut theirs).await.ok(), Some(0));
    }

    #[tokio::test]
    async fn an_end_comes_after_the_bytes_before_it() {
        let pool = Pool::new();
        let mut intake = Intake::new(&pool, b"");
        let mut reader = b"last words".as_slice();
        assert_eq!(intake.fill(&pool, &mut reader).await.ok(), Some(10));
        assert_eq!(intake.bytes(), b"last words");
        assert_eq!(intake.fill(&pool, &mut reader).await.ok(), Some(0));

        let mut reset = Reset(false);
        let mut intake = Intake::new(&pool, b"");
        assert_eq!(intake.fill(&pool, &mut reset).await.ok(), Some(4));
        assert!(intake.fill(&pool, &mut reset).await.is_err(), "and is not forgotten");
    }

    #[tokio::test]
    async fn a_frame_longer_than_a_read_gets_all_the_room_it_needs() {
        let pool = Pool::new();
        let mut intake = Intake::new(&pool, b"");
        let sent = vec![5; 65_556];
        let mut reader = sent.as_slice();
        while intake.fill(&pool, &mut reader).await.is_ok_and(|count| count > 0) {}
        assert_eq!(intake.bytes(), sent);
    }

    /// Polls once.
    async fn polled_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    /// Four bytes, then a reset.
    struct Reset(bool);

    impl AsyncRead for Reset {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            buffer.put_slice(b"four");
            Poll::Ready(Ok(()))
        }
    }
}
