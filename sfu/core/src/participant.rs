//! One participant: one transport with its publications, slots and subscriptions.

use std::time::{Duration, Instant};

use confer_protocol::client::SubscriptionWish;
use confer_protocol::id::{ParticipantId, RoomId, TrackId};
use confer_protocol::media::TransportSecurity;
use confer_protocol::room::{MediaKind, SlotAssignment, SlotDemand, SlotMap};
use confer_protocol::server::TransportState;

use crate::arena::{Arena, Key};
use crate::egress::{Egress, Pending};
use crate::limits::Limits;
use crate::publication::Publication;
use crate::rtp::extension::Known;
use crate::rtp::{ExtensionIds, RtpView, Ssrc};
use crate::sdp::Negotiated;
use crate::stats::ShardStats;
use crate::subscription::Slot;
use crate::transport::Route;
use crate::transport::dtls::{Dtls, Fingerprint};
use crate::transport::ice::{Consent, IceLite};
use crate::transport::srtp::{Opener, Sealer};
use crate::twcc::TwccRecorder;

/// The round trip assumed before anything was measured.
const UNKNOWN_ROUND_TRIP: Duration = Duration::from_millis(100);

/// The way to one participant.
pub(crate) struct Transport {
    pub(crate) ice: IceLite,
    pub(crate) dtls: Dtls,
    /// By which a later offer shows that it is of the same peer connection.
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) srtp: Option<Srtp>,
    pub(crate) has_failed: bool,
    pub(crate) twcc: TwccRecorder,
}

/// The keys of a connected transport.
pub(crate) struct Srtp {
    pub(crate) opener: Opener,
    pub(crate) sealer: Sealer,
    pub(crate) security: TransportSecurity,
}

impl Transport {
    /// What signaling is told.
    pub(crate) fn state(&self) -> TransportState {
        if self.has_failed {
            return TransportState::Failed;
        }
        match (self.ice.consent(), &self.srtp) {
            (Consent::Failed, _) => TransportState::Failed,
            (Consent::Suspect, Some(_)) => TransportState::Suspect,
            (Consent::Connected, Some(_)) => TransportState::Connected,
            (Consent::New | Consent::Connected | Consent::Suspect, None) | (Consent::New, _) => {
                TransportState::Connecting
            }
        }
    }

    /// Which way to send media, if we may.
    pub(crate) fn route(&self) -> Option<Route> {
        let may_send = self.srtp.is_some()
            && !self.has_failed
            && matches!(self.ice.consent(), Consent::Connected | Consent::Suspect);
        self.ice.path().filter(|_| may_send)
    }
}

/// Which publication an SSRC belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) ssrc: Ssrc,
    pub(crate) publication: Key<Publication>,
    pub(crate) layer: usize,
    pub(crate) is_rtx: bool,
}

/// See the module.
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) room: RoomId,
    pub(crate) subscribes: bool,
    pub(crate) transport: Option<Transport>,
    /// The state that signaling knows.
    pub(crate) announced: Option<TransportState>,
    /// Whether media can be sent now; kept here because every packet asks.
    pub(crate) is_open: bool,
    pub(crate) publications: Vec<Key<Publication>>,
    pub(crate) streams: Vec<Stream>,
    /// What the participant's own packets carry. In a bundle an id means the same on every m-line
    /// (RFC 8843, section 14).
    pub(crate) extensions: ExtensionIds,
    pub(crate) slots: Vec<Slot>,
    pub(crate) slots_version: u32,
    pub(crate) demand: SlotDemand,
    /// Sorted by track.
    pub(crate) wishes: Vec<SubscriptionWish>,
    pub(crate) layout: SlotDemand,
    pub(crate) egress: Egress,
    /// Something waits in `egress`, and the shard knows.
    pub(crate) is_ready: bool,
    /// Who we are in RTCP.
    pub(crate) ssrc: Ssrc,
    pub(crate) cname: String,
    pub(crate) session_id: u64,
    pub(crate) session_version: u64,
    pub(crate) round_trip: Option<Duration>,
    /// Our clock minus the participant's, in NTP units, by the fastest sender report yet.
    pub(crate) clock_offset: Option<i64>,
    pub(crate) feedback_due: Instant,
    pub(crate) report_due: Instant,
    egress_capacity: usize,
}

impl Participant {
    pub(crate) fn new(
        id: ParticipantId,
        room: RoomId,
        subscribes: bool,
        (ssrc, session_id): (Ssrc, u64),
        limits: &Limits,
        now: Instant,
    ) -> Self {
        Self {
            id,
            room,
            subscribes,
            transport: None,
            announced: None,
            is_open: false,
            publications: Vec::new(),
            streams: Vec::new(),
            extensions: ExtensionIds::default(),
            slots: Vec::new(),
            slots_version: 0,
            demand: SlotDemand::default(),
            wishes: Vec::new(),
            layout: SlotDemand { audio: u16::MAX, video: u16::MAX },
            egress: Egress::default(),
            is_ready: false,
            ssrc,
            cname: format!("{:016x}", session_id),
            session_id,
            session_version: 0,
            round_trip: None,
            clock_offset: None,
            feedback_due: now,
            report_due: now,
            egress_capacity: limits.egress_packets,
        }
    }

    pub(crate) fn can_send(&self) -> bool {
        self.is_open
    }

    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(UNKNOWN_ROUND_TRIP)
    }

    /// Queues a packet for sealing.
    pub(crate) fn enqueue(
        &mut self,
        own: Key<Participant>,
        pending: Pending,
        ready: &mut Vec<Key<Participant>>,
        stats: &mut ShardStats,
    ) {
        if self.egress.pending.len() >= self.egress_capacity {
            stats.dropped_egress_full += 1;
            return;
        }
        self.egress.pending.push_back(pending);
        if !self.is_ready {
            self.is_ready = true;
            ready.push(own);
        }
    }

    /// What the participant wishes of a track: `None` when it does not want it, else whether it is
    /// pinned.
    pub(crate) fn wish(&self, track: TrackId) -> Option<bool> {
        if !self.subscribes {
            return None;
        }
        match self.wishes.binary_search_by_key(&track, |wish| wish.track) {
            Ok(at) => self.wishes[at].wanted.then_some(self.wishes[at].pinned),
            Err(_) => Some(false),
        }
    }

    /// How many slots of a kind the participant's layout shows.
    pub(crate) fn shown(&self, kind: MediaKind) -> usize {
        usize::from(match kind {
            MediaKind::Audio => self.layout.audio,
            MediaKind::Video => self.layout.video,
        })
    }

    /// Which publication a packet belongs to (RFC 8843, section 9.2): by an SSRC that is known,
    /// else by its `mid` and `rid`, else by a payload type that only one m-line has. What is found
    /// is remembered; the packet is authentic, so nobody else can fill the table.
    pub(crate) fn stream(
        &mut self,
        view: &RtpView<'_>,
        known: &Known<'_>,
        publications: &Arena<Publication>,
        limits: &Limits,
    ) -> Option<Stream> {
        if let Some(stream) = self.streams.iter().find(|stream| stream.ssrc == view.ssrc) {
            // A layer's identity may come after its first packets did.
            return Some(*stream);
        }
        let stream = self.find_stream(view, known, publications)?;
        let same = |other: &Stream| {
            other.publication == stream.publication
                && other.layer == stream.layer
                && other.is_rtx == stream.is_rtx
        };
        let of_publication =
            self.streams.iter().filter(|other| other.publication == stream.publication).count();
        if of_publication >= limits.ssrcs_per_publication {
            // The sender restarted this stream over and over: the oldest SSRC goes.
            let oldest = self.streams.iter().position(same)?;
            self.streams.remove(oldest);
        }
        self.streams.push(stream);
        Some(stream)
    }

    fn find_stream(
        &self,
        view: &RtpView<'_>,
        known: &Known<'_>,
        publications: &Arena<Publication>,
    ) -> Option<Stream> {
        let key = match known.mid {
            Some(mid) => self.publications.iter().copied().find(|key| {
                publications.get(*key).is_some_and(|one| one.mid.0.as_bytes() == mid)
            })?,
            None => {
                let mut of_pt =
                    self.publications.iter().copied().filter(|key| {
                        publications.get(*key).is_some_and(|one| one.has_pt(view.pt))
                    });
                let only = of_pt.next()?;
                if of_pt.next().is_some() {
                    return None;
                }
                only
            }
        };
        let publication = publications.get(key)?;
        let is_rtx = publication.is_rtx(view.pt);
        let rid = if is_rtx { known.repaired_rid.or(known.rid) } else { known.rid };
        let layer = match rid {
            Some(rid) => publication.layer_of(rid)?,
            // Without simulcast there is one layer; with it, a packet without rid is of none.
            None if publication.layers.len() == 1 => 0,
            None => return None,
        };
        Some(Stream { ssrc: view.ssrc, publication: key, layer, is_rtx })
    }

    /// Notes the extension ids of an offer.
    pub(crate) fn note_extensions(&mut self, negotiated: &Negotiated) {
        self.extensions = ExtensionIds::default();
        for section in negotiated.media() {
            for (id, extension) in &section.extensions {
                self.extensions.set(*extension, *id);
            }
        }
    }

    /// What the participant's slots carry now.
    pub(crate) fn slot_map(&self, publications: &Arena<Publication>) -> SlotMap {
        let slots = self
            .slots
            .iter()
            .map(|slot| SlotAssignment {
                mid: slot.mid.clone(),
                track: slot
                    .carries
                    .and_then(|key| publications.get(key))
                    .map(|publication| publication.track),
            })
            .collect();
        SlotMap { version: self.slots_version, slots, wanted: self.demand }
    }
}
