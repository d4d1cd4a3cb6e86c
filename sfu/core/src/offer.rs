//! Taking an offer: who publishes what on which m-line, and which m-lines are slots.
//!
//! Everything is checked before anything changes, so a refused offer leaves the participant as it
//! was.

use confer_protocol::id::{Mid, ParticipantId, RoomId};
use confer_protocol::media::{MediaAnswer, MediaEvent, MediaHappening, PublishTrack};
use rand::RngExt;

use crate::arena::Key;
use crate::error::OfferError;
use crate::participant::{Participant, Stream, Transport};
use crate::publication::{Publication, Subscriber};
use crate::rtp::Ssrc;
use crate::sdp::{
    self, Capabilities, CodecName, LocalDescription, MediaSection, Negotiated, NegotiatedSection,
    SdpLimits, SendingSource,
};
use crate::shard::Shard;
use crate::subscription::Slot;
use crate::transport::dtls::Dtls;
use crate::transport::ice::{ConsentLimits, IceCredentials, IceLite};
use crate::twcc::TwccRecorder;

impl Shard {
    /// Answers an offer, in any case once.
    pub(crate) fn offer(
        &mut self,
        room: RoomId,
        participant: ParticipantId,
        key: Option<Key<Participant>>,
        offer_id: u32,
        sdp: &str,
        publish: Vec<PublishTrack>,
    ) {
        let outcome = match key {
            Some(key) => self.take_offer(key, sdp, publish),
            None => Err(OfferError::NotJoined),
        };
        let outcome = outcome.map_err(|error| error.to_body());
        let is_taken = outcome.is_ok();
        let happening = MediaHappening::Answered { offer_id, outcome };
        self.push_event(MediaEvent { room, participant, happening });
        if let Some(key) = key.filter(|_| is_taken) {
            // Others learn of new tracks after the publisher knows that they are published.
            self.announce_transport(key);
            self.assign_room(room);
        }
    }

    fn take_offer(
        &mut self,
        key: Key<Participant>,
        sdp: &str,
        publish: Vec<PublishTrack>,
    ) -> Result<MediaAnswer, OfferError> {
        let offer = sdp::read(sdp, &SdpLimits::default())?;
        let capabilities = self.capabilities(key);
        let negotiated = sdp::negotiate(&offer, &capabilities)?;
        self.check(key, &negotiated, &publish)?;

        self.take_transport(key, &negotiated)?;
        self.take_publications(key, &negotiated, &publish);
        self.take_slots(key, &negotiated, &publish);
        self.assign_member(key);
        self.answer(key, &negotiated)
    }

    /// Our codecs, those first that everybody here decodes: a publisher sends the first.
    fn capabilities(&self, key: Key<Participant>) -> Capabilities {
        let mut capabilities = Capabilities::default();
        let Some(participant) = self.participants.get(key) else { return capabilities };
        let Some(room) =
            self.room_keys.get(&participant.room).and_then(|room| self.rooms.get(*room))
        else {
            return capabilities;
        };
        let blind_to = |codec: CodecName| {
            let members = room.members.iter().filter(|member| **member != key);
            members
                .filter_map(|member| self.participants.get(*member))
                .filter(|member| {
                    let mut slots =
                        member.slots.iter().filter(|slot| slot.kind == codec.kind()).peekable();
                    slots.peek().is_some() && !slots.any(|slot| slot.decodes(codec))
                })
                .count()
        };
        capabilities.codecs.sort_by_key(|codec| blind_to(*codec));
        capabilities
    }

    fn check(
        &self,
        key: Key<Participant>,
        negotiated: &Negotiated,
        publish: &[PublishTrack],
    ) -> Result<(), OfferError> {
        let limits = &self.config.limits;
        for one in publish {
            let mid = || one.mid.clone();
            match find(negotiated, &one.mid) {
                Some(NegotiatedSection::Media(section)) => {
                    if !section.client_sends {
                        return Err(OfferError::NothingSent { mid: mid() });
                    }
                    if section.kind != one.source.kind() {
                        let track_source = one.source;
                        return Err(OfferError::WrongKind { mid: mid(), track_source });
                    }
                }
                Some(NegotiatedSection::Rejected(section)) if section.no_common_codec => {
                    return Err(OfferError::NoCommonCodec { mid: mid() });
                }
                Some(NegotiatedSection::Rejected(_)) | None => {
                    return Err(OfferError::NothingSent { mid: mid() });
                }
            }
        }
        if publish.len() > limits.tracks_per_participant {
            return Err(OfferError::TooManyTracks { limit: limits.tracks_per_participant });
        }
        let slots = negotiated.media().filter(|section| is_slot(section, publish)).count();
        if slots > limits.slots_per_participant {
            return Err(OfferError::TooManySlots { limit: limits.slots_per_participant });
        }
        let participant = self.participants.get(key).ok_or(OfferError::NotJoined)?;
        let room = self.room_keys.get(&participant.room).and_then(|room| self.rooms.get(*room));
        let others =
            room.map_or(0, |room| room.publications.len()) - participant.publications.len();
        if others + publish.len() > limits.tracks_per_room {
            return Err(OfferError::TooManyTracks { limit: limits.tracks_per_room });
        }
        Ok(())
    }

    /// Makes the transport, restarts its ICE, or begins it anew for another peer connection.
    fn take_transport(
        &mut self,
        key: Key<Participant>,
        negotiated: &Negotiated,
    ) -> Result<(), OfferError> {
        let participant = self.participants.get_mut(key).ok_or(OfferError::NotJoined)?;
        if let Some(transport) = participant.transport.as_mut().filter(|transport| {
            transport.fingerprints == negotiated.fingerprints && !transport.has_failed
        }) {
            if transport.ice.is_restart(&negotiated.ice) {
                let local = IceCredentials::from_random(self.rng.random());
                self.ufrags.insert(local.ufrag.clone().into_bytes(), key);
                transport.ice.restart(local, negotiated.ice.clone());
                while let Some(retired) = transport.ice.poll_retired() {
                    self.ufrags.remove(retired.as_bytes());
                }
            } else {
                transport.ice.set_remote(negotiated.ice.clone());
            }
            participant.note_extensions(negotiated);
            return Ok(());
        }

        let now = self.now;
        let dtls = Dtls::new(
            &self.config.certificate,
            negotiated.fingerprints.clone(),
            negotiated.role,
            now,
        )?;
        let local = IceCredentials::from_random(self.rng.random());
        let ufrag = local.ufrag.clone().into_bytes();
        let mut ice = IceLite::new(local, ConsentLimits::default(), now);
        ice.set_remote(negotiated.ice.clone());

        // New keys number their packets anew: slots get other SSRCs, publications forget.
        self.detach_slots(key);
        self.forget_transport(key);
        let participant = self.participants.get_mut(key).ok_or(OfferError::NotJoined)?;
        participant.slots.clear();
        participant.streams.clear();
        participant.egress.pending.clear();
        participant.clock_offset = None;
        participant.round_trip = None;
        for publication in &participant.publications {
            if let Some(publication) = self.publications.get_mut(*publication) {
                publication.restart();
            }
        }
        participant.transport = Some(Transport {
            ice,
            dtls,
            fingerprints: negotiated.fingerprints.clone(),
            srtp: None,
            has_failed: false,
            twcc: TwccRecorder::new(now),
        });
        participant.note_extensions(negotiated);
        self.ufrags.insert(ufrag, key);
        Ok(())
    }

    /// Makes the participant's publications those that the offer names, keeping what continues.
    fn take_publications(
        &mut self,
        key: Key<Participant>,
        negotiated: &Negotiated,
        publish: &[PublishTrack],
    ) {
        let Some(participant) = self.participants.get(key) else { return };
        let room_id = participant.room;
        let ended: Vec<_> = participant
            .publications
            .iter()
            .copied()
            .filter(|old| {
                self.publications
                    .get(*old)
                    .is_none_or(|old| !publish.iter().any(|one| one.mid == old.mid))
            })
            .collect();
        for old in ended {
            self.remove_publication(old);
        }
        for one in publish {
            let Some(NegotiatedSection::Media(section)) = find(negotiated, &one.mid) else {
                continue;
            };
            let known =
                self.participants.get(key).and_then(|participant| {
                    participant.publications.iter().copied().find(|old| {
                        self.publications.get(*old).is_some_and(|old| old.mid == one.mid)
                    })
                });
            let publication_key = match known {
                Some(known) => {
                    if let Some(publication) = self.publications.get_mut(known) {
                        publication.source = one.source;
                        publication.negotiated(section);
                    }
                    known
                }
                None => {
                    let publication = Publication::new(room_id, key, one, section);
                    let new = self.publications.insert(publication);
                    if let Some(room) =
                        self.room_keys.get(&room_id).and_then(|room| self.rooms.get_mut(*room))
                    {
                        room.publications.push(new);
                    }
                    if let Some(participant) = self.participants.get_mut(key) {
                        participant.publications.push(new);
                    }
                    new
                }
            };
            self.declare_streams(key, publication_key, section);
        }
    }

    /// Notes the SSRCs that the offer itself names, for senders without header extensions.
    fn declare_streams(
        &mut self,
        key: Key<Participant>,
        publication: Key<Publication>,
        section: &MediaSection,
    ) {
        // With rids, only they tell which layer an SSRC is of.
        if !section.incoming.rids.is_empty() {
            return;
        }
        let Some(participant) = self.participants.get_mut(key) else { return };
        for source in &section.incoming.sources {
            let both = [(Some(source.ssrc), false), (source.rtx_ssrc, true)];
            for (ssrc, is_rtx) in both {
                let Some(ssrc) = ssrc.map(Ssrc) else { continue };
                let of_publication = participant
                    .streams
                    .iter()
                    .filter(|stream| stream.publication == publication)
                    .count();
                let is_known = participant.streams.iter().any(|stream| stream.ssrc == ssrc);
                if !is_known && of_publication < self.config.limits.ssrcs_per_publication {
                    participant.streams.push(Stream { ssrc, publication, layer: 0, is_rtx });
                }
            }
        }
    }

    /// Makes the participant's slots those of the offer, in its order, keeping what continues.
    fn take_slots(
        &mut self,
        key: Key<Participant>,
        negotiated: &Negotiated,
        publish: &[PublishTrack],
    ) {
        self.detach_slots(key);
        let Some(participant) = self.participants.get_mut(key) else { return };
        let mut old = std::mem::take(&mut participant.slots);
        for section in negotiated.media().filter(|section| is_slot(section, publish)) {
            let kept = old
                .iter()
                .position(|slot| slot.mid == section.mid && slot.kind == section.kind)
                .map(|at| old.swap_remove(at));
            let slot = match kept {
                Some(mut slot) => {
                    slot.negotiated(section);
                    slot
                }
                None => {
                    let (ssrc, rtx) = (Ssrc(self.rng.random()), Ssrc(self.rng.random()));
                    Slot::new(section, ssrc, rtx, self.rng.random())
                }
            };
            if let Some(publication) = slot.carries.and_then(|key| self.publications.get_mut(key)) {
                let slot = participant.slots.len();
                publication.subscribers.push(Subscriber { participant: key, slot });
            }
            participant.slots.push(slot);
        }
        // Places may have moved; what waited would be taken for another slot's.
        participant.egress.pending.clear();
    }

    /// No publication knows the participant's slots by their places any more.
    fn detach_slots(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get(key) else { return };
        for slot in &participant.slots {
            if let Some(publication) = slot.carries.and_then(|key| self.publications.get_mut(key)) {
                publication.subscribers.retain(|subscriber| subscriber.participant != key);
            }
        }
    }

    fn answer(
        &mut self,
        key: Key<Participant>,
        negotiated: &Negotiated,
    ) -> Result<MediaAnswer, OfferError> {
        let participant = self.participants.get_mut(key).ok_or(OfferError::NotJoined)?;
        participant.session_version += 1;
        // Which slots there are is news even when none of them carries anything.
        participant.slots_version += 1;
        let participant = self.participants.get(key).ok_or(OfferError::NotJoined)?;
        let transport = participant.transport.as_ref().ok_or(OfferError::NotJoined)?;
        let published: Vec<PublishTrack> = participant
            .publications
            .iter()
            .filter_map(|key| self.publications.get(*key))
            .map(|publication| PublishTrack {
                mid: publication.mid.clone(),
                track: publication.track,
                source: publication.source,
                muted: publication.is_muted,
            })
            .collect();
        let sending = participant
            .slots
            .iter()
            .map(|slot| {
                let source = SendingSource {
                    ssrc: slot.ssrc.0,
                    rtx_ssrc: Some(slot.rtx_ssrc.0),
                    cname: participant.cname.clone(),
                    // A stream for each slot: browsers delay the tracks of one stream until all of
                    // them can be played in step, and slots are of different people.
                    stream: format!("slot-{}", slot.mid),
                    track: format!("slot-{}", slot.mid),
                };
                (slot.mid.clone(), source)
            })
            .collect();
        let local = LocalDescription {
            session_id: participant.session_id,
            session_version: participant.session_version,
            ice: transport.ice.local().clone(),
            fingerprint: self.config.certificate.fingerprint().clone(),
            candidates: self.config.candidates.clone(),
            receiving: published.iter().map(|one| one.mid.clone()).collect(),
            sending,
        };
        Ok(MediaAnswer {
            sdp: sdp::write_answer(negotiated, &local),
            published,
            slots: participant.slot_map(&self.publications),
        })
    }
}

fn find<'a>(negotiated: &'a Negotiated, mid: &Mid) -> Option<&'a NegotiatedSection> {
    negotiated.sections.iter().find(|section| match section {
        NegotiatedSection::Media(media) => media.mid == *mid,
        NegotiatedSection::Rejected(rejected) => rejected.mid.as_ref() == Some(mid),
    })
}

/// A receiving m-line that nothing is published on.
fn is_slot(section: &MediaSection, publish: &[PublishTrack]) -> bool {
    section.client_receives && !publish.iter().any(|one| one.mid == section.mid)
}
