//! What every carrier of the bus promises, checked on each; and what Redis adds to it.

mod carrier;
mod redis;

use bytes::Bytes;
use confer_bus::{Bus, Signal, Topic};

use crate::carrier::{Carrier, Nodes, message, next};

/// Runs the same promise on every carrier.
macro_rules! contract {
    ($($name:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Carrier::Memory).await;
            })*
        }
        mod over_redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Carrier::Redis).await;
            })*
        }
    };
}

contract! {
    messages_of_one_publisher_arrive_in_order_on_every_node
    topics_do_not_mix
    every_subscriber_gets_every_message_once
    a_slow_subscriber_is_told_and_holds_up_nobody
    a_dropped_subscription_ends_and_others_go_on
}

async fn messages_of_one_publisher_arrive_in_order_on_every_node(carrier: Carrier) {
    let nodes = Nodes::start(carrier).await;
    let topic = Topic::new("numbers");
    let mut here = nodes.listen(&nodes.one, &topic).await;
    let mut there = nodes.listen(&nodes.two, &topic).await;
    for n in 0..500_u32 {
        nodes.one.publish(&topic, message(n));
    }
    for n in 0..500 {
        assert_eq!(next(&mut here).await, message(n));
        assert_eq!(next(&mut there).await, message(n));
    }
}

async fn topics_do_not_mix(carrier: Carrier) {
    let nodes = Nodes::start(carrier).await;
    let (red, blue) = (Topic::new("red"), Topic::new("blue"));
    let mut red_heard = nodes.listen(&nodes.two, &red).await;
    let mut blue_heard = nodes.listen(&nodes.two, &blue).await;
    for n in 0..10 {
        nodes.one.publish(if n % 2 == 0 { &red } else { &blue }, message(n));
    }
    for n in 0..5 {
        assert_eq!(next(&mut red_heard).await, message(2 * n));
        assert_eq!(next(&mut blue_heard).await, message(2 * n + 1));
    }
}

async fn every_subscriber_gets_every_message_once(carrier: Carrier) {
    let nodes = Nodes::start(carrier).await;
    let topic = Topic::new("news");
    let mut heard = vec![
        nodes.listen(&nodes.one, &topic).await,
        nodes.listen(&nodes.one, &topic).await,
        nodes.listen(&nodes.two, &topic).await,
    ];
    // A node hears itself directly, and not a second time from outside.
    nodes.one.publish(&topic, message(1));
    for subscription in &mut heard {
        assert_eq!(next(subscription).await, message(1));
    }
    nodes.two.publish(&topic, message(2));
    for subscription in &mut heard {
        assert_eq!(next(subscription).await, message(2));
    }
}

async fn a_slow_subscriber_is_told_and_holds_up_nobody(carrier: Carrier) {
    const FAR_TOO_MANY: u32 = 5000;
    let nodes = Nodes::start(carrier).await;
    let topic = Topic::new("flood");
    let mut slow = nodes.listen(&nodes.one, &topic).await;
    for n in 0..FAR_TOO_MANY {
        // Returns at once: nothing here awaits.
        nodes.one.publish(&topic, message(n));
    }
    assert_eq!(slow.next().await, Signal::Lagged);
    // What follows is the newest part, in order, up to the last message.
    let Signal::Message(first) = slow.next().await else { panic!("told twice") };
    let first = u32::from_be_bytes(first.as_ref().try_into().expect("four bytes"));
    assert!(first > 0 && first < FAR_TOO_MANY);
    for n in first + 1..FAR_TOO_MANY {
        assert_eq!(next(&mut slow).await, message(n));
    }
}

async fn a_dropped_subscription_ends_and_others_go_on(carrier: Carrier) {
    let nodes = Nodes::start(carrier).await;
    let topic = Topic::new("visit");
    let dropped = nodes.listen(&nodes.two, &topic).await;
    let mut stays = nodes.listen(&nodes.two, &topic).await;
    drop(dropped);
    nodes.one.publish(&topic, message(1));
    assert_eq!(next(&mut stays).await, message(1));
    drop(stays);

    // Subscribing again starts afresh: nothing of the time in between.
    nodes.two.publish(&topic, message(2));
    let mut again = nodes.two.subscribe(&topic);
    nodes.two.publish(&topic, message(3));
    assert_eq!(next(&mut again).await, message(3));
}

#[test]
fn a_bus_in_memory_reaches_nobody_until_somebody_subscribes() {
    let bus = Bus::memory();
    let topic = Topic::new("quiet");
    assert!(!bus.reaches_anybody(&topic));
    let subscription = bus.subscribe(&topic);
    assert!(bus.reaches_anybody(&topic));
    drop(subscription);
    assert!(!bus.reaches_anybody(&topic));
    bus.publish(&topic, Bytes::new());
    assert_eq!(bus.stats().published, 1);
}
