//! Standard output that is closed, full, or a pipe without reader.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Stdio;

use super::*;

const CSR: &str = "csr create -d db --password-file pw --key-type ec:nistp256 --subject CN=a";
const CRMF: &str = "CRMFPopClient -d db -p Secret.123 -a ec -t false -n CN=a";

fn shell(f: &Folder, script: &str) -> Said {
    let script = script.replace("nss-cmc ", &format!("{} ", env!("CARGO_BIN_EXE_nss-cmc")));
    run(Command::new("sh").current_dir(f.path()).env_remove("NSS_CMC_OUTPUT").args(["-c", &script]))
}

#[test]
fn a_request_that_nobody_gets_leaves_no_key() {
    let f = Folder::new();
    for (command, code) in [(CSR, 21), (&format!("{CSR} --output json"), 21), (CRMF, 1)] {
        let said = shell(&f, &format!("nss-cmc {command} >&-")).exits(code);
        assert!(said.err.contains("standard output"), "{command}: {}", said.err);
        assert!(f.keys().is_empty(), "{command}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .args(command.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(f.keys().is_empty(), "{command}");
        // The kernel's path of a descriptor that isn't open.
        let said = shell(&f, &format!("nss-cmc {CSR} --out /dev/stdout >&-")).exits(21);
        assert!(said.err.contains("/dev/stdout"), "{}", said.err);
        assert!(f.keys().is_empty());
    }
    // No password is read from a closed descriptor, and none is tried.
    for option in ["--password-file -", "--password-fd 0"] {
        let command = CSR.replace("--password-file pw", option);
        let said = shell(&f, &format!("nss-cmc {command} <&-")).exits(2);
        assert!(said.err.contains("Bad file descriptor"), "{}", said.err);
    }
    // /dev/null is a valid output.
    shell(&f, &format!("nss-cmc {CSR} >/dev/null")).exits(0);
    assert_eq!(f.keys().len(), 1);
}

/// A descriptor that the caller didn't open may be one of the program's own, such as the
/// database's.
#[test]
fn the_program_s_own_descriptors_are_nobody_s_output() {
    let f = Folder::new();
    let none: String = (3..10).map(|n| format!(" {n}>&-")).collect();
    for n in 3..10 {
        let path = format!("/dev/fd/{n}");
        let said = shell(&f, &format!("nss-cmc {CSR} --out {path}{none}")).exits(21);
        assert!(said.err.contains(&path), "{}", said.err);
        let command = CSR.replace("--password-file pw", &format!("--password-fd {n}"));
        shell(&f, &format!("nss-cmc {command}{none}")).exits(2);
    }
    assert!(f.keys().is_empty());
    csr(&f, &["--subject", "CN=a"]).exits(0);
    assert_eq!(f.keys().len(), 1);
    shell(&f, &format!("nss-cmc {CSR} --out /dev/fd/7 7>seven")).exits(0);
    assert!(f.read("seven").starts_with(b"-----BEGIN"));
}

#[test]
fn no_verb_and_no_tool_succeeds_into_a_closed_stdout() {
    let f = Folder::new();
    recipient(&f);
    f.write("r.der", std::fs::read("tests/vectors/01-rsa-server/response.der").unwrap());
    let revoke = [
        "revRequest.enable=true\nrevRequest.serial=1\nrevRequest.reason=superseded",
        "revRequest.issuer=CN=ca\nrevRequest.sharedSecret=Pass.Phrase\noutput=rev\n",
    ];
    f.write("r.cfg", revoke.join("\n"));
    for (command, code) in [
        ("--help", 21),
        ("--version", 21),
        ("help", 21),
        ("help exit-codes", 21),
        ("cmc show r.der", 21),
        ("cmc show r.der --output json", 21),
        ("shared-token --cert ca.pem --shared-secret-file pw", 21),
        ("CMCResponse -i r.der", 1),
        ("CMCResponse --help", 1),
        ("CMCRequest r.cfg", 1),
        ("CMCRequest --help", 1),
        ("CMCSharedToken -b ca.pem -s x", 1),
        ("HttpClient --help", 1),
        ("PKCS10Client -d db -p Secret.123 -a ec -n CN=a -o a.req", 1),
        ("CRMFPopClient --help", 1),
    ] {
        let said = shell(&f, &format!("nss-cmc {command} >&-")).exits(code);
        assert!(said.err.contains("standard output"), "{command}: {}", said.err);
        shell(&f, &format!("nss-cmc {command} >/dev/full")).exits(code);
    }
    // The request is in its file, and its key remains.
    assert_eq!(f.keys().len(), 2);
    assert!(f.file("a.req.keyId").exists());
}

#[test]
fn names_of_files_need_not_be_text() {
    let f = Folder::new();
    recipient(&f);
    let odd = |name: &[u8]| OsString::from_vec(name.to_vec());
    let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    let out = odd(b"r\xfcck.csr");
    for (command, option, code) in [
        (CSR.to_owned(), "--out", 0),
        (format!("{CSR} --output json"), "--out", 0),
        ("PKCS10Client -d db -p Secret.123 -a ec -n CN=a".into(), "-o", 0),
        (CRMF.to_owned(), "-o", 0),
        ("CMCSharedToken -b ca.pem -s x".into(), "-o", 0),
    ] {
        let mut args = words(&command);
        args.extend([OsString::from(option), out.clone()]);
        let said = f.nss_cmc(&args).exits(code);
        assert!(!said.err.contains("panicked"), "{command}: {}", said.err);
        if command.contains("json") {
            said.json();
        }
        let made = f.path().join(&out);
        assert!(made.exists(), "{command}: {:?}", names(f.path()));
        std::fs::remove_file(made).unwrap();
    }
    let mut id = out.clone();
    id.push(".keyId");
    assert!(f.path().join(id).exists());
    // A folder, a password file, an input: no panic, and never the file of another name.
    for (command, last) in [
        ("cmc show", &b"no\xff"[..]),
        ("cmc show --output json", b"no\xff"),
        ("CMCResponse -i", b"no\xff"),
        ("CMCRequest", b"no\xff.cfg"),
        ("HttpClient", b"no\xff.cfg"),
        ("csr create --subject CN=a --password-file pw -d", b"d\xff"),
        ("PKCS10Client -p x -o o -n CN=a -d", b"d\xff"),
        ("CRMFPopClient -p x -n CN=a -d", b"d\xff"),
        ("CMCSharedToken -n x -s x -d", b"d\xff"),
        ("CMCRevoke -nx -iCN=a -s1 -m0 --output x --password-file pw -d", b"d\xff"),
    ] {
        let mut args = words(command);
        args.push(odd(last));
        let said = f.nss_cmc(&args);
        assert!(said.code > 0 && !said.err.contains("panicked"), "{command}: {said:?}");
        assert!(!said.err.contains("bug in nss-cmc"), "{command}: {said:?}");
    }
    assert_eq!(odd(b"\xff").as_os_str().as_bytes(), b"\xff");
}
