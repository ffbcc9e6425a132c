//! NSS databases made by certutil, which generates the keys in them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use nss_cmc::nss::{Access, Database, Identity};
use nss_cmc::secret::Secret;

pub const PASSWORD: &str = "Correct-Horse-42";

/// A database with a password: CA `root`, CA `middle` below it, and below that one client each of
/// RSA, P-256 and P-384. The tests add the server's CA.
pub struct Fixture {
    pub dir: PathBuf,
    /// PEM of `root`.
    pub root: Vec<u8>,
}

pub fn run(program: &str, dir: &Path, arguments: &[&str], input: &str) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {arguments:?}: {said}");
    out.stdout
}

pub fn certutil(dir: &Path, arguments: &[&str], input: &str) -> Vec<u8> {
    let fixed = ["-d", "sql:.", "-f", "password", "-z", "noise"];
    run("certutil", dir, &[arguments, &fixed].concat(), input)
}

/// Input for `-2`: a CA, no path length, critical.
const CA: &str = "y\n\ny\n";

impl Fixture {
    /// Makes the database in a folder called `name` below the build's folder, after removing an old
    /// one.
    pub fn new(name: &str) -> Fixture {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("transport").join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("password"), format!("{PASSWORD}\n")).unwrap();
        let mut noise = vec![0; 4096];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
        std::fs::write(dir.join("noise"), noise).unwrap();
        certutil(&dir, &["-N"], "");
        let ec = ["-k", "ec", "-q", "nistp256"];
        let make = |name: &str, serial: &str, more: &[&str], key: &[&str], input: &str| {
            let subject = format!("CN={name}");
            let base = ["-S", "-s", &subject, "-n", name, "-m", serial, "-v", "12"];
            certutil(&dir, &[&base, more, key].concat(), input);
        };
        make("root", "1", &["-x", "-2", "-t", "CT,C,C"], &ec, CA);
        make("middle", "2", &["-c", "root", "-2", "-t", ",,"], &ec, CA);
        let below = ["-c", "middle", "-t", "u,u,u"];
        make("rsa", "3", &below, &["-k", "rsa", "-g", "2048"], "");
        make("p256", "4", &below, &ec, "");
        make("p384", "5", &below, &["-k", "ec", "-q", "nistp384"], "");
        let root = certutil(&dir, &["-L", "-n", "root", "-a"], "");
        Fixture { dir, root }
    }

    /// Trusts a server's CA.
    pub fn trust(&self, nickname: &str, pem: &[u8]) {
        let pem = String::from_utf8(pem.to_vec()).unwrap();
        certutil(&self.dir, &["-A", "-n", nickname, "-t", "CT,C,C", "-a"], &pem);
    }

    /// Opens the database, logs in, calls `f`, and asserts that NSS shuts down: a leaked reference
    /// prevents it.
    pub fn with<T>(&self, f: impl FnOnce(&Database) -> T) -> T {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
        let database = Database::open(self.dir.to_str().unwrap(), Access::ReadOnly).unwrap();
        for token in database.tokens().unwrap() {
            token.login(Some(&Secret::new(PASSWORD.into()))).unwrap();
        }
        let result = f(&database);
        database.close().expect("a reference to NSS was leaked");
        result
    }
}

/// Returns the client `nickname` with its chain.
pub fn identity(database: &Database, nickname: &str) -> Identity {
    let certificate = database.find_certificate(nickname).unwrap();
    let key = certificate.private_key().unwrap();
    let token = database.token("internal").unwrap();
    let issuers = token.certificates_of_subject(certificate.issuer());
    Identity { certificate: certificate.into(), issuers, key: key.into() }
}

/// Returns the database that most tests share.
pub fn shared() -> &'static Fixture {
    static SHARED: OnceLock<Fixture> = OnceLock::new();
    SHARED.get_or_init(|| Fixture::new("shared"))
}
