use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    Text,
    /// One object per line, for machines.
    Json,
}

/// What libraries say below these levels is about themselves, not about the server. Their lines
/// may name addresses, so they are let through from `debug` on only where the operator asks.
const LIBRARIES: [&str; 9] = [
    "h2=warn",
    "hyper=warn",
    "redis=warn",
    "rtc_dtls=error",
    "rtc_sctp=error",
    "rtc_srtp=error",
    "rustls=warn",
    "sqlx=warn",
    "tungstenite=warn",
];

/// Why nothing is logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error(
        "{filter:?} is no log filter; write error, warn, info, debug or trace, alone or by part \
         as in `info,confer_sfu_net=debug`"
    )]
    Filter { filter: String },

    /// Something else already receives what the process logs.
    #[error("logging was set up twice")]
    Twice,
}

/// Writes what `filter` lets through to standard error, from now to the end of the process.
///
/// The filter is a level (`info`), or levels by part (`info,confer_sfu_net=debug`).
///
/// # Errors
/// When the filter cannot be read, or logging was set up before.
pub fn init(format: Format, filter: &str) -> Result<(), LogError> {
    let colour = std::io::stderr().is_terminal();
    subscriber(format, filter, colour, std::io::stderr)?.try_init().map_err(|_| LogError::Twice)
}

fn subscriber<W>(
    format: Format,
    filter: &str,
    colour: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt().with_env_filter(read(filter)?).with_writer(writer);
    Ok(match format {
        Format::Text => Box::new(lines.with_ansi(colour).finish()),
        Format::Json => Box::new(lines.json().flatten_event(true).finish()),
    })
}

/// The operator's words come last and therefore win over what is said about libraries.
fn read(filter: &str) -> Result<EnvFilter, LogError> {
    let refused = || LogError::Filter { filter: filter.to_owned() };
    // The library takes a word that is no level for the name of a part: a misspelt level would
    // silence everything.
    let level_or_part = |directive: &str| {
        let level = !directive.is_empty() && directive.parse::<LevelFilter>().is_ok();
        level || directive.contains(['=', '['])
    };
    let own: Vec<&str> = filter.split(',').map(str::trim).collect();
    if !own.iter().all(|directive| level_or_part(directive)) {
        return Err(refused());
    }
    let all = [&LIBRARIES, own.as_slice()].concat().join(",");
    EnvFilter::builder().parse(all).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What would have gone to standard error.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panicked").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, filter: &str, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber.expect("the filter is one"), events);
        let bytes = lines.0.lock().expect("nobody panicked").clone();
        String::from_utf8(bytes).expect("lines are text")
    }

    #[test]
    fn json_lines_have_level_target_and_fields() {
        let text = written(Format::Json, "info", || {
            tracing::warn!(room.id = "r1", count = 3, "almost full");
        });
        let line: serde_json::Value = serde_json::from_str(&text).expect("one line is one object");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "almost full");
        assert_eq!(line["room.id"], "r1");
        assert_eq!(line["count"], 3);
        assert!(line["timestamp"].is_string() && line["target"].is_string());
    }

    #[test]
    fn a_part_can_say_more_than_the_rest_and_libraries_say_less() {
        let text = written(Format::Text, "info,loud=debug", || {
            tracing::debug!(target: "loud", "one");
            tracing::debug!(target: "other", "two");
            tracing::info!(target: "sqlx::query", "three");
            tracing::info!(target: "other", "four");
        });
        let seen = ["one", "two", "three", "four"].map(|word| text.contains(word));
        assert_eq!(seen, [true, false, false, true], "{text}");
    }

    #[test]
    fn the_operator_may_hear_libraries_too() {
        let text = written(Format::Text, "info,sqlx=debug", || {
            tracing::debug!(target: "sqlx::query", "a statement");
        });
        assert!(text.contains("a statement"), "{text}");
    }

    #[test]
    fn a_misspelt_level_is_an_error_and_not_silence() {
        for wrong in ["inof", "", "info,", "info,confer=loud", "verbose"] {
            assert!(matches!(read(wrong), Err(LogError::Filter { .. })), "{wrong:?}");
        }
        for right in ["info", "WARN", "off", "info, confer_sfu_net=trace", "error,sqlx[x]=info"] {
            assert!(read(right).is_ok(), "{right:?}");
        }
    }
}
