//! Certificate requests on the real Dogtag CA and KRA: those of PKCS10Client, CRMFPopClient and
//! `csr create`, compared with those of the Java tools.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archival;
#[path = "../common/mod.rs"]
mod common;
mod direct;
mod fields;
mod issued;
mod mixed;

use common::dogtag::{client_file, http_cfg, java, request_cfg};
use common::{Folder, PASSWORD, Said, tool};

/// The servlet for messages signed by an agent.
pub const FULL: &str = "/ca/ee/ca/profileSubmitCMCFull?profileId=";

/// The implementation that runs a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Us,
    Java,
}

/// Runs an old tool of either implementation.
pub fn old_name(f: &Folder, by: By, args: &[&str]) -> Said {
    match by {
        By::Us => f.nss_cmc(args),
        By::Java => java(f, args),
    }
}

/// The command that makes a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// PKCS10Client or CRMFPopClient.
    Old(By),
    /// `nss-cmc csr create`.
    Create,
}

pub const MAKERS: [Maker; 3] = [Maker::Old(By::Java), Maker::Old(By::Us), Maker::Create];

/// The parameters of a request.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// `pkcs10` or `crmf`.
    pub format: &'a str,
    /// `rsa:2048`, `ec:nistp256`…
    pub key: &'a str,
    pub subject: &'a str,
    /// `SUCCESS`, `NONE` or `FAIL`.
    pub pop: &'a str,
    /// The wrapping of the key for `kra.pem`; `None` without archival.
    pub wrap: Option<&'a str>,
    /// Whether to add a subject key identifier.
    pub identifier: bool,
}

impl<'a> Wish<'a> {
    pub fn new(format: &'a str, key: &'a str, subject: &'a str) -> Wish<'a> {
        Wish { format, key, subject, pop: "SUCCESS", wrap: None, identifier: false }
    }

    fn old_args(&self) -> Vec<String> {
        let (kind, size) = self.key.split_once(':').unwrap();
        let crmf = self.format == "crmf";
        let name = if crmf { "CRMFPopClient" } else { "PKCS10Client" };
        let mut args = vec![name, "-d", "db", "-p", PASSWORD, "-o", "x.req", "-n", self.subject];
        args.extend(["-a", kind, if kind == "rsa" { "-l" } else { "-c" }, size]);
        match (crmf, self.identifier) {
            (true, true) => args.push("-y"),
            (false, true) => args.extend(["-y", "true"]),
            (_, false) => {}
        }
        if kind == "ec" {
            args.extend(["-t", "false"]);
        }
        let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        if crmf {
            args.extend(["-q".to_owned(), format!("POP_{}", self.pop)]);
        }
        if let Some(wrap) = self.wrap {
            args.extend(["-b", "kra.pem", "-w", wrap].map(str::to_owned));
        }
        args
    }

    fn create_args(&self) -> Vec<String> {
        let mut args = vec!["csr", "create", "-d", "db", "--password-file", "pw"];
        args.extend(["--out", "x.req", "--subject", self.subject, "--key-type", self.key]);
        let pop = self.pop.to_lowercase();
        if self.format == "crmf" {
            args.extend(["--crmf", "--pop", &pop]);
        }
        if let Some(wrap) = self.wrap {
            args.extend(["--archive-to", "kra.pem", "--wrap", wrap]);
        }
        args.extend(self.identifier.then_some("--ski"));
        args.into_iter().map(str::to_owned).collect()
    }

    /// Makes the request `x.req`.
    pub fn make(&self, f: &Folder, maker: Maker) -> Said {
        std::fs::remove_file(f.file("x.req")).ok();
        std::fs::copy(client_file("kra_transport.pem"), f.file("kra.pem")).unwrap();
        let args = match maker {
            Maker::Old(_) => self.old_args(),
            Maker::Create => self.create_args(),
        };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        old_name(f, if maker == Maker::Old(By::Java) { By::Java } else { By::Us }, &args)
    }
}

/// Makes a message with `x.req`, signed by the agent, with one implementation, and sends it with
/// another. Returns CMCResponse's output for the response; `chain.p7` gets the certificates.
#[track_caller]
pub fn submit(f: &Folder, build: By, send: By, format: &str, profile: &str) -> Said {
    for name in ["cmc.req", "cmc.resp", "chain.p7"] {
        std::fs::remove_file(f.file(name)).ok();
    }
    let format = format!("format={format}");
    let lines = ["numRequests=1", "input=@DIR@/x.req", "output=@DIR@/cmc.req", &format];
    request_cfg(f, "req.cfg", &[&lines[..], &["nickname=caadmin"]].concat());
    old_name(f, build, &["CMCRequest", "req.cfg"]).exits(0);
    let servlet = format!("{FULL}{profile}");
    http_cfg(f, "http.cfg", &servlet, Some("caadmin"), ("cmc.req", "cmc.resp"));
    old_name(f, send, &["HttpClient", "http.cfg"]).exits(0);
    f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"])
}

/// Returns the CA's decision: one word, or the name of its failInfo.
pub fn verdict(said: &Said) -> String {
    let after = |word: &str| {
        said.out.lines().find_map(|l| l.split_once(word)).map(|(_, rest)| rest.trim().to_owned())
    };
    let verdict = after("failInfo=").or_else(|| after("Status: "));
    verdict.unwrap_or_else(|| panic!("no verdict: {}\n{}", said.out, said.err))
}

/// Returns the public key of the certificate in `chain.p7` whose subject has `part`; writes the
/// certificate to `cert.pem`.
#[track_caller]
pub fn issued_key(f: &Folder, part: &str) -> String {
    let all = tool("openssl", f.path(), &["pkcs7", "-print_certs", "-in", "chain.p7"]);
    let ours = all
        .split("subject=")
        .find(|c| c.lines().next().is_some_and(|l| l.contains(part)))
        .unwrap_or_else(|| panic!("no certificate with {part:?} in {all}"));
    f.write("cert.pem", &ours[ours.find("-----BEGIN").unwrap()..]);
    tool("openssl", f.path(), &["x509", "-noout", "-pubkey", "-in", "cert.pem"])
}

/// Checks that the certified key is in the database: certutil finds it once the certificate is
/// imported under `nickname`.
#[track_caller]
pub fn import(f: &Folder, nickname: &str) {
    f.certutil(&["-A", "-n", nickname, "-t", ",,", "-i", "cert.pem", "-a", "-f", "pw"]);
    let trust = format!("{nickname} u,u,u");
    assert!(f.certificates().contains(&trust), "{:?}", f.certificates());
}
