//! Tokens with defects that SoftHSM lacks: a small PKCS #11 module in front of it counts the PINs
//! that are tried, refuses to copy objects, or fails after generating a key.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Folder, PASSWORD, Said, run};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";

/// Passes every call but three to SoftHSM.
const SHIM: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <pkcs11.h>

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST ours;

static CK_RV login(CK_SESSION_HANDLE s, CK_USER_TYPE user, CK_CHAR_PTR pin, CK_ULONG len) {
    FILE *log = fopen(getenv("SHIM_LOG"), "a");
    fprintf(log, "%lu\n", len);
    fclose(log);
    return real->C_Login(s, user, pin, len);
}

static CK_RV copy(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o, CK_ATTRIBUTE_PTR a, CK_ULONG n,
                  CK_OBJECT_HANDLE_PTR to) {
    return getenv("SHIM_NO_COPY") ? CKR_FUNCTION_NOT_SUPPORTED : real->C_CopyObject(s, o, a, n, to);
}

static CK_RV generate(CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG an,
                      CK_ATTRIBUTE_PTR b, CK_ULONG bn, CK_OBJECT_HANDLE_PTR pub,
                      CK_OBJECT_HANDLE_PTR priv) {
    CK_RV rv = real->C_GenerateKeyPair(s, m, a, an, b, bn, pub, priv);
    return rv == CKR_OK && getenv("SHIM_LATE") ? CKR_DEVICE_MEMORY : rv;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
    void *library = dlopen(getenv("SHIM_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = dlsym(library, "C_GetFunctionList");
    CK_RV rv = get(&real);
    if (rv != CKR_OK) return rv;
    ours = *real;
    ours.C_Login = login;
    ours.C_CopyObject = copy;
    ours.C_GenerateKeyPair = generate;
    *list = &ours;
    return CKR_OK;
}
"#;

struct Shim(Folder);

impl Shim {
    /// Makes a database with the token `HSM` behind the shim; `None` without a C compiler.
    fn new() -> Option<Shim> {
        assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
        let shim = Shim(Folder::new());
        let f = &shim.0;
        f.write("shim.c", SHIM);
        let build = "cc -shared -fPIC -o shim.so shim.c $(pkg-config --cflags nss) -ldl";
        let built = run(Command::new("sh").current_dir(f.path()).args(["-c", build]));
        if built.code != 0 {
            println!("skipped: {}", built.err);
            return None;
        }
        std::fs::create_dir(f.file("tokens")).unwrap();
        f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
        f.write("log", "");
        let init = ["--init-token", "--free", "--label", "HSM", "--so-pin", PIN, "--pin", PIN];
        shim.command("softhsm2-util", &init, &[]).exits(0);
        let library = f.file("shim.so");
        let library = library.to_str().unwrap();
        let add = ["-add", "shim", "-libfile", library, "-dbdir", "sql:db", "-force"];
        shim.command("modutil", &add, &[]).exits(0);
        f.write("pins", format!("internal:{PASSWORD}\nHSM:{PIN}\n"));
        f.write("pin", format!("{PIN}\n"));
        Some(shim)
    }

    fn command(&self, program: &str, args: &[&str], set: &[&str]) -> Said {
        run(Command::new(program)
            .current_dir(self.0.path())
            .env("SOFTHSM2_CONF", self.0.file("softhsm.conf"))
            .env("SHIM_LIBRARY", LIBRARY)
            .env("SHIM_LOG", self.0.file("log"))
            .env("SHIM_EMPTY", "")
            .envs(set.iter().map(|name| (name, "1")))
            .env_remove("NSS_CMC_OUTPUT")
            .args(args))
    }

    fn create(&self, passwords: &[&str], set: &[&str]) -> Said {
        let args = ["csr", "create", "-d", "db", "--token", "HSM", "--key-type", "ec"];
        let what = ["--subject", "CN=a", "--out", "a.csr"];
        self.command(env!("CARGO_BIN_EXE_nss-cmc"), &[&args[..], &what, passwords].concat(), set)
    }

    /// Returns the lengths of the PINs tried since the last call.
    fn tried(&self) -> String {
        let log = String::from_utf8(self.0.read("log")).unwrap();
        self.0.write("log", "");
        log.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn keys(&self) -> Vec<String> {
        let args = ["-K", "-d", "sql:db", "-h", "HSM", "-f", "pin"];
        let list = self.command("certutil", &args, &[]).out;
        self.tried();
        list.lines().filter(|l| l.starts_with('<')).map(str::to_owned).collect()
    }
}

#[test]
fn a_password_that_can_t_be_meant_is_not_tried() {
    let Some(shim) = Shim::new() else { return };
    let f = &shim.0;
    for (name, content) in [
        ("empty", ""),
        ("blank-line", "\n1234\n"),
        ("named", "internal:x\nHSM:\n"),
        ("others", "internal:1234\n"),
        ("other-hsm", "hardware-other=1234\n"),
    ] {
        f.write(name, content);
        let said = shim.create(&["--password-file", name], &[]).exits(2);
        assert!(said.err.contains(name), "{}", said.err);
        assert_eq!(shim.tried(), "", "{name}");
    }
    let said = shim.create(&["--password-env", "SHIM_EMPTY"], &[]).exits(2);
    assert!(said.err.contains("SHIM_EMPTY"), "{}", said.err);
    for tool in ["PKCS10Client", "CRMFPopClient"] {
        let args = [tool, "-d", "db", "-h", "HSM", "-n", "CN=a", "-a", "ec", "-o", "a.csr"];
        for password in [["-p", ""], ["-P", "empty"]] {
            let program = env!("CARGO_BIN_EXE_nss-cmc");
            let said = shim.command(program, &[&args[..], &password].concat(), &[]).exits(1);
            assert!(said.err.contains("empty password"), "{}", said.err);
            assert_eq!(shim.tried(), "", "{tool} {password:?}");
        }
    }
    assert!(!f.file("a.csr").exists());
    // A given PIN is tried once.
    shim.create(&["--password-file", "pins"], &[]).exits(0);
    assert_eq!(shim.tried(), "4");
    f.write("wrong", "99999\n");
    shim.create(&["--password-file", "wrong"], &[]).exits(11);
    assert_eq!(shim.tried(), "5");
}

/// The verbs that look into all tokens try each password once, and none that belongs to another one.
#[test]
fn lists_try_each_password_once() {
    let Some(shim) = Shim::new() else { return };
    let f = &shim.0;
    f.write("wrong", format!("internal={PASSWORD}\nhardware-HSM=99999\n"));
    f.write("bare", format!("{PASSWORD}\n"));
    f.write("new", "567890\n");
    let ours = |words: &[&str], file: &str| {
        let args = [words, &["-d", "db", "--password-file", file]].concat();
        shim.command(env!("CARGO_BIN_EXE_nss-cmc"), &args, &[])
    };
    for (words, file, code, tried) in [
        (&["key", "list"][..], "pins", 0, "4"),
        (&["key", "list"], "wrong", 11, "5"),
        (&["key", "list"], "bare", 0, ""),
        (&["cert", "list"], "pins", 0, "4"),
        (&["cert", "list"], "wrong", 11, "5"),
        (&["db", "show"], "pins", 0, "4"),
        (&["token", "check", "HSM"], "wrong", 11, "5"),
        (&["key", "list", "--token", "HSM"], "pin", 0, "4"),
        (&["db", "password", "--token", "HSM", "--new-password-file", "new"], "wrong", 11, "5"),
        (&["db", "password", "--token", "HSM", "--new-password-file", "new"], "pins", 0, "4"),
        (&["key", "remove", "gone", "--yes"], "bare", 12, ""),
    ] {
        ours(words, file).exits(code);
        assert_eq!(shim.tried(), tried, "{words:?} {file}");
    }
    let args = ["token", "list", "-d", "db"];
    shim.command(env!("CARGO_BIN_EXE_nss-cmc"), &args, &[]).exits(0);
    assert_eq!(shim.tried(), "");
}

#[test]
fn a_token_that_copies_nothing_makes_its_keys_at_once() {
    let Some(shim) = Shim::new() else { return };
    shim.create(&["--password-file", "pins"], &["SHIM_NO_COPY"]).exits(0);
    assert_eq!(shim.keys().len(), 1);
    let verify = ["req", "-in", "a.csr", "-verify", "-noout"];
    shim.command("openssl", &verify, &[]).exits(0);
    // A failure after the key was generated leaves no key.
    let said = shim.create(&["--password-file", "pins"], &["SHIM_NO_COPY", "SHIM_LATE"]).exits(14);
    assert!(said.err.contains("cannot generate an ec:nistp256 key"), "{}", said.err);
    assert_eq!(shim.keys().len(), 1, "{}", said.err);
    shim.create(&["--password-file", "pins"], &["SHIM_LATE"]).exits(14);
    assert_eq!(shim.keys().len(), 1);
}
