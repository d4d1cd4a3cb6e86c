//! Packets for one destination that follow each other are sent together.
//!
//! UDP GSO takes one buffer of datagrams that are all as long as the first; the last may be
//! shorter, and ends the run.

use crate::udp::RUN_LEN;

/// Datagrams in a run at most: what the kernel takes (`UDP_MAX_SEGMENTS` of older ones).
const SEGMENTS: usize = 64;

/// Packets for one destination, one after the other in one buffer that is used again and again.
#[derive(Debug)]
pub(crate) struct Run<K> {
    to: Option<K>,
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    /// The last one was shorter than the others.
    ended: bool,
}

/// A run that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ready<'r, K> {
    pub(crate) to: K,
    pub(crate) bytes: &'r [u8],
    pub(crate) segment: usize,
    pub(crate) count: usize,
}

impl<K: PartialEq + Copy> Run<K> {
    pub(crate) fn new() -> Self {
        Self { to: None, bytes: Vec::new(), segment: 0, count: 0, ended: false }
    }

    /// Adds a packet, and sends what it cannot follow.
    pub(crate) fn push(&mut self, to: K, packet: &[u8], send: impl FnOnce(Ready<'_, K>)) {
        if !self.continues(to, packet.len()) {
            self.flush(send);
        }
        self.bytes.extend_from_slice(packet);
        self.joined(to, packet.len());
    }

    /// Where the next packet may be written. [`Run::written`] must follow.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Adds the packet that was written to the buffer from byte `begin` on, and sends what it
    /// cannot follow.
    pub(crate) fn written(&mut self, to: K, begin: usize, send: impl FnOnce(Ready<'_, K>)) {
        let length = self.bytes.len() - begin;
        if !self.continues(to, length) {
            if let Some(earlier) = self.to.take() {
                let bytes = self.bytes.get(..begin).unwrap_or_default();
                send(Ready { to: earlier, bytes, segment: self.segment, count: self.count });
            }
            self.bytes.drain(..begin);
            self.count = 0;
        }
        self.joined(to, length);
    }

    /// Sends what there is.
    pub(crate) fn flush(&mut self, send: impl FnOnce(Ready<'_, K>)) {
        if let Some(to) = self.to.take() {
            send(Ready { to, bytes: &self.bytes, segment: self.segment, count: self.count });
        }
        self.bytes.clear();
        self.count = 0;
    }

    fn continues(&self, to: K, length: usize) -> bool {
        self.to == Some(to)
            && !self.ended
            && length <= self.segment
            && length > 0
            && self.count < SEGMENTS
            && (self.count + 1) * self.segment <= RUN_LEN
    }

    fn joined(&mut self, to: K, length: usize) {
        if self.to.is_none() {
            self.to = Some(to);
            self.segment = length;
            self.ended = false;
        }
        self.ended |= length < self.segment;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was sent: destination, segment, count, bytes.
    type Sent = Vec<(u8, usize, usize, Vec<u8>)>;

    fn note(sent: &mut Sent) -> impl FnOnce(Ready<'_, u8>) + use<'_> {
        |run| sent.push((run.to, run.segment, run.count, run.bytes.to_vec()))
    }

    /// Pushes packets in both ways, which must come to the same.
    fn runs(packets: &[(u8, &[u8])]) -> Sent {
        let (mut copied, mut written) = (Sent::new(), Sent::new());
        let (mut one, mut other) = (Run::new(), Run::new());
        for (to, packet) in packets {
            one.push(*to, packet, note(&mut copied));
            let begin = other.buffer().len();
            other.buffer().extend_from_slice(packet);
            other.written(*to, begin, note(&mut written));
        }
        one.flush(note(&mut copied));
        other.flush(note(&mut written));
        assert_eq!(copied, written);
        copied
    }

    #[test]
    fn equal_packets_for_one_destination_go_together() {
        let sent = runs(&[(1, b"aaa"), (1, b"bbb"), (1, b"cc"), (1, b"dd"), (2, b"ee")]);
        assert_eq!(
            sent,
            [(1, 3, 3, b"aaabbbcc".to_vec()), (1, 2, 1, b"dd".to_vec()), (2, 2, 1, b"ee".to_vec())]
        );
    }

    #[test]
    fn a_longer_packet_begins_another_run() {
        let sent = runs(&[(1, b"a"), (1, b"bb")]);
        assert_eq!(sent, [(1, 1, 1, b"a".to_vec()), (1, 2, 1, b"bb".to_vec())]);
    }

    #[test]
    fn empty_packets_are_packets() {
        let sent = runs(&[(1, b""), (1, b""), (1, b"a"), (1, b"")]);
        assert_eq!(sent.iter().map(|run| run.2).sum::<usize>(), 4);
        assert!(sent.iter().all(|run| run.2 == 1));
    }

    #[test]
    fn no_run_is_longer_than_the_kernel_takes() {
        let packet = [7; 1200];
        let sent = runs(&[(1, &packet[..]); 100]);
        assert!(sent.iter().all(|run| run.3.len() <= RUN_LEN && run.2 <= SEGMENTS));
        assert_eq!(sent.iter().map(|run| run.2).sum::<usize>(), 100);
    }
}
