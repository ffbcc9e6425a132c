//! docs/rfc10002.md names a test in each row, and each test exists.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

const TABLE: &str = include_str!("../docs/rfc10002.md");

/// Returns the tests that a text names: `path::function` in backquotes.
fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|word| word.split_once(".rs::")).collect()
}

#[test]
fn every_row_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (table, _) = TABLE.split_once("## Where Dogtag departs").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut seen = 0;
    for row in rows {
        let tests = named(row.rsplit('|').nth(1).unwrap());
        assert!(!tests.is_empty(), "no test: {row}");
        for (file, function) in tests {
            let path = root.join(file).with_extension("rs");
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
            let (before, _) = text
                .split_once(&format!("fn {function}()"))
                .unwrap_or_else(|| panic!("{file} has no {function}"));
            assert!(before.trim_end().ends_with(']'), "{file}: {function} is no test");
            seen += 1;
        }
    }
    assert!(seen > 45, "{seen}");
}

#[test]
fn the_table_has_every_control() {
    let source = include_str!("../src/cmc/control.rs");
    let (_, table) = source.split_once("\ncontrols! {").unwrap();
    let (table, _) = table.split_once("\n}\n").unwrap();
    let names = table.lines().filter_map(|line| line.trim().strip_prefix("/// "));
    let names = names.filter_map(|doc| doc.split([' ', ',']).next());
    let mut seen = 0;
    for name in names.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric())) {
        assert!(TABLE.contains(name), "{name} is not in the table");
        seen += 1;
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn the_rules_that_dogtag_departs_by_exist() {
    let (_, table) = TABLE.split_once("## Where Dogtag departs").unwrap();
    let rules: Vec<&str> =
        nss_cmc::inspect::judge::Rule::ALL.iter().map(|rule| rule.name()).collect();
    let named = table.split('`').skip(1).step_by(2).filter(|word| !word.contains(' '));
    let named: Vec<&str> = named.filter(|word| word.contains('_')).collect();
    assert!(named.len() >= 3);
    for name in named {
        assert!(rules.contains(&name), "{name}");
    }
}
