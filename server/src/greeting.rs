//! What the person who started the server reads: what was made, where to go, how others get there.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use crate::assemble::Server;
use crate::config::{Config, TlsConfig};
use crate::interfaces;

/// The text for standard output.
pub(crate) fn greeting(config: &Config, server: &Server) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        // `write!` into a String cannot fail.
        let _ = text.write_fmt(line);
        text.push('\n');
    };

    line(format_args!("confer {}", env!("CARGO_PKG_VERSION")));
    if !server.made.is_empty() {
        line(format_args!("\nFirst start. Made in {}:", server.data_dir().display()));
        for made in &server.made {
            let shown = made.strip_prefix(server.data_dir()).unwrap_or(made);
            line(format_args!("  {}", shown.display()));
        }
    }
    line(format_args!("\n  data      {}", server.data_dir().display()));
    if let Some(database) = server.database_description() {
        line(format_args!("  database  {database}"));
    }
    if !server.media_addresses().is_empty() {
        let ports = server.media_addresses().iter().map(|address| address.port().to_string());
        let ports: Vec<String> = ports.collect();
        line(format_args!("  media     UDP port {} (open it in the firewall)", ports.join(", ")));
    }

    if !server.relay_addresses().is_empty() {
        let ports = server.relay_addresses().iter().map(|address| address.port());
        let ports: BTreeSet<String> = ports.map(|port| port.to_string()).collect();
        let ports = Vec::from_iter(ports).join(", ");
        let (first, last) = (config.turn.relay_ports.start(), config.turn.relay_ports.end());
        line(format_args!("  relay     UDP and TCP port {ports}, relays on UDP {first}-{last}"));
    }
    if !config.keeps_data() {
        line(format_args!("\nA relay and nothing else. Metrics: {}", own_url(config, server)));
        line(format_args!("\nCtrl-C stops it."));
        return text;
    }

    let (own, others) = addresses(config, server.listen());
    line(format_args!("\nOpen  {own}"));
    if others.is_empty() && config.tls != TlsConfig::Off {
        line(format_args!(
            "Only this machine gets there, because it listens at {} alone; see --listen.",
            server.listen()
        ));
    } else if others.is_empty() {
        line(format_args!(
            "From other devices: browsers give no camera over plain HTTP there, so start with\n  \
             confer serve --tls self-signed\nor with your own certificate (--tls files), or put an \
             HTTPS proxy in front; see docs/config.md."
        ));
    } else {
        line(format_args!("From other devices:"));
        for other in others {
            line(format_args!("  {other}"));
        }
        if matches!(config.tls, TlsConfig::SelfSigned { .. }) {
            line(format_args!(
                "The certificate is self-signed: browsers ask once whether to go on."
            ));
        }
    }
    line(format_args!("\nCtrl-C stops it."));
    text
}

fn own_url(config: &Config, server: &Server) -> String {
    let (own, _) = addresses(config, server.listen());
    format!("{own}/metrics")
}

/// The address for this machine, and those for others, if they can use any.
fn addresses(config: &Config, listen: SocketAddr) -> (String, Vec<String>) {
    let scheme = if config.tls == TlsConfig::Off { "http" } else { "https" };
    let url = |ip: IpAddr| format!("{scheme}://{}", SocketAddr::new(ip, listen.port()));
    let own = match &config.public_url {
        Some(public) => public.clone(),
        None if listen.ip().is_unspecified() || listen.ip().is_loopback() => {
            format!("{scheme}://localhost:{}", listen.port())
        }
        None => url(listen.ip()),
    };
    if config.tls == TlsConfig::Off || listen.ip().is_loopback() {
        return (own, Vec::new());
    }
    let reachable = interfaces::addresses().into_iter().filter(|address| !address.is_loopback());
    let others = match listen.ip().is_unspecified() {
        true => reachable.map(url).collect(),
        false => vec![url(listen.ip())],
    };
    (own, others)
}
