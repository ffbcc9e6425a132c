//! Who signs a request: the holder of the old certificate, or a user with a shared secret.

use super::common::certmonger::helper;
use super::common::stand_in::program;
use super::common::{Said, tool};
use super::{Place, certified, csr};

const RENEWAL: &str = "--renewal-profile=caFullCMCUserSignedCert";

#[track_caller]
fn run(place: &Place, more: &[&str], variables: &[(&str, &str)]) -> Said {
    let options = place.options.iter().map(String::as_str);
    helper(&options.chain(more.iter().copied()).collect::<Vec<_>>(), variables)
}

/// Makes a request with a new key in the database, as PEM.
fn key_in_database(place: &Place, more: &[&str]) -> String {
    let args = ["csr", "create", "-d", "db", "--password-file", "pw", "--out", "r.csr"];
    let subject = ["--subject", "CN=new", "--dns", "new.example.com"];
    place.f.nss_cmc(&[&args[..], &subject, more].concat()).exits(0);
    tool("openssl", place.f.path(), &["req", "-in", "r.csr"])
}

#[test]
fn the_old_certificate_s_holder_renews() {
    let place = Place::start(&[]);
    let f = &place.f;
    let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", &place.ca.url];
    let user = ["--profile", "caFullCMCUserCert", "--signer", "agent", "--subject", "CN=user,O=X"];
    f.nss_cmc(&[&args[..], &user, &["--nickname", "user"]].concat()).exits(0);
    let old = f.certutil(&["-L", "-n", "user", "-a"]);
    let new = csr(f, "anything");
    let before = f.state();
    let renew = [("OPERATION", "SUBMIT"), ("CSR", new.as_str()), ("CERTIFICATE", &old)];
    // No agent, and the profile of -T is for first certificates.
    let said =
        run(&place, &[RENEWAL], &[&renew[..], &[("CA_PROFILE", "caCMCserverCert")]].concat());
    let said = said.exits(0);
    certified(f, &said, &new);
    let subject = tool("openssl", f.path(), &["x509", "-in", "chain.pem", "-noout", "-subject"]);
    assert!(
        subject.replace(" = ", "=").contains("CN=user"),
        "the CA takes the signer's subject: {subject}"
    );

    // A first certificate needs somebody else.
    let said = run(&place, &[RENEWAL, "--profile=caCMCserverCert"], &renew[..2]).exits(4);
    assert!(said.out.contains("no signer given"), "{}", said.out);
    let both = [RENEWAL, "--profile=caCMCserverCert", "--signer=agent"];
    certified(f, &run(&place, &both, &renew[..2]).exits(0), &new);
    // So does one whose old key isn't there, or doesn't authenticate TLS clients.
    let stranger = csr(f, "stranger");
    let elsewhere = place.agent("caCMCserverCert", &[], &[("CSR", &stranger)]).exits(0).out;
    let renew = [renew[0], renew[1], ("CERTIFICATE", elsewhere.as_str())];
    let said = run(&place, &both, &renew).exits(0);
    certified(f, &said, &new);
    assert!(said.err.contains("key of the certificate to be renewed not found"), "{}", said.err);
    assert!(run(&place, &[RENEWAL], &renew).exits(4).out.contains("not found"));
    // A refusal by the CA is final: the same key again.
    let again = [renew[0], ("CSR", key_of(&place, "user").leak() as &str), ("CERTIFICATE", &old)];
    let said = run(&place, &both, &again).exits(3);
    assert!(said.out.contains("Renewal Grace Period"), "{}", said.out);
    assert_eq!(f.state(), before);
}

/// Returns a request for the key of a certificate in the database, as PEM.
fn key_of(place: &Place, nickname: &str) -> String {
    let args = ["csr", "create", "-d", "db", "--password-file", "pw", "--out", "again.csr"];
    place.f.nss_cmc(&[&args[..], &["--subject", "CN=user", "--key", nickname]].concat()).exits(0);
    tool("openssl", place.f.path(), &["req", "-in", "again.csr"])
}

#[test]
fn a_user_with_a_shared_secret() {
    let place = Place::start(&[]);
    let f = &place.f;
    for (file, secret) in [("secret", "the secret of alice\n"), ("wrong", "another\n")] {
        f.write_secret(file, secret);
    }
    let args = ["user", "--dir", "ca", "--uid", "alice", "--secret-file", "secret"];
    tool(program().to_str().unwrap(), f.path(), &args);
    let secret = |file: &str| format!("--shared-secret-file={}", f.file(file).display());
    let (right, wrong) = (secret("secret"), secret("wrong"));
    let options = ["--identification=alice", "--profile=caFullCMCSharedTokenCert"];
    // certmonger's requests have a key identifier; another program's may not.
    for (ski, link) in [(&[][..], &[][..]), (&["--ski"], &["--pop-link"])] {
        let csr = key_in_database(&place, ski);
        let before = f.state();
        let args = [&options[..], link, &[right.as_str()]].concat();
        let said = run(&place, &args, &[("CSR", &csr)]).exits(0);
        certified(f, &said, &csr);
        // The profile ignores alternative names.
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        assert!(said.err.contains("lacks requested names: DNS:new.example.com"), "{}", said.err);
        let refused = run(&place, &[&options[..], &[wrong.as_str()]].concat(), &[("CSR", &csr)]);
        let refused = refused.exits(2);
        for text in [&refused.out, &refused.err, &said.out] {
            assert!(!text.contains("the secret") && !text.contains("another\n"), "{text}");
        }
        assert_eq!(f.state(), before);
    }
    let elsewhere = csr(f, "elsewhere");
    let args = [&options[..], &[right.as_str()]].concat();
    let said = run(&place, &args, &[("CSR", &elsewhere)]).exits(4);
    assert!(said.out.contains("key of the request not found"), "{}", said.out);
}
