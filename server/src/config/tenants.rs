//! Files of the relay's users and tenants, which are longer than a setting should be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

/// Reads `name = "password"` lines.
pub(super) fn read_users(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    parse(path, &read_text(path, "`turn.users-file`")?)
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
            secrets.push(secret.reveal().to_owned());
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
