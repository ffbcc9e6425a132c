//! ML-DSA and ML-KEM: whether the token supports them is found out at run time.

use super::requests::{public_key, signed_and_signature, unarchive};
use super::*;

/// Returns major and minor number of the running NSS.
fn nss() -> (u32, u32) {
    let version = nss_cmc::nss::version();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn too_old(what: &str) -> String {
    let version = nss_cmc::nss::version();
    format!("does not support {what}: NSS supports it from 3.118 on; this is {version}")
}

/// The commands that make an ML-DSA key, each with its exit code for a refusal.
const COMMANDS: &[(&str, i32)] = &[
    ("PKCS10Client -d db -p Secret.123 -n CN=a -o a.req -a mldsa", 1),
    ("PKCS10Client -d db -p Secret.123 -n CN=a -o a.req -a mldsa -l 87 -y true", 1),
    ("CRMFPopClient -d db -p Secret.123 -n CN=a -o a.req -a mldsa", 1),
    ("CRMFPopClient -d db -p Secret.123 -n CN=a -o a.req -a mldsa -l 44 -b transport.pem", 1),
    ("csr create -d db --password-file pw --subject CN=a --out a.req --key-type mldsa:65", 14),
    (
        "csr create -d db --password-file pw --subject CN=a --out a.req --key-type mldsa:87 --crmf",
        14,
    ),
];

#[test]
fn ml_dsa_where_nss_has_it_and_a_clear_refusal_elsewhere() {
    let f = folder();
    for (i, (command, refused)) in COMMANDS.iter().enumerate() {
        let before = bytes(&f);
        let args: Vec<&str> = command.split(' ').collect();
        let said = f.nss_cmc(&args);
        if said.code == *refused && nss() < (3, 118) {
            assert!(said.err.contains(&too_old("ML-DSA")), "{command}: {}", said.err);
            assert!(said.err.contains("or a newer NSS"), "{command}");
            assert_eq!(bytes(&f), before, "{command}");
            continue;
        }
        said.exits(0);
        assert_eq!(f.keys().len(), i + 1, "{command}");
        // OpenSSL supports ML-DSA since 3.5.
        let list = openssl(&f, &["list", "-signature-algorithms"]);
        if !list.contains("ML-DSA-65") {
            assert!(walk(&f, "a.req").contains("2.16.840.1.101.3.4.3.1"), "{command}");
        } else if command.contains("CRMF") || command.contains("--crmf") {
            public_key(&f, "a.req");
            signed_and_signature(&f, "a.req");
            let verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "pub.pem"];
            openssl(&f, &[&verify[..], &["-in", "signed", "-sigfile", "signature"]].concat());
        } else {
            openssl(&f, &["req", "-in", "a.req", "-verify", "-noout"]);
        }
        if command.contains("-b ") && list.contains("ML-DSA-65") {
            unarchive(&f, "a.req", &["-id-aes128-wrap", "-iv", "a6a6a6a6a6a6a6a6"], false);
        }
    }
    // An unknown strength.
    let before = bytes(&f);
    let args = ["-d", "db", "-p", PASSWORD, "-n", "CN=a", "-o", "b.req", "-a", "mldsa", "-l", "66"];
    for name in ["PKCS10Client", "CRMFPopClient"] {
        let said = f.nss_cmc(&[&[name], &args[..]].concat()).exits(1);
        let known = "Invalid ML-DSA strength: 66: use 44, 65 or 87";
        assert!(said.err.contains(known), "{name}: {}", said.err);
    }
    assert_eq!(bytes(&f), before);
}

/// The commands that make an ML-KEM key, each with its exit code for a refusal and the last number
/// of the key's object identifier.
const KEM_COMMANDS: &[(&str, i32, u8)] = &[
    ("CRMFPopClient -d db -p Secret.123 -n CN=a -o a.req -a mlkem", 1, 2),
    ("CRMFPopClient -d db -p Secret.123 -n CN=a -o a.req -a mlkem -l 512 -q POP_NONE", 1, 1),
    (
        "csr create -d db --password-file pw --subject CN=a --out a.req --crmf --key-type mlkem:1024",
        14,
        3,
    ),
];

#[test]
fn ml_kem_where_nss_has_it_and_a_clear_refusal_elsewhere() {
    let f = folder();
    for (i, (command, refused, last)) in KEM_COMMANDS.iter().enumerate() {
        let before = bytes(&f);
        let args: Vec<&str> = command.split(' ').collect();
        let said = f.nss_cmc(&args);
        if said.code == *refused && nss() < (3, 118) {
            assert!(said.err.contains(&too_old("ML-KEM")), "{command}: {}", said.err);
            assert_eq!(bytes(&f), before, "{command}");
            continue;
        }
        said.exits(0);
        assert_eq!(f.keys().len(), i + 1, "{command}");
        let text = walk(&f, "a.req");
        let names =
            [["2.16.840.1.101.3.4.4.1", "ML-KEM-512"], ["2.16.840.1.101.3.4.4.2", "ML-KEM-768"]];
        let names = names.get(usize::from(*last) - 1).copied();
        let names = names.unwrap_or(["2.16.840.1.101.3.4.4.3", "ML-KEM-1024"]);
        assert!(names.iter().any(|name| text.contains(name)), "{command}: {text}");
        // The CertReqMsg ends with the CertRequest: no proof of possession.
        assert!(!text.contains("BIT STRING") || text.matches("BIT STRING").count() == 1, "{text}");
    }
    // Refused before a key is made, also where NSS has ML-KEM.
    let before = bytes(&f);
    let create = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=a"];
    for more in [&[][..], &["--crmf", "--pop", "success"]] {
        let kind = ["--out", "b.req", "--key-type", "mlkem"];
        let said = f.nss_cmc(&[&create[..], &kind, more].concat()).exits(2);
        assert!(said.err.contains("ML-KEM keys cannot sign"), "{}", said.err);
        assert!(said.err.contains("--crmf --pop none"), "{}", said.err);
    }
    assert_eq!(bytes(&f), before);
}
