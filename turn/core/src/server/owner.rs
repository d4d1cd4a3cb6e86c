//! Which of several servers a request is for.
//!
//! A process that runs one [`Server`] per thread gives each its own
//! [`Config::shard`](super::Config::shard), which becomes the first byte of everything the server
//! hands out to be shown again on another five-tuple. So the thread where such a request arrives
//! can tell whose it is, without asking anybody.

use std::net::SocketAddr;

use super::{Now, Server};
use crate::message::{Attributes, Class, Message, Method};

impl Server {
    /// The other server that a datagram is for, as [`owner`] tells, if its nonce proves that `client`
    /// receives our answers and it offers a proof that will be looked at. Any other request is
    /// answered where it arrives: a made-up ticket is not worth another thread's time.
    pub fn owner_elsewhere(&self, client: SocketAddr, packet: &[u8], now: Now) -> Option<u8> {
        let message = request(packet)?;
        let shown = Attributes::gather(&message);
        let owner = named(&message, &shown).filter(|owner| *owner != self.config.shard)?;
        let offers = shown.realm.is_some()
            && shown.username.is_some() != shown.userhash.is_some()
            && (shown.integrity.is_some() || shown.integrity_sha256.is_some());
        self.nonces.check(shown.nonce?, client, now.unix).ok()?;
        (offers && self.challenges.hears_proofs(client.ip(), now.steady)).then_some(owner)
    }
}

/// The [`Config::shard`](super::Config::shard) of the server whose reservation, connection or
/// mobility ticket a request shows. `None` for everything else.
pub fn owner(packet: &[u8]) -> Option<u8> {
    let message = request(packet)?;
    named(&message, &Attributes::gather(&message))
}

fn request(packet: &[u8]) -> Option<Message<'_>> {
    Message::read(packet).ok().filter(|read| read.class() == Class::Request)
}

fn named(message: &Message<'_>, shown: &Attributes<'_>) -> Option<u8> {
    match message.method()? {
        Method::Allocate => shown.reservation_token.map(|[shard, ..]| shard),
        Method::Refresh => shown.mobility_ticket.and_then(<[u8]>::first).copied(),
        Method::ConnectionBind => shown.connection_id.map(|id| id.to_be_bytes()[0]),
        Method::Binding
        | Method::Send
        | Method::Data
        | Method::CreatePermission
        | Method::ChannelBind
        | Method::Connect
        | Method::ConnectionAttempt => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Writer, attribute};

    #[test]
    fn what_a_server_handed_out_names_it() {
        let request = |method, kind, value: &[u8]| {
            let mut packet = Vec::new();
            Writer::begin(&mut packet, Class::Request, method, &[1; 12]).bytes(kind, value);
            owner(&packet)
        };
        let token = [3, 1, 1, 1, 1, 1, 1, 1];
        assert_eq!(request(Method::Allocate, attribute::RESERVATION_TOKEN, &token), Some(3));
        assert_eq!(request(Method::ConnectionBind, attribute::CONNECTION_ID, &[4; 4]), Some(4));
        assert_eq!(request(Method::Refresh, attribute::MOBILITY_TICKET, &[5; 24]), Some(5));
        assert_eq!(request(Method::Refresh, attribute::MOBILITY_TICKET, &[]), None);
        assert_eq!(request(Method::Allocate, attribute::LIFETIME, &[5; 4]), None);
        assert_eq!(owner(&[0x40, 0, 0, 0]), None);
    }
}
