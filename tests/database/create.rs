//! `db create` and `db show`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{Folder, PASSWORD, run};
use crate::{new_key, on_db, result};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const FILES: [&str; 3] = ["cert9.db", "key4.db", "pkcs11.txt"];

#[test]
fn a_new_database_has_the_password_and_belongs_to_its_owner() {
    let f = Folder::bare();
    f.write_secret("pw", format!("HSM:1234\ninternal={PASSWORD}\n"));
    f.nss_cmc(&["db", "create", "-d", "sub/db", "--password-file", "pw"]).exits(0);
    assert_eq!(mode(&f.file("sub/db")), 0o700);
    assert_eq!(names(&f.file("sub/db")), FILES);
    assert!(FILES.iter().all(|name| mode(&f.file("sub/db").join(name)) == 0o600));
    assert_eq!(names(&f.file("sub")), ["db"]);
    f.write_secret("right", format!("{PASSWORD}\n"));
    f.write_secret("wrong", "another1\n");
    for (file, opens) in [("right", true), ("wrong", false)] {
        let said = run(Command::new("certutil").current_dir(f.path()).args([
            "-K",
            "-d",
            "sql:sub/db",
            "-f",
            file,
        ]));
        let refused = said.err.contains("SEC_ERROR_BAD_PASSWORD");
        assert_eq!(refused, !opens, "{}", said.err);
    }
    let modules = String::from_utf8(f.read("sub/db/pkcs11.txt")).unwrap();
    assert!(modules.contains("configdir='sql:sub/db'"), "{modules}");
}

#[test]
fn without_a_password_nothing_is_asked() {
    let f = Folder::bare();
    std::fs::create_dir(f.file("db")).unwrap();
    std::fs::set_permissions(f.file("db"), PermissionsExt::from_mode(0o750)).unwrap();
    f.write("db/kept", "");
    f.nss_cmc(&["db", "create", "-d", "sql:db", "--no-password"]).exits(0);
    assert_eq!(mode(&f.file("db")), 0o750);
    assert_eq!(names(&f.file("db")), ["cert9.db", "kept", "key4.db", "pkcs11.txt"]);
    let key = ["-R", "-s", "CN=x", "-k", "ec", "-q", "nistp256", "-z", "noise", "-o", "csr"];
    f.write("noise", [1; 64]);
    f.certutil(&key);
    let keys = f.nss_cmc(&["key", "list", "-d", "db"]).exits(0).out;
    assert_eq!(keys.lines().count(), 1, "{keys}");
    let shown = f.nss_cmc(&["db", "show", "-d", "db"]).exits(0).out;
    assert!(shown.contains("password: none\n"), "{shown}");
    assert!(shown.contains("keys: 1, without certificate: 1"), "{shown}");
}

#[test]
fn an_existing_database_stays_as_it_is() {
    let f = Folder::new();
    let state = || FILES.map(|name| f.read(&format!("db/{name}")));
    let before = state();
    let said = f.nss_cmc(&["db", "create", "-d", "db", "--no-password"]).exits(15);
    assert!(said.err.contains("db/pkcs11.txt exists"), "{}", said.err);
    assert!(state() == before);
    for old in [["cert8.db"], ["key3.db"]] {
        let f = Folder::bare();
        std::fs::create_dir(f.file("db")).unwrap();
        old.iter().for_each(|name| f.write(&format!("db/{name}"), "old"));
        f.nss_cmc(&["db", "create", "-d", "db", "--no-password"]).exits(15);
        assert_eq!(names(&f.file("db")), old);
        let said = f.nss_cmc(&["db", "show", "-d", "db"]).exits(10).err;
        assert!(said.contains("the dbm format (cert8.db, key3.db) is not supported"), "{said}");
    }
}

#[test]
fn what_fails_leaves_nothing() {
    let f = Folder::bare();
    f.write("file", "");
    f.write_secret("empty", "\n");
    for (args, code) in [
        (&["-d", "file", "--no-password"][..], 10),
        (&["-d", "file/db", "--no-password"], 10),
        (&["-d", "dbm:db", "--no-password"], 2),
        (&["-d", "db", "--password-file", "empty"], 2),
        (&["-d", "db", "--password-file", "gone"], 2),
        (&["-d", "db"], 2),
    ] {
        let said = f.nss_cmc(&[&["db", "create"], args].concat()).exits(code);
        assert_eq!(names(f.path()), ["empty", "file"], "{args:?} {}", said.err);
    }
}

#[test]
fn of_several_at_once_one_succeeds() {
    let f = Folder::bare();
    for directory in ["new", "there"] {
        if directory == "there" {
            std::fs::create_dir(f.file(directory)).unwrap();
        }
        let start = |n: u32| -> Child {
            f.write_secret(&format!("pw{n}"), format!("password {n}\n"));
            Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
                .current_dir(f.path())
                .args(["db", "create", "-d", directory, "--password-file", &format!("pw{n}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let running: Vec<Child> = (0..6).map(start).collect();
        let codes: Vec<i32> =
            running.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
        let winners: Vec<usize> = (0..6).filter(|n| codes[*n] == 0).collect();
        assert_eq!(winners.len(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 15].contains(code)), "{codes:?}");
        assert_eq!(names(&f.file(directory)), FILES);
        let file = format!("pw{}", winners[0]);
        f.nss_cmc(&["key", "list", "-d", directory, "--password-file", &file]).exits(0);
    }
}

#[test]
fn what_a_database_holds_is_counted() {
    let f = Folder::new();
    new_key(&f, "");
    new_key(&f, "unfinished request for www");
    let shown = result(&f, &["db", "show"]);
    assert_eq!(shown["format"], "sql");
    assert_eq!(shown["password"], "set");
    assert_eq!(shown["fips"], false);
    assert_eq!(shown["certificates"], 0);
    let keys = serde_json::json!({ "all": 2, "without_certificate": 2, "unfinished_requests": 1 });
    assert_eq!(shown["keys"], keys);
    assert_eq!(shown["tokens"][0]["label"], "NSS Certificate DB");
    // Without a password it is seen that there are keys to be counted.
    let said = f.nss_cmc(&["db", "show", "-d", "db", "--output", "json"]).exits(0).json();
    assert_eq!(said["result"]["keys"], serde_json::Value::Null);
    assert_eq!(said["result"]["not_logged_in"], serde_json::json!(["internal"]));
    f.write_secret("pw", "wrong\n");
    on_db(&f, &["db", "show"]).exits(11);
}

/// NSS would read a directory without end, and wait for the writer of a pipe.
#[test]
fn files_that_are_none_are_refused() {
    for name in FILES {
        let f = Folder::new();
        std::fs::remove_file(f.file("db").join(name)).unwrap();
        std::fs::create_dir(f.file("db").join(name)).unwrap();
        let refused = || {
            let said = f.nss_cmc(&["cert", "list", "-d", "db"]).exits(10);
            assert!(said.err.contains(&format!("db/{name}: not a regular file")), "{}", said.err);
        };
        refused();
        std::fs::remove_dir(f.file("db").join(name)).unwrap();
        let fifo = f.file("db").join(name);
        run(Command::new("mkfifo").arg(&fifo)).exits(0);
        refused();
    }
}

#[test]
fn a_message_names_the_directory_that_the_user_named() {
    let f = Folder::bare();
    for (args, text) in [
        (&["-d", "/proc/x", "--no-password"][..], "NSS database /proc/x: /proc: No such file"),
        (&["-d", "/proc", "--no-password"], "NSS database /proc: /proc: No such file"),
    ] {
        let said = f.nss_cmc(&[&["db", "create"], args].concat()).exits(10);
        assert!(said.err.contains(text), "{}", said.err);
        assert!(!said.err.contains(".nss-cmc-"), "{}", said.err);
    }
}
