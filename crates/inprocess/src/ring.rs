//! One ring of frames: a writer, a reader, bytes between them.
//!
//! A frame is a head of fixed length and a payload. The writer makes sure that there is room for
//! both, then writes one after the other; the reader takes a frame only when it is whole. Nothing is
//! allocated after the start.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rtrb::{Consumer, Producer, RingBuffer};

/// The longest run: a UDP datagram over IPv4 holds no more (RFC 768 and RFC 791), and a run is no
/// longer. What is longer goes elsewhere.
pub const MOST_BYTES: usize = 65_507;
/// An IPv6 address and a port.
const ADDRESS_BYTES: usize = 18;
/// Two addresses, the ticket, the length of the payload and of its datagrams.
const HEAD_BYTES: usize = 2 * ADDRESS_BYTES + 4 + 2 + 2;
/// What a ring must hold, so that no run is too long for an empty one.
pub(crate) const MIN_RING_BYTES: usize = HEAD_BYTES + MOST_BYTES;

/// What is known of a run of datagrams besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// As the receiver sees the sender.
    pub(crate) from: SocketAddr,
    /// As the sender names the receiver.
    pub(crate) to: SocketAddr,
    /// What the table said about the relayed address; see [`crate::table`].
    pub(crate) ticket: u32,
    /// The length of each datagram; the last one may be shorter.
    pub(crate) segment: u16,
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Writer(Producer<u8>);

/// The reader's end.
#[derive(Debug)]
pub(crate) struct Reader(Consumer<u8>);

pub(crate) fn ring(bytes: usize) -> (Writer, Reader) {
    let (producer, consumer) = RingBuffer::new(bytes);
    (Writer(producer), Reader(consumer))
}

impl Writer {
    /// Whether nobody will ever read.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }

    /// Writes a frame; `false` when there is no room. `payload` must be of at most [`MOST_BYTES`].
    pub(crate) fn write(&mut self, head: &Head, payload: &[u8]) -> bool {
        let (Ok(length), wanted) = (u16::try_from(payload.len()), HEAD_BYTES + payload.len())
        else {
            return false;
        };
        if self.0.cached_slots() < wanted && self.0.slots() < wanted {
            return false;
        }
        let written = self.0.push_entire_slice(&head.encode(length));
        // Only the reader changes how much room there is, and it makes more.
        written.is_ok() && self.0.push_entire_slice(payload).is_ok()
    }
}

impl Reader {
    /// Whether a whole frame waits.
    pub(crate) fn has_frame(&mut self) -> bool {
        self.head().is_some()
    }

    /// Takes one frame, if a whole one waits. It is copied to `spare` first: these bytes are in
    /// another core's cache, and one copy fetches them faster than whatever reads them bit by bit.
    pub(crate) fn take(
        &mut self,
        spare: &mut Vec<u8>,
        each: impl FnOnce(&Head, &mut [u8]),
    ) -> bool {
        let Some((head, length)) = self.head() else { return false };
        let Ok(frame) = self.0.read_chunk(HEAD_BYTES + length) else { return false };
        let (first, second) = frame.as_slices();
        spare.clear();
        spare.extend_from_slice(first);
        spare.extend_from_slice(second);
        frame.commit_all();
        each(&head, spare.get_mut(HEAD_BYTES..).unwrap_or_default());
        true
    }

    /// The next frame's head and the length of its payload, if all of it is there.
    fn head(&mut self) -> Option<(Head, usize)> {
        let bytes = self.0.read_chunk(HEAD_BYTES).ok()?;
        let (first, second) = bytes.as_slices();
        let mut encoded = [0; HEAD_BYTES];
        let (one, two) = encoded.split_at_mut(first.len());
        one.copy_from_slice(first);
        two.copy_from_slice(second);
        let (head, length) = Head::decode(&encoded);
        let whole = HEAD_BYTES + length;
        (self.0.cached_slots() >= whole || self.0.slots() >= whole).then_some((head, length))
    }
}

impl Head {
    fn encode(&self, length: u16) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let (from, rest) = bytes.split_at_mut(ADDRESS_BYTES);
        let (to, rest) = rest.split_at_mut(ADDRESS_BYTES);
        let (ticket, rest) = rest.split_at_mut(4);
        let (segment, length_bytes) = rest.split_at_mut(2);
        from.copy_from_slice(&encode(self.from));
        to.copy_from_slice(&encode(self.to));
        ticket.copy_from_slice(&self.ticket.to_ne_bytes());
        segment.copy_from_slice(&self.segment.to_ne_bytes());
        length_bytes.copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEAD_BYTES]) -> (Self, usize) {
        let (from, rest) = take::<ADDRESS_BYTES>(bytes);
        let (to, rest) = take::<ADDRESS_BYTES>(rest);
        let (ticket, rest) = take::<4>(rest);
        let (segment, rest) = take::<2>(rest);
        let (length, _) = take::<2>(rest);
        let head = Self {
            from: decode(&from),
            to: decode(&to),
            ticket: u32::from_ne_bytes(ticket),
            segment: u16::from_ne_bytes(segment),
        };
        (head, usize::from(u16::from_ne_bytes(length)))
    }
}

fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (taken, rest) = bytes.split_first_chunk::<N>().expect("a head has room for all its parts");
    (*taken, rest)
}

/// IPv4 is written as mapped into IPv6; neither side has addresses of that form besides.
fn encode(address: SocketAddr) -> [u8; ADDRESS_BYTES] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; ADDRESS_BYTES];
    let (head, tail) = bytes.split_at_mut(16);
    head.copy_from_slice(&ip.octets());
    tail.copy_from_slice(&address.port().to_ne_bytes());
    bytes
}

fn decode(bytes: &[u8; ADDRESS_BYTES]) -> SocketAddr {
    let (ip, port) = take::<16>(bytes);
    let (port, _) = take::<2>(port);
    SocketAddr::new(Ipv6Addr::from(ip).to_canonical(), u16::from_ne_bytes(port))
}
