//! The relay: how the configuration reads in its words, and what it must keep to itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use confer_inprocess::RelayEnd;
use confer_turn_core::{Credentials, PeerPolicy, Tenant, ThisHost};
use confer_turn_net::{Certificate, Running, StartError, TurnHandle};
use ipnet::IpNet;
use tokio::sync::watch;

use super::addresses::{
    behaviour, external_addresses, hosts, leads_to, listeners, listening, media_endpoints,
    own_relays, relay_addresses,
};
use super::metadata;
use super::resolved::Resolved;
use crate::admin::Policies;
use crate::clock;
use crate::config::{Config, DatabasePlace, TlsConfig, TurnTransport};
use crate::ports::IceUrls;
use crate::{interfaces, secrets};

/// The running relay, and what a changed configuration is put together with.
pub(crate) struct Relay {
    pub(crate) handle: TurnHandle,
    pub(crate) running: Running,
    pub(crate) shape: Shape,
    pub(crate) steering: Steering,
}

/// What the relay takes from the parts before it.
pub(super) struct Terms {
    pub(super) own_secret: confer_auth::Secret,
    pub(super) certificate: Option<Certificate>,
    /// Where this process answers HTTP.
    pub(super) http: SocketAddr,
    /// Where media is received.
    pub(super) media: BTreeSet<SocketAddr>,
}

/// What carries a changed configuration to the relay.
#[derive(Clone)]
pub(crate) struct Steering {
    pub(crate) handle: TurnHandle,
    shape: Shape,
    policies: watch::Sender<Policies>,
}

impl Steering {
    /// Puts a configuration in force; what it says about peers is told from then on.
    pub(super) async fn apply(&self, config: &Config) {
        let mut core = self.shape.core(config).await;
        let before = self.policies.borrow().clone();
        core.credentials = core.credentials.in_places(before.tenants());
        let policies = Policies::of(&core.credentials);
        self.handle.reconfigure(core).await;
        self.policies.send_replace(policies);
    }

    /// The policies in force.
    pub(super) fn policies(&self) -> watch::Receiver<Policies> {
        self.policies.subscribe()
    }
}

/// What a change of configuration does not change.
#[derive(Clone)]
pub(crate) struct Shape {
    /// Of ephemeral credentials when none is configured.
    own_secret: confer_auth::Secret,
    nonce_secret: [u8; 32],
    media: BTreeSet<SocketAddr>,
    /// Where this process answers HTTP and TURN.
    listening: Vec<SocketAddr>,
    http: SocketAddr,
    resolved: Resolved,
}

impl Relay {
    /// Binds and starts.
    pub(super) async fn start(
        config: &Config,
        terms: Terms,
        ends: Vec<RelayEnd>,
    ) -> Result<Self, StartError> {
        let Terms { own_secret, certificate, http, media } = terms;
        let turn = &config.turn;
        let nonce_secret = rand::random();
        let (listening, resolved) = (Vec::new(), Resolved::default());
        let mut shape = Shape { own_secret, nonce_secret, media, listening, http, resolved };
        let relay = confer_turn_net::Config {
            listen: listeners(config, certificate.is_some()),
            relay: relay_addresses(config),
            relay_ports: turn.relay_ports.clone(),
            threads: turn.threads,
            socket_buffer: turn.socket_buffer,
            certificate,
            proxies: turn.proxies.clone(),
            limits: turn.stream_limits.clone(),
            core: shape.core(config).await,
            unix_time: clock::unix_seconds,
        };
        let (handle, running) = confer_turn_net::start_beside_media(relay, ends).await?;
        // Ports that the system chose are known only now.
        shape.listening = handle.listening().to_vec();
        let policies = watch::Sender::new(Policies::default());
        let steering = Steering { handle: handle.clone(), shape: shape.clone(), policies };
        steering.apply(config).await;
        Ok(Self { handle, running, shape, steering })
    }
}

impl Shape {
    /// What a relay of this configuration would be that does not run: for looking at its policy.
    pub(crate) fn of(config: &Config) -> Self {
        let rtc = &config.rtc;
        let shards = (0..rtc.shards).map(|index| SocketAddr::new(rtc.listen, rtc.udp_port + index));
        let media = media_endpoints(config, &shards.collect::<Vec<_>>());
        let listening = listening(&config.turn);
        let http = config.http.listen.first().copied();
        let http = http.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self {
            own_secret: secrets::random(),
            nonce_secret: [0; 32],
            media,
            listening,
            http,
            resolved: Resolved::default(),
        }
    }

    /// Everything that may change while the relay runs.
    pub(crate) async fn core(&self, config: &Config) -> confer_turn_core::Config {
        let turn = &config.turn;
        let services = self.services(config).await;
        let this_host = ThisHost {
            addresses: here(config).map(|ip| ip.to_canonical()).collect(),
            relay_ports: turn.relay_ports.clone(),
        };
        let policy = |allowed: &[IpNet], denied: &[IpNet]| PeerPolicy {
            own_media: self.media.clone(),
            own_services: services.clone(),
            own_relays: own_relays(turn),
            this_host: Some(this_host.clone()),
            allowed: allowed.to_vec(),
            denied: denied.iter().copied().chain(metadata::services()).collect(),
        };
        let secrets = match turn.secrets.as_slice() {
            [] => vec![secrets::text(&self.own_secret)],
            configured => configured.iter().map(plain_text).collect(),
        };
        let first = Tenant {
            name: "default".to_owned(),
            realm: turn.realm.clone(),
            secrets,
            users: turn.users.clone(),
            limits: turn.tenant_limits.clone(),
            policy: policy(&turn.allowed_peers, &turn.denied_peers),
            ..Tenant::default()
        };
        let others = turn.tenants.iter().map(|tenant| Tenant {
            name: tenant.name.clone(),
            realm: tenant.realm.clone(),
            secrets: tenant.secrets.clone(),
            users: tenant.users.clone(),
            oauth_keys: tenant.oauth_keys.clone(),
            limits: tenant.limits.clone(),
            policy: policy(&tenant.allowed_peers, &tenant.denied_peers),
        });
        confer_turn_core::Config {
            credentials: Credentials::new(std::iter::once(first).chain(others).collect()),
            nonce_secret: self.nonce_secret.to_vec(),
            limits: turn.limits.clone(),
            channels: turn.channels,
            tcp_relay: turn.tcp_relay,
            mobility: turn.mobility,
            outlive_credentials: turn.outlive_credentials,
            alternate_server: turn.alternate_server,
            behaviour: behaviour(&turn.listen),
            ..confer_turn_core::Config::default()
        }
    }

    /// The cheapest way first: browsers gather all of them.
    fn urls(&self, config: &Config) -> Vec<String> {
        let turn = &config.turn;
        let hosts = hosts(turn.host.as_deref(), &external_addresses(config), &self.listening);
        let tls = config.tls != TlsConfig::Off;
        let ports: BTreeSet<u16> = self.listening.iter().map(SocketAddr::port).collect();

        let mut urls = Vec::new();
        let mut over = |transport, scheme: &str, word: &str| {
            if turn.transports.contains(&transport) {
                urls.extend(ports.iter().flat_map(|port| {
                    hosts.iter().map(move |host| format!("{scheme}:{host}:{port}?transport={word}"))
                }));
            }
        };
        over(TurnTransport::Udp, "turn", "udp");
        over(TurnTransport::Tcp, "turn", "tcp");
        if tls {
            over(TurnTransport::Tls, "turns", "tcp");
        }
        // A proxy in front of the port does not let TURN pass.
        let proxied = !tls && config.public_url.is_some();
        if turn.share_http_port && !proxied {
            let scheme = if tls { "turns" } else { "turn" };
            let port = self.http.port();
            let reached = hosts.iter().filter(|host| leads_to(host, self.http.ip()));
            urls.extend(reached.map(|host| format!("{scheme}:{host}:{port}?transport=tcp")));
        }
        urls
    }

    /// Endpoints that the relay never reaches for anybody: its own, and where data is kept.
    async fn services(&self, config: &Config) -> BTreeSet<SocketAddr> {
        let mut services = BTreeSet::new();
        for address in self.listening.iter().chain([&self.http]) {
            let at = |ip| SocketAddr::new(ip, address.port());
            if address.ip().is_unspecified() {
                services.extend(here(config).map(at));
            } else {
                // A router before this host may lead its own address back to it.
                services.extend(external_addresses(config).into_iter().map(at));
                services.insert(*address);
            }
        }
        let database = match &config.database.place {
            DatabasePlace::Url(url) if config.keeps_data() => endpoint(url.reveal(), 5432),
            DatabasePlace::Url(_) | DatabasePlace::Private { .. } => None,
        };
        let redis = config.redis.as_ref().and_then(|url| endpoint(url.reveal(), 6379));
        for place in database.into_iter().chain(redis) {
            match self.resolved.addresses(place).await {
                Some(addresses) => services.extend(addresses),
                None => tracing::warn!(
                    "the host of the database or of Redis does not resolve; if it has a public \
                     address, name it in turn.denied-peers"
                ),
            }
        }
        services.into_iter().map(canonical).collect()
    }
}

/// What whoever joins a room is told: relays of others if some are named, else this process's own;
/// `None` when there is neither.
pub(super) fn announced(config: &Config, own: Option<&Shape>) -> Option<IceUrls> {
    let turn = &config.turn;
    let secret = match (turn.secrets.first(), own) {
        (Some(secret), _) => secret.clone(),
        // The text is what the relay is given, and longer than the key it writes.
        (None, Some(own)) => confer_auth::Secret::new(secrets::text(&own.own_secret)).ok()?,
        (None, None) => return None,
    };
    let urls = match (turn.urls.is_empty(), own) {
        (false, _) => turn.urls.clone(),
        (true, Some(own)) => own.urls(config),
        (true, None) => Vec::new(),
    };
    let lifetime = turn.credential_lifetime;
    (!urls.is_empty()).then_some(IceUrls { urls, secret, lifetime })
}

/// The addresses of this host, as it and as others know them.
fn here(config: &Config) -> impl Iterator<Item = IpAddr> {
    interfaces::addresses().into_iter().chain(external_addresses(config))
}

/// A configured secret is text already.
fn plain_text(secret: &confer_auth::Secret) -> String {
    String::from_utf8_lossy(secret.expose()).into_owned()
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The host and port of a URL, unless it is a Unix socket's.
fn endpoint(url: &str, default_port: u16) -> Option<(String, u16)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let (host, port) = match host_and_port.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match host_and_port.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host_and_port, None),
        },
    };
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(default_port);
    (!host.is_empty() && !host.starts_with('%')).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_of_a_url_has_no_user_and_no_path() {
        let found = |url| endpoint(url, 5432);
        assert_eq!(found("postgres://u:p@db.example/x"), Some(("db.example".to_owned(), 5432)));
        assert_eq!(found("redis://[2001:db8::1]:7000"), Some(("2001:db8::1".to_owned(), 7000)));
        assert_eq!(found("postgres://%2Fvar%2Frun/x"), None);
        assert_eq!(found("postgres:///x?host=/run"), None);
    }
}
