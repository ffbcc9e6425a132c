//! CMCRevoke: its options, its message as parsed by openssl, and the mistakes of the Java tool that
//! it avoids.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::der::pem;
use common::{Folder, PASSWORD, Said, accepted_by_dogtag, run, tool};
use nss_cmc::inspect::judge::Rule;

/// Makes a folder with a database that has an agent's certificate.
fn ready(key: &[&str]) -> Folder {
    let f = Folder::new();
    f.write("noise", [7u8; 64]);
    let agent = ["-S", "-n", "CA Agent", "-s", "CN=agent", "-x", "-t", "CTu,Cu,Cu", "-m", "1"];
    f.certutil(&[&agent[..], &["-f", "pw", "-z", "noise"], key].concat());
    f
}

const EC: &[&str] = &["-k", "ec", "-q", "nistp256"];
const ISSUER: &str = "-icn=CA Signing Certificate,ou=pki-tomcat,o=LAB";

#[track_caller]
fn revoke(f: &Folder, args: &[&str]) -> Said {
    std::fs::remove_file(f.file("CMCRevoke.out")).ok();
    f.nss_cmc(&[&["CMCRevoke"], args].concat())
}

/// Verifies the signature with openssl; returns the PKIData as openssl prints it.
#[track_caller]
fn verified(f: &Folder, file: &str) -> String {
    // With -p the agent's message has a passphrase, as Java's has.
    accepted_by_dogtag(&f.read(file), &[Rule::PassphraseSigned]);
    let cms = ["cms", "-verify", "-noverify", "-inform", "DER", "-binary", "-out", "pki", "-in"];
    tool("openssl", f.path(), &[&cms[..], &[file]].concat());
    tool("openssl", f.path(), &["asn1parse", "-inform", "DER", "-in", "pki"])
}

fn values(parsed: &str) -> Vec<String> {
    parsed
        .lines()
        .filter(|l| !l.contains("cons:"))
        .filter_map(|l| l.split_once("prim: ").map(|(_, v)| v))
        .map(|v| v.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// senderNonce 1, revokeRequest 2; the three other sequences are empty.
#[test]
fn the_message_is_java_s_but_for_its_nonce() {
    for key in [EC, &["-k", "rsa", "-g", "2048"]] {
        let f = ready(key);
        let glued = ["-ddb", "-nCA Agent", ISSUER, "-s4711", "-m1", "-pSecret.123", "-ca ü"];
        let said = revoke(&f, &glued).exits(0);
        let parsed = verified(&f, "CMCRevoke.out");
        let values = values(&parsed);
        assert_eq!(values[..2], ["INTEGER :01", "OBJECT :id-cmc-senderNonce"], "{parsed}");
        assert!(values[2].starts_with("OCTET STRING [HEX DUMP]:"), "{parsed}");
        assert_eq!(values[3..5], ["INTEGER :02", "OBJECT :id-cmc-revokeRequest"]);
        let names = ["organizationName", "organizationalUnitName", "commonName"];
        let texts = ["LAB", "pki-tomcat", "CA Signing Certificate"];
        for (i, (name, text)) in names.iter().zip(texts).enumerate() {
            let want = [format!("OBJECT :{name}"), format!("UTF8STRING :{text}")];
            assert_eq!(values[5 + 2 * i..7 + 2 * i], want);
        }
        assert_eq!(values[11..13], ["INTEGER :1267", "ENUMERATED :01"]);
        assert!(values[13].starts_with("UTF8STRING :a "), "{parsed}");
        assert_eq!(values.len(), 14, "{parsed}");
        let empty = parsed.lines().rev().take(3).filter(|l| l.contains("l=   0 cons: SEQUENCE"));
        assert_eq!(empty.count(), 3, "{parsed}");
        // The message is one line of base64 between the labels.
        let lines: Vec<&str> = said.out.lines().collect();
        let at = lines.iter().position(|l| *l == "-----BEGIN CERTIFICATE REQUEST-----").unwrap();
        assert_eq!(lines[at + 2], "-----END CERTIFICATE REQUEST-----");
        let file = pem::base64(&f.read("CMCRevoke.out"));
        assert_eq!(lines[at + 1], file);
        assert_eq!(
            lines[..3],
            [
                "cert/key prefix = ",
                "path = db",
                "CMCRevoke: searching for certificate nickname:CA Agent"
            ]
        );
        assert!(said.out.contains("\nCMC revocation binary blob written to CMCRevoke.out\n"));
        // Java's nonce is a hash of the date.
        let first = f.read("CMCRevoke.out");
        revoke(&f, &glued).exits(0);
        assert_ne!(f.read("CMCRevoke.out"), first);
    }
}

/// Java requires exactly seven or eight attached options, and cuts off a quoted value's last
/// letter.
#[test]
fn arguments_in_any_number_and_form() {
    let f = ready(EC);
    let six = ["-ddb", "-nCA Agent", ISSUER, "-s1", "-m0", "-pSecret.123"];
    revoke(&f, &six).exits(0);
    let nine = ["-hinternal", "-ccomment", "-tsecret"];
    let said = revoke(&f, &[&six[..], &nine].concat()).exits(0);
    assert!(said.err.contains("refuses a signed request with a shared secret"), "{}", said.err);
    // A file with a secret can be read by its owner only.
    let mode = std::fs::metadata(f.file("CMCRevoke.out")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (_, issuer) = ISSUER.split_at(2);
    let apart = ["-d", "sql:db", "-n", "CA Agent", "-i", issuer, "-s", "0x1F", "-m", "superseded"];
    let more = ["--password-file", "pw", "--output", "own.der", "--invalidity-now"];
    revoke(&f, &[&apart[..], &more].concat()).exits(0);
    let parsed = verified(&f, "own.der");
    for part in ["INTEGER           :1F", "ENUMERATED        :04", "GENERALIZEDTIME"] {
        assert!(parsed.contains(part), "{part}: {parsed}");
    }
    assert!(!f.file("CMCRevoke.out").exists());
    let quoted = ["-d\"db\"", "-n'CA Agent'", ISSUER, "-s\"12\"", "-m'6'", "-p\"Secret.123\""];
    revoke(&f, &quoted).exits(0);
    assert!(verified(&f, "CMCRevoke.out").contains("INTEGER           :0C"));
    let said = revoke(&f, &[&six[..], &["-zwhat", "stray"]].concat()).exits(0);
    assert!(said.err.contains("\"-zwhat\" is ignored"), "{}", said.err);
    let said = revoke(&f, &["--help"]).exits(0);
    assert!(said.out.starts_with("Usage: CMCRevoke"), "{}", said.out);
}

#[test]
fn what_is_missing_or_wrong_fails() {
    let f = ready(EC);
    let six = ["-ddb", "-nCA Agent", ISSUER, "-s1", "-m0", "-pSecret.123"];
    for at in 0..5 {
        let mut five = six.to_vec();
        let gone = five.remove(at);
        let said = revoke(&f, &five).exits(1);
        assert!(said.err.contains(&format!("is missing: {}", &gone[..2])), "{}", said.err);
        assert!(said.out.starts_with("Usage: "), "{}", said.out);
        assert!(!said.err.contains(PASSWORD) && !said.out.contains(PASSWORD));
    }
    for (last, words) in [
        ("-sfifteen", "invalid serial number"),
        ("-m7", "Unrecognized CRL reason"),
        ("-mboredom", "Unrecognized CRL reason"),
        ("-iCN", "CN"),
        ("-nnobody", "certificate \"nobody\" not found"),
        ("-pwrong", "cannot log in"),
        ("-hHSM", "token \"HSM\" not found"),
        ("-dnowhere", "nowhere"),
    ] {
        let said = revoke(&f, &[&six[..], &[last]].concat()).exits(1);
        assert!(said.err.contains(words), "{last}: {}", said.err);
        assert!(!f.file("CMCRevoke.out").exists() && !f.file("nowhere").exists(), "{last}");
    }
    // Java prints an error and exits with 0.
    let said = revoke(&f, &[&six[..], &["--output", "no/such"]].concat()).exits(1);
    assert!(said.err.contains("cannot write no/such"), "{}", said.err);
    for (args, code) in [(&["-ddb"][..], 0), (&["-ddb", "-nx", ISSUER, "-s1", "-m0", "-pwrong"], 1)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
        let legacy = command.current_dir(f.path()).env("NSS_CMC_LEGACY_EXIT", "1");
        assert_eq!(run(legacy.arg("CMCRevoke").args(args)).code, code, "{args:?}");
    }
    // The database is only read.
    let before = (f.read("db/cert9.db"), f.read("db/key4.db"));
    revoke(&f, &six).exits(0);
    assert_eq!((f.read("db/cert9.db"), f.read("db/key4.db")), before);
}
