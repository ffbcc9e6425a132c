//! Keys in tokens other than a plain database: SoftHSM, softoken in FIPS mode.

use std::path::Path;
use std::process::Command;

use super::common::run;
use super::requests::{unarchive, verify_pop};
use super::*;

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234";

/// Makes a folder whose database has the empty token `HSM`; `pins` has its PIN, in the format of
/// NSS's tools.
fn with_token() -> Folder {
    let f = folder();
    std::fs::create_dir(f.file("tokens")).unwrap();
    f.write("softhsm.conf", format!("directories.tokendir = {}\n", f.file("tokens").display()));
    f.write("pins", format!("internal:{PASSWORD}\nHSM:{PIN}\n"));
    f.write("pin", format!("{PIN}\n"));
    let slot = ["--init-token", "--free", "--label", "HSM", "--so-pin", PIN, "--pin", PIN];
    command(&f, "softhsm2-util", &slot).exits(0);
    let add = ["-add", "softhsm", "-libfile", LIBRARY, "-dbdir", "sql:db", "-force"];
    command(&f, "modutil", &add).exits(0);
    f
}

fn command(f: &Folder, program: &str, args: &[&str]) -> Said {
    run(Command::new(program)
        .current_dir(f.path())
        .env("SOFTHSM2_CONF", f.file("softhsm.conf"))
        .env_remove("NSS_CMC_OUTPUT")
        .args(args))
}

fn ours(f: &Folder, args: &[&str]) -> Said {
    command(f, env!("CARGO_BIN_EXE_nss-cmc"), args)
}

/// Returns the key ids in the token, as certutil lists them.
fn keys(f: &Folder) -> Vec<String> {
    let said = command(f, "certutil", &["-K", "-d", "sql:db", "-h", "HSM", "-f", "pin"]);
    let ids = said.out.split_whitespace().filter(|w| w.len() == 40);
    ids.map(str::to_owned).collect()
}

#[test]
fn keys_are_made_and_found_in_another_token() {
    assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
    let f = with_token();
    let before = f.state();
    let p10 = ["PKCS10Client", "-d", "db", "-h", "HSM", "-P", "pins", "-n", "CN=a", "-o", "a.req"];
    let crmf = ["CRMFPopClient", "-d", "db", "-h", "HSM", "-p", PIN, "-n", "CN=a", "-o", "a.req"];
    let create = ["csr", "create", "-d", "db", "--token", "HSM", "--password-file", "pins"];
    let create = [&create[..], &["--subject", "CN=a", "--out", "a.req"]].concat();
    for (i, (args, is_crmf)) in [
        ([&p10[..], &["-a", "rsa"]].concat(), false),
        ([&p10[..], &["-a", "ec", "-c", "nistp384"]].concat(), false),
        ([&crmf[..], &["-a", "rsa"]].concat(), true),
        ([&crmf[..], &["-a", "ec", "-t", "false"]].concat(), true),
        ([&create[..], &["--key-type", "ec:nistp521"]].concat(), false),
        ([&create[..], &["--key-type", "ec", "--crmf"]].concat(), true),
    ]
    .into_iter()
    .enumerate()
    {
        ours(&f, &args).exits(0);
        if is_crmf {
            assert!(verify_pop(&f, "a.req"), "{args:?}");
        } else {
            openssl(&f, &["req", "-in", "a.req", "-verify", "-noout"]);
        }
        assert_eq!(keys(&f).len(), i + 1, "{args:?}");
    }
    // A session key, and a key whose request can't be written, remain in no token.
    let there = keys(&f);
    ours(&f, &[&crmf[..], &["-a", "ec"]].concat()).exits(0);
    ours(&f, &[&crmf[..8], &["CN=a", "-o", "no/such/a.req"]].concat()).exits(1);
    let said = ours(&f, &[&create[..10], &["--out", "no/such/a.req"]].concat()).exits(21);
    assert!(said.err.contains("cannot write no/such/a.req"), "{}", said.err);
    assert_eq!(keys(&f), there);
    // Each key is selected by its id.
    for id in &there {
        let args = ["csr", "create", "-d", "db", "--token", "HSM", "--password-file", "pins"];
        let what = ["--key", id, "--subject", "CN=b", "--out", "b.req"];
        ours(&f, &[&args[..], &what].concat()).exits(0);
        openssl(&f, &["req", "-in", "b.req", "-verify", "-noout"]);
    }
    let wrong =
        ["PKCS10Client", "-d", "db", "-h", "HSM", "-p", "9999", "-n", "CN=a", "-o", "c.req"];
    assert!(ours(&f, &wrong).exits(1).err.contains("cannot log in to token \"HSM\""));
    assert_eq!(keys(&f), there);
    assert_eq!(f.state(), before, "nothing in the database's own token");
}

/// This token's AES key wrap with padding is RFC 5649, so that wrapping is requested.
#[test]
fn a_key_of_another_token_is_archived() {
    assert!(Path::new(LIBRARY).exists(), "softhsm2 is not installed");
    let f = with_token();
    let create = ["csr", "create", "-d", "db", "--token", "HSM", "--password-file", "pins"];
    let crmf = ["--crmf", "--archive-to", "transport.pem", "--wrap", "AES KeyWrap/Wrapped"];
    let create = [&create[..], &["--subject", "CN=a", "--out", "a.req"]].concat();
    let archive = [&create[..], &crmf].concat();
    for key in ["rsa:2048", "ec:nistp256"] {
        ours(&f, &[&archive[..], &["--key-type", key]].concat()).exits(0);
        unarchive(&f, "a.req", &["-id-aes128-wrap-pad", "-iv", "a65959a6"], false);
    }
    // A key that isn't extractable.
    let there = keys(&f);
    ours(&f, &[&create[..], &["--extractable", "false"]].concat()).exits(0);
    let id = keys(&f).into_iter().find(|k| !there.contains(k)).unwrap();
    std::fs::remove_file(f.file("a.req")).unwrap();
    let said = ours(&f, &[&archive[..], &["--key", &id]].concat()).exits(14);
    assert!(said.err.contains("cannot wrap the private key for archival"), "{}", said.err);
    assert!(said.err.contains("use an extractable key"), "{}", said.err);
    assert!(!f.file("a.req").exists());
    // A wrapping that the token doesn't support deletes its new key. The default is one, although the
    // token has a mechanism of that name: a KRA could not read what it makes.
    let there = keys(&f);
    for (wrap, words) in [
        ("AES/CBC/PKCS5Padding", "cannot wrap the private key for archival"),
        ("AES KeyWrap/Padding", "token \"HSM\" does not support this key wrap algorithm"),
    ] {
        let said = ours(&f, &[&create[..], &crmf[..3], &["--wrap", wrap]].concat()).exits(14);
        assert!(said.err.contains(words), "{wrap}: {}", said.err);
        assert_eq!(keys(&f), there);
        assert!(!f.file("a.req").exists());
    }
}

#[test]
fn keys_of_a_database_in_fips_mode_are_archived() {
    let f = folder();
    tool("modutil", f.path(), &["-fips", "true", "-dbdir", "sql:db", "-force"]);
    for key in [&["-a", "rsa"][..], &["-a", "ec", "-t", "false"], &["-a", "ec", "-s", "0"]] {
        for (wrap, decrypt) in [
            ("AES KeyWrap/Padding", &["-id-aes128-wrap", "-iv", "a6a6a6a6a6a6a6a6"][..]),
            ("AES/CBC/PKCS5Padding", &["-aes-128-cbc"]),
        ] {
            let args = ["-n", "CN=a", "-b", "transport.pem", "-w", wrap, "-o", "a.req"];
            crmf(&f, &[&args[..], key].concat()).exits(0);
            assert!(verify_pop(&f, "a.req"), "{key:?} {wrap}");
            unarchive(&f, "a.req", decrypt, false);
        }
    }
    p10(&f, &["-n", "CN=a", "-o", "b.req"]).exits(0);
    openssl(&f, &["req", "-in", "b.req", "-verify", "-noout"]);
    assert_eq!(f.keys().len(), 5);
}
