//! The real CAs of tests/dogtag and tests/dogtag11: `DOGTAG_LAB` is 10 (the default) or 11. Tests
//! that use them are `#[ignore]`d and run with `cargo test --test 'dogtag*' -- --ignored
//! --test-threads=1`: Dogtag's servlets mix up simultaneous requests.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Folder, PASSWORD, Said, run};

/// A CA that the tests can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lab {
    /// Dogtag 10.10 of tests/dogtag.
    V10,
    /// Dogtag 11.10 of tests/dogtag11.
    V11,
}

/// Returns the CA that `DOGTAG_LAB` names; the scripts read the same variable.
pub fn lab() -> Lab {
    match std::env::var("DOGTAG_LAB").as_deref() {
        Err(_) | Ok("10") => Lab::V10,
        Ok("11") => Lab::V11,
        Ok(other) => panic!("DOGTAG_LAB is {other:?}; it must be 10 or 11"),
    }
}

/// Returns what differs between the labs.
fn either<T>(v10: T, v11: T) -> T {
    match lab() {
        Lab::V10 => v10,
        Lab::V11 => v11,
    }
}

/// The CA's URL.
pub fn url() -> &'static str {
    either("https://ca.lab.test:8443", "https://ca11.lab.test:9443")
}

/// The CA's host name.
pub fn host() -> &'static str {
    either("ca.lab.test", "ca11.lab.test")
}

/// The port for HTTPS.
pub fn https() -> &'static str {
    either("8443", "9443")
}

/// The path of the REST interface.
pub fn api() -> &'static str {
    either("ca/rest", "ca/v2")
}

/// Host and port for HTTP without TLS.
pub fn http_host() -> &'static str {
    either("ca.lab.test:8080", "ca11.lab.test:9080")
}

/// The directory's URL.
pub fn ldap() -> &'static str {
    either("ldap://ca.lab.test:389", "ldap://ca11.lab.test:1389")
}

fn base() -> PathBuf {
    let (variable, usual) =
        either(("DOGTAG_BASE", "/opt/dogtag-lab"), ("DOGTAG11_BASE", "/opt/dogtag11-lab"));
    std::env::var_os(variable).unwrap_or_else(|| usual.into()).into()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dogtag")
}

/// Makes a folder with a copy of the agent's database; the Java tools see it under the same path.
pub fn folder(name: &str) -> Folder {
    let dir = base().join("work/tests").join(format!("{name}-{}", std::process::id()));
    std::fs::remove_dir_all(&dir).ok();
    let folder = Folder::at(dir);
    folder.write("pw", format!("{PASSWORD}\n"));
    let from = base().join("work/client/nssdb");
    super::tool(
        "cp",
        Path::new("/"),
        &["-r", from.to_str().unwrap(), folder.file("db").to_str().unwrap()],
    );
    folder
}

/// Returns the path of a file in the CA's client folder (`ca_signing.pem`, `kra_transport.pem`…).
pub fn client_file(name: &str) -> PathBuf {
    base().join("work/client").join(name)
}

/// Returns the serial numbers, decimal, of certificates made by the installation, the CA's own
/// first. 10.10 counts from 1; 11.10's are random, with 128 bits.
pub fn installed() -> Vec<String> {
    if lab() == Lab::V10 {
        return (1..=10).map(|serial| serial.to_string()).collect();
    }
    let names = ["ca_signing", "sslserver", "kra_transport", "ca_issuance_protection", "caadmin"];
    let serial = |name: &str| {
        let file = client_file(&format!("{name}.pem"));
        let args = ["x509", "-noout", "-serial", "-in", file.to_str().unwrap()];
        let hex = super::tool("openssl", Path::new("/"), &args);
        let digits = hex.trim().strip_prefix("serial=").unwrap();
        u128::from_str_radix(digits, 16).unwrap().to_string()
    };
    names.map(serial).to_vec()
}

/// Runs a Java tool in the folder.
#[track_caller]
pub fn java<S: AsRef<std::ffi::OsStr>>(folder: &Folder, args: &[S]) -> Said {
    run(Command::new(scripts().join("java.sh")).current_dir(folder.path()).args(args))
}

/// Runs a helper script of tests/dogtag (`shown.sh`, `kra.sh`…) in the folder, which must succeed;
/// returns its stdout.
#[track_caller]
pub fn helper<S: AsRef<std::ffi::OsStr>>(folder: &Folder, script: &str, args: &[S]) -> String {
    run(Command::new(scripts().join(script)).current_dir(folder.path()).args(args)).exits(0).out
}

/// Runs a command in the chroot, in the folder.
#[track_caller]
pub fn in_chroot<S: AsRef<std::ffi::OsStr>>(folder: &Folder, args: &[S]) -> Said {
    run(Command::new(scripts().join("in.sh")).current_dir(folder.path()).args(args))
}

/// Returns the listing of a database by the certutil beside the Java tools: an older NSS doesn't see
/// the trust flags that 11.10's sets.
#[track_caller]
pub fn listing(folder: &Folder, db: &str) -> String {
    in_chroot(folder, &["certutil", "-L", "-d", &format!("sql:{db}")]).exits(0).out
}

/// Writes a .cfg file for CMCRequest to the folder: the agent's settings, then the lines in `more`.
pub fn request_cfg(folder: &Folder, name: &str, more: &[&str]) {
    let dir = folder.path().display();
    let text =
        format!("dbdir={dir}/db\npassword={PASSWORD}\ntokenname=internal\n{}\n", more.join("\n"));
    folder.write(name, text.replace("@DIR@", &dir.to_string()));
}

/// Writes a .cfg file for HttpClient to the folder; without `nickname` there is no client
/// certificate.
pub fn http_cfg(
    folder: &Folder,
    name: &str,
    servlet: &str,
    nickname: Option<&str>,
    files: (&str, &str),
) {
    let dir = folder.path().display();
    let client = match nickname {
        Some(nick) => format!("clientmode=true\nnickname={nick}\n"),
        None => "clientmode=false\n".to_owned(),
    };
    folder.write(
        name,
        format!(
            "host={}\nport={}\nsecure=true\ndbdir={dir}/db\npassword={PASSWORD}\n\
             tokenname=internal\n{client}servlet={servlet}\ninput={dir}/{}\noutput={dir}/{}\n",
            host(),
            https(),
            files.0,
            files.1
        ),
    );
}
