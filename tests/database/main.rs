//! The verbs `db`, `cert`, `key` and `token`: what they list and change, judged by certutil, openssl
//! and SoftHSM's own tool. Every test runs the program as a process.
#![allow(clippy::unwrap_used, clippy::panic)]

mod at_once;
mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod create;
mod keys;
mod password;
mod tokens;
mod two;

use common::{Folder, Said};
use serde_json::Value;

/// A verb on the database `db` with its password.
#[track_caller]
fn on_db(f: &Folder, words: &[&str]) -> Said {
    f.nss_cmc(&[words, &["-d", "db", "--password-file", "pw"]].concat())
}

/// The `result` of a verb on the database `db` that succeeds.
#[track_caller]
fn result(f: &Folder, words: &[&str]) -> Value {
    let report = on_db(f, &[words, &["--output", "json"]].concat()).exits(0).json();
    report["result"].clone()
}

/// A key without certificate, as `csr create` makes it, its label that of an unfinished request or
/// none. Returns its id.
fn new_key(f: &Folder, label: &str) -> String {
    let before = f.keys();
    let create = ["csr", "create", "--key-type", "ec", "--subject", "CN=x", "--out", "new.csr"];
    on_db(f, &create).exits(0);
    let id = f.keys().into_iter().find(|id| !before.contains(id)).unwrap();
    f.label(&id, label);
    id
}
