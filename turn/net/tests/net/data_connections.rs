//! What passes between a client and a peer over TCP (RFC 6062): whole, in order, and with the ends
//! that either of them gave it, over TCP and over TLS.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use confer_turn_core::message::{Class, Method, Writer, attribute};
use confer_turn_net::{Certificate, Running, Transport, TurnHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Answer, Client, Stream, Way, tcp};
use crate::support::{PATIENCE, V4, certificate, connector, relay};

const STREAMS: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A client with a TCP allocation.
struct World {
    handle: TurnHandle,
    running: Running,
    shown: Certificate,
    control: Client,
    relayed: SocketAddr,
}

impl World {
    async fn new() -> Self {
        let shown = certificate("shown");
        let given = Some(shown.clone());
        let (handle, running) = relay(|config| config.certificate = given).await;
        let mut control = Client::connect(&handle, Transport::Tcp).await;
        let allocated = control.request(Method::Allocate, tcp).await;
        let relayed = allocated.address(attribute::XOR_RELAYED_ADDRESS);
        control.permit(SocketAddr::new(V4, 1)).await;
        Self { handle, running, shown, control, relayed }
    }

    /// A peer that connects, and its connection's number.
    async fn peer(&mut self) -> (TcpStream, u32) {
        let peer = TcpStream::connect(self.relayed).await.expect("a relayed address");
        let attempt = Answer(self.control.hear().await);
        (peer, attempt.number(attribute::CONNECTION_ID))
    }

    /// A connection of the client that resets when it is dropped early.
    async fn connect(&self, transport: Transport) -> Client {
        let tcp = TcpStream::connect(self.handle.listening()[0]).await.expect("it listens");
        tcp.set_zero_linger().expect("connected");
        Client::new(Way::Stream(match transport {
            Transport::Tls => {
                let name = "localhost".try_into().expect("a name");
                let connecting = connector(&[&self.shown]).connect(name, tcp);
                Box::new(connecting.await.expect("a trusted certificate"))
            }
            _ => Box::new(tcp),
        }))
    }

    /// What binds a connection, as the next thing that the client would say on its own.
    async fn binding(data: &mut Client, id: u32) -> Vec<u8> {
        let bind = |writer: &mut Writer<'_>| {
            writer.number(attribute::CONNECTION_ID, id);
        };
        let challenge = data.ask(Method::ConnectionBind, bind).await;
        data.nonce = challenge.attribute(attribute::NONCE).expect("a challenge");
        data.written(Method::ConnectionBind, bind)
    }

    async fn bound(&self, transport: Transport, id: u32) -> Box<dyn Stream> {
        let mut data = self.connect(transport).await;
        let request = Self::binding(&mut data, id).await;
        data.send(&request).await;
        assert_eq!(Answer(data.hear().await).error(), None);
        stream(data)
    }

    /// A client and a peer that belong together, and have said hello.
    async fn pair(&mut self, transport: Transport) -> (Box<dyn Stream>, TcpStream) {
        let (mut peer, id) = self.peer().await;
        let mut data = self.bound(transport, id).await;
        data.write_all(b"hello").await.expect("connected");
        data.flush().await.expect("connected");
        assert_eq!(read(&mut peer, 5).await, b"hello");
        (data, peer)
    }
}

fn stream(client: Client) -> Box<dyn Stream> {
    let Way::Stream(stream) = client.way else { panic!("a stream") };
    stream
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin), length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let reading = tokio::time::timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    reading.expect("it comes").expect("connected");
    bytes
}

/// All until the end, or how it broke off.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    reading.expect("it ends").map(|_| bytes).map_err(|error| error.kind())
}

/// Bytes of which none is like its neighbours of any round distance.
fn counted(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn what_follows_a_bind_in_one_segment_reaches_the_peer_first_and_whole() {
    let mut world = World::new().await;
    for transport in STREAMS {
        let (mut peer, id) = world.peer().await;
        let mut data = world.connect(transport).await;
        let bind = World::binding(&mut data, id).await;
        // Another request before it, whose answer is not the one that tells.
        let mut pipelined = Vec::new();
        Writer::begin(&mut pipelined, Class::Request, Method::Binding, &[9; 12]);
        pipelined.extend(&bind);
        let sent = counted(100_000);
        // The beginning looks like nothing of TURN's.
        pipelined.extend(&sent[200..]);
        data.send(&pipelined).await;
        assert_eq!(read(&mut peer, sent.len() - 200).await, sent[200..]);
        assert_eq!(Answer(data.hear().await).method(), Some(Method::Binding));
        assert_eq!(Answer(data.hear().await).method(), Some(Method::ConnectionBind));
        peer.write_all(b"heard").await.expect("connected");
        assert_eq!(read(&mut stream(data), 5).await, b"heard");
    }
    world.running.stop().await;
}

#[tokio::test]
async fn what_passes_in_streams_is_told_of_the_allocation_and_of_the_relay() {
    let mut world = World::new().await;
    let (mut data, mut peer) = world.pair(Transport::Tcp).await;
    peer.write_all(b"hi").await.expect("connected");
    assert_eq!(read(&mut data, 2).await, b"hi");
    let sessions = world.handle.sessions().await;
    let traffic = sessions.first().expect("the control connection's").traffic;
    assert_eq!((traffic.sent_bytes, traffic.received_bytes), (5, 2));
    assert_eq!(world.handle.stats().relayed_bytes, 7);
    world.running.stop().await;
}

#[tokio::test]
async fn a_bind_that_is_refused_leaves_the_connection_to_its_client() {
    let world = World::new().await;
    for transport in STREAMS {
        let mut data = world.connect(transport).await;
        let mut pipelined = World::binding(&mut data, 0xdead).await;
        Writer::begin(&mut pipelined, Class::Request, Method::Binding, &[9; 12]);
        data.send(&pipelined).await;
        assert_eq!(Answer(data.hear().await).error(), Some(400));
        assert_eq!(Answer(data.hear().await).method(), Some(Method::Binding));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn what_a_peer_sends_before_it_is_bound_arrives_first_and_whole() {
    let mut world = World::new().await;
    for transport in STREAMS {
        // Far more than is kept for it: the rest waits at the peer.
        let sent = Arc::new(counted(12_000_000));
        let (mut peer, id) = world.peer().await;
        let speaking = tokio::spawn({
            let sent = Arc::clone(&sent);
            async move {
                peer.write_all(&sent).await.expect("connected");
                peer
            }
        });
        let mut data = world.connect(transport).await;
        let bind = World::binding(&mut data, id).await;
        assert!(!speaking.is_finished(), "more than the system keeps");
        data.send(&bind).await;
        assert_eq!(Answer(data.hear().await).error(), None);
        let mut data = stream(data);
        assert!(read(&mut data, sent.len()).await == *sent, "whole and in order");
        drop(speaking.await.expect("it was all taken"));
        assert_eq!(rest(&mut data).await, Ok(vec![]));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn a_peer_that_has_said_all_before_it_is_bound_is_heard() {
    let mut world = World::new().await;
    for transport in STREAMS {
        let (mut peer, id) = world.peer().await;
        peer.write_all(b"all I have to say").await.expect("connected");
        peer.shutdown().await.expect("connected");
        let mut data = world.bound(transport, id).await;
        assert_eq!(rest(&mut data).await, Ok(b"all I have to say".to_vec()));
        // It only said that it has nothing more to say.
        data.write_all(b"an answer").await.expect("connected");
        data.shutdown().await.expect("connected");
        assert_eq!(rest(&mut peer).await, Ok(b"an answer".to_vec()));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn who_has_finished_still_hears_the_other_to_its_end() {
    let mut world = World::new().await;
    let long = counted(1_000_000);
    for transport in STREAMS {
        let (mut data, mut peer) = world.pair(transport).await;
        data.write_all(b"a question").await.expect("connected");
        data.shutdown().await.expect("connected");
        assert_eq!(rest(&mut peer).await, Ok(b"a question".to_vec()));
        let speaking = async {
            peer.write_all(&long).await.expect("the other half is open");
            peer.shutdown().await.expect("the other half is open");
        };
        let (_, heard) = tokio::join!(speaking, rest(&mut data));
        assert!(heard.as_ref() == Ok(&long));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn a_connection_that_a_peer_breaks_off_is_no_end_for_the_client() {
    let mut world = World::new().await;
    for (transport, heard) in
        [(Transport::Tcp, ErrorKind::ConnectionReset), (Transport::Tls, ErrorKind::UnexpectedEof)]
    {
        let (mut data, peer) = world.pair(transport).await;
        peer.set_zero_linger().expect("connected");
        drop(peer);
        assert_eq!(rest(&mut data).await, Err(heard));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn a_connection_that_a_client_breaks_off_is_no_end_for_the_peer() {
    let mut world = World::new().await;
    for transport in STREAMS {
        let (data, mut peer) = world.pair(transport).await;
        drop(data);
        assert_eq!(rest(&mut peer).await, Err(ErrorKind::ConnectionReset));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn a_slow_client_slows_its_peer_down_and_loses_nothing() {
    /// More than all sockets on the way hold together.
    const HELD_MOST: usize = 24 << 20;
    const LENGTH: usize = 48 << 20;
    let mut world = World::new().await;
    for transport in STREAMS {
        let (mut data, mut peer) = world.pair(transport).await;
        let written = Arc::new(AtomicUsize::new(0));
        let speaking = tokio::spawn({
            let written = Arc::clone(&written);
            async move {
                let bytes = counted(LENGTH);
                for part in bytes.chunks(1 << 16) {
                    peer.write_all(part).await.expect("connected");
                    written.fetch_add(part.len(), Ordering::Relaxed);
                }
            }
        });
        // Time enough for the peer to have written all of it, if somebody took it.
        let mut turns = 0;
        while turns < 2_000 {
            let before = written.load(Ordering::Relaxed);
            tokio::task::yield_now().await;
            turns = if written.load(Ordering::Relaxed) == before { turns + 1 } else { 0 };
        }
        assert!(written.load(Ordering::Relaxed) < HELD_MOST, "it waits for the client");
        assert!(read(&mut data, LENGTH).await == counted(LENGTH));
        speaking.await.expect("it was all taken");
        assert_eq!(rest(&mut data).await, Ok(vec![]));
    }
    world.running.stop().await;
}
