//! Relayed TCP addresses (RFC 6062): peers connect to them, and are connected to from them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use confer_turn_core::ConnectFailure;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime;
use tokio::task::AbortHandle;

use crate::link::{Inbound, Link};

/// Peers whose connection is not taken yet.
const BACKLOG: i32 = 16;
/// How long a peer may take to answer; the core gives up after 30 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(25);
/// Breath after a failed accept, which usually means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A relayed TCP address that peers can connect to.
pub(crate) struct TcpRelay {
    local: SocketAddr,
    accepting: AbortHandle,
}

impl TcpRelay {
    pub(crate) fn open(
        local: SocketAddr,
        relayed: SocketAddr,
        link: Link,
        runtime: &runtime::Handle,
    ) -> io::Result<Self> {
        // Says whether the port is free, which the options below would hide.
        socket(local)?.bind(&local.into())?;
        let listener = socket(local)?;
        // Peers are connected to from this same port while it listens.
        listener.set_reuse_address(true)?;
        listener.set_reuse_port(true)?;
        listener.bind(&local.into())?;
        listener.listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        let _context = runtime.enter();
        let listener = TcpListener::from_std(listener.into())?;
        let accepting = runtime.spawn(accept(listener, relayed, link)).abort_handle();
        Ok(Self { local, accepting })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for TcpRelay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, relayed: SocketAddr, link: Link) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if !link.send(Inbound::PeerIncoming { relayed, peer, stream }).await {
            return;
        }
    }
}

/// Connects to a peer from a relayed address.
pub(crate) async fn connect(
    local: SocketAddr,
    peer: SocketAddr,
) -> Result<TcpStream, ConnectFailure> {
    let connecting = async {
        let socket = if peer.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(true)?;
        socket.bind(local)?;
        socket.connect(peer).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|_: io::Error| ConnectFailure::Refused),
        Err(_elapsed) => Err(ConnectFailure::TimedOut),
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}
