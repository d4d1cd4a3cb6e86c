//! `/metrics` of a whole server, the page in docs/ that lists it, and the alarms in deploy/.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::process::Setup;
use crate::tls;

const INTRODUCTION: &str = "\
<!-- Generated from what a server that was just started tells; `make gen` writes it anew. -->

# Metrics

`GET /metrics`, in the text format of Prometheus, to this machine or to whoever has
[the token](config.md#metrics-token-file). Counters begin at 0 with every start. No label has the
name of a user, a room or an address. Parts that a server does not run tell nothing.

| Metric | Kind | Labels | Meaning |
| --- | --- | --- | --- |
";

/// A family of samples.
struct Family {
    name: String,
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

fn families(text: &str) -> Vec<Family> {
    let mut found: Vec<Family> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' ')) {
            let (name, help) = (name.to_owned(), help.to_owned());
            found.push(Family { name, kind: String::new(), help, labels: BTreeSet::new() });
            continue;
        }
        let family = found.last_mut().expect("a family begins with its help");
        match line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            Some((name, kind)) => {
                assert_eq!(name, family.name);
                kind.clone_into(&mut family.kind);
            }
            None => family.labels.extend(sample_labels(line, &family.name)),
        }
    }
    found
}

/// Labels of families that have no sample before something happens.
const EMPTY_AT_FIRST: [(&str, &str); 2] =
    [("confer_signaling_errors_total", "code"), ("confer_signaling_closes_total", "code")];

/// The names of a sample's labels.
fn sample_labels(sample: &str, family: &str) -> Vec<String> {
    let (name, value) = sample.rsplit_once(' ').expect("a name and a value");
    assert!(name.starts_with(family), "{sample} is not of {family}");
    assert!(value.parse::<f64>().is_ok(), "{sample} has no number");
    let labels = name.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    let named = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
    named.filter(|label| label != "le").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_in_docs_lists_every_metric_and_alarms_are_about_these() {
    let mut setup = Setup::private().argument("--tls=self-signed");
    let confer = setup.start();
    let mut stream = tls::connect(&setup, &confer).await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("a text");
    let (_, text) = answer.split_once("\r\n\r\n").expect("headers and a page");

    let mut page = INTRODUCTION.to_owned();
    for Family { name, kind, help, mut labels } in families(text) {
        let later = EMPTY_AT_FIRST.iter().filter(|(family, _)| *family == name);
        labels.extend(later.map(|(_, label)| (*label).to_owned()));
        assert!(name.ends_with("_total") == (kind == "counter"), "{name} is a {kind}");
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).expect("a text");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).expect("docs/metrics.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/metrics.md is stale: run `make gen`");

    // An alarm on something that is not there never rings.
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus/confer.rules.yml");
    let rules = std::fs::read_to_string(rules).expect("it is part of the repository");
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let named: BTreeSet<&str> = rules.split(word).filter(|it| it.starts_with("confer_")).collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is no metric");
    }
}
