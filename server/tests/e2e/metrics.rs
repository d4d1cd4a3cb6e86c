//! `/metrics` of a whole server, and the page in docs/ that lists it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use crate::process::Setup;

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
async fn the_page_in_docs_lists_every_metric() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let answer = reqwest::get(format!("{}/metrics", confer.url)).await.expect("it answers");
    let text = answer.text().await.expect("a text");

    let mut page = INTRODUCTION.to_owned();
    for Family { name, kind, help, labels } in families(&text) {
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
}
