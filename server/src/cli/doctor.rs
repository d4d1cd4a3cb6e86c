//! What can be typed after `confer doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::{Raw, Setting};
use crate::doctor::Asked;

#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// Looks at a relay as its clients do, and says what works, what a firewall blocks, and what to
    /// do about it.
    ///
    /// Any STUN or TURN server will do. No configuration is read and no server needs to run here.
    /// It ends with code 0 when everything that was asked for works, and 1 otherwise.
    Turn(TurnDoctorArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TurnDoctorArgs {
    /// turn:HOST, turns:HOST or stun:HOST, with :PORT and ?transport=udp or tcp if need be; or a
    /// host alone for UDP, TCP, TLS and DTLS at the usual ports.
    #[arg(value_name = "URL", required = true)]
    pub(crate) urls: Vec<Asked>,

    /// User to authenticate as; without one, only what needs no credentials is looked at.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,

    /// File with the password [default: the variable CONFER_TURN_PASSWORD].
    #[arg(long, value_name = "FILE", requires = "user", conflicts_with = "secret_file")]
    pub(crate) password_file: Option<PathBuf>,

    /// File with the relay's secret; ephemeral credentials are made from it, for --user or nobody
    /// in particular.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Certificates (PEM) to trust beside those this machine trusts.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// How long to wait for each answer.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// Family of the relayed address to ask for [default: the server's choice].
    #[arg(long, value_name = "FAMILY")]
    pub(crate) peer_family: Option<PeerFamily>,

    /// As one JSON object, at the end.
    #[arg(long)]
    pub(crate) json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    match Duration::read(&Raw::Text(text.to_owned())) {
        Ok(Duration::ZERO) => Err("no answer comes in no time".to_owned()),
        Ok(duration) => Ok(duration),
        Err(wanted) => Err(format!("write {wanted}")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerFamily {
    V4,
    V6,
}
