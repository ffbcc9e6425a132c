//! `nss-cmc enroll`, `csr create` and `cmc send` on the real CA: one command replaces three or six
//! of the old tools.

use serde_json::Value;

use super::common::dogtag::{client_file, folder, helper, url};
use super::common::tool;
use super::two_trips::PROFILE;
use super::{By, FULL, Folder, cfg, crmf, old_name, pkcs10, user, verb};

/// Returns a name that no other run used: the KRA keeps every key.
pub fn unique(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{name}{}", now.as_millis())
}

/// Checks the certificate of a report: valid at the CA, chained to it, stored with its key, and
/// described correctly by the report.
#[track_caller]
pub fn certified(f: &Folder, report: &Value, nickname: Option<&str>, subject: &str) {
    assert!(report["status"] == "issued" || report["status"] == "renewed", "{report}");
    assert_eq!((&report["changed"], &report["failed"]), (&true.into(), &false.into()));
    assert!(report["error"].is_null());
    let result = &report["result"];
    let certificate = &result["certificate"];
    assert_eq!(certificate["subject"], subject, "{report}");
    f.write("cert.pem", certificate["pem"].as_str().unwrap());
    let ca = client_file("ca_signing.pem");
    tool("openssl", f.path(), &["verify", "-CAfile", ca.to_str().unwrap(), "cert.pem"]);
    let serial = certificate["serial"]["hex"].as_str().unwrap();
    assert_eq!(helper(f, "shown.sh", &[serial]).trim(), "VALID");
    if let Some(nickname) = nickname {
        assert_eq!(result["has_key"], true);
        let line = format!("{nickname} u,u,u");
        assert!(f.certificates().contains(&line), "{line}: {:?}", f.certificates());
        let id = result["key_id"].as_str().unwrap().to_owned();
        assert!(f.keys().contains(&id), "{id}");
    }
}

/// Checks that the KRA's key for an owner is the private key of `cert.pem`.
#[track_caller]
fn archived(f: &Folder, owner: &str) {
    let found = helper(f, "kra.sh", &["find", owner]);
    let id = found.lines().last().unwrap().split('\t').next().unwrap();
    helper(f, "kra.sh", &["recover", id, "recovered.pem"]);
    let recovered = tool("openssl", f.path(), &["pkey", "-in", "recovered.pem", "-pubout"]);
    let ours = tool("openssl", f.path(), &["x509", "-in", "cert.pem", "-noout", "-pubkey"]);
    assert_eq!(recovered, ours);
}

/// Key, POP link, digest, and format: a new key, an archived key, or a request in a file.
const FIRST: &[(&str, bool, &str, &str)] = &[
    ("rsa:2048", false, "SHA-256", "new"),
    ("ec:nistp256", false, "SHA-256", "new"),
    ("rsa:3072", true, "SHA-512", "new"),
    ("ec:nistp521", true, "SHA-512", "new"),
    ("rsa:2048", false, "SHA-512", "archived"),
    ("rsa:2048", true, "SHA-256", "archived"),
    ("rsa:2048", true, "SHA-512", "crmf"),
    ("ec:nistp256", false, "SHA-256", "crmf"),
    ("ec:nistp256", true, "SHA-256", "pkcs10"),
];

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn first_certificates_by_shared_secret() {
    let f = folder("modern-secret");
    f.write("secret", "alicesecret\n");
    let transport = client_file("kra_transport.pem");
    let transport = transport.to_str().unwrap();
    // The CA takes the subject from its directory.
    let subject = "UID=alice,OU=people,DC=lab,DC=test";
    for (key, link, digest, format) in FIRST {
        let ec = if key.starts_with("ec") { "EC" } else { "" };
        let profile = format!("ca{ec}FullCMCSharedTokenCert");
        let mut args = vec!["--profile", &profile, "--identification", "alice"];
        args.extend(["--shared-secret-file", "secret", "--proof-digest", digest]);
        args.extend(link.then_some("--pop-link"));
        let mut nickname = Some("alice");
        match *format {
            "new" | "archived" => {
                args.extend(["--subject", "CN=anybody", "--nickname", "alice", "--force"]);
                args.extend(["--key-type", key]);
            }
            file => {
                let mut create = vec!["--subject", "CN=anybody", "--ski", "--out", "r.req"];
                create.extend(["--key-type", key]);
                create.extend((file == "crmf").then_some("--crmf"));
                let common = ["csr", "create", "-d", "db", "--password-file", "pw"];
                f.nss_cmc(&[&common[..], &create].concat()).exits(0);
                args.extend(["--csr", "r.req"]);
                nickname = None;
            }
        }
        let before = match *format {
            "archived" => {
                args.extend(["--archive-to", transport]);
                count(&f, "UID=alice")
            }
            _ => 0,
        };
        let report = verb(&f, "enroll", &args).exits(0).json();
        certified(&f, &report, nickname, subject);
        if *format == "archived" {
            assert_eq!(count(&f, "UID=alice"), before + 1, "{key} {link}");
        }
        assert!(!report.to_string().contains("alicesecret"));
    }
}

fn count(f: &Folder, owner: &str) -> usize {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dogtag/kra.sh");
    let mut kra = std::process::Command::new(script);
    super::common::run(kra.current_dir(f.path()).args(["find", owner])).out.lines().count()
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_user_signs_for_another_certificate() {
    let f = folder("modern-user");
    for (key, profile) in
        [("rsa:2048", "caFullCMCUserSignedCert"), ("ec:nistp256", "caECFullCMCUserSignedCert")]
    {
        let name = unique("u");
        user(&f, &name, key);
        let subject = format!("CN={name},O=LAB");
        let second = format!("{name}-second");
        let args = ["--profile", profile, "--signer", &name, "--subject", &subject];
        let args = [&args[..], &["--nickname", &second, "--key-type", key]].concat();
        let report = verb(&f, "enroll", &args).exits(0).json();
        certified(&f, &report, Some(&second), &subject);
        let before = f.state();
        let report = verb(&f, "enroll", &args).exits(0).json();
        assert_eq!((&report["status"], &report["changed"]), (&"unchanged".into(), &false.into()));
        assert_eq!(f.state(), before);
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn encryption_only_in_one_command() {
    let f = folder("modern-two-trips");
    let transport = client_file("kra_transport.pem");
    let transport = transport.to_str().unwrap();
    for more in [&[][..], &["--archive-to", transport]] {
        let name = unique("enc");
        user(&f, &name, "rsa:2048");
        let subject = format!("CN={name},O=LAB");
        let nickname = format!("{name}-enc");
        let args = ["--profile", PROFILE, "--signer", &name, "--subject", &subject];
        let args = [&args[..], &["--nickname", &nickname, "--encryption-only"], more].concat();
        let report = verb(&f, "enroll", &args).exits(0).json();
        certified(&f, &report, Some(&nickname), &subject);
        match more {
            [] => assert_eq!(count(&f, &name), 0),
            _ => archived(&f, &name),
        }
    }
}

/// Requests of `csr create`: signed by the agent, archived, and one without proof of possession,
/// whose key `enroll` finds in the database for the CA's challenge.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn requests_from_files() {
    let f = folder("modern-files");
    let transport = client_file("kra_transport.pem");
    let transport = transport.to_str().unwrap();
    let common = ["csr", "create", "-d", "db", "--password-file", "pw", "--crmf"];
    for (key, profile, more) in [
        ("rsa:2048", "caFullCMCUserCert", &["--archive-to", transport][..]),
        ("ec:nistp256", "caECFullCMCUserCert", &[]),
        ("rsa:2048", "caFullCMCUserCert", &["--pop", "none"]),
        ("rsa:2048", "caFullCMCUserCert", &["--pop", "none", "--archive-to", transport]),
    ] {
        let name = unique("file");
        let subject = format!("CN={name},O=LAB");
        let create = ["--subject", &subject, "--key-type", key, "--out", "r.req"];
        f.nss_cmc(&[&common[..], &create, more].concat()).exits(0);
        let args = ["--profile", profile, "--signer", "caadmin", "--csr", "r.req"];
        let args = [&args[..], &["--nickname", &name, "--chain-out", "chain.pem"]].concat();
        let report = verb(&f, "enroll", &args).exits(0).json();
        certified(&f, &report, None, &subject);
        assert_eq!(report["result"]["has_key"], true, "{report}");
        assert!(f.certificates().contains(&format!("{name} u,u,u")), "{:?}", f.certificates());
        let listed = tool("openssl", f.path(), &["x509", "-in", "chain.pem", "-noout", "-subject"]);
        assert!(listed.contains(&name), "{listed}");
        if more.contains(&"--archive-to") {
            archived(&f, &name);
        }
    }
}

/// A message of CMCRequest, of either implementation, sent by `cmc send`; the exit code is that of
/// the response.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn messages_of_cmcrequest() {
    let f = folder("modern-send");
    let send = |profile: &str, more: &[&str]| {
        verb(&f, "cmc send", &[&["cmc.req", "--profile", profile, "--out", "resp"], more].concat())
    };
    let agent = ["--signer", "caadmin"];
    for by in [By::Us, By::Java] {
        let name = unique("send");
        pkcs10(&f, "rsa:2048", &format!("CN={name},O=LAB"));
        let lines = ["nickname=caadmin", "format=pkcs10", "numRequests=1", "input=@DIR@/p10.req"];
        let nonces = ["senderNonce.enable=true", "senderNonce=twice", "transactionMgt.enable=true"];
        cfg(&f, &[&lines[..], &nonces].concat());
        old_name(&f, by, &["CMCRequest", "req.cfg"]).exits(0);
        let report = send("caFullCMCUserCert", &agent).exits(0).json();
        assert_eq!(report["status"], "success");
        let subjects = report["result"]["certificates"].as_array().unwrap();
        let subject = format!("CN={name},O=LAB");
        assert!(subjects.iter().any(|c| c["subject"] == subject.as_str()), "{report}");
        let said = old_name(&f, By::Java, &["CMCResponse", "-d", "db", "-i", "resp"]).exits(0);
        assert!(said.out.contains(&name) && said.out.contains("Status: SUCCESS"), "{}", said.out);

        // Refused, and stored all the same.
        std::fs::remove_file(f.file("resp")).unwrap();
        let report = send("caFullCMCUserCert", &[]).exits(40).json();
        assert_eq!(report["error"]["cmc"]["text"], "Invalid Credential.");
        assert!(f.file("resp").exists());
    }
    let name = unique("challenge");
    crmf(&f, By::Java, "rsa:2048", &format!("CN={name},O=LAB"), &["-q", "POP_NONE"]);
    cfg(&f, &["nickname=caadmin", "input=@DIR@/crmf.req"]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let report = send("caFullCMCUserCert", &agent).exits(41).json();
    assert_eq!(report["error"]["kind"], "pop_required");
    // A whole URL instead of the CA's address.
    let url = format!("{}{}", url(), FULL.split('?').next().unwrap());
    let args = ["cmc", "send", "cmc.req", "-d", "db", "--password-file", "pw", "--ca", &url];
    let args = [&args[..], &["--profile", "caFullCMCUserCert", "--out", "resp"]].concat();
    f.nss_cmc(&[&args[..], &agent].concat()).exits(41);
}
