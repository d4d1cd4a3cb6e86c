//! The last packets of one publication: copied once, read by every subscription.
//!
//! Payloads lie in one ring of bytes, what is known of each packet in another ring. A packet is
//! named by an index that only grows, and a name of something overwritten finds nothing; so no
//! reference has to be counted, and no subscriber can keep a packet alive.

use crate::codec::vp8::Vp8;
use crate::rtp::{RtpTime, SeqNo};
use crate::sdp::CodecFormat;

/// Packets of video that can be named: two seconds of 720p, the window of a subscriber's NACK.
pub(crate) const VIDEO_PACKETS: usize = 512;
/// Packets of audio: 2.5 s, beyond which nobody listens.
pub(crate) const AUDIO_PACKETS: usize = 128;
/// Room for that many packets of video.
const VIDEO_BYTES: usize = VIDEO_PACKETS * 1_280;
/// Room for that many packets of 20 ms of Opus at 64 kbit/s.
const AUDIO_BYTES: usize = AUDIO_PACKETS * 192;
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
    /// Bytes ever written, skipped ends of the ring included.
    written: u64,
    next: u32,
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

    fn new(packets: usize, bytes: usize) -> Self {
        Self {
            places: Vec::with_capacity(packets),
            packets,
            bytes: vec![0; bytes].into_boxed_slice(),
            written: 0,
            next: 0,
        }
    }

    /// Copies a packet in; `None` when it is larger than anything we forward.
    pub(crate) fn push(
        &mut self,
        packet: Cached,
        dependency: &[u8],
        payload: &[u8],
    ) -> Option<CacheIndex> {
        if payload.len() > MAX_PAYLOAD || dependency.len() > MAX_DEPENDENCY {
            return None;
        }
        let capacity = self.bytes.len() as u64;
        let length = dependency.len() + payload.len();
        let mut at = self.offset(self.written);
        if at + length > self.bytes.len() {
            // A packet is never split: the end of the ring is skipped.
            self.written += capacity - at as u64;
            at = 0;
        }
        let (first, second) = self.bytes[at..at + length].split_at_mut(dependency.len());
        first.copy_from_slice(dependency);
        second.copy_from_slice(payload);

        let index = self.next;
        let place = Place {
            packet,
            index,
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

    /// Finds a packet, unless it was overwritten.
    pub(crate) fn get(&self, index: CacheIndex) -> Option<Found<'_>> {
        let place = self.places.get(index.0 as usize % self.packets)?;
        if place.index != index.0 || self.written - place.start > self.bytes.len() as u64 {
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
        let mut cache = PacketCache::new(VIDEO_PACKETS, 10_000);
        let mut indexes = Vec::new();
        for seq in 0..2_000_u64 {
            let byte = u8::try_from(seq % 251).expect("small");
            let length = 700 + usize::from(byte);
            indexes.push(cache.push(packet(seq), &[7; 3], &vec![byte; length]).expect("fits"));
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
        assert_eq!(cache.push(packet(0), &[], &[0; MAX_PAYLOAD + 1]), None);
        assert_eq!(cache.push(packet(0), &[0; MAX_DEPENDENCY + 1], &[]), None);
    }

    #[test]
    fn the_newest_come_first() {
        let mut cache = PacketCache::for_audio();
        for seq in 0..5 {
            cache.push(packet(seq), &[], &[1]);
        }
        let seqs: Vec<_> = cache.newest(3).map(|(_, packet)| packet.seq.0).collect();
        assert_eq!(seqs, [4, 3, 2]);
    }
}
