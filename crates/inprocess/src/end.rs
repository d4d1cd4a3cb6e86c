//! One thread's rings to and from all threads of the other side.

use std::sync::Arc;

use crate::Sent;
use crate::ring::{Head, MIN_RING_BYTES, MOST_BYTES, Reader, Writer, ring};
use crate::sleep::Sleep;

/// One thread's rings.
#[derive(Debug)]
pub(crate) struct End {
    to: Vec<Way>,
    from: Vec<Reader>,
    sleep: Arc<Sleep>,
    /// Which ring is looked at first, so that none waits for ever behind another.
    first: usize,
    /// For the frame that is being taken.
    spare: Vec<u8>,
}

/// A ring to another thread, and that thread's sleep.
#[derive(Debug)]
struct Way {
    ring: Writer,
    reader: Arc<Sleep>,
    /// Something was written since the reader was last woken.
    is_fresh: bool,
}

/// A ring from each of `here` threads to each of `there`, and back.
pub(crate) fn mesh(here: usize, there: usize, ring_bytes: usize) -> (Vec<End>, Vec<End>) {
    let ends = |count| (0..count).map(|_| End::new()).collect::<Vec<_>>();
    let (mut near, mut far) = (ends(here), ends(there));
    for one in &mut near {
        for other in &mut far {
            one.link(other, ring_bytes);
            other.link(one, ring_bytes);
        }
    }
    (near, far)
}

impl End {
    fn new() -> Self {
        let spare = Vec::with_capacity(MIN_RING_BYTES);
        Self { to: Vec::new(), from: Vec::new(), sleep: Arc::default(), first: 0, spare }
    }

    fn link(&mut self, other: &mut Self, ring_bytes: usize) {
        let (writer, reader) = ring(ring_bytes);
        self.to.push(Way { ring: writer, reader: Arc::clone(&other.sleep), is_fresh: false });
        other.from.push(reader);
    }

    pub(crate) fn set_bell(&self, bell: Box<dyn Fn() + Send + Sync>) {
        self.sleep.set_bell(bell);
    }

    /// Writes a run for a thread of the other side.
    pub(crate) fn send(&mut self, thread: usize, head: &Head, run: &[u8]) -> Sent {
        let Some(way) = self.to.get_mut(thread) else { return Sent::Elsewhere };
        if run.is_empty() || run.len() > MOST_BYTES || way.ring.is_abandoned() {
            return Sent::Elsewhere;
        }
        if !way.ring.write(head, run) {
            return Sent::Full;
        }
        way.is_fresh = true;
        Sent::Handed
    }

    /// Wakes whoever something was written for since the last time.
    pub(crate) fn wake(&mut self) {
        for way in &mut self.to {
            if std::mem::take(&mut way.is_fresh) {
                way.reader.wake();
            }
        }
    }

    /// Takes up to `most` runs, one of each ring in turn. Says whether there may be more.
    pub(crate) fn receive(&mut self, most: usize, mut each: impl FnMut(&Head, &mut [u8])) -> bool {
        let rings = self.from.len();
        let (mut taken, mut empty) = (0, 0);
        while empty < rings {
            if taken == most {
                return true;
            }
            let Some(ring) = self.from.get_mut(self.first) else { return false };
            if ring.take(&mut self.spare, &mut each) {
                (taken, empty) = (taken + 1, 0);
            } else {
                empty += 1;
            }
            self.first = (self.first + 1) % rings;
        }
        false
    }

    /// Says that the thread will wait for its bell; `false` if it must not, because something came.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        let from = &mut self.from;
        self.sleep.fall_asleep(|| from.iter_mut().any(Reader::has_frame))
    }

    /// Says that the thread looks by itself.
    pub(crate) fn awake(&self) {
        self.sleep.awake();
    }
}
