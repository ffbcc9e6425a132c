//! Every flow with a database in FIPS mode, where nothing works before a login and no token imports
//! a key in the clear; and the errors without password.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::stand_in::{StandIn, folder, program};
use common::{Folder, PASSWORD, Said, tool};
use serde_json::Value;

const SECRET: &str = "the secret of alice";

/// Makes a database in FIPS mode, and a CA with the user alice.
fn fips() -> (Folder, StandIn) {
    let f = folder(&["--fips", "--key-type", "ec"]);
    f.write("secret", format!("{SECRET}\n"));
    let user = ["user", "--dir", "ca", "--uid", "alice", "--secret-file", "secret"];
    tool(program().to_str().unwrap(), f.path(), &user);
    let ca = StandIn::start(&f, &[]);
    (f, ca)
}

fn enroll(f: &Folder, ca: &StandIn, profile: &str, nickname: &str, more: &[&str]) -> Value {
    let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url, "--profile"];
    let what = [profile, "--subject", "CN=x", "--nickname", nickname, "--output", "json"];
    let report = f.nss_cmc(&[&args[..], &what, more].concat()).exits(0).json();
    assert_eq!(report["result"]["has_key"], true, "{report}");
    report
}

const BY_SECRET: [&str; 4] = ["--identification", "alice", "--shared-secret-file", "secret"];

#[test]
fn enrolling_and_revoking() {
    let (f, ca) = fips();
    let mut serials = Vec::new();
    for (nickname, profile, more) in [
        ("rsa", "caFullCMCSharedTokenCert", &["--pop-link"][..]),
        ("p256", "caECFullCMCSharedTokenCert", &["--key-type", "ec"]),
        ("p521", "caECFullCMCSharedTokenCert", &["--key-type", "ec:nistp521", "--pop-link"]),
    ] {
        for digest in ["SHA-256", "SHA-512"] {
            if nickname == "rsa" && digest != "SHA-256" {
                continue;
            }
            let more = [&BY_SECRET[..], more, &["--proof-digest", digest, "--force"]].concat();
            let report = enroll(&f, &ca, profile, nickname, &more);
            serials.push(report["result"]["certificate"]["serial"]["hex"].clone());
        }
    }
    enroll(&f, &ca, "caCMCECserverCert", "www", &["--signer", "agent", "--key-type", "ec"]);
    let two_trips = ["--signer", "rsa", "--encryption-only"];
    enroll(&f, &ca, "caFullCMCUserSignedCert", "enc", &two_trips);
    // Revoked by an agent, and by shared secret.
    let revoke = ["revoke", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    let by_agent = ["--signer", "agent", "--serial", serials[0].as_str().unwrap()];
    f.nss_cmc(&[&revoke[..], &by_agent].concat()).exits(0);
    let serial = serials[1].as_str().unwrap();
    let keep = ["revocation-secret", "--dir", "ca", "--serial", serial, "--secret-file", "secret"];
    tool(program().to_str().unwrap(), f.path(), &keep);
    let issuer = ["--issuer", "CN=CA Signing Certificate,O=STAND-IN"];
    let by_secret = [&["--serial", serial, "--shared-secret-file", "secret"][..], &issuer].concat();
    let said = f.nss_cmc(&[&revoke[..2], &["db", "--ca", &ca.url], &by_secret].concat());
    needs_password(said);
    f.nss_cmc(&[&revoke[..], &by_secret].concat()).exits(0);
}

/// Checks that a failed run reports the missing password and doesn't blame the CA.
#[track_caller]
fn needs_password(said: Said) {
    let all = format!("{}{}", said.out, said.err);
    assert!([1, 11].contains(&said.code), "{} {all}", said.code);
    assert!(all.contains("is in FIPS mode"), "{all}");
    assert!(all.contains("password"), "{all}");
    for word in ["BAD_SIGNATURE", "forged", "wrong", "invalid", "BAD_PASSWORD", "NOT_LOGGED_IN"] {
        assert!(!all.contains(word), "{word}: {all}");
    }
}

#[test]
fn messages_are_made_sent_and_believed() {
    let (f, ca) = fips();
    let create = ["csr", "create", "-d", "db", "--password-file", "pw", "--ski", "--subject"];
    let made = ["CN=x", "--key-type", "ec", "--out", "a.csr", "--output", "json"];
    let report = f.nss_cmc(&[&create[..], &made].concat()).exits(0).json();
    let id = report["result"]["key_id"].as_str().unwrap();
    let base = format!(
        "numRequests=1\ninput=a.csr\noutput=cmc.req\nformat=pkcs10\ndbdir=db\npasswordFile=pw\n\
         request.selfSign=true\nrequest.privKeyId={id}\nidentification.enable=true\n\
         identification=alice\nwitness.sharedSecret={SECRET}\n"
    );
    let v1 = "identityProof.enable=true\nidentityProof.sharedSecret=the secret of alice\n";
    f.write("v1.cfg", format!("{base}{v1}"));
    f.nss_cmc(&["CMCRequest", "v1.cfg"]).exits(0);
    let v2 = "identityProofV2.enable=true\npopLinkWitnessV2.enable=true\n";
    f.write("v2.cfg", format!("{base}{v2}"));
    f.nss_cmc(&["CMCRequest", "v2.cfg"]).exits(0);
    // Without a client certificate only the server and the response are verified.
    let profile = "caECFullCMCSharedTokenCert";
    let send = ["cmc", "send", "cmc.req", "-d", "db", "--ca", &ca.url, "--profile", profile];
    needs_password(f.nss_cmc(&[&send[..], &["--out", "resp"]].concat()));
    assert!(!String::from_utf8(f.read("ca.log")).unwrap().contains("profileSubmit"));
    f.nss_cmc(&[&send[..], &["--out", "resp", "--password-file", "pw"]].concat()).exits(0);
    let http = format!(
        "host=localhost\nport={}\nsecure=true\ninput=cmc.req\noutput=http.resp\ndbdir=db\n\
         servlet=/ca/ee/ca/profileSubmitCMCFull?profileId={profile}\n",
        ca.port
    );
    f.write("none.cfg", &http);
    needs_password(f.nss_cmc(&["HttpClient", "none.cfg"]));
    f.write("http.cfg", format!("{http}passwordFile=pw\n"));
    f.nss_cmc(&["HttpClient", "http.cfg"]).exits(0);
    // With the password the response is verified; without it, nothing is claimed.
    for file in ["resp", "http.resp"] {
        let show = ["cmc", "show", file, "-d", "db", "--verify"];
        let said = f.nss_cmc(&[&show[..], &["--password-file", "pw"]].concat()).exits(0);
        assert!(said.out.contains("signature: valid"), "{}", said.out);
        needs_password(f.nss_cmc(&show));
        // Without --verify the message is printed, and its signature called neither good nor bad.
        let said = f.nss_cmc(&show[..5]).exits(0);
        let line = said.out.lines().find(|l| l.starts_with("signature: ")).unwrap();
        assert!(line.contains("not checked") && line.contains("is in FIPS mode"), "{line}");
        let response = ["CMCResponse", "-d", "db", "-i", file];
        let said = f.nss_cmc(&[&response[..], &["--password-file", "pw"]].concat()).exits(0);
        assert!(said.err.contains("the signature is valid"), "{}", said.err);
        needs_password(f.nss_cmc(&response));
        let said = f.nss_cmc(&[&response[..], &["--allow-unverified"]].concat()).exits(0);
        assert!(said.err.contains("warning: the signature was not verified"), "{}", said.err);
    }
    let mut forged = f.read("resp");
    let at = forged.len() - 3;
    forged[at] ^= 1;
    f.write("forged", forged);
    let show = ["cmc", "show", "forged", "-d", "db", "--verify", "--password-file", "pw"];
    f.nss_cmc(&show).exits(42);
    // Agents' messages by the old tools.
    let revoke = ["CMCRevoke", "-d", "db", "-n", "agent", "-i", "CN=x", "-s", "1", "-m", "0"];
    f.nss_cmc(&[&revoke[..], &["-p", PASSWORD]].concat()).exits(0);
}

#[test]
fn shared_tokens() {
    let f = folder(&["--fips", "--key-type", "ec"]);
    f.write("secret", format!("{SECRET}\n"));
    let token = ["shared-token", "-d", "db", "--nickname", "ca_signing", "--shared-secret-file"];
    let token = [&token[..], &["secret"]].concat();
    needs_password(f.nss_cmc(&token));
    f.nss_cmc(&[&token[..], &["--password-file", "pw"]].concat()).exits(0);
    let old = ["CMCSharedToken", "-d", "db", "-n", "ca_signing", "--passphrase-file", "secret"];
    f.nss_cmc(&[&old[..], &["-p", PASSWORD]].concat()).exits(0);
    needs_password(f.nss_cmc(&old));
}
