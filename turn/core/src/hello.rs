//! The first message of a DTLS client (RFC 6347, section 4.2), and the answer that asks it to show
//! that it is where it says.
//!
//! A client says hello twice: first without a cookie, then with the one from the HelloVerifyRequest
//! and all else unchanged (section 4.2.1). Neither the first hello nor that answer is part of what
//! client and server prove to each other at the end (section 4.2.6), so who only sees the second
//! hello can make up the first and go on from there.

use crate::record::{HANDSHAKE, HEADER, records, six};

/// Bytes of a cookie: the most that DTLS 1.0 has room for is 32.
pub const COOKIE: usize = 20;
/// Bytes of an answer that asks for a cookie; the least hello has 64.
pub const VERIFY_REQUEST: usize = HEADER + MESSAGE_HEADER + 3 + COOKIE;
/// Type, length, sequence number and fragment of a handshake message (section 4.2.2).
const MESSAGE_HEADER: usize = 12;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// Version and random, which a hello begins with.
const OPENING: usize = 34;
/// What a server that asks for a cookie calls itself, whatever it speaks later.
const DTLS_1_0: [u8; 2] = [0xfe, 0xff];

/// A hello, alone in its datagram and in one piece.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'d> {
    /// The number of its record.
    pub number: u64,
    /// Its place among the client's messages: 0 without a cookie, 1 with one.
    pub place: u16,
    pub random: &'d [u8; 32],
    pub cookie: &'d [u8],
    /// The version that its record claims.
    version: [u8; 2],
    /// Version, random and session.
    before: &'d [u8],
    /// Cipher suites and compression.
    between: &'d [u8],
    extensions: &'d [u8],
}

/// Whether a datagram begins with a hello, or with a piece of one.
pub fn is_hello(datagram: &[u8]) -> bool {
    records(datagram).next().is_some_and(|record| {
        record.kind == HANDSHAKE && record.epoch == 0 && record.body.first() == Some(&CLIENT_HELLO)
    })
}

impl<'d> Hello<'d> {
    /// Reads a hello. One in pieces is none: putting it together would take memory for everybody
    /// who says that there is more to come.
    pub fn read(datagram: &'d [u8]) -> Option<Self> {
        let record = records(datagram).next().filter(|record| record.whole == datagram)?;
        let (head, body) = record.body.split_first_chunk::<MESSAGE_HEADER>()?;
        let &[kind, l0, l1, l2, p0, p1, o0, o1, o2, f0, f1, f2] = head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let in_one_piece = [o0, o1, o2] == [0; 3] && [f0, f1, f2] == [l0, l1, l2];
        let told = usize::try_from(length).ok()? == body.len();
        if !is_hello(datagram) || kind != CLIENT_HELLO || !in_one_piece || !told {
            return None;
        }
        let random = body.get(2..)?.first_chunk()?;
        let session = usize::from(*body.get(OPENING)?);
        let (before, rest) = body.split_at_checked(OPENING + 1 + session)?;
        let (&cookie, rest) = rest.split_first()?;
        let (cookie, rest) = rest.split_at_checked(usize::from(cookie))?;
        let (suites, after) = rest.split_first_chunk()?;
        let suites = usize::from(u16::from_be_bytes(*suites));
        let compression = usize::from(*after.get(suites)?);
        let (between, extensions) = rest.split_at_checked(2 + suites + 1 + compression)?;
        let version = [*record.whole.get(1)?, *record.whole.get(2)?];
        let (number, place) = (record.number, u16::from_be_bytes([p0, p1]));
        Some(Self { number, place, random, cookie, version, before, between, extensions })
    }

    /// What must be the same in both hellos of a client, in two parts.
    pub fn parameters(&self) -> [&'d [u8]; 2] {
        [self.before, self.between]
    }

    /// The hello before this one: without the cookie, in the record before. For none was before
    /// the first record, that has to be another's.
    pub fn without_cookie(&self) -> Vec<u8> {
        let parts = [self.before, &[0], self.between, self.extensions];
        // Less than this one, which had room in a record.
        let length = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>());
        let [_, l0, l1, l2] = length.unwrap_or(0).to_be_bytes();
        let head = [CLIENT_HELLO, l0, l1, l2, 0, 0, 0, 0, 0, l0, l1, l2];
        let whole = u16::from_be_bytes([l1, l2]).saturating_add(head.len() as u16);
        let mut made = vec![HANDSHAKE, self.version[0], self.version[1], 0, 0];
        made.extend(six(self.number.saturating_sub(1)));
        made.extend(whole.to_be_bytes());
        made.extend(head);
        parts.iter().for_each(|part| made.extend(*part));
        made
    }

    /// The answer that asks this client to come again with a cookie. Its record has the number of
    /// the hello's, so that repeated ones differ with nothing counted here.
    pub fn verify_request(&self, cookie: &[u8; COOKIE]) -> [u8; VERIFY_REQUEST] {
        const BODY: u8 = 3 + COOKIE as u8;
        let mut answer = [0; VERIFY_REQUEST];
        let (record, message) = answer.split_at_mut(HEADER);
        let (head, body) = message.split_at_mut(MESSAGE_HEADER);
        let [v0, v1] = DTLS_1_0;
        let [n0, n1, n2, n3, n4, n5] = six(self.number);
        let length = MESSAGE_HEADER as u8 + BODY;
        record.copy_from_slice(&[HANDSHAKE, v0, v1, 0, 0, n0, n1, n2, n3, n4, n5, 0, length]);
        head.copy_from_slice(&[HELLO_VERIFY_REQUEST, 0, 0, BODY, 0, 0, 0, 0, 0, 0, 0, BODY]);
        let (opening, room) = body.split_at_mut(3);
        opening.copy_from_slice(&[v0, v1, COOKIE as u8]);
        room.copy_from_slice(cookie);
        answer
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A hello with one cipher suite and one extension.
    pub(crate) fn hello(place: u8, random: u8, cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([random; 32]);
        body.extend([2, 5, 5]);
        body.push(u8::try_from(cookie.len()).expect("short"));
        body.extend(cookie);
        body.extend([0, 2, 0xc0, 0x2b, 1, 0, 0, 4, 0, 23, 0, 0]);
        let length = u8::try_from(body.len()).expect("short");
        let mut record = vec![HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 9, 0, length + 12];
        record.extend([CLIENT_HELLO, 0, 0, length, 0, place, 0, 0, 0, 0, 0, length]);
        record.extend(body);
        record
    }

    #[test]
    fn a_hello_is_read_and_the_one_before_it_made_up() {
        let second = hello(1, 7, &[3; COOKIE]);
        let read = Hello::read(&second).expect("a hello");
        assert_eq!((read.number, read.place, read.cookie), (9, 1, &[3; COOKIE][..]));
        assert_eq!(read.random, &[7; 32]);
        let mut first = hello(0, 7, &[]);
        first[10] = 8;
        assert_eq!(read.without_cookie(), first);
        let first = Hello::read(&first).expect("a hello");
        assert_eq!(first.parameters(), read.parameters());
    }

    #[test]
    fn a_hello_that_is_cut_or_in_pieces_or_not_alone_is_none() {
        let whole = hello(0, 7, &[]);
        for length in 0..whole.len() {
            assert!(Hello::read(&whole[..length]).is_none());
        }
        assert!(Hello::read(&whole.repeat(2)).is_none());
        // The message's length, its fragment's place and length, the session's and the cookie's
        // length, and the epoch.
        for at in [16, 21, 24, 59, 62, 4] {
            let mut changed = whole.clone();
            changed[at] += 70;
            assert!(Hello::read(&changed).is_none(), "{at}");
        }
        assert!(is_hello(&whole.repeat(2)), "it begins with one");
        assert!(!is_hello(&hello(0, 7, &[])[..20]));
    }

    #[test]
    fn who_is_asked_for_a_cookie_is_asked_in_fewer_bytes() {
        let first = hello(0, 7, &[]);
        let answer = Hello::read(&first).expect("a hello").verify_request(&[3; COOKIE]);
        assert!(answer.len() < first.len());
        let record = records(&answer).next().expect("a record");
        assert_eq!((record.number, record.epoch, record.whole), (9, 0, &answer[..]));
        assert_eq!(answer[HEADER..][..MESSAGE_HEADER], [3, 0, 0, 23, 0, 0, 0, 0, 0, 0, 0, 23]);
        assert!(answer.ends_with(&[3; COOKIE]));
    }
}
