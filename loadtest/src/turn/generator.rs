//! One client and one peer on one thread, which keep a relay busy in a known way.
//!
//! Each burst is sent in one call (UDP GSO) and awaited whole before the next, so that what the
//! relay finds at a wake-up is known: one packet, or all of a burst. Waiting is spinning, so that
//! no wake-up of ours is on the relay's bill.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::bail;
use confer_turn_core::client::{Ask, Client, Grant, Heard, channel_data};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

use super::PAYLOAD;
use super::relay::{PASSWORD, Relay, Transport, USER};
use super::stream::Stream;

const CHANNEL: u16 = 0x4000;
/// A burst that has not arrived by then has lost packets.
const PATIENCE: Duration = Duration::from_millis(200);
const MESSAGE: usize = 65_535;
/// Packets of the warm-up.
const WARM_UP: usize = 2_000;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    cpu_nanos: u64,
    sent: u64,
    arrived: u64,
}

impl Measured {
    /// Processor time of the relay per packet that arrived.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn micros(&self) -> f64 {
        self.cpu_nanos as f64 / 1_000.0 / self.arrived.max(1) as f64
    }

    pub(super) fn lost(&self) -> u64 {
        self.sent - self.arrived
    }
}

/// A client with a channel to a peer.
pub(super) struct Load<'r> {
    relay: &'r Relay,
    client: Way,
    peer: End,
    relayed: SocketAddr,
}

/// What the client speaks.
enum Way {
    Datagrams(End),
    Stream(Box<Stream>),
}

impl<'r> Load<'r> {
    pub(super) fn connect(relay: &'r Relay, transport: Transport) -> anyhow::Result<Self> {
        let peer = End::bind()?;
        let mut client = match transport {
            Transport::Udp => Way::Datagrams(End::bind()?),
            Transport::Tcp | Transport::Tls => {
                Way::Stream(Box::new(Stream::connect(relay, transport)?))
            }
        };
        let mut turn = Client::new(USER, PASSWORD, [2; 8]);
        let granted = client.ask(&mut turn, relay.address, Ask::Allocate)?;
        let Some(relayed) = granted.relayed else { bail!("a success without a relayed address") };
        let bind = Ask::Bind { channel: CHANNEL, peer: peer.socket.local_addr()? };
        client.ask(&mut turn, relay.address, bind)?;
        Ok(Self { relay, client, peer, relayed })
    }

    /// Sends bursts in turns from either side until each has sent `packets`.
    pub(super) fn run(&mut self, burst: usize, packets: usize) -> anyhow::Result<Measured> {
        self.send(burst, WARM_UP)?;
        let before = self.relay.cpu_nanos()?;
        let (sent, arrived) = self.send(burst, packets)?;
        let cpu_nanos = self.relay.cpu_nanos()? - before;
        Ok(Measured { cpu_nanos, sent, arrived })
    }

    fn send(&mut self, burst: usize, packets: usize) -> io::Result<(u64, u64)> {
        let payload = [7; PAYLOAD];
        // Of a length that needs no padding on streams.
        let framed = channel_data(CHANNEL, &payload, false);
        let (to_relay, to_relayed) = (framed.repeat(burst), payload.repeat(burst));
        let mut arrived = 0;
        let bursts = packets.div_ceil(burst);
        for _ in 0..bursts {
            self.client.send(self.relay.address, &to_relay, framed.len())?;
            arrived += self.peer.receive(burst);
            self.peer.send(self.relayed, &to_relayed, PAYLOAD);
            arrived += self.client.receive(burst);
        }
        Ok(((2 * bursts * burst) as u64, arrived))
    }
}

impl Way {
    fn ask(&mut self, turn: &mut Client, to: SocketAddr, ask: Ask) -> anyhow::Result<Grant> {
        let packet = turn.ask(ask);
        self.send(to, &packet, packet.len())?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let mut heard = None;
            match self {
                Self::Datagrams(end) => {
                    let mut buffer = [0; 1500];
                    if let Ok(length) = end.socket.recv(&mut buffer) {
                        heard = Some(turn.hear(&buffer[..length]));
                    }
                }
                Self::Stream(stream) => stream.hear(|frame| heard = Some(turn.hear(frame))),
            }
            match heard {
                Some(Heard::Granted(grant)) => return Ok(grant),
                Some(Heard::Again(again)) => self.send(to, &again, again.len())?,
                Some(Heard::Refused(code)) => bail!("{ask:?} was refused with {code}"),
                Some(Heard::Data { .. } | Heard::Other) | None => {}
            }
        }
        bail!("no answer to {ask:?}")
    }

    fn send(&mut self, to: SocketAddr, contents: &[u8], size: usize) -> io::Result<()> {
        match self {
            Self::Datagrams(end) => {
                end.send(to, contents, size);
                Ok(())
            }
            Self::Stream(stream) => stream.send(contents, size),
        }
    }

    /// Spins until that many packets are here or patience ends; says how many came.
    fn receive(&mut self, wanted: usize) -> u64 {
        let stream = match self {
            Self::Datagrams(end) => return end.receive(wanted),
            Self::Stream(stream) => stream,
        };
        let begun = Instant::now();
        let mut arrived = 0;
        while arrived < wanted && begun.elapsed() < PATIENCE {
            stream.hear(|_| arrived += 1);
        }
        arrived as u64
    }
}

/// A socket with its buffers.
struct End {
    socket: UdpSocket,
    state: UdpSocketState,
    buffer: Vec<u8>,
}

impl End {
    fn bind() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Makes it non-blocking and turns UDP GRO on.
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state, buffer: vec![0; MESSAGE * BATCH_SIZE] })
    }

    fn send(&self, destination: SocketAddr, contents: &[u8], size: usize) {
        let segment_size = (contents.len() > size).then_some(size);
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        // What loopback does not take counts as lost.
        let _ = self.state.try_send((&self.socket).into(), &transmit);
    }

    /// Spins until that many packets are here or patience ends; says how many came.
    fn receive(&mut self, wanted: usize) -> u64 {
        let begun = Instant::now();
        let mut arrived = 0;
        while arrived < wanted && begun.elapsed() < PATIENCE {
            let mut messages = self.buffer.chunks_exact_mut(MESSAGE);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
                IoSliceMut::new(messages.next().expect("the buffer holds BATCH_SIZE messages"))
            });
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            match self.state.recv((&self.socket).into(), &mut slices, &mut metas) {
                Ok(count) => {
                    let of = |meta: &RecvMeta| meta.len.div_ceil(meta.stride.max(1));
                    arrived += metas.iter().take(count).map(of).sum::<usize>();
                }
                Err(_) => std::hint::spin_loop(),
            }
        }
        arrived as u64
    }
}
