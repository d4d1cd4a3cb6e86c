//! The configuration in the words of each part.

use confer_accounts::{CookieConfig, Keys};
use confer_auth::{KeyId, SigningKey, Verifier, VerifyingKey};
use confer_signaling_net::Origins;
use confer_turn_net::TurnHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, TlsConfig};
use crate::http::serve::Terms;
use crate::interfaces;
use crate::secrets::Secrets;

/// The `kid` of the key that signs this server's own tokens.
const OWN_KEY: &str = "confer";

pub(super) fn keys(secrets: &Secrets) -> Keys {
    let id: KeyId = OWN_KEY.parse().expect("plain letters are a key id");
    let verifier = Verifier::new(confer_auth::Limits::default())
        .with(id.clone(), VerifyingKey::hs256(&secrets.tokens));
    let signing = SigningKey::hs256(id, &secrets.tokens);
    Keys { signing, verifier, refresh: secrets.refresh.clone() }
}

pub(super) fn cookies(config: &Config) -> CookieConfig {
    let proxied = config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    CookieConfig { secure: config.tls != TlsConfig::Off || proxied, origins: origins(config) }
}

pub(super) fn signaling(config: &Config) -> confer_signaling_net::Config {
    confer_signaling_net::Config {
        limits: config.signaling.clone(),
        origins: Origins::SameAnd(origins(config)),
        server: format!("confer {}", env!("CARGO_PKG_VERSION")),
        connections: config.http.max_connections,
        ..confer_signaling_net::Config::default()
    }
}

pub(super) fn sfu(config: &Config) -> confer_sfu_net::Config {
    let rtc = &config.rtc;
    let announced = match rtc.announce.as_slice() {
        [] if rtc.listen.is_unspecified() => interfaces::addresses(),
        announce => announce.to_vec(),
    };
    let defaults = confer_sfu_net::Config::default();
    confer_sfu_net::Config {
        bind: rtc.listen,
        port: rtc.udp_port,
        shards: rtc.shards,
        announced,
        gso: rtc.gso,
        limits: confer_sfu_core::limits::Limits {
            participants_per_room: config.signaling.participants_per_room,
            tracks_per_participant: config.signaling.tracks_per_participant,
            tracks_per_room: config.signaling.tracks_per_room,
            ..defaults.limits
        },
        ..defaults
    }
}

pub(super) fn terms(config: &Config, tls: Option<TlsAcceptor>, turn: Option<TurnHandle>) -> Terms {
    Terms {
        tls,
        turn,
        header_timeout: config.http.header_timeout,
        max_connections: config.http.max_connections,
        trusted_proxies: config.http.trusted_proxies.clone().into(),
        proxy_protocol: config.http.proxy_protocol.clone().into(),
    }
}

/// Pages of these origins may use this server, besides its own.
pub(super) fn origins(config: &Config) -> Vec<String> {
    config.public_url.iter().chain(&config.http.allowed_origins).cloned().collect()
}
