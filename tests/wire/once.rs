//! Each POST is sent once, whatever happens to kept connections.

use super::common::stand_in::{StandIn, folder, program};
use super::common::{Folder, tool};
use super::{AGENT, enroll, log};

/// Returns the CMC requests that reached the CA.
fn posts(f: &Folder) -> Vec<String> {
    log(f).lines().filter(|l| l.contains("profileId=")).map(str::to_owned).collect()
}

fn serial(f: &Folder) -> String {
    let list = tool(program().to_str().unwrap(), f.path(), &["list", "--dir", "ca"]);
    list.lines().last().unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn two_trips_and_a_revocation_over_connections_that_are_dropped() {
    for keep in ["yes", "drop-unread", "drop-done"] {
        let f = folder(&[]);
        let ca = StandIn::start(&f, &["--keep", keep]);
        let args = ["enroll", "--ca", &ca.url, "--profile", "caFullCMCUserCert"];
        let what = ["--encryption-only", "--subject", "CN=x", "--nickname", "x"];
        f.nss_cmc(&[&args, &AGENT[..], &what].concat()).exits(0);
        assert_eq!(posts(&f).len(), 2, "{keep}: {}", log(&f));
        // Before it, the certificate's state is read over a kept connection.
        let serial = serial(&f);
        let args = ["revoke", "--ca", &ca.url, "--serial", &serial];
        f.nss_cmc(&[&args, &AGENT[..], &["--reason", "superseded"]].concat());
        assert_eq!(posts(&f).len(), 3, "{keep}: {}", log(&f));
    }
}

#[test]
fn what_is_lost_is_not_sent_again() {
    let f = folder(&["--key-type", "ec"]);
    let ca = StandIn::start(&f, &["--keep", "yes", "--rest", "none"]);
    let mut count = 0;
    for (way, code) in [
        ("reset", 30),
        ("cut-0", 30),
        ("cut-1", 30),
        ("cut-20", 32),
        ("cut-300", 32),
        ("short", 32),
        ("http502", 32),
        ("http504", 32),
        ("alert-0", 31),
        ("alert-300", 32),
    ] {
        let said = f.nss_cmc(&enroll(&ca.url, &format!("standin-{way}"))).exits(code);
        count += 1;
        assert_eq!(posts(&f).len(), count, "{way}: {}{}", said.err, log(&f));
    }
}
