//! ICMP messages about relayed packets, from the sockets' error queues (RFC 8656, section 11.5).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

/// `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6`: others are errors of this host.
const FROM_NETWORK: [u8; 2] = [2, 3];
/// "Packet too big" says how big a packet may be, in the four bytes of data.
const TOO_BIG_V4: (u8, u8) = (3, 4);
const TOO_BIG_V6: (u8, u8) = (2, 0);

/// What the network says about a packet that went to `peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) peer: SocketAddr,
    /// Type and code.
    pub(crate) kind: (u8, u8),
    pub(crate) data: [u8; 4],
}

/// Has the kernel keep ICMP messages for this socket.
pub(crate) fn report(socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
    match address.ip() {
        IpAddr::V4(_) => setsockopt(&socket.as_fd(), sockopt::Ipv4RecvErr, &true)?,
        IpAddr::V6(_) => setsockopt(&socket.as_fd(), sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// The next message the kernel kept. `None` ends the queue; what is no ICMP message is `Some(None)`.
pub(crate) fn next(socket: &impl AsFd) -> Option<Option<Report>> {
    let mut payload = [0; 1];
    let mut slices = [IoSliceMut::new(&mut payload)];
    let mut control = nix::cmsg_space!([u8; 128]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_fd().as_raw_fd();
    let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), flags).ok()?;
    // The address of an error is where the packet went, not who complains.
    let peer = message.address.as_ref().and_then(address);
    let error = message.cmsgs().ok().and_then(|mut all| {
        all.find_map(|one| match one {
            ControlMessageOwned::Ipv4RecvErr(error, _)
            | ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error),
            _ => None,
        })
    });
    let (Some(peer), Some(error)) = (peer, error) else { return Some(None) };
    if !FROM_NETWORK.contains(&error.ee_origin) {
        return Some(None);
    }
    let kind = (error.ee_type, error.ee_code);
    let too_big = kind == if peer.is_ipv4() { TOO_BIG_V4 } else { TOO_BIG_V6 };
    let data = if too_big { error.ee_info.to_be_bytes() } else { [0; 4] };
    Some(Some(Report { peer, kind, data }))
}

fn address(raw: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = raw.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| raw.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn complaint(host: IpAddr) -> Report {
        let socket = UdpSocket::bind((host, 0)).expect("loopback has free ports");
        report(&socket, socket.local_addr().expect("it is bound")).expect("Linux has this");
        let closed = UdpSocket::bind((host, 0)).and_then(|gone| gone.local_addr());
        let closed = closed.expect("loopback has free ports");
        socket.send_to(b"x", closed).expect("loopback takes it");
        let mut fds = [PollFd::new(&socket, PollFlags::ERR)];
        poll(&mut fds, None).expect("nothing interrupts");
        let complaint = next(&socket).flatten().expect("the port is closed");
        assert_eq!(complaint.peer, closed);
        assert_eq!(next(&socket), None);
        complaint
    }

    #[test]
    fn a_closed_port_is_reported_with_the_peers_address() {
        assert_eq!(complaint(Ipv4Addr::LOCALHOST.into()).kind, (3, 3));
        assert_eq!(complaint(Ipv6Addr::LOCALHOST.into()).kind, (1, 4));
    }
}
