//! Clients over TCP: frames cut out of the stream (RFC 8656, section 12.5), one task to read and
//! one to write per connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use confer_turn_core::frame::stream_frame_length;
use confer_turn_core::{FiveTuple, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::{Inbound, StartError, World};

/// Frames waiting for a slow client. When full, frames are dropped: media is late, never piled up.
const OUTBOUND_CAPACITY: usize = 256;
/// Largest frame: a ChannelData of 65 535 bytes with header and padding.
const FRAME_LIMIT: usize = 65_544;
/// A connection that says nothing for this long is closed; clients refresh far more often.
const IDLE_LIMIT: Duration = Duration::from_secs(600);
/// Breath after a failed accept, which usually means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|cause| StartError::Listen { address, cause })
}

pub(crate) fn spawn_acceptor(
    listener: TcpListener,
    server: SocketAddr,
    connections: usize,
    world: &World,
) {
    let seats = Arc::new(Semaphore::new(connections));
    let accepting = {
        let world = world.clone();
        async move {
            loop {
                let Ok((stream, client)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let Ok(seat) = seats.clone().try_acquire_owned() else { continue };
                let tuple = FiveTuple { client, server, transport: Transport::Tcp };
                let serving = serve(stream, tuple, world.clone());
                let stop = world.stop.clone();
                world.tasks.spawn(async move {
                    stop.run_until_cancelled(serving).await;
                    drop(seat);
                });
            }
        }
    };
    world.tasks.spawn(world.stop.clone().run_until_cancelled_owned(accepting));
}

async fn serve(stream: TcpStream, tuple: FiveTuple, world: World) {
    // Small frames must not wait for each other; failing to say so costs latency only.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let (outbound, mut frames) = mpsc::channel::<Vec<u8>>(OUTBOUND_CAPACITY);
    if world.inbound.send(Inbound::Connected { tuple, outbound }).await.is_err() {
        return;
    }
    let writing = async {
        while let Some(frame) = frames.recv().await {
            if writer.write_all(&frame).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = read_frames(&mut reader, tuple, &world) => {}
    }
    // The driver forgets the connection also when its queue is full just now.
    let _ = world.inbound.send(Inbound::Disconnected { tuple }).await;
}

async fn read_frames(reader: &mut tokio::net::tcp::OwnedReadHalf, tuple: FiveTuple, world: &World) {
    let mut stream = Vec::with_capacity(4096);
    loop {
        let length = match stream_frame_length(&stream) {
            Ok(Some(length)) if length <= FRAME_LIMIT => length,
            Ok(None) => FRAME_LIMIT,
            Ok(Some(_)) | Err(_) => return,
        };
        if stream.len() >= length {
            let packet: Vec<u8> = stream.drain(..length).collect();
            // Back-pressure instead of loss: the sender's TCP slows down.
            if world.inbound.send(Inbound::Client { tuple, packet }).await.is_err() {
                return;
            }
            continue;
        }
        match tokio::time::timeout(IDLE_LIMIT, reader.read_buf(&mut stream)).await {
            Ok(Ok(1..)) => {}
            Ok(Ok(0) | Err(_)) | Err(_) => return,
        }
    }
}
