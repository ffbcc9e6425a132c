//! CMCResponse: exit status, verification, stored files. tests/text.rs has its output.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::der::{SignedData, encode, oid, pem, tlv};
use common::{Folder, Said, nss_cmc, tool};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn vector(flow: &str) -> Vec<u8> {
    std::fs::read(vectors().join(flow).join("response.der")).unwrap()
}

/// Makes a folder with a database that has the recorded CA with this trust.
fn database(trust: &str) -> Folder {
    let f = Folder::new();
    let ca = vectors().join("ca_signing.pem");
    f.certutil(&["-A", "-n", "ca", "-t", trust, "-a", "-f", "pw", "-i", ca.to_str().unwrap()]);
    f
}

fn cmc_response(dir: &Path, args: &[&str]) -> Said {
    nss_cmc(dir, &[&["CMCResponse"], args].concat())
}

/// Returns an unsigned Full PKI Response with one status control.
fn unsigned(control: &rasn::types::Oid, status: &[u8]) -> Vec<u8> {
    let control =
        tlv(0x30, &[vec![2, 1, 1], encode(&control.to_owned()), tlv(0x31, status)].concat());
    let empty = tlv(0x30, b"");
    let content = tlv(0x30, &[tlv(0x30, &control), empty.clone(), empty].concat());
    SignedData::changed(&vector("08a-wrong-agent"), |s| {
        s.encap_content_info.content = Some(content.into());
        s.signer_infos = vec![].into();
        s.certificates = None;
    })
}

#[test]
fn exit_status_tells_the_cmc_status() {
    let dir = tempfile::tempdir().unwrap();
    let shown = |bytes: &[u8]| {
        std::fs::write(dir.path().join("r"), bytes).unwrap();
        cmc_response(dir.path(), &["-i", "r"])
    };
    let pend = [tlv(0x04, b"7"), tlv(0x18, b"20300102030405Z")].concat();
    let success: &[u8] = &[];
    for (status, rest, code, words) in [
        (0, success, 0, ""),
        (2, &[2, 1, 9], 1, "ERROR: CMC status for [1]: failed\n"),
        (3, &tlv(0x30, &pend), 1, "ERROR: CMC status for [1]: pending\n"),
        (4, success, 1, "ERROR: CMC status for [1]: not supported\n"),
        (5, success, 1, "ERROR: CMC status for [1]: confirm required\n"),
        (6, &[2, 1, 8], 1, "ERROR: CMC status for [1]: pop required\n"),
        (7, success, 1, "ERROR: CMC status for [1]: partial\n"),
        (9, success, 1, "ERROR: CMC status for [1]: unknown (9)\n"),
    ] {
        // Version 1 counts as version 2 does; the Java tool ignores it.
        for control in [oid::CMC_STATUS_INFO_V2, oid::CMC_STATUS_INFO] {
            let info = [&[2, 1, status, 0x30, 3, 2, 1, 1][..], rest].concat();
            let said = shown(&unsigned(control, &tlv(0x30, &info))).exits(code);
            assert!(said.err.starts_with(words), "{}", said.err);
            assert_eq!(said.out.contains("Status: SUCCESS"), code == 0, "{}", said.out);
        }
    }
    // No status at all is success (RFC 5272 §6.1.1); a simple response has none.
    shown(&unsigned(oid::CMC_DATA_RETURN, &tlv(4, b"x"))).exits(0);
    let simple = SignedData::changed(&vector("01-rsa-server"), |s| {
        s.encap_content_info.content_type = oid::ID_DATA.to_owned();
        s.encap_content_info.content = None;
        s.signer_infos = vec![].into();
    });
    assert!(shown(&simple).exits(0).out.ends_with("CMC Simple Response.\n"));
}

#[test]
fn what_cannot_be_read_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let page = b"\r\n<!doctype html><html><head><title>HTTP Status 404</title></head></html>";
    for (bytes, words) in [
        (&page[..], "it is an HTML page"),
        (b"", "it is empty"),
        (b"no message", "not DER, PEM or base64"),
        (&[0x30, 0x03, 2, 1, 5], "cannot decode"),
    ] {
        std::fs::write(dir.path().join("r"), bytes).unwrap();
        let said = cmc_response(dir.path(), &["-i", "r", "-o", "chain"]).exits(1);
        assert!(said.err.contains(words), "{}", said.err);
        assert!(!dir.path().join("chain").exists());
    }
    let request = vectors().join("01-rsa-server/request.der");
    let said = cmc_response(dir.path(), &["-i", request.to_str().unwrap()]).exits(1);
    assert!(said.err.contains("this is a CMC request"), "{}", said.err);
    assert!(cmc_response(dir.path(), &["-i", "none"]).exits(1).err.contains("none"));
}

#[test]
fn arguments() {
    let f = Folder::bare();
    f.write("r", vector("01-rsa-server"));
    let said = cmc_response(f.path(), &[]).exits(1);
    assert!(said.err.contains("ERROR: Missing input CMC response"), "{}", said.err);
    assert!(said.err.contains("CMCResponse --help"), "{}", said.err);
    let help = cmc_response(f.path(), &["--help"]).exits(0);
    assert!(help.out.contains("-i <FILE>") && help.err.is_empty(), "{}", help.out);
    // Java stops reading at an unknown option, without a message.
    assert!(cmc_response(f.path(), &["--frob", "-i", "r"]).exits(1).err.contains("--frob"));
    let said = cmc_response(f.path(), &["-i", "r", "stray"]).exits(0);
    assert!(said.err.contains("\"stray\" is ignored"), "{}", said.err);
    // No database is needed or made.
    assert!(said.err.contains("warning: the signature was not verified"), "{}", said.err);
    assert_eq!(std::fs::read_dir(f.path()).unwrap().count(), 1);
    assert!(cmc_response(f.path(), &["-i", "r", "-d", "none"]).exits(1).err.contains("none"));
    let verbose = cmc_response(f.path(), &["-v", "-i", "r"]).exits(0);
    assert!(verbose.out.starts_with("Cert:0\n"), "{}", verbose.out);
}

#[test]
fn input_may_be_der_pem_base64_or_behind_headers() {
    let f = Folder::bare();
    let der = vector("01-rsa-server");
    let want = std::fs::read_to_string(vectors().join("01-rsa-server/CMCResponse.out")).unwrap();
    let (text, _) = want.rsplit_once("\nPKCS#7 now stored").unwrap();
    for bytes in [
        der.clone(),
        pem::encode("PKCS7", &der).into_bytes(),
        pem::lines(&der, 76, "\r\n").into_bytes(),
        [b"Connection: close\r\n\r\n", &der[..]].concat(),
    ] {
        f.write("r", bytes);
        assert_eq!(cmc_response(f.path(), &["-i", "r"]).exits(0).out, text);
    }
}

#[test]
fn only_answers_to_be_believed_are_stored() {
    let f = database("CT,C,C");
    let good = vector("01-rsa-server");
    f.write("good", &good);
    let said = cmc_response(f.path(), &["-d", "db", "-i", "good", "-o", "chain"]).exits(0);
    assert_eq!(said.err, "the signature is valid and the signer is trusted\n");
    assert!(said.out.ends_with("\nPKCS#7 now stored in file: chain\n"), "{}", said.out);
    let listed = tool("openssl", f.path(), &["pkcs7", "-in", "chain", "-print_certs", "-noout"]);
    assert!(listed.contains("server1.lab.test"), "{listed}");
    assert!(f.read("chain").starts_with(b"-----BEGIN PKCS7-----\n"));
    assert_eq!(pem::to_der(&f.read("chain")), good);

    let mut signature = good.clone();
    *signature.last_mut().unwrap() ^= 1;
    let content = SignedData::changed(&good, |s| {
        let mut content = s.encap_content_info.content.as_ref().unwrap().to_vec();
        *content.last_mut().unwrap() ^= 1;
        s.encap_content_info.content = Some(content.into());
    });
    let status = [0x30, 8, 2, 1, 0, 0x30, 3, 2, 1, 1];
    for (name, bytes, words) in [
        ("signature", signature, "signature is invalid"),
        ("content", content, ""),
        ("unsigned", unsigned(oid::CMC_STATUS_INFO_V2, &status), "is not signed"),
    ] {
        f.write(name, &bytes);
        let said = cmc_response(f.path(), &["-d", "db", "-i", name, "-o", name.get(..1).unwrap()]);
        let said = said.exits(1);
        assert!(said.err.contains("ERROR: ") && said.err.contains(words), "{name}: {}", said.err);
        assert!(!f.file(&name[..1]).exists(), "{name}");
    }
    let args = ["-d", "db", "-i", "signature", "-o", "s", "--allow-unverified"];
    let said = cmc_response(f.path(), &args).exits(0);
    assert!(said.err.contains("warning: response signature is invalid"), "{}", said.err);
    assert!(f.file("s").exists());

    // A refusal fails even with a valid signature; nothing is stored.
    f.write("refused", vector("08a-wrong-agent"));
    let said = cmc_response(f.path(), &["-d", "db", "-i", "refused", "-o", "r"]).exits(1);
    assert!(said.err.contains("CMC status for [0]: failed"), "{}", said.err);
    assert!(!f.file("r").exists());
}

/// The Java tool crashes here and leaves an empty file.
#[test]
fn an_answer_without_certificates_is_stored_whole() {
    let f = Folder::bare();
    let bare = SignedData::changed(&vector("07a-revoke-agent"), |s| s.certificates = None);
    f.write("r", &bare);
    let said = cmc_response(f.path(), &["-i", "r", "-o", "chain"]).exits(0);
    assert!(said.out.contains("Status: SUCCESS"), "{}", said.out);
    assert_eq!(pem::to_der(&f.read("chain")), bare);
    // The file appears whole or not at all.
    let said = cmc_response(f.path(), &["-i", "r", "-o", "no/such"]).exits(1);
    assert!(said.err.contains("cannot write no/such"), "{}", said.err);
    assert_eq!(std::fs::read_dir(f.path()).unwrap().count(), 2);
}

#[test]
fn an_untrusted_signer() {
    let f = database(",,");
    f.write("r", vector("01-rsa-server"));
    let said = cmc_response(f.path(), &["-d", "db", "-i", "r", "-o", "o"]).exits(1);
    assert!(said.err.contains("signer is not trusted by this database"), "{}", said.err);
    assert!(said.err.contains("nss-cmc cert import ca.pem -d db"), "{}", said.err);
    assert!(!f.file("o").exists());
    cmc_response(f.path(), &["-d", "db", "-i", "r", "-o", "o", "--allow-unverified"]).exits(0);
    assert!(f.file("o").exists());
    // A database in the current directory isn't opened.
    let said = cmc_response(&f.file("db"), &["-i", "../r"]).exits(0);
    assert!(said.err.contains("warning: the signature was not verified"), "{}", said.err);
    assert!(!said.err.contains("is valid"), "{}", said.err);
}

#[test]
fn show_says_what_verification_found() {
    let (trusting, other) = (database("CT,C,C"), database(",,"));
    let der = vector("01-rsa-server");
    let mut bad = der.clone();
    *bad.last_mut().unwrap() ^= 1;
    let show = |f: &Folder, bytes: &[u8], more: &[&str]| {
        f.write("r", bytes);
        f.nss_cmc(&[&["cmc", "show", "r", "-d", "db", "--output", "json"], more].concat())
    };
    let result = |said: Said| said.exits(0).json()["result"]["signature"]["result"].clone();
    assert_eq!(result(show(&trusting, &der, &["--verify"])), "good");
    assert_eq!(result(show(&trusting, &bad, &[])), "bad");
    assert_eq!(result(show(&other, &der, &[])), "not_trusted");
    show(&trusting, &bad, &["--verify"]).exits(42);
    show(&other, &der, &["--verify"]).exits(42);
    let request = std::fs::read(vectors().join("01-rsa-server/request.der")).unwrap();
    show(&trusting, &request, &["--verify"]).exits(2);
    show(&trusting, &request, &[]).exits(0);
}

/// Returns major and minor number of the running NSS.
fn nss() -> (u32, u32) {
    let version = nss_cmc::nss::version();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn a_response_signed_with_ml_dsa_is_verified_or_the_old_nss_is_named() {
    let f = Folder::new();
    let good = vector("09-mldsa-ca");
    f.write("good", &good);
    let read = ["-d", "db", "-i", "good", "-o", "chain"];
    if nss() < (3, 118) {
        let said = cmc_response(f.path(), &read).exits(1);
        let why = format!(
            "ERROR: cannot verify the response: cannot verify an ML-DSA-65 signature: NSS supports it \
             from 3.118 on; this is {}",
            nss_cmc::nss::version()
        );
        assert!(said.err.contains(&why), "{}", said.err);
        assert!(said.err.contains("hint: use a host with NSS 3.118 or later"), "{}", said.err);
        assert!(!f.file("chain").exists());
        let args = ["cmc", "show", "good", "-d", "db", "--output", "json"];
        let shown = f.nss_cmc(&args).exits(0).json()["result"]["signature"]["result"].clone();
        assert_eq!(shown, "not_checked");
        return;
    }
    let ca = vectors().join("mldsa_ca_signing.pem");
    f.certutil(&["-A", "-n", "ca", "-t", "CT,C,C", "-a", "-f", "pw", "-i", ca.to_str().unwrap()]);
    let said = cmc_response(f.path(), &read).exits(0);
    assert_eq!(said.err, "the signature is valid and the signer is trusted\n");
    let mut bad = good;
    *bad.last_mut().unwrap() ^= 1;
    f.write("bad", &bad);
    let said = cmc_response(f.path(), &["-d", "db", "-i", "bad", "-o", "other"]).exits(1);
    assert!(said.err.contains("response signature is invalid"), "{}", said.err);
    assert!(!f.file("other").exists());
}
