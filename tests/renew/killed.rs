//! Runs that are killed: the next one finishes what they began.

use std::process::Command;

use super::{Lab, statuses};
use crate::common::run;

const SECTION: &str = "\
[certificate www]
database = DIR/db
password-file = DIR/pw
exec = /bin/sh DIR/hook DIR/ran
";

/// The command kills the program before it does its own work.
#[test]
fn between_the_import_and_the_end_of_the_command() {
    let lab = Lab::start();
    lab.make("www", "internal", 10);
    lab.certutil(&["-M", "-n", "www", "-t", "u,u,Pu"]);
    lab.f.write(
        "first",
        "[ -e killed ] && exec /bin/sh \"$0.then\" \"$1\"\ntouch killed\nkill -9 $PPID\n",
    );
    std::fs::copy(lab.f.file("hook"), lab.f.file("first.then")).unwrap();
    lab.configure(&SECTION.replace("DIR/hook", "DIR/first"));
    let said = lab.renew(&[]);
    assert_eq!((said.code, lab.ran().len()), (-1, 0), "{}", said.err);
    assert_eq!(lab.listed("www"), ["www u,u,Pu"; 2]);
    let said = lab.renew(&[]).exits(0).json();
    assert_eq!(statuses(&said), ["www finished"]);
    assert_eq!((lab.ran(), lab.listed("www").len()), (vec!["www".to_owned()], 2));
    assert_eq!(statuses(&lab.renew(&[]).exits(0).json()), ["www unchanged"]);
    assert_eq!(lab.ran().len(), 1);
}

/// Killed at calls that write, from the key to the trust flags: one more run gets to the same end.
#[test]
fn at_any_write() {
    const CALLS: &str = "pwrite64,fdatasync,rename,unlink";
    let lab = Lab::start();
    lab.make("www", "internal", 10);
    lab.certutil(&["-M", "-n", "www", "-t", "u,u,Pu"]);
    lab.configure(SECTION);
    let traced = |inject: &str| {
        let mut strace = lab.process("strace");
        strace.args(["-f", "-o", "trace", "-e", &format!("trace={CALLS}")]);
        if !inject.is_empty() {
            strace.args(["-e", inject]);
        }
        run(strace.arg(env!("CARGO_BIN_EXE_nss-cmc")).args(["renew", "--output", "json"]))
    };
    let restore = || {
        lab.tool("rm", &["-rf", "db", "ran"]);
        lab.tool("cp", &["-a", "kept", "db"]);
    };
    lab.tool("cp", &["-a", "db", "kept"]);
    if Command::new("strace").arg("-V").output().is_err() || traced("").code != 0 {
        println!("skipped: strace cannot trace here");
        return;
    }
    let trace = String::from_utf8(lab.f.read("trace")).unwrap();
    let mut killed = 0;
    for call in CALLS.split(',') {
        let count = trace.lines().filter(|l| l.contains(&format!(" {call}("))).count();
        let step = if count > 12 { count / 8 } else { 1 };
        for n in (1..=count).step_by(step) {
            restore();
            let said = traced(&format!("inject={call}:signal=KILL:when={n}"));
            killed += usize::from(said.code == -1);
            let at = format!("{call} {n} of {count}");
            let said = lab.renew(&[]).exits(0);
            // The one in use, and the old one: an import that was killed may have stored no trust.
            let new = lab.listed("www");
            assert_eq!(new, ["www u,u,Pu"; 2], "{at}: {}", said.out);
            assert!(!lab.ran().is_empty(), "{at}: {}", said.out);
            assert!(!lab.is_unfinished(), "{at}");
            assert_eq!(statuses(&lab.renew(&[]).exits(0).json()), ["www unchanged"], "{at}");
        }
    }
    assert!(killed > 5, "{killed}");
}
