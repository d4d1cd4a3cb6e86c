//! Clients over TCP that take their time: bytes one by one, or answers that are never read.

use std::time::Duration;

use confer_turn_core::message::{Class, Method, Writer};
use confer_turn_net::Transport;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Bystander;
use crate::client::{Client, Way, channel_data};
use crate::secured::Secured;
use crate::support::{V4, echo, relay, until};

#[tokio::test]
async fn who_sends_byte_by_byte_has_no_more_time_than_who_sends_nothing() {
    for threads in [1, 2] {
        let (handle, running) = relay(|config| {
            config.threads = threads;
            config.limits.greeting = Duration::from_millis(200);
        })
        .await;
        let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
        let mut request = Vec::new();
        Writer::begin(&mut request, Class::Request, Method::Binding, &[1; 12]);
        let mut stream = TcpStream::connect(handle.listening()[0]).await.expect("it listens");
        // Each byte comes well in time, and all of them would take far longer than is given.
        let mut trickling = request.iter().cycle().take(19);
        while handle.stats().connections_cut == 0 {
            if let Some(byte) = trickling.next() {
                let _ = stream.write_all(&[*byte]).await;
            }
            bystander.goes_on().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(handle.stats().connections_cut, 1);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_frame_that_is_never_finished_ends_the_connection_and_its_allocation() {
    let (handle, running) = relay(|config| {
        config.limits.idle = Duration::from_secs(1);
    })
    .await;
    let mut slow = Client::connect(&handle, Transport::Tcp).await;
    slow.allocate().await;
    // The head of a frame of which the rest comes a byte at a time.
    slow.send(&[0x40, 0, 0xff, 0xff]).await;
    let Way::Stream(stream) = &mut slow.way else { panic!("over TCP") };
    while handle.stats().connections_cut == 0 {
        let _ = stream.write_all(&[0]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(&handle, |stats| stats.allocations == 0 && stats.connections == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn who_asks_and_asks_and_never_allocates_is_cut_off() {
    let (handle, running) = relay(|config| {
        config.limits.unused = Duration::from_secs(2);
    })
    .await;
    let mut bystander = Bystander::calls(&handle, Transport::Tcp).await;
    let mut secured = Bystander::calls(&handle, Transport::Dtls).await;
    let mut idler = Secured::connect(handle.listening()[0]).await;
    let mut asking = Client::connect(&handle, Transport::Tcp).await;
    // Not waited for by time: it is how fast this one asks, until it is cut off.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while handle.stats().connections_cut == 0 {
        let request = asking.written(Method::Binding, |_| {});
        let Way::Stream(stream) = &mut asking.way else { panic!("over TCP") };
        let _ = stream.write_all(&request).await;
        pace.tick().await;
    }
    assert_eq!(idler.hear().await, None, "over DTLS alike, with a goodbye");
    // Who holds something has far more time.
    bystander.goes_on().await;
    secured.goes_on().await;
    assert_eq!(handle.stats().connections, 2);
    running.stop().await;
}

#[tokio::test]
async fn who_waits_for_an_answer_that_never_comes_is_cut_off() {
    let (handle, running) = relay(|config| {
        config.limits.greeting = Duration::from_millis(200);
        config.core.limits.challenges_per_prefix = 1;
    })
    .await;
    let mut stream = TcpStream::connect(handle.listening()[0]).await.expect("it listens");
    // What strangers have is spent, so nobody says anything to this one.
    let mut other = Client::connect(&handle, Transport::Udp).await;
    other.ask(Method::Binding, |_| {}).await;
    let mut request = Vec::new();
    Writer::begin(&mut request, Class::Request, Method::ConnectionBind, &[1; 12]);
    stream.write_all(&request).await.expect("connected");
    until(&handle, |stats| stats.connections_cut == 1 && stats.connections == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn who_takes_nothing_for_too_long_is_cut_off() {
    let (handle, running) = relay(|config| {
        config.limits.stalled = Duration::from_millis(50);
    })
    .await;
    let peer = echo(V4).await;
    let mut bystander = Bystander::calls(&handle, Transport::Tcp).await;
    let mut deaf = Client::connect(&handle, Transport::Tcp).await;
    deaf.allocate().await;
    deaf.bind(0x4000, peer).await;
    let frames = channel_data(0x4000, &[6; 1200]).repeat(50);
    let Way::Stream(stream) = &mut deaf.way else { panic!("over TCP") };
    while handle.stats().connections_cut == 0 {
        // It may be gone in the middle of this.
        let _ = stream.write_all(&frames).await;
        bystander.goes_on().await;
    }
    until(&handle, |stats| stats.allocations == 1 && stats.connections == 1).await;
    assert!(handle.stats().queue_full > 0, "what it did not take was lost, and not kept");
    bystander.goes_on().await;
    running.stop().await;
}
