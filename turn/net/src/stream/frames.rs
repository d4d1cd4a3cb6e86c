//! Frames on their way to a client (RFC 8656, section 12.5).

use std::io::{self, IoSlice};
use std::time::Duration;

use confer_turn_core::Transport;
use confer_turn_core::frame::stream_frame_length;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connection::Ended;
use crate::queue::{BATCH, QueueEnd};

/// Writes the runs of a batch. A client that takes nothing for as long as `stalled` is cut off.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    transport: Transport,
    batch: &QueueEnd,
    stalled: Duration,
) -> Result<(), Ended> {
    match transport {
        // A frame for each record: some clients take a record for a frame, coturn's among them.
        Transport::Tls => {
            for frame in batch.runs().flat_map(each_frame) {
                patiently(stalled, writer.write_all(frame)).await?;
            }
            patiently(stalled, writer.flush()).await
        }
        Transport::Udp | Transport::Tcp | Transport::Dtls => {
            let mut slices = [IoSlice::new(&[]); BATCH];
            let mut count = 0;
            for (slice, run) in slices.iter_mut().zip(batch.runs()) {
                *slice = IoSlice::new(run);
                count += 1;
            }
            let mut rest = slices.get_mut(..count).unwrap_or_default();
            while !rest.is_empty() {
                let written = patiently(stalled, writer.write_vectored(rest)).await?;
                if written == 0 {
                    return Err(Ended::Closed);
                }
                IoSlice::advance_slices(&mut rest, written);
            }
            patiently(stalled, writer.flush()).await
        }
    }
}

async fn patiently<T>(
    stalled: Duration,
    writing: impl Future<Output = io::Result<T>>,
) -> Result<T, Ended> {
    match timeout(stalled, writing).await {
        Ok(written) => written.map_err(|_| Ended::Closed),
        Err(_elapsed) => Err(Ended::Cut),
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::pool::Pool;
    use crate::queue::queue;

    #[test]
    fn a_run_is_taken_apart_into_its_frames() {
        // ChannelData of three bytes, padded, and of four.
        let run = [0x40, 0, 0, 3, 1, 2, 3, 0, 0x40, 1, 0, 4, 1, 2, 3, 4];
        let frames: Vec<&[u8]> = each_frame(&run).collect();
        assert_eq!(frames, [&run[..8], &run[8..]]);
        assert_eq!(each_frame(&[]).count(), 0);
    }

    #[tokio::test]
    async fn a_batch_arrives_whole_however_little_is_taken_at_once() {
        const STALLED: Duration = Duration::from_secs(30);
        for transport in [Transport::Tcp, Transport::Tls] {
            let (queue, mut batch) = queue(&Arc::new(Pool::new()), Weak::new());
            let run = [0x40, 0, 0, 3, 1, 2, 3, 0];
            assert!((0..BATCH).all(|_| queue.frames(&run)));
            assert!(batch.next().await);
            // Three bytes at a time.
            let (mut ours, mut theirs) = tokio::io::duplex(3);
            let mut heard = vec![0; BATCH * run.len()];
            let (written, read) = tokio::join!(
                write(&mut ours, transport, &batch, STALLED),
                theirs.read_exact(&mut heard)
            );
            assert!(written.is_ok() && read.is_ok());
            assert_eq!(heard, run.repeat(BATCH));
        }
    }
}
