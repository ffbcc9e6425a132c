//! Which module may use which: the arrows of the design, read from the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// The rooms, from the ground up: what one of them uses stands before it.
const ORDER: &[&str] = &[
    "text",
    "error",
    "algorithm",
    "keyid",
    "secret",
    "nss",
    "asn1",
    "cmc",
    "inspect",
    "trust",
    "interrupt",
    "http",
    "client",
    "streams",
    "cli",
    "dogtag_tools",
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

/// The room of a file: the folder below `src` it is in, or its own name.
fn room(file: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = file.strip_prefix(src).unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The rooms that a file names by `crate::`.
fn used(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    let mut used = Vec::new();
    for (at, _) in code
        .clone()
        .flat_map(|line| line.match_indices("crate::").map(move |(i, _)| (&line[i + 7..], ())))
    {
        let word: String = at.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        used.push(word);
    }
    used
}

#[test]
fn no_room_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floor = |room: &str| ORDER.iter().position(|r| *r == room);
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let own = room(&file);
        if ["lib", "main"].contains(&own.as_str()) {
            continue;
        }
        let Some(own) = floor(&own) else { panic!("{} has no place in the order", file.display()) };
        for used in used(&file) {
            if floor(&used).is_none_or(|used| used > own) {
                wrong.push(format!("{} uses {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The rooms of the program, which alone talks to people.
const PROGRAM: &[&str] = &["main", "cli", "dogtag_tools"];

/// The lines of a file that aren't comments.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What is said to people is decided where the command line is read; the library returns it.
#[test]
fn only_the_program_prints() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let library = sources(&src).into_iter().filter(|f| !PROGRAM.contains(&room(f).as_str()));
    let mut wrong = Vec::new();
    for file in library {
        let code = code(&file);
        for word in ["print!(", "println!("] {
            if code.contains(word) {
                wrong.push(format!("{} has {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// JSON is what the program makes of results, and what Dogtag's REST interface speaks.
#[test]
fn json_is_made_by_cli_and_read_from_dogtag() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let may = |file: &Path| {
        let inner = file.strip_prefix(&src).unwrap();
        room(file) == "cli" || inner.starts_with("client/dogtag")
    };
    let files = sources(&src).into_iter().filter(|f| !may(f) && code(f).contains("serde_json"));
    let wrong: Vec<PathBuf> = files.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_main_ends_the_process_and_only_nss_and_bridge_are_unsafe() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&src) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("process::exit"), "{}", file.display());
        let inner = file.strip_prefix(&src).unwrap();
        let may = inner.starts_with("nss") || inner.starts_with("http/bridge");
        let is_unsafe = text.lines().any(|l| l.contains("unsafe {") || l.contains("unsafe fn"));
        assert!(may || !is_unsafe, "{}", file.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
    }
}

/// libsmime3 decrypts what it is given with the keys of the database, and knows no content type of CMC:
/// no message of a server reaches it.
#[test]
fn messages_are_not_left_to_libsmime3() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [sources(&root.join("src")), sources(&root.join("nss-sys/src"))].concat() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("NSS_CMS"), "{}", file.display());
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
    for part in ["src/nss", "src/http/bridge"] {
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
