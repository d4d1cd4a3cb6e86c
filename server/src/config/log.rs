use super::choice::choices;
use super::section::section;

choices! {
    /// How log lines look.
    pub(crate) enum LogFormat {
        Text = "text",
        Json = "json",
    }
}

section! {
    /// `[log]`: what is written to standard error.
    pub(crate) struct LogSection in "log" {
        /// Lines for people or one JSON object per line.
        format: LogFormat = LogFormat::Text,

        /// The least level that is written: `error`, `warn`, `info`, `debug` or `trace`.
        ///
        /// Parts can differ: `info,confer_sfu_net=debug`. Client addresses appear from `debug` on.
        level: String = "info".to_owned(),
    }
}
