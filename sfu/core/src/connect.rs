//! Transports: checks and handshakes that come in, time that passes, and what signaling hears of it.

use std::net::SocketAddr;
use std::time::Instant;

use confer_protocol::media::{MediaEvent, MediaHappening, TransportSecurity};
use confer_protocol::room::MediaKind;
use confer_protocol::server::TransportState;

use crate::arena::Key;
use crate::participant::{Participant, Srtp};
use crate::shard::Shard;
use crate::transport::Route;
use crate::transport::dtls::{DtlsConnected, DtlsEvent, DtlsRole};
use crate::transport::ice::CheckOutcome;
use crate::transport::srtp::{Opener, Sealer};

impl Shard {
    pub(crate) fn handle_check(&mut self, key: Key<Participant>, route: Route, bytes: &[u8]) {
        let now = self.now;
        let Some(transport) =
            self.participants.get_mut(key).and_then(|participant| participant.transport.as_mut())
        else {
            return;
        };
        let reply = &mut self.stun_reply;
        match transport.ice.handle_check(bytes, route, now, reply) {
            CheckOutcome::Answered { source_is_new, forgotten, path_changed } => {
                if let Some(old) = forgotten
                    && self.addresses.get(&old) == Some(&key)
                {
                    self.addresses.remove(&old);
                }
                if source_is_new || self.addresses.get(&route.remote) != Some(&key) {
                    // Whoever authenticated last from an address owns it: a client that began
                    // anew keeps its port.
                    self.addresses.insert(route.remote, key);
                }
                while let Some(retired) = transport.ice.poll_retired() {
                    self.ufrags.remove(retired.as_bytes());
                }
                if !self.control.push(route, reply) {
                    self.stats.dropped_control_full += 1;
                }
                let has_recovered = transport.ice.poll_recovered();
                if path_changed.is_some() {
                    self.drain_dtls(key);
                }
                self.announce_transport(key);
                if has_recovered {
                    self.want_keyframes(key);
                    self.want_keyframes_of(key);
                }
            }
            CheckOutcome::Corrected => {
                self.stats.dropped_stun += 1;
                if !self.control.push(route, reply) {
                    self.stats.dropped_control_full += 1;
                }
            }
            CheckOutcome::Refused(_) => self.stats.dropped_stun += 1,
        }
    }

    pub(crate) fn handle_dtls(&mut self, source: SocketAddr, bytes: &[u8]) {
        let Some(key) = self.addresses.get(&source).copied() else {
            self.stats.dropped_unknown += 1;
            return;
        };
        let Some(transport) =
            self.participants.get_mut(key).and_then(|participant| participant.transport.as_mut())
        else {
            return;
        };
        if transport.dtls.handle_datagram(bytes, self.now).is_err() {
            self.stats.dropped_dtls += 1;
        }
        self.drain_dtls(key);
        self.announce_transport(key);
    }

    /// Moves what DTLS made to where it belongs.
    pub(crate) fn drain_dtls(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(transport) = &mut participant.transport else { return };
        if let Some(path) = transport.ice.path() {
            while let Some(datagram) = transport.dtls.poll_transmit() {
                if !self.control.push(path, &datagram) {
                    self.stats.dropped_control_full += 1;
                }
            }
        }
        while let Some(event) = transport.dtls.poll_event() {
            match event {
                DtlsEvent::Connected(connected) => {
                    transport.srtp = Some(srtp(&connected, transport.dtls.role()));
                }
                DtlsEvent::Failed(_) | DtlsEvent::Closed => transport.has_failed = true,
            }
        }
    }

    pub(crate) fn tick_transport(&mut self, key: Key<Participant>) {
        let now = self.now;
        let Some(transport) =
            self.participants.get_mut(key).and_then(|participant| participant.transport.as_mut())
        else {
            return;
        };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let is_ice_due = is_due(transport.ice.poll_timeout());
        let is_dtls_due = is_due(transport.dtls.poll_timeout());
        if is_ice_due {
            transport.ice.handle_timeout(now);
        }
        if is_dtls_due {
            transport.dtls.handle_timeout(now);
            self.drain_dtls(key);
        }
        if is_ice_due || is_dtls_due {
            self.announce_transport(key);
        }
    }

    /// Tells signaling when a participant's transport is in another state than before, and starts
    /// or stops its media.
    pub(crate) fn announce_transport(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(transport) = &participant.transport else { return };
        let was_open = participant.is_open;
        participant.is_open = transport.route().is_some();
        let opens = participant.is_open && !was_open;

        let state = transport.state();
        let security: Option<TransportSecurity> = transport
            .srtp
            .as_ref()
            .map(|srtp| srtp.security)
            .filter(|_| state == TransportState::Connected);
        if participant.announced != Some(state) {
            participant.announced = Some(state);
            let (room, participant) = (participant.room, participant.id);
            let happening = MediaHappening::TransportChanged { state, security };
            self.push_event(MediaEvent { room, participant, happening });
        }
        if opens {
            self.want_keyframes(key);
        }
    }

    /// A subscriber can see again: what its video slots carry must begin anew. Asking for what it
    /// missed would take longer, and most of that is not kept any more.
    fn want_keyframes(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        for slot in &mut participant.slots {
            slot.pause();
            if slot.kind == MediaKind::Video
                && let Some(publication) =
                    slot.carries.and_then(|key| self.publications.get_mut(key))
            {
                publication.keyframes.want();
            }
        }
    }

    /// A publisher can be heard again: who sees it lacks what it sent meanwhile.
    fn want_keyframes_of(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get(key) else { return };
        for key in &participant.publications {
            if let Some(publication) = self.publications.get_mut(*key)
                && publication.kind() == MediaKind::Video
            {
                publication.keyframes.want();
            }
        }
    }
}

/// The keys of a finished handshake, by direction.
fn srtp(connected: &DtlsConnected, role: DtlsRole) -> Srtp {
    let keys = &connected.keys;
    let (theirs, ours) = match role {
        DtlsRole::Server => (&keys.client, &keys.server),
        DtlsRole::Client => (&keys.server, &keys.client),
    };
    Srtp {
        opener: Opener::new(connected.profile, theirs),
        sealer: Sealer::new(connected.profile, ours),
        security: TransportSecurity {
            dtls_version: connected.version,
            srtp_profile: connected.profile.name(),
        },
    }
}
