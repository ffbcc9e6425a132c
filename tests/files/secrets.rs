//! Files with secrets that others can read, and core dumps.

use std::process::Stdio;

use super::*;

#[test]
fn a_secret_others_can_read_is_warned_about() {
    let f = Folder::new();
    recipient(&f);
    f.write("secret", "shared\n");
    let warned = |said: &Said, file: &str| {
        said.err
            .lines()
            .any(|l| l.contains("arning") && l.contains(file) && l.contains("chmod 600"))
    };
    for (bits, bad) in [(0o644, true), (0o640, true), (0o604, true), (0o600, false), (0o400, false)]
    {
        mode(&f.file("pw"), bits);
        mode(&f.file("secret"), bits);
        let said = csr(&f, &["--subject", "CN=a"]).exits(0);
        assert_eq!(warned(&said, "pw"), bad, "{bits:o}: {}", said.err);
        let said = csr(&f, &["--subject", "CN=a", "--output", "json"]).exits(0);
        let json = said.json();
        let listed = json["warnings"].as_array().unwrap();
        assert_eq!(listed.iter().any(|w| w.as_str().unwrap().contains("pw")), bad, "{json}");
        let token = ["shared-token", "--cert", "ca.pem", "--shared-secret-file", "secret"];
        let said = f.nss_cmc(&token).exits(0);
        assert_eq!(warned(&said, "secret"), bad, "{bits:o}: {}", said.err);
        // A failed run warns, too.
        let fails = ["csr", "create", "-d", "none", "--password-file", "pw", "--subject", "CN=a"];
        let said = f.nss_cmc(&fails).exits(10);
        assert_eq!(warned(&said, "pw"), bad, "{}", said.err);
        let args =
            ["PKCS10Client", "-d", "db", "-P", "pw", "-a", "ec", "-n", "CN=a", "-o", "a.req"];
        assert_eq!(warned(&f.nss_cmc(&args).exits(0), "pw"), bad, "PKCS10Client");
        let args =
            ["CRMFPopClient", "-d", "db", "-P", "pw", "-a", "ec", "-n", "CN=a", "-o", "a.req"];
        assert_eq!(warned(&f.nss_cmc(&args).exits(0), "pw"), bad, "CRMFPopClient");
        let args = ["CMCSharedToken", "-b", "ca.pem", "--passphrase-file", "secret"];
        assert_eq!(warned(&f.nss_cmc(&args).exits(0), "secret"), bad, "CMCSharedToken");
        let args = ["CMCRevoke", "-ddb", "-nx", "-iCN=a", "-s1", "-m0", "--password-file", "pw"];
        assert_eq!(warned(&f.nss_cmc(&args).exits(1), "pw"), bad, "CMCRevoke");
        for (tool, rest) in
            [("CMCRequest", "nickname=x\n"), ("HttpClient", "host=h\nport=1\nservlet=/x\n")]
        {
            // A .cfg needs protection if it contains the password; the file that it names always
            // does.
            let common = format!("dbdir=db\ninput=none\noutput=o\n{rest}");
            for (line, own, other) in [
                (format!("password={PASSWORD}\n"), bad, false),
                ("passwordFile=pw\n".to_owned(), false, bad),
                ("password=\npasswordFile=pw\n".to_owned(), false, bad),
            ] {
                f.write("a.cfg", format!("{common}{line}"));
                mode(&f.file("a.cfg"), bits);
                let said = f.nss_cmc(&[tool, "a.cfg"]).exits(1);
                assert_eq!(warned(&said, "a.cfg"), own, "{tool}, {bits:o}: {}", said.err);
                assert_eq!(warned(&said, "pw"), other, "{tool}, {bits:o}: {}", said.err);
                assert!(!said.err.contains(PASSWORD), "{}", said.err);
            }
        }
    }
    // A pipe has only one reader.
    mode(&f.file("pw"), 0o644);
    let script = format!(
        "cat pw | {} csr create -d db --key-type ec:nistp256 --subject CN=a --password-file -",
        env!("CARGO_BIN_EXE_nss-cmc")
    );
    let said = run(Command::new("sh").current_dir(f.path()).args(["-c", &script]));
    // Standard input of the shell is /dev/null, but that of the program is the pipe.
    assert_eq!(said.exits(0).err, "");
}

/// The limit of core files, and whether the process can be dumped or traced at all.
#[test]
fn there_are_no_core_dumps_unless_asked_for() {
    let f = Folder::new();
    fifo(&f.file("wait"));
    for (allow, limit, dumpable) in [(None, "0", false), (Some("1"), "unlimited", true)] {
        let mut command = Command::new("prlimit");
        command.arg("--core=unlimited").arg(env!("CARGO_BIN_EXE_nss-cmc")).current_dir(f.path());
        command.args(["cmc", "show", "wait"]).stdin(Stdio::null()).stderr(Stdio::null());
        command.env_remove("NSS_CMC_ALLOW_CORE_DUMPS");
        if let Some(value) = allow {
            command.env("NSS_CMC_ALLOW_CORE_DUMPS", value);
        }
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        // The program opens the pipe after its setup.
        let pipe = std::fs::OpenOptions::new().write(true).open(f.file("wait")).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let line = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
        assert_eq!(line.split_whitespace().nth(4), Some(limit), "{line}");
        if let Some(can) = may_be_read(child.id()) {
            assert_eq!(can, dumpable);
        }
        drop(pipe);
        child.wait().unwrap();
    }
}

/// Returns whether the process's files in /proc belong to the user: root owns them if it can't be
/// dumped. `None` if the test runs as root.
fn may_be_read(pid: u32) -> Option<bool> {
    let owner = std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    (own != 0).then_some(owner == own)
}

#[test]
fn a_stranger_s_process_belongs_to_root_in_proc() {
    if !is_root() {
        return;
    }
    let f = Folder::bare();
    mode(f.path(), 0o755);
    fifo(&f.file("wait"));
    mode(&f.file("wait"), 0o666);
    for (allow, owner) in [("0", 0), ("1", STRANGER)] {
        let id = STRANGER.to_string();
        let mut child = Command::new("setpriv")
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .arg(program())
            .args(["cmc", "show", "wait"])
            .env("NSS_CMC_ALLOW_CORE_DUMPS", allow)
            .current_dir(f.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pipe = std::fs::OpenOptions::new().write(true).open(f.file("wait")).unwrap();
        let found = std::fs::metadata(format!("/proc/{}/mem", child.id())).unwrap().uid();
        assert_eq!(found, owner);
        drop(pipe);
        child.wait().unwrap();
    }
}
