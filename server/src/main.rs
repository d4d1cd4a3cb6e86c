//! The binary: one self-hosted server for calls and chat.
//!
//! Five steps: parse the command line, load the configuration, assemble the parts, run, drain. The
//! way to a packet goes on in `assemble.rs`.

mod admin;
mod api_key;
mod assemble;
mod cli;
mod clock;
mod config;
mod data_dir;
mod database;
mod doctor;
mod greeting;
mod health;
mod http;
mod interfaces;
mod lifecycle;
mod metrics;
mod openapi;
mod ports;
mod secrets;
mod systemd;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::assemble::{Server, StartError};
use crate::cli::{Cli, Command, ConfigCommand, DoctorCommand, TokenCommand, TurnCommand};
use crate::config::{Config, ConfigError, LogFormat, Sources};
use crate::lifecycle::Stop;
use crate::systemd::Systemd;

/// The command line or the configuration is wrong; clap uses the same code.
const EXIT_CONFIGURATION: u8 = 2;
/// Anything else went wrong.
const EXIT_FAILURE: u8 = 1;

fn main() -> ExitCode {
    // 1. Parse.
    let cli = Cli::parse();
    let sources = cli.sources();
    let outcome = match cli.command {
        Command::Serve(_) => serve(&sources),
        Command::Migrate => migrate(&sources),
        Command::Config(command) => print_config(command, &sources),
        Command::Token(TokenCommand::Mint(args)) => mint(&args, &sources),
        Command::Turn(command) => turn(&command, &sources),
        Command::Doctor(DoctorCommand::Turn(args)) => examine(&args, &sources),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn serve(sources: &Sources) -> Result<(), Failure> {
    // 2. Load.
    let config = Config::load(sources)?;
    start_logging(&config)?;
    raise_file_limit();
    runtime()?.block_on(async {
        let stop = Stop::on_signals().map_err(|error| Failure::Other(error.into()))?;
        // 3. Assemble.
        let server = tokio::select! {
            server = Server::assemble(&config, &stop) => server?,
            () = stop.soft.cancelled() => return Ok(()),
        };
        let hangups = assemble::hangups();
        print(&greeting::greeting(&config, &server));
        let manager = Systemd::of_environment();
        manager.tell("READY=1");
        // 4. Run, and 5. drain.
        let watching = assemble::watch(server.reload(), hangups, sources.clone(), config);
        let stopping = async {
            stop.soft.cancelled().await;
            manager.tell("STOPPING=1");
            std::future::pending().await
        };
        tokio::select! {
            ended = server.run(&stop) => ended.map_err(|error| Failure::Other(error.into())),
            () = watching => Ok(()),
            () = stopping => Ok(()),
        }
    })
}

/// Every socket is an open file, and the usual soft limit is 1024.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, the limit stays as the operator wants it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Log lines go to standard error, so that standard output is for people alone.
fn start_logging(config: &Config) -> Result<(), ConfigError> {
    let format = match config.log.format {
        LogFormat::Text => confer_telemetry::log::Format::Text,
        LogFormat::Json => confer_telemetry::log::Format::Json,
    };
    confer_telemetry::log::init(format, &config.log.level)
        .map_err(|error| ConfigError::Unusable { key: "log.level", problem: error.to_string() })
}

fn migrate(sources: &Sources) -> Result<(), Failure> {
    let config = Config::load(sources)?;
    let description = runtime()?.block_on(assemble::migrate(&config))?;
    print(&format!("The schema of {description} is up to date.\n"));
    Ok(())
}

fn mint(args: &cli::MintArgs, sources: &Sources) -> Result<(), Failure> {
    let layered = config::read(sources)?;
    let data_dir = config::data_dir(&layered.settings, sources)?;
    let token = api_key::mint(args, &data_dir).map_err(|error| Failure::Other(Box::new(error)))?;
    print(&format!("{}\n", token.expose()));
    Ok(())
}

fn turn(command: &TurnCommand, sources: &Sources) -> Result<(), Failure> {
    let layered = config::read(sources)?;
    let data_dir = config::data_dir(&layered.settings, sources)?;
    let offline = || Config::load(sources);
    let told = runtime()?.block_on(admin::command::run(command, &data_dir, offline));
    match told {
        Ok(text) => {
            print(&text);
            Ok(())
        }
        Err(admin::command::CommandError::Configuration(errors)) => Err(errors.into()),
        Err(error) => Err(Failure::Other(error.into())),
    }
}

fn examine(args: &cli::TurnDoctorArgs, sources: &Sources) -> Result<(), Failure> {
    match runtime()?.block_on(doctor::turn(args, &sources.environment)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Told),
        Err(error) => Err(Failure::Usage(error.into())),
    }
}

fn print_config(command: ConfigCommand, sources: &Sources) -> Result<(), Failure> {
    match command {
        ConfigCommand::Docs => print(&config::manual()),
        ConfigCommand::Show => print(&config::show(&config::read(sources)?)),
        ConfigCommand::Check => {
            let layered = config::read(sources)?;
            Config::load(sources)?;
            print(&match layered.file {
                Some(file) => format!("The configuration is good (file {}).\n", file.display()),
                None => "The configuration is good (no file is read).\n".to_owned(),
            });
        }
    }
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().map_err(|error| Failure::Other(error.into()))
}

/// What may be printed of strangers' names: none of it steers a terminal.
fn harmless(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

/// Writes for the person who started the process. A closed pipe is their wish, not our error.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Why the process ends with a code other than zero.
enum Failure {
    Configuration(Vec<ConfigError>),
    /// The command line asks for what cannot be done.
    Usage(Box<dyn Error>),
    Other(Box<dyn Error>),
    /// What is wrong was printed already.
    Told,
}

impl Failure {
    fn report(self) -> ExitCode {
        match self {
            Self::Configuration(errors) => {
                for error in &errors {
                    complain(error);
                }
                ExitCode::from(EXIT_CONFIGURATION)
            }
            Self::Usage(error) => {
                complain(error.as_ref());
                ExitCode::from(EXIT_CONFIGURATION)
            }
            Self::Told => ExitCode::from(EXIT_FAILURE),
            Self::Other(error) => {
                complain(error.as_ref());
                ExitCode::from(EXIT_FAILURE)
            }
        }
    }
}

/// One line per error, its causes after it.
fn complain(error: &dyn Error) {
    let mut line = format!("confer: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl From<Vec<ConfigError>> for Failure {
    fn from(errors: Vec<ConfigError>) -> Self {
        Self::Configuration(errors)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(vec![error])
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Other(Box::new(error))
    }
}
