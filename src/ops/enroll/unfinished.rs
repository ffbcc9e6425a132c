//! Keys of earlier runs that didn't come to their end: found by their label, and gone on with.

use super::Job;
use crate::algorithm::KeySpec;
use crate::asn1::x509::spki_key_spec;
use crate::error::Result;
use crate::keyid;
use crate::nss::KeyPair;
use crate::ops::csr::{NewKey, unfinished_label};
use crate::ops::session;

/// The keys of earlier runs.
#[derive(Default)]
pub(super) struct Unfinished {
    /// Those of the kind asked for.
    pub(super) keys: Vec<OldKey>,
    /// What is to be said of the others.
    pub(super) others: Vec<String>,
}

/// A key of an earlier run.
pub(super) struct OldKey {
    pub(super) pair: KeyPair,
    /// DER of the SubjectPublicKeyInfo.
    pub(super) spki: Vec<u8>,
    pub(super) id: Vec<u8>,
    /// Whether its label says that a request for the nickname isn't finished. A key that is called as
    /// the nickname may be somebody's own: only a certificate makes it ours.
    pub(super) labelled: bool,
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
        let label = unfinished_label(nickname);
        for (text, labelled) in [(label.as_str(), true), (nickname, false)] {
            for id in self.token.keys_labelled(text) {
                let Some(private) = self.token.find_key(&id) else { continue };
                let public = private.public().and_then(|p| Ok((p.spki()?, p)));
                let Ok((spki, public)) = public else {
                    found.others.extend(labelled.then(|| other(&label, &id, "unreadable")));
                    continue;
                };
                if let Some(certificate) = named.iter().find(|c| c.spki() == spki) {
                    // It is in use: killed beside the import.
                    self.mend_label(certificate)?;
                    continue;
                }
                match spki_key_spec(&spki) {
                    Some(spec) if spec == wanted => {
                        let pair = KeyPair { private, public };
                        found.keys.push(OldKey { pair, spki, id, labelled });
                    }
                    spec if labelled => {
                        let kind = spec.map_or_else(|| "of another kind".into(), |s| s.to_string());
                        found.others.push(other(&label, &id, &kind));
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }
}

impl Unfinished {
    /// The key to go on with, if there is one; of the others is said that they are there.
    ///
    /// # Errors
    /// As [`NewKey::resume`].
    pub(super) fn go_on(&mut self, nickname: &str) -> Result<Option<NewKey>> {
        let mut keys = std::mem::take(&mut self.keys).into_iter().filter(|k| k.labelled);
        let Some(first) = keys.next() else { return Ok(None) };
        let label = unfinished_label(nickname);
        self.others.extend(keys.map(|k| other(&label, &k.id, "of the same kind")));
        NewKey::resume(first.pair, nickname).map(Some)
    }
}

fn other(label: &str, id: &[u8], kind: &str) -> String {
    format!("another key with the label {label:?} is there, id {}, {kind}", keyid::to_hex(id))
}
