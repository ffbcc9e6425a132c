//! The error type, and the table of kinds: exit code, JSON name, whether to retry, meaning.

use std::fmt;

use crate::text::{printable, without_userinfo};

/// The kind of a failure. The table behind it ([`Kind::ALL`]) gives exit codes and JSON names;
/// `nss-cmc help exit-codes`, the README and the tests read the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A defect in nss-cmc, including a panic.
    Internal,
    /// Invalid options or configuration.
    Usage,
    /// Accepted by the CA, not issued yet.
    Pending,
    /// The database can't be opened: missing, unreadable, not SQLite, read-only.
    Database,
    /// Password wrong or missing, or token locked.
    Login,
    /// Nickname, key, token or serial not found.
    NotFound,
    /// A certificate is not valid for the requested usage.
    Untrusted,
    /// The token or a policy forbids the operation.
    Refused,
    /// The nickname belongs to another subject, the key exists, or another run holds the lock.
    Conflict,
    /// The certificate differs from the request.
    Differs,
    /// A certificate request, CMC message, PKCS #12 file or certificate can't be read or decoded.
    Input,
    /// A file, or standard output, can't be written.
    Output,
    /// Name lookup, connection or time-out.
    Unreachable,
    /// The server is not trusted, its name does not match, or it refused the client certificate.
    Tls,
    /// Not HTTP 200, or not a CMC response.
    Http,
    /// The CMC status is a failure.
    Rejected,
    /// The CA requires proof of possession in another round trip.
    PopRequired,
    /// Nonce, transaction id, key or signature of the response does not match.
    BadReply,
    /// The command that a renewal runs after a change failed.
    Hook,
    /// A signal ended the run between two steps.
    Interrupted,
}

/// The exit code of `--check --detailed-exitcode` when the run would change something.
pub const WOULD_CHANGE: u8 = 4;

/// Exit codes that are no failure, with their meanings.
pub const NOT_FAILED: [(u8, &str); 2] = [
    (0, "success, or nothing to do"),
    (WOULD_CHANGE, "a run would change something (--check --detailed-exitcode)"),
];

/// One row of [`Kind::ALL`].
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// Exit code of the modern verbs and of a panic.
    pub exit: u8,
    /// Name in JSON output (`error.kind`).
    pub name: &'static str,
    /// Whether trying again later may help.
    pub retryable: bool,
    /// One line for people.
    pub meaning: &'static str,
}

macro_rules! kinds {
    ($($kind:ident $exit:literal $name:literal $retry:literal $meaning:literal;)*) => {
        impl Kind {
            /// Every kind, in order of exit code.
            pub const ALL: &'static [KindRow] = &[$(KindRow {
                kind: Kind::$kind, exit: $exit, name: $name, retryable: $retry, meaning: $meaning,
            }),*];

            fn row(self) -> &'static KindRow {
                const ROWS: &[KindRow] = Kind::ALL;
                match self { $(Kind::$kind => {
                    const AT: usize = position($exit);
                    &ROWS[AT]
                })* }
            }
        }
    };
}

const fn position(exit: u8) -> usize {
    let mut i = 0;
    while Kind::ALL[i].exit != exit {
        i += 1;
    }
    i
}

kinds! {
    Internal 1 "internal" false "bug in nss-cmc; please report it";
    Usage 2 "usage" false "invalid options or configuration";
    Pending 3 "pending" true "request accepted, certificate not issued yet (not a failure)";
    Database 10 "database" false "cannot open the NSS database: not found, not readable, or read-only";
    Login 11 "login" false "token password wrong or not given, or token locked";
    NotFound 12 "not_found" false "nickname, key, token or serial number not found";
    Untrusted 13 "untrusted" false "certificate not valid for the requested usage";
    Refused 14 "refused" false "operation forbidden by the token or by a policy (FIPS)";
    Conflict 15 "conflict" false "nickname belongs to another subject, key exists, or another run holds the database";
    Differs 16 "differs" false "existing or issued certificate does not match the request";
    Input 20 "input" false "cannot read a certificate request, CMC message, PKCS #12 file or certificate";
    Output 21 "output" false "cannot write a file or standard output";
    Unreachable 30 "unreachable" true "cannot resolve the host name, cannot connect, or timeout";
    Tls 31 "tls" false "server not trusted, host name does not match, or client certificate refused";
    Http 32 "http" true "HTTP status not 200, or response not CMC";
    Rejected 40 "rejected" false "the CA's CMC status is a failure, or its records do not match the request";
    PopRequired 41 "pop_required" false "the CA requires proof of possession in another round trip";
    BadReply 42 "bad_reply" false "response signature invalid, or nonce, transaction id or key does not match";
    Hook 50 "hook" true "the command of --exec failed; the renewed certificate stays";
    Interrupted 130 "interrupted" true "interrupted by a signal; changes were rolled back unless a request was sent";
}

impl Kind {
    /// Returns the exit code of the modern verbs.
    pub fn exit(self) -> u8 {
        self.row().exit
    }
    /// Returns the name in JSON output.
    pub fn name(self) -> &'static str {
        self.row().name
    }
    /// Returns whether trying again later may help.
    pub fn retryable(self) -> bool {
        self.row().retryable
    }
}

/// A failure: what was attempted and on what, why, and one thing to try.
#[derive(Debug)]
pub struct Error(Box<Parts>);

/// Boxed, so that a [`Result`] stays small.
#[derive(Debug)]
struct Parts {
    kind: Kind,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    hint: Option<String>,
    retryable: bool,
    sent: bool,
    settled: bool,
    notes: Vec<String>,
    nickname: Option<String>,
    differences: Vec<String>,
    missing_names: Vec<String>,
    leftover: Option<Leftover>,
    cmc: Option<CmcDetail>,
    http: Option<u32>,
    pending: Option<PendInfo>,
    changed_nothing: bool,
}

/// A failed NSS call: the C function, NSPR's error code, its symbolic name and NSS's sentence for
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The C function that failed.
    pub call: &'static str,
    /// `PR_GetError()` right after the call; 0 when NSS gave no reason.
    pub code: i32,
    /// The symbolic name (`SEC_ERROR_BAD_PASSWORD`), or `unknown error`.
    pub name: String,
    /// NSS's sentence for the code, without its full stop (`PR_ErrorToString`).
    pub text: String,
}

/// The [`Fault::name`] of a number that has none.
pub(crate) const UNKNOWN: &str = "unknown error";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == 0 {
            return write!(f, "{} failed without an NSS error code", self.call);
        }
        if self.name == UNKNOWN {
            return write!(f, "{}: {UNKNOWN} ({})", self.call, self.code);
        }
        write!(f, "{}: {} ({})", self.call, self.name, self.text)
    }
}

impl std::error::Error for Fault {}

/// The content of the CA's failed status control (CMCStatusInfo, CMCStatusInfoV2; RFC 5272 §6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CmcDetail {
    /// CMCStatus by name (`failed`).
    pub status: String,
    /// CMCFailInfo by RFC name (`badRequest`), or the number when unknown.
    pub fail_info: Option<String>,
    /// statusString, made printable.
    pub text: Option<String>,
}

/// What the CA says of a request that it holds back (PendInfo, RFC 5272 §6.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendInfo {
    /// pendToken.
    pub token: Vec<u8>,
    /// pendTime in seconds since 1970: not to be asked before.
    pub time: i64,
}

impl PendInfo {
    /// Returns the token for people: as text, if it is printable, else in hexadecimal.
    pub fn token_text(&self) -> String {
        match std::str::from_utf8(&self.token) {
            Ok(text) if !text.is_empty() && !text.contains(char::is_control) => {
                printable(text).into_owned()
            }
            _ => self.token.iter().map(|octet| format!("{octet:02x}")).collect(),
        }
    }
}

/// What a failed run leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftover {
    /// The nickname intended for the certificate.
    pub nickname: Option<String>,
    /// The key, if it is kept or could not be deleted.
    pub key: Option<LeftKey>,
    /// DER of the certificate, if one was issued.
    pub certificate: Option<Vec<u8>>,
    /// DER of its issuers, nearest first, as far as they verified; absent when they weren't looked
    /// for.
    pub chain: Option<Vec<Vec<u8>>>,
}

/// A key that stays in its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftKey {
    /// CKA_ID.
    pub id: Vec<u8>,
    /// CKA_LABEL, if the key has one that describes it.
    pub label: Option<String>,
}

/// `std::result::Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns an error of `kind`. `what` says what was attempted, on what; lower case, no full
    /// stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Error {
        let retryable = kind.retryable();
        Error(Box::new(Parts {
            kind,
            what: what.into(),
            source: None,
            hint: None,
            retryable,
            sent: false,
            settled: false,
            notes: Vec::new(),
            nickname: None,
            differences: Vec::new(),
            missing_names: Vec::new(),
            leftover: None,
            cmc: None,
            http: None,
            pending: None,
            changed_nothing: false,
        }))
    }

    /// Adds the reason.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// Adds one thing to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(line(&hint.into()));
        self
    }

    /// Adds a fact about the state after the failure, such as where a file is.
    pub fn note(mut self, note: impl Into<String>) -> Error {
        self.0.notes.push(line(&note.into()));
        self
    }

    /// Merges `what` into what the failed run leaves behind.
    pub fn leftover(mut self, what: Leftover) -> Error {
        let before = self.0.leftover.take().unwrap_or_default();
        self.0.leftover = Some(Leftover {
            nickname: what.nickname.or(before.nickname),
            key: what.key.or(before.key),
            certificate: what.certificate.or(before.certificate),
            chain: what.chain.or(before.chain),
        });
        self
    }

    /// Adds the nickname and the differences between its certificate and the request.
    pub fn differing(mut self, nickname: &str, differences: Vec<String>) -> Error {
        self.0.nickname = Some(nickname.to_owned());
        self.0.differences = differences;
        self
    }

    /// Adds the requested names that the certificate lacks.
    pub fn lacking(mut self, names: Vec<String>) -> Error {
        self.0.missing_names = names;
        self
    }

    /// Marks that the request was sent, at least in part: the CA may have processed it.
    pub fn sent(mut self) -> Error {
        self.0.sent = true;
        self
    }

    /// Marks that the CA verifiably refused this very request, so that its key is of no more use.
    pub fn settled(mut self) -> Error {
        self.0.settled = true;
        self
    }

    /// Overrides whether trying again may help.
    pub fn retry(mut self, retryable: bool) -> Error {
        self.0.retryable = retryable;
        self
    }

    /// Adds the content of the CA's CMC status.
    pub fn cmc(mut self, detail: CmcDetail) -> Error {
        self.0.cmc = Some(detail);
        self
    }

    /// Adds the HTTP status.
    pub fn http(mut self, status: u32) -> Error {
        self.0.http = Some(status);
        self
    }

    /// Adds when and how to ask for the result of a request that the CA holds back.
    pub fn pending(mut self, info: PendInfo) -> Error {
        self.0.pending = Some(info);
        self
    }

    /// Marks that what is left behind was there before: this run changed nothing.
    pub fn nothing_changed(mut self) -> Error {
        self.0.changed_nothing = true;
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns the hint: one thing to try.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns the facts added by [`Error::note`].
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// Returns what the failed run leaves behind.
    pub fn left_behind(&self) -> Option<&Leftover> {
        self.0.leftover.as_ref()
    }

    /// Returns the nickname that the failure is about.
    pub fn nickname(&self) -> Option<&str> {
        let left = self.0.leftover.as_ref().and_then(|l| l.nickname.as_deref());
        left.or(self.0.nickname.as_deref())
    }

    /// Returns the differences between the certificate under the nickname and the request.
    pub fn differences(&self) -> &[String] {
        &self.0.differences
    }

    /// Returns the requested names that the certificate lacks.
    pub fn missing_names(&self) -> &[String] {
        &self.0.missing_names
    }

    /// Returns whether the request had been sent, at least in part.
    pub fn was_sent(&self) -> bool {
        self.0.sent
    }

    /// Returns whether the CA verifiably refused this very request.
    pub fn is_settled(&self) -> bool {
        self.0.settled
    }

    /// Returns whether trying again later may help.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns the NSS call that failed, if the chain of sources has one.
    pub fn nss(&self) -> Option<&Fault> {
        let mut at: Option<&(dyn std::error::Error + 'static)> =
            self.0.source.as_deref().map(|e| e as _);
        while let Some(e) = at {
            if let Some(fault) = e.downcast_ref::<Fault>() {
                return Some(fault);
            }
            at = e.source();
        }
        None
    }

    /// Returns the content of the CA's CMC status.
    pub fn cmc_detail(&self) -> Option<&CmcDetail> {
        self.0.cmc.as_ref()
    }

    /// Returns when and how to ask for the result of a request that the CA holds back.
    pub fn pend_info(&self) -> Option<&PendInfo> {
        self.0.pending.as_ref()
    }

    /// Returns whether the failed run left something behind that was not there before: here, or a
    /// request that the CA holds back.
    pub fn changed_something(&self) -> bool {
        (self.0.leftover.is_some() || self.0.pending.is_some()) && !self.0.changed_nothing
    }

    /// Returns the HTTP status, if that is what failed.
    pub fn http_status(&self) -> Option<u32> {
        self.0.http
    }
}

/// Writes the whole chain on one line, `what: why: deeper why`, without the hint. Text from a
/// server, a file or a library is escaped for the terminal here.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&line(&self.0.what))?;
        let mut at: Option<&(dyn std::error::Error + 'static)> =
            self.0.source.as_deref().map(|e| e as _);
        while let Some(e) = at {
            write!(f, ": {}", line(&e.to_string()))?;
            // An Error in the chain prints its own sources.
            at = if e.is::<Error>() { None } else { e.source() };
        }
        Ok(())
    }
}

/// Returns `text` on one line, escaped for a terminal, without the passwords of URLs.
fn line(text: &str) -> String {
    without_userinfo(&printable(text.trim_end().replace('\n', " ").as_str())).into_owned()
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_names_are_distinct() {
        for (i, a) in Kind::ALL.iter().enumerate() {
            assert_eq!(a.kind.exit(), a.exit);
            assert_eq!(a.kind.name(), a.name);
            for b in &Kind::ALL[i + 1..] {
                assert!(a.exit < b.exit, "{} {}", a.name, b.name);
                assert_ne!(a.name, b.name);
            }
            assert!(NOT_FAILED.iter().all(|(exit, _)| *exit != a.exit), "{}", a.name);
        }
    }

    #[test]
    fn the_chain_is_one_line() {
        let inner = Error::new(Kind::Input, "cannot decode the CSR").because("no SEQUENCE");
        let outer = Error::new(Kind::Input, "cannot use a.csr").because(inner).hint("look at it");
        assert_eq!(outer.to_string(), "cannot use a.csr: cannot decode the CSR: no SEQUENCE");
        assert_eq!(outer.hint_text(), Some("look at it"));
        let evil = Error::new(Kind::Tls, "a\u{1b}[2J").because("b\nc\u{202e}").hint("\u{7}d");
        assert_eq!(evil.to_string(), "a\\u{1b}[2J: b c\\u{202e}");
        assert_eq!(evil.hint_text(), Some("\\u{7}d"));
    }
}
