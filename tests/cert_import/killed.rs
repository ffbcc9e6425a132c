//! An import that is killed: what it leaves is the old state, or certificates without trust, and the
//! same command completes it.

use std::process::Command;

use crate::common::{Folder, Said, run};
use crate::maker::{Pair, SERVER, ca, make};
use crate::{DATABASE, bundle, database, restore};

const CALLS: &str = "pwrite64,fdatasync,fsync,unlink,ftruncate";

fn traced(f: &Folder, inject: &str, args: &[&str]) -> Said {
    run(Command::new("strace")
        .current_dir(f.path())
        .args(["-f", "-o", "trace", "-e", &format!("trace={CALLS}")])
        .args(if inject.is_empty() { vec![] } else { vec!["-e", inject] })
        .arg(env!("CARGO_BIN_EXE_nss-cmc"))
        .args(args))
}

/// Kills the import at each of its calls that write, and hands what is there then to `look`; then the
/// same import must reach what it reaches without.
fn kill_at_each(f: &Folder, args: &[&str], look: &dyn Fn(&str, &[String])) {
    if Command::new("strace").arg("-V").output().is_err() || traced(f, "", args).code != 0 {
        println!("skipped: strace cannot trace here");
        return;
    }
    let new = f.certificates();
    let trace = String::from_utf8(f.read("trace")).unwrap();
    let mut killed = 0;
    for call in CALLS.split(',') {
        let count = trace.lines().filter(|l| l.contains(&format!(" {call}("))).count();
        // There are many of these.
        let step = if call == "pwrite64" { 3 } else { 1 };
        for n in (1..=count).step_by(step) {
            let at = format!("{call} {n}");
            restore(f);
            let said = traced(f, &format!("inject={call}:signal=KILL:when={n}"), args);
            killed += usize::from(said.code != 0);
            // A journal is rolled back by whoever opens the database next.
            f.nss_cmc(&["cert", "verify", "-d", "db", "root", "--usage", "ca"]).exits(0);
            look(&at, &f.certificates());
            f.nss_cmc(args).exits(0);
            assert_eq!(f.certificates(), new, "{at}");
        }
    }
    assert!(killed > 5, "{killed}");
}

fn pairs() -> [Pair; 3] {
    let root = ca("Root").usage(&[5, 6]).itself();
    let sub = ca("Sub").usage(&[5, 6]).by(&root);
    let leaf = make("www").usage(&[0, 4]).purposes(&[SERVER]).by(&sub);
    [root, sub, leaf]
}

#[test]
fn one_certificate_is_there_or_not() {
    let [root, sub, _] = pairs();
    let f = database(&[("root", "CT,C,C", &root)]);
    f.write("sub.pem", sub.pem());
    let args = ["--nickname", "sub", "--usage", "ca", "--trust", ",,"];
    let args = [&["cert", "import", "sub.pem"], &DATABASE[..], &args].concat();
    let (old, new) = (["root CT,C,C"].as_slice(), ["root CT,C,C", "sub ,,"].as_slice());
    kill_at_each(&f, &args, &|at, now| assert!(now == old || now == new, "{at}: {now:?}"));
}

#[test]
fn trust_comes_last() {
    let [root, sub, leaf] = pairs();
    let f = database(&[("root", "CT,C,C", &root)]);
    f.write("chain.pem", bundle(&[&leaf, &sub]));
    let args = ["--nickname", "www", "--usage", "server", "--trust", "P,,", "--chain-trust", "C,,"];
    let args = [&["cert", "import", "chain.pem"], &DATABASE[..], &args].concat();
    // In this order; each state is whole.
    let states = [
        ["root CT,C,C"].as_slice(),
        &["Sub - TEST ,,", "root CT,C,C"],
        &["Sub - TEST ,,", "root CT,C,C", "www ,,"],
        &["Sub - TEST C,,", "root CT,C,C", "www ,,"],
        &["Sub - TEST C,,", "root CT,C,C", "www P,,"],
    ];
    kill_at_each(&f, &args, &|at, now| {
        assert!(states.iter().any(|state| *state == now), "{at}: {now:?}");
    });
}

#[test]
fn a_key_comes_with_its_certificate_or_is_used_by_the_next_run() {
    let [root, sub, leaf] = pairs();
    let f = database(&[("root", "CT,C,C", &root)]);
    crate::pkcs12::write(&f, "www.p12", &leaf, &[&sub]);
    let args = ["PKICertImport", "-d", "db", "-f", "pw", "-p", "-i", "www.p12", "-w", "p12pw"];
    let args = [&args[..], &["-n", "www", "-t", ",,", "-u", "V"]].concat();
    let states = [
        ["root CT,C,C"].as_slice(),
        &["Sub - TEST ,,", "root CT,C,C"],
        &["Sub - TEST ,,", "root CT,C,C", "www u,u,u"],
    ];
    kill_at_each(&f, &args, &|at, now| {
        assert!(states.iter().any(|state| *state == now), "{at}: {now:?}");
    });
    assert_eq!(f.keys().len(), 1);
}
