//! Whatever breaks between a send and its answer: what was acknowledged is stored once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use confer_auth::Identity;
use confer_bus::Bus;
use confer_chat::{ChatService, SendError};
use confer_protocol::chat::{NewMessage, SendReceipt};
use confer_protocol::id::ConversationId;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::support::{all_messages, assert_gap_free, quick, setup, text};

/// As a client does: the same client id until there is an answer.
async fn send_until_answered(
    service: &ChatService,
    sender: &Identity,
    conversation: ConversationId,
    message: NewMessage,
) -> SendReceipt {
    loop {
        match service.send(sender, conversation, message.clone()).await {
            Ok(receipt) => return receipt,
            Err(SendError::Unavailable { .. }) => {}
            Err(error) => panic!("not to be retried: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_backends_all_the_time_loses_and_doubles_nothing() {
    const ROUNDS: usize = 20;
    const SENDERS: usize = 10;
    /// More often nothing would ever be answered.
    const KILLS_PER_ROUND: usize = 4;
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    // On a connection of another database, so that it does not kill itself.
    let admin = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(setup.database.options().database("postgres"));
    let database = setup.database.options().get_database().expect("named").to_owned();

    let mut acknowledged = Vec::new();
    let mut killed = 0;
    for round in 0..ROUNDS {
        let mut sends = JoinSet::new();
        for n in 0..SENDERS {
            let service = setup.service.clone();
            let sender = if n % 2 == 0 { alice.clone() } else { bob.clone() };
            sends.spawn(async move {
                let body = format!("{round}/{n}");
                let receipt =
                    send_until_answered(&service, &sender, conversation, text(&body)).await;
                (receipt.seq.0, body)
            });
        }
        for _ in 0..KILLS_PER_ROUND {
            killed += sqlx::query_scalar::<_, i64>(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
            )
            .bind(&database)
            .fetch_one(&admin)
            .await
            .expect("the server lives");
        }
        acknowledged.extend(sends.join_all().await);
    }
    assert!(killed >= ROUNDS as i64, "each round found something to kill");
    acknowledged.sort();

    let (calm, running) = setup.another_node(Bus::memory(), quick()).await;
    let stored = all_messages(&calm, &alice, conversation).await;
    assert_gap_free(stored.iter().map(|(seq, _)| *seq));
    assert_eq!(stored, acknowledged);
    running.stop().await;
    setup.stop().await;
}

/// Kills the writer's backend the first time the trigger runs. A sequence is not rolled back, so
/// the second attempt passes.
async fn kill_once(pool: &PgPool, trigger: &str) {
    pool.execute(
        "CREATE SEQUENCE crashes;
         CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('crashes') = 1 THEN
                 PERFORM pg_terminate_backend(pg_backend_pid());
             END IF;
             RETURN NEW;
         END $$",
    )
    .await
    .expect("created");
    pool.execute(sqlx::AssertSqlSafe(trigger.to_owned())).await.expect("created");
}

#[tokio::test]
async fn a_crash_at_any_step_of_the_transaction_is_repeated_without_a_trace() {
    for trigger in [
        "CREATE TRIGGER crash BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION crash()",
        "CREATE TRIGGER crash AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION crash()",
        "CREATE TRIGGER crash BEFORE UPDATE ON conversations FOR EACH ROW
         EXECUTE FUNCTION crash()",
        // Runs inside COMMIT.
        "CREATE CONSTRAINT TRIGGER crash AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION crash()",
    ] {
        let setup = setup().await;
        let (alice, bob, room) = setup.room_of_two().await;
        let conversation = room.conversation();
        setup.service.send(&alice, conversation, text("before")).await.expect("sent");
        kill_once(&setup.pool(), trigger).await;
        let (one, two) = tokio::join!(
            setup.service.send(&alice, conversation, text("one")),
            setup.service.send(&bob, conversation, text("two")),
        );
        let (one, two) = (one.expect("stored"), two.expect("stored"));
        assert!(!one.duplicate && !two.duplicate, "{trigger}");
        let stored = all_messages(&setup.service, &alice, conversation).await;
        assert_gap_free(stored.iter().map(|(seq, _)| *seq));
        assert_eq!(stored.len(), 3, "{trigger}");
        setup.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_by_its_client_id() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let cut = Arc::new(AtomicBool::new(false));
    let port = cutting_proxy(setup.database.options(), Arc::clone(&cut)).await;
    let behind_proxy =
        PgPoolOptions::new().connect_lazy_with(tcp_options(&setup.database.options(), port));
    let (service, running) =
        ChatService::start(behind_proxy, Bus::memory(), quick()).await.expect("migrated");
    service.send(&alice, conversation, text("before")).await.expect("sent");

    for n in 1..=5 {
        cut.store(true, Ordering::SeqCst);
        let receipt =
            service.send(&alice, conversation, text(&format!("{n}"))).await.expect("stored");
        assert!(!cut.load(Ordering::SeqCst), "the answer was cut off");
        // The client asked once: that the first attempt had stored it is seen by the flag alone.
        assert_eq!((receipt.seq.0, receipt.duplicate), (n + 1, true));
    }
    let stored = all_messages(&setup.service, &alice, conversation).await;
    assert_gap_free(stored.iter().map(|(seq, _)| *seq));
    assert_eq!(stored.len(), 6);
    running.stop().await;
    setup.stop().await;
}

/// The same database through a proxy on this port.
fn tcp_options(options: &PgConnectOptions, port: u16) -> PgConnectOptions {
    let url = format!(
        "postgres://{}@127.0.0.1:{port}/{}?sslmode=disable",
        options.get_username(),
        options.get_database().expect("named"),
    );
    let direct: PgConnectOptions = url.parse().expect("a URL");
    match std::env::var("TEST_DATABASE_URL").ok().and_then(|url| password(&url)) {
        Some(password) => direct.password(&password),
        None => direct,
    }
}

fn password(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.split_once('@')?;
    user.split_once(':').map(|(_, password)| password.to_owned())
}

/// Forwards to Postgres. Armed with `cut`, it lets one COMMIT of the writer of messages through, waits for the answer, and
/// breaks the connection instead of passing it on.
async fn cutting_proxy(target: PgConnectOptions, cut: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, cut) = (target.clone(), Arc::clone(&cut));
            tokio::spawn(async move {
                match target.get_socket() {
                    Some(directory) => {
                        let path = directory.join(format!(".s.PGSQL.{}", target.get_port()));
                        let server = UnixStream::connect(path).await.expect("the server lives");
                        let (read, write) = server.into_split();
                        forward(client, read, write, &cut).await;
                    }
                    None => {
                        let address = (target.get_host(), target.get_port());
                        let server = TcpStream::connect(address).await.expect("the server lives");
                        let (read, write) = server.into_split();
                        forward(client, read, write, &cut).await;
                    }
                }
            });
        }
    });
    port
}

async fn forward(
    mut client: TcpStream,
    mut from_server: impl AsyncRead + Unpin,
    mut to_server: impl AsyncWrite + Unpin,
    cut: &AtomicBool,
) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut is_writer, mut cut_next_answer) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(bytes @ 1..) = read else { return };
                // Statements are named in full when a connection first uses them.
                is_writer |= contains(&up[..bytes], b"INSERT INTO messages");
                let is_its_commit = is_writer && contains(&up[..bytes], b"COMMIT");
                if is_its_commit && cut.swap(false, Ordering::SeqCst) {
                    cut_next_answer = true;
                }
                if to_server.write_all(&up[..bytes]).await.is_err() {
                    return;
                }
            }
            read = from_server.read(&mut down) => {
                let Ok(bytes @ 1..) = read else { return };
                if cut_next_answer || client.write_all(&down[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
