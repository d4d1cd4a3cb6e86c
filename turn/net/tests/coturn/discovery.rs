//! What coturn's tools find out about the NAT in front of them (RFC 5780): on loopback, none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;

use confer_turn_core::Behaviour;
use confer_turn_net::{Config, Listener, start};

use crate::lab;

const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Two ports that are free on both addresses, for as long as nobody else takes them.
fn ports() -> [u16; 2] {
    let free = || {
        let first = UdpSocket::bind((FIRST, 0)).expect("a free port");
        let port = first.local_addr().expect("it is bound").port();
        UdpSocket::bind((SECOND, port)).map(|_| port)
    };
    let mut found = std::iter::repeat_with(free).flatten();
    [(); 2].map(|()| found.next().expect("free ports do not end"))
}

fn tool(name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60", name]).args(arguments);
    let output = command.output().expect("coreutils has timeout");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn coturns_tools_find_the_other_address_and_no_nat() {
    let [one, other] = ports();
    let at = SocketAddr::new;
    let addresses = [FIRST, SECOND].map(|ip| [at(ip, one), at(ip, other)]);
    let config = Config {
        listen: addresses.as_flattened().iter().map(|at| Listener::plain(*at)).collect(),
        core: confer_turn_core::Config {
            behaviour: Some(Behaviour { addresses }),
            nonce_secret: vec![7; 32],
            ..confer_turn_core::Config::default()
        },
        unix_time: lab::unix_time,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_turn, running) = runtime.block_on(start(config)).expect("the ports are free");

    let port = one.to_string();
    let asked = tool("turnutils_stunclient", &["-f", "-p", &port, "-L", "127.0.0.1", "127.0.0.1"]);
    let origin = format!("Response origin: : 127.0.0.2:{other}");
    assert!(asked.contains(&origin), "{asked}");
    let arguments = ["-m", "-f", "-L", "127.0.0.1", "-l", "40000", "-p", &port, "127.0.0.1"];
    let found = tool("turnutils_natdiscovery", &arguments);
    assert_eq!(found.matches("No NAT!").count(), 2, "{found}");
    runtime.block_on(running.stop());
}
