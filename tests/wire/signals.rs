//! The first signal ends a run that has sent nothing, at any point; a run that has sent its request
//! continues with a message; an ignored signal stays ignored.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::common::stand_in::{StandIn, folder};
use super::common::{Folder, tool};
use super::{catches_signals, command, ended, enroll, log, signal, start, until};

const CSR: [&str; 9] =
    ["csr", "create", "-d", "db", "--subject", "CN=x", "--key-type", "ec", "--password-file"];

fn fifo(f: &Folder, name: &str) {
    tool("mkfifo", f.path(), &[name]);
}

#[test]
fn a_pipe_without_reader() {
    let f = Folder::new();
    fifo(&f, "out");
    for name in ["INT", "TERM"] {
        let child = start(&f, &[&CSR[..], &["pw", "--out", "out"]].concat());
        until("the key", || f.keys().len() == 1);
        signal(name, child.id());
        let said = ended(child);
        assert_eq!(said.code, 130, "{said:?}");
        assert!(said.err.contains("interrupted"), "{said:?}");
        assert!(f.keys().is_empty(), "{said:?}");
    }
}

#[test]
fn a_pipe_without_writer() {
    let f = folder(&["--key-type", "ec"]);
    fifo(&f, "in");
    let before = f.state();
    let csr = [&CSR[..], &["in"]].concat();
    let mut by_file = enroll("https://localhost:1", "x");
    by_file.retain(|a| !["--subject", "CN=x", "--key-type", "ec"].contains(a));
    by_file.extend(["--csr", "in"]);
    let secret = ["--identification", "a", "--shared-secret-file", "in"];
    let mut by_secret = enroll("https://localhost:1", "x");
    by_secret.retain(|a| !["--signer", "agent"].contains(a));
    by_secret.extend(secret);
    let revoke = ["revoke", "-d", "db", "--signer", "agent", "--serial", "1", "--ca"];
    let revoke = [&revoke[..], &["https://localhost:1", "--password-file", "in"]].concat();
    let send = ["cmc", "send", "in", "-d", "db", "--ca", "https://localhost:1", "--profile", "x"];
    let send = [&send[..], &["--out", "resp"]].concat();
    for args in [csr, by_file, by_secret, revoke, send] {
        for name in ["INT", "TERM", "HUP"] {
            let child = start(&f, &args);
            until("the handlers", || catches_signals(child.id()));
            signal(name, child.id());
            let said = ended(child);
            assert_eq!(said.code, 130, "{args:?} {said:?}");
            assert_eq!(f.state(), before, "{args:?}");
        }
    }
    let left = std::fs::read_dir(f.path()).unwrap().map(|e| e.unwrap().file_name());
    let left: Vec<_> = left.filter(|n| n.to_string_lossy().starts_with(".nss-cmc")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The server accepts the connection and never starts TLS, or is a proxy that never responds to
/// CONNECT.
#[test]
fn a_server_that_does_not_shake_hands() {
    let f = folder(&["--key-type", "ec"]);
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = mute.local_addr().unwrap().port();
    let before = f.state();
    for proxied in [false, true] {
        let url =
            if proxied { "https://ca.example".into() } else { format!("https://localhost:{port}") };
        let proxy = format!("http://127.0.0.1:{port}");
        let args = enroll(&url, "caCMCserverCert");
        let more = ["--chain-out", "chain.pem", "--output", "json"];
        let mut command = command(&f, &[&args[..], &more].concat());
        if proxied {
            command.env("https_proxy", proxy);
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stream, _) = mute.accept().unwrap();
        // The client's first octets have arrived: it waits for the server's.
        stream.read_exact(&mut [0; 5]).unwrap();
        signal("INT", child.id());
        let said = ended(child).exits(130);
        assert_eq!(said.json()["error"]["kind"], "interrupted");
        assert_eq!(f.state(), before, "{said:?}");
        let names = std::fs::read_dir(f.path()).unwrap().map(|e| e.unwrap().file_name());
        let names: Vec<_> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|n| n.contains("chain") || n.starts_with(".nss")), "{names:?}");
    }
}

/// The CA has the request: the first signal prints a message, the second one ends the run.
#[test]
fn a_silent_ca() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &[]);
    let mut child = start(&f, &enroll(&ca.url, "standin-hang"));
    until("the request", || log(&f).contains("standin-hang"));
    signal("TERM", child.id());
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    assert!(line.contains("the request was sent: waiting for the response from"), "{line}");
    assert!(child.try_wait().unwrap().is_none());
    signal("INT", child.id());
    let said = ended(child).exits(130);
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("interrupted"), "{said:?}{rest}");
    assert!(!rest.contains("waiting for"), "it is said once: {rest}");
}

/// Reads a request and returns the connection.
fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"body") {
        let mut octets = [0; 4096];
        let n = stream.read(&mut octets).unwrap();
        assert_ne!(n, 0);
        request.extend(&octets[..n]);
    }
    stream
}

/// The response that comes after a signal is stored, and the run succeeds.
#[test]
fn an_answer_after_a_signal_is_taken() {
    let f = Folder::bare();
    let answer = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let answer = std::fs::read(answer.join("tests/vectors/01-rsa-server/response.der")).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    f.write("req", "the body");
    let cfg = format!(
        "host=127.0.0.1\nport={port}\nsecure=false\nservlet=/ca/x\ninput=req\noutput=resp\n\
         proxy=\n"
    );
    f.write("h.cfg", cfg);
    let mut child = start(&f, &["HttpClient", "h.cfg"]);
    let mut stream = accept(&listener);
    signal("INT", child.id());
    let err = BufReader::new(child.stderr.take().unwrap());
    let mut lines = err.lines().map_while(Result::ok);
    let said = lines.find(|l| l.contains("waiting for the response from 127.0.0.1"));
    assert!(said.is_some());
    let head = format!("HTTP/1.1 200 \r\nContent-Length: {}\r\n\r\n", answer.len());
    stream.write_all(&[head.as_bytes(), &answer].concat()).unwrap();
    drop(stream);
    ended(child).exits(0);
    assert_eq!(f.read("resp"), answer);
}

/// A proxy that delays a CONNECT until it is released.
struct Gate {
    listener: TcpListener,
}

impl Gate {
    fn pass(&self, wait: impl FnOnce()) {
        let (mut client, _) = self.listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            client.read_exact(&mut octet).unwrap();
            head.push(octet[0]);
        }
        wait();
        let head = String::from_utf8(head).unwrap();
        let port = head.split(' ').nth(1).unwrap().rsplit_once(':').unwrap().1;
        let address = (Ipv4Addr::LOCALHOST, port.parse().unwrap());
        let mut server = TcpStream::connect(address).unwrap();
        client.write_all(b"HTTP/1.1 200 Go\r\n\r\n").unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to).ok());
        std::io::copy(&mut server, &mut client).ok();
    }
}

/// `nohup`, and a shell's background jobs.
#[test]
fn an_ignored_signal_stays_ignored() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &[]);
    let gate = Gate { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap() };
    let proxy = format!("http://127.0.0.1:{}", gate.listener.local_addr().unwrap().port());
    let inner = command(&f, &enroll(&ca.url, "caCMCECserverCert"));
    let child = Command::new("sh")
        .args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(f.path())
        .env("https_proxy", proxy)
        .env_remove("no_proxy")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    gate.pass(|| {
        for name in ["HUP", "HUP", "INT", "HUP"] {
            signal(name, child.id());
        }
    });
    let said = ended(child).exits(0);
    assert!(!said.err.contains("signal"), "{said:?}");
    assert!(f.certificates().iter().any(|c| c.starts_with("x ")));
    // Signals that aren't ignored still end it.
    fifo(&f, "out");
    let before = f.keys().len();
    let child = Command::new("sh")
        .args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_nss-cmc"))
        .args([&CSR[..], &["pw", "--out", "out"]].concat())
        .current_dir(f.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the key", || f.keys().len() == before + 1);
    signal("HUP", child.id());
    signal("TERM", child.id());
    ended(child).exits(130);
    assert_eq!(f.keys().len(), before);
}

/// The pipe gets a reader late: the request is written.
#[test]
fn a_pipe_whose_reader_comes_late() {
    let f = Folder::new();
    fifo(&f, "out");
    let child = start(&f, &[&CSR[..], &["pw", "--out", "out"]].concat());
    until("the key", || f.keys().len() == 1);
    let mut text = String::new();
    OpenOptions::new().read(true).open(f.file("out")).unwrap().read_to_string(&mut text).unwrap();
    ended(child).exits(0);
    assert!(text.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{text}");
    assert_eq!(f.keys().len(), 1);
}

/// A signal ends an import between two key derivations, not after the last one.
#[test]
fn key_derivations_of_a_pkcs12_file() {
    let f = Folder::new();
    f.write_secret("p12pw", "filepw\n");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "k"];
    let make = ["req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=x", "-out", "c"];
    tool("openssl", f.path(), &[&make[..], &key].concat());
    let pack = ["pkcs12", "-export", "-in", "c", "-inkey", "k", "-out", "slow.p12"];
    let slow = ["-passout", "file:p12pw", "-iter", "2000000"];
    tool("openssl", f.path(), &[&pack[..], &slow].concat());
    let import = ["pkcs12", "import", "slow.p12", "-d", "db", "--password-file", "pw"];
    // After the last derivation the nickname is refused.
    let import = [&import[..], &["--pkcs12-password-file", "p12pw", "--nickname", "a:b"]].concat();
    let before = f.state();
    for name in ["INT", "TERM"] {
        let child = start(&f, &import);
        until("the handlers", || catches_signals(child.id()));
        signal(name, child.id());
        let said = ended(child);
        assert_eq!(said.code, 130, "{said:?}");
        assert_eq!(f.state(), before);
    }
}
