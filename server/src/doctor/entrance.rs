//! How a visit gets to the relay: the connection and the handshake, as far as there are any.

use std::net::SocketAddr;
use std::time::Duration;

use confer_turn_core::Transport;

use super::checks::Visit;
use super::dtls;
use super::report::{Finding, Outcome, Step};
use super::trouble::Trouble;
use super::verdict::{explain, good_certificate};
use super::way::{Secured, Way, connect, datagrams, secure};

impl Visit<'_> {
    /// A way to the relay, and our own address on it. What is found out about it is reported.
    pub(super) async fn enter(&mut self) -> Option<(Way, SocketAddr)> {
        match self.place.transport {
            Transport::Udp => {
                self.begin(Step::Connect);
                match datagrams(self.address).await {
                    Ok((socket, own)) => Some((Way::Datagrams(socket), own)),
                    Err(trouble) => {
                        self.no_way(&trouble);
                        None
                    }
                }
            }
            Transport::Tcp => {
                let (stream, own) = self.connected().await?;
                Some((Way::stream(stream), own))
            }
            Transport::Tls => loop {
                let (stream, own) = self.connected().await?;
                self.begin(Step::Handshake);
                let (host, trust) = (&self.place.host, &self.practice.trust);
                let patience = self.practice.patience;
                match secure(stream, host, trust, self.manner, patience).await {
                    Ok(secured) => return Some((self.secured(secured), own)),
                    Err(trouble) if self.yields(&trouble) => {}
                    Err(_) => return None,
                }
            },
            Transport::Dtls => loop {
                self.begin(Step::Handshake);
                match self.secure_datagrams().await {
                    Ok((secured, own)) => return Some((self.secured(secured), own)),
                    Err(trouble @ Trouble::NoRoute) => {
                        self.no_way(&trouble);
                        return None;
                    }
                    Err(trouble) if self.yields(&trouble) => {}
                    Err(_) => return None,
                }
            },
        }
    }

    async fn secure_datagrams(&self) -> Result<(Secured, SocketAddr), Trouble> {
        let (socket, own) = datagrams(self.address).await?;
        let (host, trust) = (&self.place.host, &self.practice.trust);
        let patience = self.practice.patience;
        let secured = dtls::secure(socket, host, trust, self.manner.lenient, patience).await?;
        Ok((secured, own))
    }

    /// Reports why a handshake failed, and says whether another manner may get further.
    fn yields(&mut self, trouble: &Trouble) -> bool {
        match trouble {
            Trouble::AlpnRefused if self.manner.alpn => self.manner.alpn = false,
            Trouble::Certificate { .. } if !self.manner.lenient => {
                self.step = Step::Certificate;
                self.manner.lenient = true;
            }
            _ => return self.trouble(trouble),
        }
        self.trouble(trouble);
        true
    }

    /// A TCP connection; only the first one of a visit is told.
    async fn connected(&mut self) -> Option<(tokio::net::TcpStream, SocketAddr)> {
        let again = self.step != Step::Connect;
        self.begin(Step::Connect);
        match connect(self.address, self.practice.patience).await {
            Ok((stream, own)) => {
                if !again {
                    self.tell(Outcome::Good, &format!("TCP to port {}", self.place.port));
                }
                Some((stream, own))
            }
            Err(trouble) => {
                self.no_way(&trouble);
                None
            }
        }
    }

    /// What to say when nothing could be sent at all.
    fn no_way(&mut self, trouble: &Trouble) {
        let mut verdict = explain(trouble, &self.scene());
        if *trouble == Trouble::NoRoute && self.wanted.dispensable {
            verdict.outcome = Outcome::Skipped;
        }
        self.report.found(verdict.finding(self.step, self.began.elapsed()));
    }

    fn secured(&mut self, secured: Secured) -> Way {
        let alpn = match secured.alpn {
            Some(name) => format!(", ALPN {name}"),
            None if self.place.transport == Transport::Tls => ", no ALPN".to_owned(),
            None => String::new(),
        };
        let unproved = if self.manner.lenient { " (unverified, only for a look)" } else { "" };
        self.tell(Outcome::Good, &format!("{}{alpn}{unproved}", secured.version));
        if !self.manner.lenient {
            let verdict = good_certificate(&secured.shown, crate::clock::unix_seconds());
            let Finding { outcome, says, means, next, .. } =
                verdict.finding(Step::Certificate, Duration::ZERO);
            let step = Step::Certificate;
            self.report.found(Finding { step, outcome, says, means, next, took: None });
        }
        secured.way
    }

    /// Another way to the same place, as the first one was taken.
    pub(super) async fn again(&self) -> Result<Way, Trouble> {
        let patience = self.practice.patience;
        match self.place.transport {
            Transport::Udp => Ok(Way::Datagrams(datagrams(self.address).await?.0)),
            Transport::Dtls => Ok(self.secure_datagrams().await?.0.way),
            Transport::Tcp => Ok(Way::stream(connect(self.address, patience).await?.0)),
            Transport::Tls => {
                let (stream, _) = connect(self.address, patience).await?;
                let (host, trust) = (&self.place.host, &self.practice.trust);
                Ok(secure(stream, host, trust, self.manner, patience).await?.way)
            }
        }
    }
}
