//! Help, and errors for incomplete command lines.

use super::*;

#[test]
fn help_finds_commands_within_commands() {
    let f = Folder::bare();
    for (topic, usage, words) in [
        ("enroll", "Usage: nss-cmc enroll ", "--nickname"),
        ("csr", "Usage: nss-cmc csr ", "create"),
        ("csr create", "Usage: nss-cmc csr create ", "--key-type"),
        ("cmc", "Usage: nss-cmc cmc ", "show"),
        ("cmc show", "Usage: nss-cmc cmc show ", "--verify"),
        ("cmc send", "Usage: nss-cmc cmc send ", "--out"),
        ("revoke", "Usage: nss-cmc revoke ", "--serial"),
        ("shared-token", "Usage: nss-cmc shared-token ", "--uid"),
        ("help", "Usage: nss-cmc help ", "exit-codes"),
        ("exit-codes", "exit  kind", "database"),
        ("CMCRequest", "Usage: CMCRequest", "dbdir"),
        ("PKCS10Client", "Usage: PKCS10Client", "-n"),
        ("CMCResponse", "Usage: CMCResponse", "-i"),
    ] {
        let words_of = topic.split(' ').collect::<Vec<_>>();
        let said = f.nss_cmc(&[&["help"], &words_of[..]].concat()).exits(0);
        assert!(said.out.contains(usage) && said.out.contains(words), "{topic}: {}", said.out);
    }
    for wrong in [vec!["nothing"], vec!["cmc", "nothing"], vec!["enroll", "create"]] {
        let said = f.nss_cmc(&[&["help"], &wrong[..]].concat()).exits(2);
        assert!(said.err.contains(wrong[wrong.len() - 1]), "{}", said.err);
    }
    let by_flag = f.nss_cmc(&["csr", "create", "--help"]).exits(0).out;
    assert!(by_flag.contains("Usage: nss-cmc csr create "), "{by_flag}");
    // Whatever the program's file is called.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nss-cmc"), f.file("other")).unwrap();
    for args in [["help", "enroll"], ["enroll", "--help"]] {
        let said = run(Command::new(f.file("other")).args(args)).exits(0);
        assert!(said.out.contains("Usage: nss-cmc enroll "), "{}", said.out);
    }
}

#[test]
fn a_bare_enroll_names_everything_that_is_missing() {
    let f = Folder::bare();
    let all = [
        "--database",
        "--ca",
        "--profile",
        "--signer",
        "--identification",
        "--subject",
        "--csr",
        "--nickname",
    ];
    let said = f.nss_cmc(&["enroll"]).exits(2);
    for option in all {
        assert!(said.err.contains(option), "{option}: {}", said.err);
    }
    let said = f.nss_cmc(&["enroll", "--output", "json"]).exits(2).json();
    let msg = said["msg"].as_str().unwrap();
    for option in all {
        assert!(msg.contains(option), "{option}: {msg}");
    }
    // Given options aren't reported as missing; an EST server needs no profile.
    let said = f.nss_cmc(&["enroll", "-d", "db", "--identification", "u"]).exits(2);
    for option in ["--ca", "--subject", "--nickname"] {
        assert!(said.err.contains(option), "{option}: {}", said.err);
    }
    let missing = said.err.split("Usage:").next().unwrap();
    assert!(!missing.contains("--signer") && !missing.contains("--database"), "{}", said.err);
    let base =
        ["enroll", "-d", "db", "--signer", "s", "--subject", "CN=a", "--nickname", "n", "--ca"];
    let said = f.nss_cmc(&[&base[..], &["https://h:8443"]].concat()).exits(2);
    assert!(said.err.contains("--profile"), "{}", said.err);
    let est = "https://h/.well-known/est/fullcmc";
    let said = f.nss_cmc(&[&base[..], &[est]].concat()).exits(10);
    assert!(!said.err.contains("--profile"), "{}", said.err);
}

#[test]
fn enroll_s_options_are_in_groups_with_examples() {
    let f = Folder::bare();
    let help = f.nss_cmc(&["enroll", "--help"]).exits(0).out;
    let at = |words: &str| help.find(words).unwrap_or_else(|| panic!("{words}: {help}"));
    let groups = ["Database:", "CA:", "Authentication:", "Key:", "Names:", "Output:", "Renewal:"];
    for pair in groups.windows(2) {
        assert!(at(&format!("\n{}\n", pair[0])) < at(&format!("\n{}\n", pair[1])), "{pair:?}");
    }
    let group_of = |option: &str| {
        let mut group = "";
        for line in help.lines() {
            group = groups.into_iter().find(|g| *g == line).unwrap_or(group);
            let names = line.trim_start().trim_start_matches("-d, ");
            if line.starts_with("  ") && names.split(' ').next() == Some(option) {
                return group;
            }
        }
        panic!("{option}: {help}");
    };
    for (option, group) in [
        ("--database", "Database:"),
        ("--password-file", "Database:"),
        ("--key-type", "Key:"),
        ("--subject", "Names:"),
        ("--dns", "Names:"),
        ("--nickname", "Names:"),
        ("--signer", "Authentication:"),
        ("--shared-secret-file", "Authentication:"),
        ("--ca", "CA:"),
        ("--profile", "CA:"),
        ("--timeout", "CA:"),
        ("--chain-out", "Output:"),
        ("--force", "Renewal:"),
        ("--require-names", "Names:"),
        ("--lock-timeout", "Database:"),
    ] {
        assert_eq!(group_of(option), group, "{option}");
    }
    assert!(help.matches("nss-cmc enroll -d").count() >= 3, "{help}");
    // The examples are parsed.
    let text = help.split("Examples:").nth(1).unwrap().replace("\\\n", " ");
    let mut seen = 0;
    for line in text.lines().filter_map(|l| l.trim().strip_prefix("nss-cmc ")) {
        let said = f.nss_cmc(&line.split_whitespace().collect::<Vec<_>>());
        assert!(said.code != 2 || said.err.contains("No such file"), "{line}: {}", said.err);
        seen += 1;
    }
    assert!(seen >= 3, "{text}");
}
