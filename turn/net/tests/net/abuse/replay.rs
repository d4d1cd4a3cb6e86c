//! Requests of somebody else, seen on their way and said again.

use confer_turn_core::message::{Class, Method, Writer, attribute};
use confer_turn_net::Transport;

use super::{Bystander, until_refused};
use crate::client::{Answer, Client, udp};
use crate::support::relay;

#[tokio::test]
async fn a_request_said_again_from_elsewhere_is_worth_nothing() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let mut victim = Bystander::calls(&handle, Transport::Udp).await;
    let seen = victim.0.written(Method::Allocate, udp);
    let seen_release = victim.0.written(Method::Refresh, |writer| {
        writer.number(attribute::LIFETIME, 0);
    });
    for number in 0..50 {
        let transport = if number % 2 == 0 { Transport::Udp } else { Transport::Tcp };
        let mut thief = Client::connect(&handle, transport).await;
        for packet in [&seen, &seen_release] {
            thief.send(packet).await;
            assert_eq!(Answer(thief.hear().await).error(), Some(438));
        }
    }
    until_refused(&handle, 438, 100).await;
    assert_eq!(handle.stats().allocations, 1);
    victim.goes_on().await;
    running.stop().await;
}

#[tokio::test]
async fn a_request_said_again_from_the_same_place_changes_nothing() {
    let (handle, running) = relay(|_| {}).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    client.ask(Method::Allocate, udp).await;
    client.nonce =
        client.ask(Method::Allocate, udp).await.attribute(attribute::NONCE).expect("one");
    let request = client.written(Method::Allocate, udp);
    let mut relayed = Vec::new();
    for _ in 0..20 {
        client.send(&request).await;
        relayed.push(Answer(client.hear().await).address(attribute::XOR_RELAYED_ADDRESS));
    }
    relayed.dedup();
    assert_eq!(relayed.len(), 1);
    assert_eq!(handle.stats().allocations_total, 1);
    running.stop().await;
}

#[tokio::test]
async fn a_nonce_that_was_made_up_or_changed_is_not_taken() {
    let (handle, running) = relay(|_| {}).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    let challenge = client.ask(Method::Allocate, udp).await;
    let nonce = challenge.attribute(attribute::NONCE).expect("a challenge");
    for at in 0..nonce.len() {
        client.nonce = nonce.clone();
        client.nonce[at] ^= 1;
        let error = client.ask(Method::Allocate, udp).await.error();
        assert_eq!(error, Some(438), "with another byte {at}");
    }
    client.nonce = vec![b'x'; 763];
    assert_eq!(client.ask(Method::Allocate, udp).await.error(), Some(438));
    client.nonce = nonce;
    assert_eq!(client.ask(Method::Allocate, udp).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_said_to_the_relay_is_dropped() {
    let (handle, running) = relay(|_| {}).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    for class in [Class::Success, Class::Error] {
        let mut packet = Vec::new();
        Writer::begin(&mut packet, class, Method::Allocate, &[1; 12]);
        client.send(&packet).await;
    }
    client.ask(Method::Binding, |_| {}).await;
    assert_eq!(super::dropped(&handle, confer_turn_core::DropReason::Unexpected), 2);
    running.stop().await;
}
