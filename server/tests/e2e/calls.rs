//! Audio between two people through the real server, and what joining costs in a full room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use confer_headless::{Media, MediaConfig};
use confer_protocol::client::Request;
use confer_protocol::id::RoomId;
use confer_protocol::room::TrackSource;
use confer_protocol::server::Reply;
use tokio::net::UdpSocket;

use crate::client::{Person, Socket};
use crate::process::Setup;

/// As a browser page offers by default.
const SLOTS: (usize, usize) = (4, 8);
/// One Opus packet.
const PACKET_INTERVAL: Duration = Duration::from_millis(20);
const TICKS_PER_PACKET: u32 = 960;
/// Enough that none of them can be a stray.
const PACKETS: u64 = 25;

/// Somebody in a call.
struct Caller {
    media: Media,
    udp: UdpSocket,
    /// Kept open: without it the seat is given up after a while.
    _socket: Socket,
    sdp_bytes: usize,
}

impl Caller {
    async fn join(person: &Person, room: RoomId, ssrc: u32) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let config = MediaConfig {
            local: udp.local_addr().expect("a bound socket"),
            publish: vec![(TrackSource::Microphone, ssrc), (TrackSource::Camera, ssrc + 1)],
            audio_slots: SLOTS.0,
            video_slots: SLOTS.1,
        };
        let mut media = Media::new(&config, Instant::now()).expect("tracks are accepted");
        let mut socket = person.connect().await.expect("a good token");
        socket.granted(Request::Join { room }).await;
        let (sdp, publish) = media.offer(Instant::now()).expect("an offer");
        let offered = sdp.len();
        let Reply::Offer(answer) =
            socket.granted(Request::Offer { offer_id: 1, sdp, publish }).await
        else {
            panic!("an answer");
        };
        media.accept(&answer.sdp, Instant::now()).expect("a good answer");
        Self { media, udp, _socket: socket, sdp_bytes: offered + answer.sdp.len() }
    }

    /// Talks until `callers` of them have heard enough, itself included.
    async fn talk(mut self, satisfied: Arc<AtomicUsize>, callers: usize) {
        let mut listening = true;
        let mut next_packet = Instant::now();
        let mut timestamp = 0;
        let mut buffer = vec![0; 2048];
        loop {
            while let Some((peer, datagram)) = self.media.poll_transmit() {
                // A full buffer is loss, as on any network.
                let _ = self.udp.try_send_to(&datagram, peer);
            }
            assert!(!self.media.failed(), "the media connection failed");
            let heard: u64 = self.media.received().values().map(|slot| slot.packets).sum();
            if listening && heard >= PACKETS {
                listening = false;
                satisfied.fetch_add(1, Ordering::SeqCst);
            }
            if satisfied.load(Ordering::SeqCst) == callers {
                return;
            }
            let wake = self.media.poll_timeout().unwrap_or(next_packet);
            let wake = if self.media.connected() { wake.min(next_packet) } else { wake };
            tokio::select! {
                received = self.udp.recv_from(&mut buffer) => {
                    let (length, peer) = received.expect("our own socket");
                    self.media.handle_datagram(peer, &buffer[..length], Instant::now());
                }
                () = tokio::time::sleep_until(wake.into()) => {
                    self.media.handle_timeout(Instant::now());
                }
            }
            let now = Instant::now();
            if self.media.connected() && next_packet <= now {
                let payload = vec![0xFC; 100].into();
                let sent = self.media.send(TrackSource::Microphone, timestamp, false, payload, now);
                sent.expect("the microphone was negotiated");
                timestamp += TICKS_PER_PACKET;
                next_packet = now + PACKET_INTERVAL;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_hear_each_other() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let room = alice.create_room("Kitchen").await.id;
    let guest = alice.invite_guest(room, "Visitor").await;

    let alices = Caller::join(&alice, room, 1000).await;
    let guests = Caller::join(&guest, room, 2000).await;
    let satisfied = Arc::<AtomicUsize>::default();
    tokio::join!(alices.talk(Arc::clone(&satisfied), 2), guests.talk(satisfied, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_a_room_of_fifty_costs_as_much_as_joining_one_of_five() {
    const PARTICIPANTS: u32 = 50;
    let mut setup = Setup::private();
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let room = alice.create_room("Hall").await.id;

    let mut callers = Vec::new();
    for number in 1..=PARTICIPANTS {
        let guest = alice.invite_guest(room, &format!("Visitor {number}")).await;
        callers.push(Caller::join(&guest, room, number * 10).await);
    }
    let (fifth, last) = (callers[4].sdp_bytes, callers[callers.len() - 1].sdp_bytes);
    assert!(last * 10 <= fifth * 12, "the fifth exchanged {fifth} bytes, the fiftieth {last}");
}
