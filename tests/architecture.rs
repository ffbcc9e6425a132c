//! Which module may use which: the arrows of the design, read from the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// A folder or file below `src`, and what no line of it may name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("asn1", &["crate::nss", "crate::bridge", "crate::transport", "crate::ops", "crate::cmc"]),
    ("cmc", &["crate::nss", "crate::bridge", "crate::transport", "crate::config", "crate::ops"]),
    ("text", &["crate::nss", "crate::bridge", "crate::transport", "crate::ops"]),
    ("nss", &["crate::cmc", "crate::ops", "crate::transport", "crate::bridge", "crate::asn1"]),
    ("bridge", &["crate::cmc", "crate::ops", "crate::cli"]),
    ("transport.rs", &["crate::cmc", "crate::ops", "crate::cli"]),
    ("ops", &["crate::cli", "crate::compat", "println!", "eprintln!"]),
    ("cmc", &["println!", "eprintln!"]),
    ("nss", &["println!", "eprintln!"]),
    ("transport.rs", &["println!", "eprintln!"]),
];

fn sources(at: &Path) -> Vec<PathBuf> {
    if at.is_file() {
        return vec![at.to_owned()];
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at).unwrap_or_else(|e| panic!("{}: {e}", at.display())) {
        found.extend(sources(&entry.unwrap().path()));
    }
    found.retain(|p| p.extension().is_some_and(|e| e == "rs"));
    found
}

#[test]
fn modules_keep_to_their_arrows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (part, forbidden) in FORBIDDEN {
        for file in sources(&src.join(part)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            for line in code {
                for word in forbidden.iter().filter(|w| line.contains(**w)) {
                    wrong.push(format!("{}: {word}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_main_ends_the_process_and_only_nss_and_bridge_are_unsafe() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&src) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("process::exit"), "{}", file.display());
        let inner = file.strip_prefix(&src).unwrap();
        let may = inner.starts_with("nss") || inner.starts_with("bridge");
        let is_unsafe = text.lines().any(|l| l.contains("unsafe {") || l.contains("unsafe fn"));
        assert!(may || !is_unsafe, "{}", file.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
    }
}

/// A Rust enum would make a value that C has and we don't know undefined behaviour.
#[test]
fn enumerations_of_c_stay_numbers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(&root.join("nss-sys/src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let enums: Vec<&str> = text.lines().filter(|l| l.contains("pub enum ")).collect();
        assert!(enums.is_empty(), "{}: {enums:?}", file.display());
        assert!(text.contains("pub const"), "{}: no constants", file.display());
    }
    for part in ["src/nss", "src/bridge"] {
        for file in sources(&root.join(part)) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains("transmute"), "{}", file.display());
        }
    }
}

/// NSS writes into its structures behind our back (an import gives a certificate another nickname):
/// a reference to a whole one, whose fields don't change as long as it lives, would be a lie.
#[test]
fn no_reference_to_a_structure_of_nss_is_handed_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(&root.join("src/nss")) {
        let text = std::fs::read_to_string(&file).unwrap();
        // An item is two fields that stay as they are.
        let code = text.replace("&sys::SECItem", "");
        for word in ["-> &sys::", "-> &mut sys::", "&*self.as_ptr()", "&mut *self.as_ptr()"] {
            assert!(!code.contains(word), "{}: {word}", file.display());
        }
    }
}
