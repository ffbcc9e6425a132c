//! What is refused, and what doesn't count in a certificate's favour.

use crate::common::Folder;
use crate::maker::{PAST, Pair, SERVER, ca, make};
use crate::{
    assert_untouched, certutil_takes, database, import, pem, pki_cert_import, restore, stored,
};

const SERVER_USAGE: [&str; 2] = ["--usage", "server"];

fn server(root: &Pair) -> Pair {
    make("www").usage(&[0, 4]).purposes(&[SERVER]).by(root)
}

/// Fails the test unless the import is refused with this exit code and nothing is changed; returns what
/// was said.
#[track_caller]
fn refused(f: &Folder, file: &str, code: i32, more: &[&str]) -> String {
    let said = import(f, file, more).exits(code);
    assert_untouched(f, &format!("{more:?}"));
    said.err
}

#[test]
fn what_was_there_before_stays_as_it_is() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let sub = ca("Sub").usage(&[5, 6]).by(&root);
    let expired = make("www").usage(&[0, 4]).purposes(&[SERVER]).valid(PAST).by(&sub);
    let held = [("root", "CT,C,C", &root), ("sub", "c,c,c", &sub), ("www", "p,,", &expired)];
    let f = database(&held);
    let before = f.state();
    f.write("www.pem", expired.pem());
    f.write("all.pem", bundle_of(&[&root, &expired, &sub]));
    for file in ["www.pem", "all.pem"] {
        for nickname in ["www", "other"] {
            let more = ["--nickname", nickname, "--trust", "P,P,P", "--chain-trust", "CT,C,C"];
            let code = if nickname == "www" { 13 } else { 15 };
            refused(&f, file, code, &[&more[..], &SERVER_USAGE].concat());
            let tool = ["-c", "-r", "CT,C,C", "-s", "L", "-n", nickname, "-t", "P,P,P"];
            pki_cert_import(&f, file, "V", &tool).exits(1);
            assert_untouched(&f, nickname);
            // What is done in spite of the verification is undone.
            let more = [&more[..], &SERVER_USAGE, &["--unsafe-trust-then-verify"]].concat();
            import(&f, file, &more).exits(code);
            assert_eq!(f.state(), before, "{file} {nickname}");
            restore(&f);
        }
    }
}

fn bundle_of(pairs: &[&Pair]) -> String {
    crate::bundle(pairs)
}

#[test]
fn the_trust_asked_for_does_not_count() {
    let (root, other) = (ca("Root").itself(), ca("Root").itself());
    let stranger = server(&other);
    let f = database(&[("root", "CT,C,C", &root)]);
    f.write("www.pem", stranger.pem());
    for trust in ["P,,", "p,,", "CT,C,C", "TP,P,P"] {
        let said = refused(
            &f,
            "www.pem",
            13,
            &["--nickname", "www", "--trust", trust, "--usage", "server"],
        );
        assert_eq!(said.contains("--unsafe-trust-then-verify"), trust != "p,,", "{said}");
        pki_cert_import(&f, "www.pem", "V", &["-n", "www", "-t", trust]).exits(1);
        assert_untouched(&f, trust);
    }
    // Of no use, and not offered, when more is wrong than a missing issuer.
    let (sub, forged) = (ca("Sub").by(&other), ca("Sub").by(&other));
    let www = make("www").usage(&[0, 4]).purposes(&[SERVER]).without_key_ids().by(&forged);
    let g = database(&[("sub", ",,", &sub)]);
    g.write("www.pem", www.pem());
    let said =
        refused(&g, "www.pem", 13, &["--nickname", "www", "--trust", "P,,", "--usage", "server"]);
    assert!(said.contains("BAD_SIGNATURE") && !said.contains("--unsafe"), "{said}");
    // Unless that is asked for.
    let args = ["-n", "www", "-t", "P,,", "--unsafe-trust-then-verify"];
    pki_cert_import(&f, "www.pem", "V", &args).exits(0);
    assert_eq!(f.certificates(), ["root CT,C,C", "www P,,"]);
    assert!(certutil_takes(&f, "www", "V"));
    restore(&f);
    let more = ["--nickname", "www", "--trust", "P,,", "--unsafe-trust-then-verify"];
    let said = import(&f, "www.pem", &[&more[..], &SERVER_USAGE].concat()).exits(0);
    assert!(said.err.contains("--unsafe-trust-then-verify"), "{}", said.err);
    // Trust is no excuse for anything else.
    let expired = make("www").usage(&[0, 4]).purposes(&[SERVER]).valid(PAST).by(&other);
    f.write("www.pem", expired.pem());
    restore(&f);
    let before = f.state();
    import(&f, "www.pem", &[&more[..], &SERVER_USAGE].concat()).exits(13);
    assert_eq!(f.state(), before);
}

#[test]
fn a_root_is_trusted_when_it_is_good_but_for_that() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[]);
    f.write("root.pem", root.pem());
    let trust = ["--nickname", "root", "--trust", "CT,C,C"];
    let said = refused(&f, "root.pem", 2, &["--nickname", "root"]);
    assert!(said.contains("--trust"), "{said}");
    // Trust for something else.
    refused(&f, "root.pem", 13, &["--nickname", "root", "--trust", ",,C", "--usage", "ca"]);
    refused(&f, "root.pem", 13, &["--nickname", "root", "--trust", ",,", "--usage", "ca"]);
    import(&f, "root.pem", &trust).exits(0);
    assert_eq!((stored(&f, "root"), f.certificates()), (pem(&root), vec!["root CT,C,C".into()]));
    // What it issued is valid now.
    let www = server(&root);
    f.write("www.pem", www.pem());
    import(&f, "www.pem", &[&["--nickname", "www"], &SERVER_USAGE[..]].concat()).exits(0);
    assert!(certutil_takes(&f, "www", "V"));

    let others_signature =
        ca("Root").signed(&root.key, &root.certificate.subject_name().to_owned().unwrap());
    for (bad, why) in [
        (ca("Root").usage(&[5, 6]).valid(PAST).itself(), "EXPIRED"),
        (ca("Root").usage(&[0]).itself(), "SEC_ERROR"),
        (make("Root").itself(), ""),
        (others_signature, "UNKNOWN_ISSUER"),
    ] {
        restore(&f);
        f.write("root.pem", bad.pem());
        let said = refused(&f, "root.pem", 13, &[&trust[..], &["--usage", "ca"]].concat());
        assert!(said.contains(why), "{said}");
    }
    // One that the database distrusts isn't trusted by an import that doesn't say so.
    let f = database(&[("root", "p,p,p", &root)]);
    f.write("root.pem", root.pem());
    refused(&f, "root.pem", 13, &trust);
}

#[test]
fn nicknames_are_not_mixed_up() {
    let root = ca("Root").itself();
    let (www, other) = (server(&root), make("other").purposes(&[SERVER]).by(&root));
    let f = database(&[("root", "CT,C,C", &root), ("www", ",,", &www)]);
    let nickname = |name| [&["--nickname", name, "--trust", "P,,"], &SERVER_USAGE[..]].concat();
    f.write("other.pem", other.pem());
    let said = refused(&f, "other.pem", 15, &nickname("www"));
    assert!(said.contains("belongs to another subject"), "{said}");
    f.write("www.pem", www.pem());
    let said = refused(&f, "www.pem", 15, &nickname("new"));
    assert!(said.contains("\"www\""), "{said}");
    // A renewed one has the subject's nickname, whatever is asked for.
    let renewed = server(&root);
    f.write("renewed.pem", renewed.pem());
    refused(&f, "renewed.pem", 15, &nickname("new"));
    for bad in ["", "  ", "a:b"] {
        refused(&f, "renewed.pem", 2, &nickname(bad));
    }
    import(&f, "renewed.pem", &nickname("www")).exits(0);
    assert_eq!(f.certutil(&["-L", "-n", "www", "-a"]).matches("BEGIN").count(), 2);
    // A second time there is nothing to do.
    let json = [&nickname("www")[..], &["--output", "json"]].concat();
    let bytes = f.read("db/cert9.db");
    let report = import(&f, "renewed.pem", &json).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"unchanged".into(), &false.into()));
    assert_eq!(f.read("db/cert9.db"), bytes);
}

#[test]
fn a_certificate_that_can_t_be_decoded_is_told_with_its_file() {
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let more = [&["--nickname", "www"], &SERVER_USAGE[..]].concat();
    let mut der = openssl::x509::X509::from_pem(&server(&root).pem()).unwrap().to_der().unwrap();
    // A month that is none, in a GeneralizedTime.
    let at = der.windows(2).position(|w| w == [0x18, 0x0f]).unwrap();
    der[at + 6..at + 8].copy_from_slice(b"99");
    f.write("odd.der", der);
    let said = refused(&f, "odd.der", 20, &more);
    assert!(said.contains("odd.der: "), "{said}");
    let verify = ["cert", "verify", "-d", "db", "--file", "odd.der"];
    let said = f.nss_cmc(&[&verify[..], &SERVER_USAGE].concat()).exits(20);
    assert!(said.err.contains("odd.der: "), "{}", said.err);
}
