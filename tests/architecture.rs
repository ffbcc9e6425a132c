//! Checks which module uses which, by reading the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// The modules of the library and the program; each uses only those before it.
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

/// Returns the module of a file: the folder below `src`, or the file's own name.
fn module(file: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = file.strip_prefix(src).unwrap().components().next().unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Returns the modules that a file names with `crate::`.
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
fn no_module_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floor = |module: &str| ORDER.iter().position(|r| *r == module);
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let own = module(&file);
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

/// The modules of the program; only these print.
const PROGRAM: &[&str] = &["main", "cli", "dogtag_tools"];

/// Returns the lines of a file that aren't comments.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The library returns results; the code that reads the command line prints them.
#[test]
fn only_the_program_prints() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let library = sources(&src).into_iter().filter(|f| !PROGRAM.contains(&module(f).as_str()));
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

/// The program prints JSON, and Dogtag's REST interface sends it.
#[test]
fn json_is_made_by_cli_and_read_from_dogtag() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let may = |file: &Path| {
        let inner = file.strip_prefix(&src).unwrap();
        module(file) == "cli" || inner.starts_with("client/dogtag")
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

/// libsmime3 decrypts messages with the keys of the database, and knows no content type of CMC: it
/// must not read a server's message.
#[test]
fn messages_are_not_left_to_libsmime3() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [sources(&root.join("src")), sources(&root.join("nss-sys/src"))].concat() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("NSS_CMS"), "{}", file.display());
    }
}

/// A Rust enum with a value that only the C library knows would be undefined behaviour.
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

/// NSS changes its structures at any time (an import changes a certificate's nickname), so a
/// reference to a whole structure would break Rust's aliasing rules.
#[test]
fn no_reference_to_a_structure_of_nss_is_handed_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(&root.join("src/nss")) {
        let text = std::fs::read_to_string(&file).unwrap();
        // The two fields of a SECItem don't change.
        let code = text.replace("&sys::SECItem", "");
        for word in ["-> &sys::", "-> &mut sys::", "&*self.as_ptr()", "&mut *self.as_ptr()"] {
            assert!(!code.contains(word), "{}: {word}", file.display());
        }
    }
}

/// The functions that ARCHITECTURE.md names on the path of a run are in the files it names.
#[test]
fn the_paths_name_functions_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let paths = text.split("\n## ").filter(|section| section.starts_with("The path of "));
    // `file` (`function`, `function`)
    let named = regex::Regex::new("`([a-z_/]+)`[ \n]+\\((`[a-z_`, ]+`)\\)").unwrap();
    let (mut files, mut missing) = (0, Vec::new());
    for (_, [file, functions]) in
        paths.flat_map(|path| named.captures_iter(path)).map(|c| c.extract())
    {
        files += 1;
        let at = root.join("src").join(file);
        let code = std::fs::read_to_string(at.with_extension("rs"))
            .or_else(|_| std::fs::read_to_string(at.join("mod.rs")))
            .unwrap_or_else(|e| panic!("{file}: {e}"));
        for name in functions.split(", ").map(|name| name.trim_matches('`')) {
            if !["(", "<"].iter().any(|after| code.contains(&format!("fn {name}{after}"))) {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(files > 30, "{files} files are named");
}

/// Crates that are replaceable inside the library, as long as no user of it sees their types.
const INNER: &[&str] = &["rasn", "curl", "serde_json"];

/// The names of `rasn::prelude` that are in use.
const PRELUDE: &[&str] = &[
    "Any",
    "AsnType",
    "BitString",
    "Decode",
    "Encode",
    "GeneralizedTime",
    "Ia5String",
    "Integer",
    "ObjectIdentifier",
    "OctetString",
    "Oid",
    "SequenceOf",
    "SetOf",
    "Utf8String",
];

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The crates of `INNER`, and the names that a file imports from them.
fn inner_names(code: &str) -> Vec<&str> {
    let mut names = INNER.to_vec();
    for statement in code.split(';').filter_map(|s| s.rsplit_once("use ").map(|(_, path)| path)) {
        if INNER.iter().any(|inner| statement.starts_with(inner)) {
            names.extend(words(statement).filter(|w| w.starts_with(char::is_uppercase)));
            names.extend(PRELUDE.iter().filter(|_| statement.contains("prelude::*")));
        }
    }
    names
}

/// What a file declares as `pub`: functions up to their bodies, types with their attributes, public
/// fields, whole enums and traits.
fn public_declarations(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().take_while(|line| *line != "mod tests {").collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let start = line.trim_start();
        let indent = &line[..line.len() - start.len()];
        let body = || lines[at..].iter().position(|l| *l == format!("{indent}}}")).unwrap_or(0);
        let is = |kinds: &[&str]| kinds.iter().any(|kind| start.starts_with(kind));
        let mut end = at;
        if is(&["pub(crate) struct ", "pub(super) struct ", "struct "]) && start.ends_with('{') {
            // Its fields are no more public than itself.
            at += body();
        } else if is(&["pub "]) {
            if is(&["pub enum ", "pub trait "]) {
                end += body();
            } else {
                while !lines[end].ends_with(['{', '}', ';', ',']) || is_open(&lines[at..=end]) {
                    end += 1;
                }
            }
            let mut declaration = lines[at..=end].concat();
            if is(&["pub struct "]) && !declaration.contains("(pub ") {
                declaration = declaration.split('(').next().unwrap().to_owned();
            }
            let attributes = lines[..at].iter().rev().map(|l| l.trim_start());
            let attributes: String = attributes.take_while(|l| l.starts_with("#[")).collect();
            found.push(attributes + &declaration);
        }
        at = at.max(end) + 1;
    }
    found
}

/// Whether a parenthesis or an angle bracket is still open at the end of a declaration's lines.
fn is_open(lines: &[&str]) -> bool {
    let text = lines.concat().replace("->", "");
    let count = |c| text.matches(c).count();
    count('(') > count(')') || count('<') > count('>')
}

/// The face of the library: `pub` is what its users reach (the compiler denies any other), all of it
/// is documented, and it names no crate that only the inside needs.
#[test]
fn the_face_shows_types_of_its_own() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = code(&src.join("lib.rs"));
    assert!(lib.contains("deny(unreachable_pub)"), "pub isn't the face any more");
    let mut wrong = Vec::new();
    let library = sources(&src).into_iter().filter(|f| !PROGRAM.contains(&module(f).as_str()));
    // Those that asn1 hands on to the rest of the library.
    let wire = code(&src.join("asn1/cms.rs"));
    let handed_on = wire.split(';').filter(|s| s.trim_start().starts_with("pub(crate) use rasn"));
    let handed_on: Vec<&str> =
        handed_on.flat_map(words).filter(|w| w.starts_with(char::is_uppercase)).collect();
    assert!(handed_on.contains(&"ContentInfo"));
    let mut seen = 0;
    for file in library.filter(|f| module(f) != "streams") {
        let code = code(&file);
        assert!(!code.contains("doc(hidden)"), "{}", file.display());
        let inner = [inner_names(&code), handed_on.clone()].concat();
        for declaration in public_declarations(&code) {
            seen += 1;
            if words(&declaration).any(|word| inner.contains(&word)) {
                wrong.push(format!("{}: {declaration}", file.display()));
            }
        }
    }
    assert!(seen > 500, "only {seen} declarations are read");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
