use super::*;

fn port(gso: bool) -> UdpPort {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    UdpPort::bind(address, gso, 1 << 20).expect("loopback has free ports")
}

/// Receives until `count` datagrams came. Loopback delivers before `send` returns.
fn receive(port: &mut UdpPort, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut received = Vec::new();
    while received.len() < count {
        let before = received.len();
        port.receive(|source, _, datagram| received.push((source, datagram.to_vec())));
        assert!(received.len() > before, "{} of {count} datagrams came", received.len());
    }
    received
}

#[test]
fn a_run_arrives_as_the_datagrams_it_is_made_of_with_and_without_segmentation() {
    for gso in [true, false] {
        let (mut sender, mut receiver) = (port(gso), port(true));
        let bytes: Vec<u8> = (0..2450u32).map(|at| (at % 251) as u8).collect();
        sender.send(&Transmit {
            destination: receiver.local(),
            source: Ipv4Addr::LOCALHOST.into(),
            segment_size: Some(1000),
            bytes: &bytes,
        });
        let received = receive(&mut receiver, 3);
        let lengths: Vec<usize> = received.iter().map(|(_, datagram)| datagram.len()).collect();
        assert_eq!(lengths, [1000, 1000, 450]);
        assert_eq!(received.concat_bytes(), bytes);
        assert!(received.iter().all(|(source, _)| *source == sender.local()));
        let stats = sender.stats();
        assert_eq!((stats.datagrams_sent, stats.bytes_sent), (3, 2450));
        if !gso {
            assert_eq!(stats.send_calls, 3);
        }
    }
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<(SocketAddr, Vec<u8>)> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|(_, datagram)| datagram.clone()).collect()
    }
}

#[test]
fn a_run_longer_than_the_kernel_takes_is_sent_in_parts() {
    let (mut sender, mut receiver) = (port(true), port(true));
    let bytes = vec![7; 100 * 1200];
    sender.send(&Transmit {
        destination: receiver.local(),
        source: Ipv4Addr::LOCALHOST.into(),
        segment_size: Some(1200),
        bytes: &bytes,
    });
    assert_eq!(receive(&mut receiver, 100).len(), 100);
    assert_eq!(sender.stats().send_errors, 0);
}

#[test]
fn a_destination_that_cannot_be_reached_costs_its_datagrams_and_nothing_else() {
    let (mut sender, mut receiver) = (port(true), port(true));
    let bytes = [1; 3000];
    // An IPv4 socket cannot send to IPv6, nor anybody to port zero.
    for nowhere in ["[::1]:9", "127.0.0.1:0"] {
        let destination = nowhere.parse().expect("an address");
        sender.send(&Transmit {
            destination,
            source: Ipv4Addr::LOCALHOST.into(),
            segment_size: Some(1000),
            bytes: &bytes,
        });
        sender.send(&Transmit {
            destination,
            source: Ipv4Addr::LOCALHOST.into(),
            segment_size: None,
            bytes: &bytes[..10],
        });
    }
    let destination = receiver.local();
    sender.send(&Transmit {
        destination,
        source: Ipv4Addr::LOCALHOST.into(),
        segment_size: Some(1000),
        bytes: &bytes,
    });
    assert_eq!(receive(&mut receiver, 3).len(), 3);
    assert!(sender.stats().send_errors >= 8, "{:?}", sender.stats());
}

#[test]
fn a_socket_for_every_address_speaks_ipv4_and_shows_it_as_ipv4() {
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let mut both = UdpPort::bind(address, true, 1 << 20).expect("any address is ours");
    let mut v4 = port(true);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, both.local().port()));
    v4.send(&Transmit {
        destination: at,
        source: Ipv4Addr::LOCALHOST.into(),
        segment_size: None,
        bytes: b"hello",
    });
    let received = receive(&mut both, 1);
    assert_eq!(received, [(v4.local(), b"hello".to_vec())]);
    both.send(&Transmit {
        destination: v4.local(),
        source: Ipv4Addr::LOCALHOST.into(),
        segment_size: None,
        bytes: b"you too",
    });
    assert_eq!(receive(&mut v4, 1), [(at, b"you too".to_vec())]);
    assert!(both.speaks(at.ip()) && v4.speaks(at.ip()));
    assert!(!v4.speaks(Ipv6Addr::LOCALHOST.into()));
}

#[test]
fn a_run_the_kernel_refuses_goes_out_singly_and_many_refusals_end_segmentation() {
    let (mut sender, mut receiver) = (port(true), port(true));
    if !sender.segments() {
        return;
    }
    let way = Way { destination: receiver.local(), source: None };
    // More segments than any kernel takes at once; `send` would have cut this.
    let bytes = vec![3; 2000];
    for refusals in 1..=REFUSALS {
        assert!(sender.segments());
        sender.send_run(way, &bytes, 10);
        assert_eq!(receive(&mut receiver, 200).len(), 200);
        assert_eq!(sender.stats().segmentation_refused, u64::from(refusals));
    }
    assert!(!sender.segments());
}

#[test]
fn a_success_in_between_forgives_refusals() {
    let (mut sender, mut receiver) = (port(true), port(true));
    if !sender.segments() {
        return;
    }
    let way = Way { destination: receiver.local(), source: None };
    for _ in 0..2 * REFUSALS {
        sender.send_run(way, &[3; 2000], 10);
        sender.send_run(way, &[3; 2000], 1000);
        assert_eq!(receive(&mut receiver, 202).len(), 202);
    }
    assert!(sender.segments());
}
