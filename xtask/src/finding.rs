use std::fmt;
use std::process::ExitCode;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A file, or a crate.
    pub(crate) place: String,
    /// From 1; 0 when it is about the whole place.
    pub(crate) line: usize,
    pub(crate) problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.problem),
            line => write!(f, "{}:{line}: {}", self.place, self.problem),
        }
    }
}

/// Prints what was found; anything is a failure.
pub(crate) fn report(command: &str, findings: &[Finding]) -> ExitCode {
    for finding in findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => ExitCode::SUCCESS,
        count => {
            eprintln!("xtask {command}: {count} to put right");
            ExitCode::FAILURE
        }
    }
}
