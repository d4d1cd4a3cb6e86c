//! The tables of `docs/turn.md`: no empty cell, and every test that is named exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HEAD: &str = "| Section | What we do | Test |";
/// Far fewer than the page has: reading nothing must not pass.
const LINES: usize = 30;

/// The lines of all conformance tables, as cells.
fn lines(page: &str) -> Vec<Vec<&str>> {
    let tables = page.split(HEAD).skip(1);
    let rows =
        tables.flat_map(|rest| rest.lines().skip(2).take_while(|line| line.starts_with('|')));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

fn tests_under(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            tests_under(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("Rust is UTF-8");
            let names = source.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_line_of_the_conformance_tables_has_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/turn.md")).expect("the page is there");
    let mut tests = BTreeSet::new();
    tests_under(&root.join("turn"), &mut tests);

    let lines = lines(&page);
    assert!(lines.len() >= LINES, "{} lines", lines.len());
    for line in lines {
        let [section, _, named] = line.as_slice() else { panic!("not three cells: {line:?}") };
        assert!(line.iter().all(|cell| !cell.is_empty()), "an empty cell: {line:?}");
        let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test for {section}");
        for name in named {
            assert!(tests.contains(name), "{section} names {name}, which is no test");
        }
    }
}
