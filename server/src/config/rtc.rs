use std::net::{IpAddr, Ipv6Addr};

use super::error::ConfigError;
use super::section::section;

/// More threads than this have never been measured.
const MOST_SHARDS: u16 = 64;

section! {
    /// `[rtc]`: audio and video. Every thread of the media plane has one UDP port.
    pub(crate) struct RtcSection in "rtc" {
        /// Address to receive media at. `::` means every address, IPv4 included.
        listen: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED),

        /// UDP port of the first media thread; the next ones follow it. 0 lets the system choose.
        ///
        /// Open these ports in the firewall, for UDP.
        udp_port: u16 = 7882,

        /// Number of media threads.
        ///
        /// A room lives on one thread. Raise it towards the number of cores when rooms are many.
        shards: u16 = 1,

        /// Addresses clients are told to send media to.
        ///
        /// When the list is empty: all of this host's addresses, loopback last. Behind a router or
        /// in a cloud, name the public address here; clients cannot guess it.
        announce: Vec<IpAddr> = Vec::new(),

        /// Whether to hand the kernel runs of packets at once (UDP GSO).
        ///
        /// Turn it off only when a network driver mishandles it.
        gso: bool = true,
    }
}

/// How media is received and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RtcConfig {
    pub(crate) listen: IpAddr,
    pub(crate) udp_port: u16,
    pub(crate) shards: u16,
    /// Empty: this host's own.
    pub(crate) announce: Vec<IpAddr>,
    pub(crate) gso: bool,
}

impl RtcSection {
    pub(super) fn resolve(self) -> Result<RtcConfig, ConfigError> {
        if self.shards == 0 || self.shards > MOST_SHARDS {
            let problem = format!("must be 1 to {MOST_SHARDS}");
            return Err(ConfigError::Unusable { key: "rtc.shards", problem });
        }
        if self.udp_port.checked_add(self.shards - 1).is_none() {
            let problem = "must leave room for one port per shard below 65536".to_owned();
            return Err(ConfigError::Unusable { key: "rtc.udp-port", problem });
        }
        if self.announce.iter().any(IpAddr::is_unspecified) {
            let problem = "0.0.0.0 and :: cannot be sent to; name real addresses".to_owned();
            return Err(ConfigError::Unusable { key: "rtc.announce", problem });
        }
        Ok(RtcConfig {
            listen: self.listen,
            udp_port: self.udp_port,
            shards: self.shards,
            announce: self.announce,
            gso: self.gso,
        })
    }
}
