//! A client's data connection and its peer's, once they belong together (RFC 6062, section 5.4).
//!
//! Either direction holds one buffer, and reads only when all of it is written: who reads slowly
//! slows the other side down, as do the rates of the allocation, and nothing is lost. Ends pass
//! through as they are: half of one side for the same half of the other, and a reset as a reset, so
//! that nobody takes what was broken off for what was finished. The end of the allocation closes
//! both sides, as an end.

use std::io;
use std::time::Duration;

use confer_turn_core::Toll;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::intake::Intake;
use crate::pool::Pool;
use crate::stats::Counters;

/// What is counted of a stream, and how fast it may go.
#[derive(Clone, Copy)]
pub(super) struct Dues<'s> {
    pub(super) toll: &'s Toll,
    pub(super) counters: &'s Counters,
}

/// Carries both ways until both directions have ended, or one was broken off. `early` is what came
/// with the client's ConnectionBind.
pub(super) async fn splice<S: AsyncRead + AsyncWrite>(
    (from_client, to_client): (&mut ReadHalf<S>, &mut WriteHalf<S>),
    early: Intake,
    peer: &mut TcpStream,
    pool: &Pool,
    dues: Dues<'_>,
) -> io::Result<()> {
    let (mut from_peer, mut to_peer) = peer.split();
    let none = Intake::new(pool, &[]);
    let Dues { toll, counters } = dues;
    let sent = |bytes| {
        counters.carried(bytes);
        toll.sent(bytes, Instant::now().into_std())
    };
    let received = |bytes| {
        counters.carried(bytes);
        toll.received(bytes, Instant::now().into_std())
    };
    let there = carry(early, from_client, &mut to_peer, pool, sent);
    let back = carry(none, &mut from_peer, to_client, pool, received);
    tokio::try_join!(there, back)?;
    Ok(())
}

/// Carries one way. `pay` counts bytes and says how long they wait.
async fn carry<R, W>(
    mut bytes: Intake,
    from: &mut R,
    to: &mut W,
    pool: &Pool,
    pay: impl Fn(usize) -> Duration,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        if !bytes.bytes().is_empty() {
            let wait = pay(bytes.bytes().len());
            if !wait.is_zero() {
                sleep(wait).await;
            }
            to.write_all(bytes.bytes()).await?;
            to.flush().await?;
            bytes.clear();
        }
        if bytes.fill(pool, from).await? == 0 {
            return to.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_too_fast_waits_and_loses_nothing() {
        let pool = Pool::new();
        let sent = [7; 40_000];
        let (mut client, mut from) = tokio::io::duplex(sent.len());
        let (mut to, mut peer) = tokio::io::duplex(2 * sent.len());
        client.write_all(&sent).await.expect("there is room");
        drop(client);
        let begun = Instant::now();
        // A thousand bytes a second.
        let pay = |bytes| Duration::from_millis(bytes as u64);
        let carried = carry(Intake::new(&pool, b"early"), &mut from, &mut to, &pool, pay);
        carried.await.expect("both are there");
        assert_eq!(begun.elapsed().as_secs(), 40);
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.expect("it has ended");
        assert_eq!(heard, [b"early", &sent[..]].concat());
    }
}
