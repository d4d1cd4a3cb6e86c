//! A client's data connection and its peer's, once they belong together (RFC 6062, section 5.4).
//!
//! Either direction holds one buffer, and reads only when all of it is written: who reads slowly
//! slows the other side down, and nothing is lost. Ends pass through as they are: half of one side
//! for the same half of the other, and a reset as a reset, so that nobody takes what was broken off
//! for what was finished.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::intake::Intake;
use crate::pool::Pool;

/// Carries both ways until both directions have ended, or one was broken off. `early` is what came
/// with the client's ConnectionBind.
pub(super) async fn splice<S: AsyncRead + AsyncWrite>(
    (from_client, to_client): (&mut ReadHalf<S>, &mut WriteHalf<S>),
    early: Intake,
    peer: &mut TcpStream,
    pool: &Pool,
) -> io::Result<()> {
    let (mut from_peer, mut to_peer) = peer.split();
    let none = Intake::new(pool, &[]);
    let there = carry(early, from_client, &mut to_peer, pool);
    let back = carry(none, &mut from_peer, to_client, pool);
    tokio::try_join!(there, back)?;
    Ok(())
}

async fn carry<R, W>(mut bytes: Intake, from: &mut R, to: &mut W, pool: &Pool) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        if !bytes.bytes().is_empty() {
            to.write_all(bytes.bytes()).await?;
            to.flush().await?;
            bytes.clear();
        }
        if bytes.fill(pool, from).await? == 0 {
            return to.shutdown().await;
        }
    }
}
