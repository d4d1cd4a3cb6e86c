//! The API key with which an app's back end signs tokens for its own users, and `token mint`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use confer_accounts::{ApiKeys, StoreError};
use confer_auth::{
    AccessToken, Claims, Grants, KeyError, KeyId, RoomScope, Secret, SigningKey, TokenError,
};

use crate::cli::MintArgs;
use crate::clock;
use crate::config::Raw;
use crate::config::Setting;
use crate::data_dir::write_private;
use crate::secrets;

const ID_VARIABLE: &str = "CONFER_API_KEY";
const SECRET_VARIABLE: &str = "CONFER_API_SECRET";

const FILE_COMMENT: &str = "\
# The API key of this server. Your back end signs access tokens with it: a JWT, HS256, `kid` in the
# header. The secret's text as it stands here is the key. Keep it out of browsers and repositories.
";

/// An API key: its name, and the text that signs.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) id: KeyId,
    pub(crate) secret: Secret,
}

/// Why there is no API key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiKeyError {
    #[error(
        "there is no API key in {}; start the server once, which makes one, or set \
         {ID_VARIABLE} and {SECRET_VARIABLE}", path.display()
    )]
    Absent { path: PathBuf },

    #[error("cannot read or write the API key {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },

    #[error("the database keeps no API key")]
    Store(#[from] StoreError),

    #[error("{place} is no API key: {problem}")]
    Malformed { place: String, problem: String },
}

/// Why no token was minted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    #[error(transparent)]
    Key(#[from] ApiKeyError),

    #[error("--expires-in must be {0}")]
    Lifetime(String),

    #[error("the token cannot be signed")]
    Sign(#[from] TokenError),
}

impl ApiKey {
    /// Makes sure that the data directory holds a key this server accepts, if it is the one to
    /// make keys: on a first start, and when a private database lost its key's file. The path is
    /// that of the file it wrote.
    pub(crate) async fn keep(
        data_dir: &Path,
        keys: &ApiKeys,
        private_database: bool,
    ) -> Result<Option<PathBuf>, ApiKeyError> {
        let path = secrets::api_key_file(data_dir);
        let made = match keys.create_first().await? {
            Some(made) => made,
            None if private_database && !path.exists() => keys.create().await?,
            None => return Ok(None),
        };
        let text = format!("{FILE_COMMENT}id = \"{}\"\nsecret = \"{}\"\n", made.id, made.secret);
        match write_private(&path, text.as_bytes()) {
            Ok(()) => Ok(Some(path)),
            Err(cause) => Err(ApiKeyError::Io { path, cause }),
        }
    }

    /// The key of the environment, else the one in the data directory.
    fn find(data_dir: &Path) -> Result<Self, ApiKeyError> {
        match (std::env::var(ID_VARIABLE), std::env::var(SECRET_VARIABLE)) {
            (Ok(id), Ok(secret)) => {
                Self::parse(&id, &secret).map_err(|error| ApiKeyError::Malformed {
                    place: format!("{ID_VARIABLE} with {SECRET_VARIABLE}"),
                    problem: error.to_string(),
                })
            }
            _ => Self::read(data_dir),
        }
    }

    fn read(data_dir: &Path) -> Result<Self, ApiKeyError> {
        let path = secrets::api_key_file(data_dir);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ApiKeyError::Absent { path });
            }
            Err(cause) => return Err(ApiKeyError::Io { path, cause }),
        };
        let malformed = |problem: String| {
            Err(ApiKeyError::Malformed { place: path.display().to_string(), problem })
        };
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => return malformed(error.message().to_owned()),
        };
        let value = |name: &str| table.get(name).and_then(toml::Value::as_str);
        let (Some(id), Some(secret)) = (value("id"), value("secret")) else {
            return malformed("it needs `id` and `secret`".to_owned());
        };
        Self::parse(id, secret).or_else(|error| malformed(error.to_string()))
    }

    fn parse(id: &str, secret: &str) -> Result<Self, KeyError> {
        Ok(Self { id: id.parse()?, secret: Secret::new(secret)? })
    }
}

/// Makes a token for one of an app's own users.
pub(crate) fn mint(args: &MintArgs, data_dir: &Path) -> Result<AccessToken, MintError> {
    let key = ApiKey::find(data_dir)?;
    let lifetime = Duration::read(&Raw::Text(args.expires_in.clone()));
    let lifetime = lifetime.map_err(MintError::Lifetime)?;
    let claims = Claims {
        iss: Some(key.id.to_string()),
        name: args.name.clone(),
        grants: grants(args),
        ..Claims::new(args.identity.clone(), clock::now(), lifetime)
    };
    Ok(SigningKey::hs256(key.id, &key.secret).sign(&claims)?)
}

fn grants(args: &MintArgs) -> Grants {
    let rooms = match (args.all_rooms, args.rooms.as_slice()) {
        (true, _) => RoomScope::All,
        (false, []) => RoomScope::Member,
        (false, rooms) => RoomScope::Only(rooms.to_vec()),
    };
    Grants {
        rooms,
        publish: args.publish.0.clone(),
        subscribe: !args.no_subscribe,
        chat_read: !args.no_chat,
        chat_write: !args.no_chat && !args.no_chat_write,
        create: args.create,
        moderate: args.moderate,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use confer_auth::{Limits, Verifier, VerifyingKey};

    use super::*;
    use crate::cli::{Cli, Command, TokenCommand};

    #[test]
    fn a_minted_token_is_accepted_by_its_key_and_grants_what_was_asked() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("secrets")).expect("a directory");
        let text = "id = \"ak_1\"\nsecret = \"confer_sk_0123456789abcdef0123456789abcdef\"\n";
        fs::write(secrets::api_key_file(dir.path()), text).expect("a written file");
        let key = ApiKey::read(dir.path()).expect("a key");
        let room = "01890000-0000-7000-8000-000000000001";
        let cli = Cli::parse_from([
            "confer",
            "token",
            "mint",
            "--identity",
            "alice",
            "--room",
            room,
            "--publish",
            "microphone",
            "--no-chat-write",
        ]);
        let Command::Token(TokenCommand::Mint(args)) = cli.command else { panic!("mint") };
        let token = mint(&args, dir.path()).expect("a token");

        let verifier =
            Verifier::new(Limits::default()).with(key.id.clone(), VerifyingKey::hs256(&key.secret));
        let (id, claims) = verifier.verify(token.expose(), clock::now()).expect("it is good");
        assert_eq!(id, key.id);
        assert_eq!(claims.sub, "alice");
        assert_eq!(claims.grants.rooms, RoomScope::Only(vec![room.parse().expect("an id")]));
        assert_eq!(claims.grants.publish, [confer_protocol::room::TrackSource::Microphone]);
        assert!(claims.grants.chat_read && !claims.grants.chat_write && !claims.grants.create);
    }

    #[test]
    fn without_a_key_the_error_says_how_to_get_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let error = ApiKey::read(dir.path()).expect_err("none yet");
        assert!(error.to_string().contains("start the server once"), "{error}");
    }
}
