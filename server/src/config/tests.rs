use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn sources(environment: &[(&str, &str)]) -> Sources {
    let home = [("HOME", "/nowhere/home")];
    let pairs = home.iter().chain(environment);
    Sources {
        config: None,
        flags: Vec::new(),
        environment: pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("written.toml");
    std::fs::write(&path, text).expect("a written file");
    (dir, Sources { config: Some(path), ..sources(&[]) })
}

fn flag(sources: &mut Sources, name: &str, key: &str, value: &str) {
    sources.flags.push((name.to_owned(), key.to_owned(), value.to_owned()));
}

fn complaints(sources: &Sources) -> Vec<String> {
    match Config::load(sources) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn listen(sources: &Sources) -> String {
    let listen = Config::load(sources).expect("a good configuration").http.listen;
    listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_layer_wins_over_the_ones_below_it() {
    let default = sources(&[]);
    assert_eq!(listen(&default), "127.0.0.1:7880");

    let (_dir, mut sources) =
        with_file("[http]\nlisten = \"127.0.0.1:1001\"\nheader-timeout = \"3s\"");
    assert_eq!(listen(&sources), "127.0.0.1:1001");

    sources.environment.insert("CONFER_HTTP_LISTEN".to_owned(), "127.0.0.1:1002".to_owned());
    assert_eq!(listen(&sources), "127.0.0.1:1002");

    flag(&mut sources, "--listen", "http.listen", "127.0.0.1:1003");
    assert_eq!(listen(&sources), "127.0.0.1:1003");

    let config = Config::load(&sources).expect("a good configuration");
    assert_eq!(config.http.header_timeout, Duration::from_secs(3));
}

#[test]
fn our_own_variable_wins_over_the_plain_one() {
    let both = sources(&[
        ("DATABASE_URL", "postgres://plain/x"),
        ("CONFER_DATABASE_URL", "postgres://ours/x"),
    ]);
    let config = Config::load(&both).expect("a good configuration");
    let DatabasePlace::Url(url) = config.database.place else { panic!("a named server") };
    assert_eq!(url.reveal(), "postgres://ours/x");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let config = Config::load(&sources(&[("DATABASE_URL", "")])).expect("a good configuration");
    assert!(matches!(config.database.place, DatabasePlace::Private { .. }));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_right_name() {
    let (_dir, sources) = with_file("[http]\nmax-body = \"1MiB\"\nlisen = \"127.0.0.1:1\"\n");
    let complaints = complaints(&sources);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("written.toml:3: "), "{complaints:?}");
    assert!(complaints[0].contains("`http.lisen`; did you mean `http.listen`?"), "{complaints:?}");
}

#[test]
fn an_unknown_section_is_refused_with_the_nearest_right_name() {
    let (_dir, sources) = with_file("[databse]\nurl = \"postgres://x/y\"\n");
    assert!(complaints(&sources)[0].contains("`[databse]`; did you mean `[database]`?"));
}

#[test]
fn a_key_in_the_wrong_section_is_pointed_to_the_right_one() {
    let (_dir, sources) = with_file("[http]\nudp-port = 1\n");
    assert!(complaints(&sources)[0].contains("did you mean `rtc.udp-port`?"));
}

#[test]
fn an_unknown_variable_is_refused_unless_kubernetes_sets_it() {
    let unknown =
        sources(&[("CONFER_HTTP_LISEN", "x"), ("CONFER_PORT_7880_TCP", "tcp://10.0.0.1")]);
    let complaints = complaints(&unknown);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("did you mean `CONFER_HTTP_LISTEN`?"), "{complaints:?}");
}

#[test]
fn all_mistakes_are_reported_at_once_and_from_top_to_bottom() {
    let (_dir, mut sources) =
        with_file("public-ulr = \"x\"\n[rtc]\nudp-port = 70000\ngso = \"maybe\"\n");
    flag(&mut sources, "--set", "nonsense", "1");
    let complaints = complaints(&sources);
    assert_eq!(complaints.len(), 4, "{complaints:?}");
    assert!(complaints[0].contains(":1: "), "{complaints:?}");
    assert!(complaints[1].contains("`rtc.udp-port` must be a whole number from 0 to 65535"));
    assert!(complaints[2].contains("`rtc.gso` must be true or false"));
    assert!(complaints[3].contains("flag --set: there is no setting `nonsense`"));
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let (_dir, sources) = with_file("[http]\n\nlisten = = 1\n");
    assert!(complaints(&sources)[0].contains("written.toml:3: "), "{:?}", complaints(&sources));
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let named = Sources { config: Some(PathBuf::from("/nowhere/confer.toml")), ..sources(&[]) };
    assert!(complaints(&named)[0].starts_with("cannot read /nowhere/confer.toml"));
}

#[test]
fn the_file_in_the_data_directory_is_found_and_cannot_move_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("confer.toml");
    std::fs::write(&path, "[http]\nlisten = \"127.0.0.1:1004\"\n").expect("a written file");
    let mut sources = sources(&[]);
    flag(&mut sources, "--data-dir", "data-dir", &dir.path().display().to_string());
    assert_eq!(listen(&sources), "127.0.0.1:1004");

    std::fs::write(&path, "data-dir = \"/elsewhere\"\n").expect("a written file");
    assert!(complaints(&sources)[0].contains("lies in the data directory and cannot move it"));
}

#[test]
fn a_secret_comes_from_its_file_and_not_from_two_places() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("url");
    std::fs::write(&path, "postgres://from/file\n").expect("a written file");
    let path = path.display().to_string();
    let mut sources = sources(&[("CONFER_DATABASE_URL_FILE", &path)]);
    let config = Config::load(&sources).expect("a good configuration");
    let DatabasePlace::Url(url) = config.database.place else { panic!("a named server") };
    assert_eq!(url.reveal(), "postgres://from/file");

    flag(&mut sources, "--set", "database.url", "postgres://x/y");
    assert!(complaints(&sources)[0].contains("`database.url` and `database.url-file` exclude"));
}

#[test]
fn what_is_shown_tells_origins_and_hides_secrets() {
    let sources =
        sources(&[("DATABASE_URL", "postgres://u:hunter2@h/d"), ("CONFER_RTC_SHARDS", "2")]);
    let text = show(&read(&sources).expect("good layers"));
    assert!(!text.contains("hunter2"));
    assert!(text.contains("# url is set and not shown  # environment variable DATABASE_URL"));
    assert!(text.contains("shards = 2  # environment variable CONFER_RTC_SHARDS"));
    toml::from_str::<toml::Table>(&text).expect("what is shown is TOML");
}

#[test]
fn what_is_shown_can_be_used_as_a_file() {
    let shown = show(&read(&sources(&[])).expect("good layers"));
    let (_dir, sources) = with_file(&shown);
    assert_eq!(complaints(&sources), Vec::<String>::new());
}

#[test]
fn relays_of_others_need_the_secret_they_share() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("secret");
    std::fs::write(&path, "0123456789abcdef0123456789abcdef").expect("a written file");
    let path = path.display().to_string();
    let urls = ("CONFER_TURN_URLS", "turn:a.example,turns:a.example:443?transport=tcp");
    let file = ("CONFER_TURN_SECRET_FILE", path.as_str());
    assert!(complaints(&sources(&[urls]))[0].contains("`turn.secret-file` is missing"));
    let turn = Config::load(&sources(&[urls, file])).expect("a good configuration").turn;
    assert_eq!(turn.urls.len(), 2);
    let stun = sources(&[("CONFER_TURN_URLS", "stun:a.example"), file]);
    assert!(complaints(&stun)[0].contains("`stun:a.example` must begin with turn:"));
}

#[test]
fn roles_that_cannot_work_alone_are_refused() {
    for (roles, good) in [
        ("signaling,sfu,chat", true),
        ("chat", true),
        ("signaling,chat", true),
        ("sfu", false),
        ("sfu,chat", false),
        ("signaling,sfu", false),
        (",", false),
    ] {
        let sources = sources(&[("CONFER_ROLES", roles)]);
        assert_eq!(complaints(&sources).is_empty(), good, "{roles}: {:?}", complaints(&sources));
    }
}

#[test]
fn the_example_of_the_page_names_only_settings_there_are() {
    let page = manual();
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let (_dir, sources) = with_file(example.expect("there is an example"));
    read(&sources).expect("the example is a configuration");
}

#[test]
fn the_page_in_docs_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    let page = manual();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).expect("docs/config.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/config.md is stale: run `make gen`");
}

#[test]
fn every_setting_says_what_it_is_for() {
    for section in Settings::default().sections() {
        for field in section.fields() {
            let first = field.doc.first().map_or("", |line| line.trim());
            assert!(!first.is_empty(), "{}.{}", section.name(), field.key);
        }
    }
}
