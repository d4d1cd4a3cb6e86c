//! A participant whose media goes through the relay.

use std::time::{Duration, Instant};

use confer_protocol::id::{Mid, ParticipantId, RoomId, TrackId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaHappening, PublishTrack};
use confer_protocol::room::TrackSource;
use uuid::Uuid;

use crate::client::{Arrived, Client, Line};
use crate::picture::Picture;
use crate::relayed::Relayed;
use crate::support::{Media, PATIENCE, Relay};

const ROOM: RoomId = RoomId(Uuid::from_u128(1));
/// Of each media packet, its tag included.
pub(crate) const PACKET_BYTES: usize = 1_200;
/// How long a person listens before looking after timers.
const TURN: Duration = Duration::from_millis(5);

pub(crate) struct Person {
    id: ParticipantId,
    pub(crate) relayed: Relayed,
    client: Client,
    sent: u64,
    pictures: u16,
    /// Media packets that came and could be opened.
    pub(crate) packets: usize,
}

impl Person {
    /// Allocates, and joins the room as somebody who sends one picture track or receives one.
    pub(crate) fn join(relay: &Relay, media: &mut Media, user: &str, publishes: bool) -> Self {
        let mut relayed = Relayed::allocate(relay, user);
        relayed.bind(media.candidate());
        let mut client = Client::new(relayed.address);
        let direction = if publishes { "sendonly" } else { "recvonly" };
        let sdp = client.offer(&[Line::video("0", direction)]);
        let publish = publishes.then(|| PublishTrack {
            mid: Mid("0".into()),
            track: TrackId(Uuid::from_u128(7)),
            source: TrackSource::Camera,
            muted: false,
        });
        let id = ParticipantId(Uuid::from_u128(1 + u128::from(relayed.address.port())));
        let publish = publish.into_iter().collect();
        for action in [
            MediaAction::Join { subscribe: true },
            MediaAction::Offer { offer_id: 1, sdp, publish },
        ] {
            let command = MediaCommand { room: ROOM, participant: id, action };
            media.handle.send(command).expect("the queue has room");
        }
        loop {
            let event = media.events.blocking_recv().expect("the shard runs");
            if let MediaHappening::Answered { outcome, .. } = event.happening {
                client.answered(&outcome.expect("a good offer").sdp, Instant::now());
                break;
            }
        }
        Self { id, relayed, client, sent: 0, pictures: 0, packets: 0 }
    }

    /// Does ICE and DTLS, all through the relay.
    pub(crate) fn connect(&mut self) {
        let end = Instant::now() + PATIENCE;
        while !self.client.is_connected() {
            assert!(Instant::now() < end, "no connection");
            self.turn();
        }
    }

    /// Shows that it is there, whenever it did so last.
    pub(crate) fn check(&mut self) {
        self.client.move_to(self.client.address, Instant::now());
        self.turn();
    }

    /// Sends what is to be sent, and hears for a moment.
    pub(crate) fn turn(&mut self) {
        self.client.handle_timeout(Instant::now());
        self.send_all();
        while let Some(mut datagram) = self.relayed.heard(TURN) {
            if let Some(Arrived::Rtp(_)) =
                self.client.handle_datagram(&mut datagram, Instant::now())
            {
                self.packets += 1;
            }
            self.send_all();
        }
    }

    /// Publishes a picture of one packet.
    pub(crate) fn publish(&mut self) {
        for packet in self.picture(1) {
            self.relayed.send(&packet);
        }
    }

    /// The next picture, in `packets` sealed packets of [`PACKET_BYTES`].
    pub(crate) fn picture(&mut self, packets: u16) -> Vec<Vec<u8>> {
        self.pictures += 1;
        let picture = Picture {
            id: self.pictures,
            timestamp: u32::from(self.pictures).wrapping_mul(3_000),
            is_keyframe: true,
            packets: packets.into(),
            packet_bytes: PACKET_BYTES,
        };
        for packet in 0..picture.packets {
            self.sent += 1;
            let bytes = picture.packet(packet, self.sent, (self.sent & 0xffff) as u16);
            self.client.send_rtp(&bytes, self.sent);
        }
        self.client.outbox.drain(..).collect()
    }

    pub(crate) fn leave(&self, media: &Media) {
        let action = MediaAction::Leave;
        let command = MediaCommand { room: ROOM, participant: self.id, action };
        media.handle.send(command).expect("a goodbye is always taken");
    }

    fn send_all(&mut self) {
        for datagram in self.client.outbox.drain(..) {
            self.relayed.send(&datagram);
        }
    }
}
