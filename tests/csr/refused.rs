//! Refused and interrupted commands, and what they leave behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::common::run;
use super::requests::unarchive;
use super::*;

/// Invalid input that is reported before a key is made: arguments of CRMFPopClient, PKCS10Client
/// and `csr create`, each with its message.
#[test]
fn bad_input_is_told_before_a_key_is_made() {
    let f = folder();
    certificate(&f, "ec", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let usage = "keyUsage=critical,digitalSignature,keyCertSign";
    certificate(&f, "signing", &["-newkey", "rsa:2048", "-addext", usage]);
    f.write("noise.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let before = bytes(&f);
    let dn = "invalid distinguished name \"CN\": \"CN\" has no \"=\"";
    let curves = "use nistp256 (secp256r1), nistp384 (secp384r1) or nistp521";
    let missing = "cannot read transport certificate none.pem: No such file or directory";
    let not_rsa = "cannot use transport certificate ec.pem: its key is EC; only an RSA key can";
    let not_for_keys = "cannot use transport certificate signing.pem: its key usage has neither";
    let noise = "cannot read transport certificate noise.pem";
    let token = "token \"HSM\" not found in NSS database db";
    for (args, message) in [
        (vec!["-n", "CN"], dn),
        (vec!["-n", "CN=a", "-a", "ec", "-c", "nistk163"], curves),
        (vec!["-n", "CN=a", "-a", "dsa"], "Invalid algorithm: dsa: use rsa, ec, mldsa or"),
        (
            vec!["-n", "CN=a", "-a", "mldsa", "-l", "99"],
            "Invalid ML-DSA strength: 99: use 44, 65 or",
        ),
        (vec!["-n", "CN=a", "-a", "mlkem", "-l", "65"], "Invalid ML-KEM strength: 65: use 512,"),
        (
            vec!["-n", "CN=a", "-a", "mlkem", "-q", "POP_SUCCESS"],
            "ML-KEM does not support signature-based POP",
        ),
        (vec!["-n", "CN=a", "-a", "mlkem", "-c", "nistp256"], "Illegal parameter for RSA: -c"),
        (vec!["-n", "CN=a", "-a", "RSA"], "Invalid algorithm: RSA: use rsa, ec, mldsa or mlkem"),
        (vec!["-n", "CN=a", "-a", "ec", "-c", "c2tnb359v1"], curves),
        (vec!["-n", "CN=a", "-a", "ec", "-x", "true"], "cannot sign: it requires -q POP_NONE"),
        (vec!["-n", "CN=a", "-a", "ec", "-e", "0", "-b", "transport.pem"], "is not extractable"),
        (vec!["-n", "CN=a", "-a", "ec", "-e", "x"], "Illegal input parameters for -e: x"),
        (vec!["-n", "CN=a", "-l", "many"], "Illegal input parameters for -l: many"),
        (vec!["-n", "CN=a", "-x", "false"], "Illegal parameter for RSA: -x"),
        (vec!["-n", "C=USA"], "C=\"USA\": a country has two letters"),
        (vec!["-n", "CN=a,XX=b"], "unknown attribute \"XX\""),
        (vec!["-n", "CN=a", "-b", "signing.pem"], not_for_keys),
        (vec!["-n", "CN=a", "-b", "none.pem"], missing),
        (vec!["-n", "CN=a", "-b", "ec.pem"], not_rsa),
        (vec!["-n", "CN=a", "-b", "noise.pem"], noise),
        (vec!["-n", "CN=a", "-h", "HSM"], token),
        (
            vec!["-n", "CN=a", "-b", "transport.pem", "-w", "AES"],
            "use one of: AES KeyWrap/Padding,",
        ),
        (vec!["-n", "CN=a", "-c", "nistp256"], "Illegal parameter for RSA: -c"),
        (vec!["-n", "CN=a", "-a", "ec", "-l", "256"], "Illegal parameter for ECC: -l"),
        (vec!["-n", "CN=a", "-a", "ec", "-s", "2"], "Illegal input parameters for -s: 2"),
        (vec!["-n", "CN=a", "-q", "POP_MAYBE"], "Invalid POP option: POP_MAYBE"),
        (vec!["-o", "x.req"], "Missing subject DN"),
        (vec!["-n", "CN=a", "-k", "true", "-n", "x", "-z"], "Unrecognized option: -z"),
        (vec!["-n", "CN=a", "-m", "127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let said = crmf(&f, &args).exits(1);
        let first = said.err.lines().find(|l| l.starts_with("ERROR: ")).unwrap_or_default();
        assert!(first.contains(message), "{args:?}: {}", said.err);
        assert!(said.err.contains("Try 'CRMFPopClient --help' for more information."));
        if !args.contains(&"-m") {
            assert_eq!(bytes(&f), before, "{args:?}");
        }
    }
    assert_eq!(f.keys(), Vec::<String>::new());
    let before = bytes(&f);
    for (args, message) in [
        (vec!["-n", "CN", "-o", "x.req"], dn),
        (vec!["-n", "CN=a", "-o", "x.req", "-a", "ec", "-c", "P-192"], curves),
        (vec!["-n", "CN=a", "-o", "x.req", "-h", "HSM"], token),
        (vec!["-n", "CN=a", "-o", "x.req", "-P", "pw"], "'-p' and '-P' cannot be both specified."),
        (vec!["-n", "CN=a", "-v"], "Illegal input parameters."),
        (
            vec!["-n", "CN=a", "-o", "x.req", "-a", "mlkem"],
            "cannot make a PKCS #10 request with an mlkem:768 key: ML-KEM keys cannot sign",
        ),
        (
            vec!["-n", "CN=a", "-o", "x.req", "-a", "ec", "-x", "true"],
            "cannot sign, but a PKCS #10",
        ),
        (vec!["-n", "CN=a", "-o", "x.req", "-l", "many"], "Illegal input parameters for -l: many"),
        (vec!["-o", "x.req", "-n"], "PKCS10Client: no value after -n"),
        (vec!["-o", "x.req", "-n", "CN=a", "-q", "x"], "Unrecognized argument(8): -q"),
    ] {
        let said = p10(&f, &args).exits(1);
        assert!(said.err.contains(message), "{args:?}: {}", said.err);
        assert_eq!(bytes(&f), before, "{args:?}");
    }
    for (code, args, message) in [
        (2, vec!["--subject", "CN"], dn),
        (2, vec!["--subject", "CN=a", "--key-type", "ec:P-192"], "nistp256, nistp384, nistp521"),
        (2, vec!["--subject", "CN=a", "--key-usage", "all"], "unknown key usage \"all\""),
        (2, vec!["--subject", "CN=a", "--extension", "2.5=1"], "invalid value \"2.5=1\""),
        (2, vec!["--subject", "CN=a", "--ski", "--extension", "x"], "invalid value \"x\""),
        (2, vec!["--subject", "CN=a", "--archive-to", "transport.pem"], "--crmf"),
        (20, vec!["--subject", "CN=a", "--crmf", "--archive-to", "none.pem"], missing),
        (20, vec!["--subject", "CN=a", "--crmf", "--archive-to", "ec.pem"], not_rsa),
        (20, vec!["--subject", "CN=a", "--crmf", "--archive-to", "signing.pem"], not_for_keys),
        (12, vec!["--subject", "CN=a", "--token", "HSM"], token),
    ] {
        let mut all = vec!["csr", "create", "-d", "db", "--password-file", "pw"];
        all.extend(&args);
        let said = f.nss_cmc(&all).exits(code);
        assert!(said.err.contains(message), "{args:?}: {}", said.err);
        assert_eq!(bytes(&f), before, "{args:?}");
    }
    assert!(!f.file("x.req").exists());
}

#[test]
fn a_transport_certificate_is_read_in_every_form() {
    let f = folder();
    openssl(&f, &["x509", "-in", "transport.pem", "-outform", "der", "-out", "transport.der"]);
    let pem = String::from_utf8(f.read("transport.pem")).unwrap();
    f.write("text.pem", format!("Subject: CN=transport\n\n{}", pem.replace('\n', "\r\n")));
    f.write("bare.pem", pem.lines().filter(|l| !l.contains("---")).collect::<String>());
    for file in ["transport.der", "text.pem", "bare.pem"] {
        crmf(&f, &["-n", "CN=a", "-a", "ec", "-b", file, "-o", "a.req"]).exits(0);
        unarchive(&f, "a.req", &["-id-aes128-wrap", "-iv", "a6a6a6a6a6a6a6a6"], false);
    }
    assert_eq!(f.state(), (vec![], vec![]));
}

/// Runs a script in a mount namespace.
fn with_mounts(f: &Folder, script: &str) -> Said {
    let nss_cmc = env!("CARGO_BIN_EXE_nss-cmc");
    let script = format!("set -e\nnss_cmc={nss_cmc}\n{script}");
    run(Command::new("unshare").current_dir(f.path()).args(["-rm", "sh", "-c", &script]))
}

const FILL: &str = "dd if=/dev/zero of=full/filler bs=1k >/dev/null 2>&1 || true\n";

#[test]
fn a_key_whose_request_cannot_be_written_goes_again() {
    let f = folder();
    std::fs::create_dir(f.file("full")).unwrap();
    for command in [
        "PKCS10Client -d db -p Secret.123 -n CN=a -o full/a.req",
        "CRMFPopClient -d db -p Secret.123 -n CN=a -o full/a.req",
        "csr create -d db --password-file pw --subject CN=a --out full/a.req",
    ] {
        let said = with_mounts(
            &f,
            &format!(
                "mount -t tmpfs -o size=64k none full\n{FILL}$nss_cmc {command} || rc=$?\n\
                 ls -A full\nexit $rc"
            ),
        );
        assert_eq!(said.code, if command.starts_with("csr") { 21 } else { 1 }, "{said:?}");
        assert!(
            said.err.contains("cannot write full/a.req: No space left on device"),
            "{command}: {}",
            said.err
        );
        assert_eq!(said.out, "filler\n");
        assert_eq!(f.keys(), Vec::<String>::new(), "{command}");
        assert_eq!(objects(&f), "0 private, 0 public", "{command}");
    }
    // The same if only the second file can't be written.
    std::fs::create_dir(f.file("b.req.keyId")).unwrap();
    p10(&f, &["-n", "CN=a", "-o", "b.req"]).exits(1);
    assert!(!f.file("b.req").exists());
    // An existing file remains, even if the second one fails only at its rename.
    std::os::unix::fs::symlink("/dev/full", f.file("c.req.keyId")).unwrap();
    for output in ["b.req", "c.req"] {
        f.write(output, "of yesterday");
        for client in [p10, crmf] {
            client(&f, &["-n", "CN=a", "-o", output]).exits(1);
            assert_eq!(f.read(output), b"of yesterday", "{output}");
        }
    }
    let names = std::fs::read_dir(f.path()).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.filter(|n| n.to_string_lossy().starts_with('.')).count(), 0);
    assert_eq!(f.keys(), Vec::<String>::new());
    let said = p10(&f, &["-n", "CN=a", "-o", "no/such/a.req"]).exits(1);
    let why = "PKCS10Client: Exception caught: cannot write no/such/a.req: No such file or directory (os error 2)\n";
    assert_eq!(said.err, why);
    // No part of a key remains, and no session key of the archival.
    for more in [&["-a", "rsa"][..], &["-a", "ec", "-t", "false"], &["-b", "transport.pem"]] {
        let args = [&["-n", "CN=a", "-o", "no/such/a.req"], more].concat();
        let said = crmf(&f, &args).exits(1);
        assert!(said.err.starts_with("ERROR: cannot write no/such/a.req: No such file"));
        assert_eq!(objects(&f), "0 private, 0 public", "{more:?}");
    }
    assert_eq!(f.state(), (vec![], vec![]));
}

#[test]
fn a_database_that_takes_nothing_is_told() {
    let f = folder();
    let before = bytes(&f);
    for (command, code) in [
        ("PKCS10Client -d db -p Secret.123 -n CN=a -o a.req", 1),
        ("CRMFPopClient -d db -p Secret.123 -n CN=a -o a.req", 1),
        ("csr create -d db --password-file pw --subject CN=a --out a.req", 10),
    ] {
        let said = with_mounts(
            &f,
            &format!(
                "mount --bind db db\nmount -o remount,ro,bind db\n$nss_cmc {command} || exit $?"
            ),
        );
        assert_eq!(said.code, code, "{said:?}");
        assert!(
            said.err.contains("cannot open NSS database db for writing: db/")
                && said.err.contains("Read-only file system"),
            "{}",
            said.err
        );
    }
    assert_eq!(bytes(&f), before);
    assert!(!f.file("a.req").exists());

    // The database itself has no room for the key.
    std::fs::create_dir(f.file("full")).unwrap();
    let said = with_mounts(
        &f,
        &format!(
            "mount -t tmpfs -o size=256k none full\ncp db/* full\n{FILL}\
             $nss_cmc csr create -d full --password-file pw --subject CN=a --out a.req || rc=$?\n\
             rm full/filler\ncertutil -K -d sql:full -f pw >&2 || true\nexit $rc"
        ),
    );
    assert_eq!(said.code, 14, "{said:?}");
    assert!(said.err.contains("cannot generate an rsa:2048 key in token"), "{}", said.err);
    assert!(said.err.contains("certutil: no keys found"), "{}", said.err);
    assert!(!f.file("a.req").exists());
}

#[test]
fn a_missing_database_is_not_made() {
    let f = folder();
    std::fs::create_dir(f.file("empty")).unwrap();
    let args = ["PKCS10Client", "-d", "empty", "-p", "x", "-n", "CN=a", "-o", "a.req"];
    let said = f.nss_cmc(&args).exits(1);
    assert!(said.err.contains("cannot open NSS database empty for writing"), "{}", said.err);
    assert_eq!(std::fs::read_dir(f.file("empty")).unwrap().count(), 0);
    let said = f.nss_cmc(&["PKCS10Client", "-d", "db", "-p", "bad", "-n", "CN=a", "-o", "a.req"]);
    assert!(said.exits(1).err.contains("SEC_ERROR_BAD_PASSWORD"));
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Returns whether the process has a handler for SIGTERM.
fn catches_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap_or(0) & (1 << 14) != 0
}

fn signal(name: &str, pid: u32) {
    tool("kill", Path::new("/"), &["-s", name, &pid.to_string()]);
}

#[test]
fn an_interrupted_run_leaves_no_key() {
    let f = folder();
    for name in ["TERM", "INT"] {
        let child = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .args(["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=a"])
            .args(["--key-type", "rsa:4096", "--out", "a.csr"])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        until("no handler", || catches_sigterm(child.id()));
        signal(name, child.id());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("interrupted by a signal"), "{text}");
        assert_eq!(f.keys(), Vec::<String>::new());
        assert!(!f.file("a.csr").exists());
    }
}

const LIST: [&str; 5] = ["-K", "-d", "sql:db", "-f", "pw"];

#[test]
fn a_killed_run_leaves_a_key_with_a_name() {
    let f = folder();
    // Writing to a pipe without reader waits; the key is made by then.
    tool("mkfifo", f.path(), &["pipe"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .args(["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=lost"])
        .args(["--key-type", "ec", "--out", "pipe"])
        .spawn()
        .unwrap();
    // The public key is stored last. A run that is killed while it is written leaves a journal, which
    // certutil, as a reader, cannot roll back.
    let public = "SELECT count(*) FROM nssPublic WHERE a0 = x'00000002'";
    let stored = || {
        let said = run(Command::new("sqlite3").current_dir(f.path()).args(["db/cert9.db", public]));
        said.code == 0 && said.out.trim() == "1"
    };
    until("no public key", stored);
    let label = "unfinished request for CN=lost";
    let list = || run(Command::new("certutil").current_dir(f.path()).args(LIST)).out;
    signal("KILL", child.id());
    child.wait().unwrap();
    assert!(list().contains(label), "{}", list());
}

#[test]
fn certutil_shows_the_certificate_s_nickname_with_the_key() {
    let f = folder();
    let report = create(&f, &["--subject", "CN=www", "--out", "a.csr"]).exits(0).json();
    openssl(
        &f,
        &[
            "x509",
            "-req",
            "-in",
            "a.csr",
            "-CA",
            "transport.pem",
            "-CAkey",
            "transport.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            "a.pem",
        ],
    );
    f.certutil(&["-A", "-n", "Server-Cert", "-t", ",,", "-i", "a.pem", "-a", "-f", "pw"]);
    let list = f.certutil(&["-K", "-f", "pw"]);
    let id = report["result"]["key_id"].as_str().unwrap();
    let line = list.lines().find(|l| l.contains(id)).unwrap();
    assert!(line.contains("Server-Cert"), "{line}");
    assert_eq!(f.certificates(), ["Server-Cert u,u,u"]);
}

/// Runs a command of `nss-cmc` with its stdout on a full disk.
fn on_a_full_disk(f: &Folder, command: &str) -> Said {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    let output = program
        .current_dir(f.path())
        .env_remove("NSS_CMC_OUTPUT")
        .args(command.split(' '))
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::new(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const NO_ROOM: &str = "cannot write to standard output: No space left on device (os error 28)";

#[test]
fn a_request_that_stdout_does_not_take_leaves_no_key() {
    let f = folder();
    let csr = "csr create -d db --password-file pw --subject CN=a";
    for (command, code, name) in [
        (csr.to_owned(), 21, "nss-cmc"),
        (format!("{csr} --output json"), 21, "nss-cmc"),
        ("CRMFPopClient -d db -p Secret.123 -n CN=a".to_owned(), 1, "ERROR"),
    ] {
        let said = on_a_full_disk(&f, &command).exits(code);
        assert!(said.err.starts_with(&format!("{name}: {NO_ROOM}\n")), "{command}: {}", said.err);
        assert_eq!(said.err.matches(NO_ROOM).count(), 1, "{command}: {}", said.err);
        assert_eq!(objects(&f), "0 private, 0 public", "{command}");
    }
    // Nothing is submitted if the result can't be printed: no connection is made.
    let said = on_a_full_disk(&f, "CRMFPopClient -d db -p Secret.123 -n CN=a -m 127.0.0.1:1");
    assert!(said.exits(1).err.contains(NO_ROOM));
    assert_eq!(objects(&f), "0 private, 0 public");
}

/// The operation is complete, but the exit status is a failure.
#[test]
fn words_that_stdout_does_not_take_are_told() {
    let f = folder();
    let csr = "csr create -d db --password-file pw --subject CN=a --out";
    for (command, code, name) in [
        (format!("{csr} a.csr"), 21, "nss-cmc"),
        (format!("{csr} b.csr --output json"), 21, "nss-cmc"),
        ("PKCS10Client -d db -p Secret.123 -n CN=a -o c.csr".into(), 1, "PKCS10Client"),
        ("CRMFPopClient -d db -p Secret.123 -n CN=a -o d.csr".into(), 1, "CRMFPopClient"),
    ] {
        let said = on_a_full_disk(&f, &command).exits(code);
        assert!(said.err.starts_with(&format!("{name}: {NO_ROOM}\n")), "{command}: {}", said.err);
        if code == 21 {
            assert!(
                said.err.contains("cannot print the result: certificate request for CN=a written"),
                "{}",
                said.err
            );
        }
    }
    for file in ["a.csr", "b.csr", "c.csr", "d.csr"] {
        assert!(f.file(file).exists(), "{file}");
    }
    assert_eq!(f.keys().len(), 4);
    for (command, code) in [
        ("--help", 21),
        ("help", 21),
        ("help enroll", 21),
        ("help exit-codes", 21),
        ("cmc show a.csr", 21),
        ("cmc show none --output json", 20),
        ("CRMFPopClient --help", 1),
        ("HttpClient", 1),
    ] {
        let said = on_a_full_disk(&f, command).exits(code);
        assert!(said.err.contains(NO_ROOM), "{command}: {}", said.err);
        if code == 20 {
            assert!(
                said.err.contains("nss-cmc: cannot read message none: No such"),
                "{}",
                said.err
            );
        }
    }
}
