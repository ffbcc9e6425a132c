//! Servers that send what no CA should: `pki` over plain HTTP, so that every octet is theirs.

use std::sync::Arc;

use super::common::{Folder, Said};
use super::server::{Answer, Server};

fn http(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[track_caller]
fn pki(f: &Folder, port: u16, args: &[&str]) -> Said {
    let port = port.to_string();
    let server = ["pki", "-d", "db", "-P", "http", "-h", "127.0.0.1", "-p", &port];
    let said = f.nss_cmc(&[&server, args].concat());
    assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{said:?}");
    assert!(!said.err.contains("panicked"), "{}", said.err);
    said
}

#[track_caller]
fn find(f: &Folder, body: &str, args: &[&str]) -> Said {
    let server = Server::start(None, Answer::Close(http("200 ", body)));
    pki(f, server.port, &[&["ca-cert-find"], args].concat())
}

fn entry(more: &str) -> String {
    format!(
        r#"{{"total":1,"entries":[{{"id":"0x1","SubjectDN":"CN=a","IssuerDN":"CN=b","Status":"VALID"{more}}}]}}"#
    )
}

#[test]
fn what_is_printed_is_harmless() {
    let f = Folder::new();
    let nasty = r#"CN=\u001b[2J\u202ex\nWARNING: y\u0000"#;
    let body = entry("").replace("CN=a", nasty).replace("VALID", r"VA\u001bLID");
    let said = find(&f, &body, &[]).exits(0);
    let subject = said.out.lines().find(|l| l.starts_with("  Subject DN:")).unwrap();
    assert!(subject.contains("[2J") && subject.contains("WARNING: y"), "{subject}");
    assert!(!said.out.contains('\u{202e}') && !said.out.contains('\0'));
    for name in ["Type", "KeyAlgorithmOID", "IssuedBy", "RevokedBy"] {
        let said = find(&f, &entry(&format!(r#","{name}":"\u001b]0;x\u0007""#)), &[]).exits(0);
        assert!(!said.out.contains('\u{7}'), "{name}");
    }
    let body = r#"{"ClassName":"a.\u001b[1m","Code":500,"Message":"\u001b[2Jboo\nERROR: x"}"#;
    let server = Server::start(None, Answer::Close(http("500 ", body)));
    let said = pki(&f, server.port, &["ca-cert-find"]).exits(255);
    assert!(said.err.contains("boo") && !said.err.contains("\nERROR: x"), "{}", said.err);
}

#[test]
fn numbers_and_types_of_any_kind() {
    let f = Folder::new();
    let huge = "9".repeat(400);
    for more in [
        r#","Version":9223372036854775807,"KeyLength":-1"#,
        r#","Version":"9223372036854775807","NotValidBefore":9223372036854775807"#,
        r#","NotValidBefore":"-9223372036854775808","NotValidAfter":1e300"#,
        &format!(r#","NotValidAfter":"{huge}","KeyLength":"{huge}""#),
        r#","Type":7,"KeyAlgorithmOID":[],"IssuedBy":{},"RevokedOn":true"#,
    ] {
        find(&f, &entry(more), &[]).exits(0);
    }
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"entries":{}}"#,
        r#"{"entries":[1]}"#,
        r#"{"entries":[{}]}"#,
        &entry("").replace("\"0x1\"", "1"),
        &entry("").replace("0x1", &format!("0x{huge}")),
        &entry("").replace("0x1", "zz"),
        &entry(&format!(r#","KeyLength":{huge}"#)),
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        "<html>",
    ] {
        let said = find(&f, body, &[]).exits(255);
        assert!(said.out.is_empty() && said.err.contains("ERROR: "), "{said:?}");
    }
    let said = find(&f, &entry("").replace("\"total\":1", "\"total\":-1"), &[]).exits(0);
    assert!(!said.out.contains("entries found"), "{}", said.out);
}

#[test]
fn more_than_was_asked_for() {
    let f = Folder::new();
    let one = r#"{"id":"0x1","SubjectDN":"a","IssuerDN":"b","Status":"VALID"}"#;
    let two = format!("{one},{}", one.replace("0x1", "0x2"));
    let body = format!(r#"{{"entries":[{two}]}}"#);
    let said = find(&f, &body, &["--size", "1"]).exits(255);
    assert!(said.err.contains("more entries than requested"), "{}", said.err);
    // The same page again and again.
    let said = find(&f, &format!(r#"{{"entries":[{one}]}}"#), &["--size", "2"]).exits(255);
    assert!(said.err.contains("overlap"), "{}", said.err);
}

#[test]
fn pages_without_end() {
    let f = Folder::new();
    let make = |head: &str| {
        let number = |name: &str| -> usize {
            let after = head.split_once(name).unwrap().1;
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        let (start, size) = (number("start="), number("size="));
        let entry =
            |n| format!(r#"{{"id":"0x{n:x}","SubjectDN":"a","IssuerDN":"b","Status":"VALID"}}"#);
        let entries: Vec<String> = (start..start + size).map(entry).collect();
        http("200 ", &format!(r#"{{"entries":[{}]}}"#, entries.join(",")))
    };
    let server = Server::start(None, Answer::Made(Arc::new(make)));
    let said = pki(&f, server.port, &["ca-cert-find", "--size", "4000000000"]).exits(255);
    assert!(said.err.contains("more than 200000 certificates"), "{}", said.err);
}

#[test]
fn another_certificate_than_asked_for() {
    let f = Folder::new();
    let pem = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/ca_signing.pem"),
    )
    .unwrap();
    let block = pem.trim().replace('\r', r"\r").replace('\n', r"\n");
    let body = |id: &str, encoded: &str| {
        format!(
            r#"{{"id":"{id}","SubjectDN":"x","IssuerDN":"y","Status":"VALID","Encoded":"{encoded}"}}"#
        )
    };
    let show = |body: &str, args: &[&str]| {
        let server = Server::start(None, Answer::Close(http("200 ", body)));
        pki(&f, server.port, &[&["ca-cert-show"], args].concat())
    };
    show(&body("0x1", &block), &["1"]).exits(0);
    for (id, encoded, asked) in [
        ("0x2", block.as_str(), "2"),
        ("0x1", block.as_str(), "2"),
        ("0x1", "", "1"),
        ("0x1", "-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----", "1"),
    ] {
        let said = show(&body(id, encoded), &[asked, "--output", "c.pem"]).exits(255);
        assert!(said.out.is_empty() && !f.file("c.pem").exists(), "{id} {asked}");
    }
    // Nothing comes with the certificate into a file.
    let twice = format!("{block}\\n{block}");
    show(&body("0x1", &twice), &["1", "--output", "c.pem"]).exits(0);
    let written = String::from_utf8(f.read("c.pem")).unwrap();
    assert_eq!(written.matches("BEGIN").count(), 1, "{written}");
}

/// A count and the entries that belie it; pages of one entry.
#[test]
fn fewer_than_counted_or_one_by_one() {
    let f = Folder::new();
    let said = find(&f, r#"{"total":7,"entries":[]}"#, &["--size", "5"]).exits(255);
    assert!(said.err.contains("incomplete: 0 of 7 certificates"), "{}", said.err);
    find(&f, r#"{"total":7,"entries":[]}"#, &["--size", "0"]).exits(0);
    find(&f, r#"{"total":7,"entries":[]}"#, &["--start", "7", "--size", "5"]).exits(0);
    let make = |head: &str| {
        let start = head.split_once("start=").unwrap().1;
        let start: String = start.chars().take_while(char::is_ascii_digit).collect();
        let entry = format!(
            r#"{{"entries":[{{"id":"1{start}","SubjectDN":"a","IssuerDN":"b","Status":"VALID"}}]}}"#
        );
        // So that no request meets the end of the connection.
        http("200 \r\nConnection: close", &entry)
    };
    let server = Server::start(None, Answer::Made(Arc::new(make)));
    let said = pki(&f, server.port, &["ca-cert-find", "--size", "4000000000"]).exits(255);
    assert!(said.err.contains("more than 5000 pages"), "{}", said.err);
}
