//! Authenticated clients that ask for more and more.

use std::net::SocketAddr;

use confer_turn_core::TenantLimits;
use confer_turn_core::message::{Method, Writer, attribute};
use confer_turn_net::{StatsSnapshot, Transport};

use super::{Bystander, until_refused};
use crate::client::{Client, udp};
use crate::support::{SECRET, V4, credentials_with, relay, until};

const ASKED: u16 = 300;

fn peer(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([127, 1, high, low], 9))
}

fn name_peer(writer: &mut Writer<'_>, number: u16) {
    writer.address(attribute::XOR_PEER_ADDRESS, peer(number));
}

#[tokio::test]
async fn a_flood_of_allocations_ends_at_the_quota() {
    let (handle, running) = relay(|config| {
        config.threads = 2;
        let limits = TenantLimits { allocations_per_user: 10, ..TenantLimits::default() };
        config.core.credentials = credentials_with(&[SECRET], limits);
    })
    .await;
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut client = Client::connect(&handle, Transport::Udp).await;
        let _answer = client.request(Method::Allocate, udp).await;
        bystander.goes_on().await;
        held.push(client);
    }
    assert_eq!(handle.stats().allocations, 10);
    until_refused(&handle, 486, 91).await;
    running.stop().await;
}

#[tokio::test]
async fn a_flood_of_permissions_and_channels_ends_at_the_limits() {
    let (handle, running) = relay(|_| {}).await;
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let mut flooder = Client::connect(&handle, Transport::Udp).await;
    flooder.allocate().await;
    for number in 0..ASKED {
        let permit = |writer: &mut Writer<'_>| name_peer(writer, number);
        let error = flooder.request(Method::CreatePermission, permit).await.error();
        assert_eq!(error, (number >= 64).then_some(508), "permission {number}");
    }
    // All to the same permitted peers, so that it is the channels that are too many.
    for number in 0..ASKED {
        let bind = |writer: &mut Writer<'_>| {
            writer.number(attribute::CHANNEL_NUMBER, u32::from(0x4000 + number) << 16);
            let port = 1000 + number;
            writer.address(attribute::XOR_PEER_ADDRESS, SocketAddr::new(peer(1).ip(), port));
        };
        let error = flooder.request(Method::ChannelBind, bind).await.error();
        assert_eq!(error, (number >= 64).then_some(508), "channel {number}");
        bystander.goes_on().await;
    }
    until_refused(&handle, 508, 2 * u64::from(ASKED - 64)).await;
    running.stop().await;
}

#[tokio::test]
async fn permissions_of_one_user_are_limited_over_its_allocations() {
    let (handle, running) = relay(|config| {
        config.threads = 2;
        let limits = TenantLimits { permissions_per_user: 3, ..TenantLimits::default() };
        config.core.credentials = credentials_with(&[SECRET], limits);
    })
    .await;
    let mut clients = Vec::new();
    for number in 0..4 {
        let mut client = Client::connect(&handle, Transport::Tcp).await;
        client.allocate().await;
        let permit = |writer: &mut Writer<'_>| name_peer(writer, number);
        let error = client.request(Method::CreatePermission, permit).await.error();
        assert_eq!(error, (number == 3).then_some(508));
        // One that it has already is none more.
        let again = |writer: &mut Writer<'_>| name_peer(writer, number);
        let error = client.request(Method::CreatePermission, again).await.error();
        assert_eq!(error, (number == 3).then_some(508));
        clients.push(client);
    }
    let release = |writer: &mut Writer<'_>| {
        writer.number(attribute::LIFETIME, 0);
    };
    assert_eq!(clients[0].request(Method::Refresh, release).await.error(), None);
    let permit = |writer: &mut Writer<'_>| name_peer(writer, 9);
    assert_eq!(clients[3].request(Method::CreatePermission, permit).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn every_refusal_is_counted_by_its_code() {
    let (handle, running) = relay(|_| {}).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    client.allocate().await;
    let denied = |writer: &mut Writer<'_>| {
        writer.address(attribute::XOR_PEER_ADDRESS, "10.0.0.1:80".parse().expect("a literal"));
    };
    assert_eq!(client.request(Method::CreatePermission, denied).await.error(), Some(403));
    let nobody = |_: &mut Writer<'_>| {};
    assert_eq!(client.request(Method::CreatePermission, nobody).await.error(), Some(400));
    assert_eq!(client.request(Method::Allocate, udp).await.error(), Some(437));
    let mut other = Client::connect(&handle, Transport::Udp).await;
    let permit = |writer: &mut Writer<'_>| {
        writer.address(attribute::XOR_PEER_ADDRESS, SocketAddr::new(V4, 9));
    };
    assert_eq!(other.request(Method::CreatePermission, permit).await.error(), Some(437));
    // Who says nothing of itself yet is asked, and not refused.
    let refused = |stats: &StatsSnapshot| {
        let mut codes = stats.refused.clone();
        codes.retain(|_, count| *count > 0);
        codes
    };
    let codes = [(400, 1), (403, 1), (437, 2)].into();
    until(&handle, |stats| refused(stats) == codes && stats.challenges == 2).await;
    running.stop().await;
}
