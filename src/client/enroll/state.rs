//! The state file of a request that another run sends and completes: lines `name=value`, and comments
//! with the requested names for people. It has no secret.
//!
//! | name | value |
//! |---|---|
//! | `version` | 1 |
//! | `message` | SHA-256 of the CMC message |
//! | `nonce` | senderNonce of the message |
//! | `transaction_id` | transactionId of the message |
//! | `requester` | subject of the signer, or the user's uid |
//! | `token` | token of the key and the certificate, in quotation marks |
//! | `nickname` | nickname of the certificate, in quotation marks; empty if it isn't imported |
//! | `key` | CKA_ID of the key; empty for an existing request |
//! | `public_key` | DER of the requested SubjectPublicKeyInfo |
//! | `subject` | DER of the requested Name; may be empty |
//! | `names` | DER of the requested subjectAltName; may be empty |
//! | `archived` | 1 if the message has the key for the KRA, else 0 |
//! | `accepted` | SHA-256 of the imported certificate; empty before |
//! | `checksum` | SHA-256 of the lines before it |
//!
//! Octets are in hexadecimal. The checksum finds damage. It proves nothing: what a changed state could
//! cause is prevented by the response's signature, nonce and transaction id, and by id and label of
//! the key.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_ini::{LineEnding, Serializer, Writer};

use super::asked::{Asked, alternative_name_value};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::Number;
use crate::asn1::name::dn_string;
use crate::asn1::summary::alternative_names;
use crate::cmc::request::{Request, Sent};
use crate::error::{Error, Kind, Result};
use crate::keyid::{from_hex, to_hex};
use crate::text::printable;

/// What a run must know to complete the request of another run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// SHA-256 of the message.
    pub(super) message: Vec<u8>,
    /// Nonce and transaction id of the message.
    pub(super) sent: Sent,
    /// Subject of the signer, or the user's uid.
    pub(super) requester: String,
    /// Name of the token.
    pub(super) token: String,
    /// The nickname; without one the certificate is not imported.
    pub(super) nickname: Option<String>,
    /// CKA_ID of the key that was generated.
    pub(super) key_id: Option<Vec<u8>>,
    /// DER of the SubjectPublicKeyInfo.
    pub(super) spki: Vec<u8>,
    /// DER of the requested Name.
    pub(super) subject: Option<Vec<u8>>,
    /// DER of the requested subjectAltName.
    pub(super) names: Option<Vec<u8>>,
    /// Whether the message has the key for the KRA.
    pub(super) archived: bool,
    /// SHA-256 of the certificate that was imported.
    pub(super) accepted: Option<Vec<u8>>,
}

/// The version of the file's form.
const VERSION: u32 = 1;

/// The content of a file before its checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    message: String,
    nonce: String,
    transaction_id: String,
    requester: String,
    token: String,
    nickname: String,
    key: String,
    public_key: String,
    subject: String,
    names: String,
    /// 1 or 0.
    archived: u8,
    accepted: String,
}

const CHECKSUM: &str = "checksum=";

impl State {
    /// Returns the state of a request before its message is sent. `message` is its SHA-256.
    pub(super) fn new(request: &Request, message: Vec<u8>, sent: Sent, token: String) -> State {
        State {
            message,
            sent,
            requester: String::new(),
            token,
            nickname: None,
            key_id: None,
            spki: request.spki().to_vec(),
            subject: request.subject().map(<[u8]>::to_vec),
            names: alternative_name_value(request.extensions()).map(<[u8]>::to_vec),
            archived: false,
            accepted: None,
        }
    }

    /// Returns the requested names.
    ///
    /// # Errors
    /// As [`Asked::new`].
    pub(super) fn asked(&self) -> Result<Asked> {
        Asked::from_parts(self.subject.clone(), self.names.as_deref())
    }

    /// Returns the file's content; `path` is its name in errors.
    ///
    /// # Errors
    /// [`Kind::Input`] for names that can't be decoded; [`Kind::Usage`] for a token or a nickname
    /// that the file can't hold; those of `crypto`.
    pub(super) fn write(&self, path: &Path, crypto: &dyn Crypto) -> Result<String> {
        let mut text = "# state of a certificate request, for nss-cmc cmc accept\n".to_owned();
        for name in self.readable()? {
            text.push_str(&format!("# {}\n", printable(&name)));
        }
        let mut lines = Vec::new();
        let mut to = Serializer::new(Writer::new(&mut lines, LineEnding::Linefeed));
        self.form().serialize(&mut to).map_err(|e| bad(path, e.to_string()))?;
        text.push_str(utf8(path, &lines)?);
        let sum = to_hex(&crypto.hash(Digest::Sha256, text.as_bytes())?);
        text.push_str(&format!("{CHECKSUM}{sum}\n"));
        match State::read(path, text.as_bytes()) {
            Ok(read) if read == *self => Ok(text),
            _ => Err(Error::new(Kind::Usage, "cannot write the state of the request")
                .because("the name of the token or the nickname has a line break")),
        }
    }

    fn form(&self) -> Form {
        let hex = |value: &Option<Vec<u8>>| value.as_deref().map(to_hex).unwrap_or_default();
        // Without quotation marks, spaces at the ends would be lost.
        let quoted = |text: &String| format!("\"{text}\"");
        Form {
            version: VERSION,
            message: to_hex(&self.message),
            nonce: hex(&self.sent.nonce),
            transaction_id: self.sent.transaction_id.as_ref().map(Number::hex).unwrap_or_default(),
            requester: quoted(&self.requester),
            token: quoted(&self.token),
            nickname: self.nickname.as_ref().map(quoted).unwrap_or_default(),
            key: hex(&self.key_id),
            public_key: to_hex(&self.spki),
            subject: hex(&self.subject),
            names: hex(&self.names),
            archived: u8::from(self.archived),
            accepted: hex(&self.accepted),
        }
    }

    /// Returns the requested names for people.
    fn readable(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        names.extend(self.subject.as_deref().map(dn_string).transpose()?);
        names.extend(self.names.as_deref().map(alternative_names).transpose()?.unwrap_or_default());
        Ok(names)
    }

    /// Decodes the content of a file; `path` is its name in errors. [`check`] finds damage.
    ///
    /// # Errors
    /// [`Kind::Input`].
    pub(super) fn read(path: &Path, content: &[u8]) -> Result<State> {
        let (text, _) = split(path, content)?;
        // The reason isn't told: it may quote another file.
        let form: Form = serde_ini::from_str(text)
            .map_err(|_| bad(path, "it is not a state file of nss-cmc cmc build"))?;
        if form.version != VERSION {
            return Err(bad(path, format!("its version is {}, not {VERSION}", form.version)));
        }
        let invalid = |name: &str| bad(path, format!("invalid value of {name}"));
        let octets = |name: &str, text: &str| from_hex(text).ok_or_else(|| invalid(name));
        let hex = |name: &str, text: &str| {
            Some(text).filter(|t| !t.is_empty()).map(|t| octets(name, t)).transpose()
        };
        let some = |name: &str, text: &str| hex(name, text)?.ok_or_else(|| invalid(name));
        let quoted = |name: &str, text: &str| {
            let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            inner.map(str::to_owned).ok_or_else(|| invalid(name))
        };
        let id = Number::parse(&form.transaction_id).map_err(|_| invalid("transaction_id"))?;
        Ok(State {
            message: some("message", &form.message)?,
            sent: Sent { nonce: Some(some("nonce", &form.nonce)?), transaction_id: Some(id) },
            requester: quoted("requester", &form.requester)?,
            token: quoted("token", &form.token)?,
            nickname: match form.nickname.as_str() {
                "" => None,
                text => Some(quoted("nickname", text)?),
            },
            key_id: hex("key", &form.key)?,
            spki: some("public_key", &form.public_key)?,
            subject: hex("subject", &form.subject)?,
            names: hex("names", &form.names)?,
            archived: match form.archived {
                0 => false,
                1 => true,
                _ => return Err(invalid("archived")),
            },
            accepted: hex("accepted", &form.accepted)?,
        })
    }
}

/// Compares the checksum of a file's content.
///
/// # Errors
/// [`Kind::Input`]; those of `crypto`.
pub(super) fn check(path: &Path, content: &[u8], crypto: &dyn Crypto) -> Result<()> {
    let (before, sum) = split(path, content)?;
    let ours = to_hex(&crypto.hash(Digest::Sha256, before.as_bytes())?);
    match sum == format!("{CHECKSUM}{ours}\n") {
        true => Ok(()),
        false => Err(bad(path, "it was changed: its checksum does not match")),
    }
}

/// Returns the lines before the checksum, and the rest.
fn split<'a>(path: &Path, content: &'a [u8]) -> Result<(&'a str, &'a str)> {
    let text = utf8(path, content)?;
    Ok(text.split_at(text.rfind(CHECKSUM).unwrap_or(text.len())))
}

fn utf8<'a>(path: &Path, content: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(content).map_err(|e| bad(path, e.to_string()))
}

/// Returns the error for a file that can't be used.
pub(super) fn bad(path: &Path, why: impl Into<String>) -> Error {
    Error::new(Kind::Input, format!("cannot use state file {}", path.display())).because(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmc::fixture::OpenSsl;

    fn state() -> State {
        State {
            message: vec![1; 32],
            sent: Sent {
                nonce: Some(vec![0xab; 16]),
                transaction_id: Some(Number::unsigned(&[0x80; 16])),
            },
            requester: "CN=agent,O=\"E\"".into(),
            token: " HSM = \"1\"".into(),
            nickname: Some(" www; # [x]=\" ".into()),
            key_id: Some(vec![0xff, 0]),
            spki: vec![0x30, 0],
            subject: None,
            names: None,
            archived: true,
            accepted: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let path = Path::new("s");
        let text = state().write(path, &OpenSsl).unwrap();
        assert_eq!(State::read(path, text.as_bytes()).unwrap(), state());
        check(path, text.as_bytes(), &OpenSsl).unwrap();
        let broken = State { nickname: Some("a\nb".into()), ..state() };
        assert_eq!(broken.write(path, &OpenSsl).map_err(|e| e.kind()), Err(Kind::Usage));
        let plain = State { nickname: None, key_id: None, archived: false, ..state() };
        let text = plain.write(path, &OpenSsl).unwrap();
        assert_eq!(State::read(path, text.as_bytes()).unwrap(), plain);
    }

    #[test]
    fn a_changed_file_is_refused() {
        let path = Path::new("s");
        let text = state().write(path, &OpenSsl).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let read = State::read(path, &changed).and_then(|_| check(path, &changed, &OpenSsl));
            assert_eq!(read.map_err(|e| e.kind()), Err(Kind::Input), "octet {at}");
            let cut = &text.as_bytes()[..at];
            let read = State::read(path, cut).and_then(|_| check(path, cut, &OpenSsl));
            assert_eq!(read.map_err(|e| e.kind()), Err(Kind::Input), "cut at {at}");
        }
        for more in ["nonce=00\n", "other=\n", "[section]\n", "text\n"] {
            let changed = format!("{more}{text}");
            assert!(State::read(path, changed.as_bytes()).is_err(), "{more}");
        }
    }
}
