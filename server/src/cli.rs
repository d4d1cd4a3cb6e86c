//! What can be typed after `confer`.

mod doctor;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use confer_protocol::id::RoomId;
use confer_protocol::room::TrackSource;

use crate::config::Sources;
pub(crate) use doctor::{DoctorCommand, PeerFamily, TurnDoctorArgs};

const EXAMPLES: &str = "\
Examples:
  confer serve                         try it on this machine: prints the address to open
  confer serve --tls self-signed       reachable from phones and other computers
  confer serve --tls files --tls-cert /etc/ssl/meet.pem --tls-key /etc/ssl/meet.key \\
      --public-url https://meet.example.org
  DATABASE_URL=postgres://confer@db/confer confer serve
  confer token mint --identity alice --room ROOM --expires-in 1h
  confer config show                   what is in force, and where each value came from
  confer doctor turn turn.example.org --secret-file FILE

Every setting: `confer config docs`, or docs/config.md.";

/// One self-hosted server for calls and chat: signaling, media (SFU) and chat in one process.
///
/// Without any configuration it makes a data directory with its keys and a private PostgreSQL, and
/// prints the address to open.
#[derive(Debug, Parser)]
#[command(name = "confer", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) sources: SourceArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the configuration comes from; every command takes these.
#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// Configuration file (TOML) [default: confer.toml in the data directory, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where keys and the private database live [default: ~/.local/share/confer].
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,

    /// Sets any setting, such as `--set http.max-body=1MiB`. May be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the server until SIGTERM or Ctrl-C. A second signal stops it at once.
    Serve(ServeArgs),

    /// Access tokens for an app's own users.
    #[command(subcommand)]
    Token(TokenCommand),

    /// Brings the database's schema up to this version, and stops. `serve` does it too.
    Migrate,

    /// Looks at the configuration without starting anything.
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Looks at the running relay of this data directory, and steers it.
    #[command(subcommand)]
    Turn(TurnCommand),

    /// Looks at servers from outside, as their clients do.
    #[command(subcommand)]
    Doctor(DoctorCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TurnCommand {
    /// Lists allocations: whose, over what, relayed where, and what they carried.
    Sessions {
        /// Only those of this identity, or of this part of one.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,

        /// As JSON.
        #[arg(long)]
        json: bool,
    },

    /// Ends every allocation of an identity. Its credentials stay good until they expire.
    Kick {
        #[arg(value_name = "NAME")]
        user: String,
    },

    /// Says whether clients may reach an address through the relay, and which rule decides.
    ///
    /// It goes by the configuration and needs no running server.
    CheckPolicy {
        // Not a doc comment: rustdoc takes the brackets for a link.
        #[arg(
            value_name = "ADDR[:PORT]",
            required = true,
            help = "Such as 192.0.2.7, 192.0.2.7:5060 or [2001:db8::7]:443"
        )]
        addresses: Vec<String>,

        /// The name of a tenant of turn.tenants-file [default: what `[turn]` itself says].
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
    },

    /// Refuses new allocations from now on; those that are live on.
    Drain,

    /// Prints what happens to allocations, one JSON object by line, until Ctrl-C.
    Events,
}

#[derive(Args, Debug, Default)]
pub(crate) struct ServeArgs {
    /// Parts to run, separated by commas: signaling, sfu, chat, turn [default: all].
    #[arg(long, value_name = "LIST")]
    roles: Option<String>,

    /// Address and port for browsers [default: 127.0.0.1:7880; with TLS, 7880 of all addresses].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,

    /// The address people open, if it is not the one listened at.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,

    /// Certificate: off, self-signed or files [default: off].
    #[arg(long, value_name = "MODE")]
    tls: Option<String>,

    /// Certificate chain (PEM), with `--tls files`.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,

    /// Private key (PEM), with `--tls files`.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,

    /// UDP port for media [default: 7882].
    #[arg(long, value_name = "PORT")]
    udp_port: Option<String>,

    /// Addresses clients send media to, separated by commas [default: this host's own].
    #[arg(long, value_name = "LIST")]
    announce: Option<String>,

    /// Log lines as text or json [default: text].
    #[arg(long, value_name = "FORMAT")]
    log: Option<String>,

    /// Least level to log: error, warn, info, debug, trace [default: info].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Prints a token for one of your users, signed with the server's API key.
    ///
    /// Back ends do the same with any JWT library: HS256, the key id in `kid`. The key is read from
    /// the data directory, or from CONFER_API_KEY and CONFER_API_SECRET.
    Mint(MintArgs),
}

#[derive(Args, Debug)]
pub(crate) struct MintArgs {
    /// The user's name in your own system; the same one is always the same person.
    #[arg(long, value_name = "TEXT")]
    pub(crate) identity: String,

    /// What others see [default: the identity].
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,

    /// Room the token is good for; may be repeated. Without one: rooms the user is a member of.
    #[arg(long = "room", value_name = "ID", conflicts_with = "all_rooms")]
    pub(crate) rooms: Vec<RoomId>,

    /// Makes the token good for every room.
    #[arg(long)]
    pub(crate) all_rooms: bool,

    /// How long it is good for.
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) expires_in: String,

    /// What the user may send, separated by commas; empty for nothing.
    #[arg(long, value_name = "LIST", default_value = "microphone,camera,screen,screen-audio",
          value_parser = sources)]
    pub(crate) publish: Published,

    /// The user may not receive media.
    #[arg(long)]
    pub(crate) no_subscribe: bool,

    /// The user may not write in chat.
    #[arg(long)]
    pub(crate) no_chat_write: bool,

    /// The user may not read chat, nor write.
    #[arg(long)]
    pub(crate) no_chat: bool,

    /// The user may create rooms and open direct conversations.
    #[arg(long)]
    pub(crate) create: bool,

    /// The user may remove others and invite.
    #[arg(long)]
    pub(crate) moderate: bool,
}

/// What may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published(pub(crate) Vec<TrackSource>);

/// Track sources as they are typed.
const SOURCES: [(&str, TrackSource); 4] = [
    ("microphone", TrackSource::Microphone),
    ("camera", TrackSource::Camera),
    ("screen", TrackSource::Screen),
    ("screen-audio", TrackSource::ScreenAudio),
];

/// A list of its own rather than clap's, which has none that is empty.
fn sources(text: &str) -> Result<Published, String> {
    let known = |word: &str| {
        let found = SOURCES.iter().find(|(name, _)| *name == word.trim());
        let names = SOURCES.map(|(name, _)| name).join(", ");
        found.map(|(_, source)| *source).ok_or_else(|| format!("choose among {names}"))
    };
    if text.trim().is_empty() {
        return Ok(Published(Vec::new()));
    }
    text.split(',').map(known).collect::<Result<_, _>>().map(Published)
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Says whether `serve` would accept the configuration.
    Check,
    /// Prints what is in force as TOML, and where each value came from. Secrets are left out.
    Show,
    /// Prints every setting with its meaning and default, as in docs/config.md.
    Docs,
}

impl Cli {
    /// The sources of the configuration: this command line and the environment.
    pub(crate) fn sources(&self) -> Sources {
        let mut flags = Vec::new();
        let mut flag = |name: &str, key: &str, value: &Option<String>| {
            if let Some(value) = value {
                flags.push((name.to_owned(), key.to_owned(), value.clone()));
            }
        };
        flag("--data-dir", "data-dir", &self.sources.data_dir);
        if let Command::Serve(serve) = &self.command {
            flag("--roles", "roles", &serve.roles);
            flag("--listen", "http.listen", &serve.listen);
            flag("--public-url", "public-url", &serve.public_url);
            flag("--tls", "tls.mode", &serve.tls);
            flag("--tls-cert", "tls.certificate-file", &serve.tls_cert);
            flag("--tls-key", "tls.key-file", &serve.tls_key);
            flag("--udp-port", "rtc.udp-port", &serve.udp_port);
            flag("--announce", "rtc.announce", &serve.announce);
            flag("--log", "log.format", &serve.log);
            flag("--log-level", "log.level", &serve.log_level);
        }
        for (key, value) in &self.sources.set {
            flags.push((format!("--set {key}"), key.clone(), value.clone()));
        }
        Sources { config: self.sources.config.clone(), flags, environment: environment() }
    }
}

/// Variables that are valid text; others cannot be settings.
fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_serve_flag_sets_an_existing_setting() {
        let cli = Cli::parse_from([
            "confer",
            "serve",
            "--data-dir",
            "/d",
            "--roles",
            "chat",
            "--listen",
            "127.0.0.1:1",
            "--public-url",
            "https://m.example",
            "--tls",
            "files",
            "--tls-cert",
            "c",
            "--tls-key",
            "k",
            "--udp-port",
            "9",
            "--announce",
            "192.0.2.1",
            "--log",
            "json",
            "--log-level",
            "debug",
            "--set",
            "rtc.gso=false",
        ]);
        let sources = Sources { environment: Default::default(), ..cli.sources() };
        assert_eq!(sources.flags.len(), 12);
        crate::config::read(&sources).expect("every flag names a setting and fits it");
    }

    #[test]
    fn a_token_may_be_minted_for_nothing_to_send() {
        let published = |list: &str| {
            let typed = ["confer", "token", "mint", "--identity", "alice", "--publish", list];
            let cli = Cli::try_parse_from(typed).map_err(|error| error.to_string())?;
            let Command::Token(TokenCommand::Mint(args)) = cli.command else { panic!("mint") };
            Ok::<_, String>(args.publish.0)
        };
        assert_eq!(published(""), Ok(Vec::new()));
        let two = vec![TrackSource::Screen, TrackSource::ScreenAudio];
        assert_eq!(published("screen, screen-audio"), Ok(two));
        assert!(published("webcam").is_err_and(|told| told.contains("screen-audio")));
        let cli = Cli::parse_from(["confer", "token", "mint", "--identity", "alice"]);
        let Command::Token(TokenCommand::Mint(args)) = cli.command else { panic!("mint") };
        assert_eq!(args.publish.0, TrackSource::ALL);
    }

    #[test]
    fn help_is_what_was_reviewed() {
        let help = Cli::command().term_width(100).render_long_help().to_string();
        let serve = Cli::command()
            .term_width(100)
            .find_subcommand_mut("serve")
            .expect("there is a serve command")
            .render_help()
            .to_string();
        let doctor = Cli::command()
            .term_width(100)
            .find_subcommand_mut("doctor")
            .and_then(|doctor| doctor.find_subcommand_mut("turn"))
            .expect("there is a doctor turn command")
            .render_help()
            .to_string();
        let text = format!(
            "{help}\n---- confer serve ----\n{serve}\n---- confer doctor turn ----\n{doctor}"
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help.txt");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(path, &text).expect("the snapshot can be written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text, "help changed; review it and run `make gen`:\n{text}");
    }
}
