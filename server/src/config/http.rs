use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::error::ConfigError;
use super::section::section;
use super::tls::TlsMode;
use super::unit::ByteSize;
use super::value::Secret;

const DEFAULT_PORT: u16 = 7880;

section! {
    /// `[http]`: where browsers and apps connect. REST, WebSocket and the web app share one port.
    pub(crate) struct HttpSection in "http" {
        /// Address and port to listen at.
        ///
        /// When it is not set: `127.0.0.1:7880` without TLS, because browsers give no camera to
        /// pages from other machines over plain HTTP; `[::]:7880` (or `0.0.0.0:7880` where the
        /// host has no IPv6) with TLS. Set it when a proxy on another machine does TLS.
        listen: Option<SocketAddr> = None,

        /// Networks whose `X-Forwarded-For` is believed.
        ///
        /// Rate limits count by client address, so list your reverse proxies here and nothing
        /// else: whoever is listed can pretend to be anybody.
        trusted_proxies: Vec<IpNet> = Vec::new(),

        /// Load balancers whose PROXY protocol header (version 2) is believed, and required.
        ///
        /// For those that pass TCP on as it comes, TLS and TURN included; `turn.proxies` is the same
        /// for the relay's own ports.
        proxy_protocol: Vec<IpNet> = Vec::new(),

        /// Origins of other sites whose pages may use the API and the WebSocket, such as
        /// `https://app.example.org`.
        ///
        /// The server's own origin and `public-url` always may.
        allowed_origins: Vec<String> = Vec::new(),

        /// The largest request body.
        ///
        /// Larger ones are answered 413.
        max_body: ByteSize = ByteSize::kib(256),

        /// How long a client may take to send the head of a request, and to finish a TLS handshake.
        ///
        /// Longer only helps clients on very bad links, and whoever wants to hold connections.
        header_timeout: Duration = Duration::from_secs(10),

        /// How many connections are served at once, WebSockets included.
        ///
        /// Further ones wait in the listen queue. Mind the process's limit of open files.
        max_connections: u32 = 10_000,

        /// File with a token that `GET /metrics` then needs as `Authorization: Bearer`.
        ///
        /// Without one, metrics are answered to this machine only.
        metrics_token_file: Option<PathBuf> = None,
    }
}

/// How HTTP is served.
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    /// In the order they are tried.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) proxy_protocol: Vec<IpNet>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) max_body: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) metrics_token: Option<Secret>,
}

impl HttpSection {
    pub(super) fn resolve(self, tls: TlsMode) -> Result<HttpConfig, ConfigError> {
        let at = |ip: IpAddr| SocketAddr::new(ip, DEFAULT_PORT);
        let listen = match (self.listen, tls) {
            (Some(listen), _) => vec![listen],
            (None, TlsMode::Off) => vec![at(Ipv4Addr::LOCALHOST.into())],
            (None, TlsMode::SelfSigned | TlsMode::Files) => {
                vec![at(Ipv6Addr::UNSPECIFIED.into()), at(Ipv4Addr::UNSPECIFIED.into())]
            }
        };
        if self.max_connections == 0 {
            let problem = "nobody could connect; use at least 1".to_owned();
            return Err(ConfigError::Unusable { key: "http.max-connections", problem });
        }
        for origin in &self.allowed_origins {
            if !is_origin(origin) {
                return Err(ConfigError::Unusable {
                    key: "http.allowed-origins",
                    problem: format!("`{origin}` is no origin; write scheme, host and port only"),
                });
            }
        }
        let metrics_token = super::secret_file("http.metrics-token-file", self.metrics_token_file)?;
        Ok(HttpConfig {
            listen,
            trusted_proxies: self.trusted_proxies,
            proxy_protocol: self.proxy_protocol,
            allowed_origins: self.allowed_origins,
            max_body: self.max_body.0,
            header_timeout: self.header_timeout,
            max_connections: self.max_connections as usize,
            metrics_token,
        })
    }
}

/// Whether a text is `scheme://host[:port]` and nothing more.
pub(super) fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']))
}

/// The host of an origin, without port and brackets.
pub(crate) fn host_of(origin: &str) -> Option<String> {
    let (_, authority) = origin.split_once("://")?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_origin_has_neither_port_nor_brackets() {
        assert_eq!(host_of("https://meet.example.org").as_deref(), Some("meet.example.org"));
        assert_eq!(host_of("https://meet.example.org:8443").as_deref(), Some("meet.example.org"));
        assert_eq!(host_of("https://[2001:db8::1]:8443").as_deref(), Some("2001:db8::1"));
    }
}
