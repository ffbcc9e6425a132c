//! Keys of earlier runs that were not completed: found by their label, and used with the
//! certificate that the CA's records have for them, or else in a new request.

use super::asked::Asked;
use super::existing::mend_label;
use super::maker::Maker;
use super::{Job, Notice, Requester};
use crate::algorithm::KeySpec;
use crate::asn1::x509::spki_key_spec;
use crate::client::dogtag::records::{Lookup, Records, State};
use crate::client::request_key::{RequestKey, unfinished_label};
use crate::client::verify_response::{self, Proven};
use crate::error::{Kind, Result};
use crate::nss::{Certificate, KeyPair, Token};

/// The keys of earlier runs.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Those of the requested type and size.
    keys: Vec<OldKey>,
    /// Notices about the other keys, and about records that can't be queried.
    pub(super) notices: Vec<Notice>,
}

/// A key of an earlier run.
struct OldKey {
    pair: KeyPair,
    /// DER of the SubjectPublicKeyInfo.
    spki: Vec<u8>,
    id: Vec<u8>,
    /// Whether its label is that of an unfinished request for the nickname. A key labelled with the
    /// nickname itself may be the user's own: only a certificate for it proves otherwise.
    labelled: bool,
    /// Whether it is the key of the certificate in use, which the new one shall have, too.
    in_use: bool,
}

impl Maker<'_> {
    /// Returns the keys in the token that earlier runs for the nickname left behind; `named` are the
    /// certificates under it.
    pub(super) fn unfinished(&self, named: &[Certificate], wanted: KeySpec) -> Unfinished {
        let mut found = Unfinished::default();
        let Some(nickname) = self.nickname else { return found };
        for (text, labelled) in [(unfinished_label(nickname).as_str(), true), (nickname, false)] {
            for private in self.session.token.keys_labelled(text) {
                let Ok(id) = private.id() else { continue };
                let public = private.public().and_then(|p| Ok((p.spki()?, p)));
                let Ok((spki, public)) = public else {
                    found.notices.extend(labelled.then(|| notice(nickname, id, &[])));
                    continue;
                };
                if let Some(certificate) = named.iter().find(|c| c.spki() == spki) {
                    // The key is in use: the run was killed during the import.
                    let mended = mend_label(self.nickname, certificate);
                    let stays = mended.err().map(Notice::LabelStays);
                    found.notices.extend(stays);
                    continue;
                }
                if spki_key_spec(&spki) == Some(wanted) {
                    let pair = KeyPair { private, public };
                    found.keys.push(OldKey { pair, spki, id, labelled, in_use: false });
                } else if labelled {
                    found.notices.push(notice(nickname, id, &spki));
                }
            }
        }
        found
    }
}

impl Job<'_> {
    /// Adds the key of the certificate in use: an earlier run may have requested a certificate for it.
    pub(super) fn with_same_key(&self, key: &RequestKey, unfinished: &mut Unfinished) {
        let Some(private) = self.session.token.find_key(&key.id) else { return };
        let Ok(public) = private.public() else { return };
        let (spki, id) = (key.spki.clone(), key.id.clone());
        let pair = KeyPair { private, public };
        unfinished.keys.push(OldKey { pair, spki, id, labelled: false, in_use: true });
    }

    /// Returns a certificate that, by its records, the CA has issued for the key of an earlier run,
    /// and that key. A certificate that lacks a name is skipped if `strict`. If the CA can't be
    /// queried, that is only a notice.
    ///
    /// # Errors
    /// [`Kind::Interrupted`]; those of a key that can't be used.
    pub(super) fn recover(
        &self,
        subject: &[u8],
        asked: &Asked,
        unfinished: &mut Unfinished,
    ) -> Result<Option<(RequestKey, Proven)>> {
        if unfinished.keys.is_empty() {
            return Ok(None);
        }
        let subjects = self.subjects(subject);
        let mut transport = self.spec.connection.transport(Some(&self.session.database), None)?;
        let mut records = Records::new(&mut transport, &self.spec.connection.ca);
        // A certificate for the key of the one in use may be here already.
        let is_new = |der: &[u8]| {
            let found = self.session.database.decode_certificate(der);
            !found.is_ok_and(|certificate| self.session.token.holds(&certificate))
        };
        for at in 0..unfinished.keys.len() {
            let Some(key) = unfinished.keys.get(at) else { break };
            for subject in &subjects {
                let record = match records.by_key(subject, &key.spki, &is_new) {
                    Ok(Lookup::Found(record)) => record,
                    Ok(Lookup::Absent) => continue,
                    Err(e) if e.kind() == Kind::Interrupted => return Err(e),
                    Ok(Lookup::Silent(why)) | Err(why) => {
                        unfinished.notices.push(Notice::RecordsSilent(why));
                        return Ok(None);
                    }
                };
                let Some(der) = record.certificate.filter(|_| record.state == State::Valid) else {
                    continue;
                };
                let passed_over = self.spec.force && !asked.lacking(&der)?.is_empty();
                if passed_over || !self.lasts(&der) {
                    continue;
                }
                // A certificate that isn't proven is ignored.
                let proven = verify_response::ours(self.session, vec![der], &key.spki);
                let Ok(proven) = proven else { continue };
                let OldKey { pair, spki, id, in_use, .. } = unfinished.keys.swap_remove(at);
                let nickname = self.nickname.unwrap_or_default();
                let key = match in_use {
                    true => RequestKey::in_use(pair.private, spki, id),
                    false => RequestKey::resume(&self.session.token, pair, nickname)?,
                };
                return Ok(Some((key, proven)));
            }
        }
        Ok(None)
    }

    /// Returns the subjects (DER) that the CA may have used.
    fn subjects(&self, asked: &[u8]) -> Vec<Vec<u8>> {
        let mut subjects = vec![asked.to_vec()];
        if let Requester::Certificate(signer) = &self.spec.requester
            && self.takes_signer_s_subject()
        {
            subjects.extend(self.session.certificate(signer).map(|s| s.subject().to_vec()));
        }
        subjects
    }
}

impl Unfinished {
    /// Returns the key to continue with, if there is one: first that of a pending request. The other
    /// keys become notices.
    ///
    /// # Errors
    /// As [`RequestKey::resume`].
    pub(super) fn go_on(
        &mut self,
        token: &Token,
        nickname: &str,
        is_pending: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<RequestKey>> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.retain(|k| k.labelled);
        keys.sort_by_key(|k| !is_pending(&k.id));
        let mut keys = keys.into_iter();
        let Some(first) = keys.next() else { return Ok(None) };
        self.notices.extend(keys.map(|k| k.notice(nickname)));
        RequestKey::resume(token, first.pair, nickname).map(Some)
    }

    /// Makes notices of all keys, for a run that uses another one.
    pub(super) fn pass_over(&mut self, nickname: &str) {
        let keys = std::mem::take(&mut self.keys).into_iter().filter(|k| k.labelled);
        self.notices.extend(keys.map(|k| k.notice(nickname)));
    }

    /// Returns notices about all keys, for a run that needs none.
    pub(super) fn all(mut self, nickname: &str) -> Vec<Notice> {
        self.pass_over(nickname);
        self.notices
    }
}

impl OldKey {
    fn notice(self, nickname: &str) -> Notice {
        notice(nickname, self.id, &self.spki)
    }
}

/// Returns the notice that a key with the label exists.
fn notice(nickname: &str, id: Vec<u8>, spki: &[u8]) -> Notice {
    let label = unfinished_label(nickname);
    Notice::UnfinishedKey { label, id, kind: spki_key_spec(spki) }
}
