//! Files, folders and words: what is written where, whom a folder belongs to, and what the program
//! says to input that isn't what it wants. Every test runs the program as a process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod config;
mod folders;
mod help;
mod inputs;
mod names;
mod output;
mod secrets;
mod streams;
mod temporary;

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Folder, PASSWORD, Said, run};

/// The uid and gid of somebody else.
const STRANGER: u32 = 65534;

/// Whether this runs as root, without which nothing can be given to somebody else.
fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("skipped: only root can run a program as somebody else");
    }
    root
}

/// The program as somebody else, in a folder that is theirs.
fn as_stranger<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Said {
    let id = STRANGER.to_string();
    run(Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(program())
        .current_dir(dir)
        .env_remove("NSS_CMC_OUTPUT")
        .args(args))
}

/// The program, where everybody can run it.
fn program() -> PathBuf {
    static COPY: std::sync::OnceLock<(tempfile::TempDir, PathBuf)> = std::sync::OnceLock::new();
    let (_, path) = COPY.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o755);
        let path = dir.path().join("nss-cmc");
        std::fs::copy(env!("CARGO_BIN_EXE_nss-cmc"), &path).unwrap();
        (dir, path)
    });
    path.clone()
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Permission bits, owner and group.
fn look(path: &Path) -> (u32, u32, u32) {
    let found = std::fs::metadata(path).unwrap();
    (found.mode() & 0o7777, found.uid(), found.gid())
}

fn give(path: &Path) {
    std::os::unix::fs::chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
}

/// The names in a folder, hidden ones included, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn fifo(path: &Path) {
    run(Command::new("mkfifo").arg(path)).exits(0);
}

/// `csr create` of a quick key.
fn csr(f: &Folder, more: &[&str]) -> Said {
    let base = ["csr", "create", "-d", "db", "--password-file", "pw", "--key-type", "ec:nistp256"];
    f.nss_cmc(&[&base[..], more].concat())
}

/// A certificate to encrypt a shared secret for, and its key.
fn recipient(f: &Folder) {
    let new = ["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=ca", "-days", "2"];
    common::tool(
        "openssl",
        f.path(),
        &[&new[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat(),
    );
}

/// CMCSharedToken, whose output is a secret.
fn shared_token(f: &Folder, output: &str) -> Said {
    f.nss_cmc(&["CMCSharedToken", "-b", "ca.pem", "-s", PASSWORD, "-o", output])
}
