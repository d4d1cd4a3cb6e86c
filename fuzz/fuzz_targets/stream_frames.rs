//! A client's stream, whole and in pieces: frames must be the same wherever it was cut.
#![no_main]

use confer_turn_core::frame::{classify, whole_frames};
use libfuzzer_sys::fuzz_target;

/// The frames of a stream that arrives in pieces of these lengths, and whether it ended in nonsense.
fn frames(stream: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<u8>, Vec<usize>, bool) {
    let (mut taken, mut binds_at, mut buffer, mut rest) =
        (Vec::new(), Vec::new(), Vec::new(), stream);
    loop {
        loop {
            match whole_frames(&buffer) {
                Ok(Some(whole)) => {
                    assert!(whole.length > 0 && whole.length <= buffer.len());
                    if whole.binds {
                        binds_at.push(taken.len());
                    }
                    taken.extend(buffer.drain(..whole.length));
                }
                Ok(None) => break,
                Err(_) => return (taken, binds_at, true),
            }
        }
        if rest.is_empty() {
            return (taken, binds_at, false);
        }
        let (next, after) = rest.split_at(piece().clamp(1, rest.len()));
        buffer.extend_from_slice(next);
        rest = after;
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[seed, pace], stream)) = input.split_first_chunk::<2>() else { return };
    let _kind = classify(stream);
    let mut state = usize::from(seed);
    let pieces = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(usize::from(pace) + 1);
        state >> 40 & 0x3F
    };
    assert_eq!(frames(stream, || usize::MAX), frames(stream, pieces));
});
