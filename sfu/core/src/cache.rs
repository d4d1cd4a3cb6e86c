//! The last packets of one publication: copied once, read by every subscription.
//!
//! Payloads lie in one ring of bytes, what is known of each packet in another ring. A packet is
//! named by an index that only grows, and a name of something overwritten finds nothing; so no
//! reference has to be counted, and no subscriber can keep a packet alive.
//!
//! The ring of bytes begins small and doubles while it holds less than a second of what comes: most
//! rooms are of two people and most tracks far below the largest bitrate.

use std::time::{Duration, Instant};

use crate::codec::vp8::Vp8;
use crate::rtp::{RtpTime, SeqNo};
use crate::sdp::CodecFormat;

/// Packets of video that can be named: two seconds of 720p, the window of a subscriber's NACK.
pub(crate) const VIDEO_PACKETS: usize = 512;
/// Packets of audio: 2.5 s, beyond which nobody listens.
pub(crate) const AUDIO_PACKETS: usize = 128;
/// Bytes a ring of video begins with, and at most has: room for that many large packets.
const VIDEO_BYTES: (usize, usize) = (64 * 1_024, VIDEO_PACKETS * 1_280);
/// Bytes of audio: at most that many packets of 20 ms of Opus at 64 kbit/s.
const AUDIO_BYTES: (usize, usize) = (8 * 1_024, AUDIO_PACKETS * 192);
/// A ring that overwrites packets younger than this is too small: a subscriber asks for a packet
/// several times, a round trip apart.
const KEPT: Duration = Duration::from_secs(1);
/// The largest payload that is forwarded. What does not fit an Ethernet frame with our own headers
/// never comes from a sender of WebRTC.
pub(crate) const MAX_PAYLOAD: usize = 1_440;
/// The longest dependency descriptor that is forwarded.
pub(crate) const MAX_DEPENDENCY: usize = 64;

/// Names a packet in one cache, modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheIndex(pub(crate) u32);

/// What is known of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cached {
    /// As the publisher numbered it.
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: RtpTime,
    pub(crate) format: CodecFormat,
    pub(crate) marker: bool,
    pub(crate) keyframe: bool,
    pub(crate) audio_level: Option<u8>,
    pub(crate) vp8: Option<Vp8>,
}

#[derive(Clone, Copy)]
struct Place {
    packet: Cached,
    index: u32,
    at: Instant,
    /// Where its bytes begin, counted from the first byte ever written.
    start: u64,
    dependency: u8,
    payload: u16,
}

/// See the module.
pub(crate) struct PacketCache {
    places: Vec<Place>,
    /// How many places there are once all are taken; a power of two, so that indexes may wrap.
    packets: usize,
    bytes: Box<[u8]>,
    /// How long `bytes` may become.
    limit: usize,
    /// Bytes ever written, skipped ends of the ring included.
    written: u64,
    next: u32,
    /// The oldest packet that may not be overwritten yet.
    oldest: u32,
}

/// A packet found in the cache.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) packet: &'a Cached,
    pub(crate) dependency: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl PacketCache {
    pub(crate) fn for_audio() -> Self {
        Self::new(AUDIO_PACKETS, AUDIO_BYTES)
    }

    pub(crate) fn for_video() -> Self {
        Self::new(VIDEO_PACKETS, VIDEO_BYTES)
    }

    fn new(packets: usize, (bytes, limit): (usize, usize)) -> Self {
        Self {
            places: Vec::new(),
            packets,
            bytes: vec![0; bytes].into_boxed_slice(),
            limit,
            written: 0,
            next: 0,
            oldest: 0,
        }
    }

    /// Copies a packet in; `None` when it is larger than anything we forward.
    pub(crate) fn push(
        &mut self,
        packet: Cached,
        dependency: &[u8],
        payload: &[u8],
        now: Instant,
    ) -> Option<CacheIndex> {
        if payload.len() > MAX_PAYLOAD || dependency.len() > MAX_DEPENDENCY {
            return None;
        }
        let length = dependency.len() + payload.len();
        self.make_room(length, now);
        let at = self.offset(self.written);
        let (first, second) = self.bytes[at..at + length].split_at_mut(dependency.len());
        first.copy_from_slice(dependency);
        second.copy_from_slice(payload);

        let index = self.next;
        let place = Place {
            packet,
            index,
            at: now,
            start: self.written,
            dependency: u8::try_from(dependency.len()).ok()?,
            payload: u16::try_from(payload.len()).ok()?,
        };
        self.written += length as u64;
        self.next = self.next.wrapping_add(1);
        let slot = index as usize % self.packets;
        match self.places.get_mut(slot) {
            Some(old) => *old = place,
            None => self.places.push(place),
        }
        Some(CacheIndex(index))
    }

    /// Makes `length` bytes in a row free to be overwritten, and the ring larger if that would
    /// take packets which somebody may still ask for.
    fn make_room(&mut self, length: usize, now: Instant) {
        loop {
            let at = self.offset(self.written);
            // A packet is never split: the end of the ring is skipped.
            let skipped = if at + length > self.bytes.len() { self.bytes.len() - at } else { 0 };
            let end = self.written + (skipped + length) as u64;
            while self.oldest != self.next {
                let place = &self.places[self.oldest as usize % self.packets];
                let is_renamed = self.next.wrapping_sub(self.oldest) as usize >= self.packets;
                let is_overwritten = end - place.start > self.bytes.len() as u64;
                if !is_renamed && !is_overwritten {
                    break;
                }
                let is_young = now.saturating_duration_since(place.at) < KEPT;
                if is_overwritten && is_young && self.bytes.len() < self.limit {
                    break;
                }
                self.oldest = self.oldest.wrapping_add(1);
            }
            let fits = self.oldest == self.next || {
                let place = &self.places[self.oldest as usize % self.packets];
                end - place.start <= self.bytes.len() as u64
            };
            if fits {
                self.written += skipped as u64;
                return;
            }
            self.grow();
        }
    }

    /// Doubles the ring, at most to its limit, and moves what it holds. A few times in a track's
    /// life.
    fn grow(&mut self) {
        let longer = (self.bytes.len() * 2).min(self.limit);
        let mut bytes = vec![0; longer].into_boxed_slice();
        let mut written = 0;
        let mut index = self.oldest;
        while index != self.next {
            let from = {
                let place = &self.places[index as usize % self.packets];
                self.offset(place.start)
            };
            let place = &mut self.places[index as usize % self.packets];
            let length = usize::from(place.dependency) + usize::from(place.payload);
            bytes[written..written + length].copy_from_slice(&self.bytes[from..from + length]);
            place.start = written as u64;
            written += length;
            index = index.wrapping_add(1);
        }
        self.bytes = bytes;
        self.written = written as u64;
    }

    /// Finds a packet, unless it was overwritten.
    pub(crate) fn get(&self, index: CacheIndex) -> Option<Found<'_>> {
        let place = self.places.get(index.0 as usize % self.packets)?;
        let age = self.next.wrapping_sub(index.0);
        if place.index != index.0 || age == 0 || age > self.next.wrapping_sub(self.oldest) {
            return None;
        }
        let at = self.offset(place.start);
        let end = at + usize::from(place.dependency) + usize::from(place.payload);
        let (dependency, payload) =
            self.bytes.get(at..end)?.split_at(usize::from(place.dependency));
        Some(Found { packet: &place.packet, dependency, payload })
    }

    /// The packets that arrived last, newest first, at most `limit` of them.
    pub(crate) fn newest(&self, limit: usize) -> impl Iterator<Item = (CacheIndex, &Cached)> {
        let held = self.places.len().min(limit);
        (1..=held).filter_map(move |back| {
            let index = CacheIndex(self.next.wrapping_sub(u32::try_from(back).ok()?));
            self.get(index).map(|found| (index, found.packet))
        })
    }

    fn offset(&self, position: u64) -> usize {
        usize::try_from(position % self.bytes.len() as u64).expect("an offset fits its ring")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u64) -> Cached {
        Cached {
            seq: SeqNo(seq),
            timestamp: RtpTime(0),
            format: CodecFormat::Vp8,
            marker: false,
            keyframe: false,
            audio_level: None,
            vp8: None,
        }
    }

    #[test]
    fn what_was_pushed_is_found_until_it_is_overwritten_and_never_as_something_else() {
        let mut cache = PacketCache::new(VIDEO_PACKETS, (10_000, 10_000));
        let mut indexes = Vec::new();
        let now = Instant::now();
        for seq in 0..2_000_u64 {
            let byte = u8::try_from(seq % 251).expect("small");
            let length = 700 + usize::from(byte);
            indexes.push(cache.push(packet(seq), &[7; 3], &vec![byte; length], now).expect("fits"));
            for (old, index) in indexes.iter().enumerate().rev().take(20) {
                if let Some(found) = cache.get(*index) {
                    assert_eq!(found.packet.seq, SeqNo(old as u64));
                    assert_eq!(found.dependency, [7; 3]);
                    let byte = u8::try_from(old % 251).expect("small");
                    assert!(found.payload.iter().all(|b| *b == byte));
                    assert_eq!(found.payload.len(), 700 + usize::from(byte));
                }
            }
            let newest = *indexes.last().expect("pushed");
            assert!(cache.get(newest).is_some());
        }
        assert!(cache.get(indexes[0]).is_none());
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut cache = PacketCache::for_audio();
        assert_eq!(cache.push(packet(0), &[], &[0; MAX_PAYLOAD + 1], Instant::now()), None);
        assert_eq!(cache.push(packet(0), &[0; MAX_DEPENDENCY + 1], &[], Instant::now()), None);
    }

    #[test]
    fn the_newest_come_first() {
        let mut cache = PacketCache::for_audio();
        for seq in 0..5 {
            cache.push(packet(seq), &[], &[1], Instant::now());
        }
        let seqs: Vec<_> = cache.newest(3).map(|(_, packet)| packet.seq.0).collect();
        assert_eq!(seqs, [4, 3, 2]);
    }

    #[test]
    fn a_ring_grows_until_it_holds_a_second_and_keeps_what_it_holds() {
        let mut cache = PacketCache::for_video();
        let start = Instant::now();
        let interval = Duration::from_millis(5);
        let mut indexes = Vec::new();
        for seq in 0..1_000_u32 {
            let now = start + interval * seq;
            let byte = u8::try_from(seq % 251).expect("small");
            let index = cache.push(packet(u64::from(seq)), &[9; 2], &[byte; 1_000], now);
            indexes.push(index.expect("fits"));
            // A second is 200 packets.
            for back in [1, 50, 190].into_iter().filter(|back| *back <= seq) {
                let found = cache.get(indexes[(seq - back) as usize]).expect("a second is kept");
                assert_eq!(found.packet.seq, SeqNo(u64::from(seq - back)));
                let byte = u8::try_from((seq - back) % 251).expect("small");
                assert!(found.payload.iter().all(|one| *one == byte));
            }
        }
        assert_eq!(cache.bytes.len(), 256 * 1_024, "200 kB/s need no more");
        assert!(cache.get(indexes[0]).is_none());
    }

    #[test]
    fn a_flood_does_not_grow_a_ring_beyond_its_limit() {
        let mut cache = PacketCache::for_video();
        let now = Instant::now();
        for seq in 0..5_000 {
            let index = cache.push(packet(seq), &[], &[0; MAX_PAYLOAD], now).expect("fits");
            assert!(cache.get(index).is_some());
        }
        assert_eq!(cache.bytes.len(), VIDEO_BYTES.1);
    }
}
