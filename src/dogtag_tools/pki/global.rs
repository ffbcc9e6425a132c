//! pki's global options, which precede the command.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::super::options::{Dialect, Known, Options, Takes};
use super::usage;
use crate::streams::Streams;
use nss_cmc::client::passwords::{Passwords, Source};
use nss_cmc::error::Result;
use nss_cmc::nss::exposed;
use nss_cmc::secret::Secret;

pub const USAGE: &str = "usage: pki [OPTIONS..] <command> [ARGS..]
    -d <path>                    NSS database (default: ~/.dogtag/nssdb)
    -c <password>                password of the token; everybody on the machine can see it
    -C <file>                    file with that password
    -f <file>                    password.conf: internal=..., hardware-NAME=...
       --token <name>            token to use (default: internal)
    -n <nickname>                certificate for TLS client authentication
    -u <user>                    user for basic authentication
    -w <password>                password of the user; everybody on the machine can see it
    -W <file>                    file with that password
    -U <URL>                     server, as https://host:port
    -P <protocol>                protocol (default: https)
    -h <host>                    host (default: this one)
    -p <port>                    port (default: 8443)
    -t <subsystem>               ignored: the command says it
       --api <version>           path of the REST interface (default: v2, else rest)
       --message-format <word>   xml or json; JSON is spoken whatever is said
       --output, --http-output <folder>
                                 folder for the HTTP messages
       --reject-cert-status <list>, --ignore-cert-status <list>
                                 problems of the server's certificate to refuse, to accept
       --skip-revocation-check   accepted: revocation of the server is not asked for
       --ignore-banner           accepted: there is no question
    -v, --verbose, --debug       say more on stderr
       --version, --help";

const OPTIONS: &[Known] = &[
    ("-d", Takes::Text),
    ("-c", Takes::Octets),
    ("-C", Takes::Octets),
    ("-f", Takes::Octets),
    ("--token", Takes::Text),
    ("-n", Takes::Text),
    ("-u", Takes::Text),
    ("-w", Takes::Octets),
    ("-W", Takes::Octets),
    ("-U", Takes::Text),
    ("-P", Takes::Text),
    ("-h", Takes::Text),
    ("-p", Takes::Text),
    ("-t", Takes::Text),
    ("--api", Takes::Text),
    ("--message-format", Takes::Text),
    ("--output", Takes::Octets),
    ("--http-output", Takes::Octets),
    ("--reject-cert-status", Takes::Text),
    ("--ignore-cert-status", Takes::Text),
    ("--skip-revocation-check", Takes::Nothing),
    ("--ignore-banner", Takes::Nothing),
    ("-D", Takes::Text),
    ("-e", Takes::Nothing),
    ("--exit-on-error", Takes::Nothing),
    ("-v", Takes::Nothing),
    ("--verbose", Takes::Nothing),
    ("--debug", Takes::Nothing),
    ("--version", Takes::Nothing),
    ("--help", Takes::Nothing),
];

/// The global options.
pub struct Global {
    options: Options,
}

impl Global {
    /// Reads the global options, first those of PKI_CLI_OPTIONS in the environment; also returns the
    /// words from the command on.
    ///
    /// # Errors
    /// [`Kind::Usage`](nss_cmc::error::Kind::Usage) for unknown and mutually exclusive options.
    pub fn read(args: &[OsString]) -> Result<(Global, Vec<OsString>)> {
        let mut all = Vec::new();
        if let Ok(usual) = std::env::var("PKI_CLI_OPTIONS") {
            all.extend(usual.split_whitespace().map(OsString::from));
        }
        all.extend_from_slice(args);
        let mut options = Options::new(Dialect::Clustered, OPTIONS);
        let words = options.read_to_word(&all)?.to_vec();
        let global = Global { options };
        if ["-c", "-C", "-f"].iter().filter(|name| global.options.has(name)).count() > 1 {
            return Err(usage("The -c, -C, -f options are mutually exclusive."));
        }
        if global.options.has("-n") && global.options.has("-u") {
            return Err(usage("The -n and -u options are mutually exclusive."));
        }
        if global.options.has("-w") && global.options.has("-W") {
            return Err(usage("The -w and -W options are mutually exclusive."));
        }
        Ok((global, words))
    }

    pub fn wants_help(&self) -> bool {
        self.options.has("--help")
    }

    pub fn wants_version(&self) -> bool {
        self.options.has("--version")
    }

    /// Returns whether to print more on standard error.
    pub fn verbose(&self) -> bool {
        ["-v", "--verbose", "--debug"].iter().any(|name| self.options.has(name))
    }

    /// Returns the database's directory: the given one, or the user's. Warns if others can write it.
    ///
    /// # Errors
    /// [`Kind::Usage`](nss_cmc::error::Kind::Usage) without a directory and a home directory.
    pub fn database(&self, streams: &mut Streams<'_>) -> Result<String> {
        let dir = match self.options.text("-d") {
            Some(dir) => dir.to_owned(),
            None => {
                let home = std::env::var("HOME").ok().filter(|home| !home.is_empty());
                let home = home.ok_or_else(|| {
                    usage("no NSS database given, and no home directory").hint("use -d DIR")
                })?;
                format!("{home}/.dogtag/nssdb")
            }
        };
        if let Some(why) = exposed(&dir) {
            streams.tell(format!("WARNING: {why}"));
        }
        Ok(dir)
    }

    /// Returns the token to use; `internal` is the database's own.
    pub fn token(&self) -> &str {
        self.options.text("--token").unwrap_or("internal")
    }

    /// Returns the nickname of the TLS client certificate.
    pub fn nickname(&self) -> Option<&str> {
        self.options.text("-n")
    }

    /// Returns the source of the tokens' passwords: `-c` and the first line of `-C` are the password
    /// of the chosen token, `-f` has a line for each token.
    pub fn passwords(&self, streams: &mut Streams<'_>) -> Passwords<'_> {
        if let Some(text) = self.options.octets("-c") {
            streams.tell("WARNING: everybody on this machine can see the password after -c");
            return super::super::passwords(Some(text), None);
        }
        if let Some(file) = self.options.path("-C") {
            super::super::check_secrets([file], streams);
            let source = Source::File(file.to_owned());
            return Box::new(move |wanted| {
                wanted.takes_bare(&file.display().to_string())?;
                source.read_shared("password").map(Some)
            });
        }
        let file = self.options.path("-f");
        super::super::check_secrets(file, streams);
        super::super::passwords(None, file)
    }

    /// Returns the password of the database's own token, for a new database.
    ///
    /// # Errors
    /// As for those of [`Global::passwords`].
    pub fn new_password(&self, streams: &mut Streams<'_>) -> Result<Option<Secret>> {
        let given = ["-c", "-C", "-f"].iter().any(|name| self.options.has(name));
        if !given {
            return Ok(None);
        }
        self.passwords(streams)("internal".into())
    }

    /// Returns the value of an option that is a text.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.options.text(name)
    }

    /// Returns the value of an option that is a path.
    pub fn path(&self, name: &'static str) -> Option<&Path> {
        self.options.path(name)
    }

    /// Returns the value of an option that is a secret.
    pub fn secret(&self, name: &'static str) -> Option<&OsStr> {
        self.options.octets(name)
    }

    /// Returns the directory for copies of the HTTP messages.
    pub fn http_output(&self) -> Option<PathBuf> {
        let given = self.path("--http-output").or_else(|| self.path("--output"));
        given.map(Path::to_owned)
    }
}
