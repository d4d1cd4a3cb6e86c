//! Cookies for DTLS clients (RFC 6347, section 4.2.1): who echoes one receives what is sent to its
//! address, and until then nothing is kept of it.
//!
//! A cookie is an HMAC over both addresses, the time and what a client must say alike in both its
//! hellos. What it is good for changes each minute, so one that was collected is soon worth nothing.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time, hmac};

use crate::hello::{COOKIE, Hello};
use crate::server::FiveTuple;

/// Seconds after which other cookies are made. Those of the time before are still good, so that a
/// client has at least this long to answer.
const PERIOD: u64 = 60;

/// Makes cookies and knows its own.
#[derive(Clone, Debug)]
pub struct Cookies {
    key: hmac::Key,
}

/// What a hello says about who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody who may not be there at all; to be asked for a cookie.
    Stranger,
    /// It receives what is sent to its address.
    Proven,
    /// It shows a cookie that is not ours, not its own or too old. RFC 6347 would ask it again; but
    /// that answer has to be numbered as the first one was and would be taken for a repetition.
    Foreign,
}

impl Cookies {
    /// `secret` may be shared by a fleet whose nodes answer for each other.
    pub fn new(secret: &[u8]) -> Self {
        // Not what nonces are made with: one cannot be shown as the other.
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"DTLS cookies");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()) }
    }

    /// The cookie for who says this hello.
    pub fn make(&self, tuple: &FiveTuple, hello: &Hello<'_>, unix: u64) -> [u8; COOKIE] {
        self.of_period(tuple, hello, unix / PERIOD)
    }

    /// What a hello says about who sent it.
    pub fn judge(&self, tuple: &FiveTuple, hello: &Hello<'_>, unix: u64) -> Standing {
        match (hello.place, hello.number) {
            (0, _) => Standing::Stranger,
            // The first hello had a record before this one's.
            (1, 1..) => {
                let now = unix / PERIOD;
                // One bit tells which of the two it is from, so that one is computed.
                let same = hello.cookie.first().is_some_and(|bits| bit(*bits) == bit(now as u8));
                let period = if same { Some(now) } else { now.checked_sub(1) };
                let ours = period.is_some_and(|period| {
                    let cookie = self.of_period(tuple, hello, period);
                    constant_time::verify_slices_are_equal(&cookie, hello.cookie).is_ok()
                });
                if ours { Standing::Proven } else { Standing::Foreign }
            }
            (_, _) => Standing::Foreign,
        }
    }

    fn of_period(&self, tuple: &FiveTuple, hello: &Hello<'_>, period: u64) -> [u8; COOKIE] {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(&period.to_be_bytes());
        for address in [tuple.client, tuple.server] {
            mac.update(&octets(address));
        }
        // Each part tells its own length, so none can pass for another.
        for part in hello.parameters() {
            mac.update(part);
        }
        let tag = mac.sign();
        let mut cookie = [0; COOKIE];
        cookie.iter_mut().zip(tag.as_ref()).for_each(|(out, byte)| *out = *byte);
        cookie[0] = cookie[0] & !1 | bit(period as u8);
        cookie
    }
}

/// What tells two periods that follow each other apart.
fn bit(of: u8) -> u8 {
    of & 1
}

fn octets(address: SocketAddr) -> [u8; 18] {
    let mut octets = [0; 18];
    let (ip, port) = octets.split_at_mut(16);
    ip.copy_from_slice(&match address.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    });
    port.copy_from_slice(&address.port().to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::tests::hello;
    use crate::server::Transport;

    fn tuple(client: &str) -> FiveTuple {
        let at = |text: &str| text.parse().expect("a literal");
        FiveTuple { client: at(client), server: at("192.0.2.9:3478"), transport: Transport::Dtls }
    }

    /// How a client at `from` stands that shows at `unix` what it was given at 600.
    fn standing(from: &str, random: u8, unix: u64) -> Standing {
        let cookies = Cookies::new(b"secret");
        let first = hello(0, 7, &[]);
        let first = Hello::read(&first).expect("a hello");
        let client = tuple("192.0.2.1:5000");
        assert_eq!(cookies.judge(&client, &first, 600), Standing::Stranger);
        let cookie = cookies.make(&client, &first, 600);
        let second = hello(1, random, &cookie);
        let second = Hello::read(&second).expect("a hello");
        cookies.judge(&tuple(from), &second, unix)
    }

    #[test]
    fn a_cookie_is_good_for_its_address_its_hello_and_its_time() {
        for unix in [600, 659, 660, 719] {
            assert_eq!(standing("192.0.2.1:5000", 7, unix), Standing::Proven, "{unix}");
        }
        for unix in [0, 599, 720, 100_000] {
            assert_eq!(standing("192.0.2.1:5000", 7, unix), Standing::Foreign, "{unix}");
        }
        assert_eq!(standing("192.0.2.1:5001", 7, 600), Standing::Foreign);
        assert_eq!(standing("[2001:db8::1]:5000", 7, 600), Standing::Foreign);
        assert_eq!(standing("192.0.2.1:5000", 8, 600), Standing::Foreign, "another's hello");
    }

    #[test]
    fn what_no_cookie_can_be_is_foreign() {
        let cookies = Cookies::new(b"secret");
        let client = tuple("192.0.2.1:5000");
        for cookie in [&[][..], &[0; COOKIE], &[0; COOKIE - 1], &[0; 64]] {
            let shown = hello(1, 7, cookie);
            let shown = Hello::read(&shown).expect("a hello");
            assert_eq!(cookies.judge(&client, &shown, 600), Standing::Foreign);
        }
        let first = hello(0, 7, &[]);
        let cookie = cookies.make(&client, &Hello::read(&first).expect("a hello"), 600);
        let judge = |place, number| {
            let mut shown = hello(place, 7, &cookie);
            shown[10] = number;
            cookies.judge(&client, &Hello::read(&shown).expect("a hello"), 600)
        };
        assert_eq!(judge(1, 1), Standing::Proven);
        assert_eq!(judge(1, 0), Standing::Foreign, "no record was before");
        assert_eq!(judge(2, 1), Standing::Foreign);
        assert_eq!(judge(0, 1), Standing::Stranger, "who begins is asked, whatever it shows");
    }
}
