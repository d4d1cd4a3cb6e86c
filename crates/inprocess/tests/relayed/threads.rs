//! Several threads on both sides: each finds each.

use std::net::SocketAddr;

use confer_inprocess::{Sent, connect};

use crate::relayed::Relayed;
use crate::support::{ANNOUNCED, OUTSIDE, Relay, Wish, until};

const RELAY_THREADS: u16 = 3;
const MEDIA: [SocketAddr; 2] = [SocketAddr::new(ANNOUNCED, 7882), SocketAddr::new(ANNOUNCED, 7883)];
/// So many that the kernel, which chooses by the client's port, uses every relaying thread.
const CLIENTS: u8 = 24;

#[test]
fn clients_of_all_relaying_threads_reach_all_media_threads() {
    let (relay, mut media) = connect(&confer_inprocess::Config {
        relay_threads: RELAY_THREADS.into(),
        media_threads: MEDIA.len(),
        relayed: vec![OUTSIDE],
        ..Default::default()
    });
    for (end, address) in media.iter().zip(MEDIA) {
        end.announce(&[address], || {});
    }
    let wish = Wish { own_media: MEDIA.into(), threads: RELAY_THREADS, ..Wish::to(MEDIA[0]) };
    let relay = Relay::start(wish, relay);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let user = if number % 2 == 0 { "ann" } else { "ben" };
            let mut client = Relayed::allocate(&relay, user);
            client.bind(MEDIA[usize::from(number) % 2]);
            client.send(&[number]);
            client
        })
        .collect();

    for (thread, (end, address)) in media.iter_mut().zip(MEDIA).enumerate() {
        let mut arrived = Vec::new();
        until("all of this thread's clients are heard", || {
            end.receive(usize::MAX, |from, to, bytes| {
                assert_eq!(to, address);
                arrived.push((from, bytes.to_vec()));
            });
            arrived.len() == clients.len() / 2
        });
        for (from, bytes) in arrived {
            let number = usize::from(bytes[0]);
            assert_eq!((number % 2, from), (thread, clients[number].address));
            assert_eq!(end.send(address, from, &bytes, bytes.len()), Sent::Handed);
        }
        end.wake();
    }
    for (number, client) in (0..).zip(&mut clients) {
        assert_eq!(client.hear(), [number]);
    }
    let stats = relay.handle.stats();
    assert_eq!(stats.in_process_packets, 2 * u64::from(CLIENTS));
    assert_eq!(stats.relayed_packets, stats.in_process_packets);
}
