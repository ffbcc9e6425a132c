//! A signer that the CA would refuse is reported before anything is made or sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, tool};

/// Makes a database with the signers `old` (expired), `future` (not yet valid) and `www` (for
/// servers only).
fn start() -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    f.write("noise", [7; 64]);
    let ec = ["-k", "ec", "-q", "nistp256", "-z", "noise", "-f", "pw"];
    let asked = ["-R", "-s", "CN=old,O=STAND-IN", "-a", "-o", "old.csr"];
    f.certutil(&[&asked[..], &ec].concat());
    let sign = ["sign", "--dir", "ca", "--csr", "old.csr", "--expired", "--out", "old.pem"];
    tool(program().to_str().unwrap(), f.path(), &sign);
    f.certutil(&["-A", "-n", "old", "-t", ",,", "-a", "-i", "old.pem", "-f", "pw"]);
    let own = ["-S", "-x", "-s", "CN=future", "-n", "future", "-t", ",,", "-w", "2", "-m", "77"];
    f.certutil(&[&own[..], &ec].concat());
    let mut args = vec!["enroll", "-d", "db", "--password-file", "pw", "--ca", &ca.url];
    args.extend(["--profile", "caCMCECserverCert", "--signer", "agent"]);
    args.extend(["--key-type", "ec:nistp256", "--subject", "CN=www.x", "--nickname", "www"]);
    f.nss_cmc(&args).exits(0);
    (f, ca)
}

const SIGNERS: [(&str, &str); 3] = [
    ("old", "expired on 20"),
    ("future", "is not valid before 20"),
    ("www", "does not allow TLS client authentication"),
];

#[test]
fn the_modern_verbs_refuse_them_before_anything_is_sent() {
    let (f, ca) = start();
    let old = ["CMCRevoke", "-ddb", "-pSecret.123", "-nagent", "-iCN=x", "-s9", "-m0"];
    f.nss_cmc(&old).exits(0);
    for (signer, words) in SIGNERS {
        let enroll = ["--profile", "caCMCECserverCert", "--subject", "CN=a", "--nickname", "a"];
        let enroll = [&["enroll"][..], &enroll, &["--key-type", "ec:nistp256"]].concat();
        let send =
            ["cmc", "send", "CMCRevoke.out", "--out", "resp", "--profile", "caFullCMCUserCert"];
        for verb in [&enroll[..], &["revoke", "--cert", "agent.pem"], &send] {
            let before = (f.state(), f.read("ca.log"));
            let common = ["-d", "db", "--password-file", "pw", "--ca", &ca.url, "--signer", signer];
            let said = f.nss_cmc(&[verb, &common, &["--output", "json"]].concat()).exits(13);
            let report = said.json();
            let msg = report["msg"].as_str().unwrap();
            assert!(msg.contains(words) && msg.contains(signer), "{verb:?}: {msg}");
            assert!(report["error"]["hint"].as_str().unwrap().contains("--signer"), "{report}");
            assert_eq!((f.state(), f.read("ca.log")), before, "{verb:?}");
        }
        assert!(!f.file("resp").exists());
    }
}

/// The old tools use such a signer, and warn.
#[test]
fn the_old_tools_warn() {
    let (f, _ca) = start();
    for (signer, words) in &SIGNERS[..2] {
        let nickname = format!("-n{signer}");
        let args = ["CMCRevoke", "-ddb", "-pSecret.123", &nickname, "-iCN=x", "-s9", "-m0"];
        let said = f.nss_cmc(&args).exits(0);
        assert!(said.err.contains("warning: ") && said.err.contains(words), "{}", said.err);
        f.write("in.req", "x");
        f.write(
            "req.cfg",
            format!(
                "numRequests=0\ndbdir=db\npassword=Secret.123\nnickname={signer}\noutput=cmc.req\n\
                 queryPending.enable=true\nqueryPending.token=1\nformat=pkcs10\n"
            ),
        );
        let said = f.nss_cmc(&["CMCRequest", "req.cfg"]);
        assert!(said.err.contains(words), "{}\n{}", said.out, said.err);
    }
}
