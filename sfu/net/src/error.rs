//! Why the media plane did not start.

use std::io;
use std::net::SocketAddr;

use confer_sfu_core::transport::dtls::DtlsError;

/// What was in the way, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the port.
    #[error(
        "UDP port {port} is in use; stop the process that has it or set another rtc.udp-port \
         (each of the {shards} media threads needs one, counting up)"
    )]
    PortInUse { port: u16, shards: u16 },
    /// Ports below 1024 need a privilege.
    #[error("this user may not open UDP port {port}; choose an rtc.udp-port above 1023")]
    PortForbidden { port: u16 },
    /// The address is not one of this host's.
    #[error("{address} is not an address of this host; change rtc.listen")]
    NotOurAddress { address: SocketAddr },
    /// The socket could not be opened for another reason.
    #[error("UDP socket at {address} could not be opened")]
    Socket {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    /// No thread, or more than there are ports after the first.
    #[error("there must be 1 or more media threads, and as many ports from rtc.udp-port on")]
    BadShards,
    /// None of the announced addresses is of a family that the socket speaks.
    #[error("none of rtc.announce can be reached at rtc.listen; announce addresses of its family")]
    NothingToAnnounce,
    /// Our DTLS certificate could not be made.
    #[error("the DTLS certificate could not be made")]
    Certificate(#[source] DtlsError),
    /// The operating system gave no thread or no way to wake one.
    #[error("a media thread could not be started")]
    Thread(#[source] io::Error),
}

impl StartError {
    pub(crate) fn from_bind(address: SocketAddr, shards: u16, cause: io::Error) -> Self {
        let port = address.port();
        match cause.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { port, shards },
            io::ErrorKind::PermissionDenied => Self::PortForbidden { port },
            io::ErrorKind::AddrNotAvailable => Self::NotOurAddress { address },
            _ => Self::Socket { address, cause },
        }
    }
}
