//! A client's end over TCP or TLS. It never sleeps, so that no wake-up of ours is on the relay's
//! bill.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use confer_turn_core::frame::stream_frame_length;
use rustls::ClientConnection;

use super::relay::{Relay, Transport};

/// More than a burst, as the relay may write it.
const BUFFER: usize = 1 << 17;

/// A connection to a relay.
pub(super) struct Stream {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What was read and is no whole frame yet.
    heard: Vec<u8>,
    buffer: Vec<u8>,
}

impl Stream {
    pub(super) fn connect(relay: &Relay, transport: Transport) -> anyhow::Result<Self> {
        let mut tls = match transport {
            Transport::Udp | Transport::Tcp => None,
            Transport::Tls => {
                let name = "localhost".try_into()?;
                let trusting = Arc::clone(&relay.trusting);
                Some(Box::new(ClientConnection::new(trusting, name)?))
            }
        };
        let mut tcp = TcpStream::connect(relay.address_of(transport))?;
        tcp.set_nodelay(true)?;
        if let Some(tls) = &mut tls {
            // Waits, since nothing is measured yet.
            while tls.is_handshaking() {
                tls.complete_io(&mut tcp)?;
            }
        }
        tcp.set_nonblocking(true)?;
        Ok(Self { tcp, tls, heard: Vec::new(), buffer: vec![0; BUFFER] })
    }

    /// Sends frames of `size` bytes each: in one call, and over TLS in a record each.
    pub(super) fn send(&mut self, frames: &[u8], size: usize) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            let mut rest = frames;
            while !rest.is_empty() {
                let written = insistently(|| self.tcp.write(rest))?;
                rest = &rest[written..];
            }
            return Ok(());
        };
        for frame in frames.chunks(size.max(1)) {
            tls.writer().write_all(frame)?;
        }
        while tls.wants_write() {
            insistently(|| tls.write_tls(&mut self.tcp))?;
        }
        Ok(())
    }

    /// Hands on the frames that have come since; whatever is wrong shows as silence.
    pub(super) fn hear(&mut self, mut each: impl FnMut(&[u8])) {
        let length = match &mut self.tls {
            None => self.tcp.read(&mut self.buffer),
            Some(tls) => match tls.read_tls(&mut self.tcp) {
                Ok(_) => {
                    let _ = tls.process_new_packets();
                    tls.reader().read(&mut self.buffer)
                }
                Err(error) => Err(error),
            },
        };
        let Ok(length) = length else { return std::hint::spin_loop() };
        self.heard.extend_from_slice(&self.buffer[..length]);
        let mut rest = self.heard.as_slice();
        while let Ok(Some(length)) = stream_frame_length(rest)
            && let Some((frame, after)) = rest.split_at_checked(length)
        {
            each(frame);
            rest = after;
        }
        let taken = self.heard.len() - rest.len();
        self.heard.drain(..taken);
    }
}

/// Tries again until there is room, or something else is wrong.
fn insistently(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            written => return written,
        }
    }
}
