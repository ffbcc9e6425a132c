//! What the README says of exit codes is what the table says.

use nss_cmc::error::Kind;

#[test]
fn the_exit_codes_are_the_table_s() {
    let readme = include_str!("../README.md");
    let rows: Vec<String> =
        Kind::ALL.iter().map(|r| format!("| {} | {} | {} |", r.exit, r.name, r.meaning)).collect();
    assert!(readme.contains(&rows.join("\n")), "wanted:\n{}", rows.join("\n"));
}
