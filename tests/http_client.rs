//! HttpClient: each key of its file, HTTP by the standard, and the mistakes of the Java tool that
//! it avoids.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[allow(dead_code)]
#[path = "transport/server.rs"]
mod server;

use std::process::Command;

use common::proxy::Proxy;
use common::stand_in::{StandIn, folder};
use common::{Folder, PASSWORD, Said, run};
use server::{Answer, Server};

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn issued() -> Vec<u8> {
    vector("01-rsa-server/response.der")
}

/// Returns an HTTP response with these header lines.
fn answer(lines: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let head = [lines, &[length.as_str(), "", ""]].concat().join("\r\n");
    [head.as_bytes(), body].concat()
}

fn tomcat(body: &[u8]) -> Vec<u8> {
    answer(&["HTTP/1.1 200 ", "Content-Type: application/pkcs7-mime"], body)
}

/// Makes a folder with a file to send.
fn bare() -> Folder {
    let f = Folder::bare();
    f.write("cmc.req", vector("01-rsa-server/request.der"));
    f
}

/// Runs HttpClient with these lines and the common ones for a plain server.
#[track_caller]
fn plain(f: &Folder, port: u16, lines: &[&str]) -> Said {
    let text = format!(
        "host=127.0.0.1\nport={port}\nsecure=false\nservlet=/ca/x\ninput=cmc.req\noutput=resp\n\
         proxy=\n{}\n",
        lines.join("\n")
    );
    f.write("h.cfg", text);
    f.nss_cmc(&["HttpClient", "h.cfg"])
}

/// Runs one exchange with a plain server that sends this response.
#[track_caller]
fn exchange(f: &Folder, bytes: Vec<u8>, lines: &[&str]) -> Said {
    let server = Server::start(None, Answer::Close(bytes));
    plain(f, server.port, lines)
}

/// Java counts line ends to find the body, and ignores the rest of the head.
#[test]
fn the_body_is_where_http_says() {
    let f = bare();
    let type_ = "Content-Type: application/pkcs7-mime";
    let many: Vec<String> = (0..40).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> =
        ["HTTP/1.1 200 OK", type_].into_iter().chain(many.iter().map(String::as_str)).collect();
    for lines in [
        &["HTTP/1.1 200 "][..],
        &["HTTP/1.1 200 ", type_],
        &["HTTP/1.0 200 OK", type_, "Date: now", "Connection: close", "Strict-Transport: x"],
        &many,
    ] {
        std::fs::remove_file(f.file("resp")).ok();
        let said = exchange(&f, answer(lines, &issued()), &[]).exits(0);
        assert_eq!(f.read("resp"), issued(), "{lines:?}");
        assert!(said.out.contains("The response in binary format is stored in resp\n"));
    }
    let chunked = b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n";
    let size = format!("{:x}\r\n", issued().len());
    let body = [chunked, size.as_bytes(), &issued(), b"\r\n0\r\n\r\n"].concat();
    exchange(&f, body, &[]).exits(0);
    assert_eq!(f.read("resp"), issued());
}

#[test]
fn the_request_is_http_1_1_and_exact() {
    let f = bare();
    let server = Server::start(None, Answer::Close(tomcat(&issued())));
    plain(&f, server.port, &["servlet=/ca/ee/ca/profileSubmitCMCFull?profileId=a&b=c"]).exits(0);
    // A servlet without leading slash is a path, too.
    plain(&f, server.port, &["servlet=ca/x"]).exits(0);
    let seen = server.seen();
    let first = "POST /ca/ee/ca/profileSubmitCMCFull?profileId=a&b=c HTTP/1.1\r\n";
    assert!(seen[0].head.starts_with(first), "{}", seen[0].head);
    for line in [
        format!("Host: 127.0.0.1:{}\r\n", server.port),
        "Content-Type: application/pkcs7-mime; smime-type=CMC-request\r\n".to_owned(),
        format!("Content-Length: {}\r\n", f.read("cmc.req").len()),
    ] {
        assert!(seen[0].head.contains(&line), "{line}{}", seen[0].head);
    }
    assert_eq!(seen[0].body, f.read("cmc.req"));
    assert!(seen[1].head.starts_with("POST /ca/x HTTP/1.1\r\n"), "{}", seen[1].head);
}

/// Java exits with 0 and stores anything. The response of an earlier run remains, with a warning.
#[test]
fn what_is_no_answer_fails_and_is_not_stored() {
    let f = bare();
    let html = "<!DOCTYPE html><html><body>unrecoverable error</body></html>";
    let page = |status: &str| {
        answer(&[&format!("HTTP/1.1 {status}"), "Content-Type: text/html"], html.as_bytes())
    };
    for (bytes, words) in [
        (page("404 Not Found"), "HTTP status 404"),
        (page("500 "), "HTTP status 500"),
        (page("200 "), "HTML page"),
        (answer(&["HTTP/1.1 302 Found", "Location: http://127.0.0.1:1/"], b""), "HTTP status 302"),
        (answer(&["HTTP/1.1 500 "], &issued()), "HTTP status 500"),
        (answer(&["HTTP/1.1 200 "], b""), "empty response"),
        (answer(&["HTTP/1.1 200 ", "Content-Type: text/plain"], b"come back later"), "text/plain"),
        (tomcat(b"garbage"), "not a CMC message"),
        (tomcat(&issued()[..700]), "not a CMC message"),
        (tomcat(&vector("01-rsa-server/request.der")), "this is a CMC request"),
        (b"HTTP/1.1 200 \r\nContent-Length: 999\r\n\r\nshort".to_vec(), "Content-Length"),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "cannot read the response"),
        (Vec::new(), "without a response"),
    ] {
        let said = exchange(&f, bytes, &[]).exits(1);
        assert!(said.out.contains("Error: ") && said.out.contains(words), "{words}: {}", said.out);
        assert!(!f.file("resp").exists(), "{words}");
        assert!(!said.out.contains("is stored in") && !said.err.contains("earlier"), "{words}");
    }
    f.write("resp", "of yesterday");
    let said = exchange(&f, page("404 "), &[]).exits(1);
    assert!(said.err.contains("resp is from an earlier run"), "{}", said.err);
    assert_eq!(f.read("resp"), b"of yesterday");
    let said = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .env("NSS_CMC_LEGACY_EXIT", "1")
        .args(["HttpClient", "h.cfg"]));
    assert_eq!(said.code, 0, "{}", said.out);
}

/// A refusal is a CMC response: stored, exit status 0 for the script's next step, and reported.
#[test]
fn a_refusal_is_stored_and_told() {
    let f = bare();
    let refusal = vector("08a-wrong-agent/response.der");
    let said = exchange(&f, tomcat(&refusal), &[]).exits(0);
    assert_eq!(f.read("resp"), refusal);
    assert!(said.err.contains("note: the CA refused the request"), "{}", said.err);
    assert!(said.err.contains("Invalid Credential."), "{}", said.err);
    f.nss_cmc(&["CMCResponse", "-i", "resp"]).exits(1);
    // A message is recognised by its octets, whatever Content-Type says.
    let wrong = answer(&["HTTP/1.1 200 ", "Content-Type: text/html"], &issued());
    exchange(&f, wrong, &[]).exits(0);
    assert_eq!(f.read("resp"), issued());
}

#[test]
fn keys_and_values() {
    let f = bare();
    let server = Server::start(None, Answer::Close(tomcat(&issued())));
    let port = server.port;
    for (line, words) in [
        ("host=", "Missing host name."),
        ("port=", "Missing port number."),
        ("port=https", "port must be a number"),
        ("port=65536", "port must be a number"),
        ("servlet=", "Missing servlet name."),
        ("input=", "Missing input filename for the enrollment request."),
        ("output=", "Missing output filename for the response."),
        ("input=gone", "gone"),
        ("output=no/such", "cannot write no/such"),
        ("secure=maybe", "secure must be true or false"),
        ("secure=true", "Missing directory name for the NSS database."),
        ("numHeaderLines=0", "out of range: 1 - 56"),
        ("numHeaderLines=57", "out of range: 1 - 56"),
        ("timeout=soon", "timeout must be a number of seconds"),
        ("connectTimeout=-1", "connectTimeout must be a number of seconds"),
        ("est=perhaps", "est must be true or false"),
        ("a=\\uzzzz", "h.cfg"),
    ] {
        let said = plain(&f, port, &[line]).exits(1);
        assert!(said.out.contains(words), "{line}: {}", said.out);
        assert!(!f.file("resp").exists(), "{line}");
    }
    // Java's properties: blanks after a value, other separators, escapes, comments, continued
    // lines.
    let lines =
        ["! comment", "host : 127.0.0.1", "secure=FALSE  ", "ser\\", "  vlet /ca/\\", "   y"];
    let said = plain(&f, port, &[&lines[..], &["numHeaderLines=1", "hots=x"]].concat()).exits(0);
    assert!(said.err.contains("did you mean \"host\""), "{}", said.err);
    assert!(said.err.contains("secure=false: others can read"), "{}", said.err);
    let shown = said.out.split("##Response Headers begin##\n").nth(1).unwrap();
    assert!(shown.starts_with("HTTP/1.1 200 \n##end##\n"), "{shown}");
    assert!(server.seen().last().unwrap().head.starts_with("POST /ca/y HTTP/1.1"));
    // The lines that Java prints, in its order.
    let at: Vec<usize> = [
        format!("\nTotal number of bytes read = {}\n", f.read("cmc.req").len()),
        "writing to socket\n".into(),
        "##Response Headers begin##\n".into(),
        "##end##\n".into(),
        format!("\nTotal number of bytes read = {}\n", issued().len()),
        "\nThe response in binary format is stored in resp\n".into(),
    ]
    .iter()
    .map(|l| said.out.find(l).unwrap_or_else(|| panic!("{l} is missing in {}", said.out)))
    .collect();
    assert!(at.is_sorted(), "{at:?}");
    let said = f.nss_cmc(&["HttpClient"]).exits(1);
    assert!(said.out.starts_with("Wrong number of parameters:0\n"), "{}", said.out);
    let said = f.nss_cmc(&["HttpClient", "--help"]).exits(0);
    assert!(said.out.contains("\n  servlet\n"), "{}", said.out);
    f.nss_cmc(&["HttpClient", "h.cfg", "x"]).exits(1);
    assert!(f.nss_cmc(&["HttpClient", "gone.cfg"]).exits(1).out.contains("gone.cfg"));
}

#[test]
fn silence_has_an_end() {
    let f = bare();
    let server = Server::start(None, Answer::Silence);
    let said = plain(&f, server.port, &["timeout=1"]).exits(1);
    assert!(said.out.contains("timeout waiting for"), "{}", said.out);
    // No server listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let said = plain(&f, port, &[]).exits(1);
    assert!(said.out.contains("cannot connect"), "{}", said.out);
}

/// Runs HttpClient over TLS against the stand-in CA.
fn secure(f: &Folder, port: u16, lines: &[&str]) -> Said {
    write_secure(f, port, lines);
    f.nss_cmc(&["HttpClient", "h.cfg"])
}

fn write_secure(f: &Folder, port: u16, lines: &[&str]) {
    let text = format!(
        "host=localhost\nport={port}\ndbdir=db\n\
         servlet=/ca/ee/ca/profileSubmitCMCFull?profileId=caCMCserverCert\ninput=cmc.req\n\
         output=resp\n{}\n",
        lines.join("\n")
    );
    f.write("h.cfg", text);
}

/// Makes the stand-in CA's folder with its agent's request.
fn with_request() -> Folder {
    let f = folder(&[]);
    let args = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=device"];
    f.nss_cmc(&[&args[..], &["--out", "r.csr"]].concat()).exits(0);
    f.write("r.cfg", "dbdir=db\npasswordFile=pw\nnickname=agent\ninput=r.csr\noutput=cmc.req\n");
    f.nss_cmc(&["CMCRequest", "r.cfg"]).exits(0);
    f
}

/// `secure` defaults to true; without client certificate no password is needed.
#[test]
fn tls_with_and_without_a_client_certificate() {
    let f = with_request();
    let ca = StandIn::start(&f, &[]);
    let said = secure(&f, ca.port, &[]).exits(0);
    assert!(said.err.contains("Invalid Credential."), "{}", said.err);
    assert!(!said.out.contains("client cert is not null"), "{}", said.out);
    for client in [
        &["nickname=agent", "passwordFile=pw", "secure=true "][..],
        &["nickname=agent", &format!("password={PASSWORD}"), "tokenname=internal"],
        &["nickname=agent", "passwordFile=pw", "tokenname=NSS Certificate DB"],
        &["nickname=NSS Certificate DB:agent", "passwordFile=pw"],
    ] {
        std::fs::remove_file(f.file("resp")).ok();
        let said = secure(&f, ca.port, &[client, &["clientmode=TRUE"]].concat()).exits(0);
        for line in [
            "after SSLSocket created, thread token is Internal Key Storage Token\n",
            "client cert is not null\nhandshake happened\n",
        ] {
            assert!(said.out.contains(line), "{client:?}: {}", said.out);
        }
        let said = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "resp"]).exits(0);
        assert!(said.out.contains("Status: SUCCESS"), "{client:?}");
    }
    std::fs::remove_file(f.file("resp")).ok();
    for (lines, words) in [
        (&["clientmode=true"][..], "Missing nickname for the client certificate"),
        (&["clientmode=true", "nickname=agent"], "Missing password for the NSS database."),
        (
            &["clientmode=true", "nickname=agnt", "passwordFile=pw"],
            "certificate \"agnt\" not found",
        ),
        (&["clientmode=true", "nickname=agent", "password=wrong"], "cannot log in"),
        (&["tokenname=HSM"], "token \"HSM\" not found"),
        (&["dbdir=nowhere"], "nowhere"),
    ] {
        let said = secure(&f, ca.port, lines).exits(1);
        assert!(said.out.contains(words), "{lines:?}: {}", said.out);
        assert!(!said.out.contains("wrong\n") && !f.file("resp").exists(), "{lines:?}");
    }
    assert!(!f.file("nowhere").exists());
    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let said = secure(&f, ca.port, &[]).exits(1);
    assert!(said.out.contains("is not trusted"), "{}", said.out);
    assert!(said.err.contains("nss-cmc cert import"), "{}", said.err);
}

/// An unusable output file is reported before anything is sent.
#[test]
fn a_place_for_the_answer_comes_first() {
    let f = bare();
    let server = Server::start(None, Answer::Close(tomcat(&issued())));
    std::fs::create_dir(f.file("dir")).unwrap();
    for place in ["no/such", "dir", "dir/", "new/"] {
        let said = plain(&f, server.port, &[&format!("output={place}")]).exits(1);
        assert!(said.out.contains(&format!("Error: cannot write {place}: ")), "{}", said.out);
    }
    // A disk with room for a file name, and nothing else.
    std::fs::create_dir(f.file("full")).unwrap();
    let nss_cmc = env!("CARGO_BIN_EXE_nss-cmc");
    let script = format!(
        "mount -t tmpfs -o size=64k none full && {{ cat /dev/zero > full/filler 2>/dev/null; \
         {nss_cmc} HttpClient h.cfg; rc=$?; ls -A full; exit $rc; }}"
    );
    let text = std::fs::read_to_string(f.file("h.cfg")).unwrap();
    f.write("h.cfg", text.replace("output=new/", "output=full/resp"));
    let mut unshare = Command::new("unshare");
    let said = run(unshare.current_dir(f.path()).args(["-rm", "sh", "-c", &script])).exits(1);
    let why = "Error: cannot write full/resp: No space left on device (os error 28)\nfiller\n";
    assert!(said.out.ends_with(why), "{}", said.out);
    assert!(server.seen().is_empty());
    let said = plain(&f, server.port, &["output=/dev/full"]).exits(1);
    assert!(said.out.contains("Error: cannot write /dev/full: No space left"), "{}", said.out);
    let (_, text) = said.out.split_once(&format!("read = {}\n", issued().len())).unwrap();
    let (text, _) = text.split_once("\r\n\n").unwrap();
    f.write("saved", text);
    assert_eq!(der(&f, "saved"), issued(), "the answer is on stdout at least");
    let left: Vec<_> = std::fs::read_dir(f.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Returns the DER in a text file.
fn der(f: &Folder, file: &str) -> Vec<u8> {
    common::der::pem::to_der(&f.read(file))
}

#[test]
fn cmc_send_takes_the_place_first_and_loses_no_answer() {
    let f = with_request();
    let ca = StandIn::start(&f, &[]);
    let send = |out: &str, ca: &str| {
        let what = ["cmc", "send", "cmc.req", "--out", out, "--profile", "caCMCserverCert"];
        let as_agent = ["-d", "db", "--password-file", "pw", "--signer", "agent", "--ca", ca];
        f.nss_cmc(&[&what[..], &as_agent].concat())
    };
    for place in ["no/such", "db"] {
        let said = send(place, &ca.url).exits(21);
        assert!(said.err.contains(&format!("cannot write {place}: ")), "{}", said.err);
    }
    assert!(!f.file("ca.log").exists() || f.read("ca.log").is_empty(), "something was sent");
    send("resp", "https://localhost:1").exits(30);
    assert!(!f.file("resp").exists());
    let said = send("/dev/full", &ca.url).exits(21);
    assert!(said.err.contains("cannot write /dev/full: No space left on device"), "{}", said.err);
    f.write("saved", said.err);
    let said = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "saved"]).exits(0);
    assert!(said.out.contains("Status: SUCCESS"), "{}", said.out);
    send("resp", &ca.url).exits(0);
    f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "resp"]).exits(0);
}

#[test]
fn proxies_for_https_and_http() {
    let f = with_request();
    let ca = StandIn::start(&f, &[]);
    let proxy = Proxy::start();
    let client = ["clientmode=true", "nickname=agent", "passwordFile=pw"];
    let line = format!("proxy={}", proxy.url());
    secure(&f, ca.port, &[&client[..], &[&line]].concat()).exits(0);
    f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "resp"]).exits(0);
    let connect = format!("CONNECT localhost:{} HTTP/1.1\r\n", ca.port);
    assert!(proxy.seen()[0].starts_with(&connect), "{:?}", proxy.seen());

    let server = Server::start(None, Answer::Close(tomcat(&issued())));
    std::fs::remove_file(f.file("resp")).unwrap();
    plain(&f, server.port, &[&line]).exits(0);
    assert_eq!(f.read("resp"), issued());
    let absolute = format!("POST http://127.0.0.1:{}/ca/x HTTP/1.1\r\n", server.port);
    assert!(proxy.seen()[1].starts_with(&absolute), "{:?}", proxy.seen());
    assert!(server.seen()[0].head.starts_with("POST /ca/x HTTP/1.1\r\n"));

    // The environment's proxy is used, unless the file names another.
    let with_environment = |lines: &[&str]| {
        secure(&f, ca.port, &[&client[..], lines].concat());
        let said = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .env("https_proxy", proxy.url())
            .args(["HttpClient", "h.cfg"]));
        said.exits(0);
        proxy.seen().len()
    };
    assert_eq!(with_environment(&[]), 3);
    assert_eq!(with_environment(&["proxy="]), 3);

    // A proxy that refuses; its password is used and not printed.
    let refusing = Server::start(None, Answer::Close(answer(&["HTTP/1.1 403 Forbidden"], b"")));
    let line = format!("proxy=http://user:proxysecret@127.0.0.1:{}", refusing.port);
    let said = secure(&f, ca.port, &[&client[..], &[&line]].concat()).exits(1);
    assert!(said.out.contains("the proxy refuses to connect to localhost"), "{}", said.out);
    assert!(!format!("{}{}", said.out, said.err).contains("proxysecret"));
    assert!(refusing.seen()[0].head.contains("\r\nProxy-Authorization: Basic "));
}

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// Java searches the certificate in the token, then once more without it, and finds nothing.
#[test]
fn a_client_certificate_in_another_token() {
    if !std::path::Path::new(SOFTHSM).exists() {
        println!("skipped: {SOFTHSM} is not installed");
        return;
    }
    let f = folder(&[]);
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.path().display()));
    let in_token = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        run(command.current_dir(f.path()).env("SOFTHSM2_CONF", f.file("softhsm.conf")).args(args))
    };
    let pins = ["--pin", PASSWORD, "--so-pin", PASSWORD];
    let init = ["--init-token", "--free", "--label", "hsm"];
    in_token("softhsm2-util", &[&init[..], &pins].concat()).exits(0);
    let add = ["-add", "softhsm", "-libfile", SOFTHSM, "-dbdir", "sql:db", "-force"];
    in_token("modutil", &add).exits(0);
    f.write("noise", [9; 64]);
    let common = ["-d", "sql:db", "-f", "pw", "-h", "hsm"];
    let ask = ["-R", "-s", "CN=hsm agent", "-a", "-o", "hsm.csr", "-k", "rsa", "-z", "noise"];
    in_token("certutil", &[&ask[..], &common].concat()).exits(0);
    let sign = ["sign", "--dir", "ca", "--csr", "hsm.csr", "--agent", "--out", "hsm.pem"];
    in_token(common::stand_in::program().to_str().unwrap(), &sign).exits(0);
    let import = ["-A", "-n", "hsm agent", "-t", ",,", "-a", "-i", "hsm.pem"];
    // certutil fails to set the trust, which is in the database, after it has stored the
    // certificate.
    in_token("certutil", &[&import[..], &common].concat());

    let ca = StandIn::start(&f, &[]);
    let nss_cmc = env!("CARGO_BIN_EXE_nss-cmc");
    let args = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=device"];
    in_token(nss_cmc, &[&args[..], &["--out", "r.csr"]].concat()).exits(0);
    let text = "dbdir=db\npasswordFile=pw\ntokenname=hsm\nnickname=hsm agent\ninput=r.csr\n";
    f.write("r.cfg", format!("{text}output=cmc.req\n"));
    in_token(nss_cmc, &["CMCRequest", "r.cfg"]).exits(0);
    for client in [
        &["tokenname=hsm", "nickname=hsm agent"][..],
        &["tokenname=hsm", "nickname=hsm:hsm agent"],
        &["nickname=hsm:hsm agent"],
    ] {
        write_secure(&f, ca.port, &[client, &["clientmode=true", "passwordFile=pw"]].concat());
        let said = in_token(nss_cmc, &["HttpClient", "h.cfg"]).exits(0);
        assert!(said.out.contains("client cert is not null"), "{client:?}: {}", said.out);
        assert!(said.err.is_empty(), "{client:?}: {}", said.err);
    }
}
