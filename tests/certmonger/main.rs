//! The helper of certmonger against the stand-in CA: with plain variables as the daemon sets them,
//! and under a real daemon.
#![allow(clippy::unwrap_used, clippy::panic)]

mod applicants;
#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod install;
mod offline;
mod pending;
mod statuses;

use common::certmonger::helper;
use common::stand_in::{StandIn, ec_folder};
use common::{Folder, Said, tool};

/// A stand-in CA, and options of the helper for it.
pub struct Place {
    pub f: Folder,
    pub ca: StandIn,
    pub options: Vec<String>,
    /// A request of a key in a file, as PEM.
    pub csr: String,
}

impl Place {
    /// Starts the CA with options.
    pub fn start(options: &[&str]) -> Place {
        let f = ec_folder();
        let ca = StandIn::start(&f, options);
        let options = vec![
            format!("--database={}", f.file("db").display()),
            format!("--password-file={}", f.file("pw").display()),
            format!("--ca={}", ca.url),
        ];
        let csr = csr(&f, "www");
        Place { f, ca, options, csr }
    }

    /// Runs the helper as an agent with a profile.
    #[track_caller]
    pub fn agent(&self, profile: &str, more: &[&str], variables: &[(&str, &str)]) -> Said {
        let profile = format!("--profile={profile}");
        let mut args: Vec<&str> = self.options.iter().map(String::as_str).collect();
        args.extend([&profile, "--signer=agent"]);
        args.extend(more);
        helper(&args, variables)
    }

    /// Submits the request as an agent.
    #[track_caller]
    pub fn submit(&self, profile: &str, more: &[&str]) -> Said {
        self.agent(profile, more, &[("OPERATION", "SUBMIT"), ("CSR", &self.csr)])
    }

    /// Returns how many certificates the CA has issued.
    pub fn issued(&self) -> usize {
        String::from_utf8(self.f.read("ca.log")).unwrap().matches("issued").count()
    }
}

/// Makes a key and a request in files, by openssl; returns the request as PEM.
pub fn csr(f: &Folder, name: &str) -> String {
    let (key, out, subject) =
        (format!("{name}.key"), format!("{name}.csr"), format!("/O=EXAMPLE/CN={name}.example.com"));
    let kind = ["-newkey", "rsa:2048", "-nodes"];
    let args = ["-subj", &subject, "-keyout", &key, "-out", &out];
    tool("openssl", f.path(), &[&["req", "-new"], &kind[..], &args].concat());
    String::from_utf8(f.read(&out)).unwrap()
}

/// Checks that an output is the certificate of a request and its chain, and nothing else.
#[track_caller]
pub fn certified(f: &Folder, said: &Said, csr: &str) {
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----", "{}", said.out);
    let outside = said
        .out
        .split("-----BEGIN CERTIFICATE-----\n")
        .all(|block| block.is_empty() || block.ends_with("\n-----END CERTIFICATE-----\n"));
    assert!(outside, "{}", said.out);
    assert_eq!(said.out.matches("BEGIN CERTIFICATE").count(), 2, "{}", said.out);
    f.write("chain.pem", &said.out);
    f.write("of.csr", csr);
    // openssl reads the first certificate of the file: the leaf.
    tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "chain.pem"]);
    let ours = tool("openssl", f.path(), &["x509", "-noout", "-pubkey", "-in", "chain.pem"]);
    let wanted = tool("openssl", f.path(), &["req", "-noout", "-pubkey", "-in", "of.csr"]);
    assert_eq!(ours, wanted);
}
