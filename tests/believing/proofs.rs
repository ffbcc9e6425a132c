//! Certificates are not covered by the signature: each one is proven by its issuer, or not at all.

use std::process::Command;

use crate::common::der::tlv;
use crate::common::run;

use crate::maker::{FUTURE, PAST, ca, make, response, seq, signer};
use crate::{database, verdict};

/// The recorded response with one letter of the issued certificate's subject changed, which the
/// signature doesn't cover.
#[test]
fn a_changed_subject_in_a_recorded_response() {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/");
    let f = crate::Folder::new();
    let pem = format!("{vectors}ca_signing.pem");
    f.certutil(&["-A", "-n", "ca", "-t", "CT,C,C", "-a", "-f", "pw", "-i", &pem]);
    let good = std::fs::read(format!("{vectors}01-rsa-server/response.der")).unwrap();
    let at = good.windows(16).position(|w| w == b"server1.lab.test").unwrap();
    let mut changed = good.clone();
    changed[at] = b'S';
    assert_eq!(verdict(&f, &good).code, 0);
    assert_eq!(verdict(&f, &good).proven, [true, true]);
    let found = verdict(&f, &changed);
    assert_eq!((found.signature.as_str(), found.code), ("good", 42));
    assert_eq!(found.proven.iter().filter(|p| **p).count(), 1);
    let said = crate::show(&f, &changed, &[]).exits(0);
    let of = |subject: &str| {
        let line = said.out.lines().find(|l| l.starts_with(&format!("certificate {subject}")));
        line.unwrap_or_else(|| panic!("{subject}: {}", said.out))
    };
    assert!(of("CN=Server1.lab.test").contains(": not proven: "), "{}", said.out);
    assert!(of("CN=CA Signing").ends_with(": proven"), "{}", said.out);
    let said = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "r", "-o", "o"]).exits(1);
    assert!(!f.file("o").exists());
    assert!(
        said.err.contains("Server1.lab.test") && said.err.contains("not proven"),
        "{}",
        said.err
    );
    let go_on = ["CMCResponse", "-d", "db", "-i", "r", "-o", "o", "--allow-unverified"];
    let said = f.nss_cmc(&go_on).exits(0);
    assert!(said.err.contains("warning: ") && f.file("o").exists(), "{}", said.err);
}

#[test]
fn which_certificates_are_proven() {
    let (root, stranger) = (ca("Root").itself(), ca("Root").itself());
    let sub = ca("Sub").by(&root);
    let stranger_sub = ca("Sub").by(&stranger);
    let f = database(&[("root", "CT,C,C", &root)]);
    for (what, beside, proven) in [
        ("issued", make("www").by(&sub), true),
        ("forged", make("www").by(&stranger_sub), false),
        ("self-signed", make("www").itself(), false),
        ("an expired one", make("www").valid(PAST).by(&sub), true),
        // The CA's clock may be fast.
        ("one that begins later", make("www").valid(FUTURE).by(&sub), true),
        ("a stranger of the CA's name", stranger.clone(), false),
        ("a CA of a stranger", stranger_sub.clone(), false),
    ] {
        let message = response(&[signer(&sub)], &[&beside, &sub, &root]);
        let found = verdict(&f, &message);
        assert_eq!(found.proven, [proven, true, true], "{what}: {}", found.reason);
        assert_eq!(found.code, if proven { 0 } else { 42 }, "{what}: {}", found.reason);
    }
}

/// If the database trusts only the issuing CA, the root above it is proven, too.
#[test]
fn what_stands_above_a_trusted_ca() {
    let root = ca("Root").itself();
    let policy = ca("Policy").by(&root);
    let sub = ca("Sub").by(&policy);
    let f = database(&[("sub", "CT,C,C", &sub)]);
    let leaf = make("www").by(&sub);
    let beside = [&leaf, &sub, &policy, &root];
    let found = verdict(&f, &response(&[signer(&sub)], &beside));
    assert_eq!((found.proven, found.code), (vec![true; 4], 0));
    // The same key and name, but not the certificate that the root signed itself.
    let fake = ca("Root")
        .key(root.key.clone())
        .signed(&crate::maker::ec(), root.certificate.subject_name());
    let found = verdict(&f, &response(&[signer(&sub)], &[&leaf, &sub, &policy, &fake]));
    assert_eq!((found.proven[3], found.code), (false, 42));
}

/// Very many certificates of one name cost at most about a second.
#[test]
fn a_flood_of_certificates() {
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let leaf = make("www").by(&root);
    let key = crate::maker::ec();
    let fakes: Vec<_> = (0..120).map(|_| ca("Root").key(key.clone()).itself()).collect();
    let mut beside = vec![&root, &leaf];
    beside.extend(&fakes);
    let found = verdict(&f, &response(&[signer(&root)], &beside));
    assert_eq!((found.signature.as_str(), found.code), ("good", 42));
    assert_eq!(found.proven[..2], [true, true]);
    // Of the processor's time, which a loaded machine gives later but not more of.
    let limited = "ulimit -t 20; exec \"$0\" cmc show r -d db";
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    run(Command::new("sh").current_dir(f.path()).args(["-c", limited, program])).exits(0);
}

/// Name constraints of a CA (RFC 5280 §4.2.1.10).
#[test]
fn names_that_the_ca_may_not_certify() {
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let permitted = tlv(0xa0, &seq(&[&tlv(0x82, b"example.com")]));
    let sub = ca("Sub").extension("2.5.29.30", true, seq(&[&permitted])).by(&root);
    for (host, proven) in [("www.example.com", true), ("www.example.org", false)] {
        let names = seq(&[&tlv(0x82, host.as_bytes())]);
        let leaf = make("www").extension("2.5.29.17", false, names).by(&sub);
        let found = verdict(&f, &response(&[signer(&sub)], &[&leaf, &sub, &root]));
        assert_eq!(found.proven, [proven, true, true], "{host}: {}", found.reason);
    }
}
