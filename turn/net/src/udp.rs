use std::net::SocketAddr;
use std::sync::Arc;

use confer_turn_core::{FiveTuple, Transport};
use tokio::net::UdpSocket;

use crate::{Inbound, StartError, World};

/// Largest datagram there is.
pub(crate) const DATAGRAM_LIMIT: usize = 65_535;

pub(crate) async fn bind(address: SocketAddr) -> Result<UdpSocket, StartError> {
    UdpSocket::bind(address).await.map_err(|cause| StartError::Listen { address, cause })
}

/// Hands every datagram of clients to the driver.
pub(crate) fn spawn_reader(socket: Arc<UdpSocket>, server: SocketAddr, world: &World) {
    let (inbound, stats, stop) = (world.inbound.clone(), world.stats.clone(), world.stop.clone());
    world.tasks.spawn(stop.run_until_cancelled_owned(async move {
        let mut buffer = vec![0; DATAGRAM_LIMIT];
        loop {
            // Errors here are about single datagrams (ICMP), never about the socket.
            let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
            let tuple = FiveTuple { client, server, transport: Transport::Udp };
            let packet = buffer[..length].to_vec();
            stats.queued(inbound.try_send(Inbound::Client { tuple, packet }));
        }
    }));
}
