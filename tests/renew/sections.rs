//! The certificates of the configuration file.

use serde_json::json;

use super::{Lab, entry, statuses};

/// Three certificates: with trust flags for audit signing, in a hardware token, and a plain one.
const THREE: &str = "\
[certificate audit]
database = DIR/db
password-file = DIR/pins
exec = /bin/sh DIR/hook DIR/ran
[certificate hsm]
database = DIR/db
token = HSM
nickname = in the token
password-file = DIR/pins
exec = /bin/sh DIR/hook DIR/ran
[certificate plain]
database = DIR/db
password-file = DIR/pins
exec = /bin/sh DIR/hook DIR/ran
";

fn three() -> Lab {
    let lab = Lab::with_token();
    lab.make("audit", "internal", 10);
    lab.make("in the token", "HSM", 10);
    lab.make("plain", "internal", 10);
    lab.certutil(&["-M", "-n", "audit", "-t", "u,u,Pu"]);
    lab.configure(THREE);
    lab
}

#[test]
fn one_run_renews_what_is_due_and_the_next_changes_nothing() {
    let lab = three();
    let before = lab.bytes();
    let said = lab.renew(&["--check"]).exits(0).json();
    assert_eq!(statuses(&said), ["audit would_renew", "hsm would_renew", "plain would_renew"]);
    assert_eq!((&said["status"], &said["changed"]), (&json!("would_renew"), &json!(true)));
    lab.renew(&["--check", "--detailed-exitcode"]).exits(4);
    assert!(before == lab.bytes());

    let said = lab.renew(&[]).exits(0).json();
    assert_eq!(statuses(&said), ["audit renewed", "hsm renewed", "plain renewed"]);
    assert_eq!((&said["status"], &said["changed"]), (&json!("renewed"), &json!(true)));
    assert_eq!(said["warnings"], json!([]));
    assert_eq!(said["msg"], "3 of 3 certificates renewed");
    assert_eq!(entry(&said, "audit")["trust_kept"], "u,u,Pu");
    assert_eq!(entry(&said, "hsm")["token"], "HSM");
    assert_eq!(lab.listed("audit"), ["audit u,u,Pu"; 2]);
    assert_eq!(lab.listed("plain"), ["plain u,u,u"; 2]);
    assert_eq!(lab.listed("HSM:in the token").len(), 2);
    assert_eq!(lab.ran(), ["audit", "in the token", "plain"]);
    for name in ["audit", "hsm", "plain"] {
        let one = entry(&said, name);
        lab.f.write("new.pem", one["certificate"]["pem"].as_str().unwrap());
        let dates =
            lab.tool("openssl", &["x509", "-in", "new.pem", "-noout", "-checkend", "8640000"]);
        assert!(dates.contains("will not expire"), "{dates}");
        let text = lab.tool(
            "openssl",
            &["x509", "-in", "new.pem", "-noout", "-subject", "-nameopt", "RFC2253"],
        );
        let nickname = one["nickname"].as_str().unwrap();
        assert_eq!(text.trim(), format!("subject=CN={nickname},O=STAND-IN"));
        assert!(one["replaced_serial"].as_str().unwrap().starts_with("0x"));
        assert_eq!(one["exec"], "succeeded");
    }

    let before = lab.bytes();
    let said = lab.renew(&[]).exits(0).json();
    assert_eq!(statuses(&said), ["audit unchanged", "hsm unchanged", "plain unchanged"]);
    assert_eq!((&said["status"], &said["changed"]), (&json!("unchanged"), &json!(false)));
    assert_eq!(said["msg"], "nothing to do for 3 certificates");
    lab.renew(&["--check", "--detailed-exitcode"]).exits(0);
    assert!(before == lab.bytes(), "the second run changed the database, or asked the CA");
    assert_eq!(lab.ran().len(), 3);
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let lab = three();
    // The first one's signer is not there.
    let broken = THREE.replacen("exec", "signer = nobody\nexec", 1);
    lab.configure(&broken);
    let text = lab.command(env!("CARGO_BIN_EXE_nss-cmc"), &["renew", "--check"]).exits(12);
    assert!(text.err.contains("audit: ") && text.err.contains("\"nobody\""), "{}", text.err);
    let said = lab.renew(&[]).exits(12).json();
    assert_eq!(statuses(&said), ["audit failed", "hsm renewed", "plain renewed"]);
    assert_eq!((&said["failed"], &said["changed"]), (&json!(true), &json!(true)));
    assert_eq!(said["error"]["kind"], "not_found");
    assert_eq!(entry(&said, "audit")["error"]["kind"], "not_found");
    assert_eq!(said["msg"], "2 of 3 certificates renewed, 1 failed");
    assert_eq!(lab.ran(), ["in the token", "plain"]);
    assert!(!lab.is_unfinished());
    // What is invalid in a section is a failure of its certificate.
    lab.configure(&THREE.replacen("exec", "renew-before = soon\nexec", 1));
    let said = lab.renew(&[]).exits(2).json();
    assert_eq!(statuses(&said), ["audit failed", "hsm unchanged", "plain unchanged"]);
    let error = &entry(&said, "audit")["error"];
    assert!(error["notes"].to_string().contains("[certificate audit]"), "{error}");
    // A password that was refused is not tried again; the next one has the other token's.
    lab.f.write_secret("wrong", "internal:wrong\nHSM:1234\n");
    lab.configure(&THREE.replace("pins", "wrong").replace("exec", "renew-before = 9999d\nexec"));
    let said = lab.renew(&["audit", "plain"]).exits(11).json();
    assert_eq!(statuses(&said), ["audit failed", "plain failed"]);
    let second = entry(&said, "plain")["error"]["kind"].as_str();
    assert_eq!(second, Some("login"));
    assert!(entry(&said, "plain")["msg"].as_str().unwrap().contains("not tried again"), "{said}");
}

#[test]
fn some_of_them_by_name_and_options_of_the_run_first() {
    let lab = Lab::start();
    lab.make("one", "internal", 90);
    lab.make("two", "internal", 90);
    let section = |name| format!("[certificate {name}]\ndatabase=DIR/db\npassword-file=DIR/pw\n");
    lab.configure(&[section("one"), section("two")].concat());
    assert_eq!(statuses(&lab.renew(&[]).exits(0).json()), ["one unchanged", "two unchanged"]);
    let said = lab.renew(&["two", "--renew-before", "100d"]).exits(0).json();
    assert_eq!(statuses(&said), ["two renewed"]);
    assert_eq!((lab.listed("one").len(), lab.listed("two").len()), (1, 2));
    let said = lab.renew(&["tow"]).exits(2).json();
    assert!(said["error"]["hint"].as_str().unwrap().contains("two"), "{said}");
    assert!(
        lab.renew(&["one", "--signer", "nobody", "--renew-before", "100d"])
            .exits(12)
            .out
            .contains("nobody")
    );
    lab.configure("");
    let said = lab.renew(&[]).exits(12).json();
    assert!(said["error"]["hint"].as_str().unwrap().contains("-d DIR"), "{said}");
}

#[test]
fn a_certificate_renews_itself_without_an_agent() {
    let lab = Lab::start();
    lab.make("alice", "internal", 10);
    lab.make("late", "internal", -1);
    let section = |name| {
        format!(
            "[certificate {name}]\ndatabase=DIR/db\npassword-file=DIR/pw\nas-owner=true\n\
                 profile=caECFullCMCUserSignedCert\nremove-old=cert-and-key\n"
        )
    };
    lab.configure(&section("alice"));
    // The agent's key is not there.
    let agent = lab.certutil(&["-L", "-n", "agent", "-a"]);
    lab.certutil(&["-F", "-n", "agent"]);
    assert!(!agent.is_empty());
    let said = lab.renew(&[]).exits(0).json();
    assert_eq!(statuses(&said), ["alice renewed"]);
    assert_eq!(lab.listed("alice"), ["alice u,u,u"]);
    assert_eq!(statuses(&lab.renew(&[]).exits(0).json()), ["alice unchanged"]);
    // One that has expired cannot sign.
    lab.configure(&[section("alice"), section("late")].concat());
    let before = lab.bytes();
    let said = lab.renew(&[]).exits(13).json();
    assert_eq!(statuses(&said), ["alice unchanged", "late failed"]);
    let error = &entry(&said, "late")["error"];
    assert!(error["hint"].as_str().unwrap().contains("--signer"), "{error}");
    lab.renew(&["--check"]).exits(13);
    assert!(before == lab.bytes());
}

#[test]
fn what_the_successor_lacks_is_no_renewal() {
    let lab = Lab::start();
    lab.make("www", "internal", 10);
    // A server's certificate instead of a user's.
    lab.configure(
        "[certificate www]\ndatabase=DIR/db\npassword-file=DIR/pw\nprofile=caCMCECserverCert\n",
    );
    for _ in 0..2 {
        let said = lab.renew(&[]).exits(16).json();
        assert_eq!(statuses(&said), ["www failed"]);
        assert!(
            entry(&said, "www")["error"]["hint"].as_str().unwrap().contains("profile"),
            "{said}"
        );
        assert_eq!(lab.listed("www"), ["www u,u,u"]);
    }
    // The second run finds the certificate that the CA has issued already.
    let issued = String::from_utf8(lab.f.read("ca/issued")).unwrap();
    assert_eq!(issued.lines().filter(|l| l.contains("CN=www")).count(), 2, "{issued}");
    assert!(!lab.is_unfinished());
    // Nothing is requested for a nickname without a certificate.
    lab.configure("[certificate gone]\ndatabase=DIR/db\npassword-file=DIR/pw\n");
    let said = lab.renew(&[]).exits(12).json();
    assert!(
        entry(&said, "gone")["error"]["hint"].as_str().unwrap().contains("nss-cmc enroll"),
        "{said}"
    );
}
