//! A host that cannot reach the CA: `cmc build` there, another database or Java's HttpClient as the
//! carrier, `cmc accept` with the response of the real CA.

use super::common::dogtag::{client_file, folder, http_cfg, java};
use super::common::tool;
use super::modern::{certified, unique};
use super::{By, FULL, Folder, old_name};

/// Makes a host with an agent's certificate and key in its own database, and the folder of a carrier.
fn host(name: &str) -> (Folder, Folder) {
    let (host, carrier) = (folder(&format!("m6-{name}")), folder(&format!("m6-{name}-carrier")));
    (host, carrier)
}

fn send(carrier: &Folder, by: By, profile: &str, signer: Option<&str>) {
    match by {
        By::Us => {
            let args = [
                "cmc",
                "send",
                "request",
                "-d",
                "db",
                "--password-file",
                "pw",
                "--out",
                "response",
            ];
            let url = super::url();
            let mut args = [&args[..], &["--ca", url, "--profile", profile]].concat();
            args.extend(signer.iter().flat_map(|s| ["--signer", s]));
            carrier.nss_cmc(&args).exits(0);
        }
        By::Java => {
            let servlet = format!("{FULL}{profile}");
            http_cfg(carrier, "http.cfg", &servlet, signer, ("request", "response"));
            java(carrier, &["HttpClient", "http.cfg"]).exits(0);
        }
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn build_send_accept() {
    let (host, carrier) = host("apart");
    let base = ["-d", "db", "--password-file", "pw", "--output", "json"];
    host.write_secret("secret", "alicesecret\n");
    let transport = client_file("kra_transport.pem");
    let archive = ["--archive-to", transport.to_str().unwrap()];
    let agent = ["--signer", "caadmin"];
    let alice = ["--identification", "alice", "--shared-secret-file", "secret"];
    let alice_subject = "UID=alice,OU=people,DC=lab,DC=test";
    for by in [By::Us, By::Java] {
        for (profile, who, more, signer) in [
            ("caCMCserverCert", &agent[..], &[][..], Some("caadmin")),
            ("caFullCMCUserCert", &agent[..], &archive[..], Some("caadmin")),
            ("caFullCMCSharedTokenCert", &alice[..], &["--key-type", "rsa:3072"][..], None),
        ] {
            let name = unique("apart");
            let subject = format!("CN={name},O=LAB");
            let files =
                ["--out", "request", "--state", &format!("{name}.state")].map(str::to_owned);
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let what = ["--subject", &subject, "--nickname", &name];
            let args = [&["cmc", "build"][..], &base, &what, who, more, &files].concat();
            let built = host.nss_cmc(&args).exits(0).json();
            let id = built["result"]["key_id"].as_str().unwrap();
            assert!(
                host.certutil(&["-K", "-f", "pw"])
                    .contains(&format!("unfinished request for {name}"))
            );
            assert!(!carrier.keys().contains(&id.to_owned()));
            carrier.write("request", host.read("request"));
            std::fs::remove_file(carrier.file("response")).ok();
            send(&carrier, by, profile, signer);
            host.write("response", carrier.read("response"));
            let state = format!("{name}.state");
            let args = [&["cmc", "accept", "response", "--state", &state][..], &base].concat();
            let report = host.nss_cmc(&args).exits(0).json();
            let expected = if signer.is_some() { subject.as_str() } else { alice_subject };
            certified(&host, &report, Some(&name), expected);
            assert_eq!(report["result"]["key_id"], id);
            assert!(!host.certutil(&["-K", "-f", "pw"]).contains("unfinished"));
            let report = host.nss_cmc(&args).exits(0).json();
            assert_eq!(report["status"], "unchanged", "{report}");
            // The Java tool reads the same response.
            let said = old_name(&carrier, By::Java, &["CMCResponse", "-d", "db", "-i", "response"]);
            assert!(said.exits(0).out.contains("Status: SUCCESS"));
            host.certutil(&["-F", "-n", &name, "-f", "pw"]);
        }
    }
}

/// Dogtag's refusal repeats neither nonce nor transaction id: key and state stay, and the message is
/// accepted by the right profile after that.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_refusal_settles_nothing() {
    let (host, carrier) = host("refused");
    let name = unique("apart-refused");
    let base = ["-d", "db", "--password-file", "pw", "--output", "json"];
    let subject = format!("CN={name},O=LAB");
    let what = ["--subject", &subject, "--nickname", &name, "--signer", "caadmin"];
    let files = ["--out", "request", "--state", "state"];
    host.nss_cmc(&[&["cmc", "build"][..], &base, &what, &files].concat()).exits(0);
    carrier.write("request", host.read("request"));
    let accept = [&["cmc", "accept", "response", "--state", "state"][..], &base].concat();
    for (signer, profile, code) in
        [(None, "caCMCserverCert", 40), (Some("caadmin"), "caCMCserverCert", 0)]
    {
        let args =
            ["cmc", "send", "request", "-d", "db", "--password-file", "pw", "--out", "response"];
        let mut args = [&args[..], &["--ca", super::url(), "--profile", profile]].concat();
        args.extend(signer.iter().flat_map(|s| ["--signer", s]));
        carrier.nss_cmc(&args).exits(code);
        host.write("response", carrier.read("response"));
        let report = host.nss_cmc(&accept).exits(code).json();
        assert!(host.file("state").exists());
        if code == 40 {
            assert_eq!(report["error"]["cmc"]["text"], "Invalid Credential.");
            assert!(report["result"]["key_id"].is_string(), "{report}");
        }
    }
    let serial = host.certutil(&["-L", "-n", &name]);
    assert!(serial.contains(&name), "{serial}");
    tool("grep", host.path(), &["-q", "^accepted=..", "state"]);
}
