//! Shared by the integration tests: databases made with certutil, the program as a process, the
//! stand-in CA and the real CA.
#![allow(dead_code)] // Each test binary uses a part.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod ansible;
pub mod certmonger;
pub mod der;
pub mod dogtag;
pub mod proxy;
pub mod relay;
pub mod stand_in;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nss_cmc::inspect::judge::{Judge, Rule, Severity, judge};
use nss_cmc::nss::{Access, Database};
use nss_cmc::secret::Secret;

/// Password of every test database.
pub const PASSWORD: &str = "Secret.123";

/// The output and exit code of a process.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Returns the JSON object on stdout, which must be the whole output.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.out.lines().count(), 1, "not one line: {}", self.out);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// Runs a command and waits for its end.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `nss-cmc` with arguments, in `dir`.
#[track_caller]
pub fn nss_cmc<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: &[S]) -> Said {
    let said = run(Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(dir)
        .env_remove("NSS_CMC_LEGACY_EXIT")
        .env_remove("NSS_CMC_OUTPUT")
        .env("NSS_CMC_CONFIG", "/dev/null")
        .args(args));
    // NSS shuts down only when every handle was released, so every run also checks for leaks.
    assert!(!said.err.contains("cannot shut down NSS"), "{}", said.err);
    said
}

/// Runs a tool, which must succeed; returns its stdout.
#[track_caller]
pub fn tool<S: AsRef<std::ffi::OsStr>>(program: &str, dir: &Path, args: &[S]) -> String {
    run(Command::new(program).current_dir(dir).args(args)).exits(0).out
}

/// Fails if Dogtag would refuse a message, by the rules of `cmc show --judge`, but for those in
/// `asked`.
#[track_caller]
pub fn accepted_by_dogtag(message: &[u8], asked: &[Rule]) {
    let found = judge(&nss_cmc::inspect::read(message).unwrap());
    let refused = found.into_iter().filter(|finding| {
        let dogtag = finding.judge == Judge::Dogtag && finding.severity == Severity::Must;
        dogtag && !asked.contains(&finding.rule)
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// Starts a command while another process holds the lock of the database `db`. When it says that it
/// waits, changes the database's password to that in the file `new`, and releases the lock. Returns
/// what the command said then.
#[track_caller]
pub fn run_while_the_password_changes(f: &Folder, command: &mut Command) -> Said {
    let mut holder = Command::new("flock")
        .current_dir(f.path())
        .args(["db", "sh", "-c", "echo held; read _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pipe = || Stdio::piped();
    let mut waiting = command.stdin(Stdio::null()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    let mut reader = BufReader::new(waiting.stderr.take().unwrap());
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("waiting"), "{line}");
    tool("certutil", f.path(), &["-W", "-d", "sql:db", "-f", "pw", "-@", "new"]);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    reader.read_to_string(&mut err).unwrap();
    waiting.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    Said { code: waiting.wait().unwrap().code().unwrap_or(-1), out, err }
}

/// A folder with an NSS database `db` and its password in `pw`; removed on drop.
pub struct Folder {
    dir: Dir,
}

enum Dir {
    Own(tempfile::TempDir),
    Given(PathBuf),
}

impl Folder {
    /// Makes a folder with an empty database that has [`PASSWORD`].
    pub fn new() -> Folder {
        let folder = Folder::bare();
        folder.make_database();
        folder
    }

    /// Makes an empty folder.
    pub fn bare() -> Folder {
        Folder { dir: Dir::Own(tempfile::tempdir().unwrap()) }
    }

    /// Makes a folder with this path, which is not removed.
    pub fn at(path: PathBuf) -> Folder {
        std::fs::create_dir_all(&path).unwrap();
        Folder { dir: Dir::Given(path) }
    }

    /// Writes `pw` and makes an empty `db`.
    pub fn make_database(&self) {
        self.write_secret("pw", format!("{PASSWORD}\n"));
        std::fs::create_dir_all(self.file("db")).unwrap();
        self.certutil(&["-N", "-f", "pw"]);
    }

    pub fn path(&self) -> &Path {
        match &self.dir {
            Dir::Own(d) => d.path(),
            Dir::Given(p) => p,
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.file(name), content).unwrap();
    }

    /// Writes a file that only its owner can read: others cause a warning in each run.
    pub fn write_secret(&self, name: &str, content: impl AsRef<[u8]>) {
        self.write(name, content);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(self.file(name), mode).unwrap();
    }

    /// Runs `nss-cmc` in this folder.
    #[track_caller]
    pub fn nss_cmc<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Said {
        nss_cmc(self.path(), args)
    }

    /// Runs certutil on the database, which must succeed; returns its stdout.
    #[track_caller]
    pub fn certutil<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> String {
        let mut all: Vec<&std::ffi::OsStr> = args.iter().map(AsRef::as_ref).collect();
        all.extend(["-d", "sql:db"].map(std::ffi::OsStr::new));
        tool("certutil", self.path(), &all)
    }

    /// Returns the key ids in the database, sorted, as `certutil -K` prints them.
    pub fn keys(&self) -> Vec<String> {
        let said = run(Command::new("certutil")
            .current_dir(self.path())
            .args(["-K", "-d", "sql:db", "-f", "pw"]));
        let mut ids: Vec<String> = said
            .out
            .split_whitespace()
            .filter(|w| w.len() == 40 && w.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(str::to_owned)
            .collect();
        ids.sort();
        ids
    }

    /// Returns the `nickname → trust` lines of `certutil -L`, sorted.
    pub fn certificates(&self) -> Vec<String> {
        listed(&self.certutil(&["-L"]))
    }

    /// Labels a key, as a killed run leaves it.
    pub fn label(&self, id: &str, text: &str) {
        // NSS opens one database at a time in a process.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap();
        let database =
            Database::open(self.file("db").to_str().unwrap(), Access::ReadWrite).unwrap();
        let token = database.token("internal").unwrap();
        token.login(Some(&Secret::new(PASSWORD.into()))).unwrap();
        let key = token.find_key(&nss_cmc::keyid::parse(id).unwrap()).unwrap();
        key.set_label(text).unwrap();
        drop((key, token));
        database.close().unwrap();
    }

    /// Compares with an earlier state, after a run that failed once its request was sent: its
    /// labelled key may remain, and is deleted here.
    #[track_caller]
    pub fn forget_unfinished(&self, before: &(Vec<String>, Vec<String>), nickname: &str) {
        for id in self.keys().iter().filter(|id| !before.0.contains(id)) {
            let list = self.certutil(&["-K", "-f", "pw"]);
            let line = list.lines().find(|l| l.contains(id)).unwrap();
            let label = format!("unfinished request for {nickname}");
            assert!(line.contains(&label), "{line}");
            self.certutil(&["-F", "-k", id, "-f", "pw"]);
        }
        assert_eq!(&self.state(), before);
    }

    /// Returns everything that a failed run must leave unchanged.
    pub fn state(&self) -> (Vec<String>, Vec<String>) {
        (self.keys(), self.certificates())
    }
}

/// Returns nicknames and trust flags of a listing by `certutil -L`, sorted.
pub fn listed(list: &str) -> Vec<String> {
    let mut lines: Vec<String> = list
        .lines()
        .skip(3)
        .filter(|l| l.contains(','))
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}
