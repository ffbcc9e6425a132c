//! The stand-in CA as a separate process, on a port that the system chooses.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Folder;

/// A running stand-in CA; stopped when dropped.
pub struct StandIn {
    child: Child,
    /// `https://localhost:PORT`.
    pub url: String,
    pub port: u16,
}

/// Returns the path of the stand-in's program, in the folder of the program under test.
pub fn program() -> PathBuf {
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_nss-cmc")).with_file_name("stand-in-ca");
    assert!(bin.exists(), "build it: cargo build -p stand-in-ca (cargo test --workspace does)");
    bin
}

/// As [`folder`], with EC keys, which are generated faster.
pub fn ec_folder() -> Folder {
    let folder = Folder::bare();
    let init = ["init", "--dir", "ca", "--key-type", "ec"];
    super::tool(program().to_str().unwrap(), folder.path(), &init);
    furnish(folder, &["--key-type", "ec"])
}

/// Makes a folder with a database that trusts the stand-in CA (in `ca`) and has its agent `agent`.
pub fn folder(options: &[&str]) -> Folder {
    furnish(Folder::bare(), options)
}

fn furnish(folder: Folder, options: &[&str]) -> Folder {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/setup-nssdb.sh");
    let said = super::run(
        Command::new(script)
            .current_dir(folder.path())
            .args(options)
            .arg(".")
            .arg(program())
            .arg("ca"),
    );
    said.exits(0);
    std::fs::rename(folder.file("nssdb"), folder.file("db")).unwrap();
    std::fs::rename(folder.file("password.txt"), folder.file("pw")).unwrap();
    folder
}

impl StandIn {
    /// Starts the CA in the folder's `ca` and waits until it listens.
    pub fn start(folder: &Folder, options: &[&str]) -> StandIn {
        let mut child = Command::new(program())
            .current_dir(folder.path())
            .args(["run", "--dir", "ca", "--log", "ca.log"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The first line is printed when it listens.
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let port = loop {
            match std::fs::read_to_string(folder.file("ca/port"))
                .ok()
                .and_then(|p| p.trim().parse().ok())
            {
                Some(port) => break port,
                None => assert!(Instant::now() < deadline, "the stand-in CA does not listen"),
            }
        };
        StandIn { child, url: format!("https://localhost:{port}"), port }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
