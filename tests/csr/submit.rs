//! CRMFPopClient's direct submission (`-m`), with a server that sends the responses of Dogtag's
//! page.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use super::common::run;
use super::*;

/// Instead of a status: the connection ends without a response, or within it.
const CLOSED: u16 = 0;
const CUT: u16 = 1;

/// Serves these responses in order; returns its address, and a thread that ends with the requests.
fn server(answers: Vec<(u16, String)>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !complete(&request) {
                let n = stream.read(&mut buffer).unwrap();
                assert_ne!(n, 0, "the request ended early");
                request.extend(&buffer[..n]);
            }
            let text = match status {
                CLOSED => String::new(),
                CUT => "HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n<html>".to_owned(),
                _ => format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                ),
            };
            stream.write_all(text.as_bytes()).unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    });
    (address, served)
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "));
    body.len() >= length.map_or(0, |l| l.parse().unwrap())
}

fn page(code: &str, reason: &str, id: Option<&str>) -> String {
    let id = id.map(|id| format!("requestList.requestId=\"{id}\";\n")).unwrap_or_default();
    format!(
        "<html>\n<script type=\"text/javascript\">\nrequestList = new Object;\n{id}\
         errorReason=\"{reason}\";\nerrorCode=\"{code}\";\n</script>\n</html>\n"
    )
}

#[test]
fn the_page_s_verdict_is_told_and_a_refusal_keeps_the_key() {
    let f = folder();
    for (answer, told, code) in [
        (page("0", "", Some("7")), "Request ID: 7\nRequest Status: completed\nReason: \n", 0),
        (page("2", "", Some("8")), "Request ID: 8\nRequest Status: pending\nReason: \n", 0),
        (page("1", "No \\\"x\\\"", None), "Request Status: failed\nReason: No \"x\"\n", 1),
        (
            page("3", "never", Some("9")),
            "Request ID: 9\nRequest Status: rejected\nReason: never\n",
            1,
        ),
    ] {
        let (address, served) = server(vec![(200, answer)]);
        let before = f.keys();
        let args = ["-n", "CN=a", "-a", "ec", "-t", "false", "-m", &address, "-o", "a.req"];
        let more = ["-u", "bob & co", "-r", "r=1", "-f", "some profile"];
        let said = crmf(&f, &[&args[..], &more].concat()).exits(code);
        let (_, outcome) = said.out.split_once(&format!("to {address}\n")).unwrap();
        assert_eq!(outcome, told);
        // The page is not signed: a refusal deletes no key.
        let keys = f.keys();
        let new: Vec<_> = keys.iter().filter(|id| !before.contains(id)).collect();
        assert_eq!(new.len(), 1, "{told}");
        let kept = format!("WARNING: this refusal is not signed: the key is kept, id {}", new[0]);
        assert_eq!(said.err.contains(&kept), code == 1, "{}", said.err);
        let label = "unfinished request for CN=a";
        assert_eq!(said.err.contains(label), code == 1, "{}", said.err);
        let listed = f.certutil(&["-K", "-f", "pw"]);
        let line = listed.lines().find(|l| l.contains(new[0].as_str())).unwrap();
        assert_eq!(line.contains(label), code == 1, "{line}");
        assert!(!f.file("a.req").exists(), "-m stores nothing");
        let request = served.join().unwrap().remove(0);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /ca/ee/ca/profileSubmit HTTP/1.1\r\n"), "{head}");
        for field in [
            "cert_request_type=crmf&",
            "&renewal=false&xmlOutput=false&",
            "&profileId=some%20profile&SubId=profile&",
            "&uid=bob%20%26%20co&sn_uid=bob%20%26%20co&",
            "&requestor_name=r%3D1",
        ] {
            assert!(body.contains(field), "{field} is missing in {body}");
        }
        assert!(!body.contains("BEGIN"), "{body}");
    }
    // The Java tool's exit status, for scripts that need it.
    let (address, served) = server(vec![(200, page("1", "no", None))]);
    let said = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .env("NSS_CMC_LEGACY_EXIT", "1")
        .args(["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-n", "CN=a", "-m", &address]))
    .exits(0);
    assert!(said.out.ends_with("Request Status: failed\nReason: no\n"), "{}", said.out);
    served.join().unwrap();
}

#[test]
fn what_never_left_leaves_no_key() {
    let f = folder();
    // No server listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let said = crmf(&f, &["-n", "CN=a", "-m", &address]).exits(1);
    assert!(said.err.contains("cannot connect"), "{}", said.err);
    assert_eq!(objects(&f), "0 private, 0 public");
}

/// The CA may have queued the request and may issue a certificate, so the key must remain.
#[test]
fn a_request_that_may_have_been_taken_keeps_its_key() {
    let f = folder();
    let unclear = "response has no request status";
    for (answer, why) in [
        ((400, "<html>".to_owned()), "HTTP status 400 from "),
        ((404, "<html>".to_owned()), "HTTP status 404 from "),
        ((500, "<html>".to_owned()), "HTTP status 500 from "),
        ((302, String::new()), "HTTP status 302 from "),
        ((200, "<html>hello</html>".to_owned()), "has no request status"),
        ((200, String::new()), "has no request status"),
        ((CLOSED, String::new()), "without a response"),
        ((CUT, String::new()), "shorter than its Content-Length"),
        ((200, page("9", "", Some("7"))), unclear),
        ((200, "requestList.requestId=\"8\";\n".to_owned()), unclear),
    ] {
        let before = f.keys().len();
        let (address, served) = server(vec![answer]);
        let said = crmf(&f, &["-n", "CN=a", "-m", &address]).exits(1);
        assert!(said.err.contains(why), "{why}: {}", said.err);
        served.join().unwrap();
        let keys = f.keys();
        assert_eq!(keys.len(), before + 1, "{why}: {}", said.err);
        let named: Vec<_> = keys.iter().filter(|id| said.err.contains(id.as_str())).collect();
        assert_eq!(named.len(), 1, "{why}: {}", said.err);
        assert!(said.err.contains("the key is kept, id "), "{why}: {}", said.err);
    }
    // A temporary key can't be kept, and the error doesn't say so.
    let (address, served) = server(vec![(CLOSED, String::new())]);
    let before = f.keys();
    let said = crmf(&f, &["-n", "CN=a", "-a", "ec", "-m", &address]).exits(1);
    assert!(said.err.contains("the key was temporary and is deleted"), "{}", said.err);
    assert!(!said.err.contains("is kept"), "{}", said.err);
    assert_eq!(f.keys(), before);
    served.join().unwrap();
    // The Java tool's exit status, for scripts that need it.
    let (address, served) = server(vec![(200, page("9", "", Some("7")))]);
    let said = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .env("NSS_CMC_LEGACY_EXIT", "1")
        .args(["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-n", "CN=a", "-m", &address]))
    .exits(0);
    assert!(said.err.contains(unclear), "{}", said.err);
    served.join().unwrap();
}

#[test]
fn plain_http_is_warned_of() {
    let f = folder();
    for base in ["127.0.0.1:1", "http://127.0.0.1:1", "https://127.0.0.1:1"] {
        let said = crmf(&f, &["-n", "CN=a", "-m", base]).exits(1);
        let warned = said.err.contains("WARNING: plain http: others can read");
        assert_eq!(warned, !base.starts_with("https"), "{base}: {}", said.err);
    }
    let said = crmf(&f, &["-n", "CN=a"]).exits(0);
    assert!(!said.err.contains("plain http"), "{}", said.err);
}

/// With `-b` the CA is asked for the wrapping first, at the newer path, then at the older one. If
/// it knows neither, `-w` counts, not triple DES.
#[test]
fn the_ca_is_asked_for_the_wrapping() {
    let f = folder();
    let info = |rest: &str| (200, format!("{{\"ArchivalMechanism\":{rest}}}"));
    let no = || (404, String::new());
    let ok = || (200, page("2", "", Some("1")));
    for (answers, wrap) in [
        (
            vec![info("\"keywrap\",\"KeyWrapAlgorithm\":\"AES KeyWrap/Wrapped\""), ok()],
            "AES KeyWrap/Wrapped",
        ),
        (
            vec![no(), info("\"keywrap\",\"WrapAlgorithm\":\"AES KeyWrap/Padding\""), ok()],
            "AES KeyWrap/Padding",
        ),
        (vec![no(), info("\"encrypt\""), ok()], "AES/CBC/PKCS5Padding"),
        (vec![no(), no(), ok()], "AES/CBC/PKCS5Padding"),
    ] {
        let (address, served) = server(answers);
        let args = ["-n", "CN=a", "-a", "ec", "-b", "transport.pem", "-v", "-m", &address];
        let said = crmf(&f, &[&args[..], &["-w", "AES/CBC/PKCS5Padding"]].concat()).exits(0);
        let page = page("2", "", Some("1"));
        let opening = format!("Opening http://{address}/ca/ee/ca/profileSubmit\n");
        let rule = "-".repeat(20);
        for part in [
            format!("Using key wrap algorithm: {wrap}\nCreating CRMF request\n"),
            format!("{opening}{rule}\n{page}{rule}\nRequest ID: 1\n"),
        ] {
            assert!(said.out.contains(&part), "{part} is missing in {}", said.out);
        }
        assert!(said.err.contains("WARNING: -w is ignored with -m"), "{}", said.err);
        let requests = served.join().unwrap();
        assert!(requests[0].starts_with("GET /ca/v2/info "), "{}", requests[0]);
    }
    let before = bytes(&f);
    let (address, served) = server(vec![(200, "<html>".to_owned())]);
    let said = crmf(&f, &["-n", "CN=a", "-b", "transport.pem", "-m", &address]).exits(1);
    assert!(said.err.contains("key archival information"), "{}", said.err);
    assert_eq!(bytes(&f), before, "nothing is made before the CA told");
    served.join().unwrap();
}
