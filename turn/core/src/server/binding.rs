//! Binding: where a client comes from, and what its NAT does (RFC 8489 section 3, RFC 5780).

use std::net::SocketAddr;
use std::time::Instant;

use super::{Behaviour, DropReason, FiveTuple, Server, Transport, Verdict, code};
use crate::message::{Attributes, Class, Message, Method, Writer, attribute};

impl Server {
    /// The shortest answer there is: 1.6 times the smallest request over IPv4.
    pub(super) fn answer_binding(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Verdict {
        if !self.challenges.admit(tuple.client.ip(), now) {
            return Verdict::Drop(DropReason::ChallengesSpent);
        }
        let attributes = Attributes::gather(message);
        let behaviour = self.config.behaviour.filter(|_| tuple.transport == Transport::Udp);
        let place = behaviour.and_then(|behaviour| behaviour.place(tuple.server));
        let unknown = first_unknown(&attributes, place.is_some());
        if let Some(unknown) = unknown {
            self.refusals.count(code::UNKNOWN_ATTRIBUTE);
            Writer::begin(out, Class::Error, Method::Binding, message.transaction())
                .error(code::UNKNOWN_ATTRIBUTE)
                .bytes(attribute::UNKNOWN_ATTRIBUTES, &unknown.to_be_bytes());
            return Verdict::REPLY;
        }
        if attributes.padding.is_some() && attributes.response_port.is_some() {
            // The longest answer is not to be sent where somebody points (RFC 5780, section 6.1).
            self.refusals.count(code::BAD_REQUEST);
            Writer::begin(out, Class::Error, Method::Binding, message.transaction())
                .error(code::BAD_REQUEST);
            return Verdict::REPLY;
        }
        let mut writer = Writer::begin(out, Class::Success, Method::Binding, message.transaction());
        writer.address(attribute::XOR_MAPPED_ADDRESS, tuple.client);
        let (Some(behaviour), Some((ip, port))) = (behaviour, place) else { return Verdict::REPLY };

        let (change_ip, change_port) = attributes.change.unwrap_or_default();
        let from =
            behaviour.addresses[ip ^ usize::from(change_ip)][port ^ usize::from(change_port)];
        let asked = attributes.change.is_some()
            || attributes.response_port.is_some()
            || attributes.padding.is_some();
        // Only those who ask for behaviour get more than the shortest answer.
        if asked || message.bytes().len() > crate::frame::STUN_HEADER {
            writer
                .plain_address(attribute::RESPONSE_ORIGIN, from)
                .plain_address(attribute::OTHER_ADDRESS, behaviour.addresses[ip ^ 1][port ^ 1]);
        }
        if let Some(length) = attributes.padding {
            // No longer than what was asked with, so that nothing is amplified.
            writer.bytes(attribute::PADDING, &vec![0; length]);
        }
        let to = attributes.response_port.map(|port| SocketAddr::new(tuple.client.ip(), port));
        Verdict::Reply { from: Some(from).filter(|from| *from != tuple.server), to }
    }
}

/// Of the attributes that must be understood, the first that is not.
fn first_unknown(attributes: &Attributes<'_>, discovers: bool) -> Option<u16> {
    if let Some(unknown) = attributes.unknown().first() {
        return Some(*unknown);
    }
    let asked = [
        (attribute::CHANGE_REQUEST, attributes.change.is_some()),
        (attribute::RESPONSE_PORT, attributes.response_port.is_some()),
        (attribute::PADDING, attributes.padding.is_some()),
    ];
    asked.iter().find(|(_, asked)| *asked && !discovers).map(|(kind, _)| *kind)
}

impl Behaviour {
    /// Which of the four addresses this is.
    fn place(&self, server: SocketAddr) -> Option<(usize, usize)> {
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        places.into_iter().find(|(ip, port)| self.addresses[*ip][*port] == server)
    }
}
