//! Renewals with `nss-cmc enroll` on the real CA: with the same key, signed by the certificate that
//! is renewed, with the old trust flags; and what a run would do.

use serde_json::Value;

use super::common::dogtag::{folder, helper};
use super::modern::{certified, unique};
use super::{Folder, user, verb};

const ISSUER: &str = "CN=CA Signing Certificate,OU=pki-tomcat,O=LAB";

fn lines(f: &Folder, nickname: &str) -> Vec<String> {
    let all = f.certificates().into_iter();
    all.filter(|line| line.starts_with(&format!("{nickname} "))).collect()
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_server_certificate_is_renewed() {
    let f = folder("renewals-server");
    let host = format!("{}.lab.test", unique("www"));
    let subject = format!("CN={host},O=LAB");
    let enroll = |more: &[&str]| -> Value {
        let how = ["--profile", "caCMCECserverCert", "--signer", "caadmin", "--nickname", "www"];
        let what = ["--subject", &subject, "--key-type", "ec:nistp256", "--dns", &host];
        let compared = ["--usage", "server", "--issuer", ISSUER];
        verb(&f, "enroll", &[&how[..], &what, &compared, more].concat()).exits(0).json()
    };
    assert_eq!(enroll(&["--check"])["status"], "would_issue");
    let first = enroll(&[]);
    assert_eq!(first["status"], "issued", "{first}");
    certified(&f, &first, Some("www"), &subject);
    for more in [&["--check"][..], &["--renew-revoked"], &["--reuse-key"]] {
        assert_eq!(enroll(more)["status"], "unchanged", "{more:?}");
    }
    f.certutil(&["-M", "-n", "www", "-t", "u,u,Pu", "-f", "pw"]);
    assert_eq!(enroll(&["--check", "--force"])["status"], "would_renew");
    let second = enroll(&["--force", "--reuse-key", "--diff"]);
    assert_eq!(second["status"], "renewed", "{second}");
    assert_eq!(second["result"]["key_id"], first["result"]["key_id"]);
    assert_eq!(second["diff"]["before"]["trust"], second["diff"]["after"]["trust"]);
    assert_eq!(lines(&f, "www"), ["www u,u,Pu"; 2]);
    let third = enroll(&["--force", "--remove-old", "cert"]);
    assert_eq!(third["result"]["old_removed"], "cert", "{third}");
    assert_ne!(third["result"]["key_id"], first["result"]["key_id"]);
    assert_eq!(lines(&f, "www"), ["www u,u,Pu"; 2]);
    for report in [&second, &third] {
        let serial = report["result"]["certificate"]["serial"]["hex"].as_str().unwrap();
        assert!(helper(&f, "shown.sh", &[serial]).starts_with("VALID"), "{serial}");
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_user_s_certificate_signs_its_own_renewal() {
    let f = folder("renewals-user");
    let name = unique("renewed");
    let serial = user(&f, &name, "ec:nistp256");
    let subject = format!("CN={name},O=LAB");
    let renew = |more: &[&str]| {
        let how = ["--profile", "caECFullCMCUserSignedCert", "--signer", &name, "--force"];
        let what = ["--subject", &subject, "--nickname", &name, "--key-type", "ec:nistp256"];
        verb(&f, "enroll", &[&how[..], &what, more].concat()).exits(0).json()
    };
    let before = f.keys().len();
    for _ in 0..2 {
        let report = renew(&["--remove-old", "cert-and-key"]);
        assert_eq!(report["status"], "renewed", "{report}");
        assert_eq!(report["result"]["old_removed"], "cert_and_key", "{report}");
        certified(&f, &report, Some(&name), &subject);
        assert_eq!((lines(&f, &name).len(), f.keys().len()), (1, before));
    }
    assert!(helper(&f, "shown.sh", &[&serial]).starts_with("VALID"));
}
