//! Synthetic participants against a running server, and what they measured.
//!
//! Every client is `confer-headless`, so what is measured is what a stranger's client would see.
//! Tokens are minted from an API key, as an application's back end does. One JSON object per run
//! goes to standard output; progress goes to standard error.

mod api;
mod chat;
mod client;
mod report;
mod room;
mod socket;
mod turn;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Puts load on a confer server and prints what it measured as JSON.
///
/// Only ever aim it at a server of your own.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

/// The server, and the key that opens it.
#[derive(Clone, Debug, Args)]
struct Target {
    /// Where the server answers.
    #[arg(long, default_value = "http://127.0.0.1:7880")]
    url: String,

    /// The id of an API key of that server.
    #[arg(long)]
    key_id: String,

    /// The file that holds the key's secret.
    #[arg(long)]
    secret_file: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Participants join one room one by one; some publish, all receive.
    Room(room::Options),
    /// Members send durable messages and wait for each acknowledgement.
    Chat(chat::Options),
    /// Relays of our own and of coturn carry the same packets in turns, on this machine alone.
    Turn(turn::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let report = match Cli::parse().scenario {
        Scenario::Room(options) => room::run(&options).await?,
        Scenario::Chat(options) => chat::run(&options).await?,
        // One thread that spins, and no task beside it.
        Scenario::Turn(options) => tokio::task::block_in_place(|| turn::run(&options))?,
    };
    report::print(&report)
}
