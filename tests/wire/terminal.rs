//! A signal at a password prompt restores the terminal's echo. The terminal is that of util-linux's
//! `script`.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::common::Folder;
use super::{ended, signal, until};

/// Runs the program on a new terminal, then stty; `after` gets the output of stty, `code` the exit
/// status.
fn on_a_terminal(f: &Folder, args: &str) -> Child {
    for name in ["tty", "pid", "after", "code"] {
        std::fs::remove_file(f.file(name)).ok();
    }
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    // A shell for the program alone, to learn its process id.
    f.write("inner.sh", format!("echo $$ >pid\nexec {program} {args}\n"));
    f.write("outer.sh", "tty >tty\nsh inner.sh\necho $? >code\nstty -a >after\n");
    Command::new("script")
        .args(["-q", "-c", "sh outer.sh", "/dev/null"])
        .current_dir(f.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn stty(f: &Folder) -> String {
    let tty = String::from_utf8(f.read("tty")).unwrap();
    let said = Command::new("stty").args(["-a", "-F", tty.trim()]).output().unwrap();
    String::from_utf8(said.stdout).unwrap()
}

fn number(f: &Folder, name: &str) -> Option<u32> {
    std::fs::read_to_string(f.file(name)).ok()?.trim().parse().ok()
}

/// Waits until the program has switched the echo off; returns its process id.
fn asked(f: &Folder) -> u32 {
    until("the question", || {
        number(f, "pid").is_some() && f.file("tty").exists() && stty(f).contains(" -echo ")
    });
    number(f, "pid").unwrap()
}

#[track_caller]
fn echoes(f: &Folder) {
    let after = String::from_utf8(f.read("after")).unwrap();
    for word in [" echo ", " icanon ", "isig "] {
        assert!(after.contains(word), "{word} is not in {after}");
    }
}

#[test]
fn the_terminal_echoes_after_a_signal() {
    let f = Folder::new();
    f.write(
        "h.cfg",
        "host=localhost\nport=1\nservlet=/x\ninput=pw\noutput=o\ndbdir=db\n\
                      clientmode=true\nnickname=x\n",
    );
    let csr = "csr create -d db --subject CN=x --key-type ec --out o";
    for (args, name, code) in [
        (csr, "INT", 130),
        (csr, "TERM", 130),
        (csr, "HUP", 130),
        // Old tools die of the signal, which a script with a loop expects.
        ("HttpClient h.cfg", "INT", 130),
        ("HttpClient h.cfg", "TERM", 143),
    ] {
        let child = on_a_terminal(&f, args);
        signal(name, asked(&f));
        ended(child);
        assert_eq!(number(&f, "code"), Some(code), "{args} {name}");
        echoes(&f);
    }
    // Ctrl-C on the terminal.
    let mut child = on_a_terminal(&f, csr);
    asked(&f);
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    ended(child);
    assert_eq!(number(&f, "code"), Some(130));
    echoes(&f);
    assert!(f.keys().is_empty());
    // A typed password is read.
    let mut child = on_a_terminal(&f, csr);
    asked(&f);
    child.stdin.as_mut().unwrap().write_all(b"Secret.123\n").unwrap();
    ended(child);
    assert_eq!(number(&f, "code"), Some(0));
    echoes(&f);
    assert_eq!(f.keys().len(), 1);
}
