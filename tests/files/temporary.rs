//! Temporary files after a kill.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn what_a_killed_run_left_goes_and_nothing_else() {
    let f = Folder::bare();
    recipient(&f);
    let stay = [
        ".nss-cmc-ab",
        ".nss-cmc-abcdefg",
        ".nss-cmc-abc.ef",
        "nss-cmc-abcdef",
        "x.nss-cmc-abcdef",
    ];
    f.write(".nss-cmc-abcdef", "left by a killed run");
    f.write(".nss-cmc-Ab3dE9", [7; 65536]);
    mode(&f.file(".nss-cmc-Ab3dE9"), 0o400);
    for name in stay {
        f.write(name, "not ours");
    }
    std::fs::create_dir(f.file(".nss-cmc-folder")).unwrap();
    symlink("ca.pem", f.file(".nss-cmc-linked")).unwrap();
    // In use: its owner runs and holds the lock.
    f.write(".nss-cmc-living", "in use");
    let living = std::fs::File::open(f.file(".nss-cmc-living")).unwrap();
    living.lock().unwrap();
    if is_root() {
        f.write(".nss-cmc-theirs", "theirs");
        give(&f.file(".nss-cmc-theirs"));
    }
    shared_token(&f, "out").exits(0);
    let left = names(f.path());
    for gone in [".nss-cmc-abcdef", ".nss-cmc-Ab3dE9"] {
        assert!(!left.iter().any(|n| n == gone), "{left:?}");
    }
    for name in stay.iter().chain(&[".nss-cmc-folder", ".nss-cmc-linked", ".nss-cmc-living"]) {
        assert!(left.iter().any(|n| n == name), "{name}: {left:?}");
    }
    if is_root() {
        assert!(left.iter().any(|n| n == ".nss-cmc-theirs"), "{left:?}");
    }
    drop(living);
    shared_token(&f, "out").exits(0);
    assert!(!f.file(".nss-cmc-living").exists());
}

/// Killed at each system call that makes, writes or renames a file: after the next run only the
/// requested files remain, each whole.
#[test]
fn a_run_killed_anywhere_leaves_nothing_to_the_next() {
    let f = Folder::bare();
    recipient(&f);
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let args = ["CMCSharedToken", "-b", "ca.pem", "-s", PASSWORD, "-o", "out"];
    let before = names(f.path());
    let mut kills = 0;
    for call in ["rename,renameat,renameat2", "fsync", "fchmod,fchmodat", "flock"] {
        for at in 1..4 {
            let inject = format!("inject={call}:signal=KILL:when={at}");
            let said = run(Command::new("strace")
                .current_dir(f.path())
                .args(["-f", "-o", "/dev/null", "-e", &inject, program])
                .args(args));
            if said.err.contains("ptrace") {
                eprintln!("skipped: no ptrace here");
                return;
            }
            kills += usize::from(said.code != 0);
            f.nss_cmc(&args).exits(0);
            let mut expected = before.clone();
            expected.push("out".into());
            expected.sort();
            assert_eq!(names(f.path()), expected, "{inject}");
            std::fs::remove_file(f.file("out")).unwrap();
        }
    }
    assert!(kills >= 3, "{kills}");
}

/// Two files are replaced at once: after a kill at any moment each is whole, old or new.
#[test]
fn two_files_are_whole_after_a_kill_and_nothing_else_is_left() {
    let f = Folder::new();
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let args =
        ["PKCS10Client", "-d", "db", "-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", "a.req"];
    f.nss_cmc(&args).exits(0);
    let before = names(f.path());
    let mut kills = 0;
    for call in ["link,linkat", "rename,renameat,renameat2"] {
        for at in 1..3 {
            // System calls on the database's files don't count.
            let inject = format!("inject={call}:signal=KILL:when={at}");
            let said = run(Command::new("strace")
                .current_dir(f.path())
                .args([
                    "-f",
                    "-o",
                    "/dev/null",
                    "-P",
                    "a.req",
                    "-P",
                    "a.req.keyId",
                    "-e",
                    &inject,
                    program,
                ])
                .args(args));
            if said.err.contains("ptrace") {
                eprintln!("skipped: no ptrace here");
                return;
            }
            kills += usize::from(said.code != 0);
            let request = String::from_utf8(f.read("a.req")).unwrap();
            assert!(request.ends_with("-----END CERTIFICATE REQUEST-----\n"), "{request}");
            assert!(f.read("a.req.keyId").len() > 30);
            f.nss_cmc(&args).exits(0);
            assert_eq!(names(f.path()), before, "{inject}");
        }
    }
    assert_eq!(kills, 4);
}
