//! Each key of the file, missing and invalid values, and the mistakes of the Java tool.

use std::os::unix::fs::PermissionsExt;

use super::common::der;
use super::common::{Folder, PASSWORD, run, tool};
use super::{AGENT, EC, ready, request, unverified, verified};

/// Java writes a message without proof, or with a proof from the secret `null`, and exits with 0.
#[test]
fn identity_proofs_are_never_lost_silently() {
    let (f, id) = ready(EC);
    let key = format!("request.privKeyId={id}");
    let own = [
        "input=p10.req",
        "output=out",
        "request.useSharedSecret=true",
        "identification.enable=true",
        "identification=alice",
        "identityProofV2.enable=true",
        key.as_str(),
    ];
    let said = request(&f, &own).exits(1);
    assert!(said.out.contains("Missing witness.sharedSecret."), "{}", said.out);
    assert!(!f.file("out").exists());
    for bad in ["identityProofV2.hashAlg=SHA-1", "identityProofV2.macAlg=SHA256withRSA"] {
        let said = request(&f, &[&own[..], &["witness.sharedSecret=s", bad]].concat()).exits(1);
        assert!(said.out.contains("unknown"), "{}", said.out);
        assert!(!f.file("out").exists());
    }
    // The defaults are SHA-256 and HMAC-SHA256 over the requests.
    request(&f, &[&own[..], &["witness.sharedSecret=s3"]].concat()).exits(0);
    let parsed = unverified(&f);
    assert!(parsed.contains(":sha256\n") && parsed.contains(":hmacWithSHA256\n"), "{parsed}");
    let pki = f.read("pki");
    let key = openssl::hash::hash(openssl::hash::MessageDigest::sha256(), b"s3alice").unwrap();
    let at = parsed.lines().find(|l| l.contains("cont [ 0 ]")).unwrap();
    let offset: usize = at.trim().split(':').next().unwrap().parse().unwrap();
    // The outer SEQUENCE of the requests is the one that ends where they end.
    let before = (1..=4).find(|n| pki[offset - n] == 0x30 && der_length(&pki[offset - n..]) > 4);
    let start = offset - before.unwrap();
    let requests = &pki[start..start + der_length(&pki[start..])];
    let key = openssl::pkey::PKey::hmac(&key).unwrap();
    let sha256 = openssl::hash::MessageDigest::sha256();
    let mut mac = openssl::sign::Signer::new(sha256, &key).unwrap();
    let witness = mac.sign_oneshot_to_vec(requests).unwrap();
    assert!(pki.windows(32).any(|w| w == witness), "the witness is not there");
}

/// Returns the length of a DER element with its head.
fn der_length(der: &[u8]) -> usize {
    match der[1] {
        n if n < 0x80 => 2 + usize::from(n),
        0x81 => 3 + usize::from(der[2]),
        _ => 4 + (usize::from(der[2]) << 8 | usize::from(der[3])),
    }
}

#[test]
fn sha_384_hmac_is_made_and_warned_about() {
    let (f, id) = ready(EC);
    let key = format!("request.privKeyId={id}");
    let own = [
        "input=p10.req",
        "output=out",
        "request.useSharedSecret=true",
        "identification.enable=true",
        "identification=alice",
        "identityProofV2.enable=true",
        "identityProofV2.macAlg=SHA-384-HMAC",
        "witness.sharedSecret=s",
        key.as_str(),
    ];
    let said = request(&f, &own).exits(0);
    assert!(said.err.contains("Dogtag 10.7 and later cannot verify SHA-384-HMAC"), "{}", said.err);
    assert!(unverified(&f).contains(":hmacWithSHA384\n"));
}

#[test]
fn the_own_key_signs_without_certificate_and_a_stale_nickname_is_nothing() {
    let (f, id) = ready(&["-k", "rsa", "-g", "2048"]);
    for form in [id.clone(), format!("0x{id}"), format!("0X{id}"), spaced(&id), signed(&id)] {
        let key = format!("request.privKeyId={form}");
        let own = ["input=p10.req", "output=out", "nickname=gone", "request.selfSign=TRUE"];
        let said = request(&f, &[&own[..], &[&key]].concat()).exits(0);
        assert!(said.out.contains("got private key\n"), "{}", said.out);
        assert!(said.err.contains("without identityProofV2"), "{}", said.err);
        let print = ["cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", "out"];
        let text = tool("openssl", f.path(), &print);
        assert!(text.contains("subjectKeyIdentifier:"), "{text}");
        assert!(text.contains("ab ab ab ab"), "{text}");
        let certificates = text.split("certificates:").nth(1).unwrap();
        assert!(certificates.trim_start().starts_with("<EMPTY>"), "{text}");
    }
}

fn spaced(id: &str) -> String {
    id.as_bytes().chunks(2).map(|c| String::from_utf8_lossy(c)).collect::<Vec<_>>().join(":")
}

fn signed(id: &str) -> String {
    nss_cmc::keyid::to_dogtag(&nss_cmc::keyid::parse(id).unwrap())
}

#[test]
fn the_key_must_be_the_request_s() {
    let (f, id) = ready(EC);
    let id = f.keys().into_iter().find(|k| *k != id).unwrap();
    let key = format!("request.privKeyId={id}");
    let own = ["input=p10.req", "output=out", "request.useSharedSecret=true", key.as_str()];
    let said = request(&f, &own).exits(1);
    assert!(said.out.contains("does not match the request"), "{}", said.out);
    for (id, words) in [
        ("", "Missing request.privKeyId."),
        ("zz", "invalid key id"),
        ("0123", "0123 not found in NSS database db"),
    ] {
        let key = format!("request.privKeyId={id}");
        let own = ["input=p10.req", "output=out", "request.useSharedSecret=true", key.as_str()];
        let said = request(&f, &own).exits(1);
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
}

#[test]
fn identifications_with_a_meaning_in_filters_are_refused() {
    let (f, _) = ready(EC);
    for bad in ["ali*", "a(b)", "a\\b"] {
        let line = format!("identification={bad}");
        let said = request(&f, &[AGENT, &["identification.enable=true", &line]].concat()).exits(1);
        assert!(said.out.contains("LDAP filters"), "{}", said.out);
    }
    let said = request(&f, &[AGENT, &["identification.enable=true"]].concat()).exits(1);
    assert!(said.out.contains("Missing identification."), "{}", said.out);
}

#[test]
fn keys_are_read_kindly_and_misspelt_ones_named() {
    let (f, _) = ready(EC);
    let text = format!(
        "\u{feff}dbdir = db\r\npassword = {PASSWORD}\r\n  # a comment\r\nnickname=agent\r\n\
         tokenname=NSS Certificate DB\r\ninput=p10.req\r\noutput=out\r\ndataReturn.enable = TRUE\r\n\
         dataReturn.data = x\r\nsenderNonce.enabled=true\r\ngetCert.enable=yes\r\n"
    );
    f.write("a.cfg", text);
    let said = f.nss_cmc(&["CMCRequest", "a.cfg"]).exits(0);
    assert!(said.out.contains("data return control. bpid = 1"), "{}", said.out);
    assert!(said.err.contains("did you mean \"senderNonce.enable\""), "{}", said.err);
    assert!(said.err.contains("getCert.enable is not true or false"), "{}", said.err);
    assert!(!said.err.contains(PASSWORD));
}

#[test]
fn formats_and_numbers_may_be_left_out_and_are_checked() {
    let (f, _) = ready(EC);
    request(&f, AGENT).exits(0);
    verified(&f);
    request(&f, &[AGENT, &["numRequests=0"]].concat()).exits(0);
    assert!(verified(&f).lines().count() == 5, "four empty sequences");
    let two = ["nickname=agent", "input=p10.req p10.der", "output=out"];
    let said = request(&f, &two).exits(0);
    assert!(said.err.contains("refuse the second one"), "{}", said.err);
    for (line, words) in [
        ("numRequests=2", "numRequests is 2, but input names 1"),
        ("numRequests=two", "numRequests must be integer"),
        ("numRequests=-1", "numRequests must be integer"),
        ("format=pem", "Unrecognized request format"),
        ("format=crmf", "is a PKCS #10 request"),
        ("input=gone", "gone"),
        ("output=", "Missing output filename for the CMC request."),
        ("input=", "Missing input filename for PKCS10 or CRMF."),
        ("nickname=", "Missing nickname."),
        ("nickname=nobody", "certificate \"nobody\" not found"),
        ("password=wrong", "cannot log in"),
        ("tokenname=HSM", "token \"HSM\" not found"),
        ("getCert.enable=true", "Missing getCert.issuer."),
        ("LraPopWitness.enable=true", "Missing LraPopWitness.bodyPartIDs."),
        ("dataReturn.enable=true", "Missing dataReturn.data."),
        ("popLinkWitnessV2.enable=true", "Missing request.privKeyId."),
        ("identityProof.enable=true", "Missing identityProof.sharedSecret."),
        ("decryptedPop.enable=true", "Missing encryptedPopResponseFile."),
        ("revRequest.enable=true", "Missing revRequest.serial."),
        ("no equals sign", "a.cfg:6"),
    ] {
        let said = request(&f, &[AGENT, &[line]].concat()).exits(1);
        assert!(said.out.contains(words), "{line}: {}", said.out);
        assert!(!said.out.contains("panicked") && !f.file("out").exists(), "{line}");
    }
}

#[test]
fn requests_come_as_people_have_them() {
    let (f, _) = ready(EC);
    let pem = String::from_utf8(f.read("p10.req")).unwrap();
    f.write("noisy.req", format!("Certificate request generated by Netscape\n\n{pem}\ntrailer"));
    let bare: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    f.write("bare.req", bare);
    for name in ["noisy.req", "bare.req", "p10.der"] {
        let input = format!("input={name}");
        request(&f, &["nickname=agent", "output=out", &input]).exits(0);
        verified(&f);
    }
    // Of several CRMF messages in a file, Java uses the first and drops the others.
    let crmf = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/02-crmf-user/crmf.req");
    let der = der::pem::to_der(&std::fs::read(crmf).unwrap());
    let (_, one, _) = der::split_tlv(&der).unwrap();
    f.write("two.req", der::tlv(0x30, &[one, one].concat()));
    let said =
        request(&f, &["nickname=agent", "output=out", "input=two.req", "format=crmf"]).exits(1);
    assert!(said.out.contains("several requests"), "{}", said.out);
    f.write("one.req", &der);
    request(&f, &["nickname=agent", "output=out", "input=one.req"]).exits(0);
    verified(&f);
}

#[test]
fn passwords_from_elsewhere() {
    let (f, _) = ready(EC);
    let said = |f: &Folder, line: &str| {
        f.write("b.cfg", format!("dbdir=db\n{line}\n{}\n", AGENT.join("\n")));
        run(std::process::Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .env("TOKEN_PIN", PASSWORD)
            .args(["CMCRequest", "b.cfg"]))
    };
    said(&f, "passwordFile=pw").exits(0);
    said(&f, "passwordEnv=TOKEN_PIN").exits(0);
    // From a file descriptor.
    f.write("b.cfg", format!("dbdir=db\npasswordFd=5\n{}\n", AGENT.join("\n")));
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let mut sh = std::process::Command::new("sh");
    let line = format!("exec {program} CMCRequest b.cfg 5<pw");
    run(sh.current_dir(f.path()).args(["-c", &line])).exits(0);
    let none = said(&f, "").exits(1);
    assert!(none.out.contains("Missing password."), "{}", none.out);
    assert!(said(&f, "passwordFile=gone").exits(1).out.contains("gone"));
    assert!(said(&f, "passwordFd=x").exits(1).out.contains("passwordFd must be a number"));
}

#[test]
fn what_cannot_be_written_fails_and_nothing_is_made_in_wrong_places() {
    let (f, _) = ready(EC);
    let said = request(&f, &["nickname=agent", "input=p10.req", "output=no/such"]).exits(1);
    assert!(said.out.contains("cannot write no/such"), "{}", said.out);
    std::fs::create_dir(f.file("empty")).unwrap();
    f.write("a.cfg", "dbdir=empty\npassword=x\nnickname=a\ninput=p10.req\noutput=out\n");
    f.nss_cmc(&["CMCRequest", "a.cfg"]).exits(1);
    assert_eq!(std::fs::read_dir(f.file("empty")).unwrap().count(), 0);
    let said = f.nss_cmc(&["CMCRequest"]).exits(1);
    assert!(said.out.starts_with("Wrong number of parameters:0\n"), "{}", said.out);
    let said = f.nss_cmc(&["CMCRequest", "--help"]).exits(0);
    assert!(said.out.contains("\n  request.privKeyId\n"), "{}", said.out);
    f.nss_cmc(&["CMCRequest", "gone.cfg"]).exits(1);
}

/// The same octets as Dogtag's own file; neither database nor password is used.
#[test]
fn an_unsigned_revocation_is_java_s_and_private() {
    let f = Folder::at(tempfile::tempdir().unwrap().keep());
    let vector = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/07d-revoke-shared-secret/");
    let cfg = std::fs::read_to_string(format!("{vector}req.cfg")).unwrap();
    let cfg: String = cfg
        .lines()
        .filter(|l| !l.starts_with("output"))
        .fold("output=out\nnickname=stale\nrequest.useSharedSecret=true\n".into(), |all, l| {
            format!("{all}{l}\n")
        });
    let expected = std::fs::read(format!("{vector}request.der")).unwrap();
    f.write("a.cfg", &cfg);
    f.nss_cmc(&["CMCRequest", "a.cfg"]).exits(0);
    assert_eq!(f.read("out"), expected);
    // A secret from a pipe can be read only once.
    let secret = "revRequest.sharedSecret=revsecret";
    f.write("a.cfg", cfg.replace(secret, "revRequest.sharedSecretFd=5"));
    let line = format!("echo revsecret | {} CMCRequest a.cfg 5<&0", env!("CARGO_BIN_EXE_nss-cmc"));
    run(std::process::Command::new("sh").current_dir(f.path()).args(["-c", &line])).exits(0);
    assert_eq!(f.read("out"), expected);
    let mode = std::fs::metadata(f.file("out")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::remove_dir_all(f.path()).unwrap();
}

#[test]
fn a_signed_revocation_names_the_signer_s_issuer() {
    let (f, _) = ready(EC);
    let lines =
        ["nickname=agent", "output=out", "revRequest.enable=true", "revRequest.serial=0xFF"];
    let said = request(&f, &[&lines[..], &["revRequest.reason=gone"]].concat()).exits(1);
    assert!(said.out.contains("Unrecognized CRL reason"), "{}", said.out);
    let more = ["revRequest.reason=SUPERSEDED", "revRequest.invalidityDatePresent=TRUE"];
    request(&f, &[&lines[..], &more, &["revRequest.comment=hé"]].concat()).exits(0);
    let parsed = verified(&f);
    for part in ["id-cmc-revokeRequest", ":agent", "INTEGER           :FF", "ENUMERATED        :04"]
    {
        assert!(parsed.contains(part), "{part}: {parsed}");
    }
    assert!(parsed.contains("GENERALIZEDTIME"));
}

/// A certificate whose key is for RSASSA-PSS only, with SHA-512, the digest that Dogtag assumes.
/// OpenSSL 3.6 enforces another digest that a key names (RFC 4055 §1.2).
#[test]
fn a_pss_certificate_signs_with_pss() {
    let (f, _) = ready(EC);
    let make = ["-S", "-n", "pss", "-s", "CN=pss", "-x", "-t", "CTu,Cu,Cu", "-m", "2", "--pss"];
    f.certutil(
        &[&make[..], &["-Z", "SHA512", "-f", "pw", "-z", "noise", "-k", "rsa", "-g", "2048"]]
            .concat(),
    );
    request(&f, &["nickname=pss", "input=p10.req", "output=out"]).exits(0);
    verified(&f);
    let print = ["cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", "out"];
    let text = tool("openssl", f.path(), &print);
    let signer = text.split("signerInfos").nth(1).unwrap();
    assert!(signer.contains("rsassaPss") && signer.contains("sha512"), "{signer}");
}

#[test]
fn a_second_trip_needs_an_answer_that_can_be_believed() {
    let (f, id) = ready(&["-k", "rsa", "-g", "2048"]);
    let vector = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/06a-encrypted-pop-1/");
    std::fs::copy(format!("{vector}response.der"), f.file("resp")).unwrap();
    let key = format!("request.privKeyId={id}");
    let lines = [
        "nickname=agent",
        "decryptedPop.enable=TRUE",
        "encryptedPopResponseFile=resp",
        "decryptedPopRequestFile=out",
        key.as_str(),
    ];
    let said = request(&f, &lines).exits(1);
    assert!(said.out.contains("signer is not trusted by this database"), "{}", said.out);
    let said = request(&f, &[&lines[..], &["allowUnverifiedResponse=true"]].concat()).exits(1);
    assert!(said.out.contains("requestID: "), "{}", said.out);
    assert!(said.out.contains("does not match the request"), "{}", said.out);
    f.write("resp", "<html>no</html>");
    let said = request(&f, &lines).exits(1);
    assert!(said.out.contains("HTML"), "{}", said.out);
}
