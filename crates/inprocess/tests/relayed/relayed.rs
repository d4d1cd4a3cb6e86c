//! A client of the relay over UDP.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use confer_turn_core::client::{Ask, Client, Grant, Heard, Via, channel_data};

use crate::support::{LOOPBACK, PATIENCE, Relay};

pub(crate) const CHANNEL: u16 = 0x4000;

pub(crate) struct Relayed {
    socket: UdpSocket,
    client: Client,
    pub(crate) address: SocketAddr,
}

impl Relayed {
    /// `user` allocates.
    pub(crate) fn allocate(relay: &Relay, user: &str) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        socket.connect(relay.handle.listening()[0]).expect("loopback");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let port = socket.local_addr().expect("it is bound").port();
        let client = Client::new(user, user, u64::from(port).to_be_bytes());
        let mut this = Self { socket, client, address: SocketAddr::new(LOOPBACK, 0) };
        this.address = this.ask(Ask::Allocate).expect("a grant").relayed.expect("an address");
        this
    }

    /// Asks and waits; `Err` with the code of a refusal.
    pub(crate) fn ask(&mut self, ask: Ask) -> Result<Grant, u16> {
        self.socket.send(&self.client.ask(ask)).expect("connected");
        let mut buffer = [0; 2048];
        loop {
            let length = self.socket.recv(&mut buffer).expect("an answer");
            match self.client.hear(&buffer[..length]) {
                Heard::Granted(grant) => return Ok(grant),
                Heard::Refused(code) => return Err(code),
                Heard::Again(again) => {
                    self.socket.send(&again).expect("connected");
                }
                Heard::Data { .. } | Heard::Other => {}
            }
        }
    }

    pub(crate) fn bind(&mut self, peer: SocketAddr) {
        self.ask(Ask::Bind { channel: CHANNEL, peer }).expect("the peer is permitted");
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(crate) fn send(&self, payload: &[u8]) {
        self.socket.send(&channel_data(CHANNEL, payload, false)).expect("connected");
    }

    /// What the peer of the channel sends next.
    pub(crate) fn hear(&mut self) -> Vec<u8> {
        self.heard(PATIENCE).expect("the peer answers")
    }

    /// The same, or `None` when nothing comes for that long.
    pub(crate) fn heard(&mut self, within: Duration) -> Option<Vec<u8>> {
        let (via, payload) = self.heard_via(within)?;
        assert_eq!(via, Via::Channel(CHANNEL));
        Some(payload)
    }

    /// What any peer sends next, and how it came.
    pub(crate) fn heard_via(&mut self, within: Duration) -> Option<(Via, Vec<u8>)> {
        self.socket.set_read_timeout(Some(within)).expect("not zero");
        let mut buffer = [0; 2048];
        let heard = loop {
            let Ok(length) = self.socket.recv(&mut buffer) else { break None };
            match self.client.hear(&buffer[..length]) {
                Heard::Data { via, payload } => break Some((via, payload)),
                other => assert_eq!(other, Heard::Other),
            }
        };
        self.socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        heard
    }
}
