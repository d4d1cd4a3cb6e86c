//! What a first start makes, and what every failing start says.

use std::net::{TcpListener, UdpSocket};

use crate::process::{Setup, output, readable_by_others, stderr};

#[test]
fn a_first_start_needs_nothing_and_says_what_it_made() {
    let mut setup = Setup::private();
    let confer = setup.start();
    for made in ["First start", "secrets/token-key", "secrets/api-key.toml", "Open  http://"] {
        assert!(confer.greeting.contains(made), "{made} is not in: {}", confer.greeting);
    }
    for device in ["From other devices", "--tls self-signed"] {
        assert!(confer.greeting.contains(device), "{device} is not in: {}", confer.greeting);
    }
    assert_eq!(
        readable_by_others(&setup.data_dir().join("secrets")),
        Vec::<std::path::PathBuf>::new()
    );
    drop(confer);
}

#[test]
fn an_occupied_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound socket");
    let setup = Setup::private().port(address.port());
    let output = setup.start_in_vain();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("{address} is in use")), "{}", stderr(&output));
    assert!(stderr(&output).contains("--listen"), "{}", stderr(&output));
}

#[test]
fn an_occupied_media_port_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound socket").port();
    let setup = Setup::private().udp_port(port);
    let output = setup.start_in_vain();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&port.to_string()), "{}", stderr(&output));
    assert!(stderr(&output).contains("udp-port"), "{}", stderr(&output));
}

#[test]
fn a_second_server_does_not_touch_the_first_ones_data() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let output = setup.start_in_vain();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("in use by another confer"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--data-dir"), "{}", stderr(&output));
    drop(confer);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let setup = Setup::private();
    std::fs::write(setup.data_dir(), "a file is in the way").expect("our own directory");
    let output = setup.start_in_vain();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write to the data directory"), "{}", stderr(&output));
}

#[test]
fn an_unreachable_database_is_never_replaced_by_a_private_one() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = closed.local_addr().expect("a bound socket").port();
    drop(closed);
    let url = format!("postgres://somebody:hunter2@127.0.0.1:{port}/meetings");
    let setup = Setup::with_database(url);
    let output = setup.start_in_vain();
    assert_eq!(output.status.code(), Some(1));
    let complaint = stderr(&output);
    assert!(complaint.contains(&format!("meetings at 127.0.0.1:{port}")), "{complaint}");
    assert!(complaint.contains("DATABASE_URL"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
    assert!(!setup.data_dir().join("postgres").exists());
}

#[test]
fn a_wrong_configuration_is_refused_before_anything_is_made() {
    let setup = Setup::private().argument("--set").argument("http.lisen=127.0.0.1:1");
    let output = setup.start_in_vain();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `http.listen`?"), "{}", stderr(&output));
    assert!(!setup.data_dir().exists());
}

#[test]
fn the_configuration_can_be_looked_at_without_starting() {
    let setup = Setup::private();
    let check = output(setup.command(&["config", "check", "--set", "rtc.shards=0"]));
    assert_eq!(check.status.code(), Some(2));
    let show = output(setup.command(&["config", "show", "--set", "rtc.shards=3"]));
    assert!(show.status.success());
    assert!(String::from_utf8_lossy(&show.stdout).contains("shards = 3"));
    assert!(!setup.data_dir().exists());
}

#[test]
fn the_schema_can_be_brought_up_to_date_without_serving() {
    let setup = Setup::private();
    for _ in 0..2 {
        let migrated = output(setup.command(&["migrate"]));
        assert!(migrated.status.success(), "{}", stderr(&migrated));
    }
}
