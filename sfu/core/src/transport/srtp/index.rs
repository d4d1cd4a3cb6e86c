//! Unrolled packet indices and the window that refuses replays (RFC 3711, sections 3.3.1 and 3.3.2).

/// How far behind the newest packet one may be and still be taken.
///
/// RFC 3711 asks for at least 64. A retransmission has its own SSRC, so lateness is only that of
/// the network.
const WINDOW: u64 = 128;

/// Why an index was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// A packet with this index was opened before.
    Seen,
    /// It lies before the window, so that nobody can tell.
    TooOld,
}

/// The newest index that was authentic, and which of those before it were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReplayWindow {
    newest: u64,
    /// Bit n stands for `newest - n`. Zero means that nothing was seen yet.
    seen: u128,
}

impl ReplayWindow {
    /// The 48-bit index that `seq` most likely abbreviates (RFC 3711, appendix A).
    ///
    /// A stream begins with a rollover counter of zero on both sides; a `seq` that would lie
    /// before that is of the first round.
    pub(super) fn unroll(&self, seq: u16) -> u64 {
        if self.seen == 0 {
            return u64::from(seq);
        }
        let round = self.newest & !0xffff;
        let guess = round | u64::from(seq);
        if guess + 0x8000 < self.newest {
            guess + 0x1_0000
        } else if guess > self.newest + 0x8000 && round > 0 {
            guess - 0x1_0000
        } else {
            guess
        }
    }

    /// Whether a packet with this index may still be new. Cheap: it is asked before the packet is
    /// authenticated.
    pub(super) fn check(&self, index: u64) -> Result<(), Stale> {
        if self.seen == 0 || index > self.newest {
            return Ok(());
        }
        let age = self.newest - index;
        if age >= WINDOW {
            Err(Stale::TooOld)
        } else if self.seen & (1 << age) != 0 {
            Err(Stale::Seen)
        } else {
            Ok(())
        }
    }

    /// Notes an authentic packet whose index [`check`](Self::check) let pass.
    pub(super) fn record(&mut self, index: u64) {
        if self.seen == 0 {
            self.newest = index;
            self.seen = 1;
        } else if index > self.newest {
            let ahead = index - self.newest;
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 };
            self.seen |= 1;
            self.newest = index;
        } else {
            self.seen |= 1 << (self.newest - index);
        }
    }
}
