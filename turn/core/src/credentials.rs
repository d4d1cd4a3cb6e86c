//! Who may use the relay: tenants, each with static users (RFC 8489, section 9.2), shared secrets
//! for ephemeral ones, and keys of an authorization server (RFC 7635).
//!
//! An ephemeral user name is `expiry:identity` and its password an HMAC of that name, so that a
//! back end can mint credentials without telling this server. Tenants may share a realm: the
//! secret that verifies says which tenant it is.

mod prepare;
mod token;

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use token::OauthKey;

use crate::integrity::{Algorithm, Key, PasswordAlgorithm, userhash};
use crate::policy::PeerPolicy;
use crate::quota::TenantLimits;

/// Longest user name looked at (RFC 8489, section 14.3: less than 509 bytes).
const USERNAME_LIMIT: usize = 508;

/// One customer of the relay: its users, its limits, its peers.
#[derive(Clone, Default)]
pub struct Tenant {
    /// Names it in metrics and events.
    pub name: String,
    /// Shown to clients and part of every key.
    pub realm: String,
    /// Secrets of ephemeral credentials. Several at once let one be replaced without a gap.
    pub secrets: Vec<String>,
    /// Static users and their passwords.
    pub users: BTreeMap<String, String>,
    /// Keys shared with authorization servers, by key id.
    pub oauth_keys: BTreeMap<String, OauthKey>,
    pub limits: TenantLimits,
    pub policy: PeerPolicy,
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A tenant's place in [`Credentials`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub usize);

/// Every tenant, and how to find a user among them.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    tenants: Vec<Tenant>,
    /// Static users of each tenant, by every form of their names.
    users: Vec<BTreeMap<String, StaticUser>>,
    /// USERHASH of every form of every static user's name.
    hashes: HashMap<[u8; 32], String>,
}

/// A static user, whatever form of its name was asked for.
#[derive(Clone)]
struct StaticUser {
    /// As it was configured: quotas and ownership go by it.
    name: String,
    /// Every form of the password; one, unless it is more than ASCII.
    passwords: Vec<String>,
}

impl std::fmt::Debug for StaticUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticUser").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a request offers as proof.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    pub user: User<'a>,
    pub realm: &'a str,
    pub access_token: Option<&'a [u8]>,
    pub password_algorithm: PasswordAlgorithm,
    pub algorithm: Algorithm,
    pub message: &'a [u8],
    /// Where the integrity attribute begins.
    pub offset: usize,
    pub tag: &'a [u8],
}

/// USERNAME or USERHASH.
#[derive(Clone, Copy, Debug)]
pub enum User<'a> {
    Name(&'a str),
    Hash(&'a [u8]),
}

/// Somebody whose proof holds.
#[derive(Clone, Debug)]
pub struct Verified {
    pub tenant: TenantId,
    pub username: String,
    /// Answers are signed with it.
    pub key: Key,
    /// When the credential ends; users with a password of their own have none.
    pub ends: Option<Ends>,
}

/// The end of a credential, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// An ephemeral name's. [`Config::outlive_credentials`](crate::Config::outlive_credentials)
    /// says whether an allocation made with it ends with it.
    Name(u64),
    /// An access token's, which bounds the allocation's life (RFC 7635, section 9).
    Token(u64),
}

/// Whether an ephemeral credential's own expiry counts: it does when an allocation is made. Later
/// requests are of somebody who has proved itself, and clients cannot change the credentials of a
/// running allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Counts,
    Ignored,
}

impl Credentials {
    /// Tenants in the order they are tried. The first one's realm is what unknown clients see.
    pub fn new(tenants: Vec<Tenant>) -> Self {
        let users: Vec<_> = tenants.iter().map(static_users).collect();
        let names = tenants.iter().zip(&users).flat_map(|(tenant, users)| {
            users.keys().map(|form| (userhash(form, &tenant.realm), form.clone()))
        });
        let hashes = names.collect();
        Self { tenants, users, hashes }
    }

    /// The same tenants, those of `places` where they were: a tenant is known by its place for as long
    /// as anything is held in its name. In the place of one that is gone stands one that nobody can
    /// use, and for which no peer is reachable.
    #[must_use]
    pub fn in_places<'n>(self, places: impl IntoIterator<Item = &'n str>) -> Self {
        let mut tenants = self.tenants;
        let mut placed: Vec<Tenant> = places
            .into_iter()
            .map(|name| match tenants.iter().position(|tenant| tenant.name == name) {
                Some(at) => tenants.remove(at),
                None => Tenant::gone(name),
            })
            .collect();
        placed.append(&mut tenants);
        Self::new(placed)
    }

    /// The realm of a challenge.
    pub fn default_realm(&self) -> &str {
        self.tenants.first().map_or("", |tenant| &tenant.realm)
    }

    /// Whether any tenant has this realm.
    pub fn knows_realm(&self, realm: &[u8]) -> bool {
        self.tenants.iter().any(|tenant| tenant.realm.as_bytes() == realm)
    }

    /// Whether access tokens are accepted; clients are told then.
    pub fn takes_access_tokens(&self) -> bool {
        self.tenants.iter().any(|tenant| !tenant.oauth_keys.is_empty())
    }

    /// A tenant by its id; ids come from this same set, or the default tenant answers.
    pub fn tenant(&self, id: TenantId) -> Option<&Tenant> {
        self.tenants.get(id.0)
    }

    /// Finds whose proof this is.
    ///
    /// `None` for an unknown user, a wrong password and an expired name alike: the client is told
    /// no more than that.
    pub fn verify(&self, proof: Proof<'_>, expiry: Expiry, unix: u64) -> Option<Verified> {
        let username = match proof.user {
            User::Name(name) if name.len() > USERNAME_LIMIT => return None,
            User::Name(name) => name,
            User::Hash(hash) => self.hashes.get(<&[u8; 32]>::try_from(hash).ok()?)?,
        };
        self.tenants.iter().enumerate().filter(|(_, tenant)| tenant.realm == proof.realm).find_map(
            |(index, tenant)| {
                let user = self.users.get(index).and_then(|users| users.get(username));
                let (key, ends) = match (proof.access_token, user) {
                    (Some(token), _) => tenant.token_key(username, token, proof, unix)?,
                    (None, Some(user)) => {
                        let mut passwords = user.passwords.iter();
                        let key = passwords.find_map(|text| tenant.check(username, text, proof))?;
                        (key, None)
                    }
                    (None, None) => tenant.ephemeral_key(username, proof, expiry, unix)?,
                };
                let static_name = user.filter(|_| proof.access_token.is_none());
                let username = static_name.map_or(username, |user| &user.name).to_owned();
                Some(Verified { tenant: TenantId(index), username, key, ends })
            },
        )
    }
}

impl Tenant {
    fn gone(name: &str) -> Self {
        let everything = [IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
        let policy = PeerPolicy { denied: everything.to_vec(), ..PeerPolicy::default() };
        Self { name: name.to_owned(), policy, ..Self::default() }
    }

    /// The key of `username` and `password`, if it is the one the message was signed with.
    fn check(&self, username: &str, password: &str, proof: Proof<'_>) -> Option<Key> {
        let derive = proof.password_algorithm;
        let key = derive.key(username, &self.realm, password, proof.algorithm);
        key.verify(proof.message, proof.offset, proof.tag).then_some(key)
    }

    fn ephemeral_key(
        &self,
        username: &str,
        proof: Proof<'_>,
        expiry: Expiry,
        unix: u64,
    ) -> Option<(Key, Option<Ends>)> {
        let expires: u64 = username.split(':').next()?.parse().ok()?;
        if expiry == Expiry::Counts && expires < unix {
            return None;
        }
        let mut secrets = self.secrets.iter();
        let key = secrets
            .find_map(|secret| self.check(username, &ephemeral_password(secret, username), proof));
        Some((key?, Some(Ends::Name(expires))))
    }

    /// The key inside an access token, once it has verified the message (RFC 7635, section 5).
    fn token_key(
        &self,
        key_id: &str,
        token: &[u8],
        proof: Proof<'_>,
        unix: u64,
    ) -> Option<(Key, Option<Ends>)> {
        let opened = self.oauth_keys.get(key_id)?.open(token)?;
        if !(opened.begins..=opened.expires).contains(&unix) {
            return None;
        }
        let key = Key::new(proof.algorithm, &opened.mac_key);
        let ends = Some(Ends::Token(opened.expires));
        key.verify(proof.message, proof.offset, proof.tag).then_some((key, ends))
    }
}

/// A tenant's static users by every form of their names. A name as it was written beats another
/// one's prepared form.
fn static_users(tenant: &Tenant) -> BTreeMap<String, StaticUser> {
    let known = |(name, password): (&String, &String)| StaticUser {
        name: name.clone(),
        passwords: prepare::forms(password),
    };
    let mut users: BTreeMap<String, StaticUser> =
        tenant.users.iter().map(|user| (user.0.clone(), known(user))).collect();
    for user in &tenant.users {
        for form in prepare::forms(user.0) {
            users.entry(form).or_insert_with(|| known(user));
        }
    }
    users
}

/// The identity inside an ephemeral user name `expiry:identity`, or the whole name. Quotas count by
/// it.
pub fn identity(username: &str) -> &str {
    match username.split_once(':') {
        Some((expiry, identity)) if expiry.bytes().all(|byte| byte.is_ascii_digit()) => identity,
        Some(_) | None => username,
    }
}

/// The password of an ephemeral user name: base64 of HMAC-SHA1 under the shared secret.
pub fn ephemeral_password(secret: &str, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_what_follows_the_expiry() {
        assert_eq!(identity("1700000000:alice"), "alice");
        assert_eq!(identity("alice"), "alice");
        assert_eq!(identity("tenant:alice"), "tenant:alice");
    }

    #[test]
    fn an_ephemeral_password_is_what_other_servers_compute() {
        // printf 1700000000:alice | openssl dgst -sha1 -hmac s3cr3t -binary | base64
        assert_eq!(
            ephemeral_password("s3cr3t", "1700000000:alice"),
            "81mjszbESz91Gv1n2xG/SVLX+uY="
        );
    }
}
