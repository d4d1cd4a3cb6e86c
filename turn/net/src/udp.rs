//! One UDP socket: batches in, runs out.
//!
//! A call to receive takes one message or several ([`crate::inbox`]), each of which may be many
//! datagrams that the kernel put together (UDP GRO). A call to send hands over a whole run for one
//! destination (UDP GSO): a datagram's way through the kernel costs far more than the call, and a
//! run goes that way once.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::UdpSocketState;
use rustix::io::Errno;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ip_recvtos,
    set_ipv6_mtu_discover, set_ipv6_recvtclass,
};
use rustix::net::{SendFlags, sendto};
use socket2::{Domain, Protocol, Socket, Type};

use crate::inbox::{Appetite, Inbox};

/// The longest run of datagrams, in bytes: what fits into one IP packet less its headers.
pub(crate) const RUN_LEN: usize = 65_000;
/// After this many refusals without a success in between, segmentation is given up. One refusal
/// may be a single destination's: a tunnel whose MTU is less than a datagram.
const REFUSALS: u32 = 8;

/// A socket of a listener or of a relayed address.
#[derive(Debug)]
pub(crate) struct UdpPort {
    socket: Socket,
    state: UdpSocketState,
    local: SocketAddr,
    refusals_in_a_row: Cell<u32>,
    appetite: Appetite,
}

/// How IP treats packets that are too long for the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragmentation {
    /// By routers and by us: the sender did not say otherwise (RFC 8656, section 14).
    Allowed,
    /// DONT-FRAGMENT (RFC 8656, section 15).
    Forbidden,
}

impl UdpPort {
    /// Opens a listener. With `shared`, other threads may open the same one, and the kernel keeps
    /// each client with one of them.
    pub(crate) fn listen(address: SocketAddr, shared: bool, buffer: usize) -> io::Result<Self> {
        let socket = socket(address)?;
        if shared {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        Self::new(socket, buffer)
    }

    /// Opens a relayed address.
    pub(crate) fn relay(address: SocketAddr, buffer: usize) -> io::Result<Self> {
        let socket = socket(address)?;
        socket.bind(&address.into())?;
        let port = Self::new(socket, buffer)?;
        port.set_fragmentation(Fragmentation::Allowed)?;
        crate::icmp::report(&port.socket, address)?;
        Ok(port)
    }

    fn new(socket: Socket, buffer: usize) -> io::Result<Self> {
        // As much as the kernel gives; it says nothing when that is less.
        socket.set_recv_buffer_size(buffer)?;
        socket.set_send_buffer_size(buffer)?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let state = UdpSocketState::new((&socket).into())?;
        say_little(&socket, local)?;
        Ok(Self {
            socket,
            state,
            local,
            refusals_in_a_row: Cell::new(0),
            appetite: Appetite::default(),
        })
    }

    /// Where it is bound, with the port that the system chose if none was asked for.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes what has arrived, in one call; says how many messages that is.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> usize {
        let wanted = self.appetite.wanted();
        // An error is about an earlier packet to one peer, never about the socket.
        let found = match wanted {
            1 => inbox.receive_one(&self.socket, self.local),
            _ => inbox.receive_many(&self.socket, &self.state, wanted),
        };
        let found = found.unwrap_or(0);
        self.appetite.found(found);
        found
    }

    /// Sends a run: datagrams of `segment` bytes each, of which the last may be shorter. Says how
    /// many were lost; every error here is about a destination or a moment.
    pub(crate) fn send(
        &self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        run: &[u8],
        segment: usize,
    ) -> u64 {
        // A socket bound to one address has no other to send from.
        let source = source.filter(|_| self.local.ip().is_unspecified());
        if run.len() <= segment {
            return u64::from(self.send_one(destination, source, run).is_err());
        }
        let most = self.state.max_gso_segments().min(RUN_LEN / segment).max(1);
        let mut lost = 0;
        for part in run.chunks(segment * most) {
            if part.len() > segment && self.refusals_in_a_row.get() < REFUSALS {
                match self.call(destination, source, part, Some(segment)) {
                    Ok(()) => {
                        self.refusals_in_a_row.set(0);
                        continue;
                    }
                    Err(error) if refuses_segmentation(&error) => {
                        self.refusals_in_a_row.set(self.refusals_in_a_row.get() + 1);
                    }
                    Err(_) => {
                        lost += part.len().div_ceil(segment) as u64;
                        continue;
                    }
                }
            }
            for datagram in part.chunks(segment) {
                lost += u64::from(self.send_one(destination, source, datagram).is_err());
            }
        }
        lost
    }

    /// Sets how packets that are sent from now on are treated.
    pub(crate) fn set_fragmentation(&self, to: Fragmentation) -> io::Result<()> {
        match (self.local, to) {
            (SocketAddr::V4(_), Fragmentation::Allowed) => {
                set_ip_mtu_discover(&self.socket, Ipv4PathMtuDiscovery::DONT)?;
            }
            (SocketAddr::V4(_), Fragmentation::Forbidden) => {
                set_ip_mtu_discover(&self.socket, Ipv4PathMtuDiscovery::DO)?;
            }
            // IPv6 routers never fragment: what is allowed or not is that we do.
            (SocketAddr::V6(_), Fragmentation::Allowed) => {
                set_ipv6_mtu_discover(&self.socket, Ipv6PathMtuDiscovery::DONT)?;
                setsockopt(&self.socket, sockopt::Ipv6DontFrag, &false)?;
            }
            (SocketAddr::V6(_), Fragmentation::Forbidden) => {
                set_ipv6_mtu_discover(&self.socket, Ipv6PathMtuDiscovery::DO)?;
                setsockopt(&self.socket, sockopt::Ipv6DontFrag, &true)?;
            }
        }
        Ok(())
    }

    /// Without anything to tell the kernel beside it, a datagram needs no message header.
    fn send_one(
        &self,
        destination: SocketAddr,
        source: Option<IpAddr>,
        datagram: &[u8],
    ) -> io::Result<()> {
        if source.is_some() {
            return self.call(destination, source, datagram, None);
        }
        tried_again(|| {
            sendto(&self.socket, datagram, SendFlags::DONTWAIT, &destination)?;
            Ok(())
        })
    }

    fn call(
        &self,
        destination: SocketAddr,
        src_ip: Option<IpAddr>,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit =
            quinn_udp::Transmit { destination, ecn: None, contents, segment_size, src_ip };
        tried_again(|| self.state.try_send((&self.socket).into(), &transmit))
    }
}

fn tried_again(send: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match send() {
        // News of an earlier packet, told once; this one was not tried yet.
        Err(error) if is_icmp(&error) => send(),
        sent => sent,
    }
}

/// Has the kernel say only what is used: how long the datagrams of a message are, and where it was
/// sent to if the socket's own address does not say that.
fn say_little(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &false)?;
    let is_known = !local.ip().is_unspecified();
    match local {
        SocketAddr::V4(_) => {
            set_ip_recvtos(socket, false)?;
            setsockopt(socket, sockopt::Ipv4PacketInfo, &!is_known)?;
        }
        SocketAddr::V6(_) => {
            set_ipv6_recvtclass(socket, false)?;
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &!is_known)?;
        }
    }
    Ok(())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // One socket per family, so that addresses are on the wire what they are here.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn is_errno(error: &io::Error, any_of: &[Errno]) -> bool {
    any_of.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// `EIO` comes from drivers that cannot segment, `EINVAL` from kernels that will not, `EMSGSIZE`
/// when a segment is longer than the way: each alone may be fragmented.
fn refuses_segmentation(error: &io::Error) -> bool {
    is_errno(error, &[Errno::IO, Errno::INVAL, Errno::MSGSIZE])
}

/// What the kernel says to the next call after an ICMP message came.
fn is_icmp(error: &io::Error) -> bool {
    is_errno(error, &[Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::NETUNREACH])
}
