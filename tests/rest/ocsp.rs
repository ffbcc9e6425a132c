//! `status` by OCSP: `openssl ocsp` answers, or a server with responses made here that should not be
//! believed.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

use openssl::hash::{MessageDigest, hash};
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::common::der::{certificate_fields, encode, oid, pem, split_tlv, tlv};
use super::common::{Folder, Said, tool};
use super::server::{Answer, Server};
use super::start;

const OCSP_SIGNING: &str = "extendedKeyUsage=OCSPSigning\n";

/// Serial numbers in the index: good, revoked, on hold; any other is unknown.
const INDEX: &str = "V\t350101000000Z\t\t2001\tunknown\t/CN=a\n\
    R\t350101000000Z\t240102030405Z,keyCompromise\t2002\tunknown\t/CN=b\n\
    R\t350101000000Z\t240102030405Z,certificateHold\t2003\tunknown\t/CN=c\n";

fn openssl(f: &Folder, command: &str) {
    tool("openssl", f.path(), &command.split(' ').collect::<Vec<_>>());
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout";

/// Makes a CA in NAME.pem and NAME.key.
fn root(f: &Folder, name: &str) {
    openssl(
        f,
        &format!("req -x509 {NEW_KEY} {name}.key -out {name}.pem -subj /CN={name} -days 90"),
    );
}

/// Makes a certificate in NAME.pem and its key in NAME.key.
fn issue(f: &Folder, name: &str, by: &str, serial: u32, extensions: &str) {
    f.write("ext", format!("{extensions}subjectKeyIdentifier=hash\n"));
    openssl(f, &format!("req -new {NEW_KEY} {name}.key -out {name}.csr -subj /CN={name}"));
    let how = format!("-CA {by}.pem -CAkey {by}.key -set_serial 0x{serial:x} -days 90");
    openssl(f, &format!("x509 -req -in {name}.csr {how} -extfile ext -out {name}.pem"));
}

/// Makes an expired certificate in NAME.pem and its key in NAME.key. `openssl x509 -req` of OpenSSL 3.6
/// doesn't.
fn expired(f: &Folder, name: &str, by: &str, extensions: &str) {
    issue(f, name, by, 1, extensions);
    f.write("issued", "");
    f.write(
        "ca.cnf",
        "[ca]\ndefault_ca=x\n[x]\ndatabase=issued\nnew_certs_dir=.\nrand_serial=yes\npolicy=any\n\
         default_md=sha256\n[any]\ncommonName=supplied\n",
    );
    let ca = format!("ca -config ca.cnf -batch -notext -cert {by}.pem -keyfile {by}.key");
    let dates = "-startdate 20200101000000Z -enddate 20210101000000Z";
    openssl(f, &format!("{ca} -in {name}.csr -extfile ext {dates} -out {name}.pem"));
}

/// Makes a certificate that names a responder.
fn leaf(f: &Folder, name: &str, serial: u32, port: u16) {
    let names = format!(
        "authorityInfoAccess=caIssuers;URI:http://127.0.0.1:1/,OCSP;URI:ldap://127.0.0.1:1/,\
         OCSP;URI:http://127.0.0.1:{port}/ca/ocsp\n"
    );
    issue(f, name, "root", serial, &names);
}

/// A database that trusts the CA in root.pem.
fn folder() -> Folder {
    let f = Folder::new();
    root(&f, "root");
    f.certutil(&["-A", "-n", "root", "-t", "CT,,", "-a", "-f", "pw", "-i", "root.pem"]);
    f
}

/// `openssl ocsp`, on a port that the system chooses.
struct Responder {
    child: Child,
    port: u16,
    // Open, so that the responder can go on printing.
    _out: BufReader<ChildStdout>,
}

impl Responder {
    fn start(f: &Folder, signer: &str, more: &[&str]) -> Responder {
        f.write("index", INDEX);
        let (certificate, key) = (format!("{signer}.pem"), format!("{signer}.key"));
        let mut child = Command::new("openssl")
            .current_dir(f.path())
            .args(["ocsp", "-index", "index", "-CA", "root.pem", "-port", "0"])
            .args(["-rsigner", &certificate, "-rkey", &key])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // `ACCEPT [::]:PORT PID=1`, once it listens.
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let at = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}"));
        let port = at.rsplit_once(':').unwrap().1.parse().unwrap();
        Responder { child, port, _out: out }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[track_caller]
fn status(f: &Folder, name: &str, more: &[&str]) -> Said {
    let file = format!("{name}.pem");
    f.nss_cmc(&[&["status", "-d", "db", "--file", &file], more].concat())
}

/// The result for one certificate, and the warnings.
#[track_caller]
fn asked(f: &Folder, name: &str, more: &[&str], exit: i32) -> (serde_json::Value, String) {
    let json = status(f, name, &[more, &["--output", "json"]].concat()).exits(exit).json();
    (json["result"]["certificates"][0].clone(), json["warnings"].to_string())
}

#[test]
fn the_responder_s_word_counts() {
    let f = folder();
    issue(&f, "helper", "root", 0x3001, OCSP_SIGNING);
    for signer in ["root", "helper"] {
        let responder = Responder::start(&f, signer, &["-ndays", "1"]);
        let url = format!("http://127.0.0.1:{}/ca/ocsp", responder.port);
        for (serial, exit, verdict, state, reason) in [
            (0x2001, 0, "valid", "good", None),
            (0x2002, 13, "revoked", "revoked", Some("keyCompromise")),
            (0x2003, 13, "on_hold", "on_hold", Some("certificateHold")),
            (0x2004, 0, "valid", "unknown", None),
        ] {
            leaf(&f, "leaf", serial, responder.port);
            let (one, warnings) = asked(&f, "leaf", &[], exit);
            assert_eq!((&one["status"], &one["ocsp"]), (&verdict.into(), &"answered".into()));
            assert_eq!((&one["ocsp_state"], &one["ocsp_nonce"]), (&state.into(), &true.into()));
            assert_eq!(one["ocsp_responder"], url);
            assert_eq!(one["revocation_reason"].as_str(), reason);
            let date = reason.map(|_| "2024-01-02T03:04:05Z");
            assert_eq!(one["revocation_date"].as_str(), date);
            assert_eq!(warnings.contains("does not know"), state == "unknown", "{warnings}");
            assert_eq!(warnings == "[]", state != "unknown", "{warnings}");
        }
        leaf(&f, "leaf", 0x2002, responder.port);
        let said = status(&f, "leaf", &[]).exits(13);
        let line =
            "\nstate by OCSP: revoked (keyCompromise) since 2024-01-02 03:04:05 UTC (http://";
        assert!(said.out.contains(line), "{}", said.out);
        assert!(said.out.starts_with("0x2002 is revoked (keyCompromise)\n"), "{}", said.out);
        let (one, _) = asked(&f, "leaf", &["--no-ocsp"], 0);
        assert_eq!((&one["status"], &one["ocsp"]), (&"valid".into(), &"not_asked".into()));
    }
}

#[test]
fn only_the_issuer_and_whom_it_named_are_believed() {
    let f = folder();
    root(&f, "other");
    issue(&f, "server", "root", 0x3002, "extendedKeyUsage=serverAuth\n");
    issue(&f, "plain", "root", 0x3003, "");
    issue(&f, "encipher", "root", 0x3004, &format!("{OCSP_SIGNING}keyUsage=keyEncipherment\n"));
    issue(&f, "stranger", "other", 0x3005, OCSP_SIGNING);
    expired(&f, "expired", "root", OCSP_SIGNING);
    // A CA of the same name.
    let twin = Folder::bare();
    root(&twin, "root");
    f.write("twin.pem", twin.read("root.pem"));
    f.write("twin.key", twin.read("root.key"));
    for (signer, why) in [
        ("other", "another CA issued its certificate"),
        ("server", "its extKeyUsage lacks OCSPSigning"),
        ("plain", "its extKeyUsage lacks OCSPSigning"),
        ("encipher", "its keyUsage lacks digitalSignature"),
        ("stranger", "another CA issued its certificate"),
        ("expired", "expired on"),
        ("twin", "is not signed by"),
    ] {
        let responder = Responder::start(&f, signer, &[]);
        leaf(&f, "leaf", 0x2002, responder.port);
        let (one, warnings) = asked(&f, "leaf", &[], 0);
        assert_eq!(
            (&one["status"], &one["ocsp"]),
            (&"valid".into(), &"unknown".into()),
            "{signer}"
        );
        assert!(warnings.contains(why), "{signer}: {warnings}");
    }
    let responder = Responder::start(&f, "root", &["-rmd", "sha1"]);
    leaf(&f, "leaf", 0x2002, responder.port);
    let (one, warnings) = asked(&f, "leaf", &[], 0);
    assert!(one["ocsp"] == "unknown" && warnings.contains("too weak"), "{warnings}");
}

fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn generalized(days: i64) -> Vec<u8> {
    let time = chrono::Utc::now() + chrono::TimeDelta::days(days);
    tlv(0x18, time.format("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

/// A response that root.key signs, with parts that may each be wrong.
struct Forged {
    /// DER of the CertStatus.
    status: Vec<u8>,
    serial: [u8; 2],
    /// The days of thisUpdate and nextUpdate from now.
    from: i64,
    to: Option<i64>,
    nonce: Option<Vec<u8>>,
    other_issuer: bool,
    critical: bool,
    changed: bool,
}

const GOOD: [u8; 2] = [0x80, 0];

fn forged() -> Forged {
    Forged {
        status: GOOD.to_vec(),
        serial: [0x20, 1],
        from: 0,
        to: Some(1),
        nonce: None,
        other_issuer: false,
        critical: false,
        changed: false,
    }
}

impl Forged {
    fn der(&self, f: &Folder) -> Vec<u8> {
        let ca = pem::to_der(&f.read("root.pem"));
        let fields = certificate_fields(&ca);
        let bits = split_tlv(split_tlv(fields.spki).unwrap().1).unwrap().2;
        let mut key = split_tlv(bits).unwrap().1[1..].to_vec();
        if self.other_issuer {
            key.reverse();
        }
        let sha1 = |octets: &[u8]| tlv(4, &hash(MessageDigest::sha1(), octets).unwrap());
        let algorithm = seq(&[&encode(&oid::SHA1.to_owned())]);
        let serial = tlv(2, &self.serial);
        let id = seq(&[&algorithm, &sha1(fields.subject), &sha1(&key), &serial]);
        let next = self.to.map(|days| tlv(0xa0, &generalized(days))).unwrap_or_default();
        let single = seq(&[&id, &self.status, &generalized(self.from), &next]);
        let extension = |id: &str, critical: bool, value: &[u8]| {
            let id = encode(&oid::parse(id));
            let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
            seq(&[&id, critical, &tlv(4, value)])
        };
        let mut extensions = Vec::new();
        if let Some(nonce) = &self.nonce {
            extensions.push(extension("1.3.6.1.5.5.7.48.1.2", false, &tlv(4, nonce)));
        }
        if self.critical {
            extensions.push(extension("1.2.3.4", true, &[5, 0]));
        }
        let extensions = match extensions.is_empty() {
            true => Vec::new(),
            false => tlv(0xa1, &tlv(0x30, &extensions.concat())),
        };
        let responder = tlv(0xa1, fields.subject);
        let data = seq(&[&responder, &generalized(0), &seq(&[&single]), &extensions]);
        let key = PKey::private_key_from_pem(&f.read("root.key")).unwrap();
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        let signed = if self.changed { &data[1..] } else { &data[..] };
        let signature = signer.sign_oneshot_to_vec(signed).unwrap();
        let algorithm = seq(&[&encode(&oid::ECDSA_WITH_SHA256.to_owned())]);
        let basic = seq(&[&data, &algorithm, &tlv(3, &[&[0][..], &signature].concat())]);
        let kind = encode(&oid::parse("1.3.6.1.5.5.7.48.1.1"));
        seq(&[&[10, 1, 0], &tlv(0xa0, &seq(&[&kind, &tlv(4, &basic)]))])
    }
}

fn http(status: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
    Answer::Close([head.as_bytes(), b"Location: http://127.0.0.1:1/\r\n\r\n", body].concat())
}

#[test]
fn responses_are_current_and_about_this_certificate() {
    let f = folder();
    let judged = |answer: Answer| {
        let server = Server::start(None, answer);
        leaf(&f, "leaf", 0x2001, server.port);
        let (one, warnings) = asked(&f, "leaf", &[], 0);
        assert_eq!(one["status"], "valid");
        let seen = server.seen();
        assert_eq!(seen.len(), 1);
        let head = &seen[0].head;
        assert!(head.starts_with("POST /ca/ocsp HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/ocsp-request\r\n"), "{head}");
        (one, warnings)
    };
    for good in [forged(), Forged { to: None, ..forged() }] {
        let (one, warnings) = judged(http("200 OK", &good.der(&f)));
        assert_eq!((&one["ocsp_state"], &one["ocsp_nonce"]), (&"good".into(), &false.into()));
        assert_eq!(warnings, "[]");
    }
    let date = tlv(0x18, b"20240102030405Z");
    for (forged, why) in [
        (Forged { from: -9, to: Some(-1), ..forged() }, "it is too old: it ended on"),
        (Forged { from: -2, to: None, ..forged() }, "it is too old: it is only of"),
        (Forged { from: 1, to: Some(2), ..forged() }, "it is valid only from"),
        (Forged { serial: [0x20, 2], ..forged() }, "it is about another certificate"),
        (Forged { other_issuer: true, ..forged() }, "it is about another certificate"),
        (Forged { nonce: Some(vec![7; 16]), ..forged() }, "its nonce is not the one sent"),
        (Forged { critical: true, ..forged() }, "critical extension 1.2.3.4"),
        (Forged { changed: true, ..forged() }, "the signature of the OCSP response does not match"),
        (Forged { changed: true, status: tlv(0xa1, &date), ..forged() }, "does not match"),
    ] {
        let (one, warnings) = judged(http("200 OK", &forged.der(&f)));
        assert_eq!(one["ocsp"], "unknown", "{why}");
        assert!(warnings.contains(why), "{why}: {warnings}");
    }
    let good = forged().der(&f);
    for (status, body, why) in [
        ("200 OK", &[0x30, 3, 10, 1, 3][..], "tryLater"),
        ("200 OK", &[0x30, 3, 10, 1, 6], "unauthorized"),
        ("200 OK", &[0x30, 3, 10, 1, 4], "not an OCSP response"),
        ("200 OK", &[0x30, 3, 10, 1, 0], "has no basic response"),
        ("200 OK", b"<html>", "not an OCSP response"),
        ("200 OK", b"", "not an OCSP response"),
        ("200 OK", &good[..good.len() - 1], "not an OCSP response"),
        ("302 Found", &good, "HTTP status 302"),
        ("500 No", &good, "HTTP status 500"),
    ] {
        let (one, warnings) = judged(http(status, body));
        assert_eq!(one["ocsp"], "unknown", "{why}");
        assert!(warnings.contains(why), "{why}: {warnings}");
    }
}

/// A port where nobody listens.
fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_certificate_of_an_unknown_ca_chooses_no_server() {
    let f = folder();
    let server = Server::start(None, http("200 OK", b""));
    leaf(&f, "leaf", 0x2001, server.port);
    f.certutil(&["-D", "-n", "root"]);
    let (one, warnings) = asked(&f, "leaf", &[], 0);
    assert_eq!(one["ocsp"], "unknown");
    assert!(warnings.contains("issuer CN=root of CN=leaf not found"), "{warnings}");
    assert!(server.seen().is_empty());
}

#[test]
fn a_responder_out_of_reach_is_a_warning() {
    let f = folder();
    let port = closed();
    for (name, serial) in [("one", 0x2001), ("two", 0x2002)] {
        leaf(&f, name, serial, port);
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let out = format!("-out {name}.p12 -passout pass: -name {name}");
        openssl(&f, &format!("pkcs12 -export -inkey {key} -in {certificate} {out}"));
        let file = format!("{name}.p12");
        tool("pk12util", f.path(), &["-i", &file, "-d", "sql:db", "-k", "pw", "-W", ""]);
    }
    let said = f.nss_cmc(&["status", "-d", "db"]).exits(0);
    assert!(said.out.starts_with("one\tvalid\t"), "{}", said.out);
    assert!(said.err.contains("warning: no OCSP response for one: "), "{}", said.err);
    assert_eq!(said.err.matches("could not be reached before").count(), 1, "{}", said.err);
    let said = status(&f, "one", &[]).exits(0);
    assert!(said.out.ends_with("\nstate by OCSP: no response\n"), "{}", said.out);
}

/// Puts root.pem and root.key where they are looked for, and a certificate into the CA's records.
fn book(f: &Folder, name: &str, serial: u32, port: u16, state: &str) {
    if !f.file("root.pem").exists() {
        f.write("root.pem", f.read("ca/ca.pem"));
        openssl(f, "pkcs8 -inform DER -nocrypt -in ca/ca.key -out root.key");
    }
    leaf(f, name, serial, port);
    f.write(&format!("ca/certs/{serial:x}.der"), pem::to_der(&f.read(&format!("{name}.pem"))));
    let issued = String::from_utf8(f.read("ca/issued")).unwrap();
    f.write("ca/issued", format!("{issued}0x{serial:x} {state} CN={name}\n"));
}

#[test]
fn records_and_ocsp_are_put_together() {
    let (f, ca) = start("both");
    book(&f, "first", 0x4001, closed(), "VALID");
    let responder = Responder::start(&f, "root", &[]);
    for (name, serial, state, verdict, disagree) in [
        ("good", 0x2001, "VALID", "valid", false),
        ("both", 0x2002, "REVOKED 1", "revoked", false),
        ("ocsp", 0x2002, "VALID", "revoked", true),
        ("rest", 0x2001, "REVOKED 4", "revoked", true),
        ("held", 0x2003, "VALID", "on_hold", true),
        ("worse", 0x2003, "REVOKED 1", "revoked", true),
        ("unknown", 0x2004, "REVOKED 1", "revoked", false),
    ] {
        let before = f.read("ca/issued");
        book(&f, name, serial, responder.port, state);
        let exit = if verdict == "valid" { 0 } else { 13 };
        let (one, warnings) = asked(&f, name, &["--ca", &ca.url], exit);
        assert_eq!(
            (&one["status"], &one["ca_record"]),
            (&verdict.into(), &"found".into()),
            "{name}"
        );
        assert_eq!(one["ocsp"], "answered", "{name}: {warnings}");
        assert_eq!(warnings.contains("disagree"), disagree, "{name}: {warnings}");
        f.write("ca/issued", before);
    }
    // One source is enough.
    let (one, warnings) = asked(&f, "first", &["--ca", &ca.url], 0);
    assert_eq!((&one["ca_record"], &one["ocsp"]), (&"found".into(), &"unknown".into()));
    assert!(warnings.contains("no OCSP response"), "{warnings}");
}

#[test]
fn with_neither_source_it_fails() {
    let (f, ca) = start("none");
    book(&f, "first", 0x4001, closed(), "VALID");
    let said = status(&f, "first", &["--ca", &ca.url]).exits(32);
    assert!(
        said.err.contains("cannot determine whether certificate 0x4001 is revoked"),
        "{said:?}"
    );
    assert!(said.err.contains("no OCSP response either: "), "{}", said.err);
    status(&f, "first", &["--ca", &ca.url, "--no-ocsp"]).exits(32);
    status(&f, "first", &["--no-ocsp"]).exits(0);
    let responder = Responder::start(&f, "root", &[]);
    book(&f, "good", 0x2001, responder.port, "VALID");
    let (one, _) = asked(&f, "good", &["--ca", &ca.url], 0);
    assert_eq!((&one["ca_record"], &one["ocsp_state"]), (&"unknown".into(), &"good".into()));
}
