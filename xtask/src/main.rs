//! The project's own commands, behind `make`: `cargo xtask <command>`.

mod deps;
mod finding;
mod services;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  services [--postgres auto|system|embedded] -- COMMAND…
          run COMMAND with a private Postgres and Redis, named in TEST_DATABASE_URL and
          TEST_REDIS_URL unless these are set already; its exit code is the result
  tidy    check the sources: lengths, names, leftovers, what cores may touch, where SQL stands
  deps    check the crates: which may import which, licences, sources, unused entries
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "services" => services::run(rest),
        "tidy" => tidy::run(),
        "deps" => deps::run(),
        "help" | "--help" | "-h" => {
            eprint!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        unknown => Err(format!("there is no command {unknown:?}\n\n{USAGE}")),
    };
    result.unwrap_or_else(|problem| {
        eprintln!("xtask {command}: {problem}");
        ExitCode::FAILURE
    })
}

/// The repository: this package's folder is directly inside it.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
