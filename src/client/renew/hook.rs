//! The command that runs after a certificate was renewed: a program with arguments, without a shell.

use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use crate::asn1::summary::Summary;
use crate::error::{Error, Kind, Result};

/// The variables that the command gets from the environment of the program. No others: one of them
/// may have a password (`--password-env`, `https_proxy`).
const INHERITED: [&str; 11] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    // systemctl --user
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "INVOCATION_ID",
];

/// Words that only a shell understands.
const OF_A_SHELL: [&str; 9] = ["&&", "||", ";", "|", "&", ">", ">>", "<", "2>&1"];

/// A command, as words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    program: String,
    arguments: Vec<String>,
}

/// What the command is about.
pub(super) struct About<'a> {
    /// NSS database directory.
    pub(super) database: &'a str,
    /// The token of the certificate.
    pub(super) token: &'a str,
    /// Its nickname.
    pub(super) nickname: &'a str,
    /// The certificate.
    pub(super) certificate: &'a Summary,
    /// Serial number of the one that it replaces.
    pub(super) replaced: String,
}

impl Hook {
    /// Splits a text into words as a shell does, with quotes and backslashes. Nothing else of a
    /// shell is known: `$` and `*` are ordinary characters.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a text without words, an open quote, and words such as `&&`.
    pub fn parse(text: &str) -> Result<Hook> {
        let invalid = |why: &str| {
            Error::new(Kind::Usage, format!("invalid command {text:?}")).because(why.to_owned())
        };
        let words = shlex::split(text).ok_or_else(|| invalid("a quote is not closed"))?;
        if let Some(word) = words.iter().find(|word| OF_A_SHELL.contains(&word.as_str())) {
            return Err(invalid(&format!("{word} is for a shell, and none is used"))
                .hint("write it as sh -c '…', or name a script"));
        }
        let mut words = words.into_iter();
        match words.next().filter(|program| !program.is_empty()) {
            Some(program) => Ok(Hook { program, arguments: words.collect() }),
            None => Err(invalid("it names no program")),
        }
    }

    /// Runs the command, and waits for its end. It reads nothing; what it prints goes to standard
    /// error.
    ///
    /// # Errors
    /// [`Kind::Hook`].
    pub(super) fn run(&self, about: &About<'_>) -> Result<()> {
        let nickname = about.nickname;
        let failed = || {
            let what = format!("command {self} failed after the renewal of {nickname:?}");
            Error::new(Kind::Hook, what).hint(
                "the new certificate is stored; the next run of renew calls the command again",
            )
        };
        let to_stderr = || std::io::stderr().as_fd().try_clone_to_owned();
        let kept = INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let certificate = about.certificate;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(kept)
            .env("NSS_CMC_DATABASE", about.database)
            .env("NSS_CMC_TOKEN", about.token)
            .env("NSS_CMC_NICKNAME", nickname)
            .env("NSS_CMC_SUBJECT", &certificate.subject)
            .env("NSS_CMC_SERIAL", certificate.serial_hex())
            .env("NSS_CMC_OLD_SERIAL", &about.replaced)
            .env(
                "NSS_CMC_NOT_AFTER",
                certificate.not_after.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            )
            .stdin(Stdio::null())
            .stdout(to_stderr().map_or_else(|_| Stdio::null(), Stdio::from));
        let ended = command.status().map_err(|e| failed().because(e))?;
        if ended.success() { Ok(()) } else { Err(failed().because(words(ended))) }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The arguments are not shown: they may say more than a log should.
        write!(f, "{:?}", self.program)
    }
}

fn words(ended: ExitStatus) -> String {
    match (ended.code(), ended.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => ended.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell_and_nothing_is_expanded() {
        let words = |text: &str| {
            let hook = Hook::parse(text).unwrap();
            [vec![hook.program], hook.arguments].concat()
        };
        assert_eq!(words("systemctl reload httpd"), ["systemctl", "reload", "httpd"]);
        assert_eq!(words(r#"'/a b/c' "$HOME" \* -x"#), ["/a b/c", "$HOME", "*", "-x"]);
        assert_eq!(words("sh -c 'a && b'"), ["sh", "-c", "a && b"]);
    }

    #[test]
    fn what_needs_a_shell_is_refused() {
        for text in ["", "  ", "''", "# a", "'open", "a && b", "a | b", "a ; b", "a > /tmp/x"] {
            assert_eq!(Hook::parse(text).unwrap_err().kind(), Kind::Usage, "{text}");
        }
    }
}
