//! CRMFPopClient's direct submission (`-m`), compared with Java's. No page of Dogtag issues without
//! an agent or a password, so tests/csr has the status "completed".

use super::archival::find;
use super::common::dogtag::{Lab, client_file, folder, host, http_host, https, java, lab, url};
use super::common::{Folder, PASSWORD};
use super::{By, old_name};

fn crmf(f: &Folder, by: By, more: &[&str]) -> super::Said {
    let args = ["CRMFPopClient", "-d", "db", "-p", PASSWORD];
    old_name(f, by, &[&args[..], more].concat())
}

/// Returns the lines with the request's status, its number replaced by `N`; and that number. 11.10
/// has it in hexadecimal, but in decimal in a reason.
fn lines(out: &str) -> (Vec<String>, Option<String>) {
    let id = out.lines().find_map(|l| l.strip_prefix("Request ID: ")).map(str::to_owned);
    let told = out
        .lines()
        .filter(|l| ["Submitting", "Request", "Reason"].iter().any(|w| l.starts_with(w)))
        .map(|l| match &id {
            Some(id) => l
                .replace(&format!("Request ID: {id}"), "Request ID: N")
                .replace(&format!("Request {id} "), "Request N ")
                .replace(&format!("Request {} ", decimal(id)), "Request N "),
            None => l.to_owned(),
        })
        .collect();
    (told, id)
}

fn decimal(id: &str) -> String {
    let hex = id.strip_prefix("0x").map(|digits| u128::from_str_radix(digits, 16).unwrap());
    hex.map_or_else(|| id.to_owned(), |number| number.to_string())
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn what_becomes_of_the_request_is_told_as_java_tells_it() {
    let f = folder("csr-direct");
    std::fs::copy(client_file("kra_transport.pem"), f.file("kra.pem")).unwrap();
    let ec = ["-a", "ec", "-t", "false"];
    for (args, want) in [
        (vec!["-n", "CN=a,UID=a,O=LAB"], "Request Status: failed"),
        (vec!["-n", "CN=a", "-f", "nosuch"], "Reason: Profile nosuch Not Found"),
        (vec!["-n", "CN=a,O=LAB", "-f", "caFullCMCUserCert"], "Reason: Invalid Credential."),
        (
            vec!["-n", "CN=a", "-u", "bob"],
            "Reason: Request N Rejected - Subject Name Not Matched UID=bob",
        ),
        (vec!["-n", "CN=a", "-u", "b&c d %", "-r", "e"], "Request Status: rejected"),
        (vec!["-n", "CN=a", "-l", "1024", "-f", "caServerCert"], "Request Status: pending"),
        (
            vec!["-n", "CN=a,O=LAB", "-f", "caServerCert", "-r", "bob & co."],
            "Request Status: pending",
        ),
        (
            vec!["-n", "CN=a,O=LAB", "-q", "POP_NONE", "-f", "caServerCert"],
            "Request Status: pending",
        ),
        (
            vec!["-n", "CN=a,O=LAB", "-q", "POP_FAIL", "-f", "caServerCert"],
            "Reason: Proof-of-Possession Verification Failed",
        ),
        ([&["-n", "CN=a", "-f", "caServerCert"], &ec[..]].concat(), "Request Status: rejected"),
        (
            [&["-n", "CN=a,UID=a", "-f", "caECUserCert", "-u", "bob"], &ec[..]].concat(),
            // 11.10 ships it disabled.
            match lab() {
                Lab::V10 => "Request Status: pending",
                Lab::V11 => "Reason: Profile caECUserCert not enabled",
            },
        ),
    ] {
        let args = [&args[..], &["-m", http_host()]].concat();
        let (theirs, _) = lines(&crmf(&f, By::Java, &args).exits(0).out);
        let before = f.keys();
        let said = crmf(&f, By::Us, &args);
        let (ours, id) = lines(&said.out);
        assert_eq!(ours, theirs, "{args:?}\n{}", said.err);
        assert!(ours.iter().any(|l| l == want), "{want:?} is missing in {ours:?}");
        // Java exits with 0 whatever the response; both keep the key, because the page is not
        // signed.
        let pending = ours.iter().any(|l| l == "Request Status: pending");
        assert_eq!(said.code, i32::from(!pending), "{args:?}: {}", said.err);
        assert_eq!(f.keys().len(), before.len() + 1, "{args:?}");
        assert_eq!(id.is_some(), ours.iter().any(|l| l == "Request ID: N"));
    }
}

/// The CA is asked which wrapping its KRA requires; this overrides `-w`, with a message, as in
/// Java.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn an_approved_request_has_its_key_archived() {
    let f = folder("csr-direct-archival");
    std::fs::copy(client_file("kra_transport.pem"), f.file("kra.pem")).unwrap();
    let with_scheme = format!("http://{}/", http_host());
    for (i, (by, to_host)) in
        [(By::Java, http_host()), (By::Us, http_host()), (By::Us, url()), (By::Us, &with_scheme)]
            .into_iter()
            .enumerate()
    {
        let name = format!("direct {i} {}", std::process::id());
        let subject = format!("CN={name},O=LAB");
        let wrap = ["-b", "kra.pem", "-w", "DES3/CBC/Pad", "-o", "not.req", "-v"];
        let to = ["-n", &subject, "-f", "caServerCert", "-m", to_host];
        let said = crmf(&f, by, &[&wrap[..], &to].concat()).exits(0);
        assert!(said.err.contains("-w is ignored") || by == By::Java, "{}", said.err);
        assert!(
            said.out.contains("Using key wrap algorithm: AES KeyWrap/Padding\n"),
            "{}",
            said.out
        );
        assert!(said.out.contains("Request Status: pending\n"), "{}", said.out);
        assert!(!f.file("not.req").exists());
        let (_, id) = lines(&said.out);
        let pki = ["pki", "-d", "db", "-c", PASSWORD, "-n", "caadmin", "-U", url()];
        let approve = ["ca-cert-request-approve", &id.unwrap(), "--force"];
        let said = java(&f, &[&pki[..], &approve].concat()).exits(0);
        assert!(said.out.contains("Request Status: complete"), "{}\n{}", said.out, said.err);
        assert_eq!(find(&f, &name).len(), 1, "{name}");
    }
}

/// Java supports plain http only. An untrusted server gets no request.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn https_is_checked_against_the_database() {
    let f = folder("csr-direct-https");
    let args = ["-n", "CN=a,O=LAB", "-f", "caServerCert"];
    crmf(&f, By::Java, &[&args[..], &["-m", url()]].concat()).exits(1);
    let (ours, _) = lines(&crmf(&f, By::Us, &[&args[..], &["-m", url()]].concat()).exits(0).out);
    let submitting = format!("Submitting CRMF request to {}", url());
    assert_eq!(ours, [&submitting, "Request ID: N", "Request Status: pending", "Reason: "]);
    // Plain http to the TLS port: refused to both by the server.
    let before = f.keys();
    for by in [By::Java, By::Us] {
        let said = crmf(&f, by, &[&args[..], &["-m", &format!("{}:{}", host(), https())]].concat())
            .exits(1);
        assert!(said.err.contains("400"), "{by:?}: {}", said.err);
    }
    assert_eq!(f.keys().len(), before.len() + 2);
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let before = f.state();
    let said = crmf(&f, By::Us, &[&args[..], &["-m", url()]].concat()).exits(1);
    assert!(said.err.contains(host()), "{}", said.err);
    assert_eq!(f.state(), before);
}
