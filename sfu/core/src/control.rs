//! Small datagrams that wait for the driver: STUN, DTLS and RTCP.

use std::collections::VecDeque;
use std::ops::Range;

use crate::transport::Route;

/// One buffer for all of them, emptied whenever the driver has taken all: no allocation once it has
/// grown to what a receive batch answers.
pub(crate) struct Control {
    bytes: Vec<u8>,
    datagrams: VecDeque<(Route, Range<usize>)>,
    capacity: usize,
}

impl Control {
    /// Holds at most `capacity` bytes; what comes beyond is refused.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { bytes: Vec::new(), datagrams: VecDeque::new(), capacity }
    }

    /// Adds a datagram of at most `longest` bytes that `write` makes in place, returning how long
    /// it is. `false` when there is no room.
    pub(crate) fn push_with(
        &mut self,
        route: Route,
        longest: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        if self.datagrams.is_empty() {
            self.bytes.clear();
        }
        let start = self.bytes.len();
        if start + longest > self.capacity {
            return false;
        }
        self.bytes.resize(start + longest, 0);
        let length = write(&mut self.bytes[start..]).unwrap_or(0);
        self.bytes.truncate(start + length);
        if length > 0 {
            self.datagrams.push_back((route, start..start + length));
        }
        true
    }

    /// Adds a finished datagram.
    pub(crate) fn push(&mut self, route: Route, datagram: &[u8]) -> bool {
        self.push_with(route, datagram.len(), |space| {
            space.copy_from_slice(datagram);
            Some(datagram.len())
        })
    }

    /// Takes the next datagram; its bytes stay until the next push.
    pub(crate) fn pop(&mut self) -> Option<(Route, Range<usize>)> {
        self.datagrams.pop_front()
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_in_order_and_the_buffer_is_bounded() {
        let to = Route {
            remote: "127.0.0.1:9".parse().expect("valid"),
            local: "127.0.0.1".parse().expect("valid"),
        };
        let mut control = Control::new(10);
        assert!(control.push(to, b"abcd"));
        assert!(control.push(to, b"efgh"));
        assert!(!control.push(to, b"ijkl"), "no room");
        let (_, first) = control.pop().expect("queued");
        assert_eq!(control.bytes(first), b"abcd");
        let (_, second) = control.pop().expect("queued");
        assert_eq!(control.bytes(second), b"efgh");
        assert!(control.pop().is_none());
        assert!(control.push(to, b"0123456789"), "room again");
    }
}
