//! Requests that the CA holds back (status pending), remembered beside the database: a later run asks
//! for the result (queryPending, RFC 5272 §6.13) instead of sending the request again.
//!
//! There is one file for each key. It holds what a later message must repeat, and no secret.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::asked::Asked;
use super::{Job, Notice};
use crate::algorithm::{Crypto, Digest};
use crate::asn1::Number;
use crate::client::output;
use crate::error::{Error, Kind, PendInfo, Result};
use crate::keyid::{from_hex, to_hex};

/// The file's name, before the key's identifier and after it.
const PREFIX: &str = "nss-cmc-pending-";
const SUFFIX: &str = ".ini";

/// The version of the file's form.
const VERSION: u32 = 1;

/// The largest file that is read.
const LARGEST: u64 = 64 * 1024;

/// What a message about a pending request must repeat (RFC 5272 §6.6, §6.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pended {
    /// pendToken and pendTime.
    pub(super) info: PendInfo,
    /// transactionId.
    pub(super) transaction_id: Option<Number>,
    /// The CA's last senderNonce.
    pub(super) nonce: Option<Vec<u8>>,
    /// Whether this is the only request that was ever sent for the key.
    pub(super) only_request: bool,
}

impl Pended {
    /// Returns whether the CA may be asked at `now`.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.info.time <= now.timestamp()
    }
}

/// The content of a file: octets in hexadecimal, times in RFC 3339.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Form {
    version: u32,
    key: String,
    token: String,
    nickname: String,
    ca: String,
    requester: String,
    request: String,
    transaction_id: String,
    nonce: String,
    pend_token: String,
    pend_time: String,
    /// 1 or 0.
    only_request: u8,
}

/// The file about one key's request, and what it must say for this run to use it.
#[derive(Debug)]
pub(super) struct Slip {
    path: PathBuf,
    form: Form,
}

impl Job<'_> {
    /// Returns the place where a pending request for a key (CKA_ID) is remembered.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a URL that requests can't be sent to; those of the signer's look-up.
    pub(super) fn slip(&self, id: &[u8], asked: &Asked) -> Result<Slip> {
        let form = Form {
            version: VERSION,
            key: to_hex(id),
            token: self.session.token.user_name(),
            nickname: self.nickname.unwrap_or_default().to_owned(),
            ca: self.spec.connection.submit_url()?.to_string(),
            requester: self.maker().requester_name()?,
            request: to_hex(&self.session.database.hash(Digest::Sha256, &asked.octets())?),
            transaction_id: String::new(),
            nonce: String::new(),
            pend_token: String::new(),
            pend_time: String::new(),
            only_request: 0,
        };
        let path = self.session.database.path().join(format!("{PREFIX}{}{SUFFIX}", form.key));
        Ok(Slip { path, form })
    }

    /// Returns a notice for each pending request under the nickname whose key is gone; `clear` also
    /// forgets it.
    pub(super) fn orphans(&self, clear: bool) -> Vec<Notice> {
        let Some(nickname) = self.nickname else { return Vec::new() };
        let token = self.session.token.user_name();
        let entries = std::fs::read_dir(self.session.database.path()).into_iter().flatten();
        let mut notices = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.starts_with(PREFIX) || !name.ends_with(SUFFIX) {
                continue;
            }
            let Ok(Some(form)) = read(&path) else { continue };
            let id = from_hex(&form.key).unwrap_or_default();
            if form.nickname == nickname
                && form.token == token
                && self.session.token.find_key(&id).is_none()
            {
                let why = "its key is not in the token".to_owned();
                notices.push(Notice::PendingUnusable(request_of(&form), why));
                if clear {
                    std::fs::remove_file(&path).ok();
                }
            }
        }
        notices
    }
}

impl Slip {
    /// Returns the file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether a request is remembered.
    pub(super) fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Returns the remembered request. One that this run can't continue is a notice instead.
    pub(super) fn recall(&self, notices: &mut Vec<Notice>) -> Option<Pended> {
        let form = match read(&self.path) {
            Ok(form) => form?,
            Err(e) => {
                notices.push(Notice::PendingUnusable(String::new(), e.to_string()));
                return None;
            }
        };
        let request = request_of(&form);
        match self.usable(&form) {
            Ok(pended) => Some(pended),
            Err(why) => {
                notices.push(Notice::PendingUnusable(request, why));
                None
            }
        }
    }

    /// Returns what a file says, if it is about the same request of the same requester to the same CA.
    fn usable(&self, form: &Form) -> std::result::Result<Pended, String> {
        let own = &self.form;
        for (what, theirs, ours) in [
            ("CA or profile", &form.ca, &own.ca),
            ("requester", &form.requester, &own.requester),
            ("key", &form.key, &own.key),
        ] {
            if theirs != ours {
                return Err(format!("its {what} is another one, {theirs}"));
            }
        }
        if form.request != own.request {
            return Err("its subject or names are other ones".to_owned());
        }
        let pended = || {
            Some(Pended {
                info: PendInfo {
                    token: from_hex(&form.pend_token)?,
                    time: DateTime::parse_from_rfc3339(&form.pend_time).ok()?.timestamp(),
                },
                transaction_id: match form.transaction_id.as_str() {
                    "" => None,
                    text => Some(Number::parse(text).ok()?),
                },
                nonce: Some(from_hex(&form.nonce)?).filter(|nonce| !nonce.is_empty()),
                only_request: form.only_request == 1,
            })
        };
        let file = self.path.display();
        pended().filter(|_| form.version == VERSION).ok_or_else(|| format!("cannot read {file}"))
    }

    /// Remembers a request; the file appears whole or not at all.
    ///
    /// # Errors
    /// [`Kind::Output`].
    pub(super) fn remember(&self, pended: &Pended) -> Result<()> {
        let time = DateTime::from_timestamp(pended.info.time, 0).unwrap_or_default();
        let form = Form {
            transaction_id: pended.transaction_id.as_ref().map(Number::hex).unwrap_or_default(),
            nonce: to_hex(pended.nonce.as_deref().unwrap_or_default()),
            pend_token: to_hex(&pended.info.token),
            pend_time: time.to_rfc3339_opts(SecondsFormat::Secs, true),
            only_request: u8::from(pended.only_request),
            ..self.form.clone()
        };
        let text = serde_ini::to_string(&form).map_err(|e| {
            Error::new(Kind::Output, format!("cannot write {}", self.path.display()))
                .because(e.to_string())
        })?;
        output::write(&self.path, text.as_bytes(), output::Mode::Private)
    }

    /// Forgets the request.
    pub(super) fn forget(&self) {
        // A file that stays is about a key that is in use or deleted: no run reads it.
        std::fs::remove_file(&self.path).ok();
    }
}

fn request_of(form: &Form) -> String {
    let token = from_hex(&form.pend_token).unwrap_or_default();
    PendInfo { token, time: 0 }.token_text()
}

/// Returns the content of a file; `None` if there is none.
fn read(path: &Path) -> Result<Option<Form>> {
    let cannot = || Error::new(Kind::Input, format!("cannot read {}", path.display()));
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(cannot().because(e)),
        Ok(found) if !found.is_file() || found.len() > LARGEST => {
            return Err(cannot().because("it is no file of this program"));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|e| cannot().because(e))?;
    let form = serde_ini::from_str(&text).map_err(|e| cannot().because(e.to_string()))?;
    Ok(Some(form))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn slip(dir: &Path) -> Slip {
        let form = Form {
            version: VERSION,
            key: "0a0b".into(),
            token: "internal".into(),
            nickname: " my ; server = 1".into(),
            ca: "https://ca:1/ca?profileId=x".into(),
            requester: "CN=agent".into(),
            request: "00".into(),
            transaction_id: String::new(),
            nonce: String::new(),
            pend_token: String::new(),
            pend_time: String::new(),
            only_request: 0,
        };
        Slip { path: dir.join(format!("{PREFIX}0a0b{SUFFIX}")), form }
    }

    fn pended() -> Pended {
        Pended {
            info: PendInfo { token: vec![0, 255, b'='], time: 1_700_000_000 },
            transaction_id: Some(Number::unsigned(&[0xff; 16])),
            nonce: Some(vec![0, 1, 2]),
            only_request: true,
        }
    }

    #[test]
    fn what_is_remembered_is_recalled() {
        let dir = tempfile::tempdir().unwrap();
        let slip = slip(dir.path());
        let mut notices = Vec::new();
        assert_eq!(slip.recall(&mut notices), None);
        for pended in [pended(), Pended { transaction_id: None, nonce: None, ..pended() }] {
            slip.remember(&pended).unwrap();
            assert_eq!(slip.recall(&mut notices).as_ref(), Some(&pended));
        }
        assert!(notices.is_empty(), "{notices:?}");
        let mode = std::fs::metadata(slip.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        slip.forget();
        assert!(!slip.exists());
    }

    #[test]
    fn what_is_about_another_request_is_told_and_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let one = slip(dir.path());
        one.remember(&pended()).unwrap();
        let other = |change: fn(&mut Form), word: &str| {
            let mut other = slip(dir.path());
            change(&mut other.form);
            let mut notices = Vec::new();
            assert_eq!(other.recall(&mut notices), None);
            let said = notices[0].to_string();
            assert!(said.contains(word), "{said}");
        };
        other(|f| f.ca = "https://b".into(), "https://ca:1");
        other(|f| f.requester = "alice".into(), "CN=agent");
        other(|f| f.request = "01".into(), "subject or names");
        for damage in ["", "version = 1", "[", "version=2\n"] {
            std::fs::write(one.path(), damage).unwrap();
            let mut notices = Vec::new();
            assert_eq!(one.recall(&mut notices), None, "{damage}");
            assert_eq!(notices.len(), 1, "{damage}");
        }
    }

    #[test]
    fn the_ca_is_not_asked_before_its_time() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        assert!(!pended().is_due(at(1_699_999_999)));
        assert!(pended().is_due(at(1_700_000_000)));
    }
}
