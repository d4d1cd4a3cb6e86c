//! What systemd, or whoever else manages services, wants to know of one of `Type=notify`
//! (sd_notify(3)): when it is ready, and when it begins to stop.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Names the socket that listens, when somebody does.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Whoever started this process, if it asked to be told.
#[derive(Debug)]
pub(crate) struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Systemd {
    /// As the environment names it.
    pub(crate) fn of_environment() -> Self {
        Self::at(std::env::var_os(VARIABLE).as_deref())
    }

    fn at(path: Option<&OsStr>) -> Self {
        let socket = path.and_then(|path| {
            let opened = address(path).and_then(|to| Ok((UnixDatagram::unbound()?, to)));
            opened.inspect_err(|error| tracing::warn!(%error, "{VARIABLE} cannot be used")).ok()
        });
        Self { socket }
    }

    /// Tells `news` in the words of sd_notify(3). Nobody listening is no error.
    pub(crate) fn tell(&self, news: &str) {
        if let Some((socket, to)) = &self.socket
            && let Err(error) = socket.send_to_addr(news.as_bytes(), to)
        {
            tracing::warn!(%error, "the service manager could not be told {news}");
        }
    }
}

/// A path, or with an `@` in front a name of the kernel's.
fn address(path: &OsStr) -> io::Result<SocketAddr> {
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut news = [0; 64];
        let length = socket.recv(&mut news).expect("it was told");
        String::from_utf8_lossy(&news[..length]).into_owned()
    }

    #[test]
    fn a_systemd_is_told_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).expect("a fresh path");
        Systemd::at(Some(path.as_os_str())).tell("READY=1");
        assert_eq!(heard(&by_path), "READY=1");

        let name = format!("@confer-{}", uuid::Uuid::new_v4());
        let to = address(OsStr::new(&name)).expect("a short name");
        let by_name = UnixDatagram::bind_addr(&to).expect("a fresh name");
        Systemd::at(Some(OsStr::new(&name))).tell("STOPPING=1");
        assert_eq!(heard(&by_name), "STOPPING=1");
    }

    #[test]
    fn nobody_listening_is_no_error() {
        Systemd::at(None).tell("READY=1");
        Systemd::at(Some(OsStr::new("/nowhere/at/all"))).tell("READY=1");
    }
}
