//! The CA's records by REST, and OCSP: `pki` and the modern verbs beside a stand-in CA, and what hostile servers
//! send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chains;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod ocsp;
mod pki;
#[allow(dead_code)]
#[path = "../transport/server.rs"]
mod server;
mod status;
mod terminal;
mod verbs;

use common::Folder;
use common::stand_in::{StandIn, ec_folder, program};

/// A database that trusts a running stand-in CA with the REST interface given.
fn start(offer: &str) -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--rest", offer, "--server-key-type", "ec"]);
    (f, ca)
}

/// Issues the certificates of the CA's subsystems.
fn subsystems(f: &Folder) {
    common::tool(program().to_str().unwrap(), f.path(), &["subsystems", "--dir", "ca"]);
}

/// What the CA has issued: serial number in hexadecimal, state, subject.
fn issued(f: &Folder) -> Vec<[String; 3]> {
    let text = String::from_utf8(f.read("ca/issued")).unwrap();
    let row = |line: &str| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        std::array::from_fn(|_| words.next().unwrap())
    };
    text.lines().map(row).collect()
}

/// Puts `n` more certificates into the CA's records, all alike but for the serial numbers.
fn fill(f: &Folder, n: usize) {
    let mut text = String::from_utf8(f.read("ca/issued")).unwrap();
    let der = f.read("ca/certs/1.der");
    for serial in (0x1000..).take(n) {
        f.write(&format!("ca/certs/{serial:x}.der"), &der);
        text.push_str(&format!("0x{serial:x} VALID CN=many\n"));
    }
    f.write("ca/issued", text);
}
