//! An import killed at any write.

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
