//! PKICertImport's command line, and its words.

use crate::common::run;
use crate::maker::{CLIENT, Pair, ca, make};
use crate::{assert_untouched, database, pem, pki_cert_import, restore, stored};

fn admin(root: &Pair) -> Pair {
    make("PKI Administrator").usage(&[0, 4]).purposes(&[CLIENT]).by(root)
}

#[test]
fn options_are_read_as_people_have_them() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let admin = admin(&root);
    // With what `openssl pkcs12` writes in front.
    let text = format!("Bag Attributes\n    friendlyName: x\nsubject=CN = x\n{}\n", pem(&admin));
    f.write("admin.crt", text);
    f.write("admin.der", admin.der());
    let nickname = "CA Admin - Client Certificate";
    let short: &[&str] =
        &["-d", "db", "-n", nickname, "-t", ",,", "-a", "-i", "admin.crt", "-u", "C"];
    let long: &[&str] = &[
        "--database",
        "sql:db",
        "--nickname",
        nickname,
        "--trust",
        ",,",
        "--ascii",
        "--certificate",
        "admin.crt",
        "--usage",
        "C",
    ];
    let der: &[&str] = &["-d", "db", "-n", nickname, "-t", ",,", "-i", "admin.der", "-u", "Client"];
    // Of a repeated option the last counts.
    let twice: &[&str] = &[
        "-d",
        "x",
        "-d",
        "db",
        "-n",
        "x",
        "-n",
        nickname,
        "-t",
        "P,,",
        "-t",
        ",,",
        "-i",
        "x",
        "-i",
        "admin.crt",
        "-u",
        "V",
        "-u",
        "C",
        "-a",
        "-a",
    ];
    for args in [short, long, der, twice] {
        restore(&f);
        let args = [&["PKICertImport"], args, &["-f", "pw"]].concat();
        let said = f.nss_cmc(&args).exits(0);
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{args:?}");
        assert_eq!(stored(&f, nickname), pem(&admin));
        // Again: nothing to do.
        let bytes = f.read("db/cert9.db");
        f.nss_cmc(&args).exits(0);
        assert_eq!(f.read("db/cert9.db"), bytes);
    }
    // By its own name.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nss-cmc"), f.file("PKICertImport")).unwrap();
    restore(&f);
    let mut command = std::process::Command::new("./PKICertImport");
    run(command.current_dir(f.path()).args(short).args(["-f", "pw"])).exits(0);
    assert_eq!(stored(&f, nickname), pem(&admin));
}

#[test]
fn mistakes_are_said_in_the_tool_s_words() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    f.write("admin.crt", admin(&root).pem());
    let all = ["-d", "db", "-i", "admin.crt", "-n", "admin", "-t", ",,", "-u", "C", "-f", "pw"];
    let without = |option: &str| {
        let pairs = all.chunks(2).filter(|pair| pair[0] != option);
        pairs.flatten().copied().collect::<Vec<_>>()
    };
    let with = |more: &[&'static str]| [&all[..], more].concat();
    for (args, line) in [
        (vec![], "Missing NSS Database location: specify --database/-d"),
        (without("-d"), "Missing NSS Database location: specify --database/-d"),
        (without("-i"), "Missing certificate location: specify --certificate/-i"),
        (without("-n"), "Missing certificate nickname: specify --nickname/-n"),
        (without("-t"), "Missing certificate trust: specify --trust/-t"),
        (without("-u"), "Missing certificate usage: specify --usage/-u"),
        (with(&["foo"]), "Unknown argument: foo"),
        (with(&["--oops"]), "Unknown argument: --oops"),
        (with(&["-c", "-l"]), "Can't specify both --chain/-c and --leaf-only/-l"),
        (with(&["-c", "-r", ",,"]), "Can't specify --chain/-c without"),
        (with(&["-n"]), "a value is required for '--nickname"),
        (with(&["-u", "Q"]), "invalid usage \"Q\""),
        (with(&["-u", ""]), "invalid usage \"\""),
        (with(&["-t", "zz"]), "invalid trust flags \"zz\""),
        (with(&["-i", "nofile"]), "Unable to import certificate to NSS DB: db.\ne: cannot read"),
        (with(&["-i", "pw"]), "Unable to import certificate to NSS DB: db.\ne: cannot read"),
        (with(&["-d", "nodb"]), "Unable to import certificate to NSS DB: nodb.\n"),
    ] {
        let said = f.nss_cmc(&[&["PKICertImport"], &args[..]].concat()).exits(1);
        assert!(said.err.starts_with(&format!("e: {line}")), "{args:?}: {}", said.err);
        assert!(said.out.is_empty(), "{}", said.out);
        assert_untouched(&f, line);
    }
    for help in ["--help", "help"] {
        let said = f.nss_cmc(&["PKICertImport", help]).exits(0);
        assert!(said.out.contains("--unsafe-trust-then-verify"), "{}", said.out);
    }
    // No terminal to ask at.
    let trusting = ["PKICertImport", "-d", "db", "-i", "admin.crt", "-n", "admin", "-t", "P,,"];
    let said = f.nss_cmc(&[&trusting[..], &["-u", "C"]].concat()).exits(1);
    assert!(said.err.contains("password"), "{}", said.err);
    assert_untouched(&f, "no password");
}

#[test]
fn the_reason_is_certutil_s_line() {
    let (root, other) = (ca("Root").itself(), ca("Other").itself());
    let f = database(&[("root", "CT,C,C", &root)]);
    for (pair, usage) in [(admin(&other), "C"), (admin(&root), "V"), (admin(&root), "L")] {
        f.write("c.pem", pair.pem());
        restore(&f);
        let said = pki_cert_import(&f, "c.pem", usage, &["-n", "c", "-t", ",,"]).exits(1);
        assert_untouched(&f, usage);
        f.certutil(&["-A", "-n", "c", "-t", ",,", "-a", "-f", "pw", "-i", "c.pem"]);
        let line = crate::certutil_says(&f, "c", usage);
        let lines: Vec<&str> = said.err.lines().collect();
        assert_eq!(lines[..2], [&format!("e: {line}"), "e: Verification of certificate failed!"]);
    }
}
