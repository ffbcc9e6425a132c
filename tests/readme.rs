//! Checks README and guide: the exit codes are those of the table, the commands are parsed.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use nss_cmc::error::Kind;

const README: &str = include_str!("../README.md");
const GUIDE: &str = include_str!("../docs/guide.md");
const CERTMONGER: &str = include_str!("../docs/certmonger.md");
const EST: &str = include_str!("../docs/est.md");

#[test]
fn the_exit_codes_are_the_table_s() {
    let rows: Vec<String> =
        Kind::ALL.iter().map(|r| format!("| {} | {} | {} |", r.exit, r.name, r.meaning)).collect();
    assert!(GUIDE.contains(&rows.join("\n")), "wanted:\n{}", rows.join("\n"));
}

/// Every command line of the program is parsed: it fails because of missing files, not because of
/// its arguments.
#[test]
fn the_commands_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let text = [README, GUIDE, CERTMONGER, EST].concat().replace("\\\n", " ");
    let lines = text.lines().filter_map(|l| l.strip_prefix("    nss-cmc "));
    let mut seen = 0;
    for line in lines {
        let args: Vec<&str> = line.split_whitespace().collect();
        let said = common::nss_cmc(dir.path(), &args);
        let usage = i32::from(Kind::Usage.exit());
        let file = said.err.contains("No such file");
        assert!(said.code != 0 && (said.code != usage || file), "{line}: {}", said.err);
        seen += 1;
    }
    assert!(seen > 5, "README and guide show few commands");
}
