//! A real cluster of every Postgres there is on this machine, started, stopped and mistreated.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use confer_postgres::{Cluster, DATABASE, Durability, Installation, Settings, StartError};

/// Set for the copy of this test program that holds a cluster until it is killed.
const HOLDER: &str = "CONFER_TEST_HOLD_CLUSTER";
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(5);

fn installations() -> Vec<Installation> {
    let embedded = [PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("embedded")];
    let found: Vec<_> =
        Installation::embedded(&embedded).into_iter().chain(Installation::system()).collect();
    assert!(!found.is_empty(), "no Postgres here: run `make setup`");
    found
}

/// A directory that the user Postgres runs as can reach, also when the tests run as root.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("it is ours");
    dir
}

fn settings(dir: &Path) -> Settings {
    Settings { durability: Durability::Scratch, ..Settings::new(dir.join("postgres")) }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(GLANCE);
    }
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The start of the protocol is enough to know that the socket is served: the server answers an
/// SSL request (8 bytes, code 80877103) with one letter.
fn answers(url: &str) -> bool {
    use std::io::{Read, Write};
    let (_, dir) = url.split_once("?host=").expect("the url names the socket's directory");
    let socket = Path::new(dir).join(".s.PGSQL.5432");
    let Ok(mut stream) = std::os::unix::net::UnixStream::connect(socket) else { return false };
    let mut letter = [0];
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).is_ok()
        && stream.read_exact(&mut letter).is_ok()
        && letter == *b"N"
}

#[test]
fn a_cluster_is_made_started_stopped_and_started_again() {
    for installation in installations() {
        let dir = directory();
        let settings = settings(dir.path());
        let cluster = Cluster::start(installation.clone(), &settings).expect("a first start");
        let url = cluster.url(DATABASE);
        assert!(answers(&url), "{url}");
        let pid = cluster.pid();
        cluster.stop().expect("it stops");
        assert!(!runs(pid));
        assert!(!answers(&url), "the socket is gone");

        let cluster = Cluster::start(installation, &settings).expect("a second start");
        assert!(answers(&cluster.url(DATABASE)));
        assert_ne!(cluster.url(DATABASE), url, "every start has a socket directory of its own");
    }
}

#[test]
fn a_second_instance_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let installation = installations().remove(0);
    let dir = directory();
    let settings = settings(dir.path());
    let first = Cluster::start(installation.clone(), &settings).expect("the first start");
    let refused = Cluster::start(installation, &settings).expect_err("the directory is in use");
    let me = std::process::id().to_string();
    assert!(matches!(&refused, StartError::InUse { holder, .. } if *holder == me), "{refused}");
    assert!(answers(&first.url(DATABASE)));
}

#[test]
fn only_the_socket_s_owner_reaches_it_and_no_port_is_open() {
    let installation = installations().remove(0);
    let dir = directory();
    let cluster = Cluster::start(installation, &settings(dir.path())).expect("a start");
    let url = cluster.url(DATABASE);
    let (_, socket_dir) = url.split_once("?host=").expect("the url names the socket's directory");
    let mode = std::fs::metadata(socket_dir).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let home = std::fs::metadata(dir.path().join("postgres")).expect("it is there");
    assert_eq!(home.permissions().mode() & 0o777, 0o700);
    let pidfile = dir.path().join("postgres/cluster/postmaster.pid");
    let text = std::fs::read_to_string(pidfile).expect("it is readable for its owner and root");
    assert_eq!(text.lines().nth(5), Some(""), "line 6 is the first listening address");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = directory();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a directory").expect("it is ours");
    let settings = settings(&file);
    let error = Cluster::start(installations().remove(0), &settings).expect_err("no directory");
    assert!(matches!(error, StartError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn files_of_another_major_version_are_left_alone() {
    let dir = directory();
    let settings = settings(dir.path());
    let cluster = settings.data_dir.join("cluster");
    std::fs::create_dir_all(&cluster).expect("it is ours");
    std::fs::write(cluster.join("PG_VERSION"), "9\n").expect("it is ours");
    let error = Cluster::start(installations().remove(0), &settings).expect_err("too old");
    assert!(matches!(&error, StartError::OtherMajor { cluster, .. } if cluster == "9"), "{error}");
}

#[test]
fn what_one_version_began_it_goes_on_with() {
    let Ok(system) = Installation::system() else { return };
    let begun_with = system.version();
    let dir = directory();
    let settings = settings(dir.path());
    let cluster = Cluster::start(system, &settings).expect("a first start");
    cluster.stop().expect("it stops");
    let now_there = installations().remove(0);
    let cluster = Cluster::start(now_there, &settings).expect("the first one is still there");
    assert_eq!(cluster.installation().version().major, begun_with.major);
}

#[test]
fn a_directory_that_is_no_cluster_is_left_alone() {
    let dir = directory();
    let settings = settings(dir.path());
    std::fs::create_dir_all(settings.data_dir.join("cluster")).expect("it is ours");
    let error = Cluster::start(installations().remove(0), &settings).expect_err("not a cluster");
    assert!(matches!(error, StartError::NotACluster { .. }), "{error}");
}

#[test]
fn a_start_that_fails_repeats_what_the_server_said() {
    let dir = directory();
    let settings = settings(dir.path());
    let installation = installations().remove(0);
    let cluster = Cluster::start(installation.clone(), &settings).expect("a first start");
    cluster.stop().expect("it stops");
    let broken = settings.data_dir.join("cluster/postgresql.conf");
    std::fs::write(broken, "no_such_setting = on\n").expect("it is ours");
    let error = Cluster::start(installation, &settings).expect_err("the file is broken");
    assert!(matches!(error, StartError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

/// What only its owner may enter: for root, like a checkout below `/root`.
fn closed_directory() -> tempfile::TempDir {
    let dir = directory();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).expect("it is ours");
    dir
}

#[test]
fn below_a_directory_only_root_may_enter_the_database_goes_elsewhere() {
    let closed = closed_directory();
    let open = directory();
    let elsewhere = Some(open.path().join("lib/confer"));
    let settings = Settings { elsewhere, ..settings(closed.path()) };
    // The binaries stand there too, where the platform's package is installed.
    let embedded = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("embedded");
    let tree = closed.path().join("tree");
    let installation = match Installation::embedded(&[embedded]) {
        None => installations().remove(0),
        Some(installed) => {
            let from = installed.bin().parent().expect("bin is inside a tree");
            let copied = Command::new("cp").arg("-R").arg(from).arg(&tree).status();
            assert!(copied.expect("cp is everywhere").success());
            Installation::embedded(std::slice::from_ref(&tree)).expect("it is whole")
        }
    };
    for _ in 0..2 {
        let cluster = Cluster::start(installation.clone(), &settings).expect("there is a way");
        assert!(answers(&cluster.url(DATABASE)));
    }
    let owner = std::os::unix::fs::MetadataExt::uid(&closed.path().metadata().expect("ours"));
    let home = settings.data_dir.canonicalize().expect("it is there");
    assert_eq!(home.starts_with(open.path().canonicalize().expect("ours")), owner == 0);
}

#[test]
fn a_directory_that_exists_and_cannot_be_entered_is_named() {
    let closed = closed_directory();
    let settings = settings(closed.path());
    std::fs::create_dir(&settings.data_dir).expect("it is ours");
    match Cluster::start(installations().remove(0), &settings) {
        Err(error @ StartError::NotTraversable { .. }) => {
            assert!(error.to_string().contains("chmod o+x"), "{error}");
        }
        // Whoever is not root runs Postgres as itself.
        other => assert!(answers(&other.expect("nothing is in the way").url(DATABASE))),
    }
}

/// Not a test of its own: what the next one starts and kills.
#[test]
fn hold_a_cluster_until_killed() {
    let Some(dir) = std::env::var_os(HOLDER) else { return };
    let dir = PathBuf::from(dir);
    let cluster = Cluster::start(installations().remove(0), &settings(&dir)).expect("a start");
    std::fs::write(dir.join("pid.new"), cluster.pid().to_string()).expect("it is ours");
    std::fs::rename(dir.join("pid.new"), dir.join("pid")).expect("it is ours");
    loop {
        std::thread::park();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn kill_minus_nine_of_the_holder_ends_the_server_and_the_directory_is_free_again() {
    let dir = directory();
    for _ in 0..2 {
        let _ = std::fs::remove_file(dir.path().join("pid"));
        let program = std::env::current_exe().expect("this program has a path");
        let mut holder = Command::new(program)
            .args(["--exact", "hold_a_cluster_until_killed"])
            .env(HOLDER, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("this program starts again");
        wait_until("the holder's server is ready", || dir.path().join("pid").exists());
        let pid = std::fs::read_to_string(dir.path().join("pid")).expect("it was written");
        let pid = pid.parse().expect("it is a number");
        assert!(runs(pid));
        // `Child::kill` is SIGKILL.
        holder.kill().expect("it runs");
        holder.wait().expect("it ended");
        wait_until("the server has ended by itself", || !runs(pid));
    }
    let installation = installations().remove(0);
    let cluster =
        Cluster::start(installation, &settings(dir.path())).expect("the directory is free");
    assert!(answers(&cluster.url(DATABASE)));
}

#[test]
fn a_server_that_was_killed_recovers_at_the_next_start() {
    let installation = installations().remove(0);
    let dir = directory();
    let settings = Settings::new(dir.path().join("postgres"));
    for _ in 0..3 {
        let cluster = Cluster::start(installation.clone(), &settings).expect("it recovers");
        assert_eq!(cluster.ended(), None);
        let killed = Command::new("kill").args(["-9", &cluster.pid().to_string()]).status();
        assert!(killed.expect("kill is everywhere").success());
        wait_until("its end is noticed", || cluster.ended().is_some());
    }
    let cluster = Cluster::start(installation, &settings).expect("it recovers");
    assert!(answers(&cluster.url(DATABASE)));
    cluster.stop().expect("it stops");
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_an_earlier_run_left_is_stopped_first() {
    use std::os::unix::process::CommandExt;
    let installation = installations().remove(0);
    let dir = directory();
    let settings = settings(dir.path());
    let cluster = Cluster::start(installation.clone(), &settings).expect("a first start");
    cluster.stop().expect("it stops");

    // The same server, started by nobody who would stop it.
    let place = settings.data_dir.join("cluster");
    let owner = std::os::unix::fs::MetadataExt::uid(&place.metadata().expect("it is there"));
    let mut left = Command::new(installation.bin().join("postgres"));
    left.arg("-D").arg(&place).args(["-c", "listen_addresses=", "-k"]).arg(&place).uid(owner);
    left.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    let mut left = left.spawn().expect("it starts");
    let left_pid = left.id();
    let reaper = std::thread::spawn(move || left.wait());
    wait_until("it is ready", || {
        let text = std::fs::read_to_string(place.join("postmaster.pid")).unwrap_or_default();
        text.contains("ready")
    });

    let cluster = Cluster::start(installation, &settings).expect("the other makes room");
    assert_ne!(cluster.pid(), left_pid);
    assert!(answers(&cluster.url(DATABASE)));
    let _ = reaper.join();
    assert!(!runs(left_pid));
}
