//! `nss-cmc.ini`, the environment and `--request`: which value counts, what is refused, and where
//! secrets do not go.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use common::stand_in::{StandIn, ec_folder};
use common::{Folder, PASSWORD, Said, run};
use nss_cmc::error::Kind;
use serde_json::{Value, json};

/// Returns the program in a folder, where `config/nss-cmc.ini` is the user's file.
fn program(f: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nss-cmc"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NSS_CMC_") {
            command.env_remove(name);
        }
    }
    command.current_dir(f.path()).env("XDG_CONFIG_HOME", f.file("config")).args(args);
    command
}

fn says(f: &Folder, args: &[&str]) -> Said {
    run(&mut program(f, args))
}

/// Runs a command with a text on its standard input.
fn fed(mut command: Command, input: &str) -> Said {
    let (out, err) = (Stdio::piped(), Stdio::piped());
    let mut child = command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn().unwrap();
    // A program that refuses its arguments doesn't read.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn configure(f: &Folder, text: &str) {
    std::fs::create_dir_all(f.file("config")).unwrap();
    let folder = f.path().to_str().unwrap();
    f.write_secret("config/nss-cmc.ini", text.replace("DIR", folder));
}

/// Exit code of [`Kind::Usage`].
const USAGE: i32 = 2;

/// Returns the settings of `config show`, as `key=value source`.
fn settings(said: &Said) -> Vec<String> {
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let list = said.json()["result"]["settings"].as_array().unwrap().clone();
    let line = |v: &Value| {
        format!("{}={} {} {}", text(v, "key"), text(v, "value"), text(v, "source"), v["line"])
    };
    list.iter().map(line).collect()
}

#[test]
fn each_layer_counts_more_than_the_next() {
    let f = Folder::bare();
    configure(
        &f,
        "[defaults]\nca = lab\ntimeout = 10\ndatabase = /one\nproxy = http://p\n\
         [lab]\nurl = https://ca:8443\ntimeout = 20\nsigner = agent\nprofile = p\n\
         [other]\nurl = https://other\n",
    );
    let show = ["config", "show", "--output", "json"];
    let said = run(program(&f, &show).env("NSS_CMC_SIGNER", "me").env("NSS_CMC_PROXY", ""));
    let found = settings(&said.exits(0));
    for want in [
        "ca=lab file 2",
        "timeout=20 file 8",
        "database=/one file 4",
        "proxy=http://p file 5",
        "signer=me environment null",
        "profile=p file 10",
        "connect-timeout=30 built_in null",
        "token=internal built_in null",
        "key-type=rsa:2048 built_in null",
    ] {
        assert!(found.iter().any(|line| line == want), "{want}: {found:#?}");
    }
    let other = [&show[..], &["--ca", "other"]].concat();
    let said = run(program(&f, &other).env("NSS_CMC_CA", "lab")).exits(0);
    let found = settings(&said);
    assert!(found.contains(&"timeout=10 file 3".to_owned()), "{found:#?}");
    assert!(found.contains(&"ca=other command_line null".to_owned()), "{found:#?}");
    assert_eq!(said.json()["result"]["url"], "https://other");

    // One file instead of the usual ones, or none.
    f.write_secret("one.ini", "[defaults]\ntimeout = 77\n");
    for (args, variable, want) in [
        (vec!["--config", "one.ini"], "", "timeout=77 file 2"),
        (vec![], "one.ini", "timeout=77 file 2"),
        (vec!["--no-config"], "one.ini", "timeout=120 built_in null"),
        (vec!["--config", "/dev/null"], "one.ini", "timeout=120 built_in null"),
    ] {
        let args = [&show[..], &args].concat();
        let found = settings(&run(program(&f, &args).env("NSS_CMC_CONFIG", variable)).exits(0));
        assert!(found.contains(&want.to_owned()), "{args:?}: {found:#?}");
        assert!(!found.iter().any(|line| line.starts_with("ca=")), "{found:#?}");
    }
    let gone = says(&f, &[&show[..], &["--config", "gone.ini"]].concat()).exits(USAGE);
    assert!(gone.out.contains("cannot read configuration file gone.ini"), "{}", gone.out);
}

#[test]
fn a_section_has_what_its_ca_needs() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let text = format!(
        "[defaults]\ndatabase = DIR/db\npassword-file = DIR/pw\nkey-type = ec:nistp256\n\
         [lab]\nurl = {}\nprofile = caCMCECserverCert\nsigner = agent\n",
        ca.url
    );
    configure(&f, &text);
    let www = ["enroll", "--subject", "CN=www.example.com,O=EXAMPLE", "--nickname", "www"];
    let said = says(&f, &[&www[..], &["--ca", "lab", "--output", "json"]].concat()).exits(0);
    assert_eq!(said.json()["status"], "issued");
    assert!(f.certutil(&["-L"]).contains("www"));
    // The profile is for enrollments; the signer is the agent for a revocation, too.
    let revoke = ["revoke", "--nickname", "www", "--reason", "superseded", "--output", "json"];
    let said = run(program(&f, &revoke).env("NSS_CMC_CA", "lab")).exits(0);
    assert_eq!(said.json()["result"]["by"], "agent");
    assert_eq!(said.json()["result"]["profile"], "caFullCMCUserCert");
    let found = says(&f, &["ca", "find", "--ca=lab", "--limit", "1"]).exits(0);
    assert_eq!(found.out.lines().count(), 1);
    // A nickname that looks like the name of the CA stays what it is.
    let said = says(&f, &["status", "lab", "--ca", "lab"]);
    assert_eq!(said.code, i32::from(Kind::NotFound.exit()), "{}", said.err);
}

#[test]
fn a_setting_yields_to_an_option_that_excludes_it() {
    let f = Folder::new();
    configure(
        &f,
        "[defaults]\npassword-file = DIR/gone\n[lab]\nurl = https://localhost:1\nprofile = p\n\
         signer = agent\nsigner-db = DIR/gone\npop-link = true\noaep = true\n",
    );
    f.write_secret("secret", "words\n");
    let enroll = ["enroll", "-d", "db", "--ca", "lab", "--subject", "CN=a", "--nickname", "a"];
    let alice = ["--identification", "alice", "--shared-secret-file", "secret"];
    // password-file yields to --password-env, signer and signer-db to --identification.
    let args = [&enroll[..], &alice, &["--password-env", "PW"]].concat();
    let said = run(program(&f, &args).env("PW", PASSWORD));
    assert_eq!(said.code, i32::from(Kind::Unreachable.exit()), "{}", said.err);
    // Without --identification, the signer counts, and pop-link has no meaning.
    let said = says(&f, &enroll);
    assert!(said.err.contains("/gone"), "{}", said.err);
    let revoke = ["revoke", "-d", "db", "--ca", "lab", "--nickname", "a", "--password-file", "pw"];
    let said = says(&f, &revoke);
    assert!(said.err.contains("/gone"), "{}", said.err);
    // cmc send has no --signer-db, so that it has no signer.
    f.write("request", "no message");
    let send = ["cmc", "send", "request", "-d", "db", "--ca", "lab", "--password-file", "pw"];
    let said = says(&f, &send);
    assert!(said.code != 0 && !said.err.contains("/gone"), "{}", said.err);
    assert!(!said.err.contains("agent"), "{}", said.err);
    let db = says(&f, &["db", "create", "-d", "new", "--no-password"]).exits(0);
    assert!(db.out.contains("without a password"), "{}", db.out);
    let list = run(program(&f, &["key", "list", "-d", "db", "--password-file", "pw"])
        .env("NSS_CMC_PASSWORD_FILE", "other"));
    list.exits(0);
}

#[test]
fn what_is_wrong_in_a_configuration_is_named() {
    let f = Folder::bare();
    let fails = |text: &str, args: &[&str], wants: &[&str]| {
        configure(&f, text);
        let said = says(&f, args).exits(USAGE);
        for want in wants {
            assert!(said.err.contains(want), "{want}: {}", said.err);
        }
        let json = [args, &["--output", "json"]].concat();
        let said = says(&f, &json).exits(USAGE).json();
        assert_eq!(
            (said["failed"].as_bool(), said["error"]["kind"].as_str()),
            (Some(true), Some("usage"))
        );
    };
    let find = ["ca", "find", "-d", "db", "--ca", "lab"];
    fails(
        "[alpha]\nurl=https://a\n[beta]\nurl=https://b\n",
        &find,
        &["unknown CA \"lab\"", "alpha, beta"],
    );
    fails("[labor]\nurl=https://a\n", &find, &["did you mean labor?"]);
    fails("", &find, &["no configuration file has a section"]);
    fails("[lab]\nsigner = a\n", &find, &["the section [lab]", "has no url"]);
    let place = "config/nss-cmc.ini, line 2";
    fails("[lab]\nsignr = a\n", &find, &[place, "unknown key signr", "did you mean signer"]);
    fails(
        "[lab]\npassword = secret\n",
        &find,
        &[place, "secrets are not allowed", "password-file"],
    );
    fails("[defaults]\nno-ocsp = maybe\n", &["status"], &["expected true or false", "line 2"]);
    let wrong = "[defaults]\ntimeout = soon\n[lab]\nurl = https://a\n";
    let note = "note: --timeout is set by ";
    fails(wrong, &find, &["invalid value 'soon'", note, "nss-cmc.ini, line 2 [defaults]"]);
    // It stops no verb that doesn't need it, nor the old tools.
    configure(&f, "nonsense");
    for args in [["help", "exit-codes"], ["version", "--output=text"], ["schema", "help"]] {
        says(&f, &args).exits(0);
    }
    assert!(!says(&f, &["CMCResponse", "-i", "gone"]).err.contains("nonsense"));
    says(&f, &["cert", "list", "-d", "db", "--no-config"]).exits(i32::from(Kind::Database.exit()));
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let f = Folder::bare();
    configure(&f, "[defaults]\ntimeout = 5\n");
    let mode = |mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(f.file("config/nss-cmc.ini"), mode).unwrap();
    };
    mode(0o666);
    let said = says(&f, &["config", "show"]).exits(USAGE);
    assert!(said.err.contains("all users can write it"), "{}", said.err);
    assert!(said.err.contains("hint: chmod go-w "), "{}", said.err);
    mode(0o664);
    let said = says(&f, &["config", "show"]).exits(0);
    assert!(
        said.err.contains("warning: the group can write the configuration file"),
        "{}",
        said.err
    );
    mode(0o644);
    assert_eq!(says(&f, &["config", "show"]).exits(0).err, "");
}

#[test]
fn a_request_has_all_options_and_its_secrets() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let password = String::from_utf8(f.read("pw")).unwrap().trim_end().to_owned();
    let request = |verb: &[&str], body: Value| {
        let args = [verb, &["--request", "-", "--output", "json"]].concat();
        fed(program(&f, &args), &body.to_string())
    };
    let www = json!({
        "database": "db", "passwords": { "internal": password }, "ca": ca.url,
        "profile": "caCMCECserverCert", "signer": "agent", "key_type": "ec:nistp256",
        "subject": "CN=www.example.com,O=EXAMPLE", "dns": ["www.example.com", "b.example.com"],
        "nickname": "www", "require_names": false, "chain_out": null, "lock_timeout": 30,
    });
    let said = request(&["enroll"], www.clone());
    assert_eq!(said.json()["status"], "issued", "{}", said.err);

    // An option on the command line takes precedence.
    let said = request(&["enroll", "--nickname", "two"], www);
    assert_eq!(said.json()["result"]["nickname"], "two", "{}", said.err);

    // An array, and a switch that is true or false.
    let body = json!({ "database": "db", "password": password, "key_type": "ec:nistp256",
                       "subject": "CN=a", "dns": ["a.example.com", "b.example.com"], "out": "a.csr",
                       "ski": true, "crmf": false });
    request(&["csr", "create"], body).exits(0);
    let text = ["req", "-in", "a.csr", "-noout", "-text"];
    let text = common::tool("openssl", f.path(), &text);
    assert!(text.contains("DNS:a.example.com, DNS:b.example.com"), "{text}");
    assert!(text.contains("X509v3 Subject Key Identifier"), "{text}");

    // Arguments without an option, several secrets, and another verb.
    let body = json!({ "file": "out.p12", "nicknames": ["www", "two"], "database": "db",
                       "password": password, "pkcs12_password": "p\u{e4}ss \"12\"" });
    let said = request(&["pkcs12", "export"], body);
    assert_eq!(said.json()["changed"], true, "{}", said.err);
    f.write_secret("p12", "p\u{e4}ss \"12\"\n");
    let mut openssl = Command::new("openssl");
    let read = ["pkcs12", "-in", "out.p12", "-nokeys", "-passin", "file:p12"];
    let said = run(openssl.current_dir(f.path()).args(read)).exits(0);
    assert!(said.out.contains("www.example.com"), "{}", said.out);

    let body = json!({ "database": "new", "password": "one" });
    request(&["db", "create"], body).exits(0);
    let body = json!({ "database": "new", "password": "one", "new_password": "two" });
    request(&["db", "password"], body).exits(0);
    f.write_secret("two", "two\n");
    let said = run(Command::new("certutil")
        .current_dir(f.path())
        .args(["-K", "-X", "-d", "sql:new", "-f", "two"]));
    assert!(said.err.contains("no keys found") || said.out.contains("no keys found"), "{said:?}");
}

#[test]
fn a_request_is_checked_and_its_values_are_in_no_message() {
    let f = Folder::new();
    let fails = |verb: &[&str], body: &str, want: &str| {
        f.write("request", body);
        for more in [&[][..], &["--output", "json"]] {
            let said = says(&f, &[verb, &["--request", "request"], more].concat());
            assert_eq!(said.code, USAGE, "{body}: {}{}", said.out, said.err);
            let text = format!("{}{}", said.out, said.err).replace("\\\"", "\"");
            assert!(text.contains(want), "{want}: {text}");
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    };
    let list = ["cert", "list"];
    fails(&list, r#"{"databas": "s3cr3t"}"#, "unknown key \"databas\"; did you mean database?");
    fails(&list, r#"{"database": "db", "pasword": "s3cr3t"}"#, "did you mean password?");
    fails(
        &list,
        r#"{"database": "db", "pkcs12_password": "s3cr3t"}"#,
        "unknown key pkcs12_password",
    );
    fails(&list, r#"{"request": "s3cr3t"}"#, "unknown key \"request\"");
    fails(&list, r#"{"database": ["s3cr3t"]}"#, "key database: expected a string, found an array");
    fails(
        &list,
        r#"{"database": "db", "password": ["s3cr3t"]}"#,
        "key password: expected a string",
    );
    fails(&list, r#"{"passwords": {"a": {"b": "s3cr3t"}}}"#, "token \"a\": expected a string");
    fails(&list, r#"{"password": "s3cr3t", "password_file": "pw"}"#, "cannot be used with");
    fails(
        &list,
        "{\"password\": \"s3cr3t\",\n \"password\": \"s3cr3t\"}",
        "\"password\" is given twice",
    );
    fails(&list, "{\n\"password\": \"s3cr3t\" \"}", "line 2: ");
    fails(&list, r#"["s3cr3t"]"#, "expected a JSON object, found an array");
    fails(&list, r#"{"database": "db"} {"password": "s3cr3t"}"#, "something follows");
    fails(&["csr", "create"], r#"{"dns": "s3cr3t"}"#, "key dns: expected an array of strings");
    fails(&["csr", "create"], r#"{"ski": "s3cr3t"}"#, "key ski: expected true or false");
    fails(
        &["csr", "create"],
        r#"{"sensitive": "s3cr3t"}"#,
        "key sensitive: expected true or false",
    );
    // clap's own checks: conflicts, and what is missing.
    let both = r#"{"database": "db", "subject": "CN=a", "key": "k", "key_type": "ec:nistp256"}"#;
    fails(&["csr", "create"], both, "cannot be used with");
    fails(&["csr", "create"], r#"{"database": "db"}"#, "--subject");
    fails(&["cert", "show"], r#"{"database": "db"}"#, "NICKNAME");
    // Standard input has one reader.
    let body = r#"{"database": "db", "password_file": "-"}"#;
    let said = fed(program(&f, &["cert", "list", "--request", "-"]), body).exits(USAGE);
    assert!(said.err.contains("--password-file cannot read standard input"), "{}", said.err);
    let said = fed(program(&f, &["cmc", "show", "-", "--request", "-"]), "{}").exits(USAGE);
    assert!(said.err.contains("file cannot read standard input"), "{}", said.err);
    // A wrong password is a failed login, and isn't in its message either.
    f.write("request", r#"{"database": "db", "password": "s3cr3t"}"#);
    let said = says(&f, &["key", "list", "--request", "request"]);
    assert_eq!(said.code, i32::from(Kind::Login.exit()), "{}", said.err);
    assert!(!said.err.contains("s3cr3t"), "{}", said.err);
}

/// The secrets of a request are in no output, no argument and nothing that the program writes.
#[test]
fn the_secrets_of_a_request_are_written_nowhere() {
    let f = Folder::new();
    let (pin, file_pin) = (PASSWORD, "p12 s3cr3t \\ \u{e4}");
    let create =
        ["csr", "create", "-d", "db", "--password-file", "pw", "--key-type", "ec:nistp256"];
    f.nss_cmc(&[&create[..], &["--subject", "CN=a", "--out", "a.csr"]].concat()).exits(0);
    f.certutil(&[
        "-S", "-n", "a", "-s", "CN=a", "-x", "-t", ",,", "-f", "pw", "-z", "pw", "-k", "ec", "-q",
        "nistp256",
    ]);
    let body = json!({ "database": "db", "password": pin, "pkcs12_password": file_pin,
                       "file": "a.p12", "nicknames": ["a"] });
    let calls = "trace=execve,write,pwrite64,writev,sendto,sendmsg,memfd_create";
    let mut command = Command::new("strace");
    command
        .current_dir(f.path())
        .args(["-f", "-x", "-s", "1000000", "-o", "trace", "-e", calls])
        .arg(env!("CARGO_BIN_EXE_nss-cmc"))
        .args(["pkcs12", "export", "--request", "-", "--output", "json", "--no-config"]);
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: no strace");
        return;
    }
    let said = fed(command, &body.to_string());
    if said.err.contains("Operation not permitted") && !f.file("a.p12").exists() {
        println!("skipped: strace cannot trace here");
        return;
    }
    let said = said.exits(0);
    let trace = String::from_utf8_lossy(&f.read("trace")).into_owned();
    assert!(trace.contains("execve(") && trace.contains("write("), "{trace}");
    for secret in [pin, "p12 s3cr3t"] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{}", said.out);
        assert!(!trace.contains(secret), "{secret} is written");
    }
    // The judge of the judge: strace shows a text that is written.
    assert!(trace.contains("pkcs12 export"), "{trace}");
}
