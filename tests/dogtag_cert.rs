//! PKICertImport beside the real one: the same certificates, the same verdicts; and where the real one
//! is wrong, both are shown.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[allow(dead_code)]
#[path = "believing/maker.rs"]
mod maker;
#[path = "cert_import/table.rs"]
mod table;

use common::dogtag::{Lab, client_file, folder, java, lab, listing, url};
use common::{Folder, PASSWORD, Said, listed, tool};
use maker::{PAST, Pair, SERVER, ca, make};
use table::{ALL, USAGES, Wrong, certificate, root};

/// A database `db` with these certificates (nickname, trust flags, certificate), and a copy of it in
/// `pristine`.
fn database(name: &str, held: &[(&str, &str, &Pair)]) -> Folder {
    let f = folder(name);
    tool("rm", f.path(), &["-r", "db"]);
    f.make_database();
    for (nickname, trust, pair) in held {
        f.write("held.pem", pair.pem());
        f.certutil(&["-A", "-n", nickname, "-t", trust, "-a", "-f", "pw", "-i", "held.pem"]);
    }
    tool("cp", f.path(), &["-r", "db", "pristine"]);
    f
}

fn restore(f: &Folder) {
    tool("rm", f.path(), &["-r", "db"]);
    tool("cp", f.path(), &["-r", "pristine", "db"]);
}

/// Exit codes of ours and of the real one on the same database, and what each leaves in it.
struct Both {
    ours: Said,
    left_by_ours: Vec<String>,
    real: Said,
    left_by_real: Vec<String>,
}

fn both(f: &Folder, more: &[&str]) -> Both {
    let args = [&["PKICertImport", "-d", "db", "-f", "pw"], more].concat();
    restore(f);
    let ours = f.nss_cmc(&args);
    let left_by_ours = listed(&listing(f, "db"));
    restore(f);
    let real = java(f, &args);
    Both { ours, left_by_ours, real, left_by_real: listed(&listing(f, "db")) }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_verdicts_are_the_real_tool_s() {
    let root = root();
    for wrong in ALL {
        let held = wrong.root_trust().map(|trust| ("root", trust, &root));
        let f = database("cert-verdicts", &held.into_iter().collect::<Vec<_>>());
        for usage in USAGES {
            let letter = usage.to_string();
            f.write("new.pem", certificate(&root, usage, wrong).pem());
            let args = ["-a", "-i", "new.pem", "-n", "new", "-t", ",,", "-u", &letter];
            let said = both(&f, &args);
            let case = format!("{usage} {wrong:?}: {said:?}", said = (&said.ours, &said.real));
            assert_eq!(said.ours.code == 0, wrong == Wrong::Nothing, "{case}");
            // For any CA the real one looks at nothing but the dates.
            let looks = usage != 'A' || matches!(wrong, Wrong::Expired | Wrong::NotYetValid);
            assert_eq!(said.real.code == 0, wrong == Wrong::Nothing || !looks, "{case}");
            if looks {
                assert_eq!(said.left_by_ours, said.left_by_real, "{case}");
                let line = |text: &str| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
                // 11.10's certutil is another NSS than ours, and finds other reasons.
                if lab() == Lab::V10 {
                    assert_eq!(line(&said.ours.err), line(&said.real.err), "{case}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn where_the_real_tool_is_wrong() {
    let (root, other) = (ca("Root").usage(&[5, 6]).itself(), ca("Other").usage(&[5, 6]).itself());
    let www = |issuer: &Pair| make("www").usage(&[0, 4]).purposes(&[SERVER]).by(issuer);
    let held = [("root", "CT,C,C", &root)];
    let only_root = ["root CT,C,C"];

    // The trust asked for makes the verification pass.
    let f = database("cert-wrong", &held);
    f.write("www.pem", www(&other).pem());
    let args = ["-a", "-i", "www.pem", "-n", "www", "-u", "V", "-t"];
    let said = both(&f, &[&args[..], &["P,,"]].concat());
    assert_eq!((said.ours.code, said.real.code), (1, 0));
    assert_eq!(said.left_by_ours, only_root);
    assert_eq!(said.left_by_real, ["root CT,C,C", "www P,,"]);
    // Ours does that when it is asked to.
    let args = [&args[..], &["P,,", "--unsafe-trust-then-verify"]].concat();
    restore(&f);
    f.nss_cmc(&[&["PKICertImport", "-d", "db", "-f", "pw"], &args[..]].concat()).exits(0);
    assert_eq!(f.certificates(), said.left_by_real);

    // A refused certificate that was there before is deleted.
    let expired = make("www").usage(&[0, 4]).purposes(&[SERVER]).valid(PAST).by(&root);
    let f = database("cert-wrong", &[held[0], ("www", "p,,", &expired)]);
    f.write("www.pem", expired.pem());
    let said = both(&f, &["-a", "-i", "www.pem", "-n", "www", "-t", "P,,", "-u", "V"]);
    assert_eq!((said.ours.code, said.real.code), (1, 1));
    assert_eq!(said.left_by_ours, ["root CT,C,C", "www p,,"]);
    assert_eq!(said.left_by_real, only_root);

    // A failure leaves another trust behind.
    let f = database("cert-wrong", &held);
    f.write("root.pem", root.pem());
    let said = both(&f, &["-a", "-i", "root.pem", "-n", "another", "-t", ",,", "-u", "L"]);
    assert_eq!((said.ours.code, said.real.code), (1, 255));
    assert_eq!(said.left_by_ours, only_root);
    assert_eq!(said.left_by_real, ["root ,,"]);

    // Of a chain only the first certificate is read.
    let sub = ca("Sub").usage(&[5, 6]).by(&root);
    let leaf = www(&sub);
    f.write("chain.pem", [leaf.pem(), sub.pem()].concat());
    let said = both(&f, &["-a", "-i", "chain.pem", "-n", "www", "-t", ",,", "-u", "V"]);
    assert_eq!((said.ours.code, said.real.code), (0, 1));
    assert_eq!(said.left_by_ours, ["Sub - TEST ,,", "root CT,C,C", "www ,,"]);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_pkcs_12_file_is_judged_alike() {
    let root = root();
    for wrong in ALL {
        let held = wrong.root_trust().map(|trust| ("root", trust, &root));
        let f = database("cert-pkcs12", &held.into_iter().collect::<Vec<_>>());
        let before = f.state();
        f.write_secret("p12pw", "Secret.File\n");
        let admin = certificate(&root, 'C', wrong);
        f.write("c.pem", admin.pem());
        f.write("c.key", admin.key.private_key_to_pem_pkcs8().unwrap());
        let export = ["pkcs12", "-export", "-in", "c.pem", "-inkey", "c.key", "-name", "admin"];
        let export = [&export[..], &["-passout", "file:p12pw", "-out", "c.p12"]].concat();
        tool("openssl", f.path(), &export);
        let args = ["-p", "-w", "p12pw", "-i", "c.p12", "-n", "admin", "-t", ",,", "-u", "C"];
        let said = both(&f, &args);
        let case = format!("{wrong:?}: {said:?}", said = (&said.ours, &said.real));
        let valid = wrong == Wrong::Nothing;
        assert_eq!((said.ours.code == 0, said.real.code == 0), (valid, valid), "{case}");
        assert_eq!(said.left_by_ours, said.left_by_real, "{case}");
        assert_eq!(said.ours.out.contains("PKCS12 IMPORT SUCCESSFUL"), valid, "{case}");
        // After a refusal an EC key stays, and ours doesn't.
        assert_eq!(f.keys().len(), 1, "{case}");
        if !valid {
            restore(&f);
            f.nss_cmc(&[&["PKICertImport", "-d", "db", "-f", "pw"], &args[..]].concat()).exits(1);
            assert_eq!(f.state(), before, "{case}");
        }
    }
}

/// Section 5.3.1: "Import the admin certificate into the client NSS database." The command lines are as
/// printed, but for places and passwords; then pki adds the key, and the administrator enrolls. As
/// printed the database has no password.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn section_5_3_1_imports_the_admin_certificate_and_pki_its_key() {
    for (nickname, password) in [("CA Admin - Client Certificate", false), ("caadmin", true)] {
        let f = folder("cert-documentation");
        let instance = f.file("root/.dogtag/instance");
        std::fs::create_dir_all(&instance).unwrap();
        let p12 = client_file("ca_admin_cert.p12");
        std::fs::copy(p12, instance.join("ca_admin_cert.p12")).unwrap();
        f.write_secret("pass", format!("{PASSWORD}\n"));
        let home = f.path().to_str().unwrap().to_owned();
        let line = |printed: &str| {
            let line = printed.replace("/root", &format!("{home}/root"));
            let line = line.replace("CA Admin - Client Certificate", nickname);
            let line = if password { line.replace("-d .", "-d . -f ../pass") } else { line };
            tool("sh", f.path(), &["-c", &format!("PATH=$PWD:$PATH; cd db; {line}")])
        };
        let extract = "openssl pkcs12 -in /root/.dogtag/instance/ca_admin_cert.p12 -clcerts -nodes \
                       -nokeys -out /root/.dogtag/instance/ca_admin_cert.crt -passin file:../pass";
        line(&format!("{extract} || {extract} -legacy"));

        tool("rm", f.path(), &["-r", "db"]);
        std::fs::create_dir(f.file("db")).unwrap();
        f.certutil(if password { &["-N", "-f", "pass"] } else { &["-N", "--empty-password"] });
        let anchor = client_file("ca_signing.pem");
        let add = ["-A", "-n", "ca", "-t", "CT,C,C", "-a", "-f", "pass", "-i"];
        f.certutil(&[&add[..], &[anchor.to_str().unwrap()]].concat());
        for name in ["PKICertImport", "pki"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_nss-cmc"), f.file(name)).unwrap();
        }
        line(
            "PKICertImport -d . -n \"CA Admin - Client Certificate\" -t \",,\" -a -i \
             /root/.dogtag/instance/ca_admin_cert.crt -u C",
        );
        let mut left = [format!("{nickname} ,,"), "ca CT,C,C".to_owned()];
        left.sort();
        assert_eq!(f.certificates(), left);

        line(
            "pki -d . pkcs12-import --pkcs12-file /root/.dogtag/instance/ca_admin_cert.p12 \
             --pkcs12-password-file ../pass",
        );
        // As after Java's, under the nickname in the file; Java's adds no key to one of that name.
        assert_eq!(f.certificates(), ["ca CT,C,C", "caadmin u,u,u"]);
        let enroll = ["enroll", "-d", "db", "--ca", url(), "--profile", "caCMCserverCert"];
        let what =
            ["--signer", "caadmin", "--subject", "CN=www.lab.test,O=LAB", "--nickname", "www"];
        let login: &[&str] = if password { &["--password-file", "pass"] } else { &[] };
        f.nss_cmc(&[&enroll[..], &what, login].concat()).exits(0);
        assert!(f.certificates().contains(&"www u,u,u".to_owned()), "{:?}", f.certificates());
    }
}
