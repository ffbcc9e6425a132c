//! Several processes that enroll into one database at once.

use std::process::{Child, Command, Stdio};

use crate::common::stand_in::{StandIn, ec_folder};
use crate::{on_db, result};

const RUNS: usize = 8;

#[test]
fn eight_enrollments_at_once_leave_eight_pairs() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let start = |n: usize| -> Child {
        let (subject, nickname) = (format!("CN=host{n}.example.com"), format!("host{n}"));
        Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .args(["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url])
            .args(["--profile", "caCMCECserverCert", "--signer", "agent", "--key-type", "ec"])
            .args(["--subject", &subject, "--nickname", &nickname, "--output", "json"])
            .env_remove("NSS_CMC_OUTPUT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running: Vec<Child> = (0..RUNS).map(start).collect();
    let mut ids = Vec::new();
    for child in running {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(report["result"]["has_key"], true, "{report}");
        ids.push(report["result"]["key_id"].as_str().unwrap().to_owned());
    }
    // certutil shows the `u` of a certificate whose key is here, and that key with its nickname.
    let keys = f.certutil(&["-K", "-f", "pw"]);
    let mut hosts = Vec::new();
    for n in 0..RUNS {
        hosts.push(format!("host{n} u,u,u"));
        let own = |line: &&str| line.ends_with(&format!(":host{n}"));
        let line = keys.lines().find(own).unwrap_or_else(|| panic!("host{n}: {keys}"));
        assert!(ids.iter().any(|id| line.contains(id.as_str())), "{line}");
        f.certutil(&["-V", "-u", "V", "-n", &format!("host{n}"), "-f", "pw"]);
    }
    assert_eq!(f.keys().len(), RUNS + 1);
    let certificates = f.certificates();
    let listed: Vec<&String> =
        certificates.iter().filter(|line| line.starts_with("host")).collect();
    assert_eq!(listed, hosts.iter().collect::<Vec<_>>());
    let list = result(&f, &["key", "list"]);
    let keys = list["keys"].as_array().unwrap();
    assert!(keys.iter().all(|key| key["certificates"].as_array().unwrap().len() == 1), "{list}");
    // Nothing stays locked: no journal is left, and the next run writes without waiting.
    for name in ["db/cert9.db-journal", "db/key4.db-journal"] {
        assert!(!f.file(name).exists(), "{name}");
    }
    let trust = ["cert", "trust", "host0", "--flags", "u,u,Pu", "--lock-timeout", "0"];
    on_db(&f, &trust).exits(0);
}
