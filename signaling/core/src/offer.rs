//! Offers and answers of one participant. The client is the only side that offers, so glare cannot
//! occur; what remains is order. One offer is with the media plane at a time, one more may wait,
//! and an offer that a newer one overtakes is stale.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use confer_protocol::client::PublishIntent;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{Mid, TrackId};
use confer_protocol::media::{MediaAction, MediaAnswer, MediaCommand, PublishTrack};
use confer_protocol::server::{Answer, PublishedMid, Reply, RoomEvent};

use crate::Limits;
use crate::error::OfferError;
use crate::hub::{ConnectionId, Context, Output, SeatRef};
use crate::random::Random;
use crate::room::Room;
use crate::seat::{Publication, Seat};

/// Where one participant stands between offer and answer.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    highest: u32,
    with_media: Option<WithMedia>,
    waiting: Option<Offer>,
    /// Tracks named in offers and not yet confirmed by an answer, by m-line: an offer that is
    /// repeated because its answer was lost gets the same tracks again.
    minted: BTreeMap<Mid, TrackId>,
}

impl Negotiation {
    /// Drops an offer that waits: the socket that would hear its answer is gone.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting = None;
    }
}

/// An offer and whom to answer.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
    pub(crate) offer_id: u32,
    pub(crate) sdp: String,
    pub(crate) publish: Vec<PublishIntent>,
}

#[derive(Debug)]
struct WithMedia {
    connection: ConnectionId,
    request: u32,
    offer_id: u32,
}

/// Takes an offer in: hands it to the media plane, or keeps it until the one before is answered.
///
/// # Errors
/// When the offer cannot be, now or ever; it is then forgotten.
pub(crate) fn take(
    room: &mut Room,
    at: SeatRef,
    offer: Offer,
    limits: &Limits,
    outputs: &mut VecDeque<Output>,
    context: &mut Context<'_>,
) -> Result<Option<Instant>, OfferError> {
    let tracks_of_room = room.tracks();
    let Some(seat) = room.seats.get_mut(&at.participant) else { return Ok(None) };
    if offer.offer_id <= seat.negotiation.highest {
        return Err(OfferError::Stale { offer_id: offer.offer_id });
    }
    authorise(seat, &offer.publish, tracks_of_room, limits)?;
    seat.negotiation.highest = offer.offer_id;

    if seat.negotiation.with_media.is_none() {
        return hand_over(seat, at, offer, limits, context).map(Some);
    }
    if let Some(overtaken) = seat.negotiation.waiting.replace(offer) {
        outputs.push_back(refusal(
            overtaken.connection,
            overtaken.request,
            OfferError::Stale { offer_id: overtaken.offer_id },
        ));
    }
    Ok(None)
}

fn authorise(
    seat: &Seat,
    publish: &[PublishIntent],
    tracks_of_room: usize,
    limits: &Limits,
) -> Result<(), OfferError> {
    let mut mids = BTreeSet::new();
    for intent in publish {
        if !mids.insert(&intent.mid) {
            return Err(OfferError::DuplicateMid { mid: intent.mid.clone() });
        }
        if !seat.permissions.publish.contains(&intent.source) {
            return Err(OfferError::NotGranted { track_source: intent.source });
        }
        let known = seat.publications.values().find(|it| it.mid == intent.mid);
        if known.is_some_and(|it| it.source != intent.source) {
            return Err(OfferError::SourceChanged { mid: intent.mid.clone() });
        }
    }
    if publish.len() > limits.tracks_per_participant {
        return Err(OfferError::TooManyTracks { limit: limits.tracks_per_participant });
    }
    let of_others = tracks_of_room - seat.publications.len();
    if of_others + publish.len() > limits.tracks_per_room {
        return Err(OfferError::TooManyTracks { limit: limits.tracks_per_room });
    }
    Ok(())
}

/// Returns the instant by which the media plane should have answered.
fn hand_over(
    seat: &mut Seat,
    at: SeatRef,
    offer: Offer,
    limits: &Limits,
    context: &mut Context<'_>,
) -> Result<Instant, OfferError> {
    let Offer { connection, request, offer_id, sdp, publish } = offer;
    let publish =
        publish.into_iter().map(|intent| name_track(seat, intent, context.random)).collect();
    let action = MediaAction::Offer { offer_id, sdp, publish };
    context.media.send(at.command(action)).map_err(OfferError::Media)?;
    seat.negotiation.with_media = Some(WithMedia { connection, request, offer_id });
    Ok(context.now + limits.offer_timeout)
}

fn name_track(seat: &mut Seat, intent: PublishIntent, random: &mut dyn Random) -> PublishTrack {
    let PublishIntent { mid, source, muted } = intent;
    let known = seat.publications.iter().find(|(_, it)| it.mid == mid);
    if let Some((track, publication)) = known {
        // Muting has a request of its own; an offer does not undo one.
        return PublishTrack { mid, track: *track, source, muted: publication.muted };
    }
    let track = *seat.negotiation.minted.entry(mid.clone()).or_insert_with(|| TrackId(random.id()));
    PublishTrack { mid, track, source, muted }
}

/// Applies what the media plane says to an offer. Returns the deadline of the offer that was
/// waiting behind it, if one is now with the media plane.
pub(crate) fn answered(
    room: &mut Room,
    at: SeatRef,
    offer_id: u32,
    outcome: Result<MediaAnswer, ErrorBody>,
    limits: &Limits,
    outputs: &mut VecDeque<Output>,
    context: &mut Context<'_>,
) -> Option<(u32, Instant)> {
    let seat = room.seats.get_mut(&at.participant)?;
    // An answer that came after its deadline has nobody to go to, and still says what is true.
    let asked = seat.negotiation.with_media.take_if(|it| it.offer_id == offer_id);

    let outcome = outcome.map(|answer| {
        let published = published_mids(&answer.published);
        if answer.slots.version >= seat.slots.version {
            seat.slots = answer.slots.clone();
        }
        let events = apply_published(seat, answer.published);
        if seat.negotiation.with_media.is_none() {
            seat.negotiation.minted.clear();
        }
        (Answer { offer_id, sdp: answer.sdp, published, slots: answer.slots }, events)
    });
    match outcome {
        Ok((answer, events)) => {
            if let Some(WithMedia { connection, request, .. }) = asked {
                let outcome = Ok(Reply::Offer(answer));
                outputs.push_back(Output::Answer { connection, request, outcome });
            }
            for event in events {
                room.tell_others(at.participant, event, limits.replay_events, outputs);
            }
        }
        Err(error) => {
            if let Some(WithMedia { connection, request, .. }) = asked {
                outputs.push_back(refusal(connection, request, OfferError::Media(error)));
            }
        }
    }
    next(room, at, limits, outputs, context)
}

fn published_mids(published: &[PublishTrack]) -> Vec<PublishedMid> {
    published.iter().map(|it| PublishedMid { mid: it.mid.clone(), track: it.track }).collect()
}

/// Makes the seat's publications those of the answer, as far as the answer can know: a track that
/// was unpublished after its offer is not brought back, and muting is signaling's to say.
fn apply_published(seat: &mut Seat, published: Vec<PublishTrack>) -> Vec<RoomEvent> {
    let mut events = Vec::new();
    let kept: BTreeSet<TrackId> = published.iter().map(|it| it.track).collect();
    let participant = seat.id;
    seat.publications.retain(|track, _| {
        let keep = kept.contains(track);
        if !keep {
            events.push(RoomEvent::TrackUnpublished { participant, track: *track });
        }
        keep
    });
    for PublishTrack { mid, track, source, muted } in published {
        let is_new = seat.negotiation.minted.get(&mid) == Some(&track);
        if is_new && !seat.publications.contains_key(&track) {
            let publication = Publication { mid, source, muted };
            events.push(RoomEvent::TrackPublished { track: seat.track(track, &publication) });
            seat.publications.insert(track, publication);
        }
    }
    events
}

/// Gives up waiting for the media plane's answer.
pub(crate) fn timed_out(
    room: &mut Room,
    at: SeatRef,
    offer_id: u32,
    limits: &Limits,
    outputs: &mut VecDeque<Output>,
    context: &mut Context<'_>,
) -> Option<(u32, Instant)> {
    let seat = room.seats.get_mut(&at.participant)?;
    let asked = seat.negotiation.with_media.take_if(|it| it.offer_id == offer_id)?;
    outputs.push_back(refusal(asked.connection, asked.request, OfferError::TimedOut));
    next(room, at, limits, outputs, context)
}

fn next(
    room: &mut Room,
    at: SeatRef,
    limits: &Limits,
    outputs: &mut VecDeque<Output>,
    context: &mut Context<'_>,
) -> Option<(u32, Instant)> {
    let seat = room.seats.get_mut(&at.participant)?;
    if seat.negotiation.with_media.is_some() {
        return None;
    }
    let offer = seat.negotiation.waiting.take()?;
    let (connection, request, offer_id) = (offer.connection, offer.request, offer.offer_id);
    match hand_over(seat, at, offer, limits, context) {
        Ok(deadline) => Some((offer_id, deadline)),
        Err(error) => {
            outputs.push_back(refusal(connection, request, error));
            None
        }
    }
}

fn refusal(connection: ConnectionId, request: u32, error: OfferError) -> Output {
    Output::Answer { connection, request, outcome: Err(error.into()) }
}

impl SeatRef {
    pub(crate) fn command(self, action: MediaAction) -> MediaCommand {
        MediaCommand { room: self.room, participant: self.participant, action }
    }
}
