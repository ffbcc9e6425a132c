//! certmonger: its helper as it runs it, and the daemon itself, on a message bus of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Folder, Said, run};

/// Runs the helper as certmonger does: standard input closed, umask 0077, another directory, and no
/// environment but PATH and the given variables, whose names lack CERTMONGER_.
#[track_caller]
pub fn helper<S: AsRef<std::ffi::OsStr>>(args: &[S], variables: &[(&str, &str)]) -> Said {
    helper_with("<&-", args, variables)
}

/// As [`helper`], with redirections for the shell.
#[track_caller]
pub fn helper_with<S: AsRef<std::ffi::OsStr>>(
    redirections: &str,
    args: &[S],
    variables: &[(&str, &str)],
) -> Said {
    let said = run(&mut command(redirections, args, variables));
    assert!(!said.err.contains("cannot shut down NSS"), "{}", said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    said
}

/// Returns the command of [`helper`].
pub fn command<S: AsRef<std::ffi::OsStr>>(
    redirections: &str,
    args: &[S],
    variables: &[(&str, &str)],
) -> Command {
    let mut command = Command::new("/bin/sh");
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.args(["-c", &format!("umask 0077; exec \"$@\" {redirections}"), "sh"]);
    command.args([env!("CARGO_BIN_EXE_nss-cmc"), "certmonger"]).args(args);
    command.envs(variables.iter().map(|(name, value)| (format!("CERTMONGER_{name}"), value)));
    command
}

/// A running daemon; it and its bus end on drop.
pub struct Daemon {
    bus: Child,
    daemon: Option<Child>,
    home: PathBuf,
    address: String,
}

/// A request as `getcert list` shows it.
#[derive(Debug)]
pub struct Tracked {
    pub status: String,
    pub stuck: bool,
    /// The first line that the helper printed with an error.
    pub error: Option<String>,
}

fn program() -> Option<PathBuf> {
    let folders = ["/usr/lib/certmonger", "/usr/libexec/certmonger"];
    folders.iter().map(|f| Path::new(f).join("certmonger-session")).find(|p| p.exists())
}

impl Daemon {
    /// Starts a daemon with its files in the folder. `None`, and a message, if certmonger isn't
    /// installed.
    pub fn start(f: &Folder) -> Option<Daemon> {
        let Some(program) = program() else {
            // Not eprintln, whose text a test that passes does not show.
            let text =
                "SKIPPED: certmonger not found; scripts/install-deps.sh --test installs it\n";
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            return None;
        };
        // Without service files: the bus starts no daemon by itself.
        f.write(
            "bus.conf",
            format!(
                "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
                 <policy context=\"default\"><allow send_destination=\"*\"/>\
                 <allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>",
                f.file("bus").display()
            ),
        );
        let mut bus = Command::new("dbus-daemon")
            .current_dir(f.path())
            .args(["--config-file=bus.conf", "--nofork", "--nopidfile", "--print-address=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("dbus-daemon: {e}"));
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let home = f.file("home");
        std::fs::create_dir_all(home.join(".config")).unwrap();
        let mut daemon = Daemon { bus, daemon: None, home, address: address.trim_end().to_owned() };
        let log = std::fs::File::create(f.file("certmonger.log")).unwrap();
        let child = daemon
            .command(program.to_str().unwrap())
            .args(["-n", "-d", "2"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        daemon.daemon = Some(child.unwrap());
        let end = Instant::now() + Duration::from_secs(60);
        while daemon.getcert("list-cas", &[]).code != 0 {
            assert!(
                Instant::now() < end,
                "certmonger does not start: {:?}",
                f.file("certmonger.log")
            );
        }
        Some(daemon)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("HOME", &self.home).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
    }

    /// Runs a command of getcert.
    #[track_caller]
    pub fn getcert(&self, verb: &str, args: &[&str]) -> Said {
        run(self.command("getcert").args([verb, "-s"]).args(args))
    }

    /// Runs the program with getcert on its PATH, which reaches this daemon.
    #[track_caller]
    pub fn nss_cmc(&self, f: &Folder, args: &[&str]) -> Said {
        let shim = f.file("bin/getcert");
        std::fs::create_dir_all(shim.parent().unwrap()).unwrap();
        std::fs::write(
            &shim,
            "#!/bin/sh\nverb=$1; shift\nexec /usr/bin/getcert \"$verb\" -s \"$@\"\n",
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&shim, mode).unwrap();
        let path = format!("{}:/usr/bin:/bin", f.file("bin").display());
        let mut command = self.command(env!("CARGO_BIN_EXE_nss-cmc"));
        run(command.current_dir(f.path()).env("PATH", path).args(args))
    }

    /// Has a key generated in the folder's `service` database and a certificate requested from a CA,
    /// and waits until certmonger goes no further.
    #[track_caller]
    pub fn request(&self, f: &Folder, ca: &str, nickname: &str, more: &[&str]) -> Said {
        let (db, pw) = (f.file("service"), f.file("pw"));
        let subject = format!("CN={nickname},O=EXAMPLE");
        let args = ["-c", ca, "-d", db.to_str().unwrap(), "-n", nickname, "-N", &subject];
        let args = [&args[..], &["-p", pw.to_str().unwrap(), "-w"], more].concat();
        self.getcert("request", &args)
    }

    /// Returns what the daemon knows of a request.
    #[track_caller]
    pub fn tracked(&self, f: &Folder, nickname: &str) -> Tracked {
        let db = f.file("service");
        let list = self.getcert("list", &["-d", db.to_str().unwrap(), "-n", nickname]).exits(0).out;
        let field = |name: &str| {
            let line = list.lines().find_map(|l| l.trim().strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        Tracked {
            status: field("status:").unwrap_or_else(|| panic!("no {nickname} in {list}")),
            stuck: field("stuck:").as_deref() == Some("yes"),
            error: field("ca-error:"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for child in self.daemon.iter_mut().chain([&mut self.bus]) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Makes the folder's `service` database, in which certmonger generates keys.
pub fn service_database(f: &Folder) {
    std::fs::create_dir_all(f.file("service")).unwrap();
    super::tool("certutil", f.path(), &["-N", "-d", "sql:service", "-f", "pw"]);
}

/// Returns the PEM of a certificate in the `service` database.
#[track_caller]
pub fn saved(f: &Folder, nickname: &str) -> String {
    let args = ["-L", "-a", "-d", "sql:service", "-n", nickname];
    super::tool("certutil", f.path(), &args)
}
