//! `nss-cmc revoke` on the real CA: who may revoke, and the certificate's state.

use serde_json::Value;

use super::common::dogtag::{folder, helper, installed};
use super::revoke::ISSUER;
use super::{Folder, user, verb};

#[track_caller]
fn state(f: &Folder, serial: &str) -> String {
    helper(f, "shown.sh", &[serial]).trim().to_owned()
}

#[track_caller]
fn revoked(f: &Folder, args: &[&str], serial: &str, reason: &str, by: &str) -> Value {
    let before = f.state();
    let report = verb(f, "revoke", args).exits(0).json();
    let state = state(f, serial);
    assert!(state.starts_with(&format!("REVOKED {reason}")), "{args:?}: {state}");
    let result = &report["result"];
    assert_eq!((&report["changed"], &result["by"]), (&true.into(), &by.into()), "{report}");
    assert_eq!(result["serial"]["dec"], serial);
    assert_eq!(f.state(), before);
    report
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn by_agent_owner_file_and_shared_secret() {
    let f = folder("modern-revoke");
    let serial = user(&f, "agents", "ec:nistp256");
    let args = ["--signer", "caadmin", "--serial", &serial, "--reason", "keyCompromise"];
    let report = revoked(&f, &args, &serial, "1", "agent");
    assert_eq!(
        (&report["status"], &report["result"]["reason"]),
        (&"revoked".into(), &"keyCompromise".into())
    );
    // Revoking again succeeds: the CA accepts it.
    verb(&f, "revoke", &args).exits(0);

    let serial = user(&f, "hexed", "ec:nistp256");
    let hex = format!("0x{:X}", serial.parse::<u128>().unwrap());
    let args = ["--signer", "caadmin", "--serial", &hex, "--invalidity-now", "--comment", "é"];
    let report = revoked(&f, &args, &serial, "0", "agent");
    assert_eq!(report["result"]["subject"], "CN=hexed,O=LAB");
    // Reasons that 10.10 records under another number.
    for reason in ["privilegeWithdrawn", "aACompromise"] {
        let serial = user(&f, reason, "ec:nistp256");
        let args = ["--signer", "caadmin", "--serial", &serial, "--reason", reason];
        let report = revoked(&f, &args, &serial, "0", "agent");
        assert!(report["warnings"].to_string().contains("unspecified"), "{report}");
    }

    for key in ["rsa:2048", "ec:nistp256"] {
        let name = format!("owner-{}", &key[..2]);
        let serial = user(&f, &name, key);
        let args = ["--nickname", &name, "--reason", "superseded"];
        let report = revoked(&f, &args, &serial, "4", "owner");
        assert_eq!(report["result"]["subject"], format!("CN={name},O=LAB"));
        assert_eq!(report["result"]["issuer"], ISSUER);
    }

    let serial = user(&f, "filed", "ec:nistp256");
    let pem = f.certutil(&["-L", "-n", "filed", "-a"]);
    f.write("filed.pem", pem);
    let args = ["--cert", "filed.pem", "--signer", "caadmin", "--reason", "5"];
    revoked(&f, &args, &serial, "5", "agent");
    // The owner signs with the certificate in the file itself.
    let serial = user(&f, "filed2", "ec:nistp256");
    f.write("filed.pem", f.certutil(&["-L", "-n", "filed2", "-a"]));
    let args = ["--cert", "filed.pem", "--signer", "filed2", "--reason", "affiliationChanged"];
    revoked(&f, &args, &serial, "3", "owner");

    f.write("secret", "revoke me\n");
    let serial = user(&f, "secretive", "ec:nistp256");
    helper(&f, "revocation-secret.sh", &[&serial, "revoke me"]);
    let args = ["--serial", &serial, "--issuer", ISSUER, "--shared-secret-file", "secret"];
    let report = revoked(&f, &args, &serial, "0", "shared_secret");
    assert!(!report.to_string().contains("revoke me"));
    let serial = user(&f, "secretive2", "ec:nistp256");
    helper(&f, "revocation-secret.sh", &[&serial, "revoke me"]);
    f.write("filed.pem", f.certutil(&["-L", "-n", "secretive2", "-a"]));
    let args = ["--cert", "filed.pem", "--shared-secret-file", "secret", "--reason", "superseded"];
    revoked(&f, &args, &serial, "4", "shared_secret");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn hold_and_release() {
    let f = folder("modern-hold");
    let serial = user(&f, "held", "ec:nistp256");
    let agent = ["--signer", "caadmin", "--serial", &serial];
    let report = revoked(&f, &[&agent[..], &["--hold"]].concat(), &serial, "6", "agent");
    assert_eq!(report["status"], "held");
    assert_eq!(report["result"]["verified"], true);
    // Over CMC, Dogtag would return success to both, without any effect.
    for reason in ["removeFromCRL", "keyCompromise"] {
        let said = verb(&f, "revoke", &[&agent[..], &["--reason", reason]].concat()).exits(40);
        let report = said.json();
        assert_eq!((&report["status"], &report["changed"]), (&"rejected".into(), &false.into()));
        let hint = report["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("--release"), "{report}");
    }
    assert!(state(&f, &serial).starts_with("REVOKED 6"));
    let release = [&agent[..], &["--release"]].concat();
    let report = verb(&f, "revoke", &release).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"released".into(), &true.into()));
    assert_eq!(state(&f, &serial), "VALID");
    let report = verb(&f, "revoke", &release).exits(0).json();
    assert_eq!((&report["status"], &report["changed"]), (&"unchanged".into(), &false.into()));
    // An owner can put a certificate on hold; only agents can release it.
    let report = revoked(&f, &["--nickname", "held", "--hold"], &serial, "6", "owner");
    assert_eq!(report["status"], "held");
    let said = verb(&f, "revoke", &["--nickname", "held", "--release"]);
    assert_ne!(said.code, 0);
    let report = said.json();
    assert!(report["error"]["hint"].as_str().unwrap().contains("agent"), "{report}");
    assert!(state(&f, &serial).starts_with("REVOKED 6"));
    verb(&f, "revoke", &release).exits(0);
    // A certificate of another CA with the same number, and the CA's own: refused before anything
    // is sent.
    let other = ["--signer", "caadmin", "--serial", &serial, "--issuer", "CN=Other,O=X"];
    let report = verb(&f, "revoke", &other).exits(2).json();
    assert!(report["msg"].as_str().unwrap().contains("CN=Other,O=X"), "{report}");
    let own = ["--signer", "caadmin", "--nickname", "ca_signing"];
    let report = verb(&f, "revoke", &own).exits(2).json();
    assert!(report["msg"].as_str().unwrap().contains("the CA's own"), "{report}");
    assert_eq!(state(&f, &installed()[0]), "VALID");
    assert_eq!(state(&f, &serial), "VALID");
    // A final revocation can't be released.
    revoked(&f, &[&agent[..], &["--reason", "keyCompromise"]].concat(), &serial, "1", "agent");
    let report = verb(&f, "revoke", &release);
    assert_ne!(report.code, 0, "{}", report.out);
    assert!(state(&f, &serial).starts_with("REVOKED 1"));
}

/// Certificates made by the installation: the CA's own, OCSP, server, subsystem, audit,
/// administrator, the KRA's three, and the one that protects shared secrets.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn revoke_spares_what_the_ca_runs_on() {
    let f = folder("modern-revoke-own");
    let before = f.state();
    for serial in installed() {
        let was = state(&f, &serial);
        let args = ["--signer", "caadmin", "--serial", &serial];
        let report = verb(&f, "revoke", &args).exits(2).json();
        let hint = report["error"]["hint"].as_str().unwrap().to_owned();
        let own = report["msg"].as_str().unwrap().contains("the signer's own");
        assert!(hint.contains(if own { "--allow-signer" } else { "--allow-ca" }), "{report}");
        assert!(report["msg"].as_str().unwrap().contains("OU=pki-tomcat,O=LAB"), "{report}");
        let dry = [&args[..], &["--allow-ca", "--allow-signer", "--dry-run"]].concat();
        let report = verb(&f, "revoke", &dry).exits(0).json();
        assert_eq!(report["changed"], false);
        assert!(!report["warnings"].as_array().unwrap().is_empty(), "{report}");
        assert_eq!(state(&f, &serial), was);
    }
    assert_eq!(f.state(), before);
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn revoke_after_a_renewal_asks_which_one() {
    let f = folder("modern-revoke-renewed");
    let serials = [user(&f, "renewed", "ec:nistp256"), user(&f, "renewed", "ec:nistp256")];
    for by in [&[][..], &["--signer", "caadmin"]] {
        let args = [&["--nickname", "renewed"], by].concat();
        let report = verb(&f, "revoke", &args).exits(2).json();
        let notes = report["error"]["notes"].to_string();
        for serial in &serials {
            let hex = format!("0x{:x}: CN=renewed,O=LAB", serial.parse::<u128>().unwrap());
            assert!(notes.contains(&hex), "{notes}");
            assert_eq!(state(&f, serial), "VALID");
        }
        assert_eq!(notes.matches("in use").count(), 1, "{notes}");
    }
    let args = ["--nickname", "renewed", "--serial", &serials[0], "--reason", "superseded"];
    revoked(&f, &args, &serials[0], "4", "owner");
    assert_eq!(state(&f, &serials[1]), "VALID");
}
