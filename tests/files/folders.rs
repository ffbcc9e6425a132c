//! Databases in folders that others can write: their `pkcs11.txt` names libraries to load.

use std::os::unix::fs::symlink;

use super::*;

/// Makes a library that writes a file when it is loaded, and a database whose `pkcs11.txt` loads
/// it.
fn trapped() -> Folder {
    let f = Folder::new();
    let source = "#include <stdio.h>\n__attribute__((constructor)) static void x(void) { \
                  FILE *f = fopen(\"LOADED\", \"w\"); if (f) fclose(f); }\n";
    f.write("m.c", source.replace("LOADED", f.file("loaded").to_str().unwrap()));
    run(Command::new("cc").current_dir(f.path()).args(["-shared", "-fPIC", "-o", "m.so", "m.c"]))
        .exits(0);
    let library = f.file("m.so");
    let text = String::from_utf8(f.read("db/pkcs11.txt")).unwrap();
    f.write("db/pkcs11.txt", format!("{text}\nlibrary={}\nname=trap\n", library.display()));
    f
}

#[test]
fn what_needs_no_database_loads_none() {
    let f = trapped();
    let root = env!("CARGO_MANIFEST_DIR");
    let response = format!("{root}/tests/vectors/01-rsa-server/response.der");
    recipient(&f);
    let db = f.file("db");
    let revoke = [
        "revRequest.enable=true\nrevRequest.serial=1\nrevRequest.reason=superseded",
        "revRequest.issuer=CN=ca\nrevRequest.sharedSecret=Pass.Phrase\noutput=rev\n",
    ];
    f.write("db/r.cfg", revoke.join("\n"));
    let said = common::nss_cmc(&db, &["CMCResponse", "-i", &response, "-o", "chain"]).exits(0);
    assert!(said.err.contains("not verified"), "{}", said.err);
    common::nss_cmc(&db, &["cmc", "show", &response]).exits(0);
    common::nss_cmc(&db, &["CMCRequest", "r.cfg"]).exits(0);
    common::nss_cmc(&db, &["CMCSharedToken", "-b", "../ca.pem", "-s", "x"]).exits(0);
    let args = ["shared-token", "--cert", "../ca.pem", "--shared-secret-file", "../pw"];
    common::nss_cmc(&db, &args).exits(0);
    assert!(!f.file("loaded").exists());
    // The trap works: with -d the database is opened.
    common::nss_cmc(&db, &["CMCResponse", "-d", ".", "-i", &response]);
    assert!(f.file("loaded").exists());
}

/// A revocation by the certificate `ca`, which doesn't exist.
const REVOKE: &str = "nickname=ca\nrevRequest.enable=true\nrevRequest.serial=1\n\
                      revRequest.reason=superseded\nrevRequest.issuer=CN=a\noutput=o\n";

/// Returns each tool whose default database is the current folder.
fn tools() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("PKCS10Client", vec!["-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", "a.req"]),
        ("CRMFPopClient", vec!["-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", "b.req"]),
        ("CMCSharedToken", vec!["-n", "ca", "-s", "x", "-p", PASSWORD]),
        ("CMCRequest", vec!["r.cfg"]),
    ]
}

#[track_caller]
fn refused(f: &Folder, loaded: bool) {
    let db = f.file("db");
    f.write("db/r.cfg", format!("{REVOKE}password={PASSWORD}\n"));
    mode(&f.file("db/r.cfg"), 0o600);
    for (tool, args) in tools() {
        let said = common::nss_cmc(&db, &[&[tool], &args[..]].concat()).exits(1);
        let both = said.out + &said.err;
        assert!(both.contains("NSS_CMC_ALLOW_UNSAFE_DATABASE=1"), "{tool}: {both}");
        assert!(!f.file("loaded").exists(), "{tool}");
    }
    let allowed = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(&db)
        .env("NSS_CMC_ALLOW_UNSAFE_DATABASE", "1")
        .args(["PKCS10Client", "-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", "a.req"]));
    allowed.exits(0);
    if loaded {
        assert!(f.file("loaded").exists());
        std::fs::remove_file(f.file("loaded")).unwrap();
    }
    // A database given with an option is used, with a warning.
    let named =
        ["PKCS10Client", "-d", ".", "-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", "a.req"];
    let said = common::nss_cmc(&db, &named).exits(0);
    assert!(said.err.contains("warning: ") && said.err.contains("write"), "{}", said.err);
    let said = csr(f, &["--subject", "CN=a", "--output", "json"]).exits(0);
    assert!(said.json()["warnings"][0].as_str().unwrap().contains("db"), "{}", said.out);
}

#[test]
fn a_folder_others_can_write_is_not_the_default_database() {
    let f = trapped();
    for (path, bits, good) in [
        ("db", 0o777, 0o700),
        ("db", 0o1777, 0o755),
        ("db", 0o770, 0o700),
        ("db/pkcs11.txt", 0o666, 0o600),
        ("db/cert9.db", 0o620, 0o600),
        ("db/key4.db", 0o602, 0o600),
    ] {
        mode(&f.file(path), bits);
        refused(&f, true);
        mode(&f.file(path), good);
        std::fs::remove_file(f.file("loaded")).ok();
    }
    // A link to a file that others can write counts as such a file.
    std::fs::rename(f.file("db/pkcs11.txt"), f.file("modules")).unwrap();
    symlink("../modules", f.file("db/pkcs11.txt")).unwrap();
    mode(&f.file("modules"), 0o666);
    refused(&f, true);
    mode(&f.file("modules"), 0o600);
    std::fs::remove_file(f.file("loaded")).ok();
    // A database that only its owner can write is used without a warning.
    let db = f.file("db");
    let args = ["PKCS10Client", "-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", "a.req"];
    let said = common::nss_cmc(&db, &args).exits(0);
    assert_eq!(said.err, "");
    assert_eq!(
        csr(&f, &["--subject", "CN=a", "--output", "json"]).exits(0).json()["warnings"][0],
        serde_json::Value::Null
    );
}

#[test]
fn a_stranger_s_folder_is_not_the_default_database() {
    if !is_root() {
        return;
    }
    let f = trapped();
    for path in ["db", "db/pkcs11.txt", "db/cert9.db", "db/key4.db"] {
        give(&f.file(path));
        refused(&f, true);
        std::os::unix::fs::chown(f.file(path), Some(0), Some(0)).unwrap();
        std::fs::remove_file(f.file("loaded")).ok();
    }
    // The databases of root and of the user itself are used.
    let g = Folder::new();
    mode(g.path(), 0o755);
    for path in ["db", "db/pkcs11.txt", "db/cert9.db", "db/key4.db"] {
        mode(&g.file(path), if path == "db" { 0o755 } else { 0o644 });
    }
    let db = g.file("db");
    let args = ["CMCSharedToken", "-n", "ca", "-s", "x", "-p", PASSWORD];
    let said = as_stranger(&db, &args).exits(1);
    assert!(!said.err.contains("UNSAFE"), "{}", said.err);
}

#[test]
fn every_verb_warns_of_a_database_others_can_write() {
    let f = Folder::new();
    mode(&f.file("db"), 0o777);
    let response =
        format!("{}/tests/vectors/01-rsa-server/response.der", env!("CARGO_MANIFEST_DIR"));
    f.write("h.cfg", "host=127.0.0.1\nport=1\ninput=db/cert9.db\noutput=o\ndbdir=db\nservlet=/x\n");
    f.write("r.cfg", format!("dbdir=db\n{REVOKE}password={PASSWORD}\n"));
    let cert = ["-d", "db", "--nickname", "x"];
    for args in [
        vec!["CMCResponse", "-d", "db", "-i", &response],
        vec!["CMCRevoke", "-ddb", "-nx", "-iCN=a", "-s1", "-m0", "-p", PASSWORD],
        vec!["CMCSharedToken", "-d", "db", "-n", "ca", "-s", "x", "-p", PASSWORD],
        vec!["CRMFPopClient", "-d", "db", "-n", "CN=a", "-p", PASSWORD, "-a", "ec"],
        vec!["HttpClient", "h.cfg"],
        vec!["CMCRequest", "r.cfg"],
        vec!["cmc", "show", &response, "-d", "db"],
        [&["shared-token", "--shared-secret-file", "pw"], &cert[..]].concat(),
        [&["revoke", "--ca", "https://127.0.0.1:1", "--password-file", "pw"], &cert[..]].concat(),
        vec![
            "enroll",
            "-d",
            "db",
            "--password-file",
            "pw",
            "--ca",
            "https://127.0.0.1:1",
            "--profile",
            "x",
            "--signer",
            "s",
            "--subject",
            "CN=a",
            "--nickname",
            "a",
        ],
    ] {
        let said = f.nss_cmc(&args);
        let warned = said.err.lines().any(|l| l.contains("arning") && l.contains("database db"));
        assert!(warned, "{args:?}: {}", said.err);
    }
}
