//! The little of STUN that connectivity checks need (RFC 8489), read and written in place.
//!
//! Messages are checked in the order of cost: shape, then our ufrag, then the HMAC. stun-rs parses
//! the same messages in the tests, as an oracle; it is not used here because its validating
//! decoder takes requests without MESSAGE-INTEGRITY and allocates before it authenticates.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

const HEADER_LEN: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// Attributes below this must be understood (RFC 8489, section 14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

/// HMAC-SHA1 (RFC 8489, section 14.5).
const INTEGRITY_LEN: usize = 20;
const ATTRIBUTE_HEADER_LEN: usize = 4;

/// The longest check we read. Browsers send about 120 bytes.
pub(crate) const MAX_MESSAGE_LEN: usize = 1280;

/// The ufrag of ours that a binding request asks for, if `datagram` has the shape of one.
pub(crate) fn local_ufrag(datagram: &[u8]) -> Option<&[u8]> {
    let message = Message::frame(datagram)?;
    if message.kind() != BINDING_REQUEST {
        return None;
    }
    let username = message.attributes().find(|(kind, _)| *kind == USERNAME)?.1;
    let colon = username.iter().position(|byte| *byte == b':')?;
    Some(&username[..colon])
}

/// A datagram framed as STUN: header, magic cookie and length are right.
#[derive(Clone, Copy)]
struct Message<'a> {
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    fn frame(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < HEADER_LEN || bytes.len() > MAX_MESSAGE_LEN {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let framed = bytes[4..8] == MAGIC_COOKIE
            && length.is_multiple_of(4)
            && length == bytes.len() - HEADER_LEN;
        framed.then_some(Self { bytes })
    }

    fn kind(self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    fn attributes(self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, at: HEADER_LEN }
    }
}

/// Attributes in their order. Ends early at one that does not fit; [`Attributes::whole`] tells.
struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Attributes<'_> {
    fn whole(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.bytes.get(self.at..self.at + ATTRIBUTE_HEADER_LEN)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let start = self.at + ATTRIBUTE_HEADER_LEN;
        let value = self.bytes.get(start..start + length)?;
        let end = start + length.next_multiple_of(4);
        if end > self.bytes.len() {
            return None;
        }
        self.at = end;
        Some((kind, value))
    }
}

/// A connectivity check whose sender has proved that it knows our password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) use_candidate: bool,
    pub(super) priority: u32,
    /// The sender believes that it is the controlled side, too.
    pub(super) claims_controlled: bool,
    /// The first attributes that must be understood and are not, zero where there is none.
    pub(super) unknown: [u16; UNKNOWN_CAPACITY],
}

/// How many unknown attributes an answer names. Listing them all would let a request choose the
/// length of its answer.
pub(super) const UNKNOWN_CAPACITY: usize = 4;

/// Why a check was not believed. None of these is answered: an answer would tell a stranger that
/// the port is ours, and a check that runs ahead of its signaling is repeated anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckRefusal {
    #[error("check is malformed")]
    Malformed,
    /// RFC 8445, section 7.3: a check without MESSAGE-INTEGRITY, USERNAME or PRIORITY.
    #[error("check lacks a required attribute")]
    Incomplete,
    /// USERNAME names another agent than this, or another peer than the one that was offered.
    #[error("check is for somebody else")]
    WrongUsername,
    #[error("check is not authentic")]
    NotAuthentic,
    #[error("fingerprint of check is wrong")]
    WrongFingerprint,
}

/// Reads a check sent to `local_ufrag`, whose password `key` is.
///
/// `peer_known` is asked about the other half of USERNAME.
pub(super) fn read_check(
    datagram: &[u8],
    local_ufrag: &str,
    peer_known: impl Fn(&[u8]) -> bool,
    key: &hmac::Key,
) -> Result<Check, CheckRefusal> {
    let message = Message::frame(datagram).ok_or(CheckRefusal::Malformed)?;
    if message.kind() != BINDING_REQUEST {
        return Err(CheckRefusal::Malformed);
    }

    let mut check =
        Check { use_candidate: false, priority: 0, claims_controlled: false, unknown: [0; 4] };
    let mut username = None;
    let mut priority = None;
    let mut integrity = None;
    let mut fingerprint = None;
    let mut unknown = 0;

    let mut attributes = message.attributes();
    loop {
        let start = attributes.at;
        let Some((kind, value)) = attributes.next() else { break };
        if fingerprint.is_some() {
            // RFC 8489, section 14.7: FINGERPRINT is the last attribute.
            return Err(CheckRefusal::Malformed);
        }
        match kind {
            FINGERPRINT => fingerprint = Some((start, value)),
            // RFC 8489, section 14.5: what follows MESSAGE-INTEGRITY is not covered by it.
            _ if integrity.is_some() => {}
            MESSAGE_INTEGRITY => integrity = Some((start, value)),
            USERNAME => username = Some(value),
            PRIORITY => {
                let value = value.try_into().map_err(|_| CheckRefusal::Malformed)?;
                priority = Some(u32::from_be_bytes(value));
            }
            USE_CANDIDATE => check.use_candidate = true,
            ICE_CONTROLLED => check.claims_controlled = true,
            ICE_CONTROLLING => {}
            _ if kind < COMPREHENSION_OPTIONAL => {
                if let Some(place) = check.unknown.get_mut(unknown) {
                    *place = kind;
                    unknown += 1;
                }
            }
            _ => {}
        }
    }
    if !attributes.whole() {
        return Err(CheckRefusal::Malformed);
    }

    let username = username.ok_or(CheckRefusal::Incomplete)?;
    let names_us = username
        .strip_prefix(local_ufrag.as_bytes())
        .and_then(|rest| rest.strip_prefix(b":"))
        .is_some_and(peer_known);
    if !names_us {
        return Err(CheckRefusal::WrongUsername);
    }

    if let Some((at, value)) = fingerprint
        && value != fingerprint_of(&datagram[..at]).to_be_bytes()
    {
        return Err(CheckRefusal::WrongFingerprint);
    }

    let (at, mac) = integrity.ok_or(CheckRefusal::Incomplete)?;
    let mut header = [0; HEADER_LEN];
    header.copy_from_slice(&datagram[..HEADER_LEN]);
    set_length(&mut header, at + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN);
    let mut context = hmac::Context::with_key(key);
    context.update(&header);
    context.update(&datagram[HEADER_LEN..at]);
    let expected = context.sign();
    aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), mac)
        .map_err(|_| CheckRefusal::NotAuthentic)?;

    check.priority = priority.ok_or(CheckRefusal::Incomplete)?;
    Ok(check)
}

/// The key of short-term credentials is the password itself (RFC 8489, section 9.1.1).
pub(super) fn integrity_key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// Writes the success response to `request` (RFC 8445, section 7.3.1.2).
pub(super) fn write_success(
    request: &[u8],
    source: SocketAddr,
    key: &hmac::Key,
    out: &mut Vec<u8>,
) {
    begin(BINDING_SUCCESS, request, out);
    let transaction = &request[4..HEADER_LEN];
    let port = source.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
    match source.ip().to_canonical() {
        IpAddr::V4(ip) => {
            attribute(XOR_MAPPED_ADDRESS, 8, out);
            out.extend_from_slice(&[0, 1]);
            out.extend_from_slice(&port.to_be_bytes());
            out.extend(ip.octets().iter().zip(transaction).map(|(byte, mask)| byte ^ mask));
        }
        IpAddr::V6(ip) => {
            attribute(XOR_MAPPED_ADDRESS, 20, out);
            out.extend_from_slice(&[0, 2]);
            out.extend_from_slice(&port.to_be_bytes());
            out.extend(ip.octets().iter().zip(transaction).map(|(byte, mask)| byte ^ mask));
        }
    }
    finish(key, out);
}

/// Writes the refusal of attributes that must be understood (RFC 8489, section 6.3.1).
pub(super) fn write_unknown_attributes(
    request: &[u8],
    unknown: &[u16; UNKNOWN_CAPACITY],
    key: &hmac::Key,
    out: &mut Vec<u8>,
) {
    begin(BINDING_ERROR, request, out);
    attribute(ERROR_CODE, 4, out);
    out.extend_from_slice(&[0, 0, 4, 20]);
    let listed = unknown.iter().take_while(|kind| **kind != 0);
    let count = listed.clone().count();
    attribute(UNKNOWN_ATTRIBUTES, 2 * count, out);
    for kind in listed {
        out.extend_from_slice(&kind.to_be_bytes());
    }
    if count % 2 == 1 {
        out.extend_from_slice(&[0, 0]);
    }
    finish(key, out);
}

/// Writes the refusal of a role that is ours: a lite agent is always controlled
/// (RFC 8445, sections 6.1.1 and 7.3.1.1).
pub(super) fn write_role_conflict(request: &[u8], key: &hmac::Key, out: &mut Vec<u8>) {
    begin(BINDING_ERROR, request, out);
    attribute(ERROR_CODE, 4, out);
    out.extend_from_slice(&[0, 0, 4, 87]);
    finish(key, out);
}

fn begin(kind: u16, request: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&request[4..HEADER_LEN]);
}

fn attribute(kind: u16, length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    let length = u16::try_from(length).expect("our attributes are a few bytes long");
    out.extend_from_slice(&length.to_be_bytes());
}

/// Adds MESSAGE-INTEGRITY and FINGERPRINT, each computed with a length that includes itself.
fn finish(key: &hmac::Key, out: &mut Vec<u8>) {
    let end = out.len() + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN;
    set_length(out, end);
    let mac = hmac::sign(key, out);
    attribute(MESSAGE_INTEGRITY, INTEGRITY_LEN, out);
    out.extend_from_slice(mac.as_ref());

    let end = out.len() + ATTRIBUTE_HEADER_LEN + 4;
    set_length(out, end);
    let fingerprint = fingerprint_of(out);
    attribute(FINGERPRINT, 4, out);
    out.extend_from_slice(&fingerprint.to_be_bytes());
}

/// Makes the header say that the message ends at `end`.
fn set_length(header: &mut [u8], end: usize) {
    let length = u16::try_from(end - HEADER_LEN).expect("messages are at most MAX_MESSAGE_LEN");
    header[2..4].copy_from_slice(&length.to_be_bytes());
}

/// RFC 8489, section 14.7. The header must already say a length that includes the attribute.
fn fingerprint_of(bytes: &[u8]) -> u32 {
    crc32(bytes) ^ 0x5354_554e
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (crc >> 8) ^ CRC32_TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)]
    })
}

/// CRC-32 of ISO 3309, which RFC 8489 borrows from V.42.
const CRC32_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
