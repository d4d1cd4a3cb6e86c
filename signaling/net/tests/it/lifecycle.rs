use confer_protocol::client::Request;
use confer_protocol::server::Notice;
use confer_signaling_net::Config;

use crate::client::Client;
use crate::fakes::serve;

#[tokio::test]
async fn a_drain_tells_everybody_then_closes_and_takes_in_nobody() {
    let service = serve(Config::default()).await;
    let (mut alice, _) = Client::join(service.address, "alice").await;
    let mut unknown = Client::open(service.address, &["confer.v1"]).await.expect("accepted");

    let drain = service.signaling.drain();
    let watch = async {
        assert_eq!(alice.notice().await, Notice::Draining { retry_after_ms: 1000 });
        let refused = Client::open(service.address, &["confer.v1"]).await;
        assert_eq!(refused.err().map(|status| status.as_u16()), Some(503));
        assert_eq!(alice.closed().await, 4000);
        assert_eq!(unknown.closed().await, 4000);
    };
    tokio::join!(drain, watch);
    assert_eq!(service.signaling.metrics().connections, 0);
}

#[tokio::test]
async fn sockets_over_the_limit_are_refused() {
    let service = serve(Config { connections: 1, ..Config::default() }).await;
    let _alice = Client::connect(service.address, "alice").await;
    let refused = Client::open(service.address, &["confer.v1"]).await;
    assert_eq!(refused.err().map(|status| status.as_u16()), Some(503));
}

#[tokio::test]
async fn what_happens_is_counted() {
    let service = serve(Config::default()).await;
    let (mut alice, _) = Client::join(service.address, "alice").await;
    alice.ask(Request::Ping).await.expect("it is there");
    alice.ask(Request::Leave).await.expect("it has a seat");
    alice.ask(Request::Leave).await.expect_err("it has none any more");
    let metrics = service.signaling.metrics();
    assert_eq!((metrics.connections, metrics.rooms, metrics.participants), (1, 0, 0));
    assert_eq!((metrics.frames_in, metrics.frames_out), (4, 5));
    assert_eq!(metrics.errors.len(), 1);
}
