//! Which of several servers a request is for.
//!
//! A process that runs one [`Server`](super::Server) per thread gives each its own
//! [`Config::shard`](super::Config::shard), which becomes the first byte of everything the server
//! hands out to be shown again on another five-tuple. So the thread where such a request arrives
//! can tell whose it is, without asking anybody.

use crate::message::{Attributes, Class, Message, Method};

/// The [`Config::shard`](super::Config::shard) of the server whose reservation, connection or
/// mobility ticket a request shows. `None` for everything else.
pub fn owner(packet: &[u8]) -> Option<u8> {
    let message = Message::read(packet).ok().filter(|read| read.class() == Class::Request)?;
    let shown = Attributes::gather(&message);
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
