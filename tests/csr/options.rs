//! Options of the old tools that are easily misread, and the content of the database after a run.

use std::process::Command;

use super::common::run;
use super::requests::unarchive;
use super::*;

/// Runs CRMFPopClient with an environment variable set.
fn with_variable(f: &Folder, value: &str, more: &[&str]) -> Said {
    let args = ["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-a", "ec", "-v", "-o", "a.req"];
    run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .env("KEY_ARCHIVAL_KEYWRAP_ALGORITHM", value)
        .args(args)
        .args(["-n", "CN=a"])
        .args(more))
}

#[test]
fn the_variable_chooses_the_wrapping_unless_the_option_does() {
    let f = folder();
    let archive = ["-b", "transport.pem"];
    let said = with_variable(&f, "AES/CBC/PKCS5Padding", &archive).exits(0);
    assert!(said.out.contains("Using key wrap algorithm: AES/CBC/PKCS5Padding\n"), "{}", said.out);
    unarchive(&f, "a.req", &["-aes-128-cbc"], false);
    let chosen = [&archive[..], &["-w", "aes keywrap/padding"]].concat();
    let said = with_variable(&f, "AES/CBC/PKCS5Padding", &chosen).exits(0);
    assert!(said.out.contains("Using key wrap algorithm: AES KeyWrap/Padding\n"), "{}", said.out);
    let said = with_variable(&f, "ROT13", &archive).exits(1);
    assert!(said.err.contains("unknown key wrap algorithm \"ROT13\""), "{}", said.err);
    let said = with_variable(&f, "ROT13", &[]).exits(0);
    assert!(!said.out.contains("key wrap"), "{}", said.out);
}

/// Java leaves a session key and the transport certificate in the database.
#[test]
fn archival_leaves_nothing_in_the_database() {
    let f = folder();
    let before = bytes(&f);
    // EC keys are temporary by default: nothing is written.
    for wrap in ["AES KeyWrap/Padding", "AES/CBC/PKCS5Padding", "DES3/CBC/Pad"] {
        crmf(&f, &["-n", "CN=a", "-a", "ec", "-b", "transport.pem", "-w", wrap]).exits(0);
        assert_eq!(bytes(&f), before, "{wrap}");
    }
    // A permanent key is one private and one public object.
    crmf(&f, &["-n", "CN=a", "-b", "transport.pem", "-o", "a.req"]).exits(0);
    assert_eq!(objects(&f), "1 private, 1 public");
    // Archiving an existing key writes nothing, and archives that key.
    let before = bytes(&f);
    let id = &f.keys()[0];
    let args = ["--subject", "CN=b", "--key", id, "--crmf", "--archive-to", "transport.pem"];
    create(&f, &[&args[..], &["--out", "b.req"]].concat()).exits(0);
    unarchive(&f, "b.req", &["-id-aes128-wrap", "-iv", "a6a6a6a6a6a6a6a6"], false);
    assert_eq!(bytes(&f), before);
    assert_eq!(f.certificates(), Vec::<String>::new());
}

/// An expired transport certificate is used, as by Java, with a warning.
#[test]
fn an_old_transport_certificate_is_told() {
    let f = folder();
    for (name, validity) in [("old", ["-w", "-1", "-v", "12"]), ("ended", ["-w", "-3", "-v", "1"])]
    {
        let subject = format!("CN={name}");
        let make = ["-S", "-x", "-n", name, "-s", &subject, "-t", ",,", "-f", "pw", "-z", "pw"];
        let usage =
            ["--keyUsage", "dataEncipherment", "-m", &name.len().to_string()].map(str::to_owned);
        let usage = usage.each_ref().map(String::as_str);
        f.certutil(&[&make[..], &validity, &usage].concat());
        f.write(&format!("{name}.pem"), f.certutil(&["-L", "-n", name, "-a"]));
    }
    let said = crmf(&f, &["-n", "CN=a", "-a", "ec", "-b", "old.pem", "-o", "a.req"]).exits(0);
    assert_eq!(said.err, "");
    let said = crmf(&f, &["-n", "CN=a", "-a", "ec", "-b", "ended.pem", "-o", "a.req"]).exits(0);
    let told = "WARNING: transport certificate ended.pem expired on ";
    assert!(said.err.starts_with(told), "{}", said.err);
    let args = ["--subject", "CN=a", "--crmf", "--archive-to", "ended.pem", "--out", "b.req"];
    let warnings = create(&f, &args).exits(0).json()["warnings"].to_string();
    assert!(warnings.contains("transport certificate ended.pem expired on "), "{warnings}");
}

/// A warning for a temporary key that isn't archived, the tool's default for EC.
#[test]
fn a_key_that_will_be_lost_is_told() {
    let f = folder();
    let before = bytes(&f);
    for (args, lost) in [
        (&["-a", "ec"][..], true),
        (&["-a", "ec", "-x", "true", "-q", "POP_NONE"], true),
        (&["-t", "true"], true),
        (&["-a", "ec", "-b", "transport.pem"], false),
    ] {
        let args = [&["-n", "CN=a", "-o", "a.req"], args].concat();
        let said = crmf(&f, &args).exits(0);
        assert_eq!(said.err.contains("use -t false to keep it"), lost, "{args:?}");
        assert_eq!(bytes(&f), before, "{args:?}");
    }
    let said = crmf(&f, &["-n", "CN=a", "-a", "ec", "-t", "false", "-o", "a.req"]).exits(0);
    assert_eq!(said.err, "");
    assert_eq!(objects(&f), "1 private, 1 public");
}

#[test]
fn passwords_of_the_old_names() {
    let f = folder();
    // The password is the first line, blanks included.
    f.write("first", format!("{PASSWORD}\nwrong\n"));
    f.write("second", format!("wrong\n{PASSWORD}\n"));
    f.write("blank", format!(" {PASSWORD}\n"));
    f.write("named", format!("# tokens\ninternal={PASSWORD}\n"));
    f.write("empty", "");
    for tool in ["PKCS10Client", "CRMFPopClient"] {
        for (file, code) in [("first", 0), ("second", 1), ("blank", 1), ("named", 0), ("empty", 1)]
        {
            let args = [tool, "-d", "db", "-P", file, "-n", "CN=a", "-a", "ec", "-o", "a.req"];
            let said = f.nss_cmc(&args).exits(code);
            let bad = said.err.contains("SEC_ERROR_BAD_PASSWORD");
            // An empty password isn't tried: the token may lock.
            assert_eq!(bad, code == 1 && file != "empty", "{tool} {file}: {}", said.err);
            let empty = said.err.contains("empty password of token internal in empty");
            assert_eq!(empty, file == "empty", "{tool} {file}: {}", said.err);
        }
    }
    let args = ["PKCS10Client", "-d", "db", "-n", "CN=a", "-o", "a.req"];
    let said = f.nss_cmc(&args).exits(1);
    assert!(said.err.contains("hint: use -P FILE or -p PASSWORD"), "{}", said.err);
    let said = f.nss_cmc(&["CRMFPopClient", "-d", "db", "-n", "CN=a", "-o", "a.req"]).exits(1);
    assert!(said.err.contains("ERROR: Missing token password"), "{}", said.err);
    // A database without password.
    std::fs::create_dir(f.file("open")).unwrap();
    tool("certutil", f.path(), &["-N", "-d", "sql:open", "--empty-password"]);
    for password in [&[][..], &["-P", "empty"], &["-p", ""]] {
        let args = ["PKCS10Client", "-d", "open", "-a", "ec", "-n", "CN=a", "-o", "a.req"];
        f.nss_cmc(&[&args[..], password].concat()).exits(0);
        openssl(&f, &["req", "-in", "a.req", "-verify", "-noout"]);
    }
}

#[test]
fn options_that_mean_nothing_are_told() {
    let f = folder();
    for (args, warning) in [
        (&["-a", "ec", "-l", "256"][..], "PKCS10Client: warning: -l is ignored for an EC key\n"),
        (&["-a", "ec", "-w"], "PKCS10Client: warning: -w is ignored: it is for RSA keys only\n"),
        (&["-s", "1"], "PKCS10Client: warning: -s is ignored for an RSA key\n"),
        (&["-c", "nistp256"], "PKCS10Client: warning: -c is ignored for an RSA key\n"),
        // -v takes the next word as its value only if that is no option.
        (&["-v", "-a", "ec"], ""),
        (&["-v", "true", "-a", "ec"], ""),
    ] {
        let said = p10(&f, &[&["-n", "CN=a", "-o", "a.req"], args].concat()).exits(0);
        assert_eq!(said.err, warning, "{args:?}");
        let kind = if args.contains(&"ec") { "id-ecPublicKey" } else { "rsaEncryption" };
        assert!(walk(&f, "a.req").contains(kind), "{args:?}");
    }
    // --help, and missing or extra words.
    let said = f.nss_cmc(&["CRMFPopClient", "-d", "nowhere", "--help"]).exits(0);
    assert!(said.out.starts_with("Usage: CRMFPopClient [OPTIONS]\n"), "{}", said.out);
    let said = f.nss_cmc(&["PKCS10Client", "-d", "db"]).exits(1);
    assert!(said.out.starts_with("Usage: PKCS10Client -d "), "{}", said.out);
    crmf(&f, &["-a", "ec", "stray", "-n", "CN=first", "-n", "CN=second", "words", "-o", "b.req"])
        .exits(0);
    assert!(walk(&f, "b.req").contains("UTF8STRING        :first"));
}
