mod check;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use confer_auth::Secret;
use confer_turn_core::{ChannelRange, TenantLimits, Transport};
use ipnet::IpNet;

use super::choice::choices;
use super::error::ConfigError;
use super::http::host_of;
use super::section::section;
use super::tenants::{self, TenantConfig};
use super::unit::{ByteSize, PortRange};

choices! {
    /// What clients may speak to the relay.
    pub(crate) enum TurnTransport {
        Udp = "udp",
        Tcp = "tcp",
        Tls = "tls",
        Dtls = "dtls",
    }
}

impl From<TurnTransport> for Transport {
    fn from(transport: TurnTransport) -> Self {
        match transport {
            TurnTransport::Udp => Self::Udp,
            TurnTransport::Tcp => Self::Tcp,
            TurnTransport::Tls => Self::Tls,
            TurnTransport::Dtls => Self::Dtls,
        }
    }
}

section! {
    /// `[turn]`: the relay for clients whose network lets them reach nothing else.
    ///
    /// Whoever has joined a room gets credentials of their own, and nobody else does. Secrets,
    /// users, tenants, certificates and peer policy are read again when their files change and on
    /// SIGHUP; running allocations stay. [docs/turn.md](turn.md) says what the relay does.
    pub(crate) struct TurnSection in "turn" {
        /// Addresses and ports that clients reach.
        ///
        /// When the list is empty: port 3478 of all addresses. `::` means every address, IPv4
        /// included. Add a second port, such as `"[::]:5349"`, where clients expect TLS on one of
        /// its own. Two addresses with the same two ports each turn on NAT behaviour discovery
        /// (RFC 5780).
        listen: Vec<SocketAddr> = Vec::new(),

        /// What is spoken there. TCP and TLS share a port, and so do UDP and DTLS.
        ///
        /// `tls` and `dtls` are served when `[tls]` gives this server a certificate.
        transports: Vec<TurnTransport> =
            vec![TurnTransport::Udp, TurnTransport::Tcp, TurnTransport::Tls],

        /// Whether TURN over TCP and TLS is answered on the port of `http.listen` as well.
        ///
        /// On port 443 it gets through firewalls that let nothing but the web pass.
        share_http_port: bool = true,

        /// The name or address by which clients reach this host.
        ///
        /// When it is not set: the host of `public-url`, else the first external address of each
        /// family.
        host: Option<String> = None,

        /// Addresses of this host that packets are relayed from.
        ///
        /// Of several of one family it is the one where a client came in, else the first. When the
        /// list is empty: all.
        relay_addresses: Vec<IpAddr> = Vec::new(),

        /// The same as peers see them: at most one of each family, or one for each of
        /// `relay-addresses` in the same order.
        ///
        /// Set it behind one-to-one NAT, as clouds do it. Clients of this relay may reach each other
        /// at the addresses named here, also at private ones. When the list is empty:
        /// `relay-addresses`, else `rtc.announce`, else this host's own.
        external_addresses: Vec<IpAddr> = Vec::new(),

        /// Ports of relayed addresses. Open them in the firewall, for UDP.
        relay_ports: PortRange = PortRange(49_152..=65_535),

        /// Networks that may be reached although they are not globally routable, or are this host.
        ///
        /// By default peers are refused unless they are globally routable, and so is this host but for
        /// its relayed ports; this server's own media plane always is reachable. Name this host's
        /// address here where another media server runs beside the relay. Whoever has credentials
        /// reaches what stands here.
        allowed_peers: Vec<IpNet> = Vec::new(),

        /// Networks that may not be reached. Stronger than `allowed-peers`.
        ///
        /// This server's own listeners, its database and its Redis are refused anyway.
        denied_peers: Vec<IpNet> = Vec::new(),

        /// What clients are told it is (RFC 8489, section 9.2).
        realm: String = "confer".to_owned(),

        /// File with the secret of ephemeral credentials, 32 bytes or more.
        ///
        /// When it is not set, one is made in the data directory. Share one among several servers.
        secret_file: Option<PathBuf> = None,

        /// Files with earlier secrets that are still accepted.
        ///
        /// To replace a secret: move the old file here, and keep it for `credential-lifetime`.
        old_secret_files: Vec<PathBuf> = Vec::new(),

        /// File with users that have passwords of their own: TOML, `name = "password"` by line.
        users_file: Option<PathBuf> = None,

        /// File with tenants that have realms, secrets, limits and peers of their own.
        ///
        /// [docs/turn.md](turn.md) has an example. All that is configured here is the first tenant.
        tenants_file: Option<PathBuf> = None,

        /// How long the credentials are good that joining a room brings.
        ///
        /// Clients fetch fresh ones before they expire.
        credential_lifetime: Duration = Duration::from_secs(12 * 3600),

        /// Whether an allocation may go on after the expiry of the credential that made it.
        ///
        /// Otherwise it ends then, and so do calls that last longer, because clients cannot bring
        /// another credential for a running allocation. Removing a participant ends theirs at once
        /// either way.
        outlive_credentials: bool = true,

        /// Relays of others to announce instead of this one.
        ///
        /// Such as `["turn:turn.example.org:3478?transport=tcp"]`, with the secret that they share
        /// in `secret-file` (coturn: `use-auth-secret`).
        urls: Vec<String> = Vec::new(),

        /// Allocations at once, of everybody (508).
        allocations: usize = 50_000,

        /// Allocations of one user at once (486). A port that is kept for later counts as one.
        allocations_per_user: u32 = 16,

        /// Peers that one allocation may have permissions for (508).
        permissions_per_allocation: u16 = 64,

        /// Permissions in all allocations of one user (508).
        permissions_per_user: u32 = 512,

        /// Channels of one allocation (508).
        channels_per_allocation: u16 = 64,

        /// What one allocation may relay in a second, both ways together. 0: no limit.
        bytes_per_second: ByteSize = ByteSize(0),

        /// The same in packets. 0: no limit.
        packets_per_second: u32 = 0,

        /// What all allocations of one user together may relay in a second. 0: no limit.
        user_bytes_per_second: ByteSize = ByteSize(0),

        /// The same in packets. 0: no limit.
        user_packets_per_second: u32 = 0,

        /// What all allocations of everybody may relay in a second. 0: no limit.
        total_bytes_per_second: ByteSize = ByteSize(0),

        /// The same in packets. 0: no limit.
        total_packets_per_second: u32 = 0,

        /// Answers a second to strangers of one IPv4 address or IPv6 /56. Beyond it: silence.
        ///
        /// As many wrong passwords a second are listened to. 0: no limit.
        answers_per_stranger: u32 = 200,

        /// Connections over TCP and TLS at once, per listener.
        max_connections: usize = 10_000,

        /// Connections at once from one IPv4 address or IPv6 /56.
        connections_per_prefix: u32 = 1_000,

        /// Whether TCP is relayed too (RFC 6062). It lets users reach any TCP service that the
        /// peer policy permits.
        tcp_relay: bool = false,

        /// Whether clients may go on from another address with the same allocation (RFC 8016).
        mobility: bool = true,

        /// Whether channels above 0x4FFF are taken, for clients written for RFC 5766 only.
        old_channels: bool = false,

        /// Load balancers whose PROXY protocol header (version 2) is believed, and required.
        proxies: Vec<IpNet> = Vec::new(),

        /// Where clients are sent while this relay drains.
        alternate_server: Option<SocketAddr> = None,

        /// Threads that relay. 0: one per core.
        threads: u16 = 0,

        /// What the kernel may hold for each UDP socket.
        socket_buffer: ByteSize = ByteSize::mib(4),

        /// What may wait between a relaying thread and a media thread of this process, each way.
        ///
        /// Packets between clients of the relay and this server's own media pass here instead of
        /// through two sockets. Each pair of threads has two such buffers. Less than 64 KiB counts
        /// as that; `0` turns this off, and the packets take the way of all others.
        in_process_buffer: ByteSize = ByteSize::mib(2),

        /// How long live allocations may go on once the process is told to stop.
        ///
        /// New ones are refused from that moment. Whoever stops the process must wait as long:
        /// systemd's `TimeoutStopSec`, Kubernetes' `terminationGracePeriodSeconds`.
        drain_timeout: Duration = Duration::ZERO,
    }
}

/// The relay of this process, and whose relays are announced.
#[derive(Clone, Debug)]
pub(crate) struct TurnConfig {
    /// Empty: those of this process.
    pub(crate) urls: Vec<String>,
    /// Of ephemeral credentials; the first one mints. Empty: the one in the data directory.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) credential_lifetime: Duration,
    pub(crate) outlive_credentials: bool,
    pub(crate) host: Option<String>,
    pub(crate) realm: String,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) transports: Vec<TurnTransport>,
    pub(crate) share_http_port: bool,
    pub(crate) relay_addresses: Vec<IpAddr>,
    pub(crate) external_addresses: Vec<IpAddr>,
    pub(crate) relay_ports: RangeInclusive<u16>,
    pub(crate) allowed_peers: Vec<IpNet>,
    pub(crate) denied_peers: Vec<IpNet>,
    /// Those of the users file, and every further tenant.
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) tenants: Vec<TenantConfig>,
    pub(crate) tenant_limits: TenantLimits,
    pub(crate) limits: confer_turn_core::Limits,
    pub(crate) stream_limits: confer_turn_net::Limits,
    pub(crate) tcp_relay: bool,
    pub(crate) mobility: bool,
    pub(crate) channels: ChannelRange,
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) alternate_server: Option<SocketAddr>,
    pub(crate) threads: u16,
    pub(crate) socket_buffer: usize,
    pub(crate) in_process_buffer: usize,
    pub(crate) drain_timeout: Duration,
    /// Every file that was read, to notice when one changes.
    pub(crate) files: Vec<PathBuf>,
}

impl TurnSection {
    pub(super) fn resolve(self, public_url: Option<&str>) -> Result<TurnConfig, ConfigError> {
        let mut files: Vec<PathBuf> = self.old_secret_files.clone();
        files.extend(
            [&self.secret_file, &self.users_file, &self.tenants_file]
                .into_iter()
                .flatten()
                .cloned(),
        );
        let secrets = self.secrets()?;
        self.check()?;
        let users = match &self.users_file {
            Some(path) => tenants::read_users(path)?,
            None => BTreeMap::new(),
        };
        let tenants = match &self.tenants_file {
            Some(path) => tenants::read(path, &mut files)?,
            None => Vec::new(),
        };
        tenants::tell_apart((&self.realm, &secrets, &users), &tenants)?;
        let channels =
            if self.old_channels { ChannelRange::Rfc5766 } else { ChannelRange::Rfc8656 };
        let limits = confer_turn_core::Limits::default();
        Ok(TurnConfig {
            urls: self.urls,
            secrets,
            credential_lifetime: self.credential_lifetime,
            outlive_credentials: self.outlive_credentials,
            host: self.host.or_else(|| public_url.and_then(host_of)),
            realm: self.realm,
            listen: self.listen,
            transports: self.transports,
            share_http_port: self.share_http_port,
            relay_addresses: self.relay_addresses,
            external_addresses: self.external_addresses,
            relay_ports: self.relay_ports.0,
            allowed_peers: self.allowed_peers,
            denied_peers: self.denied_peers,
            users,
            tenants,
            tenant_limits: TenantLimits {
                // One tenant alone may use all there is.
                allocations: u32::try_from(self.allocations).unwrap_or(u32::MAX),
                allocations_per_user: self.allocations_per_user,
                permissions_per_user: self.permissions_per_user,
                bytes_per_second: self.bytes_per_second.0 as u64,
                packets_per_second: self.packets_per_second.into(),
                user_bytes_per_second: self.user_bytes_per_second.0 as u64,
                user_packets_per_second: self.user_packets_per_second.into(),
                ..TenantLimits::default()
            },
            limits: confer_turn_core::Limits {
                allocations: self.allocations,
                permissions_per_allocation: self.permissions_per_allocation,
                channels_per_allocation: self.channels_per_allocation,
                challenges_per_prefix: self.answers_per_stranger.into(),
                bytes_per_second: self.total_bytes_per_second.0 as u64,
                packets_per_second: self.total_packets_per_second.into(),
                ..limits
            },
            stream_limits: confer_turn_net::Limits {
                connections_per_listener: self.max_connections,
                connections_per_prefix: self.connections_per_prefix,
                ..confer_turn_net::Limits::default()
            },
            tcp_relay: self.tcp_relay,
            mobility: self.mobility,
            channels,
            proxies: self.proxies,
            alternate_server: self.alternate_server,
            threads: self.threads,
            socket_buffer: self.socket_buffer.0,
            in_process_buffer: self.in_process_buffer.0,
            drain_timeout: self.drain_timeout,
            files,
        })
    }

    fn secrets(&self) -> Result<Vec<Secret>, ConfigError> {
        let missing = |why| Err(ConfigError::Missing { key: "turn.secret-file", why });
        match (&self.secret_file, self.urls.is_empty(), self.old_secret_files.is_empty()) {
            (None, false, _) => return missing("there are turn.urls"),
            (None, true, false) => return missing("there are turn.old-secret-files"),
            (None, true, true) | (Some(_), _, _) => {}
        }
        let current = self.secret_file.iter().map(|path| ("turn.secret-file", path));
        let old = self.old_secret_files.iter().map(|path| ("turn.old-secret-files", path));
        let read = |(key, path): (&'static str, &PathBuf)| {
            let text = super::read_secret(key, path)?;
            let unusable = |problem| ConfigError::Unusable { key, problem };
            Secret::new(text.reveal()).map_err(|error| unusable(error.to_string()))
        };
        current.chain(old).map(read).collect()
    }
}
