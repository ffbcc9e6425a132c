//! traps.md names a test for each trap: it has to be there.
#![allow(clippy::unwrap_used, clippy::panic)]

#[test]
fn each_trap_has_its_test() {
    let mut seen = 0;
    for row in
        include_str!("traps.md").lines().filter(|l| l.starts_with("| ") && l.contains(".rs` "))
    {
        let cell = row.trim_end_matches(" |").rsplit("| ").next().unwrap();
        let (file, name) = cell.trim_start_matches("Dogtag ").split_once(' ').unwrap();
        let path = format!("{}/tests/{}", env!("CARGO_MANIFEST_DIR"), file.trim_matches('`'));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let (before, _) = text
            .split_once(&format!("fn {name}() {{"))
            .unwrap_or_else(|| panic!("{path} has no {name}"));
        assert!(before.trim_end().lines().rev().take(3).any(|l| l == "#[test]"), "{name}");
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}
