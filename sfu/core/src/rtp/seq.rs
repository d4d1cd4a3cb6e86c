//! Sequence numbers and RTP time, which wrap on the wire and must not inside.

use std::time::Duration;

/// A sequence number as it stands in a packet (RFC 3550, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqNo16(pub u16);

impl SeqNo16 {
    /// How far `self` is after `earlier`, on the shorter way round.
    pub fn after(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// A sequence number that does not wrap: what SRTP calls the packet index (RFC 3711, section 3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqNo(pub u64);

impl SeqNo {
    /// Where an unrolled numbering begins. One whole turn is kept below the first packet, so that
    /// packets that were overtaken by it still have a number.
    pub fn first(seq: SeqNo16) -> Self {
        Self(u64::from(seq.0) + (1 << 16))
    }

    /// The unrolled number nearest to `self` that ends in `seq`.
    pub fn nearest(self, seq: SeqNo16) -> Self {
        let distance = seq.after(self.truncate());
        Self(self.0.wrapping_add_signed(i64::from(distance)))
    }

    /// What the wire carries.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what the wire carries")]
    pub fn truncate(self) -> SeqNo16 {
        SeqNo16(self.0 as u16)
    }

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// RTP media time, in units of the codec's clock (RFC 3550, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// This time moved forward.
    #[must_use]
    pub fn plus(self, units: u32) -> Self {
        Self(self.0.wrapping_add(units))
    }

    /// How far `self` is after `earlier`; more than half a turn counts as before.
    pub fn after(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// `duration` in units of a clock, modulo one turn of [`RtpTime`].
#[expect(clippy::cast_possible_truncation, reason = "RTP time is modular")]
pub fn rtp_units(duration: Duration, clock_hz: u32) -> u32 {
    (duration.as_nanos() * u128::from(clock_hz) / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_unroll_forwards_and_backwards_across_the_wrap() {
        let first = SeqNo::first(SeqNo16(65_534));
        let wrapped = first.nearest(SeqNo16(1));
        assert_eq!(wrapped.0 - first.0, 3);
        assert_eq!(wrapped.nearest(SeqNo16(65_535)), first.next());
        assert_eq!(wrapped.truncate(), SeqNo16(1));
    }

    #[test]
    fn a_packet_overtaken_by_the_very_first_one_has_a_number() {
        let first = SeqNo::first(SeqNo16(0));
        assert!(first.nearest(SeqNo16(65_535)) < first);
    }

    #[test]
    fn durations_become_units_of_the_codec_clock() {
        assert_eq!(rtp_units(Duration::from_millis(20), 48_000), 960);
        assert_eq!(rtp_units(Duration::from_secs(100_000), 90_000), {
            (9_000_000_000_u64 % (1 << 32)) as u32
        });
    }
}
