//! What the parts count that keep data: signaling, chat, accounts, and what they stand on.

use confer_accounts::Accounts;
use confer_bus::Bus;
use confer_chat::ChatService;
use confer_protocol::error::ErrorCode;
use confer_sfu_net::SfuHandle;
use confer_signaling_net::Signaling;
use sqlx::PgPool;

use super::media;
use super::page::Page;

/// The parts that keep data.
#[derive(Clone)]
pub(crate) struct ServiceSources {
    pub(crate) pool: PgPool,
    pub(crate) bus: Bus,
    pub(crate) accounts: Accounts,
    pub(crate) chat: ChatService,
    pub(crate) signaling: Option<Signaling>,
    pub(crate) sfu: Option<SfuHandle>,
}

pub(super) fn write(page: &mut Page, service: &ServiceSources) {
    if let Some(signaling) = &service.signaling {
        of_signaling(page, signaling);
    }
    if let Some(sfu) = &service.sfu {
        media::write(page, &sfu.snapshots());
    }
    of_chat(page, &service.chat);
    of_accounts(page, &service.accounts);
    let bus = service.bus.stats();
    page.one_counter("confer_bus_published_total", "Hints published.", bus.published);
    page.one_counter("confer_bus_dropped_total", "Hints other nodes did not get.", bus.dropped);
    page.one_counter("confer_bus_disconnects_total", "Losses of Redis.", bus.disconnects);
    let (open, idle) = (service.pool.size(), service.pool.num_idle());
    page.one_gauge("confer_database_connections", "Open connections of the pool.", open);
    page.one_gauge("confer_database_connections_idle", "Those that nobody uses now.", idle);
}

fn of_signaling(page: &mut Page, signaling: &Signaling) {
    let now = signaling.metrics();
    page.one_gauge("confer_signaling_connections", "WebSockets open now.", now.connections);
    page.one_gauge("confer_rooms", "Rooms with somebody in them now.", now.rooms);
    page.one_gauge("confer_participants", "Participants of all rooms now.", now.participants);
    let (received, sent) = (now.frames_in, now.frames_out);
    page.one_counter("confer_signaling_frames_received_total", "Frames of clients.", received);
    page.one_counter("confer_signaling_frames_sent_total", "Frames to clients.", sent);
    page.counter("confer_signaling_errors_total", "Refused requests by error code.");
    for (code, count) in now.errors {
        page.labelled("confer_signaling_errors_total", "code", code_text(code), count);
    }
    page.counter("confer_signaling_closes_total", "Sockets the server closed, by close code.");
    for (code, count) in now.closes {
        page.labelled("confer_signaling_closes_total", "code", code.code(), count);
    }
}

fn of_chat(page: &mut Page, chat: &ChatService) {
    let now = chat.stats();
    page.one_gauge("confer_chat_feeds", "Clients that follow their conversations now.", now.feeds);
    page.one_gauge("confer_chat_queued", "Messages that wait to be written now.", now.queued);
    page.counter("confer_chat_messages_total", "Messages that were sent, by what became of them.");
    let outcomes = [
        ("stored", now.stored),
        ("duplicate", now.duplicates),
        ("refused", now.refused),
        ("unavailable", now.unavailable),
    ];
    for (outcome, count) in outcomes {
        page.labelled("confer_chat_messages_total", "outcome", outcome, count);
    }
    let counted = [
        (
            "confer_chat_flushes_total",
            "Transactions that wrote messages; stored messages divided by this is a batch.",
            now.flushes,
        ),
        (
            "confer_chat_repeated_flushes_total",
            "Transactions run again because the database was lost.",
            now.repeated_flushes,
        ),
        ("confer_chat_receipts_total", "Sent, delivered and read marks that moved.", now.receipts),
        (
            "confer_chat_gaps_total",
            "Parts of a log that were read because a hint was missing.",
            now.gaps,
        ),
        (
            "confer_chat_feeds_cut_total",
            "Clients whose feed ended because they read too slowly.",
            now.feeds_cut,
        ),
    ];
    counters(page, counted);
}

fn of_accounts(page: &mut Page, accounts: &Accounts) {
    let now = accounts.metrics();
    page.one_counter("confer_accounts_registered_total", "Accounts made.", now.registered);
    page.counter("confer_accounts_logins_total", "Logins by outcome.");
    page.labelled("confer_accounts_logins_total", "outcome", "granted", now.logins);
    page.labelled("confer_accounts_logins_total", "outcome", "refused", now.logins_refused);
    let counted = [
        ("confer_accounts_guests_total", "Guests let in.", now.guests),
        ("confer_accounts_refreshes_total", "Logins continued.", now.refreshes),
        (
            "confer_accounts_refresh_reuses_total",
            "Spent refresh tokens that were used again, each of which ended a login.",
            now.refresh_reuses,
        ),
        (
            "confer_accounts_tokens_refused_total",
            "Access tokens refused, for whatever reason.",
            now.tokens_refused,
        ),
        (
            "confer_accounts_revocations_total",
            "Logins and users ended on purpose.",
            now.revocations,
        ),
        ("confer_accounts_rate_limited_total", "Attempts that came too often.", now.rate_limited),
    ];
    counters(page, counted);
}

fn counters<const N: usize>(page: &mut Page, counted: [(&str, &str, u64); N]) {
    for (name, help, value) in counted {
        page.one_counter(name, help, value);
    }
}

fn code_text(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(_) | Err(_) => String::new(),
    }
}
