//! Runs the library's examples against the stand-in CA.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::stand_in::{StandIn, ec_folder};
use common::{Folder, Said, run};

fn example(f: &Folder, name: &str, args: &[&str]) -> Said {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_nss-cmc")).with_file_name("examples");
    run(Command::new(beside.join(name)).current_dir(f.path()).args(args))
}

#[test]
fn enroll_then_revoke_and_read() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--rest", "both", "--server-key-type", "ec"]);
    let enroll = ["db", "pw", &ca.url, "caFullCMCUserCert", "agent", "CN=www", "www"];
    let said = example(&f, "enroll", &enroll).exits(0);
    assert!(said.out.starts_with("issued: CN=www, 0x"), "{}", said.out);
    assert!(f.certificates().iter().any(|line| line == "www u,u,u"));
    let again = example(&f, "enroll", &enroll).exits(0);
    assert!(again.out.starts_with("there already: CN=www"), "{}", again.out);

    let said = example(&f, "revoke", &["db", "pw", &ca.url, "www"]).exits(0);
    assert!(said.out.starts_with("Revoked: 0x"), "{}", said.out);
    assert!(said.out.ends_with("verified: Some(true)\n"), "{}", said.out);

    let response = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/01-rsa-server/response.der");
    let said = example(&f, "read", &[response]).exits(0);
    assert!(said.out.starts_with("CMC response:\n"), "{}", said.out);
    assert!(said.out.contains("control: statusInfoV2"), "{}", said.out);
    assert_eq!(example(&f, "read", &["no such file"]).code, 1);
}
