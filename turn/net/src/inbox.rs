//! Where received messages are put, and how many of them are asked for.

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, SockaddrIn, SockaddrIn6, recvmsg};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use socket2::Socket;

/// The longest message the kernel puts together.
const MESSAGE_LEN: usize = 65_535;
/// Room for an address and a length as the kernel says them, and to spare.
const CONTROL_LEN: usize = 128;
/// After this many receives that found one message, one is asked for.
const ALONE: u32 = 4;
/// Of this many receives one asks for two even so, because more may come by now.
const LOOK_AGAIN: u32 = 16;

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

    /// The message at `index` of those that a receive counted. `None` when nobody
    /// could be answered: there is no port zero.
    pub(crate) fn message(&self, index: usize, bound: SocketAddr) -> Option<Received> {
        let meta = self.metas.get(index)?;
        let source = canonical(meta.addr);
        if source.port() == 0 {
            return None;
        }
        let local_ip = meta.dst_ip.unwrap_or(bound.ip()).to_canonical();
        let start = index * MESSAGE_LEN;
        Some(Received {
            source,
            local: SocketAddr::new(local_ip, bound.port()),
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

    /// Takes one message, without the room that a batch needs: that is prepared anew each time.
    pub(crate) fn receive_one(&mut self, socket: &Socket, bound: SocketAddr) -> io::Result<usize> {
        let (first, _) = self.buffer.split_at_mut(MESSAGE_LEN);
        let mut slices = [IoSliceMut::new(first)];
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let control = Some(self.control.as_mut_slice());
        self.metas[0] = if bound.is_ipv4() {
            let message = recvmsg::<SockaddrIn>(fd, &mut slices, control, flags)?;
            meta(&message, |source| (*source).into())
        } else {
            let message = recvmsg::<SockaddrIn6>(fd, &mut slices, control, flags)?;
            meta(&message, |source| (*source).into())
        };
        Ok(1)
    }

    /// Takes up to `wanted` messages.
    pub(crate) fn receive_many(
        &mut self,
        socket: &Socket,
        state: &UdpSocketState,
        wanted: usize,
    ) -> io::Result<usize> {
        let mut messages = self.buffer.chunks_exact_mut(MESSAGE_LEN);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            IoSliceMut::new(messages.next().expect("the buffer holds BATCH_SIZE messages"))
        });
        state.recv(socket.into(), &mut slices[..wanted], &mut self.metas)
    }
}

/// How many messages a socket is asked for. Asking for more than there are costs a look into an
/// empty queue and the preparing of a batch; asking for fewer costs another turn.
#[derive(Debug, Default)]
pub(crate) struct Appetite {
    /// Of the last receive that found several, what to ask for next.
    several: Cell<usize>,
    /// Receives in a row since then.
    alone: Cell<u32>,
}

impl Appetite {
    /// Messages to ask for next.
    pub(crate) fn wanted(&self) -> usize {
        let alone = self.alone.get();
        match alone {
            0 => self.several.get().clamp(2, BATCH_SIZE),
            1..ALONE => 2,
            _ if alone.is_multiple_of(LOOK_AGAIN) => 2,
            _ => 1,
        }
    }

    /// Tells how many there were.
    pub(crate) fn found(&self, count: usize) {
        if count > 1 {
            let filled = count == self.wanted();
            self.several.set(if filled { count * 2 } else { count });
            self.alone.set(0);
        } else {
            self.alone.set(self.alone.get().checked_add(1).unwrap_or(ALONE));
        }
    }
}

/// What the kernel says about a message.
fn meta<S>(message: &RecvMsg<'_, '_, S>, address: impl FnOnce(&S) -> SocketAddr) -> RecvMeta {
    let mut meta = RecvMeta::default();
    (meta.len, meta.stride) = (message.bytes, message.bytes);
    if let Some(source) = message.address.as_ref().map(address) {
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

/// An IPv4 address is the same whichever socket it came through.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_each_time_is_soon_asked_for_alone() {
        let appetite = Appetite::default();
        let asked: Vec<usize> = (0..64)
            .map(|_| {
                let wanted = appetite.wanted();
                appetite.found(1);
                wanted
            })
            .collect();
        assert_eq!(asked[..6], [2, 2, 2, 2, 1, 1]);
        assert_eq!(asked.iter().filter(|wanted| **wanted == 2).count(), 7);
    }

    #[test]
    fn full_batches_grow_to_the_longest() {
        let appetite = Appetite::default();
        for _ in 0..10 {
            appetite.found(appetite.wanted());
        }
        assert_eq!(appetite.wanted(), BATCH_SIZE);
        appetite.found(3);
        assert_eq!(appetite.wanted(), 3);
    }
}
