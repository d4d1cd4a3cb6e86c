//! One client connection: whole frames in, frames out (RFC 8656, section 12.5), until it ends or
//! becomes a peer's (RFC 6062, section 4.3).

use std::sync::{Arc, Weak};

use confer_turn_core::FiveTuple;
use confer_turn_core::frame::{NotTurn, WholeFrames, stream_frame_length, whole_frames};
use confer_turn_core::owner;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::intake::Intake;
use super::patience::Patience;
use super::splice::{Dues, splice};
use super::{Streams, frames};
use crate::link::{Inbound, Link};
use crate::queue::{Outbound, QueueEnd, Splice, queue};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By the client, or because everything ends.
    Closed,
    /// By us: it was silent, took nothing, or was not TURN.
    Cut,
}

/// What a stream is besides something to read and write.
pub(super) struct Way<S> {
    /// What the thread may write to by itself.
    pub(super) direct: Weak<OwnedWriteHalf>,
    /// Closes it so that the other side does not take that for an end.
    pub(super) break_off: fn(S),
}

impl<S> Way<S> {
    /// Something around a connection, which alone may write to that. Over TLS, an end without a
    /// goodbye is none (RFC 8446, section 6.1).
    pub(super) const WRAPPED: Self = Self { direct: Weak::new(), break_off: drop };
}

pub(super) struct Connection<'s> {
    streams: &'s Streams,
    tuple: FiveTuple,
    /// The thread it belongs to.
    home: usize,
    /// Told when the refusal of a ConnectionBind was written.
    refused: Notify,
}

/// Why reading and writing frames ended.
enum Framed {
    Ended(Ended),
    Spliced(Box<Splice>),
}

impl<'s> Connection<'s> {
    pub(super) fn new(streams: &'s Streams, tuple: FiveTuple, home: usize) -> Self {
        Self { streams, tuple, home, refused: Notify::new() }
    }

    /// Serves a stream of which `first` was read already.
    pub(super) async fn serve<S>(
        mut self,
        stream: S,
        first: &[u8],
        deadline: Instant,
        way: Way<S>,
    ) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut intake = Intake::new(&self.link().pool, first);
        let (mut reader, mut writer) = tokio::io::split(stream);
        // Where it belongs shows with its first frame.
        if self.streams.links.len() > 1 {
            match self.first_frame(&mut reader, &mut intake, deadline).await {
                Ok(named) => self.home = named.unwrap_or(self.home),
                Err(ended) => return ended,
            }
        }
        let (outbound, mut frames) = queue(&self.link().pool, way.direct);
        let limits = &self.streams.limits;
        let patience = Patience::new(limits, deadline, Arc::clone(&frames.holds), Instant::now());
        let tuple = self.tuple;
        if !self.link().send(Inbound::Connected { tuple, outbound }).await {
            return Ended::Closed;
        }
        let framed = tokio::select! {
            framed = self.write_frames(&mut writer, &mut frames) => framed,
            ended = self.read_frames(&mut reader, &mut intake, patience) => Framed::Ended(ended),
        };
        let ended = match framed {
            Framed::Ended(ended) => ended,
            Framed::Spliced(spliced) => {
                let Splice { mut peer, stop, toll, counters, .. } = *spliced;
                let pool = &self.link().pool;
                let dues = Dues { toll: &toll, counters: &counters };
                let splicing = splice((&mut reader, &mut writer), intake, &mut peer, pool, dues);
                // When the allocation ends, both sides are closed.
                let spliced = stop.run_until_cancelled(splicing).await;
                if matches!(spliced, Some(Err(_))) {
                    (way.break_off)(reader.unsplit(writer));
                    // A peer that cannot be told so hears an end, as it would without us.
                    let _ = peer.set_zero_linger();
                }
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
        intake: &mut Intake,
        deadline: Instant,
    ) -> Result<Option<usize>, Ended> {
        loop {
            let bytes = intake.bytes();
            match stream_frame_length(bytes) {
                Ok(Some(length)) if bytes.len() >= length => {
                    let named = bytes.get(..length).and_then(owner).map(usize::from);
                    return Ok(named.filter(|thread| *thread < self.streams.links.len()));
                }
                Ok(_) => {}
                Err(_) => return Err(Ended::Cut),
            }
            match timeout_at(deadline, intake.fill(&self.link().pool, reader)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Err(Ended::Closed),
                Err(_elapsed) => return Err(Ended::Cut),
            }
        }
    }

    async fn read_frames<R: AsyncRead + Unpin>(
        &self,
        reader: &mut R,
        intake: &mut Intake,
        mut patience: Patience<'_>,
    ) -> Ended {
        let link = self.link();
        loop {
            while let Some(WholeFrames { length, binds }) = match whole_frames(intake.bytes()) {
                Ok(whole) => whole,
                Err(NotTurn) => return Ended::Cut,
            } {
                patience.hear(Instant::now());
                // The thread gives the buffer back to the pool.
                let frames = intake.take(&link.pool, length);
                // Back-pressure instead of loss: the sender's TCP slows down.
                let tuple = self.tuple;
                if !link.send(Inbound::Frames { tuple, frames }).await {
                    return Ended::Closed;
                }
                if binds {
                    // What follows may be the peer's: the answer tells. A stranger may get none.
                    let refused = self.refused.notified();
                    if timeout(self.streams.limits.greeting, refused).await.is_err() {
                        return Ended::Cut;
                    }
                }
            }
            let deadline = patience.deadline(Instant::now());
            match timeout_at(deadline, intake.fill(&link.pool, reader)).await {
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
        batch: &mut QueueEnd,
    ) -> Framed {
        let stalled = self.streams.limits.stalled;
        while batch.next().await {
            if let Err(ended) = frames::write(writer, self.tuple.transport, batch, stalled).await {
                return Framed::Ended(ended);
            }
            match batch.written() {
                Some(Outbound::Splice(splice)) => return Framed::Spliced(splice),
                Some(Outbound::BindRefused) => self.refused.notify_one(),
                Some(Outbound::Frames(_)) | None => {}
            }
        }
        Framed::Ended(Ended::Closed)
    }
}
