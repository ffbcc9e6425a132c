//! Which CA an import makes trusted.

use super::common::stand_in::{StandIn, ec_folder};
use super::*;

fn fingerprint(f: &Folder, certificate: &str) -> String {
    let said = openssl(f, &["x509", "-noout", "-fingerprint", "-sha256", "-in", certificate]);
    said.trim().split_once('=').unwrap().1.to_owned()
}

#[test]
fn the_ca_is_trusted_only_when_asked() {
    let f = usual();
    let print = fingerprint(&f, "ca.pem");
    by_openssl(&f, "alone.p12", "ec", &[]);
    for (file, more) in [
        ("srv.p12", &["--trust-ca"][..]),
        ("srv.p12", &["--trust-ca", "--ca-file", "ca.pem"]),
        ("srv.p12", &["--trust-ca", "--ca-fingerprint", &print]),
        ("srv.p12", &["--trust-ca", "--ca-fingerprint", &print.replace(':', "").to_lowercase()]),
        ("alone.p12", &["--trust-ca", "--ca-file", "ca.pem"]),
    ] {
        anew(&f);
        let report = import(&f, file, more).exits(0).json();
        assert_eq!(f.certificates(), ["Test CA - LAB CT,C,C", "srv u,u,u"], "{more:?}");
        assert_eq!(report["result"]["trusted_cas"][0]["fingerprint"], print);
        let by_name = more.len() > 1;
        assert_eq!(report["result"]["trusted_cas"][0]["named_by_user"], by_name);
        assert_eq!(report["warnings"].as_array().unwrap().is_empty(), by_name, "{report}");
        f.certutil(&["-V", "-u", "C", "-n", "srv", "-f", "pw"]);
    }
    // Trust is added to a CA that is there.
    anew(&f);
    import(&f, "srv.p12", &[]).exits(0);
    assert_eq!(f.certificates(), ["Test CA - LAB ,,", "srv u,u,u"]);
    import(&f, "srv.p12", &["--trust-ca", "--ca-file", "ca.pem"]).exits(0);
    assert_eq!(f.certificates(), ["Test CA - LAB CT,C,C", "srv u,u,u"]);
}

#[test]
fn another_ca_is_not_trusted_and_nothing_is_imported() {
    let f = usual();
    by_openssl(&f, "alone.p12", "ec", &[]);
    // The same name, another key.
    std::fs::rename(f.file("ca.pem"), f.file("real.pem")).unwrap();
    let other = ["req", "-x509", "-nodes", "-subj", "/O=LAB/CN=Test CA", "-newkey", "ec"];
    let out = ["-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "x.key", "-out", "ca.pem"];
    openssl(&f, &[&other[..], &out].concat());
    let before = dump(&f);
    for (file, more, text) in [
        ("srv.p12", &["--ca-file", "ca.pem"][..], "ca.pem does not certify CN=ec,O=LAB"),
        ("srv.p12", &["--ca-file", "rsa.pem"], "rsa.pem does not certify CN=ec,O=LAB"),
        (
            "srv.p12",
            &["--ca-fingerprint", &fingerprint(&f, "ca.pem")],
            "does not match --ca-fingerprint",
        ),
        ("alone.p12", &[], "no root CA found for CN=ec,O=LAB"),
        ("alone.p12", &["--ca-fingerprint", &fingerprint(&f, "real.pem")], "no root CA found"),
    ] {
        let said = import(&f, file, &[&["--trust-ca"], more].concat()).exits(13).json();
        assert!(said["msg"].as_str().unwrap().contains(text), "{said}");
        assert_eq!(dump(&f), before, "{more:?}");
    }
    for (more, code) in [
        (&["--trust-ca", "--ca-file", "missing.pem"][..], 20),
        (&["--trust-ca", "--ca-fingerprint", "abc"], 2),
        (&["--ca-file", "real.pem"], 2),
    ] {
        import(&f, "srv.p12", more).exits(code);
        assert_eq!(dump(&f), before, "{more:?}");
    }
}

#[test]
fn trust_flags_in_the_file_count_only_when_asked() {
    let f = usual();
    import(&f, "srv.p12", &["--trust-ca"]).exits(0);
    export(&f, &["flags.p12", "srv", "--with-trust"]).exits(0);
    for (more, ca) in
        [(&[][..], "Test CA - LAB ,,"), (&["--trust-from-file"], "Test CA - LAB CT,C,C")]
    {
        anew(&f);
        import(&f, "flags.p12", more).exits(0);
        assert_eq!(f.certificates(), [ca, "srv u,u,u"]);
    }
}

#[test]
fn the_administrator_s_file_makes_a_database_ready_for_enroll() {
    let f = ec_folder();
    f.write_secret("p12pw", FILE_PASSWORD);
    pk12util(&f, &["-o", "admin.p12", "-n", "agent"]).exits(0);
    anew(&f);
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    import(&f, "admin.p12", &["--trust-ca", "--ca-file", "ca/ca.pem"]).exits(0);
    let enroll = ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    let what = ["--profile", "caCMCECserverCert", "--signer", "agent", "--key-type", "ec"];
    let subject = ["--subject", "CN=www.example.com,O=EXAMPLE", "--nickname", "www"];
    f.nss_cmc(&[&enroll[..], &what, &subject].concat()).exits(0);
    assert!(f.certificates().contains(&"www u,u,u".to_owned()));
}
