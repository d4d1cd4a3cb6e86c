//! A TCP connection that a task reads and waits for, and that the thread may write to by itself: a
//! packet for a client that keeps up needs no task to be woken.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The task's end. The connection lasts as long as this.
pub(super) struct Shared {
    reader: OwnedReadHalf,
    writer: Arc<OwnedWriteHalf>,
}

impl Shared {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader, writer: Arc::new(writer) }
    }

    /// The thread's end.
    pub(super) fn direct(&self) -> Weak<OwnedWriteHalf> {
        Arc::downgrade(&self.writer)
    }

    /// Closes the connection as broken: its other side must not take that for an end.
    pub(super) fn reset(self) {
        let Self { reader, mut writer } = self;
        // If it cannot be, it is broken already.
        let _ = reader.as_ref().set_zero_linger();
        // The thread has it for the time of a write at most.
        loop {
            match Arc::try_unwrap(writer) {
                // Dropped, it would say that this was the end.
                Ok(writer) => return writer.forget(),
                Err(shared) => writer = shared,
            }
            std::thread::yield_now();
        }
    }

    fn poll_write_with(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&OwnedWriteHalf) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.reader.as_ref().poll_write_ready(context))?;
            match write(&self.writer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(context, buffer)
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |writer| writer.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |writer| writer.try_write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(self.reader.as_ref()).shutdown(Shutdown::Write))
    }
}
