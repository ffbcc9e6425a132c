//! Imports into a token beside the database's own (SoftHSM), and into a database in FIPS mode.

use std::path::Path;
use std::process::Command;

use crate::common::{Folder, PASSWORD, Said, run, tool};
use crate::maker::{CLIENT, PAST, Pair, ca, make};
use crate::{assert_untouched, certutil_takes, database, pki_cert_import, restore};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";

fn command(f: &Folder, program: &str, args: &[&str]) -> Said {
    let mut command = Command::new(program);
    command.current_dir(f.path()).env("SOFTHSM2_CONF", f.file("softhsm.conf"));
    run(command.args(args))
}

fn admin(root: &Pair) -> Pair {
    make("admin").usage(&[0, 4]).purposes(&[CLIENT]).by(root)
}

#[test]
fn a_certificate_goes_where_it_is_told_and_its_trust_into_the_database() {
    assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    std::fs::create_dir(f.file("tokens")).unwrap();
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
    let pins = ["--init-token", "--free", "--label", "HSM", "--so-pin", "0000", "--pin", "1234"];
    command(&f, "softhsm2-util", &pins).exits(0);
    let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
    command(&f, "modutil", &add).exits(0);
    f.write_secret("pins", format!("internal:{PASSWORD}\nHSM:1234\n"));
    f.write_secret("theirs", format!("NSS Certificate DB:{PASSWORD}\nHSM:1234\n"));
    let list = |f: &Folder| {
        let args = ["-L", "-h", "HSM", "-d", "sql:db", "-f", "theirs"];
        let said = command(f, "certutil", &args);
        said.out.lines().filter(|l| l.contains("HSM:")).count()
    };
    let ours = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_nss-cmc");
        let tool = ["PKICertImport", "-d", "db", "-f", "pins", "-h", "HSM", "-u", "C"];
        command(&f, program, &[&tool[..], &["-n", "admin"], args].concat())
    };
    // Refused: neither place is changed.
    let expired = make("admin").usage(&[0, 4]).purposes(&[CLIENT]).valid(PAST).by(&root);
    crate::pkcs12::write(&f, "admin.p12", &expired, &[&root]);
    ours(&["-p", "-w", "p12pw", "-i", "admin.p12", "-t", ",,"]).exits(1);
    ours(&["-i", "leaf.pem", "-t", ",,"]).exits(1);
    assert_eq!(list(&f), 0);
    assert_untouched(&f, "HSM");
    let undone = ["-p", "-w", "p12pw", "-i", "admin.p12", "-t", "P,,"];
    ours(&[&undone[..], &["--unsafe-trust-then-verify"]].concat()).exits(1);
    assert_eq!((list(&f), f.certificates()), (0, vec!["root CT,C,C".into()]));

    crate::pkcs12::write(&f, "admin.p12", &admin(&root), &[&root]);
    ours(&["-p", "-w", "p12pw", "-i", "admin.p12", "-t", "P,,"]).exits(0);
    assert_eq!(list(&f), 1);
    let keys = command(&f, "certutil", &["-K", "-h", "HSM", "-d", "sql:db", "-f", "theirs"]);
    assert!(keys.out.contains("admin"), "{}", keys.out);
    // Again: nothing to do.
    ours(&["-i", "leaf.pem", "-t", "P,,"]).exits(0);
    let verify = ["cert", "verify", "HSM:admin", "-d", "db", "--password-file", "pins"];
    let verify = [&verify[..], &["--usage", "client"]].concat();
    command(&f, env!("CARGO_BIN_EXE_nss-cmc"), &verify).exits(0);
}

#[test]
fn the_password_is_asked_for_only_when_it_is_needed() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let without = |file: &str, nickname: &str, more: &[&str]| {
        let args = ["cert", "import", file, "-d", "db", "--nickname", nickname];
        f.nss_cmc(&[&args[..], more, &["--output", "json"]].concat())
    };
    let needed = |file: &str, nickname: &str, more: &[&str]| {
        restore(&f);
        let said = without(file, nickname, more).exits(2);
        assert!(said.out.contains("password of token internal"), "{more:?}: {}", said.out);
        assert_untouched(&f, &format!("{more:?}"));
    };
    f.write("admin.pem", admin(&root).pem());
    f.write("root.pem", root.pem());
    let client = ["--usage", "client"];
    let report = without("admin.pem", "admin", &client).exits(0).json();
    assert_eq!(
        (&report["status"], &report["result"]["has_key"]),
        (&"imported".into(), &false.into())
    );
    assert_eq!(f.certificates(), ["admin ,,", "root CT,C,C"]);
    // The same trust again needs none, another does; so does the usage of a key.
    for (file, nickname, more) in [
        ("admin.pem", "admin", &["--usage", "client", "--trust", ",,"][..]),
        ("root.pem", "root", &["--trust", "CT,C,C"]),
    ] {
        let report = without(file, nickname, more).exits(0).json();
        assert_eq!(report["changed"], false, "{more:?}");
    }
    needed("admin.pem", "admin", &["--usage", "client", "--trust", "P,,"]);
    needed("root.pem", "root", &["--trust", ",,"]);
    needed("admin.pem", "admin", &[]);
    restore(&f);
    f.write("chain.pem", crate::bundle(&[&admin(&root), &root]));
    let chain = ["--usage", "client", "--chain-trust"];
    without("chain.pem", "admin", &[&chain[..], &["CT,C,C"]].concat()).exits(0);
    needed("chain.pem", "admin", &[&chain[..], &["C,C,C"]].concat());
    // A wrong one isn't tried where none is needed.
    restore(&f);
    f.write_secret("wrong", "wrong\n");
    without("admin.pem", "admin", &[&client[..], &["--password-file", "wrong"]].concat()).exits(0);
    let trust = ["--trust", "P,,", "--password-file", "wrong"];
    without("admin.pem", "admin", &[&client[..], &trust].concat()).exits(11);

    // The public half shows that the key is there.
    f.write("root.key", root.key.private_key_to_pem_pkcs8().unwrap());
    let create = ["csr", "create", "-d", "db", "--password-file", "pw", "--key-type", "ec"];
    f.nss_cmc(&[&create[..], &["--subject", "CN=own", "--out", "own.csr"]].concat()).exits(0);
    let sign = "openssl x509 -req -in own.csr -CA root.pem -CAkey root.key -set_serial 7 \
                -days 30 -out own.pem";
    tool("sh", f.path(), &["-c", sign]);
    let report = without("own.pem", "own", &client).exits(0).json();
    assert_eq!(report["result"]["has_key"], true, "{report}");
    assert!(f.certificates().contains(&"own u,u,u".to_owned()));

    let f = database(&[("root", "CT,C,C", &root)]);
    tool("modutil", f.path(), &["-fips", "true", "-dbdir", "sql:db", "-force"]);
    f.write("admin.pem", admin(&root).pem());
    let args = ["cert", "import", "admin.pem", "-d", "db", "--nickname", "admin"];
    let said = f.nss_cmc(&[&args[..], &client].concat()).exits(11);
    assert!(said.err.contains("FIPS mode: its password is required"), "{}", said.err);
}

#[test]
fn a_database_in_fips_mode() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    tool("modutil", f.path(), &["-fips", "true", "-dbdir", "sql:db", "-force"]);
    crate::pkcs12::write(&f, "admin.p12", &admin(&root), &[&root]);
    pki_cert_import(&f, "leaf.pem", "C", &["-n", "admin", "-t", ",,"]).exits(0);
    assert!(certutil_takes(&f, "admin", "C"));
    let args = ["-p", "-w", "p12pw", "-n", "admin", "-t", ",,"];
    pki_cert_import(&f, "admin.p12", "C", &args).exits(0);
    let list = f.certutil(&["-L", "-f", "pw"]);
    assert!(list.lines().any(|l| l.starts_with("admin ") && l.contains("u,u,u")), "{list}");
}
