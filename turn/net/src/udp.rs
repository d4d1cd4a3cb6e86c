//! One UDP socket: batches in, runs out.
//!
//! A call to receive takes up to [`BATCH_SIZE`] messages, each of which may be many datagrams that
//! the kernel put together (UDP GRO). A call to send hands over a whole run for one destination
//! (UDP GSO): a datagram's way through the kernel costs far more than the call, and a run goes
//! that way once.

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rustix::io::Errno;
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ip_recvtos,
    set_ipv6_mtu_discover, set_ipv6_recvtclass,
};
use rustix::net::{SendFlags, sendto};
use socket2::{Domain, Protocol, Socket, Type};

/// The longest message the kernel puts together.
const MESSAGE_LEN: usize = 65_535;
/// The longest run of datagrams, in bytes: what fits into one IP packet less its headers.
pub(crate) const RUN_LEN: usize = 65_000;
/// Room for an address and a length as the kernel says them, and to spare.
const CONTROL_LEN: usize = 128;
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
    /// Messages asked for at the next receive. A socket that has only one each time is asked for
    /// only one: asking for more costs a look into an empty queue.
    wanted: Cell<usize>,
}

/// How IP treats packets that are too long for the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragmentation {
    /// By routers and by us: the sender did not say otherwise (RFC 8656, section 14).
    Allowed,
    /// DONT-FRAGMENT (RFC 8656, section 15).
    Forbidden,
}

/// Where received messages are put, shared by all sockets of a thread.
pub(crate) struct Inbox {
    buffer: Box<[u8]>,
    metas: [RecvMeta; BATCH_SIZE],
    /// What the kernel says about a message that comes alone.
    control: Vec<u8>,
}

/// One message of an [`Inbox`]: datagrams of `stride` bytes each, the last one may be shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) source: SocketAddr,
    /// The address it was sent to.
    pub(crate) local: SocketAddr,
    start: usize,
    end: usize,
    stride: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; MESSAGE_LEN * BATCH_SIZE].into(),
            metas: [RecvMeta::default(); BATCH_SIZE],
            control: vec![0; CONTROL_LEN],
        }
    }

    /// The message at `index` of those that [`UdpPort::receive`] counted. `None` when nobody
    /// could be answered: there is no port zero.
    pub(crate) fn message(&self, index: usize, port: &UdpPort) -> Option<Received> {
        let meta = self.metas.get(index)?;
        let source = canonical(meta.addr);
        if source.port() == 0 {
            return None;
        }
        let local_ip = meta.dst_ip.unwrap_or(port.local.ip()).to_canonical();
        let start = index * MESSAGE_LEN;
        Some(Received {
            source,
            local: SocketAddr::new(local_ip, port.local.port()),
            start,
            end: start + meta.len.min(MESSAGE_LEN),
            stride: meta.stride.max(1),
        })
    }

    /// The datagrams of a message. An empty one is one too.
    pub(crate) fn datagrams(&self, message: Received) -> impl Iterator<Item = &[u8]> {
        let bytes = self.buffer.get(message.start..message.end).unwrap_or_default();
        let empty = bytes.is_empty().then_some(bytes);
        empty.into_iter().chain(bytes.chunks(message.stride))
    }
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
        Ok(Self { socket, state, local, refusals_in_a_row: Cell::new(0), wanted: Cell::new(1) })
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
        let wanted = self.wanted.get();
        // An error is about an earlier packet to one peer, never about the socket.
        let count = match wanted {
            1 => self.receive_one(inbox),
            _ => self.receive_many(inbox, wanted),
        };
        let count = count.unwrap_or(0);
        let next = if count == wanted { wanted * 2 } else { count };
        self.wanted.set(next.clamp(1, BATCH_SIZE));
        count
    }

    /// Without the room that a batch needs, which is prepared anew at each call.
    fn receive_one(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let (first, _) = inbox.buffer.split_at_mut(MESSAGE_LEN);
        let mut slices = [IoSliceMut::new(first)];
        let control = Some(inbox.control.as_mut_slice());
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, control, MsgFlags::MSG_DONTWAIT)?;
        inbox.metas[0] = meta(&message);
        Ok(1)
    }

    fn receive_many(&self, inbox: &mut Inbox, wanted: usize) -> io::Result<usize> {
        let mut messages = inbox.buffer.chunks_exact_mut(MESSAGE_LEN);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            IoSliceMut::new(messages.next().expect("the buffer holds BATCH_SIZE messages"))
        });
        self.state.recv((&self.socket).into(), &mut slices[..wanted], &mut inbox.metas)
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

/// What the kernel says about a message.
fn meta(message: &RecvMsg<'_, '_, SockaddrStorage>) -> RecvMeta {
    let mut meta = RecvMeta::default();
    (meta.len, meta.stride) = (message.bytes, message.bytes);
    if let Some(source) = message.address.as_ref().and_then(socket_address) {
        meta.addr = source;
    }
    for one in message.cmsgs().into_iter().flatten() {
        match one {
            ControlMessageOwned::UdpGroSegments(stride) => {
                meta.stride = usize::try_from(stride).unwrap_or(meta.stride);
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                meta.dst_ip = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                meta.dst_ip = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
            }
            _ => {}
        }
    }
    meta
}

/// As the system's calls have it.
pub(crate) fn socket_address(raw: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = raw.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| raw.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}

/// An IPv4 address is the same whichever socket it came through.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}
