//! What `deploy/` holds starts the real binary: the unit's command line with its configuration, and
//! the image's.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use confer_turn_core::credentials::ephemeral_password;
use rustix::process::Signal;

use crate::process::{Confer, Setup, output, stderr};
use crate::relay::client::{Caller, echo};

const SECRET: &str = "a secret of thirty-two bytes or more";
const USER: &str = "4000000000:alice";

fn deploy(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    std::fs::read_to_string(path).expect("it is part of the repository")
}

/// The value of `Key=` in a unit.
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the unit has {key}"))
}

/// The directory that stands for /etc/confer, filled as docs/running-turn.md says.
fn etc() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = rcgen::generate_simple_self_signed(["turn.example.org".to_owned()]).expect("a key");
    let keep = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("kept");
    keep("turn-secret", SECRET);
    keep("turn.crt", &key.cert.pem());
    keep("turn.key", &key.signing_key.serialize_pem());
    let here = dir.path().to_str().expect("it is plain text");
    keep("turn.toml", &deploy("turn/turn.toml").replace("/etc/confer", here));
    let file = dir.path().join("turn.toml");
    (dir, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_starts_a_relay_and_hears_when_it_is_ready_and_when_it_stops() {
    let unit = deploy("systemd/confer-turn.service");
    let (etc, file) = etc();
    let file = file.to_str().expect("it is plain text");
    let started = value(&unit, "ExecStart").replace("/etc/confer/turn.toml", file);
    let mut words = started.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/confer"));

    let setup = Setup::private();
    let mut command = setup.command(&Vec::from_iter(words));
    // Ports of the machine that runs the test may be taken.
    command.args(["--set", "turn.listen=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    command.args(["--set", "turn.allowed-peers=127.0.0.0/8"]);
    assert_eq!(value(&unit, "Type"), "notify");
    let path = etc.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a fresh path");
    manager.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    command.env("NOTIFY_SOCKET", &path);
    let confer = Confer::spawn(command);

    let mut news = [0; 64];
    let length = manager.recv(&mut news).expect("it says that it is ready");
    assert_eq!(&news[..length], b"READY=1");
    let mut caller = Caller::udp(confer.relay(), USER, &ephemeral_password(SECRET, USER)).await;
    caller.reach(echo().await).await.expect("an allocation");
    assert!(caller.echoes(b"through the unit").await);

    // It waits for the call to end, as the unit lets it, and a second signal ends that.
    confer.signal(Signal::TERM);
    let length = manager.recv(&mut news).expect("it says that it stops");
    assert_eq!(&news[..length], b"STOPPING=1");
    assert!(caller.echoes(b"while it drains").await);
    confer.signal(Signal::TERM);
    assert!(confer.wait().success(), "{}", confer.log());
}

#[test]
fn the_unit_gives_a_stop_the_time_that_the_relay_takes() {
    let unit = deploy("systemd/confer-turn.service");
    assert!(deploy("turn/turn.toml").contains("drain-timeout = \"5m\""));
    assert_eq!(value(&unit, "TimeoutStopSec"), (5 * 60 + 30).to_string());
    assert_eq!(value(&unit, "ExecReload"), "/bin/sh -c 'kill -HUP $MAINPID'");
}

#[test]
fn the_example_is_a_good_configuration() {
    let (_etc, file) = etc();
    let setup = Setup::private();
    let file = file.to_str().expect("it is plain text");
    let checked = output(setup.command(&["config", "check", "--config", file]));
    assert!(checked.status.success(), "{}", stderr(&checked));
}

#[test]
fn the_image_runs_commands_and_variables_that_there_are() {
    let image = deploy("Dockerfile");
    let line = |word: &str| image.lines().find_map(|line| line.strip_prefix(word));
    assert_eq!(line("ENTRYPOINT "), Some("[\"/usr/local/bin/confer\"]"));
    assert_eq!(line("CMD "), Some("[\"serve\"]"));
    let setup = Setup::private();
    let mut command = setup.command(&["config", "check"]);
    let variables = line("ENV ").expect("it sets variables").split(' ');
    for (name, value) in variables.filter_map(|variable| variable.split_once('=')) {
        command.env(name, value);
    }
    let checked = output(command);
    assert!(checked.status.success(), "{}", stderr(&checked));
}
