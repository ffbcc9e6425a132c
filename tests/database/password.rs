//! `db password`, on databases of every age and mode.

use std::process::Command;

use crate::common::stand_in::folder;
use crate::common::{Folder, run, tool};
use crate::{new_key, on_db, result};

/// What certutil lists with the password in a file, `None` when the file has another one.
fn keys(f: &Folder, file: &str) -> Option<usize> {
    let said = run(Command::new("certutil")
        .current_dir(f.path())
        .args(["-K", "-d", "sql:db", "-f", file]));
    let listed = said.out.lines().filter(|line| line.starts_with('<')).count();
    (!said.err.contains("SEC_ERROR_BAD_PASSWORD")).then_some(listed)
}

fn change(f: &Folder, args: &[&str]) -> (i32, String) {
    let said = f.nss_cmc(&[&["db", "password", "-d", "db"], args].concat());
    (said.code, said.out + &said.err)
}

#[test]
fn the_password_is_changed_taken_away_and_set() {
    let f = Folder::new();
    new_key(&f, "");
    f.write_secret("new", "New.Password1\n");
    let (code, said) = change(&f, &["--password-file", "new", "--new-password-file", "pw"]);
    assert_eq!(code, 11, "{said}");
    assert!(said.contains("SEC_ERROR_BAD_PASSWORD"), "{said}");
    assert_eq!((keys(&f, "pw"), keys(&f, "new")), (Some(1), None));

    let (code, said) = change(&f, &["--password-file", "pw", "--new-password-file", "new"]);
    assert_eq!((code, said.as_str()), (0, "changed the password of token \"internal\"\n"));
    assert_eq!((keys(&f, "pw"), keys(&f, "new")), (None, Some(1)));

    let (code, said) = change(&f, &["--password-file", "new", "--no-password"]);
    assert_eq!((code, said.as_str()), (0, "removed the password of token \"internal\"\n"));
    f.nss_cmc(&["csr", "create", "-d", "db", "--subject", "CN=x", "--key-type", "ec"]).exits(0);

    let (code, said) = change(&f, &["--new-password-file", "pw"]);
    assert_eq!((code, said.as_str()), (0, "set a password of token \"internal\"\n"));
    assert_eq!((keys(&f, "pw"), keys(&f, "new")), (Some(2), None));
    for key in f.keys() {
        let csr = ["csr", "create", "--key", &key, "--subject", "CN=x", "--out", "csr"];
        on_db(&f, &csr).exits(0);
    }
}

#[test]
fn a_file_may_hold_old_and_new_and_nothing_is_tried_without_one() {
    let f = Folder::new();
    f.write_secret("empty", "\n");
    for new in [&["--new-password-file", "empty"][..], &["--new-password-file", "gone"], &[]] {
        let (code, said) = change(&f, &[&["--password-file", "pw"], new].concat());
        assert_eq!(code, 2, "{said}");
        assert_eq!(keys(&f, "pw"), Some(0));
    }
    let (code, said) = change(&f, &["--new-password-file", "pw"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no terminal to ask on"), "{said}");
}

/// Older NSS derived the key from the password with fewer iterations, at first with one.
#[test]
fn a_password_with_an_old_iteration_count_works_and_is_renewed() {
    let f = Folder::bare();
    f.write_secret("pw", "Secret.123\n");
    std::fs::create_dir(f.file("db")).unwrap();
    run(Command::new("certutil")
        .current_dir(f.path())
        .env("NSS_MAX_MP_PBE_ITERATION_COUNT", "1")
        .args(["-N", "-d", "sql:db", "-f", "pw"]))
    .exits(0);
    let id = new_key(&f, "");
    assert_eq!(result(&f, &["key", "list"])["keys"][0]["key_id"], id.as_str());
    let (code, said) = change(&f, &["--password-file", "pw", "--new-password-file", "pw"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(f.keys(), [id.as_str()]);
    let csr = ["csr", "create", "--key", &id, "--subject", "CN=x", "--out", "csr"];
    on_db(&f, &csr).exits(0);
}

#[test]
fn in_fips_mode_the_login_comes_first_and_the_password_is_strong() {
    let f = folder(&["--fips", "--key-type", "ec"]);
    let said = f.nss_cmc(&["db", "show", "-d", "db"]).exits(11).err;
    assert!(said.contains("FIPS mode: its password is required"), "{said}");
    let shown = result(&f, &["db", "show"]);
    assert_eq!(shown["fips"], true);
    assert_eq!(shown["keys"]["all"], 1);
    // The token's own name finds the line in a file.
    f.write_secret("named", "HSM:1\nNSS FIPS 140-2 Certificate DB:Secret.123\n");
    let list = ["cert", "list", "-d", "db", "--password-file", "named", "--output", "json"];
    let listed = f.nss_cmc(&list).exits(0).json();
    assert_eq!(listed["result"]["certificates"][0]["nickname"], "agent");
    assert_eq!(listed["result"]["certificates"][0]["key"], "yes");

    f.write_secret("weak", "secret\n");
    f.write_secret("new", "New.Password1\n");
    let (code, said) = change(&f, &["--password-file", "pw", "--new-password-file", "weak"]);
    assert_eq!(code, 14, "{said}");
    assert!(said.contains("FIPS mode requires"), "{said}");
    assert_eq!(keys(&f, "pw"), Some(1));
    let (code, said) = change(&f, &["--password-file", "pw", "--new-password-file", "new"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((keys(&f, "pw"), keys(&f, "new")), (None, Some(1)));
}

/// NSS takes an empty file for a new database: a changed password would hide that all keys are gone.
#[test]
fn an_empty_file_is_no_database() {
    for name in ["db/cert9.db", "db/key4.db"] {
        let f = Folder::new();
        f.write_secret("new", "New.Password1\n");
        f.write(name, "");
        let (code, said) = change(&f, &["--password-file", "pw", "--new-password-file", "new"]);
        assert_eq!(code, 10, "{said}");
        assert!(said.contains(&format!("{name}: the file is empty")), "{said}");
        assert_eq!(f.read(name), b"");
        on_db(&f, &["cert", "list"]).exits(10);
    }
}

/// NSS 3.118 hashes the password otherwise, with a longer salt. To older NSS every password is a wrong
/// one then.
#[test]
fn a_database_of_a_newer_nss_is_recognized() {
    let f = Folder::new();
    let longer = "UPDATE metaData SET item1 = randomblob(48) WHERE id = 'password'";
    tool("sqlite3", f.path(), &["db/key4.db", longer]);
    let version = f.nss_cmc(&["version", "--output", "json"]).exits(0).json();
    let version = version["result"]["nss"].as_str().unwrap().to_owned();
    let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    let said = f.nss_cmc(&["key", "list", "-d", "db", "--password-file", "pw"]);
    if minor >= 118 {
        // Here the password is wrong indeed.
        let said = said.exits(11);
        assert!(!said.err.contains("3.118"), "{}", said.err);
        return;
    }
    let said = said.exits(10);
    let why = format!("NSS 3.118 or later has set its password; NSS {version} cannot check that");
    assert!(said.err.contains(&why) && !said.err.contains("PASSWORD"), "{}", said.err);
    // A wrong password of a database that this NSS made is a wrong password.
    let g = Folder::new();
    g.write_secret("pw", "wrong\n");
    let said = g.nss_cmc(&["key", "list", "-d", "db", "--password-file", "pw"]).exits(11);
    assert!(said.err.contains("BAD_PASSWORD"), "{}", said.err);
}
