//! The first signing certificate of a user, by shared secret.

use super::common::dogtag::{Lab, folder, lab};
use super::{By, FULL, USER_SIGNED, cfg, crmf, old_name, pkcs10, send, succeeded, user};

const ALICE: [&str; 5] = [
    "request.useSharedSecret=true",
    "identification.enable=true",
    "identification=alice",
    "witness.sharedSecret=alicesecret",
    "identityProofV2.enable=true",
];

/// Formats, keys, hash and MAC algorithms, and whether the request is linked to the secret.
const CASES: &[(&str, &str, &str, &str, bool)] = &[
    ("pkcs10", "rsa:2048", "SHA-256", "SHA-256-HMAC", false),
    ("pkcs10", "rsa:3072", "SHA-512", "SHA-512-HMAC", true),
    ("pkcs10", "ec:nistp256", "SHA-512", "SHA-256-HMAC", true),
    ("pkcs10", "ec:nistp521", "SHA-256", "SHA-256-HMAC", false),
    ("crmf", "rsa:2048", "SHA-256", "SHA-512-HMAC", true),
    ("crmf", "rsa:2048", "SHA-512", "SHA-256-HMAC", false),
    ("crmf", "ec:nistp256", "SHA-384", "SHA-256-HMAC", true),
    ("crmf", "ec:nistp521", "SHA-256", "SHA-256-HMAC", false),
];

fn profile(key: &str) -> String {
    let ec = if key.starts_with("ec") { "EC" } else { "" };
    format!("{FULL}ca{ec}FullCMCSharedTokenCert")
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn first_certificate_by_shared_secret() {
    let f = folder("shared-secret");
    let crmf_by = if lab() == Lab::V10 { By::Java } else { By::Us };
    for (format, key, hash, mac, link) in CASES {
        let id = match *format {
            "pkcs10" => pkcs10(&f, key, "CN=anybody,O=LAB"),
            // Java 11.10's CRMF with `-y` is refused by its own CA (tests/dogtag_csr/mixed.rs).
            _ => crmf(&f, crmf_by, key, "CN=anybody,O=LAB", &["-y"]),
        };
        let file = if *format == "pkcs10" { "p10" } else { "crmf" };
        let own = [
            format!("format={format}"),
            "numRequests=1".into(),
            // Ignored, according to the documentation.
            "nickname=somebody who is not here".into(),
            format!("input=@DIR@/{file}.req"),
            format!("request.privKeyId={id}"),
            format!("identityProofV2.hashAlg={hash}"),
            format!("identityProofV2.macAlg={mac}"),
            format!("popLinkWitnessV2.enable={link}"),
            format!("popLinkWitnessV2.keyGenAlg={hash}"),
            format!("popLinkWitnessV2.macAlg={mac}"),
        ];
        let lines: Vec<&str> = own.iter().map(String::as_str).chain(ALICE).collect();
        cfg(&f, &lines);
        let said = f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
        assert!(said.out.contains("Successfully create identityProofV2 control. bpid = "));
        assert_eq!(said.out.contains("-----BEGIN CERTIFICATE REQUEST-----"), *link);
        send(&f, By::Us, &profile(key), None);
        succeeded(&f, By::Us, "alice");
    }
}

/// Each file is exchanged between the implementations, both ways.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn mixed_pairs_with_java() {
    let f = folder("shared-mixed");
    for (make, post, show) in [
        (By::Us, By::Java, By::Java),
        (By::Java, By::Us, By::Us),
        (By::Java, By::Us, By::Java),
        (By::Us, By::Java, By::Us),
    ] {
        let id = pkcs10(&f, "rsa:2048", "CN=anybody,O=LAB");
        let id = format!("request.privKeyId={id}");
        let mut lines = vec![
            "format=pkcs10",
            "numRequests=1",
            "input=@DIR@/p10.req",
            &id,
            "identityProofV2.hashAlg=SHA-256",
            "identityProofV2.macAlg=SHA-256-HMAC",
        ];
        lines.extend(ALICE);
        cfg(&f, &lines);
        old_name(&f, make, &["CMCRequest", "req.cfg"]).exits(0);
        send(&f, post, &profile("rsa"), None);
        succeeded(&f, show, "alice");
    }
}

/// The tool's own samples lack the algorithm keys: Java then omits the proof silently. A secret may
/// come from a file.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn absent_algorithms_are_sane_and_secrets_come_from_files() {
    let f = folder("shared-defaults");
    let id = pkcs10(&f, "ec:nistp256", "CN=anybody,O=LAB");
    f.write("secret", "a passphrase with spaces\n");
    let id = format!("request.privKeyId=0x{}", certutil_id(&id, &f));
    cfg(
        &f,
        &[
            "input = @DIR@/p10.req",
            "request.selfSign=TRUE",
            &id,
            "identification.enable=True",
            "identification=dave",
            "witness.sharedSecretFile=@DIR@/secret",
            "identityProofV2.enable=TRUE",
        ],
    );
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    send(&f, By::Us, &profile("ec"), None);
    succeeded(&f, By::Us, "dave");
}

/// Returns a key id in certutil's form.
fn certutil_id(id: &str, f: &super::Folder) -> String {
    let bytes = nss_cmc::keyid::parse(id).unwrap();
    let hex = nss_cmc::keyid::to_hex(&bytes);
    assert!(f.keys().contains(&hex));
    hex
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn user_signed_enrolment() {
    let f = folder("user-signed");
    for (name, key, profile) in [
        ("ursula", "rsa:2048", "caFullCMCUserSignedCert"),
        ("egon", "ec:nistp256", "caECFullCMCUserSignedCert"),
    ] {
        user(&f, name, key);
        pkcs10(&f, key, &format!("CN={name},O=LAB"));
        let nickname = format!("nickname={name}");
        for by in [By::Us, By::Java] {
            cfg(&f, &[&nickname, "format=pkcs10", "numRequests=1", "input=@DIR@/p10.req"]);
            old_name(&f, by, &["CMCRequest", "req.cfg"]).exits(0);
            send(&f, By::Us, &format!("{USER_SIGNED}{profile}"), Some(name));
            succeeded(&f, By::Us, name);
            pkcs10(&f, key, &format!("CN={name},O=LAB"));
        }
    }
}
