//! Files, folders and arguments: output files, owners of folders, and errors for invalid input.
//! Every test runs the program as a process.
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

/// The uid and gid of another user.
const STRANGER: u32 = 65534;

/// Returns whether this runs as root, which giving files to another user needs.
fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("skipped: only root can run a program as somebody else");
    }
    root
}

/// Runs the program as another user, in a folder of that user.
fn as_stranger<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Said {
    let id = STRANGER.to_string();
    run(Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(program())
        .current_dir(dir)
        .env_remove("NSS_CMC_OUTPUT")
        .args(args))
}

/// Returns a copy of the program that every user can run.
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

/// Returns permission bits, owner and group.
fn look(path: &Path) -> (u32, u32, u32) {
    let found = std::fs::metadata(path).unwrap();
    (found.mode() & 0o7777, found.uid(), found.gid())
}

fn give(path: &Path) {
    std::os::unix::fs::chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
}

/// Returns the names in a folder, hidden ones included, sorted.
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

/// Runs `csr create` with a key type that is generated fast.
fn csr(f: &Folder, more: &[&str]) -> Said {
    let base = ["csr", "create", "-d", "db", "--password-file", "pw", "--key-type", "ec:nistp256"];
    f.nss_cmc(&[&base[..], more].concat())
}

/// Makes a certificate to encrypt a shared secret for, and its key.
fn recipient(f: &Folder) {
    let new = ["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=ca", "-days", "2"];
    common::tool(
        "openssl",
        f.path(),
        &[&new[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat(),
    );
}

/// Runs CMCSharedToken, whose output is a secret.
fn shared_token(f: &Folder, output: &str) -> Said {
    f.nss_cmc(&["CMCSharedToken", "-b", "ca.pem", "-s", PASSWORD, "-o", output])
}
