//! Our reader beside an independent one, on samples of the RFCs with random damage: the same
//! messages are sound, and they hold the same attributes.

use confer_turn_core::message::Message;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const SAMPLES: [&str; 5] = [
    include_str!("vectors/rfc5769-2.1-request.hex"),
    include_str!("vectors/rfc5769-2.2-ipv4-response.hex"),
    include_str!("vectors/rfc5769-2.3-ipv6-response.hex"),
    include_str!("vectors/rfc5769-2.4-long-term.hex"),
    include_str!("vectors/rfc8489-b.1-userhash.hex"),
];
const CASES: u32 = 20_000;

type Attributes = Vec<(u16, Vec<u8>)>;

fn ours(bytes: &[u8]) -> Option<Attributes> {
    let message = Message::read(bytes).ok()?;
    Some(message.attributes().map(|(_, kind, value)| (kind, value.to_vec())).collect())
}

/// What the other reader finds, where its rules are as strict as RFC 8489, section 5: it lets
/// through the two leading bits, lengths that are no multiple of four, and bytes after the end.
fn theirs(bytes: &[u8]) -> Option<Attributes> {
    let [first, _, high, low, ..] = *bytes else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if first & 0xC0 != 0 || length % 4 != 0 || bytes.len() != 20 + length {
        return None;
    }
    let mut message = stun::message::Message::new();
    message.raw = bytes.to_vec();
    message.decode().ok()?;
    let attributes = message.attributes.0.into_iter();
    Some(attributes.map(|attribute| (attribute.typ.value(), attribute.value)).collect())
}

/// The other reader takes 0x8020, a draft's XOR-MAPPED-ADDRESS, for today's.
fn renumbered(attributes: Option<Attributes>) -> Option<Attributes> {
    let today = |kind| if kind == 0x8020 { 0x0020 } else { kind };
    attributes.map(|all| all.into_iter().map(|(kind, value)| (today(kind), value)).collect())
}

#[test]
fn damaged_messages_mean_the_same_to_an_independent_reader() {
    let samples: Vec<Vec<u8>> = SAMPLES
        .iter()
        .map(|hex| hex.split_ascii_whitespace())
        .map(|bytes| bytes.map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect())
        .collect();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let sample = proptest::sample::select(samples);
    let damage = proptest::collection::vec((0..256usize, 0..=255u8), 0..4);
    let cut = proptest::option::weighted(0.2, 0..200usize);
    let outcome = runner.run(&(sample, damage, cut), |(mut bytes, damage, cut)| {
        for (at, value) in damage {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        proptest::prop_assert_eq!(renumbered(ours(&bytes)), theirs(&bytes));
        Ok(())
    });
    outcome.expect("both readers agree");
}
