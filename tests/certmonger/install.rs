//! `nss-cmc certmonger install`: what it checks without a network, and the command it makes.

use super::common::{run, tool};
use super::{Place, StandIn};

const CA: &str = "https://127.0.0.1:9";

fn options<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let common = ["certmonger", "install", "--name", "dogtag-cmc", "--print", "--ca", CA];
    [&common[..], more].concat()
}

#[test]
fn the_command_is_complete() {
    let place = Place::start(&[]);
    let f = &place.f;
    f.certutil(&["--rename", "-n", "agent", "--new-n", "PKI Admin's \"x\"", "-f", "pw"]);
    let before = f.state();
    let args = ["-d", "db", "--password-file", "pw", "--signer", "PKI Admin's \"x\""];
    let args = options(&[&args[..], &["--profile", "caCMCserverCert", "--proxy", ""]].concat());
    let out = f.nss_cmc(&args).exits(0).out;
    // A shell splits it as certmonger does; the helper's own words are one of its words.
    let split = |line: &str| {
        let script = format!("set -- {line}; printf '%s\\n' \"$@\"");
        let out = tool("sh", f.path(), &["-c", &script]);
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let words = split(out.trim_end());
    assert_eq!(words[..5], ["getcert", "add-ca", "-c", "dogtag-cmc", "-e"]);
    assert_eq!(words.len(), 6, "{words:?}");
    let helper = split(&words[5]);
    assert_eq!(helper[..2], [env!("CARGO_BIN_EXE_nss-cmc"), "certmonger"]);
    let dir = f.path().display();
    for word in [
        format!("--database={dir}/db"),
        format!("--password-file={dir}/pw"),
        format!("--ca={CA}"),
        "--profile=caCMCserverCert".into(),
        "--signer=PKI Admin's \"x\"".into(),
        "--proxy=".into(),
    ] {
        assert!(helper.contains(&word), "{word}: {helper:?}");
    }
    // What it made is understood: nobody listens there, so the CA is out of reach.
    let mut again = std::process::Command::new(&helper[0]);
    again.current_dir("/").args(&helper[1..]).env("CERTMONGER_CSR", &place.csr);
    run(&mut again).exits(3);
    assert_eq!(f.state(), before);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let place = Place::start(&[]);
    let f = &place.f;
    f.write_secret("wrong", "not the password\n");
    for (more, code, word) in [
        (&["-d", "db", "--password-file", "wrong", "--signer", "agent"][..], 11, "password"),
        (&["-d", "db", "--password-file", "none", "--signer", "agent"], 2, "none"),
        (&["-d", "none", "--password-file", "pw", "--signer", "agent"], 10, "none"),
        (&["-d", "db", "--password-file", "pw", "--signer", "nobody"], 12, "nobody"),
        (&["-d", "db", "--password-file", "-", "--signer", "agent"], 2, "standard input"),
        (&["-d", "db", "--password-env", "PIN", "--signer", "agent"], 2, "--password-file"),
        (&["-d", "db", "--password-fd", "3", "--signer", "agent"], 2, "--password-file"),
        (&["-d", "db", "--signer", "agent"], 2, "--password-file"),
        (&["-d", "db", "--password-file", "pw"], 2, "--signer"),
        (&["-d", "db", "--password-file", "pw", "--identification", "alice"], 2, "shared secret"),
        (&["-d", "db", "--password-file", "pw", "--signer", "a\nb"], 2, "control character"),
    ] {
        let said = f.nss_cmc(&options(more)).exits(code);
        assert_eq!(said.out, "");
        assert!(said.err.contains(word), "{word:?}: {}", said.err);
    }
    let name = ["certmonger", "install", "--name", "-x", "-d", "db", "--ca", CA];
    f.nss_cmc(&[&name[..], &["--signer", "agent", "--password-file", "pw"]].concat()).exits(2);
    // Without certmonger there is nothing to add it to.
    let args =
        ["certmonger", "install", "--name", "x", "--ca", CA, "-d", "db", "--signer", "agent"];
    let mut alone = std::process::Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    alone.current_dir(f.path()).args(args).args(["--password-file", "pw"]).env("PATH", "/none");
    let said = run(&mut alone).exits(12);
    assert!(said.err.contains("cannot run getcert"), "{}", said.err);
}

/// The CA file of contrib: its options are those of the helper.
#[test]
fn the_ready_file_has_valid_options() {
    let place = Place::start(&[]);
    let text = include_str!("../../contrib/certmonger/dogtag-cmc");
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name}")).to_owned()
    };
    assert_eq!((field("id"), field("ca_type")), ("dogtag-cmc".into(), "EXTERNAL".into()));
    let StandIn { url, .. } = &place.ca;
    let line = field("ca_external_helper")
        .replace("/usr/bin/nss-cmc", env!("CARGO_BIN_EXE_nss-cmc"))
        .replace("/etc/pki/nss-cmc/pin.txt", place.f.file("pw").to_str().unwrap())
        .replace("/etc/pki/nss-cmc", place.f.file("db").to_str().unwrap())
        .replace("https://ca.example.com:8443", url);
    let mut words = line.split(' ');
    let mut command = std::process::Command::new(words.next().unwrap());
    let said = run(command.args(words).env("CERTMONGER_CSR", &place.csr)).exits(0);
    super::certified(&place.f, &said, &place.csr);
}
