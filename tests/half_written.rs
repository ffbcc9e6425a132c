//! Damaged databases: a killed writer's journal, a full disk, a kill at any write; and the format
//! before SQLite.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Folder, Said, run, tool};

const RESPONSE: &str = "tests/vectors/01-rsa-server/response.der";

/// Makes a database with one key that trusts the recorded response's CA; returns the key's id.
fn database() -> (Folder, String) {
    let f = Folder::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ca = root.join("tests/vectors/ca_signing.pem");
    f.certutil(&["-A", "-n", "ca", "-t", "CT,C,C", "-a", "-f", "pw", "-i", ca.to_str().unwrap()]);
    std::fs::copy(root.join(RESPONSE), f.file("resp")).unwrap();
    let made = create(&f, &["--subject", "CN=a", "--key-type", "ec", "--out", "a.csr"]).exits(0);
    let id = made.json()["result"]["key_id"].as_str().unwrap().to_owned();
    (f, id)
}

fn create(f: &Folder, more: &[&str]) -> Said {
    let args = ["csr", "create", "-d", "db", "--password-file", "pw", "--output", "json"];
    f.nss_cmc(&[&args[..], more].concat())
}

/// Kills sqlite3 inside a transaction that is partly on the disk.
fn kill_inside_a_transaction(f: &Folder, file: &str, table: &str) {
    let script = format!(
        "PRAGMA cache_size=1;\nBEGIN IMMEDIATE;\nCREATE TABLE junk(x);\nDELETE FROM {table};\n\
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200)\n\
         INSERT INTO junk SELECT randomblob(4000) FROM n;\n.shell kill -9 $PPID\n"
    );
    let mut sqlite = Command::new("sqlite3")
        .current_dir(f.path())
        .arg(format!("db/{file}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    sqlite.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(!sqlite.wait().unwrap().success());
    assert!(f.read(&format!("db/{file}-journal")).len() > 512, "no hot journal");
}

const FILES: [(&str, &str); 2] = [("cert9.db", "nssPublic"), ("key4.db", "nssPrivate")];

fn journals(f: &Folder) -> usize {
    FILES.iter().filter(|(name, _)| f.file(&format!("db/{name}-journal")).exists()).count()
}

#[test]
fn what_a_killed_writer_left_is_rolled_back() {
    for killed in [&FILES[..1], &FILES[1..], &FILES[..]] {
        let (f, id) = database();
        for (file, table) in killed {
            kill_inside_a_transaction(&f, file, table);
        }
        // NSS's own tools can't read it.
        let list = run(Command::new("certutil").current_dir(f.path()).args(["-L", "-d", "sql:db"]));
        assert_ne!(list.code, 0, "{killed:?}");
        let show = ["cmc", "show", "resp", "-d", "db", "--verify"];
        let said = f.nss_cmc(&show);
        assert!(!said.err.contains("BAD_DATABASE"), "{}", said.err);
        assert_eq!(journals(&f), 0, "{killed:?}");
        assert_eq!(f.keys(), [id.as_str()], "{killed:?}");
        assert_eq!(f.certificates().len(), 1, "{killed:?}");
        let again = ["--subject", "CN=b", "--key", &id, "--out", "b.csr"];
        kill_inside_a_transaction(&f, killed[0].0, killed[0].1);
        create(&f, &again).exits(0);
        // A command that writes does the same.
        kill_inside_a_transaction(&f, killed[0].0, killed[0].1);
        create(&f, &["--subject", "CN=b", "--key-type", "ec", "--out", "b.csr"]).exits(0);
        assert_eq!(f.keys().len(), 2);
    }
}

/// Runs the program as a user who can only read, if this is root.
fn as_nobody(f: &Folder, args: &[&str]) -> Said {
    let program = f.file("nss-cmc");
    if !program.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_nss-cmc"), &program).unwrap();
    }
    let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    run(Command::new("setpriv").current_dir(f.path()).args(ids).arg(&program).args(args))
}

#[test]
fn who_may_not_write_is_told_the_command_that_repairs() {
    let root = tool("id", Path::new("/"), &["-u"]).trim() == "0";
    if !root {
        println!("skipped: only root can become somebody else");
        return;
    }
    let (f, id) = database();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(f.path(), 0o755);
    for name in ["db/cert9.db", "db/key4.db", "db/pkcs11.txt"] {
        mode(&f.file(name), 0o644);
    }
    let show = ["cmc", "show", "resp", "-d", "db", "--verify", "--output", "json"];
    let before = as_nobody(&f, &show);
    for (file, table) in FILES {
        kill_inside_a_transaction(&f, file, table);
        let report = as_nobody(&f, &show).exits(10).json();
        let said = report["msg"].as_str().unwrap();
        assert!(said.contains(&format!("db/{file}-journal")), "{said}");
        assert!(said.contains("killed during a write"), "{said}");
        assert!(said.contains("Permission denied"), "{said}");
        let hint = report["error"]["hint"].as_str().unwrap();
        let (_, command) = hint.split_once(": ").unwrap();
        assert!(command.starts_with("certutil "), "{hint}");
        tool("sh", f.path(), &["-c", command]);
        assert_eq!(journals(&f), 0);
        assert_eq!(as_nobody(&f, &show).code, before.code);
        assert_eq!(f.keys(), [id.as_str()]);
    }
}

/// A running process has a journal, too.
#[test]
fn a_writer_at_work_is_left_alone() {
    let (f, _) = database();
    let mut sqlite = Command::new("sqlite3")
        .current_dir(f.path())
        .arg("db/key4.db")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = sqlite.stdin.take().unwrap();
    input
        .write_all(b"BEGIN IMMEDIATE;\nCREATE TABLE junk(x);\nINSERT INTO junk VALUES(1);\nSELECT 'ready';\n")
        .unwrap();
    let mut ready = [0u8; 6];
    sqlite.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let show = ["cmc", "show", "resp", "-d", "db"];
    f.nss_cmc(&show).exits(0);
    input.write_all(b"COMMIT;\nSELECT count(*) FROM junk;\n").unwrap();
    drop(input);
    let mut rest = String::new();
    sqlite.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert!(sqlite.wait().unwrap().success());
    assert_eq!(rest.trim(), "1");
}

#[test]
fn the_old_format_is_refused_and_its_conversion_works() {
    let f = Folder::bare();
    f.write("pw", format!("{}\n", common::PASSWORD));
    std::fs::create_dir(f.file("old")).unwrap();
    let old = ["-N", "-d", "dbm:old", "-f", "pw"];
    let made = run(Command::new("certutil").current_dir(f.path()).args(old)).code == 0;
    if !made {
        println!("this NSS makes no dbm database: empty files stand for one");
        f.write("old/cert8.db", "");
        f.write("old/key3.db", "");
    }
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(f.file("old"))
            .unwrap()
            .map(|e| (e.as_ref().unwrap().file_name(), e.unwrap().metadata().unwrap().len()))
            .collect();
        names.sort();
        names
    };
    let before = names();
    for dir in ["dbm:old", "old", "sql:old"] {
        for verb in [
            &["csr", "create", "--subject", "CN=a", "--out", "a.csr"][..],
            &["cmc", "show", RESPONSE],
        ] {
            let mut args = vec!["--output", "json", "-d", dir];
            args.splice(0..0, verb.iter().copied());
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(RESPONSE);
            args.iter_mut().filter(|a| **a == RESPONSE).for_each(|a| *a = root.to_str().unwrap());
            let report = f.nss_cmc(&args).exits(10).json();
            let hint = report["error"]["hint"].as_str().unwrap();
            assert!(report["msg"].as_str().unwrap().contains("dbm"), "{report}");
            assert!(hint.contains("certutil -K -X -d sql:old"), "{hint}");
            assert_eq!(names(), before, "{dir} {verb:?}");
        }
    }
    assert!(!f.file("a.csr").exists());
    if !made {
        return;
    }
    tool("sh", f.path(), &["-c", "certutil -K -X -d sql:old -f pw || true"]);
    let args = ["csr", "create", "-d", "old", "--password-file", "pw", "--key-type", "ec"];
    f.nss_cmc(&[&args[..], &["--subject", "CN=a", "--out", "a.csr"]].concat()).exits(0);
    // With a converted database beside it, the old one is refused by name all the same.
    let args = ["csr", "create", "-d", "dbm:old", "--subject", "CN=a", "--output", "json"];
    let report = f.nss_cmc(&args).exits(10).json();
    assert!(report["error"]["hint"].as_str().unwrap().ends_with("-d old"), "{report}");
}

#[test]
fn a_full_disk_is_named_and_leaves_no_key() {
    let f = Folder::new();
    std::fs::create_dir(f.file("small")).unwrap();
    // A file system in its own namespace, filled up to the last kilobytes.
    f.write(
        "run.sh",
        "set -eu\n\
         mount -t tmpfs -o size=2m none small\n\
         cp db/* small\n\
         for left in 0 4 8 16 24 32 48 64 80 96; do\n\
           dd if=/dev/zero of=small/fill bs=1k count=$left 2>/dev/null\n\
           dd if=/dev/zero of=small/rest bs=4k 2>/dev/null || true\n\
           rm small/fill\n\
           code=0\n\
           \"$1\" csr create -d small --password-file pw --key-type ec --subject CN=$left \\\n\
             --out $left.csr >$left.out 2>$left.err || code=$?\n\
           rm small/rest\n\
           echo $code >$left.code\n\
           certutil -K -X -d sql:small -f pw >$left.keys 2>&1 || true\n\
           sqlite3 small/cert9.db 'select count(*) from nssPublic' >$left.public\n\
           cp db/* small\n\
         done\n",
    );
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let said =
        run(Command::new("unshare").current_dir(f.path()).args(["-m", "sh", "run.sh", program]));
    if !f.file("0.code").exists() && ["unshare:", "mount:"].iter().any(|w| said.err.contains(w)) {
        println!("skipped: no mount name space of one's own here: {}", said.err);
        return;
    }
    said.exits(0);
    let text = |name: String| String::from_utf8(f.read(&name)).unwrap().trim().to_owned();
    let mut failed = 0;
    for left in [0, 4, 8, 16, 24, 32, 48, 64, 80, 96] {
        let code = text(format!("{left}.code"));
        let keys = text(format!("{left}.keys")).matches("< 0>").count();
        let public = text(format!("{left}.public"));
        let err = text(format!("{left}.err"));
        if code == "0" {
            assert_eq!((keys, public.as_str()), (1, "1"), "{left}");
            continue;
        }
        failed += 1;
        assert!(err.contains("No space left on device"), "{left}: {err}");
        assert!(err.contains("small"), "{left}: {err}");
        assert_eq!((keys, public.as_str()), (0, "0"), "{left}: {err}");
        assert!(!f.file(&format!("{left}.csr")).exists());
    }
    assert!(failed >= 3, "{failed}");
}

/// Killed at each write, sync and unlink: every key has a label, and the database can be repaired.
#[test]
fn no_kill_leaves_a_key_without_a_name() {
    let f = Folder::new();
    let calls = "pwrite64,fdatasync,fsync,unlink,ftruncate";
    let traced = |inject: &str, args: &[&str]| {
        run(Command::new("strace")
            .current_dir(f.path())
            .args(["-f", "-o", "trace", "-e", &format!("trace={calls}")])
            .args(if inject.is_empty() { vec![] } else { vec!["-e", inject] })
            .arg(env!("CARGO_BIN_EXE_nss-cmc"))
            .args(args))
    };
    let create = ["csr", "create", "-d", "db", "--password-file", "pw", "--key-type", "ec"];
    let create = [&create[..], &["--subject", "CN=a", "--out", "a.csr"]].concat();
    if Command::new("strace").arg("-V").output().is_err() || traced("", &create).code != 0 {
        println!("skipped: strace cannot trace here");
        return;
    }
    let trace = String::from_utf8(f.read("trace")).unwrap();
    let pristine = Folder::new();
    let (mut killed, mut named) = (0, 0);
    for call in calls.split(',') {
        let count = trace.lines().filter(|l| l.contains(&format!(" {call}("))).count();
        for n in 1..=count {
            for name in ["cert9.db", "key4.db"] {
                std::fs::copy(pristine.file(&format!("db/{name}")), f.file(&format!("db/{name}")))
                    .unwrap();
                std::fs::remove_file(f.file(&format!("db/{name}-journal"))).ok();
            }
            traced(&format!("inject={call}:signal=KILL:when={n}"), &create);
            killed += 1;
            let list = run(Command::new("certutil")
                .current_dir(f.path())
                .args(["-K", "-X", "-d", "sql:db", "-f", "pw"]));
            let keys: Vec<&str> = list.out.lines().filter(|l| l.starts_with('<')).collect();
            assert!(
                list.code == 0 || format!("{}{}", list.out, list.err).contains("no keys found"),
                "{call} {n}: {}",
                list.err
            );
            // The label is removed once the request is written.
            let written = std::fs::remove_file(f.file("a.csr")).is_ok();
            for key in &keys {
                let is_named = key.contains("unfinished request for CN=a");
                assert!(is_named || written, "{call} {n}: {key}");
                named += usize::from(is_named);
            }
            assert!(keys.len() <= 1, "{call} {n}: {keys:?}");
        }
    }
    assert!(killed > 10 && named > 0, "{killed} {named}");
}

/// A limit for the size of files is as a full disk: nothing is changed, nothing is left behind, and no
/// message names a temporary path.
#[test]
fn a_limit_for_files_is_named_and_changes_nothing() {
    let (f, id) = database();
    let names = |folder: &str| {
        let entries = std::fs::read_dir(f.file(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let limited = |blocks: u32, args: &[&str]| {
        let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let program = env!("CARGO_BIN_EXE_nss-cmc");
        run(Command::new("sh").current_dir(f.path()).args(["-c", &script, program]).args(args))
    };
    let (before, there) = (f.state(), (names("."), names("db")));
    let on_db = ["-d", "db", "--password-file", "pw", "--output", "json"];
    for (code, verb) in [
        (14, &["cert", "remove", "ca", "--yes"][..]),
        (14, &["cert", "trust", "ca", "--flags", ",,"]),
        (14, &["key", "remove", &id, "--yes", "--force"]),
        (14, &["key", "rename", &id, "other"]),
        (14, &["db", "password", "--new-password-file", "pw"]),
        (14, &["csr", "create", "--key-type", "ec", "--subject", "CN=b"]),
    ] {
        let report = limited(0, &[verb, &on_db].concat()).exits(code).json();
        let said = report.to_string();
        assert!(said.contains("File too large"), "{verb:?} {said}");
        assert!(said.contains("ulimit -f unlimited"), "{verb:?} {said}");
        assert!(!said.contains(".nss-cmc-"), "{verb:?} {said}");
        // What NSS began is rolled back by the next that opens the database.
        assert_eq!(f.state(), before, "{verb:?} {said}");
    }
    for blocks in [0, 20, 40, 60] {
        let create = ["db", "create", "-d", "new", "--password-file", "pw", "--output", "json"];
        let said = limited(blocks, &create).exits(10).json().to_string();
        assert!(said.contains("NSS database new: .: File too large"), "{said}");
        assert!(!said.contains(".nss-cmc-"), "{said}");
    }
    let listed = limited(0, &["cert", "export", "ca", "-d", "db", "--out", "ca.pem"]).exits(21);
    assert!(listed.err.contains("File too large"), "{listed:?}");
    assert_eq!((names("."), names("db")), there);
}
