//! Buffers of the stream path that are used again and again, so that carrying allocates nothing.
//!
//! A thread and the tasks of its connections hand bytes to each other in them, and whoever is done
//! with one gives it back here. An idle connection holds one of the smallest. There is nothing to
//! wait for: an empty pool allocates, a full one frees.

use crossbeam_queue::ArrayQueue;

/// The smallest size: a packet of an Ethernet with its frame.
pub(crate) const SMALLEST: usize = 2_112;
/// Each size is twice the one before. The last has room for the longest frame (65,556 bytes).
const SIZES: usize = 6;
/// Bytes kept of each size; what comes back beyond them is freed.
const KEPT: usize = 1024 * 1024;

/// Buffers that nobody uses now, by size.
#[derive(Debug)]
pub(crate) struct Pool {
    spare: [ArrayQueue<Vec<u8>>; SIZES],
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { spare: std::array::from_fn(|at| ArrayQueue::new(KEPT / (SMALLEST << at))) }
    }

    /// An empty buffer with room for so many bytes.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let spare = self.spare.get(size(bytes)).and_then(ArrayQueue::pop);
        spare.unwrap_or_else(|| Vec::with_capacity(room(bytes)))
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        // The size of which it has all the room: one from elsewhere may lie between two.
        let at = size(buffer.capacity() + 1).checked_sub(1);
        if let Some(spare) = at.and_then(|at| self.spare.get(at))
            && buffer.capacity() < SMALLEST << SIZES
        {
            buffer.clear();
            // Freed when there are enough.
            let _freed = spare.push(buffer);
        }
    }
}

/// How much room a buffer for so many bytes has.
pub(crate) fn room(bytes: usize) -> usize {
    let at = size(bytes);
    if at < SIZES { SMALLEST << at } else { bytes }
}

/// The least size with room for so many bytes, or one there is not.
fn size(bytes: usize) -> usize {
    (0..SIZES).find(|at| bytes <= SMALLEST << at).unwrap_or(SIZES)
}

#[cfg(test)]
mod tests {
    use confer_turn_core::frame::{CHANNEL_HEADER, STUN_HEADER};

    use super::*;

    #[test]
    fn what_was_given_back_is_taken_again() {
        let pool = Pool::new();
        for (bytes, has) in [(0, 2_112), (2_112, 2_112), (2_113, 4_224), (60_000, 67_584)] {
            let mut buffer = pool.take(bytes);
            assert_eq!(buffer.capacity(), has);
            let at = buffer.as_ptr();
            buffer.push(7);
            pool.give(buffer);
            let again = pool.take(bytes);
            assert_eq!((again.as_ptr(), again.len(), again.capacity()), (at, 0, has));
        }
    }

    #[test]
    fn no_more_is_kept_than_said_and_nothing_odd() {
        let pool = Pool::new();
        for _ in 0..=KEPT / SMALLEST {
            pool.give(Vec::with_capacity(SMALLEST));
        }
        pool.give(Vec::with_capacity(SMALLEST - 1));
        pool.give(Vec::with_capacity(1 << 20));
        let kept: usize = pool.spare.iter().map(ArrayQueue::len).sum();
        assert_eq!(kept, KEPT / SMALLEST);
        pool.give(Vec::with_capacity(2 * SMALLEST + 1));
        assert!(pool.take(2 * SMALLEST).capacity() >= 2 * SMALLEST, "never less than was asked");
    }

    #[test]
    fn the_longest_frame_has_room() {
        let longest = (STUN_HEADER + 0xfffc).max(CHANNEL_HEADER + 0x1_0000);
        assert_eq!(room(longest), SMALLEST << (SIZES - 1));
        assert_eq!(room(1 << 20), 1 << 20);
    }
}
