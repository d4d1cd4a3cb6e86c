//! The driver of one socket: drain, wait for one thing, apply. It decides nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::WebSocket;
use confer_auth::Identity;
use confer_protocol::error::{CloseCode, ErrorBody};
use confer_protocol::server::{Notice, Reply, ServerFrame};
use confer_signaling_core::hub::{Input as HubInput, Parting};
use confer_signaling_core::ports::{Admission, ChatFeed};
use confer_signaling_core::session::{Input, Output};
use confer_signaling_core::{Ask, ChatAsk, ConnectionId, Session};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::calls::{self, Call, Called};
use crate::hub_task::ToHub;
use crate::line::{Heard, Line};
use crate::metrics::add;
use crate::outbox::{Outbox, OutboxLimits, Outgoing};
use crate::signaling::Shared;
use crate::waiting_room::Place;

/// Runs one socket to its end. `waiting` is given back when the socket has presented a token.
pub(crate) async fn serve(
    socket: WebSocket,
    token: Option<String>,
    shared: Arc<Shared>,
    waiting: Option<Place>,
) {
    let connection = shared.next_connection();
    let limits =
        OutboxLimits { frames: shared.config.outgoing_frames, bytes: shared.config.outgoing_bytes };
    let outbox = Arc::new(Outbox::new(limits));
    let arrived = ToHub::Arrived { connection, outbox: Arc::clone(&outbox) };
    if shared.hub.send(arrived).await.is_err() {
        return;
    }
    add(&shared.board.counters.connections);
    let goodbye = Goodbye { connection, shared: Arc::clone(&shared), said: false };

    let now = Instant::now().into_std();
    let mut session = Session::new(Arc::clone(&shared.limits), Arc::clone(&shared.server), now);
    if let Some(token) = token {
        session.handle_input(Input::Token(token), now);
    }
    let mut driver = Driver {
        connection,
        session,
        line: Line::new(socket),
        outbox,
        calls: FuturesUnordered::new(),
        sends: Sends::default(),
        feed: None,
        waiting,
        shared,
    };
    match driver.drive().await {
        End::Gone(parting) => goodbye.say(parting).await,
        End::Close(code) => {
            goodbye.say(Parting::Lost).await;
            driver.shared.board.counters.count_close(code);
            tracing::debug!(connection.id = connection.0, ?code, "socket closed");
            driver.line.close(code).await;
        }
    }
}

struct Driver {
    connection: ConnectionId,
    session: Session,
    line: Line,
    outbox: Arc<Outbox>,
    calls: FuturesUnordered<Call>,
    sends: Sends,
    feed: Option<Box<dyn ChatFeed>>,
    /// The place among those that have not presented a token.
    waiting: Option<Place>,
    shared: Arc<Shared>,
}

/// Messages of one socket are sent one after the other: their order is the writer's. Bounded by
/// the session's requests in flight.
#[derive(Default)]
struct Sends {
    under_way: bool,
    waiting: VecDeque<(u32, ChatAsk)>,
}

/// How a drive ends.
#[derive(Clone, Copy)]
enum End {
    /// The server closes.
    Close(CloseCode),
    /// The peer is gone.
    Gone(Parting),
}

/// What the driver waited for.
enum Happened {
    Heard(Heard),
    Outgoing(Outgoing),
    Called(Called),
    Notice(Option<Notice>),
    Timeout,
}

impl Driver {
    async fn drive(&mut self) -> End {
        loop {
            // 1. Drain: the session says all it has to say before it hears more.
            if let Err(end) = self.obey().await {
                return end;
            }

            // 2. Wait for exactly one thing. While a frame waits for the peer nothing is taken on
            //    that could yield another: whoever reads slowly is answered slowly.
            let idle = self.line.is_idle();
            let reading = idle && self.session.wants_input();
            let deadline = self.session.poll_timeout();
            let happened = tokio::select! {
                biased;
                heard = poll_fn(|cx| self.line.poll(cx, reading)) => Happened::Heard(heard),
                item = self.outbox.next(idle) => Happened::Outgoing(item),
                Some(called) = self.calls.next(), if idle => Happened::Called(called),
                notice = next_notice(&mut self.feed), if idle => Happened::Notice(notice),
                () = until(deadline) => Happened::Timeout,
            };

            // 3. Apply it.
            if let Err(end) = self.apply(happened).await {
                return end;
            }
        }
    }

    async fn obey(&mut self) -> Result<(), End> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(frame) => {
                    if let ServerFrame::Error { error, .. } = &frame {
                        self.shared.board.counters.count_error(error.code);
                    }
                    add(&self.shared.board.counters.frames_out);
                    self.line.queue(serde_json::to_string(&frame).expect("the wire is JSON"));
                }
                Output::Authenticate { token } => {
                    let patience = self.shared.config.port_timeout;
                    self.calls.push(calls::authenticate(&self.shared.ports, token, patience));
                }
                Output::Ask { request, ask } => self.ask(request, ask).await?,
                Output::Close(code) => return Err(End::Close(code)),
            }
        }
        Ok(())
    }

    async fn apply(&mut self, happened: Happened) -> Result<(), End> {
        match happened {
            Happened::Heard(Heard::Written) => {}
            Happened::Heard(Heard::Text(text)) => {
                add(&self.shared.board.counters.frames_in);
                self.tell(Input::Text(text));
            }
            Happened::Heard(Heard::Binary) => self.tell(Input::Binary),
            Happened::Heard(Heard::TooLarge) => self.tell(Input::TooLarge),
            Happened::Heard(Heard::Gone(parting)) => return Err(End::Gone(parting)),
            Happened::Outgoing(Outgoing::Text(text)) => {
                add(&self.shared.board.counters.frames_out);
                self.line.queue(text);
            }
            Happened::Outgoing(Outgoing::Answer { request, outcome }) => {
                self.tell(Input::Answer { request, outcome });
            }
            Happened::Outgoing(Outgoing::Close(code)) => self.tell(Input::Close(code)),
            Happened::Called(called) => self.called(called).await?,
            Happened::Notice(Some(notice)) => {
                add(&self.shared.board.counters.frames_out);
                let frame = ServerFrame::Notice { notice };
                self.line.queue(serde_json::to_string(&frame).expect("the wire is JSON"));
            }
            // The feed is behind by more than it keeps; the client comes back with its cursors.
            Happened::Notice(None) => self.tell(Input::Close(CloseCode::TooSlow)),
            Happened::Timeout => self.tell(Input::Timeout),
        }
        Ok(())
    }

    async fn ask(&mut self, request: u32, ask: Ask) -> Result<(), End> {
        // A session asks nothing before it knows who it is.
        let Some(identity) = self.session.identity().cloned() else { return Ok(()) };
        let (connection, ports) = (self.connection, &self.shared.ports);
        let patience = self.shared.config.port_timeout;
        let input = match ask {
            Ask::Join { room } => {
                self.calls.push(calls::admit(ports, identity, request, room, patience));
                return Ok(());
            }
            Ask::Chat(ask @ ChatAsk::Send { .. }) if self.sends.under_way => {
                self.sends.waiting.push_back((request, ask));
                return Ok(());
            }
            Ask::Chat(ask) => {
                self.sends.under_way |= matches!(ask, ChatAsk::Send { .. });
                self.calls.push(calls::chat(ports, identity, request, ask, patience));
                return Ok(());
            }
            Ask::Resume(ask) => {
                let ice_servers = ports.directory.ice_servers(&identity);
                HubInput::Resume { connection, request, ask, ice_servers }
            }
            Ask::IceServers => {
                let ice_servers = ports.directory.ice_servers(&identity);
                HubInput::IceServers { connection, request, ice_servers }
            }
            Ask::Room(ask) => HubInput::Ask { connection, request, ask },
        };
        self.tell_hub(input).await
    }

    async fn called(&mut self, called: Called) -> Result<(), End> {
        match called {
            Called::Authenticated(outcome) => {
                let who = outcome.as_ref().ok().map(|it| (it.identity.user.id, it.identity.family));
                let fresh = self.session.identity().is_none();
                self.tell(Input::Authenticated(outcome));
                if let Some((user, login)) = who.filter(|_| fresh) {
                    self.waiting = None;
                    let connection = self.connection;
                    self.tell_hub(HubInput::Opened { connection, user, login }).await?;
                }
            }
            Called::Admitted { request, identity, outcome } => match outcome {
                Ok(admission) => self.join(request, &identity, admission).await?,
                Err(error) => self.tell(Input::Answer { request, outcome: Err(error) }),
            },
            Called::Answered { request, outcome } => self.tell(Input::Answer { request, outcome }),
            Called::Synced { request, reply, feed } => {
                self.tell(Input::Answer { request, outcome: Ok(reply) });
                self.feed = Some(feed);
            }
            Called::Sent { request, outcome } => {
                self.sent(request, outcome);
            }
        }
        Ok(())
    }

    async fn join(
        &mut self,
        request: u32,
        identity: &Identity,
        admission: Admission,
    ) -> Result<(), End> {
        let ice_servers = self.shared.ports.directory.ice_servers(identity);
        self.tell_hub(HubInput::Join {
            connection: self.connection,
            request,
            user: identity.user.clone(),
            admission,
            ice_servers,
        })
        .await
    }

    fn sent(&mut self, request: u32, outcome: Result<Reply, ErrorBody>) {
        self.tell(Input::Answer { request, outcome });
        self.sends.under_way = false;
        if let Some(identity) = self.session.identity().cloned()
            && let Some((request, ask)) = self.sends.waiting.pop_front()
        {
            let patience = self.shared.config.port_timeout;
            self.sends.under_way = true;
            self.calls.push(calls::chat(&self.shared.ports, identity, request, ask, patience));
        }
    }

    fn tell(&mut self, input: Input) {
        self.session.handle_input(input, Instant::now().into_std());
    }

    /// Waits while the hub is behind: a peer that asks more than the hub can answer is not read.
    async fn tell_hub(&mut self, input: HubInput) -> Result<(), End> {
        let sent = self.shared.hub.send(ToHub::Input(input)).await;
        sent.map_err(|_| End::Close(CloseCode::TryAgainLater))
    }
}

async fn next_notice(feed: &mut Option<Box<dyn ChatFeed>>) -> Option<Notice> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(Instant::from_std(at)).await,
        None => std::future::pending().await,
    }
}

/// Tells the hub that the socket is gone, on every way out: a seat whose socket nobody reports lost
/// would be taken for ever.
struct Goodbye {
    connection: ConnectionId,
    shared: Arc<Shared>,
    said: bool,
}

impl Goodbye {
    async fn say(mut self, parting: Parting) {
        let input = HubInput::Closed { connection: self.connection, parting };
        self.said = self.shared.hub.send(ToHub::Input(input)).await.is_ok();
    }
}

impl Drop for Goodbye {
    fn drop(&mut self) {
        let board = &self.shared.board;
        board.counters.connections.fetch_sub(1, Ordering::Relaxed);
        if !self.said {
            board.urgent().lost.push((self.connection, Parting::Lost));
            board.changed.notify_one();
        }
    }
}
