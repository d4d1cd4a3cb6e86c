use std::path::PathBuf;

use super::choice::choices;
use super::section::section;

choices! {
    /// A part of the product this process can run.
    pub(crate) enum Role {
        Signaling = "signaling",
        Sfu = "sfu",
        Chat = "chat",
        Turn = "turn",
    }
}

section! {
    /// The keys above all tables: what this process is.
    pub(crate) struct NodeSection in "" {
        /// Where keys, certificates and the embedded database live.
        ///
        /// When it is not set: `confer` in the user's data directory (`$XDG_DATA_HOME`, else
        /// `~/.local/share`). The directory is created, for this user only, and one process uses
        /// it at a time.
        data_dir: Option<PathBuf> = None,

        /// What this process runs.
        ///
        /// Accounts and their routes belong to every role but `turn`. `signaling` needs `sfu` for
        /// calls; `["chat"]` alone serves chat over HTTP without calls and without the WebSocket;
        /// `["turn"]` alone is a relay that needs no database.
        roles: Vec<Role> = vec![Role::Signaling, Role::Sfu, Role::Chat, Role::Turn],

        /// The address people open, such as `https://meet.example.org`.
        ///
        /// Set it when a proxy or a router stands in front. Its host goes into the self-signed
        /// certificate; browsers on pages of this origin may connect.
        public_url: Option<String> = None,
    }
}
