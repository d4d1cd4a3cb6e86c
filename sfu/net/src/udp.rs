//! One UDP socket: batches in, runs out.
//!
//! Receiving takes up to [`BATCH_SIZE`] messages in one call, each of which may be many datagrams
//! that the kernel put together (UDP GRO). Sending hands over a whole run for one destination
//! (UDP GSO): a datagram's way through the kernel costs twenty times the call, and a run goes that
//! way once. `sendmmsg` saves only calls and is not used. docs/benchmarks.md has the figures.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use confer_sfu_core::io::Transmit;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use socket2::{Domain, Protocol, Socket, Type};

use crate::stats::SocketStats;

/// The longest message the kernel puts together.
const MESSAGE_LEN: usize = 65_535;

/// The longest run of datagrams, in bytes: what fits into one IP packet less its headers.
const RUN_LEN: usize = 65_000;

/// After this many refusals without a success in between, segmentation is given up. One refusal
/// may be a single destination's: a tunnel whose MTU is less than a datagram.
const REFUSALS: u32 = 8;

/// A shard's socket and its buffers.
pub(crate) struct UdpPort {
    socket: Socket,
    state: UdpSocketState,
    local: SocketAddr,
    segmentation: Segmentation,
    buffer: Box<[u8]>,
    pub(crate) stats: SocketStats,
}

/// From where to where, as the socket's family wants it written.
#[derive(Clone, Copy)]
struct Way {
    destination: SocketAddr,
    source: Option<IpAddr>,
}

enum Segmentation {
    /// Off in the configuration, or given up.
    Off,
    On {
        refusals_in_a_row: u32,
    },
}

impl UdpPort {
    /// Opens a socket. `::` takes IPv4 as well, and stands for `0.0.0.0` where the kernel has no
    /// IPv6.
    pub(crate) fn bind(address: SocketAddr, gso: bool, buffer: usize) -> io::Result<Self> {
        let socket = match open(address) {
            Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_ipv6(&error) => {
                open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))?
            }
            other => other?,
        };
        enlarge(&socket, buffer)?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let state = UdpSocketState::new((&socket).into())?;
        let segmentation = if gso && state.max_gso_segments() > 1 {
            Segmentation::On { refusals_in_a_row: 0 }
        } else {
            Segmentation::Off
        };
        Ok(Self {
            socket,
            state,
            local,
            segmentation,
            buffer: vec![0; MESSAGE_LEN * BATCH_SIZE].into(),
            stats: SocketStats::default(),
        })
    }

    /// Where it listens, with the port that the system chose if none was asked for.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether an address of this family can be reached from here.
    pub(crate) fn speaks(&self, ip: IpAddr) -> bool {
        match (self.local.ip(), ip) {
            (IpAddr::V4(_), ip) => ip.is_ipv4(),
            (IpAddr::V6(own), IpAddr::V4(_)) => {
                own.is_unspecified() || own.to_ipv4_mapped().is_some()
            }
            (IpAddr::V6(_), IpAddr::V6(_)) => true,
        }
    }

    /// Takes what has arrived, in one call, and gives each datagram with its source and the
    /// address it was sent to. Says whether there is probably more.
    pub(crate) fn receive(
        &mut self,
        mut each: impl FnMut(SocketAddr, SocketAddr, &mut [u8]),
    ) -> bool {
        let mut messages = self.buffer.chunks_exact_mut(MESSAGE_LEN);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            IoSliceMut::new(messages.next().expect("the buffer holds BATCH_SIZE messages"))
        });
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let count = match self.state.recv((&self.socket).into(), &mut slices, &mut metas) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => {
                tracing::debug!(%error, "receive failed");
                self.stats.receive_errors += 1;
                return false;
            }
        };
        self.stats.receive_calls += 1;
        for (slice, meta) in slices.iter_mut().zip(&metas).take(count) {
            let source = canonical(meta.addr);
            // Nobody can be answered at port zero; trying would look like a fault of the socket.
            if source.port() == 0 || meta.stride == 0 {
                continue;
            }
            let local_ip = meta.dst_ip.unwrap_or(self.local.ip());
            let local = canonical(SocketAddr::new(local_ip, self.local.port()));
            let message = &mut slice[..meta.len.min(MESSAGE_LEN)];
            for datagram in message.chunks_mut(meta.stride) {
                self.stats.datagrams_received += 1;
                self.stats.bytes_received += datagram.len() as u64;
                each(source, local, datagram);
            }
        }
        count == BATCH_SIZE
    }

    /// Sends a datagram or a run of them. What the network does not take is lost and counted:
    /// every error here is about a destination or a moment, never about the socket.
    pub(crate) fn send(&mut self, transmit: &Transmit<'_>) {
        let destination = self.address(transmit.destination);
        // A socket bound to one address has no other to send from.
        let source = self.local.ip().is_unspecified().then_some(transmit.source);
        let way = Way { destination, source };
        let Some(size) = transmit.segment_size.filter(|size| *size < transmit.bytes.len()) else {
            self.send_one(way, transmit.bytes);
            return;
        };
        let most = self.state.max_gso_segments().min(RUN_LEN / size).max(1);
        for run in transmit.bytes.chunks(size * most) {
            if run.len() > size && self.segments() {
                self.send_run(way, run, size);
            } else {
                for datagram in run.chunks(size) {
                    self.send_one(way, datagram);
                }
            }
        }
    }

    /// The counters now.
    pub(crate) fn stats(&self) -> SocketStats {
        SocketStats { segmentation: self.segments(), ..self.stats }
    }

    fn segments(&self) -> bool {
        matches!(self.segmentation, Segmentation::On { .. })
    }

    fn send_run(&mut self, way: Way, run: &[u8], size: usize) {
        match self.call(way, run, Some(size)) {
            Ok(()) => {
                self.stats.datagrams_sent += run.len().div_ceil(size) as u64;
                self.stats.bytes_sent += run.len() as u64;
                if let Segmentation::On { refusals_in_a_row } = &mut self.segmentation {
                    *refusals_in_a_row = 0;
                }
            }
            Err(error) if refuses_segmentation(&error) => {
                self.note_refusal(&error);
                for datagram in run.chunks(size) {
                    self.send_one(way, datagram);
                }
            }
            Err(error) => self.note_loss(&error, run.len().div_ceil(size) as u64),
        }
    }

    fn send_one(&mut self, way: Way, datagram: &[u8]) {
        match self.call(way, datagram, None) {
            Ok(()) => {
                self.stats.datagrams_sent += 1;
                self.stats.bytes_sent += datagram.len() as u64;
            }
            Err(error) => self.note_loss(&error, 1),
        }
    }

    fn call(&mut self, way: Way, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        self.stats.send_calls += 1;
        let Way { destination, source: src_ip } = way;
        let transmit =
            quinn_udp::Transmit { destination, ecn: None, contents, segment_size, src_ip };
        self.state.try_send((&self.socket).into(), &transmit)
    }

    fn note_refusal(&mut self, error: &io::Error) {
        self.stats.segmentation_refused += 1;
        if let Segmentation::On { refusals_in_a_row } = &mut self.segmentation {
            *refusals_in_a_row += 1;
            if *refusals_in_a_row >= REFUSALS {
                tracing::info!(%error, "the kernel refuses UDP segmentation; sending singly");
                self.segmentation = Segmentation::Off;
            }
        }
    }

    fn note_loss(&mut self, error: &io::Error, datagrams: u64) {
        if error.kind() == io::ErrorKind::WouldBlock {
            self.stats.send_buffer_full += datagrams;
        } else {
            tracing::trace!(%error, "datagram was not sent");
            self.stats.send_errors += datagrams;
        }
    }

    /// As the socket's family wants it written.
    fn address(&self, destination: SocketAddr) -> SocketAddr {
        match destination {
            SocketAddr::V4(v4) if self.local.is_ipv6() => {
                SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))
            }
            other => other,
        }
    }
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Asks for room in the kernel: beyond its limit where we are privileged, else up to it.
fn enlarge(socket: &Socket, bytes: usize) -> io::Result<()> {
    if set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        socket.set_recv_buffer_size(bytes)?;
    }
    if set_socket_send_buffer_size_force(socket, bytes).is_err() {
        socket.set_send_buffer_size(bytes)?;
    }
    let given = socket.recv_buffer_size()?.min(socket.send_buffer_size()?);
    if given < bytes {
        tracing::info!(
            given_bytes = given,
            wanted_bytes = bytes,
            "the kernel keeps UDP buffers small; large rooms may lose packets in bursts: raise \
             net.core.rmem_max and net.core.wmem_max"
        );
    }
    Ok(())
}

/// The kernel was built or booted without IPv6.
fn no_ipv6(error: &io::Error) -> bool {
    let refusals = [rustix::io::Errno::AFNOSUPPORT, rustix::io::Errno::ADDRNOTAVAIL];
    refusals.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// `EIO` comes from drivers that cannot segment, `EINVAL` from kernels that will not.
fn refuses_segmentation(error: &io::Error) -> bool {
    let refusals = [rustix::io::Errno::IO, rustix::io::Errno::INVAL];
    refusals.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// An IPv4 address is the same whichever socket it came through.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests;
