//! Files of the relay's users and tenants, which are longer than a setting should be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use confer_auth::Secret;
use confer_turn_core::credentials::identity;
use confer_turn_core::{OauthKey, TenantLimits};
use ipnet::IpNet;
use serde::Deserialize;

use super::error::ConfigError;

/// A further tenant of the relay, beside the one that `[turn]` itself describes.
#[derive(Clone, Debug)]
pub(crate) struct TenantConfig {
    pub(crate) name: String,
    pub(crate) realm: String,
    pub(crate) secrets: Vec<String>,
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) oauth_keys: BTreeMap<String, OauthKey>,
    pub(crate) limits: TenantLimits,
    pub(crate) allowed_peers: Vec<IpNet>,
    pub(crate) denied_peers: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantsFile {
    #[serde(default)]
    tenant: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    realm: String,
    /// Relative ones are beside the tenants file.
    #[serde(default)]
    secret_files: Vec<PathBuf>,
    users_file: Option<PathBuf>,
    #[serde(default)]
    oauth_keys: Vec<WrittenKey>,
    allocations: Option<u32>,
    allocations_per_user: Option<u32>,
    permissions_per_user: Option<u32>,
    bytes_per_second: Option<u64>,
    packets_per_second: Option<u64>,
    user_bytes_per_second: Option<u64>,
    user_packets_per_second: Option<u64>,
    total_bytes_per_second: Option<u64>,
    total_packets_per_second: Option<u64>,
    #[serde(default)]
    allowed_peers: Vec<IpNet>,
    #[serde(default)]
    denied_peers: Vec<IpNet>,
}

/// A key shared with an authorization server (RFC 7635).
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenKey {
    id: String,
    /// File with the key in base64, 16 or 32 bytes of it.
    key_file: PathBuf,
    /// How the authorization server calls this one.
    server_name: String,
}

/// Less than this in a second lets no packet of usual size pass, ever.
const LARGEST_PACKET: u64 = 1500;
/// A secret of fewer bytes is found by whoever has seen one password that was made with it.
const SHORTEST_SECRET: usize = 16;
/// Longest realm, in characters (RFC 8489, section 14.9).
const LONGEST_REALM: usize = 127;

/// What clients of a tenant are told apart by.
struct Known {
    name: String,
    realm: String,
    proofs: Vec<(&'static str, String)>,
}

/// What `[turn]` itself describes: a realm, secrets and users.
type First<'f> = (&'f str, &'f [Secret], &'f BTreeMap<String, String>);

impl Known {
    fn first((realm, secrets, users): First<'_>) -> Self {
        let secrets = secrets.iter().map(|secret| String::from_utf8_lossy(secret.expose()).into());
        Self::of("default", realm, secrets, users.keys(), [].into_iter())
    }

    fn tenant(tenant: &TenantConfig) -> Self {
        let TenantConfig { name, realm, secrets, users, oauth_keys, .. } = tenant;
        Self::of(name, realm, secrets.iter().cloned(), users.keys(), oauth_keys.keys())
    }

    fn of<'n>(
        name: &str,
        realm: &str,
        secrets: impl Iterator<Item = String>,
        users: impl Iterator<Item = &'n String>,
        oauth_keys: impl Iterator<Item = &'n String>,
    ) -> Self {
        let secrets = secrets.map(|secret| ("a secret", secret));
        let users = users.map(|user| ("a user", user.clone()));
        let oauth_keys = oauth_keys.map(|id| ("the id of an OAuth key", id.clone()));
        let proofs = secrets.chain(users).chain(oauth_keys).collect();
        Self { name: name.to_owned(), realm: realm.to_owned(), proofs }
    }
}

/// Refuses tenants that nobody could tell apart: with the same proof in the same realm, all would be
/// the first one's, its limits and its peers among it.
pub(super) fn tell_apart(first: First<'_>, tenants: &[TenantConfig]) -> Result<(), ConfigError> {
    let first = Known::first(first);
    fit_to_tell("turn.realm", &first.realm)?;
    let mut known = vec![first];
    for tenant in tenants {
        let next = Known::tenant(tenant);
        let problem = |problem| ConfigError::Unusable { key: "turn.tenants-file", problem };
        fit_to_tell("turn.tenants-file", &next.realm)?;
        if next.name.is_empty() || known.iter().any(|other| other.name == next.name) {
            let name = &next.name;
            return Err(problem(format!(
                "a tenant is known by its name, and `{name}` is taken (`default` is what [turn] says)"
            )));
        }
        for other in known.iter().filter(|other| other.realm == next.realm) {
            if let Some((what, _)) = next.proofs.iter().find(|proof| other.proofs.contains(proof)) {
                let (one, two, realm) = (&other.name, &next.name, &next.realm);
                return Err(problem(format!(
                    "tenants `{one}` and `{two}` share the realm `{realm}` and {what}; give one of \
                     them another"
                )));
            }
        }
        known.push(next);
    }
    Ok(())
}

fn fit_to_tell(key: &'static str, realm: &str) -> Result<(), ConfigError> {
    if (1..=LONGEST_REALM).contains(&realm.chars().count()) {
        return Ok(());
    }
    let problem = format!("a realm has from 1 to {LONGEST_REALM} characters");
    Err(ConfigError::Unusable { key, problem })
}

/// Refuses a rate in bytes that lets nothing pass. 0 is no limit.
pub(super) fn at_least_a_packet(key: &'static str, rate: u64) -> Result<(), ConfigError> {
    if rate == 0 || rate >= LARGEST_PACKET {
        return Ok(());
    }
    let problem = format!(
        "no packet passes at {rate} bytes a second; {LARGEST_PACKET} is the least, 0 no limit"
    );
    Err(ConfigError::Unusable { key, problem })
}

/// Reads `name = "password"` lines.
pub(super) fn read_users(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let users: BTreeMap<String, String> = parse(path, &read_text(path, "`turn.users-file`")?)?;
    let problem = |problem| ConfigError::Unusable { key: "turn.users-file", problem };
    if users.iter().any(|(name, password)| name.is_empty() || password.is_empty()) {
        return Err(problem(format!("{} has an empty name or password", path.display())));
    }
    // Limits go by the identity in such a name, which may be somebody else.
    if let Some(name) = users.keys().find(|name| identity(name) != name.as_str()) {
        return Err(problem(format!(
            "`{name}` looks like an ephemeral name; leave out the number"
        )));
    }
    Ok(users)
}

/// Reads tenants and the files they name, which are added to `files`.
pub(super) fn read(
    path: &Path,
    files: &mut Vec<PathBuf>,
) -> Result<Vec<TenantConfig>, ConfigError> {
    let text = read_text(path, "`turn.tenants-file`")?;
    let file: TenantsFile = parse(path, &text)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    file.tenant.into_iter().map(|written| written.resolve(dir, files)).collect()
}

impl Written {
    fn resolve(self, dir: &Path, files: &mut Vec<PathBuf>) -> Result<TenantConfig, ConfigError> {
        let problem = |problem: String| ConfigError::Unusable { key: "turn.tenants-file", problem };
        let mut beside = |file: &Path| {
            let path = dir.join(file);
            files.push(path.clone());
            path
        };
        let mut secrets = Vec::new();
        for file in &self.secret_files {
            let secret = super::read_secret("turn.tenants-file", &beside(file))?;
            if secret.reveal().len() < SHORTEST_SECRET {
                let file = file.display();
                return Err(problem(format!(
                    "{file} must hold {SHORTEST_SECRET} bytes or more; `openssl rand -hex 32` makes some"
                )));
            }
            secrets.push(secret.reveal().to_owned());
        }
        for rate in [self.bytes_per_second, self.user_bytes_per_second, self.total_bytes_per_second]
        {
            at_least_a_packet("turn.tenants-file", rate.unwrap_or(0))?;
        }
        let users = match &self.users_file {
            Some(file) => read_users(&beside(file))?,
            None => BTreeMap::new(),
        };
        let mut oauth_keys = BTreeMap::new();
        for written in &self.oauth_keys {
            let text = super::read_secret("turn.tenants-file", &beside(&written.key_file))?;
            let key = STANDARD.decode(text.reveal()).ok();
            let key = key.and_then(|key| OauthKey::new(&key, &written.server_name));
            let key = key.ok_or_else(|| {
                let file = written.key_file.display();
                problem(format!("{file} must hold 16 or 32 bytes in base64"))
            })?;
            oauth_keys.insert(written.id.clone(), key);
        }
        if secrets.is_empty() && users.is_empty() && oauth_keys.is_empty() {
            let name = &self.name;
            return Err(problem(format!(
                "nobody could use tenant `{name}`; give it secret-files, a users-file or oauth-keys"
            )));
        }
        let defaults = TenantLimits::default();
        Ok(TenantConfig {
            name: self.name,
            realm: self.realm,
            secrets,
            users,
            oauth_keys,
            limits: TenantLimits {
                allocations: self.allocations.unwrap_or(defaults.allocations),
                allocations_per_user: self
                    .allocations_per_user
                    .unwrap_or(defaults.allocations_per_user),
                permissions_per_user: self
                    .permissions_per_user
                    .unwrap_or(defaults.permissions_per_user),
                bytes_per_second: self.bytes_per_second.unwrap_or(0),
                packets_per_second: self.packets_per_second.unwrap_or(0),
                user_bytes_per_second: self.user_bytes_per_second.unwrap_or(0),
                user_packets_per_second: self.user_packets_per_second.unwrap_or(0),
                tenant_bytes_per_second: self.total_bytes_per_second.unwrap_or(0),
                tenant_packets_per_second: self.total_packets_per_second.unwrap_or(0),
            },
            allowed_peers: self.allowed_peers,
            denied_peers: self.denied_peers,
        })
    }
}

fn read_text(path: &Path, named_by: &str) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
        path: path.to_owned(),
        named_by: named_by.to_owned(),
        cause,
    })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(text: &str) -> Result<Vec<TenantConfig>, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("secret"), "a secret of another tenant\n").expect("kept");
        let path = dir.path().join("tenants.toml");
        std::fs::write(&path, text).expect("kept");
        read(&path, &mut Vec::new())
    }

    #[test]
    fn a_tenant_has_its_own_secrets_limits_and_peers() {
        let found = tenants(
            "[[tenant]]\nname = \"lab\"\nrealm = \"lab.example\"\nsecret-files = [\"secret\"]\n\
             allocations = 7\nallowed-peers = [\"10.0.0.0/8\"]\n",
        );
        let found = found.expect("a good file");
        assert_eq!(found[0].secrets, ["a secret of another tenant"]);
        assert_eq!(found[0].limits.allocations, 7);
        assert_eq!(found[0].allowed_peers.len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_nothing_is_guessed() {
        let network = tenants(
            "[[tenant]]\nname = \"a\"\nrealm = \"a\"\nsecret-files = [\"secret\"]\n\
             denied-peers = [\"10.0.0.0/33\"]\n",
        );
        let told = network.expect_err("no such network").to_string();
        assert!(told.contains("tenants.toml:5"), "{told}");
        let unknown = tenants("[[tenant]]\nname = \"a\"\nrealm = \"a\"\nquota = 1\n");
        assert!(unknown.expect_err("no such key").to_string().contains("quota"));
        let nobody = tenants("[[tenant]]\nname = \"a\"\nrealm = \"a\"\n");
        assert!(nobody.expect_err("of no use").to_string().contains("nobody could use"));
    }

    #[test]
    fn tenants_that_nobody_could_tell_apart_are_refused() {
        let lab = |name: &str, realm: &str| {
            format!(
                "[[tenant]]\nname = \"{name}\"\nrealm = \"{realm}\"\nsecret-files = [\"secret\"]\n"
            )
        };
        let none = BTreeMap::new();
        let secret = Secret::new("a secret of [turn], which is longer").expect("long enough");
        let told = |realm: &str, text: &str| {
            let found = tenants(text).expect("a good file");
            let first = (realm, std::slice::from_ref(&secret), &none);
            tell_apart(first, &found).err().map(|error| error.to_string())
        };
        assert_eq!(told("confer", &(lab("a", "one") + &lab("b", "two"))), None);
        for (text, part) in [
            (lab("a", "one") + &lab("b", "one"), "share the realm `one` and a secret"),
            (lab("a", "one") + &lab("a", "two"), "`a` is taken"),
            (lab("default", "one"), "`default` is taken"),
            (lab("a", ""), "1 to 127 characters"),
        ] {
            let told = told("confer", &text).expect("refused");
            assert!(told.contains(part) && told.starts_with("`turn.tenants-file`"), "{told}");
        }
        assert!(told("", "").expect("refused").starts_with("`turn.realm`"));
    }

    #[test]
    fn what_would_let_everybody_in_or_nothing_through_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let keep = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).expect("kept");
            dir.path().join(name)
        };
        let head = "[[tenant]]\nname = \"a\"\nrealm = \"a\"\nsecret-files = [\"secret\"]\n";
        keep("secret", "too short");
        let path = keep("tenants.toml", head);
        let told = read(&path, &mut Vec::new()).expect_err("guessed in a day").to_string();
        assert!(told.contains("16 bytes or more"), "{told}");
        keep("secret", "a secret that is long enough");
        let path = keep("tenants.toml", &format!("{head}bytes-per-second = 500\n"));
        let told = read(&path, &mut Vec::new()).expect_err("no packet passes").to_string();
        assert!(told.contains("no packet passes at 500 bytes"), "{told}");
        for (users, part) in [
            ("alice = \"\"\n", "empty name or password"),
            ("\"\" = \"secret\"\n", "empty name or password"),
            ("\"17:alice\" = \"secret\"\n", "looks like an ephemeral name"),
        ] {
            let told = read_users(&keep("users.toml", users)).expect_err(users).to_string();
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn the_example_of_the_page_is_a_good_file() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/running-turn.md");
        let page = std::fs::read_to_string(page).expect("it is in the repository");
        let begin = page.find("[[tenant]]").expect("it has an example");
        let example = &page[begin..];
        let example = &example[..example.find("```").expect("it ends")];
        let dir = tempfile::tempdir().expect("a temporary directory");
        let keep = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).expect("kept");
        };
        keep("lab-secret", "a secret of another tenant\n");
        keep("lab-secret-of-last-month", "and the one before it\n");
        keep("lab-users.toml", "alice = \"correct horse\"\n");
        keep("lab-oauth-key", &STANDARD.encode([7; 32]));
        keep("tenants.toml", example);
        let mut files = Vec::new();
        let found = read(&dir.path().join("tenants.toml"), &mut files).expect("a good file");
        assert_eq!((found.len(), files.len()), (1, 4));
    }
}
