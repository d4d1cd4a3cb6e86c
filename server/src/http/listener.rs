//! The socket browsers connect to.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Somebody else has the port.
    #[error(
        "{address} is in use by another process; stop that one (`ss -tlnp` names it) or choose \
         another port with --listen or http.listen"
    )]
    InUse { address: SocketAddr },

    /// Low ports need a right.
    #[error(
        "this user may not listen at {address}; ports below 1024 need CAP_NET_BIND_SERVICE, so \
         grant it or choose another port with --listen or http.listen"
    )]
    NotAllowed { address: SocketAddr },

    /// The address is not one of this host's.
    #[error(
        "cannot listen at {address}: this host has no such address; see --listen or http.listen"
    )]
    NoSuchAddress { address: SocketAddr },

    #[error("the listening socket cannot be used")]
    Lost(#[source] io::Error),

    #[error("cannot listen at {address}")]
    Other {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
}

/// Listens at the first address whose family this host has.
pub(crate) async fn bind(addresses: &[SocketAddr]) -> Result<TcpListener, BindError> {
    let (last, earlier) = addresses.split_last().expect("there is a default address");
    for address in earlier {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(cause) if lacks_family(&cause) => {}
            Err(cause) => return Err(explain(*address, cause)),
        }
    }
    TcpListener::bind(last).await.map_err(|cause| explain(*last, cause))
}

/// A kernel without IPv6 knows neither the family nor the unspecified address.
fn lacks_family(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

fn explain(address: SocketAddr, cause: io::Error) -> BindError {
    match cause.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::NotAllowed { address },
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address },
        _ => BindError::Other { address, cause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_occupied_port_is_named_and_says_what_to_do() {
        let first = bind(&["127.0.0.1:0".parse().expect("an address")]).await.expect("a free port");
        let address = first.local_addr().expect("a bound socket");
        let error = bind(&[address]).await.expect_err("the port is taken");
        assert!(matches!(error, BindError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&address.to_string()));
    }

    #[tokio::test]
    async fn a_strange_address_is_not_taken_for_an_occupied_port() {
        let strange = "192.0.2.1:0".parse().expect("an address");
        let error = bind(&[strange]).await.expect_err("not ours");
        assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
    }
}
