//! The program's output, word for word: tests/texts has its help, its results in both forms, and
//! typical failures. `SNAPSHOTS=overwrite` rewrites the files; read the difference then.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[path = "common/redact.rs"]
mod redact;

use std::path::Path;
use std::process::Command;

use common::stand_in::{StandIn, ec_folder};
use common::{Folder, Said, run, tool};
use redact::redact;
use snapbox::{Data, IntoData};

/// Compares a text with the stored one.
#[track_caller]
fn kept(name: &str, said: impl Into<String>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts").join(name);
    let said: String = said.into();
    snapbox::assert_data_eq!(said.into_data(), Data::read_from(&file, None).raw());
}

/// Runs the program in a folder, without variables that change its output.
fn program_says(f: &Folder, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("NSS_") || name.to_lowercase().ends_with("_proxy") || name == "COLUMNS"
        {
            command.env_remove(name);
        }
    }
    run(command.current_dir(f.path()).env("NSS_CMC_CONFIG", "/dev/null").args(args))
}

/// Returns a command line with its whole output and exit code.
fn transcript(f: &Folder, args: &[&str]) -> String {
    let said = program_says(f, args);
    let words =
        args.iter().map(|a| if a.contains(' ') { format!("'{a}'") } else { (*a).to_owned() });
    let mut text = format!("$ nss-cmc {}\n", words.collect::<Vec<_>>().join(" "));
    let out = if said.out.starts_with("{\"") { laid_out(&said.out) } else { said.out };
    for (title, part) in [("stdout", out), ("stderr", said.err)] {
        if !part.is_empty() {
            let end = if part.ends_with('\n') { "" } else { "\n(no line feed)\n" };
            text += &format!("--- {title}\n{part}{end}");
        }
    }
    text += &format!("--- exit {}\n", said.code);
    redact(&text, f.path())
}

/// Returns JSON in lines, its members in the same order.
fn laid_out(json: &str) -> String {
    let (mut out, mut indent, mut quoted, mut escaped) = (String::new(), 0, false, false);
    let mut characters = json.trim_end().chars().peekable();
    while let Some(c) = characters.next() {
        let (opens, closes) = ("{[".contains(c), "}]".contains(c));
        let empty = characters.peek().is_some_and(|next| opens && "}]".contains(*next));
        if quoted || empty || !(opens || closes || ",:".contains(c)) {
            out.push(c);
            if empty && !quoted {
                out.extend(characters.next());
            }
            quoted ^= c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        indent = indent + usize::from(opens) - usize::from(closes);
        let line = format!("\n{:1$}", "", 2 * indent);
        match c {
            ':' => out += ": ",
            _ if closes => out += &format!("{line}{c}"),
            _ => out += &format!("{c}{line}"),
        }
    }
    out + "\n"
}

/// Runs a command in both forms, and compares each with its own file.
#[track_caller]
fn both(f: &Folder, name: &str, args: &[&str]) {
    text(f, name, args);
    json(f, name, args);
}

#[track_caller]
fn text(f: &Folder, name: &str, args: &[&str]) {
    kept(&format!("{name}.txt"), transcript(f, args));
}

#[track_caller]
fn json(f: &Folder, name: &str, args: &[&str]) {
    let args = [args, &["--output", "json"]].concat();
    kept(&format!("{name}.json.txt"), transcript(f, &args));
}

const DATABASE: [&str; 4] = ["-d", "db", "--password-file", "pw"];

/// Returns the arguments to enroll a server certificate by the agent.
fn enrollment<'a>(url: &'a str, profile: &'a str, nickname: &'a str) -> Vec<&'a str> {
    let what = ["--subject", "CN=www.example.com,O=EXAMPLE", "--nickname", nickname];
    let how = ["--ca", url, "--profile", profile, "--signer", "agent", "--key-type", "ec:nistp256"];
    [&["enroll"], &DATABASE[..], &how, &what].concat()
}

fn start() -> (Folder, StandIn) {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    (f, ca)
}

#[test]
fn help() {
    let f = Folder::bare();
    for verb in [
        "",
        "enroll",
        "bulk",
        "renew",
        "doctor",
        "cert",
        "cert import",
        "cert verify",
        "cert list",
        "cert show",
        "cert export",
        "cert trust",
        "cert remove",
        "certmonger",
        "certmonger install",
        "cmc",
        "cmc show",
        "cmc build",
        "cmc send",
        "cmc accept",
        "csr",
        "csr create",
        "pkcs12",
        "pkcs12 import",
        "pkcs12 export",
        "pkcs12 show",
        "db",
        "config",
        "config show",
        "schema",
        "version",
        "db create",
        "db show",
        "db password",
        "key",
        "key list",
        "key remove",
        "key rename",
        "revoke",
        "status",
        "ca",
        "ca find",
        "ca show",
        "ca chain",
        "ca transport",
        "shared-token",
        "token",
        "token list",
        "token check",
        "help",
        "CMCRequest",
        "CMCResponse",
        "CMCRevoke",
        "CMCSharedToken",
        "CRMFPopClient",
        "HttpClient",
        "PKCS10Client",
        "PKICertImport",
        "pki",
        "pki pkcs12-import",
        "pki ca-cert-find",
        "pki ca-cert-show",
    ] {
        let words: Vec<&str> = verb.split_whitespace().chain(["--help"]).collect();
        let name = if verb.is_empty() { "nss-cmc".to_owned() } else { verb.replace(' ', "-") };
        text(&f, &format!("help/{name}"), &words);
    }
    both(&f, "help/exit-codes", &["help", "exit-codes"]);
}

#[test]
fn doctor() {
    let (f, ca) = start();
    let enrollment = |profile: &'static str, nickname: &'static str| {
        let mut args = enrollment(&ca.url, profile, nickname);
        args[0] = "doctor";
        args
    };
    both(&f, "doctor/ready", &enrollment("caCMCECserverCert", "www"));
    f.write_secret("wrong", "wrong\n");
    let mut args = enrollment("caCMCserverCert", "www");
    let at = args.iter().position(|a| *a == "pw").unwrap();
    args[at] = "wrong";
    both(&f, "doctor/problems", &args);
}

#[test]
fn pkcs12() {
    let f = Folder::new();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pkcs12/lab.p12");
    std::fs::copy(kept, f.file("lab.p12")).unwrap();
    f.write_secret("p12pw", "lab-password\n");
    f.write_secret("wrong", "wrong\n");
    let password = ["--pkcs12-password-file", "p12pw"];
    both(&f, "pkcs12/show", &[&["pkcs12", "show", "lab.p12"], &password[..]].concat());
    let import = [&["pkcs12", "import", "lab.p12"], &DATABASE[..]].concat();
    let mistaken = [&import[..], &["--pkcs12-password-file", "wrong"]].concat();
    both(&f, "pkcs12/wrong-password", &mistaken);
    let all = "00:".repeat(32);
    let pinned = ["--trust-ca", "--ca-fingerprint", all.trim_end_matches(':')];
    text(&f, "pkcs12/other-ca", &[&import[..], &password, &pinned].concat());
    both(&f, "pkcs12/imported", &[&import[..], &password, &["--trust-ca"]].concat());
    text(&f, "pkcs12/unchanged", &[&import[..], &password].concat());
    let renamed = [&import[..], &password, &["--nickname", "other"]].concat();
    text(&f, "pkcs12/other-nickname", &renamed);
    let export = [&["pkcs12", "export", "out.p12", "caadmin"], &DATABASE[..], &password].concat();
    both(&f, "pkcs12/exported", &[&export[..], &["--overwrite"]].concat());
    text(&f, "pkcs12/exists", &export);
}

#[test]
fn enroll() {
    let (f, ca) = start();
    let profile = "caCMCECserverCert";
    let args = enrollment(&ca.url, profile, "www");
    text(&f, "enroll/issued", &args);
    both(&f, "enroll/there-already", &args);
    json(&f, "enroll/issued", &enrollment(&ca.url, profile, "first"));
    let check = |name: &str, more: &[&str]| {
        both(&f, name, &[&args[..], &["--check", "--detailed-exitcode", "--diff"], more].concat());
    };
    check("enroll/check-unchanged", &[]);
    check("enroll/check-trust", &["--trust", "u,u,Pu"]);
    check("enroll/check-renewal", &["--force"]);
    check("enroll/check-another-usage", &["--usage", "client"]);
    let renew = ["--force", "--diff", "--remove-old", "cert-and-key", "--trust", "u,u,Pu"];
    both(&f, "enroll/renewed", &[&args[..], &renew].concat());
    both(&f, "enroll/renewed-with-its-key", &[&args[..], &["--force", "--reuse-key"]].concat());
    let held_back = enrollment(&ca.url, "standin-pending-9", "held");
    text(&f, "enroll/held-back", &held_back);
    both(&f, "enroll/still-held-back", &held_back);
    let pending = enrollment(&ca.url, "standin-pending", "later");
    text(&f, "enroll/pending", &pending);
    both(&f, "enroll/there-by-the-next-run", &pending);
    json(&f, "enroll/pending", &enrollment(&ca.url, "standin-pending", "another"));
    let chain = enrollment(&ca.url, profile, "chain");
    text(&f, "enroll/with-its-chain", &[&chain[..], &["--chain-out", "chain.pem"]].concat());
}

#[test]
fn renew() {
    let (f, ca) = start();
    let at = ["--ca", &ca.url, "--profile", "caECFullCMCUserSignedCert"];
    let renew = [&["renew"], &DATABASE[..], &at].concat();
    let agent = |more: &[&'static str]| [&renew[..], &["agent"], more].concat();
    both(&f, "renew/not-due", &agent(&[]));
    let due = ["--renew-before", "9999d"];
    both(&f, "renew/check", &agent(&[&due[..], &["--check", "--detailed-exitcode"]].concat()));
    f.certutil(&["-M", "-n", "agent", "-t", "u,u,Pu", "-f", "pw"]);
    text(&f, "renew/renewed", &agent(&[&due[..], &["--exec", "true"]].concat()));
    json(&f, "renew/renewed", &agent(&due));
    both(&f, "renew/command-failed", &agent(&[&due[..], &["--exec", "false"]].concat()));
    text(&f, "renew/finished", &agent(&["--exec", "true"]));
    both(&f, "renew/no-such-nickname", &[&renew[..], &["agent", "agnet"]].concat());
    text(&f, "renew/all-of-the-database", &[&renew[..], &due].concat());
    text(&f, "renew/no-section", &["renew"]);
}

#[test]
fn ca_and_status() {
    let (f, ca) = start();
    let at = ["--ca", &ca.url];
    let say = |verb: &'static [&'static str], more: &[&str]| -> Vec<String> {
        let all = [verb, &DATABASE[..], &at, more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let shown = |name: &str, args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        both(&f, name, &args);
    };
    shown("ca/find", say(&["ca", "find"], &["--limit", "2"]));
    shown("ca/show", say(&["ca", "show", "2"], &[]));
    shown("ca/not-there", say(&["ca", "show", "0x7777"], &[]));
    shown("ca/chain", say(&["ca", "chain"], &["--out", "chain.pem"]));
    shown("ca/no-kra", say(&["ca", "transport"], &[]));
    shown("status/valid", say(&["status", "agent"], &[]));
    shown("status/due", say(&["status", "agent"], &["--due", "9999d"]));
    shown("status/all", say(&["status"], &[]));
    let wrong = "00".repeat(32);
    shown("ca/wrong-fingerprint", say(&["ca", "chain"], &["--fingerprint", &wrong]));
    f.certutil(&["-D", "-n", "ca_signing"]);
    shown("ca/not-trusted-yet", say(&["ca", "chain"], &[]));
}

#[test]
fn cert() {
    let (f, _ca) = start();
    let import = [&["cert", "import", "ca.pem", "--nickname", "CA"], &DATABASE[..]].concat();
    let agent = [&["cert", "verify", "agent"], &DATABASE[..]].concat();
    f.certutil(&["-L", "-n", "ca_signing", "-a", "-o", "ca.pem"]);
    f.certutil(&["-L", "-n", "agent", "-a", "-o", "agent.pem"]);
    f.certutil(&["-D", "-n", "ca_signing", "-f", "pw"]);
    let trusted = [&import[..], &["--trust", "CT,C,C"]].concat();
    text(&f, "cert/import-without-trust", &import);
    both(&f, "cert/verify-refused", &[&agent[..], &["--usage", "client"]].concat());
    let agent_again = ["cert", "import", "agent.pem", "--nickname", "agent", "--usage", "client"];
    both(&f, "cert/import-refused", &[&agent_again[..], &DATABASE].concat());
    text(&f, "cert/imported", &trusted);
    both(&f, "cert/imported-already", &trusted);
    let other = [&["cert", "import", "ca.pem", "--nickname", "other"], &DATABASE[..]].concat();
    text(&f, "cert/import-under-another-nickname", &[&other[..], &["--trust", ",,"]].concat());
    both(&f, "cert/verified", &[&agent[..], &["--usage", "client"]].concat());
    let old = ["-i", "agent.pem", "-n", "agent", "-t", ",,", "-f", "pw"];
    let old = [&["PKICertImport", "-d", "db"], &old[..]].concat();
    text(&f, "cert/pki-cert-import-refused", &[&old[..], &["-u", "V"]].concat());
}

#[test]
fn csr_create() {
    let f = Folder::new();
    let create = [&["csr", "create"], &DATABASE[..], &["--key-type", "ec:nistp256"]].concat();
    let named = [&create[..], &["--subject", "CN=www.example.com,O=EXAMPLE"]].concat();
    both(&f, "csr/pkcs10", &[&named[..], &["--dns", "www.example.com"]].concat());
    both(&f, "csr/crmf-in-a-file", &[&named[..], &["--crmf", "--out", "r.csr"]].concat());
}

#[test]
fn database() {
    let f = Folder::bare();
    f.write_secret("pw", "Secret.123\n");
    text(&f, "db/created", &["db", "create", "-d", "new", "--password-file", "pw"]);
    both(&f, "db/exists", &["db", "create", "-d", "new", "--no-password"]);
    let f = ec_folder();
    let on_db = |words: &[&'static str]| [words, &DATABASE].concat();
    text(&f, "db/password-unchanged", &on_db(&["db", "password", "--new-password-file", "gone"]));
    let same = on_db(&["db", "password", "--new-password-file", "pw"]);
    both(&f, "db/password-changed", &same);
    text(&f, "db/shown", &on_db(&["db", "show"]));
    text(&f, "db/shown-without-password", &["db", "show", "-d", "db"]);
    text(&f, "db/no-such-key", &on_db(&["key", "remove", "gone", "--yes"]));
    let trust = on_db(&["cert", "trust", "agent", "--flags", "u,u,Pu"]);
    text(&f, "db/trusted", &trust);
    json(&f, "db/trusted-already", &trust);
    text(&f, "db/not-confirmed", &on_db(&["cert", "remove", "agent"]));
    text(&f, "db/no-such-certificate", &on_db(&["cert", "show", "agnet"]));
}

#[test]
fn cmc() {
    let (f, ca) = start();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for (name, file) in [
        ("request", "05a-shared-secret-p10/request.der"),
        ("response", "01-rsa-server/response.der"),
        ("refusal", "08a-wrong-agent/response.der"),
        ("challenge", "06a-encrypted-pop-1/response.der"),
        ("pkcs10", "01-rsa-server/p10.req"),
        ("crmf", "02-crmf-user/crmf.req"),
        ("certificate", "extensions/certificate.der"),
    ] {
        std::fs::copy(vectors.join(file), f.file("message")).unwrap();
        both(&f, &format!("cmc/show-{name}"), &["cmc", "show", "message"]);
    }
    let anchor = vectors.join("ca_signing.pem");
    let anchor = ["-n", "lab", "-t", "CT,C,C", "-a", "-f", "pw", "-i", anchor.to_str().unwrap()];
    f.certutil(&[&["-A"], &anchor[..]].concat());
    std::fs::copy(vectors.join("01-rsa-server/response.der"), f.file("message")).unwrap();
    both(&f, "cmc/show-verified", &["cmc", "show", "message", "-d", "db", "--verify"]);

    let key = ["--key-type", "ec:nistp256", "--subject", "CN=sent", "--out", "r.csr"];
    program_says(&f, &[&["csr", "create"], &DATABASE[..], &key].concat()).exits(0);
    f.write("r.cfg", "dbdir=db\npasswordFile=pw\nnickname=agent\ninput=r.csr\noutput=cmc.req\n");
    program_says(&f, &["CMCRequest", "r.cfg"]).exits(0);
    let to = ["--ca", &ca.url, "--profile", "caCMCECserverCert", "--signer", "agent"];
    both(
        &f,
        "cmc/send",
        &[&["cmc", "send", "cmc.req", "--out", "resp"], &DATABASE[..], &to].concat(),
    );
}

#[test]
fn revoke() {
    let (f, ca) = start();
    let www = enrollment(&ca.url, "caCMCECserverCert", "www");
    program_says(&f, &www).exits(0);
    let common = [&["revoke", "--ca", &ca.url, "--signer", "agent"], &DATABASE[..]].concat();
    let www = [&common[..], &["--nickname", "www"]].concat();
    let hold = [&www[..], &["--reason", "certificateHold"]].concat();
    let release = [&www[..], &["--release"]].concat();
    let revoke = [&www[..], &["--reason", "superseded"]].concat();
    text(&f, "revoke/held", &hold);
    both(&f, "revoke/held-already", &hold);
    text(&f, "revoke/released", &release);
    json(&f, "revoke/held", &hold);
    json(&f, "revoke/released", &release);
    text(&f, "revoke/revoked", &revoke);
    both(&f, "revoke/revoked-already", &revoke);
    text(&f, "revoke/release-of-a-revoked-one", &release);
    let unknown = [&common[..], &["--serial", "0x7fffffff"]].concat();
    text(&f, "revoke/no-such-serial", &unknown);
    let reason = [&www[..], &["--reason", "boredom"]].concat();
    text(&f, "revoke/no-such-reason", &reason);
    let nobody = [&common[..], &["--nickname", "nobody"]].concat();
    both(&f, "revoke/no-such-nickname", &nobody);
}

#[test]
fn shared_token() {
    let f = Folder::bare();
    f.write_secret("secret", "words\n");
    let make = ["req", "-x509", "-nodes", "-subj", "/CN=protection", "-out", "cert.pem"];
    let key = ["-newkey", "rsa:2048", "-keyout", "key.pem", "-addext", "keyUsage=keyEncipherment"];
    tool("openssl", f.path(), &[&make[..], &key].concat());
    let args = ["shared-token", "--cert", "cert.pem", "--shared-secret-file", "secret"];
    both(&f, "shared-token/made", &args);
    let entry = ["--uid", "alice", "--base", "ou=people,dc=example,dc=com"];
    text(&f, "shared-token/ldif", &[&args[..], &entry].concat());
    let gone = ["shared-token", "--cert", "gone.pem", "--shared-secret-file", "secret"];
    text(&f, "shared-token/no-such-file", &gone);
}

#[test]
fn failures_before_the_ca_is_asked() {
    let (f, ca) = start();
    let profile = "caCMCECserverCert";
    let args = enrollment(&ca.url, profile, "www");
    let with = |from: &str, to: &'static [&'static str]| {
        let at = args.iter().position(|a| *a == from).unwrap();
        [&args[..at], to, &args[at + 2..]].concat()
    };
    f.write_secret("wrong", "not it\n");
    f.write("page", "<html><body>404 Not Found</body></html>");
    for (name, args) in [
        ("nothing-given", vec!["enroll"]),
        ("unknown-option", vec!["enroll", "--nick", "www"]),
        ("no-password", with("--password-file", &[])),
        ("wrong-password", with("--password-file", &["--password-file", "wrong"])),
        ("no-such-password-file", with("--password-file", &["--password-file", "gone"])),
        ("no-such-database", with("-d", &["-d", "gone"])),
        ("no-such-token", [&args[..], &["--token", "HSM"]].concat()),
        ("no-such-signer", with("--signer", &["--signer", "agnet"])),
        ("signer-without-key", with("--signer", &["--signer", "ca_signing"])),
        ("no-such-csr", with("--subject", &["--csr", "gone.csr"])),
        ("csr-is-a-page", with("--subject", &["--csr", "page"])),
        ("wrong-subject", with("--subject", &["--subject", "www.example.com"])),
        ("unknown-key-type", with("--key-type", &["--key-type", "dsa:1024"])),
        ("place-cannot-be-written", [&args[..], &["--chain-out", "no/such/chain.pem"]].concat()),
        ("plain-http", with("--ca", &["--ca", "http://localhost:8080"])),
    ] {
        text(&f, &format!("failures/{name}"), &args);
    }
    json(&f, "failures/wrong-password", &with("--password-file", &["--password-file", "wrong"]));
    json(&f, "failures/no-such-signer", &with("--signer", &["--signer", "agnet"]));
    f.write("garbage", "no message");
    for (name, file) in [("no-such-message", "gone"), ("no-message", "garbage")] {
        text(&f, &format!("failures/{name}"), &["cmc", "show", file]);
    }
}

#[test]
fn failures_at_the_ca() {
    let (f, ca) = start();
    let profile = "caCMCECserverCert";
    for (name, profile) in [
        ("no-such-profile", "noSuchProfile"),
        ("key-of-another-type", "caCMCserverCert"),
        ("refused", "standin-fail-7"),
        ("partial", "standin-status-7"),
        ("page-instead-of-a-message", "standin-html"),
        ("server-error", "standin-http500"),
        ("not-found", "standin-404"),
        ("wrong-signature", "standin-wrong-signature"),
        ("wrong-nonce", "standin-wrong-nonce"),
        ("unsigned", "standin-unsigned"),
        ("certificate-for-another-key", "standin-other-key"),
        ("forged-certificate", "standin-forged"),
    ] {
        text(&f, &format!("failures/{name}"), &enrollment(&ca.url, profile, name));
    }
    // With the same nickname, the next run would fetch the certificate that the CA did issue.
    json(&f, "failures/refused", &enrollment(&ca.url, "standin-fail-7", "another"));
    json(&f, "failures/wrong-nonce", &enrollment(&ca.url, "standin-wrong-nonce", "one-more"));
    {
        let options = ["--server-key-type", "ec", "--server-name", "ca.example.com"];
        let other = StandIn::start(&f, &options);
        text(&f, "failures/wrongly-named-server", &enrollment(&other.url, profile, "a"));
    }
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let closed = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    text(&f, "failures/nobody-listens", &enrollment(&closed, profile, "b"));
    let nowhere = enrollment("https://nowhere.invalid", profile, "c");
    text(&f, "failures/no-such-host", &nowhere);

    let www = enrollment(&ca.url, profile, "www");
    program_says(&f, &www).exits(0);
    let mut other = www.clone();
    let at = other.iter().position(|a| a.starts_with("CN=")).unwrap();
    other[at] = "CN=other,O=EXAMPLE";
    both(&f, "failures/nickname-of-another-subject", &other);
    other[at] = www[at];
    other.extend(["--dns", "other.example.com"]);
    both(&f, "failures/certificate-there-differs", &other);

    f.certutil(&["-M", "-n", "ca_signing", "-t", ",,", "-f", "pw"]);
    let untrusted = enrollment(&ca.url, profile, "d");
    both(&f, "failures/untrusted-server", &untrusted);
}
