//! PKICertImport -p: key, certificate and chain of a PKCS #12 file.

use std::process::Command;

use crate::common::{Folder, run, tool};
use crate::maker::{CLIENT, PAST, Pair, ca, make};
use crate::{assert_untouched, bundle, certutil_takes, database, pki_cert_import, restore};

struct Chain {
    root: Pair,
    sub: Pair,
    leaf: Pair,
}

fn chain() -> Chain {
    let root = ca("Root").usage(&[5, 6]).itself();
    let sub = ca("Sub").usage(&[5, 6]).by(&root);
    let leaf = make("admin").usage(&[0, 4]).purposes(&[CLIENT]).by(&sub);
    Chain { root, sub, leaf }
}

/// Writes the key of `leaf`, its certificate and those of `others` to `file`.
pub fn write(f: &Folder, file: &str, leaf: &Pair, others: &[&Pair]) {
    write_named(f, file, "friendly", leaf, others);
}

fn write_named(f: &Folder, file: &str, name: &str, leaf: &Pair, others: &[&Pair]) {
    f.write("leaf.pem", leaf.pem());
    f.write("leaf.key", leaf.key.private_key_to_pem_pkcs8().unwrap());
    f.write("others.pem", bundle(others));
    f.write_secret("p12pw", "Secret of the file\n");
    let args = ["pkcs12", "-export", "-in", "leaf.pem", "-inkey", "leaf.key", "-out", file];
    let more = ["-certfile", "others.pem", "-name", name, "-passout", "file:p12pw"];
    tool("openssl", f.path(), &[&args[..], &more].concat());
}

const ADMIN: [&str; 7] = ["-p", "-w", "p12pw", "-n", "admin", "-t", ",,"];

#[track_caller]
fn import(f: &Folder, more: &[&str]) -> crate::Said {
    pki_cert_import(f, "admin.p12", "C", &[&ADMIN[..], more].concat())
}

fn keys(f: &Folder) -> usize {
    f.keys().len()
}

#[test]
fn key_and_chain_come_in_when_the_leaf_is_valid() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[("root", "CT,C,C", root)]);
    write(&f, "admin.p12", leaf, &[sub, root]);
    let said = import(&f, &[]).exits(0);
    let line = "pk12util: PKCS12 IMPORT SUCCESSFUL\n";
    assert_eq!((said.out.as_str(), said.err.as_str()), (line, ""));
    assert_eq!(f.certificates(), ["Sub - TEST ,,", "admin u,u,u", "root CT,C,C"]);
    assert_eq!(keys(&f), 1);
    assert!(certutil_takes(&f, "admin", "C"));
    // Again: nothing to do.
    let bytes = f.read("db/key4.db");
    import(&f, &[]).exits(0);
    assert_eq!(f.read("db/key4.db"), bytes);
    // A certificate that is there already gets its key.
    restore(&f);
    let held = ["-A", "-n", "admin", "-t", ",,", "-a", "-f", "pw", "-i", "leaf.pem"];
    f.certutil(&held);
    import(&f, &[]).exits(0);
    assert_eq!(f.certificates(), ["Sub - TEST ,,", "admin u,u,u", "root CT,C,C"]);

    // Only the leaf: its issuer must be there.
    restore(&f);
    import(&f, &["-l"]).exits(1);
    assert_untouched(&f, "-l");
    f.write("sub.pem", sub.pem());
    f.certutil(&["-A", "-n", "sub", "-t", ",,", "-a", "-f", "pw", "-i", "sub.pem"]);
    import(&f, &["-l"]).exits(0);
    assert_eq!(f.certificates(), ["admin u,u,u", "root CT,C,C", "sub ,,"]);
}

#[test]
fn the_chain_is_verified_and_trusted_as_asked_for() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[]);
    write(&f, "admin.p12", leaf, &[root, sub]);
    let said = import(&f, &[]).exits(1);
    assert!(said.err.contains("e: Verification of certificate failed!\n"), "{}", said.err);
    assert!(said.out.is_empty(), "{}", said.out);
    assert_untouched(&f, "no trust");
    import(&f, &["-c", "-r", "CT,C,C", "-s", "V"]).exits(1);
    assert_untouched(&f, "-s V");
    import(&f, &["-c", "-r", "CT,C,C", "-s", "L"]).exits(0);
    assert_eq!(f.certificates(), ["Root - TEST CT,C,C", "Sub - TEST CT,C,C", "admin u,u,u"]);
    assert!(certutil_takes(&f, "admin", "C"));
}

#[test]
fn a_refused_file_leaves_nothing() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[("root", "CT,C,C", root)]);
    let expired = make("admin").usage(&[0, 4]).purposes(&[CLIENT]).valid(PAST).by(sub);
    let stranger = make("admin").purposes(&[CLIENT]).by(&ca("Other").itself());
    for bad in [&expired, &stranger] {
        write(&f, "admin.p12", bad, &[sub, root]);
        for more in [&[][..], &["--unsafe-keep-keys"], &["-l"], &["-c", "-r", ",,", "-s", "L"]] {
            import(&f, more).exits(1);
            assert_untouched(&f, &format!("{more:?}"));
        }
    }
    write(&f, "admin.p12", &expired, &[sub, root]);
    let before = f.state();
    let unsafely = ["-t", "P,,", "--unsafe-trust-then-verify"];
    import(&f, &unsafely).exits(1);
    assert_eq!(f.state(), before);
    // The key alone, for who asks for that.
    import(&f, &[&unsafely[..], &["--unsafe-keep-keys"]].concat()).exits(1);
    assert_eq!((f.certificates(), keys(&f)), (before.1, 1));

    restore(&f);
    write(&f, "admin.p12", leaf, &[sub]);
    f.write_secret("p12pw", "another\n");
    let said = import(&f, &[]).exits(1);
    assert!(
        said.err.starts_with("e: Unable to import certificate to NSS DB: db.\n"),
        "{}",
        said.err
    );
    f.write("admin.p12", leaf.pem());
    import(&f, &[]).exits(1);
    // No terminal to ask at.
    let args = ["PKICertImport", "-d", "db", "-f", "pw", "-p", "-i", "admin.p12", "-u", "C"];
    let said = f.nss_cmc(&[&args[..], &["-n", "admin", "-t", ",,"]].concat()).exits(1);
    assert!(said.err.contains("hint: give the file's password with -w FILE"), "{}", said.err);
    assert_untouched(&f, "unreadable");
}

#[test]
fn several_keys_are_somebody_else_s_job() {
    let Chain { root, leaf, .. } = &chain();
    let f = database(&[("root", "CT,C,C", root)]);
    // Two in one database, exported together.
    let second = make("two").purposes(&[CLIENT]).by(root);
    for (name, pair) in [("one", leaf), ("two", &second)] {
        write_named(&f, "one.p12", name, pair, &[root]);
        let args = ["-i", "one.p12", "-d", "sql:db", "-k", "pw", "-w", "p12pw"];
        run(Command::new("pk12util").current_dir(f.path()).args(args)).exits(0);
    }
    let export = ["pkcs12", "export", "admin.p12", "one", "two", "-d", "db"];
    let passwords = ["--password-file", "pw", "--pkcs12-password-file", "p12pw"];
    f.nss_cmc(&[&export[..], &passwords].concat()).exits(0);
    restore(&f);
    let said = import(&f, &[]).exits(1);
    assert!(said.err.contains("contains 2 keys, not one"), "{}", said.err);
    assert_untouched(&f, "two keys");
}
