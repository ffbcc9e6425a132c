//! Files of the wrong kind: the error says what they are.

use super::*;

/// Makes a folder with one file of every kind.
fn files() -> Folder {
    let f = Folder::bare();
    recipient(&f);
    let openssl = |args: &str| {
        common::tool("openssl", f.path(), &args.split(' ').collect::<Vec<_>>());
    };
    openssl("req -new -key ca.key -subj /CN=a -out p10.pem");
    openssl("req -in p10.pem -outform DER -out p10.der");
    openssl("pkcs12 -export -in ca.pem -inkey ca.key -out a.p12 -passout pass:x");
    openssl("rsa -in ca.key -traditional -out rsa.pem");
    openssl("pkey -in ca.key -outform DER -out key.der");
    openssl("rsa -in ca.key -traditional -outform DER -out rsa.der");
    openssl("pkcs8 -topk8 -in ca.key -out enc.pem -passout pass:x");
    openssl("ecparam -name prime256v1 -genkey -noout -out ec.pem");
    openssl("ec -in ec.pem -outform DER -out ec.der");
    openssl("crl2pkcs7 -nocrl -certfile ca.pem -out chain.p7b");
    openssl("x509 -in ca.pem -outform DER -out ca.der");
    openssl("pkey -in ca.key -pubout -out pub.pem");
    let vectors = format!("{}/tests/vectors", env!("CARGO_MANIFEST_DIR"));
    for (from, to) in [("response.der", "response"), ("request.der", "request")] {
        std::fs::copy(format!("{vectors}/01-rsa-server/{from}"), f.file(to)).unwrap();
    }
    let cut = f.read("p10.der");
    f.write("cut.der", &cut[..cut.len() - 9]);
    let text = String::from_utf8(f.read("p10.pem")).unwrap();
    let half: Vec<&str> = text.lines().take(5).collect();
    f.write("cut.pem", half.join("\n"));
    let cut = f.read("response");
    f.write("cut.response", &cut[..cut.len() / 2]);
    f.write("empty", "");
    f.write("html", "<!DOCTYPE html><html><body>Login</body></html>");
    f.write("words", "not a request\n");
    f
}

const KINDS: [(&str, &str); 19] = [
    ("ca.key", "private key"),
    ("rsa.pem", "private key"),
    ("enc.pem", "private key"),
    ("ec.pem", "private key"),
    ("key.der", "private key"),
    ("rsa.der", "private key"),
    ("ec.der", "private key"),
    ("a.p12", "PKCS #12"),
    ("ca.pem", "certificate"),
    ("ca.der", "certificate"),
    ("chain.p7b", "PKCS #7"),
    ("response", "CMC response"),
    ("request", "CMC request"),
    ("pub.pem", "public key"),
    ("cut.der", "truncated"),
    ("cut.pem", "truncated"),
    ("empty", "empty"),
    ("html", "HTML"),
    ("p10.pem", "PKCS #10 request"),
];

#[test]
fn what_is_given_for_a_request_is_called_what_it_is() {
    let f = files();
    let db = Folder::new();
    for (file, words) in KINDS.iter().filter(|(f, _)| !f.starts_with("p10")) {
        let path = f.file(file);
        let path = path.to_str().unwrap();
        let args = ["enroll", "-d", "db", "--password-file", "pw", "--ca", "https://127.0.0.1:1"];
        let more = ["--profile", "x", "--signer", "s", "--nickname", "n", "--csr", path];
        let said = db.nss_cmc(&[&args[..], &more].concat());
        let said = said.exits(20);
        assert!(said.err.contains(words) && said.err.contains(file), "{file}: {}", said.err);
        assert!(said.err.contains("certificate request"), "{file}: {}", said.err);
    }
}

#[test]
fn what_is_given_for_a_message_is_called_what_it_is() {
    let f = files();
    for (file, words) in KINDS {
        let send = ["cmc", "send", file, "-d", "db", "--ca", "https://127.0.0.1:1", "--out", "o"];
        if file != "request" {
            let said = f.nss_cmc(&send).exits(20);
            assert!(
                said.err.contains(words) && said.err.contains("CMC request"),
                "{file}: {}",
                said.err
            );
        }
        if !["response", "chain.p7b"].contains(&file) {
            let said = f.nss_cmc(&["CMCResponse", "-i", file]).exits(1);
            assert!(
                said.err.contains(words) && said.err.contains("CMC response"),
                "{file}: {}",
                said.err
            );
        }
        if !["ca.pem", "ca.der", "chain.p7b", "response"].contains(&file) {
            let args = ["shared-token", "--cert", file, "--shared-secret-file", "words"];
            let said = f.nss_cmc(&args).exits(20);
            assert!(
                said.err.contains(words) && said.err.contains("certificate"),
                "{file}: {}",
                said.err
            );
        }
        let said = f.nss_cmc(&["cmc", "show", file]);
        if said.code != 0 {
            assert!(said.err.contains(words), "{file}: {}", said.err);
        }
    }
    let said = f.nss_cmc(&["cmc", "show", "cut.response"]).exits(20);
    assert!(said.err.contains("truncated"), "{}", said.err);
    // No octet of a key is printed.
    let said = f.nss_cmc(&["cmc", "show", "ca.key"]).exits(20);
    assert!(!said.err.contains("MII"), "{}", said.err);
}

/// A hint with a command works when pasted, whatever characters the names have.
#[test]
fn hints_are_commands_that_work() {
    let f = Folder::bare();
    std::fs::create_dir(f.file("my db's")).unwrap();
    f.write("pw", format!("{PASSWORD}\n"));
    mode(&f.file("pw"), 0o600);
    let said = f.nss_cmc(&[
        "csr",
        "create",
        "-d",
        "my db's",
        "--subject",
        "CN=a",
        "--password-file",
        "pw",
    ]);
    let command = hint(&said.exits(10));
    assert!(command.starts_with("nss-cmc db create -d "), "{command}");
    pasted(&f, &command).exits(0);
    assert!(f.file("my db's/cert9.db").exists());
    // An untrusted signer: the hint imports its certificate with trust.
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::copy(format!("{root}/tests/vectors/ca_signing.pem"), f.file("ca.pem")).unwrap();
    std::fs::copy(format!("{root}/tests/vectors/01-rsa-server/response.der"), f.file("r")).unwrap();
    let show = ["CMCResponse", "-d", "my db's", "-i", "r"];
    let said = f.nss_cmc(&show).exits(1);
    let command = hint(&said);
    assert!(command.contains("nss-cmc cert import ca.pem -d 'my db'\\''s'"), "{command}");
    pasted(&f, &command).exits(0);
}

/// Runs a hint's command in a shell, with the database's password.
fn pasted(f: &Folder, command: &str) -> Said {
    let arguments = command.strip_prefix("nss-cmc").unwrap();
    let line = format!("'{}'{arguments} --password-file pw", env!("CARGO_BIN_EXE_nss-cmc"));
    run(Command::new("sh").current_dir(f.path()).arg("-c").arg(line))
}

fn hint(said: &Said) -> String {
    let line = said.err.lines().find_map(|l| l.trim().strip_prefix("hint: ")).unwrap();
    let at = line.find("nss-cmc ").unwrap_or_else(|| panic!("{line}"));
    line[at..].to_owned()
}
