use std::time::Duration;

use confer_bus::Bus;
use confer_chat::{Config, Limits};
use confer_protocol::chat::{Change, ConversationEvent, EventSeq};
use confer_protocol::id::Epoch;
use confer_protocol::server::Notice;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{
    all_events, assert_gap_free, body, cursor, next_event, next_notice, quick, setup, setup_with,
    text, until,
};

/// A service that hears of nothing but by its sweep.
fn sweeping() -> Config {
    Config { sweep_interval: Duration::from_millis(20), ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_drop_and_resume_see_exactly_the_stored_log_in_order() {
    const WRITERS: usize = 8;
    const MESSAGES: usize = 40;
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let last_event = (2 + WRITERS * MESSAGES) as u64;

    let mut readers = JoinSet::new();
    for seed in 0..6 {
        let (service, bob) = (setup.service.clone(), bob.clone());
        readers.spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut seen: Vec<ConversationEvent> = Vec::new();
            while seen.len() < last_event as usize {
                let at = seen.last().map_or(0, |event| event.event_seq.0);
                let cursors = vec![cursor(conversation, at)];
                let (synced, mut feed) =
                    service.sync(&bob, Some(service.epoch()), cursors).await.expect("synced");
                let caught_up = synced.conversations.into_iter().next().expect("the room");
                assert!(!caught_up.reset);
                seen.extend(caught_up.events);
                if caught_up.more {
                    continue;
                }
                // Stays for a while, then drops in the middle of things.
                for _ in 0..rng.random_range(0..30) {
                    if seen.len() >= last_event as usize {
                        break;
                    }
                    seen.push(next_event(&mut feed).await);
                }
            }
            seen
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (service, alice) = (setup.service.clone(), alice.clone());
        writers.spawn(async move {
            for n in 0..MESSAGES {
                service
                    .send(&alice, conversation, text(&format!("{writer}/{n}")))
                    .await
                    .expect("sent");
            }
        });
    }
    writers.join_all().await;
    let stored = all_events(&setup.service, &alice, conversation).await;
    assert_gap_free(stored.iter().map(|event| event.event_seq.0));
    for seen in readers.join_all().await {
        assert_eq!(seen, stored);
    }
    setup.stop().await;
}

#[tokio::test]
async fn what_no_hint_announced_is_found_by_the_sweep_in_order() {
    let setup = setup_with(sweeping()).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");

    // A node whose hints reach nobody.
    let (deaf, deaf_running) = setup.another_node(Bus::memory(), quick()).await;
    for n in 0..20 {
        // Every third is announced here, so that what comes by hint is ahead of a gap.
        let service = if n % 3 == 2 { &setup.service } else { &deaf };
        service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    for n in 0..20 {
        assert_eq!(body(&next_event(&mut feed).await), format!("{n}"));
    }
    assert!(setup.service.stats().gaps > 0);
    deaf_running.stop().await;
    setup.stop().await;
}

#[tokio::test]
async fn hints_carry_messages_between_nodes_whatever_their_size() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let (other, other_running) = setup
        .another_node(
            setup.bus.clone(),
            Config { sweep_interval: Duration::from_secs(3600), ..quick() },
        )
        .await;
    let (_, mut here) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    let (_, mut there) = other.sync(&alice, None, Vec::new()).await.expect("synced");
    for size in [1, 4096, 4097, 8000] {
        let long = "x".repeat(size);
        setup.service.send(&alice, room.conversation(), text(&long)).await.expect("sent");
        assert_eq!(body(&next_event(&mut here).await), long);
        assert_eq!(body(&next_event(&mut there).await), long);
    }
    other.typing(&bob, room.conversation()).await.expect("a member");
    let typing = loop {
        if let Notice::ChatTyping { user, .. } = next_notice(&mut there).await.expect("live") {
            break user;
        }
    };
    assert_eq!(typing, bob.user_id());
    other_running.stop().await;
    setup.stop().await;
}

#[tokio::test]
async fn a_cursor_that_means_nothing_any_more_is_told_to_reset() {
    let limits = Limits { events_behind: 5, ..Limits::default() };
    let setup = setup_with(Config { limits, ..quick() }).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    for n in 0..6 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    let epoch = setup.service.epoch();
    let reset = async |epoch: Epoch, at: u64| {
        let cursors = vec![cursor(conversation, at)];
        let (synced, mut feed) =
            setup.service.sync(&bob, Some(epoch), cursors).await.expect("synced");
        let [conversation] = synced.conversations.as_slice() else { panic!("one conversation") };
        assert_eq!(conversation.receipts.len(), 2);
        // Live either way, from the head on.
        setup.service.send(&alice, room.conversation(), text("live")).await.expect("sent");
        assert_eq!(body(&next_event(&mut feed).await), "live");
        (conversation.reset, conversation.events.len())
    };
    assert_eq!(reset(epoch, 8).await, (false, 0));
    assert_eq!(reset(epoch, 5).await, (false, 4));
    assert_eq!(reset(epoch, 2).await, (true, 0), "too far behind");
    assert_eq!(reset(epoch, 999).await, (true, 0), "from the future");
    assert_eq!(reset(Epoch(Uuid::nil()), 12).await, (true, 0), "of another epoch");

    let (synced, _) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    assert!(synced.conversations[0].reset, "without a cursor there is everything to load");
    setup.stop().await;
}

#[tokio::test]
async fn a_long_catch_up_comes_in_pages_and_is_live_from_the_first() {
    let limits = Limits { events_page: 10, ..Limits::default() };
    let setup = setup_with(Config { limits, ..quick() }).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    for n in 0..25 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    let epoch = setup.service.epoch();
    let (synced, mut feed) =
        setup.service.sync(&bob, Some(epoch), vec![cursor(conversation, 0)]).await.expect("synced");
    let first = &synced.conversations[0];
    assert_eq!((first.events.len(), first.more, first.reset), (10, true, false));
    setup.service.send(&alice, conversation, text("live")).await.expect("sent");
    assert_eq!(next_event(&mut feed).await.event_seq, EventSeq(28));

    let mut events = first.events.clone();
    while events.len() < 27 {
        let after = events.last().expect("a page").event_seq;
        let page = setup.service.events(&bob, conversation, after, None).await.expect("a member");
        events.extend(page.events);
    }
    assert_gap_free(events.iter().map(|event| event.event_seq.0));
    setup.stop().await;
}

#[tokio::test]
async fn whoever_was_removed_long_ago_is_told_so_and_not_to_load_anew() {
    let limits = Limits { events_behind: 5, events_page: 300, ..Limits::default() };
    let setup = setup_with(Config { limits, ..quick() }).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    for n in 0..150 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    setup.service.remove_member(room, bob.user_id()).await.expect("removed");
    let sync = async |epoch: Epoch, cursors| {
        let (synced, _) = setup.service.sync(&bob, Some(epoch), cursors).await.expect("synced");
        synced.conversations
    };
    let epoch = setup.service.epoch();
    for (epoch, at) in [(epoch, 2), (epoch, 152), (epoch, 999), (Epoch(Uuid::nil()), 7)] {
        let told = sync(epoch, vec![cursor(conversation, at)]).await;
        assert_eq!((told.len(), told[0].reset), (1, false), "{at}");
        let removal = Change::MemberRemoved { user: bob.user_id() };
        assert_eq!(told[0].events.last().map(|event| &event.change), Some(&removal));
    }
    assert!(sync(epoch, vec![cursor(conversation, 153)]).await.is_empty(), "known already");
    assert!(sync(epoch, Vec::new()).await.is_empty(), "never known");
    setup.stop().await;
}

#[tokio::test]
async fn whoever_is_added_while_connected_hears_of_it_and_of_all_that_follows() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    setup.service.send(&alice, conversation, text("before")).await.expect("sent");
    let carol = setup.person("carol").await;
    let (synced, mut feed) = setup.service.sync(&carol, None, Vec::new()).await.expect("synced");
    assert!(synced.conversations.is_empty());

    setup.service.add_member(room, &carol.user).await.expect("added");
    setup.service.send(&alice, conversation, text("after")).await.expect("sent");
    let added = next_event(&mut feed).await;
    assert_eq!(added.event_seq, EventSeq(4));
    assert_eq!(added.change, Change::MemberAdded { user: carol.user.clone() });
    assert_eq!(body(&next_event(&mut feed).await), "after");
    setup.stop().await;
}

#[tokio::test]
async fn whoever_is_removed_and_added_again_goes_on_hearing() {
    let setup = setup_with(sweeping()).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    for round in 0..5 {
        setup.service.remove_member(room, bob.user_id()).await.expect("removed");
        setup.service.add_member(room, &bob.user).await.expect("added");
        let welcome = format!("welcome {round}");
        setup.service.send(&alice, conversation, text(&welcome)).await.expect("sent");
        let removal = next_event(&mut feed).await;
        assert_eq!(removal.change, Change::MemberRemoved { user: bob.user_id() });
        let addition = next_event(&mut feed).await;
        assert_eq!(addition.change, Change::MemberAdded { user: bob.user.clone() });
        assert_eq!(addition.event_seq.0, removal.event_seq.0 + 1);
        assert_eq!(body(&next_event(&mut feed).await), welcome);
    }
    setup.stop().await;
}

#[tokio::test]
async fn a_new_membership_that_no_hint_announced_is_found_by_the_sweep() {
    let setup = setup_with(sweeping()).await;
    let alice = setup.person("alice").await;
    let bob = setup.person("bob").await;
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    let (deaf, deaf_running) = setup.another_node(Bus::memory(), quick()).await;
    let direct = deaf.open_direct(&alice, bob.user_id()).await.expect("opened");
    deaf.send(&alice, direct.id, text("hello")).await.expect("sent");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "hello") {
        heard.push(body(&next_event(&mut feed).await).to_owned());
    }
    deaf_running.stop().await;
    setup.stop().await;
}

#[tokio::test]
async fn a_removed_member_reads_up_to_the_removal_and_not_beyond() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    setup.service.send(&alice, conversation, text("one")).await.expect("sent");
    setup.service.remove_member(room, bob.user_id()).await.expect("removed");
    setup.service.send(&alice, conversation, text("secret")).await.expect("sent");

    assert_eq!(body(&next_event(&mut feed).await), "one");
    let removal = next_event(&mut feed).await;
    assert_eq!(removal.change, Change::MemberRemoved { user: bob.user_id() });

    // Nothing follows: another conversation's event comes next.
    let direct = setup.service.open_direct(&alice, bob.user_id()).await.expect("opened");
    setup.service.send(&alice, direct.id, text("sorry")).await.expect("sent");
    loop {
        let event = next_event(&mut feed).await;
        assert_eq!(event.conversation, direct.id);
        if body(&event) == "sorry" {
            break;
        }
    }
    let (synced, _) = setup
        .service
        .sync(&bob, Some(setup.service.epoch()), vec![cursor(conversation, 2)])
        .await
        .expect("synced");
    let room_part = synced
        .conversations
        .iter()
        .find(|part| part.conversation == conversation)
        .expect("the removal is still news");
    assert_eq!(room_part.events.last(), Some(&removal));
    assert_eq!(room_part.events.len(), 2);
    assert!(room_part.receipts.is_empty());
    let log = all_events(&setup.service, &bob, conversation).await;
    assert_eq!(log.last(), Some(&removal));
    assert!(setup.service.history(&bob, conversation, Default::default()).await.is_err());
    setup.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut_off_and_finds_everything_when_it_syncs() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    let mut sends = JoinSet::new();
    for n in 0..1500 {
        let (service, alice) = (setup.service.clone(), alice.clone());
        sends.spawn(async move { service.send(&alice, conversation, text(&format!("{n}"))).await });
    }
    for sent in sends.join_all().await {
        sent.expect("sent, whoever reads");
    }
    // Nobody reads until the service has given the reader up.
    until(|| setup.service.stats().feeds_cut == 1).await;
    assert_eq!(setup.service.stats().feeds, 0);
    let mut at = 2;
    while let Some(notice) = next_notice(&mut feed).await {
        if let Notice::ChatEvent { event } = notice {
            at += 1;
            assert_eq!(event.event_seq.0, at, "without a hole as far as it goes");
        }
    }
    let mut feed = loop {
        let (synced, feed) = setup
            .service
            .sync(&bob, Some(setup.service.epoch()), vec![cursor(conversation, at)])
            .await
            .expect("synced");
        for event in &synced.conversations[0].events {
            at += 1;
            assert_eq!(event.event_seq.0, at);
        }
        if !synced.conversations[0].more {
            break feed;
        }
    };
    assert_eq!(at, 1502);
    setup.service.send(&alice, conversation, text("live")).await.expect("sent");
    assert_eq!(next_event(&mut feed).await.event_seq, EventSeq(1503));
    setup.stop().await;
}

#[tokio::test]
async fn stopping_ends_every_feed() {
    let setup = setup().await;
    let (_, bob, _) = setup.room_of_two().await;
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    setup.running.stop().await;
    while next_notice(&mut feed).await.is_some() {}
}
