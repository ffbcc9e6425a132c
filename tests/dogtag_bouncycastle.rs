//! BouncyCastle (Debian's libbcpkix-java, in the chroot of tests/dogtag) reads what we build, and
//! makes responses that we read. It is a judge that shares nothing with Dogtag or NSS.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::dogtag::{client_file, folder, in_chroot};
use common::{Folder, accepted_by_dogtag};

const JARS: &str = "/usr/share/java/bcpkix.jar:/usr/share/java/bcprov.jar";
const DATABASE: [&str; 4] = ["-d", "db", "--password-file", "pw"];

/// Runs BouncyCastle.java; `None`, with a message, where the chroot has no BouncyCastle.
#[track_caller]
fn bouncy_castle(f: &Folder, args: &[&str]) -> Option<String> {
    if in_chroot(f, &["test", "-e", "/usr/share/java/bcpkix.jar"]).code != 0 {
        eprintln!("skipped: install libbcpkix-java in the chroot of tests/dogtag");
        return None;
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dogtag/BouncyCastle.java");
    std::fs::copy(source, f.file("BouncyCastle.java")).unwrap();
    let java = ["java", "-cp", JARS, "BouncyCastle.java"];
    Some(in_chroot(f, &[&java[..], args].concat()).exits(0).out)
}

#[track_caller]
fn build(f: &Folder, name: &str, more: &[&str]) {
    let (out, state) = (format!("{name}.bin"), format!("{name}.state"));
    let nickname = format!("bc-{name}");
    let command = ["cmc", "build", "--nickname", &nickname, "--out", &out, "--state", &state];
    f.nss_cmc(&[&command[..], &DATABASE, more].concat()).exits(0);
}

const ALICE: [&str; 4] = ["--identification", "alice", "--shared-secret-file", "secret"];

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn it_reads_every_kind_of_message() {
    let f = folder("bouncycastle-read");
    f.write_secret("pw", format!("{}\n", common::PASSWORD));
    f.write_secret("secret", "alicesecret\n");
    let transport = client_file("kra_transport.pem");
    let archive = ["--archive-to", transport.to_str().unwrap()];
    let agent = ["--signer", "caadmin"];
    let subject = |name| ["--subject", name];
    build(&f, "rsa", &[&agent[..], &subject("CN=rsa"), &["--key-type", "rsa:3072"]].concat());
    let ec = ["--key-type", "ec:nistp384", "--dns", "www.example.com"];
    build(&f, "ec", &[&agent[..], &subject("CN=ec"), &ec].concat());
    build(&f, "archive", &[&agent[..], &subject("CN=archive"), &archive].concat());
    build(&f, "shared", &[&ALICE[..], &subject("CN=shared"), &["--pop-link"]].concat());
    let both = [&ALICE[..], &subject("CN=linked"), &archive, &["--pop-link"]].concat();
    build(&f, "linked", &both);
    // A revocation by shared secret, and one by an agent, as the old tools write them.
    let dir = f.path().display();
    let issuer = "CN=CA Signing Certificate,OU=pki-tomcat,O=LAB";
    for (name, more) in
        [("secret", "revRequest.sharedSecret=revsecret"), ("agent", "nickname=caadmin")]
    {
        let cfg = format!(
            "dbdir={dir}/db\npassword={}\noutput={dir}/revoke-{name}.bin\n\
             revRequest.enable=true\nrevRequest.serial=40\nrevRequest.reason=keyCompromise\n\
             revRequest.issuer={issuer}\n{more}\n",
            common::PASSWORD
        );
        f.write_secret("revoke.cfg", cfg);
        f.nss_cmc(&["CMCRequest", "revoke.cfg"]).exits(0);
    }
    let names = ["rsa", "ec", "archive", "shared", "linked", "revoke-secret", "revoke-agent"];
    let files = names.map(|name| format!("{name}.bin"));
    for file in &files {
        accepted_by_dogtag(&f.read(file), &[]);
    }
    let args: Vec<&str> = std::iter::once("read").chain(files.iter().map(String::as_str)).collect();
    let Some(said) = bouncy_castle(&f, &args) else { return };
    for line in [
        "PKCS #10: CN=rsa",
        "PKCS #10: CN=ec",
        "CRMF: CN=archive, POP true",
        "archived: ",
        "PKCS #10: CN=shared",
        "CRMF: CN=linked, POP true",
        "identification: alice",
        "identityProofV2: 1.2.840.113549.2.9",
        "popLinkWitnessV2: 1.2.840.113549.2.9",
        "signer: own key",
        "revokeRequest: 40, passphrase true",
        "revokeRequest: 40, passphrase false",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(said.matches("signer: ").count(), 6, "{said}");
    assert_eq!(said.matches("popLinkWitnessV2: ").count(), 2, "{said}");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn its_responses_are_read() {
    for (response, more) in [("full.bin", &[][..]), ("simple.bin", &["--allow-unsigned-response"])]
    {
        let f = folder(&format!("bouncycastle-{response}"));
        f.write_secret("pw", format!("{}\n", common::PASSWORD));
        let more_key = ["--key-type", "ec:nistp256", "--subject", "CN=www"];
        build(&f, "www", &[&["--signer", "caadmin"][..], &more_key].concat());
        if bouncy_castle(&f, &["respond", "www.bin"]).is_none() {
            return;
        }
        let accept = ["cmc", "accept", response, "--state", "www.state"];
        let accept = [&accept[..], &DATABASE, more].concat();
        // Its CA must be trusted first.
        let said = f.nss_cmc(&accept);
        assert_ne!(said.code, 0, "{}", said.out);
        f.certutil(&["-A", "-n", "bc", "-t", "C,,", "-a", "-i", "ca.pem", "-f", "pw"]);
        f.nss_cmc(&["cmc", "show", response, "-d", "db", "--judge=rfc", "--strict"]).exits(0);
        f.nss_cmc(&accept).exits(0);
        assert!(f.certificates().iter().any(|line| line.starts_with("bc-www u")), "{response}");
    }
}
