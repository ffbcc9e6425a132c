//! An import killed at any write.

use super::common::run_while_the_password_changes;
use super::*;

/// Afterwards the database can be read, a key has its nickname as label, and a second run completes
/// what is missing.
#[test]
fn a_killed_import_is_completed_by_the_next() {
    let f = usual();
    let calls = "pwrite64,fdatasync,fsync,unlink,ftruncate";
    let args = ["pkcs12", "import", "srv.p12", "--trust-ca", "--ca-file", "ca.pem"];
    let args = [&args[..], &WITH].concat();
    let traced = |inject: &[&str]| {
        run(Command::new("strace")
            .current_dir(f.path())
            .args(["-f", "-o", "trace", "-e", &format!("trace={calls}")])
            .args(inject)
            .arg(env!("CARGO_BIN_EXE_nss-cmc"))
            .args(&args))
    };
    let pristine = Folder::new();
    let reset = || {
        for name in ["cert9.db", "key4.db"] {
            let name = format!("db/{name}");
            std::fs::copy(pristine.file(&name), f.file(&name)).unwrap();
            std::fs::remove_file(f.file(&format!("{name}-journal"))).ok();
        }
    };
    if Command::new("strace").arg("-V").output().is_err() || traced(&[]).code != 0 {
        println!("SKIPPED: strace cannot trace here");
        return;
    }
    let done = f.state();
    let trace = String::from_utf8(f.read("trace")).unwrap();
    let (mut killed, mut partly) = (0, 0);
    for call in calls.split(',') {
        let count = trace.lines().filter(|l| l.contains(&format!(" {call}("))).count();
        // Each write once; of the syncs and unlinks between them every third.
        let step = if call == "pwrite64" { 2 } else { 3 };
        for n in (1..=count).step_by(step) {
            reset();
            traced(&["-e", &format!("inject={call}:signal=KILL:when={n}")]);
            killed += 1;
            let list = run(Command::new("certutil")
                .current_dir(f.path())
                .args(["-K", "-X", "-d", "sql:db", "-f", "pw"]));
            for key in list.out.lines().filter(|l| l.starts_with('<')) {
                assert!(key.ends_with("   srv"), "{call} {n}: {key}");
                partly += 1;
            }
            f.nss_cmc(&args).exits(0);
            assert_eq!(f.state(), done, "{call} {n}");
        }
    }
    assert!(killed > 10 && partly > 0, "{killed} {partly}");
}

/// A run that waits for another one uses its password when its turn has come. With a login from before,
/// the key would be stored under a password that is no longer the database's.
#[test]
fn a_password_changed_while_a_run_waits_ends_it() {
    let f = usual();
    f.write_secret("new", "an0ther Password\n");
    let mut import_it = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    import_it.current_dir(f.path()).args(["pkcs12", "import", "srv.p12"]).args(WITH);
    run_while_the_password_changes(&f, &mut import_it).exits(11);
    let list = ["-K", "-d", "sql:db", "-f", "new"];
    let list = run(Command::new("certutil").current_dir(f.path()).args(list));
    let list = list.out + &list.err;
    assert!(list.contains("no keys found"), "{list}");
    // With the new password it goes on.
    std::fs::rename(f.file("new"), f.file("pw")).unwrap();
    import(&f, "srv.p12", &[]).exits(0);
    signs(&f, "srv");
}
