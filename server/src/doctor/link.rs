//! A client of a relay, on its way to it: asks until it is answered, and passes payload on.

use std::net::SocketAddr;
use std::time::Duration;

use confer_turn_core::client::{Ask, Client, Grant, Heard, Via, channel_data};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::login::Proof;
use super::trouble::{Language, Trouble};
use super::way::Way;

/// How long the first answer is waited for before a datagram is sent again; then twice as long
/// each time (RFC 8489, section 6.2.1).
const REPEAT: Duration = Duration::from_millis(500);
/// Payload that does not arrive is sent so often: networks may lose some.
const ATTEMPTS: u32 = 3;

pub(crate) struct Link {
    way: Way,
    client: Client,
    has_proof: bool,
    patience: Duration,
}

/// How payload travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carriage {
    Indication(SocketAddr),
    Channel(u16),
}

impl Link {
    pub(crate) fn new(way: Way, proof: Option<&Proof>, patience: Duration) -> Self {
        let (user, password) = match proof {
            Some(Proof { user, password }) => (user.as_str(), password.as_str()),
            None => ("", ""),
        };
        let client = Client::new(user, password, rand::random());
        Self { way, client, has_proof: proof.is_some(), patience }
    }

    /// Asks until it is answered or patience ends.
    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Grant, Trouble> {
        let mut packet = self.client.ask(ask);
        loop {
            match self.exchange(&packet).await? {
                Heard::Granted(grant) => return Ok(grant),
                Heard::Again(again) if self.has_proof => packet = again,
                Heard::Again(_) => {
                    let realm = String::from_utf8_lossy(self.client.realm().unwrap_or_default());
                    return Err(Trouble::CredentialsWanted { realm: realm.into_owned() });
                }
                Heard::Refused(code) => {
                    return Err(Trouble::Code { code, alternate: self.client.alternate() });
                }
                Heard::Data { .. } | Heard::Other => return Err(Trouble::Silent),
            }
        }
    }

    /// Whether the server asked for a proof before it granted anything.
    pub(crate) fn challenged(&self) -> bool {
        self.client.realm().is_some()
    }

    async fn exchange(&mut self, packet: &[u8]) -> Result<Heard, Trouble> {
        let deadline = Instant::now() + self.patience;
        let mut wait = if self.way.is_stream() { self.patience } else { REPEAT };
        loop {
            let until = deadline.min(Instant::now() + wait);
            let (way, client) = (&mut self.way, &mut self.client);
            let exchanging = async {
                way.send(packet).await?;
                loop {
                    let frame = way.hear().await?;
                    match client.hear(&frame) {
                        Heard::Data { .. } | Heard::Other => {}
                        answer @ (Heard::Granted(_) | Heard::Again(_) | Heard::Refused(_)) => {
                            return Ok(answer);
                        }
                    }
                }
            };
            match timeout_at(until, exchanging).await {
                Ok(heard) => return heard,
                Err(_) if Instant::now() >= deadline => return Err(Trouble::Silent),
                Err(_) => wait *= 2,
            }
        }
    }

    /// Sends payload until the other side, behind the relay, has it; gives how long the last
    /// attempt took, or `None` when none arrives.
    pub(crate) async fn pass(
        &mut self,
        carriage: Carriage,
        payload: &[u8],
        to: &mut Self,
    ) -> Result<Option<Duration>, Trouble> {
        let frame = match carriage {
            Carriage::Indication(peer) => self.client.send(peer, payload),
            Carriage::Channel(channel) => channel_data(channel, payload, self.way.is_stream()),
        };
        for _ in 0..ATTEMPTS {
            let began = Instant::now();
            let passing = async {
                self.way.send(&frame).await?;
                to.arrival(carriage, payload).await
            };
            match timeout_at(began + self.patience / ATTEMPTS, passing).await {
                Ok(Ok(())) => return Ok(Some(began.elapsed())),
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Lets a socket of this machine send through the relayed address it is connected to, and
    /// answers it the same way; gives how long there and back took.
    pub(crate) async fn meet(
        &mut self,
        socket: &UdpSocket,
        payload: &[u8],
    ) -> Result<Option<Duration>, Trouble> {
        let patience = self.patience / ATTEMPTS;
        for _ in 0..ATTEMPTS {
            let began = Instant::now();
            let meeting = async {
                // What ICMP says of an attempt before is no reason to stop.
                let _ = socket.send(payload).await;
                let from = self.source_of(payload).await?;
                let answer = self.client.send(from, payload);
                self.way.send(&answer).await?;
                let mut back = vec![0; payload.len() + 1];
                loop {
                    if socket.recv(&mut back).await.is_ok_and(|length| back[..length] == *payload) {
                        return Ok(());
                    }
                }
            };
            match timeout_at(began + patience, meeting).await {
                Ok(Ok(())) => return Ok(Some(began.elapsed())),
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Waits for payload of a peer without a channel; gives the peer's address.
    async fn source_of(&mut self, wanted: &[u8]) -> Result<SocketAddr, Trouble> {
        loop {
            let frame = self.way.hear().await?;
            if let Heard::Data { via: Via::Indication(peer), payload } = self.client.hear(&frame)
                && payload == wanted
            {
                return Ok(peer);
            }
        }
    }

    /// Waits for payload, carried in the same manner.
    async fn arrival(&mut self, carriage: Carriage, wanted: &[u8]) -> Result<(), Trouble> {
        loop {
            let frame = self.way.hear().await?;
            if let Heard::Data { via, payload } = self.client.hear(&frame)
                && payload == wanted
            {
                match (carriage, via) {
                    (Carriage::Indication(_), Via::Indication(_))
                    | (Carriage::Channel(_), Via::Channel(_)) => return Ok(()),
                    (Carriage::Indication(_) | Carriage::Channel(_), _) => {}
                }
            }
        }
    }

    /// See [`Way::betrayed`].
    pub(crate) async fn betrayed(&mut self) -> Option<Language> {
        self.way.betrayed().await
    }
}
