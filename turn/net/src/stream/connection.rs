//! One client connection: whole frames in, frames out (RFC 8656, section 12.5), until it ends or
//! becomes a peer's (RFC 6062, section 4.3).

use std::sync::Arc;

use bytes::BytesMut;
use confer_turn_core::frame::{NotTurn, WholeFrames, stream_frame_length, whole_frames};
use confer_turn_core::{FiveTuple, Transport, owner};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, copy_bidirectional,
    join,
};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Streams;
use super::patience::Patience;
use crate::link::{Inbound, Link};
use crate::queue::{Outbound, QueueEnd, queue};

/// Bytes read at once, and held by a connection that is idle.
const READ_BUFFER: usize = 2048;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By the client, or because everything ends.
    Closed,
    /// By us: it was silent, took nothing, or was not TURN.
    Cut,
}

pub(super) struct Connection<'s> {
    streams: &'s Streams,
    tuple: FiveTuple,
    /// The thread it belongs to.
    home: usize,
    /// Told when an answer was written.
    answered: Notify,
}

/// Why writing ended.
enum Written {
    Closed,
    Cut,
    Spliced { peer: TcpStream, stop: CancellationToken },
}

impl<'s> Connection<'s> {
    pub(super) fn new(streams: &'s Streams, tuple: FiveTuple, home: usize) -> Self {
        Self { streams, tuple, home, answered: Notify::new() }
    }

    pub(super) async fn serve<S>(mut self, stream: S, first: Vec<u8>, deadline: Instant) -> Ended
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let (outbound, mut frames) = queue();
        // Where it belongs shows with its first frame.
        let mut bytes = BytesMut::from(first.as_slice());
        let (mut reader, mut writer) = tokio::io::split(stream);
        if self.streams.links.len() > 1 {
            match self.first_frame(&mut reader, &mut bytes, deadline).await {
                Ok(named) => self.home = named.unwrap_or(self.home),
                Err(ended) => return ended,
            }
        }
        let limits = &self.streams.limits;
        let patience = Patience::new(limits, deadline, Arc::clone(&frames.holds), Instant::now());
        let tuple = self.tuple;
        if !self.link().send(Inbound::Connected { tuple, outbound }).await {
            return Ended::Closed;
        }
        let written = tokio::select! {
            written = self.write_frames(&mut writer, &mut frames) => written,
            ended = self.read_frames(&mut reader, &mut bytes, patience) => match ended {
                Ended::Closed => Written::Closed,
                Ended::Cut => Written::Cut,
            },
        };
        let ended = match written {
            Written::Closed => Ended::Closed,
            Written::Cut => Ended::Cut,
            Written::Spliced { peer, stop } => {
                let spliced = splice((reader, writer), bytes, peer);
                // Whichever ends it, both sides are closed.
                let _ended = stop.run_until_cancelled(spliced).await;
                Ended::Closed
            }
        };
        self.link().send(Inbound::Disconnected { tuple }).await;
        ended
    }

    fn link(&self) -> &Link {
        // `home` is an index of `links`, which is never empty.
        &self.streams.links[self.home]
    }

    /// Waits for the first frame; says which thread it names.
    async fn first_frame<R: AsyncRead + Unpin>(
        &self,
        reader: &mut R,
        bytes: &mut BytesMut,
        deadline: Instant,
    ) -> Result<Option<usize>, Ended> {
        loop {
            match stream_frame_length(bytes) {
                Ok(Some(length)) if bytes.len() >= length => {
                    let named = bytes.get(..length).and_then(owner).map(usize::from);
                    return Ok(named.filter(|thread| *thread < self.streams.links.len()));
                }
                Ok(_) => {}
                Err(_) => return Err(Ended::Cut),
            }
            match timeout_at(deadline, reader.read_buf(bytes)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Err(Ended::Closed),
                Err(_elapsed) => return Err(Ended::Cut),
            }
        }
    }

    async fn read_frames<R: AsyncRead + Unpin>(
        &self,
        reader: &mut R,
        bytes: &mut BytesMut,
        mut patience: Patience<'_>,
    ) -> Ended {
        loop {
            while let Some(WholeFrames { length, binds }) = match whole_frames(bytes) {
                Ok(whole) => whole,
                Err(NotTurn) => return Ended::Cut,
            } {
                patience.hear(Instant::now());
                let answered = self.answered.notified();
                // The thread gives the buffer back by dropping its part, and the next `reserve`
                // takes it again.
                let frames = bytes.split_to(length);
                if length > READ_BUFFER {
                    // It grew for this one. An idle connection shall not hold it.
                    *bytes = BytesMut::from(bytes.as_ref());
                }
                // Back-pressure instead of loss: the sender's TCP slows down.
                let tuple = self.tuple;
                if !self.link().send(Inbound::Frames { tuple, frames }).await {
                    return Ended::Closed;
                }
                if binds {
                    // What follows may be the peer's: the answer tells. A stranger may get none.
                    if timeout(self.streams.limits.greeting, answered).await.is_err() {
                        return Ended::Cut;
                    }
                }
            }
            if bytes.capacity() - bytes.len() < READ_BUFFER / 2 {
                bytes.reserve(READ_BUFFER);
            }
            let deadline = patience.deadline(Instant::now());
            match timeout_at(deadline, reader.read_buf(bytes)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Ended::Closed,
                // It may have come to hold something meanwhile.
                Err(_elapsed) if patience.deadline(Instant::now()) > deadline => {}
                Err(_elapsed) => return Ended::Cut,
            }
        }
    }

    async fn write_frames<W: AsyncWrite + Unpin>(
        &self,
        writer: &mut W,
        frames: &mut QueueEnd,
    ) -> Written {
        while let Some(next) = frames.next().await {
            let (bytes, splice) = match next {
                Outbound::Frames(bytes) => (bytes, None),
                Outbound::Splice { answer, peer, stop } => (answer, Some((peer, stop))),
            };
            let last = frames.is_empty() || splice.is_some();
            let writing = async {
                match self.tuple.transport {
                    // A frame for each record: some clients take a record for a frame, coturn's
                    // among them.
                    Transport::Tls => {
                        for frame in each_frame(&bytes) {
                            writer.write_all(frame).await?;
                        }
                    }
                    Transport::Udp | Transport::Tcp | Transport::Dtls => {
                        writer.write_all(&bytes).await?;
                    }
                }
                if last { writer.flush().await } else { Ok(()) }
            };
            match timeout(self.streams.limits.stalled, writing).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Written::Closed,
                Err(_elapsed) => return Written::Cut,
            }
            if let Some((peer, stop)) = splice {
                return Written::Spliced { peer, stop };
            }
            self.answered.notify_waiters();
        }
        Written::Closed
    }
}

/// The frames of a run of ours.
fn each_frame(run: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let length = stream_frame_length(rest).ok().flatten().unwrap_or(rest.len());
        let (frame, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        (!frame.is_empty()).then_some(frame)
    })
}

/// Copies both ways, in buffers of fixed size, until one side ends.
async fn splice<S>(
    (reader, writer): (ReadHalf<S>, WriteHalf<S>),
    early: BytesMut,
    mut peer: TcpStream,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    peer.write_all(&early).await?;
    drop(early);
    copy_bidirectional(&mut join(reader, writer), &mut peer).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_apart_into_its_frames() {
        // ChannelData of three bytes, padded, and of four.
        let run = [0x40, 0, 0, 3, 1, 2, 3, 0, 0x40, 1, 0, 4, 1, 2, 3, 4];
        let frames: Vec<&[u8]> = each_frame(&run).collect();
        assert_eq!(frames, [&run[..8], &run[8..]]);
        assert_eq!(each_frame(&[]).count(), 0);
    }
}
