//! Allocations that move with their client (RFC 8016).

use std::time::Duration;

use super::request::{Refusal, Request, whole_seconds};
use super::{CloseReason, Event, FiveTuple, RelayKind, Server, Verdict, code};
use crate::message::attribute;

/// A mobility ticket: the allocation's number and move, then a proof.
const TICKET: usize = 24;

impl Server {
    /// A refresh from a new five-tuple, with the ticket of an allocation (RFC 8016, section 3.3).
    pub(super) fn move_allocation(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        let ticket = request.attributes.mobility_ticket.unwrap_or_default();
        let ticket = <[u8; TICKET]>::try_from(ticket).map_err(|_| Refusal(code::BAD_REQUEST))?;
        if !self.config.mobility {
            return Err(Refusal(code::MOBILITY_FORBIDDEN));
        }
        let (from, to) = (self.tickets.get(&ticket).copied(), request.tuple);
        let Some(from) = from else { return self.answer_move_again(request, ticket, out) };
        let Some(allocation) = self.allocations.get(&from) else {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        };
        // A ticket is good for its owner only (coturn#1969).
        if allocation.username != request.caller.username
            || allocation.tenant != request.caller.tenant
        {
            return Err(Refusal(code::WRONG_CREDENTIALS));
        }
        if from != to && self.allocations.contains_key(&to) {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        }
        if allocation.kind == RelayKind::Tcp && !to.transport.is_stream() {
            return Err(Refusal(code::BAD_REQUEST));
        }
        let lifetime = match request.attributes.lifetime {
            Some(0) => Duration::ZERO,
            asked => self.lifetime(asked),
        };
        if from != to {
            self.rename(&from, to);
        }
        let mut granted = Duration::ZERO;
        let mut fresh = None;
        if lifetime.is_zero() {
            self.close(&to, CloseReason::Released, request.now.steady);
        } else {
            granted = self.prolong(request, lifetime);
            fresh = self.renew_ticket(&ticket, &to);
            if let Some(allocation) = self.allocations.get_mut(&to) {
                allocation.moved_by = Some((*request.message.transaction(), ticket));
            }
        }
        write_moved(request, granted, fresh, out);
        Ok(Verdict::REPLY)
    }

    /// The answer to a move was lost and the request came again: without the new ticket, the client
    /// could not move a second time.
    fn answer_move_again(
        &self,
        request: &Request<'_>,
        spent: [u8; TICKET],
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        self.own(request).map_err(|_| Refusal(code::BAD_REQUEST))?;
        let allocation = self.allocations.get(&request.tuple);
        let again = Some((*request.message.transaction(), spent));
        let allocation = allocation
            .filter(|allocation| allocation.moved_by == again)
            .ok_or(Refusal(code::BAD_REQUEST))?;
        let left = allocation.expires.saturating_duration_since(request.now.steady);
        let ticket = allocation.mobility.map(|number| self.ticket(number));
        write_moved(request, left, ticket, out);
        Ok(Verdict::REPLY)
    }

    /// Puts an allocation under another five-tuple.
    fn rename(&mut self, from: &FiveTuple, to: FiveTuple) {
        let Some(mut allocation) = self.allocations.remove(from) else { return };
        allocation.tuple = to;
        for address in allocation.relayed.iter() {
            self.by_relayed.insert(address, to);
        }
        self.expiries.remove(allocation.expires, *from);
        self.expiries.add(allocation.expires, to);
        self.allocations.insert(to, allocation);
        self.connections.rename(*from, to);
        self.events.push_back(Event::Moved { from: *from, to });
    }

    /// A ticket is good once.
    fn renew_ticket(&mut self, used: &[u8; TICKET], tuple: &FiveTuple) -> Option<[u8; TICKET]> {
        self.tickets.remove(used);
        self.next_number += 1;
        let number = self.next_number;
        let allocation = self.allocations.get_mut(tuple)?;
        allocation.mobility = Some(number);
        let ticket = self.ticket(number);
        self.tickets.insert(ticket, *tuple);
        Some(ticket)
    }

    /// Unguessable, and as good as random to anybody without the secret, but for the first byte.
    pub(super) fn ticket(&self, number: u64) -> [u8; TICKET] {
        self.derive(b"ticket", number)
    }
}

fn write_moved(
    request: &Request<'_>,
    lifetime: Duration,
    ticket: Option<[u8; TICKET]>,
    out: &mut Vec<u8>,
) {
    let mut answer = request.success(out);
    answer.number(attribute::LIFETIME, whole_seconds(lifetime));
    if let Some(ticket) = ticket {
        answer.bytes(attribute::MOBILITY_TICKET, &ticket);
    }
    answer.integrity(&request.caller.key);
}
