//! Keys of earlier runs that didn't come to their end: found by their label, and gone on with, with the
//! certificate that the CA's records have for them, or else with another request.

use super::asked::Asked;
use super::finish::Issued;
use super::{Job, Requester};
use crate::algorithm::KeySpec;
use crate::asn1::x509::spki_key_spec;
use crate::client::csr::{NewKey, unfinished_label};
use crate::client::dogtag::records::{Lookup, Records, State};
use crate::client::{judge, session};
use crate::error::{Kind, Result};
use crate::keyid;
use crate::nss::{KeyPair, Token};

/// The keys of earlier runs.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Those of the kind asked for.
    keys: Vec<OldKey>,
    /// What is to be said besides: of the others, and of a CA that can't be asked.
    pub(super) notes: Vec<String>,
}

/// A key of an earlier run.
struct OldKey {
    pair: KeyPair,
    /// DER of the SubjectPublicKeyInfo.
    spki: Vec<u8>,
    id: Vec<u8>,
    /// Whether its label says that a request for the nickname isn't finished. A key that is called as
    /// the nickname may be somebody's own: only a certificate makes it ours.
    labelled: bool,
}

impl Job<'_> {
    /// The keys in the token that earlier runs for the nickname left behind.
    ///
    /// # Errors
    /// When the database can't be searched.
    pub(super) fn unfinished(&self, wanted: KeySpec) -> Result<Unfinished> {
        let mut found = Unfinished::default();
        let Some(nickname) = self.nickname else { return Ok(found) };
        let named = self.database.find_certificates(&session::qualified(self.token, nickname))?;
        for (text, labelled) in [(unfinished_label(nickname).as_str(), true), (nickname, false)] {
            for private in self.token.keys_labelled(text) {
                let Ok(id) = private.id() else { continue };
                let public = private.public().and_then(|p| Ok((p.spki()?, p)));
                let Ok((spki, public)) = public else {
                    found.notes.extend(labelled.then(|| note(nickname, &id, &[])));
                    continue;
                };
                if let Some(certificate) = named.iter().find(|c| c.spki() == spki) {
                    // It is in use: killed beside the import.
                    found.notes.extend(self.mend_label(certificate).err().map(|e| e.to_string()));
                    continue;
                }
                if spki_key_spec(&spki) == Some(wanted) {
                    let pair = KeyPair { private, public };
                    found.keys.push(OldKey { pair, spki, id, labelled });
                } else if labelled {
                    found.notes.push(note(nickname, &id, &spki));
                }
            }
        }
        Ok(found)
    }

    /// A certificate that the CA has issued for the key of an earlier run, as its records say, and that
    /// key. One that lacks a name is passed over where another one is wanted by force. A CA that can't
    /// be asked is a note.
    ///
    /// # Errors
    /// [`Kind::Interrupted`]; when the key can't be used.
    pub(super) fn recover(
        &self,
        subject: &[u8],
        asked: &Asked,
        unfinished: &mut Unfinished,
    ) -> Result<Option<(NewKey, Issued)>> {
        if unfinished.keys.is_empty() {
            return Ok(None);
        }
        let subjects = self.subjects(subject);
        let mut transport = self.spec.connection.transport(Some(self.database), None)?;
        let mut records = Records::new(&mut transport, &self.spec.connection.ca);
        for at in 0..unfinished.keys.len() {
            let Some(key) = unfinished.keys.get(at) else { break };
            for subject in &subjects {
                let record = match records.by_key(subject, &key.spki) {
                    Ok(Lookup::Found(record)) => record,
                    Ok(Lookup::Absent) => continue,
                    Err(e) if e.kind() == Kind::Interrupted => return Err(e),
                    Ok(Lookup::Silent(why)) | Err(why) => {
                        unfinished.notes.push(format!(
                            "cannot ask the CA for the certificate of an earlier request: {why}"
                        ));
                        return Ok(None);
                    }
                };
                let Some(der) = record.certificate.filter(|_| record.state == State::Valid) else {
                    continue;
                };
                let passed_over = self.spec.force && !asked.missing(&der)?.is_empty();
                if passed_over || !self.lasts(&der) {
                    continue;
                }
                // What isn't proven is as good as nothing.
                let proven = judge::ours(self.database, vec![der], &key.spki);
                let Ok((certificate, others)) = proven else { continue };
                let OldKey { pair, .. } = unfinished.keys.swap_remove(at);
                let key = NewKey::resume(self.token, pair, self.nickname.unwrap_or_default())?;
                let issued = Issued { certificate, others, recovered: true };
                return Ok(Some((key, issued)));
            }
        }
        Ok(None)
    }

    /// The subjects (DER) under which the CA may have issued.
    fn subjects(&self, asked: &[u8]) -> Vec<Vec<u8>> {
        let mut subjects = vec![asked.to_vec()];
        if let Requester::Certificate(signer) = &self.spec.requester
            && self.takes_signer_s_subject()
        {
            let signer = session::find_certificate(self.database, self.token, signer);
            subjects.extend(signer.map(|(s, _)| s.subject().to_vec()));
        }
        subjects
    }
}

impl Unfinished {
    /// The key to go on with, if there is one; of the others is said that they are there.
    ///
    /// # Errors
    /// As [`NewKey::resume`].
    pub(super) fn go_on(&mut self, token: &Token, nickname: &str) -> Result<Option<NewKey>> {
        let mut keys = std::mem::take(&mut self.keys).into_iter().filter(|k| k.labelled);
        let Some(first) = keys.next() else { return Ok(None) };
        self.notes.extend(keys.map(|k| k.note(nickname)));
        NewKey::resume(token, first.pair, nickname).map(Some)
    }

    /// What is to be said of all of them, by a run that needs none.
    pub(super) fn all(self, nickname: &str) -> Vec<String> {
        let keys = self.keys.into_iter().filter(|k| k.labelled);
        self.notes.into_iter().chain(keys.map(|k| k.note(nickname))).collect()
    }
}

impl OldKey {
    fn note(&self, nickname: &str) -> String {
        note(nickname, &self.id, &self.spki)
    }
}

/// That a key with the label is there.
fn note(nickname: &str, id: &[u8], spki: &[u8]) -> String {
    let kind = spki_key_spec(spki).map_or_else(String::new, |spec| format!(", {spec}"));
    let (label, id) = (unfinished_label(nickname), keyid::to_hex(id));
    format!("a key with the label {label:?} is there, id {id}{kind}")
}
