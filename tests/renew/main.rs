//! `nss-cmc renew`: a configuration's certificates and those of a database, the command after a
//! renewal, and runs that fail or are killed. The CA is the stand-in; SoftHSM has a token.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod database;
mod hook;
mod killed;
mod sections;

use std::path::Path;
use std::process::Command;

use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, PASSWORD, Said, run};
use serde_json::Value;

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";

/// The stand-in CA and its folder, with a configuration file.
pub struct Lab {
    f: Folder,
    ca: StandIn,
}

/// The section of the CA; the agent signs.
const CA: &str =
    "[defaults]\nca = lab\n[lab]\nurl = URL\nprofile = caECFullCMCUserCert\nsigner = agent\n";

impl Lab {
    pub fn start() -> Lab {
        let f = ec_folder();
        let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
        f.write("noise", [7u8; 64]);
        f.write_secret("hook", "#!/bin/sh\nset -e\nenv >> \"$1.env\"\necho \"ran $NSS_CMC_NICKNAME\"\necho \"$NSS_CMC_NICKNAME\" >> \"$1\"\n");
        let lab = Lab { f, ca };
        lab.configure("");
        lab
    }

    /// As [`Lab::start`], with the token `HSM`; `pins` has both passwords.
    pub fn with_token() -> Lab {
        assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
        let lab = Lab::start();
        let f = &lab.f;
        std::fs::create_dir(f.file("tokens")).unwrap();
        f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
        let new = ["--init-token", "--free", "--label", "HSM", "--so-pin", "0000", "--pin", PIN];
        lab.tool("softhsm2-util", &new);
        let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
        lab.tool("modutil", &add);
        f.write_secret("pins", format!("internal:{PASSWORD}\nHSM:{PIN}\n"));
        f.write_secret("pw", format!("NSS Certificate DB:{PASSWORD}\nHSM:{PIN}\n"));
        lab
    }

    /// Writes the configuration: the CA's section, and these. `DIR` is the folder, `URL` the CA's.
    pub fn configure(&self, sections: &str) {
        let text = [CA, sections].concat().replace("URL", &self.ca.url);
        self.f.write_secret("nss-cmc.ini", text.replace("DIR", self.f.path().to_str().unwrap()));
    }

    pub fn command(&self, program: &str, args: &[&str]) -> Said {
        run(self.process(program).args(args))
    }

    fn process(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.f.path())
            .env("SOFTHSM2_CONF", self.f.file("softhsm.conf"))
            .env("NSS_CMC_CONFIG", self.f.file("nss-cmc.ini"))
            .env_remove("NSS_CMC_OUTPUT");
        command
    }

    #[track_caller]
    pub fn tool(&self, program: &str, args: &[&str]) -> String {
        self.command(program, args).exits(0).out
    }

    #[track_caller]
    pub fn certutil(&self, args: &[&str]) -> String {
        self.tool("certutil", &[args, &["-d", "sql:db", "-f", "pw"]].concat())
    }

    /// Runs `renew`, with JSON output.
    #[track_caller]
    pub fn renew(&self, args: &[&str]) -> Said {
        let all = [&["renew", "--output", "json"], args].concat();
        let said = self.command(env!("CARGO_BIN_EXE_nss-cmc"), &all);
        assert!(!said.err.contains("cannot shut down NSS"), "{}", said.err);
        said
    }

    /// Makes a key and a certificate that ends in so many days; a negative number is one that has
    /// ended.
    pub fn make(&self, nickname: &str, token: &str, days: i32) {
        let token = if token == "internal" { "NSS Certificate DB" } else { token };
        let subject = format!("CN={nickname},O=STAND-IN");
        let key = ["-R", "-h", token, "-k", "ec", "-q", "nistp256", "-s", &subject];
        self.f.write("noise", format!("{nickname}{:?}", std::time::SystemTime::now()).repeat(4));
        self.certutil(&[&key[..], &["-a", "-z", "noise", "-o", "one.csr"]].concat());
        let days = days.to_string();
        let until = if days.starts_with('-') { vec!["--expired"] } else { vec!["--days", &days] };
        let sign = ["sign", "--dir", "ca", "--csr", "one.csr", "--out", "one.pem"];
        self.tool(program().to_str().unwrap(), &[&sign[..], &until].concat());
        let add = ["-A", "-h", token, "-n", nickname, "-t", ",,", "-a", "-i", "one.pem"];
        // In another token certutil fails to set the trust, after it has stored the certificate.
        self.command("certutil", &[&add[..], &["-d", "sql:db", "-f", "pw"]].concat());
    }

    /// Returns the lines of `certutil -L` about a nickname.
    pub fn listed(&self, nickname: &str) -> Vec<String> {
        let list = self.certutil(&["-L", "-h", "all"]);
        let lines = list.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|l| l.starts_with(&format!("{nickname} "))).collect()
    }

    /// Returns the database's files with their names, and what the CA has received.
    pub fn bytes(&self) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.f.file("db")).unwrap() {
            let path = entry.unwrap().path();
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
        files.sort();
        (files, self.f.read("ca.log"))
    }

    /// Returns the nicknames that the command was called with.
    pub fn ran(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.f.file("ran")).unwrap_or_default();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Returns whether a renewal is remembered as unfinished.
    pub fn is_unfinished(&self) -> bool {
        self.bytes().0.iter().any(|(name, _)| name.contains("nss-cmc-renewal-"))
    }
}

/// Returns `name status` for each certificate.
#[track_caller]
pub fn statuses(said: &Value) -> Vec<String> {
    let all = said["result"]["certificates"].as_array().unwrap_or_else(|| panic!("{said:#}"));
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    all.iter().map(|one| format!("{} {}", text(&one["name"]), text(&one["status"]))).collect()
}

/// The entry of a certificate.
#[track_caller]
pub fn entry<'a>(said: &'a Value, name: &str) -> &'a Value {
    let all = said["result"]["certificates"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{said:#}"))
}
