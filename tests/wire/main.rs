//! Network traffic, observed from outside: how often, to whom, and the effect of a signal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod once;
mod passwords;
mod signals;
mod terminal;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Folder;

/// The agent of [`common::stand_in::folder`].
const AGENT: [&str; 6] = ["-d", "db", "--password-file", "pw", "--signer", "agent"];

/// Returns the arguments to enroll with an EC key by the agent.
fn enroll<'a>(url: &'a str, profile: &'a str) -> Vec<&'a str> {
    let key = ["--key-type", "ec", "--subject", "CN=x", "--nickname", "x"];
    [&["enroll"], &AGENT[..], &["--ca", url, "--profile", profile], &key].concat()
}

/// Returns the program as a command in the folder, without a proxy in its environment.
fn command<S: AsRef<std::ffi::OsStr>>(f: &Folder, args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    command.current_dir(f.path()).stdin(Stdio::null());
    for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.args(args);
    command
}

fn start<S: AsRef<std::ffi::OsStr>>(f: &Folder, args: &[S]) -> Child {
    command(f, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until a condition holds.
#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// SIGHUP, SIGINT and SIGTERM, in the mask of proc(5).
const CAUGHT: u64 = 1 | 1 << 1 | 1 << 14;

/// Returns whether a process has handlers for all three signals.
fn catches_signals(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:\t"));
    mask.and_then(|m| u64::from_str_radix(m, 16).ok()).is_some_and(|mask| mask & CAUGHT == CAUGHT)
}

/// Returns output and exit code of a process, which must end soon; a signal counts as 128 plus its
/// number, as in a shell.
#[track_caller]
fn ended(mut child: Child) -> common::Said {
    use std::os::unix::process::ExitStatusExt;
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= deadline {
            child.kill().ok();
            panic!("it goes on: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().or(output.status.signal().map(|n| 128 + n)).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    common::Said { code, out: text(&output.stdout), err: text(&output.stderr) }
}

fn log(f: &Folder) -> String {
    String::from_utf8(f.read("ca.log")).unwrap_or_default()
}
