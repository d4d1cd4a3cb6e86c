//! The binary: one self-hosted server for calls and chat.

mod cli;
mod config;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match config::read(&cli.sources()) {
        Ok(layered) => {
            use std::io::Write;
            let _ = std::io::stdout().write_all(config::show(&layered).as_bytes());
            ExitCode::SUCCESS
        }
        Err(errors) => {
            for error in errors {
                eprintln!("confer: {error}");
            }
            ExitCode::from(2)
        }
    }
}
