//! Clients over TCP and TLS that read more slowly than their peers send.

use confer_turn_net::Transport;
use tokio::net::{TcpSocket, UdpSocket};

use super::Bystander;
use crate::client::{Client, Way};
use crate::support::{V4, certificate, connector, relay};

/// What is lost before the client begins to read.
const LOST: u64 = 500;
/// Packets that may wait for it, here and in the system: the queue and UNSENT_MOST, and some more.
const LATE_MOST: u64 = 1_000;
/// Packets between two looks at somebody else.
const ROUND: u32 = 200;

#[tokio::test]
async fn what_a_slow_client_cannot_take_is_lost_and_counted_and_the_rest_is_whole() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let shown = certificate("shown");
        let given = Some(shown.clone());
        let (handle, running) = relay(|config| config.certificate = given).await;
        let mut bystander = Bystander::calls(&handle, Transport::Tcp).await;

        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("small is always granted");
        let tcp = socket.connect(handle.listening()[0]).await.expect("it listens");
        let mut slow = Client::new(Way::Stream(match transport {
            Transport::Tls => {
                let name = "localhost".try_into().expect("a name");
                Box::new(connector(&[&shown]).connect(name, tcp).await.expect("trusted"))
            }
            _ => Box::new(tcp),
        }));
        let relayed = slow.allocate().await;
        let peer = UdpSocket::bind((V4, 0)).await.expect("a free port");
        slow.bind(0x4000, peer.local_addr().expect("it is bound")).await;

        let before = handle.stats().relayed_packets;
        let (mut sent, mut echoed) = (0_u32, 0);
        while handle.stats().queue_full < LOST {
            for _ in 0..ROUND {
                sent += 1;
                peer.send_to(&numbered(sent), relayed).await.expect("loopback");
            }
            bystander.goes_on().await;
            // There and back.
            echoed += 2;
        }

        let (mut last, mut heard) = (0, 0);
        loop {
            // In this order, because what is lost was relayed before.
            let lost = handle.stats().queue_full;
            let relayed = handle.stats().relayed_packets - before - echoed;
            assert!(heard + lost <= relayed);
            if heard + lost == relayed {
                // Each was heard or counted.
                break;
            }
            let frame = slow.hear().await;
            let number = u32::from_be_bytes(frame[4..8].try_into().expect("four bytes"));
            assert!(number > last && frame[4..] == numbered(number), "whole and in order");
            last = number;
            heard += 1;
        }
        assert!(heard > 0 && last < sent);
        assert!(heard < LATE_MOST, "and what it hears is not long gone by: {heard}");
        bystander.goes_on().await;
        running.stop().await;
    }
}

/// A packet that says which one it is, of a length of its own.
fn numbered(number: u32) -> Vec<u8> {
    let mut packet = number.to_be_bytes().repeat(300 - (number % 7) as usize);
    packet[4] ^= 0xff;
    packet
}
