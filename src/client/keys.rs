//! A key to be certified, and what becomes of it; keys found in the tokens.

use super::session::{Identity, Session};
use crate::algorithm::{Crypto, Digest, KeySpec, KeyType};
use crate::asn1::{split_tlv, x509};
use crate::cmc::message::Signatory;
use crate::cmc::request::Request;
use crate::error::{Error, Kind, LeftKey, Leftover, Result};
use crate::interrupt::Watch;
use crate::keyid;
use crate::nss::{Database, Fault, KeyFlags, KeyPair, PrivateKey, Token};

/// The key of a certificate request. One generated for this run is deleted when the run fails, until
/// the request may have left; from then on it stays, for the CA may certify it, unless the CA
/// verifiably refused the very request. One found in its token always stays. While one lives that is
/// not merely found, signals only set a flag ([`RequestKey::check`]).
#[derive(Debug)]
pub struct RequestKey {
    /// Nothing once it is deleted.
    halves: Option<Halves>,
    watch: Option<Watch>,
    /// Whom or what the certificate is for: its label says so.
    purpose: String,
    resumed: bool,
    committed: bool,
    /// DER of the SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// CKA_ID.
    pub id: Vec<u8>,
}

#[derive(Debug)]
enum Halves {
    /// A pair made for a request, by this run or by an earlier one.
    Pair(KeyPair),
    /// The private half of somebody's key.
    Found(PrivateKey),
}

/// The label of a key whose request for `purpose` isn't finished.
pub fn unfinished_label(purpose: &str) -> String {
    format!("{UNFINISHED}{purpose}")
}

/// Whether a label says that a request isn't finished.
pub fn is_unfinished(label: &str) -> bool {
    label.starts_with(UNFINISHED)
}

const UNFINISHED: &str = "unfinished request for ";

impl RequestKey {
    /// Generates a key in a token. A permanent one is labelled as unfinished until it is
    /// [kept](RequestKey::keep), so that `certutil -K` tells what it is even after the process is
    /// killed.
    ///
    /// # Errors
    /// As [`Token::generate`].
    pub fn generate(
        token: &Token,
        spec: KeySpec,
        flags: KeyFlags,
        purpose: &str,
    ) -> Result<RequestKey> {
        let watch = Watch::begin();
        let pair = token.generate(spec, flags, &unfinished_label(purpose))?;
        match pair.public.spki().and_then(|spki| Ok((spki, pair.private.id()?))) {
            Ok((spki, id)) => Ok(RequestKey {
                halves: Some(Halves::Pair(pair)),
                watch: Some(watch),
                purpose: purpose.to_owned(),
                resumed: false,
                committed: false,
                spki,
                id,
            }),
            Err(e) => {
                // Nothing names this key yet; whether it could be deleted changes nothing of `e`.
                pair.discard().ok();
                Err(e)
            }
        }
    }

    /// Goes on with the key of an earlier run for the same purpose.
    ///
    /// # Errors
    /// When the token doesn't reveal the public half.
    pub fn resume(token: &Token, pair: KeyPair, purpose: &str) -> Result<RequestKey> {
        let watch = Some(Watch::begin());
        // The key is as good without, for whoever is logged in.
        token.complete(&pair).ok();
        let (spki, id) = (pair.public.spki()?, pair.private.id()?);
        let (halves, purpose) = (Some(Halves::Pair(pair)), purpose.to_owned());
        Ok(RequestKey { halves, watch, purpose, resumed: true, committed: true, spki, id })
    }

    /// Takes a key there is: by its id in any form, or by the nickname of its certificate.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; when the token doesn't reveal the public half.
    pub fn find(session: &Session, name: &str) -> Result<RequestKey> {
        let (private, spki) = find(session, name)?;
        let id = private.id()?;
        Ok(RequestKey {
            halves: Some(Halves::Found(private)),
            watch: None,
            purpose: String::new(),
            resumed: false,
            committed: true,
            spki,
            id,
        })
    }

    /// Whether this run made it.
    pub fn is_new(&self) -> bool {
        matches!(self.halves, Some(Halves::Pair(_))) && !self.resumed
    }

    /// Whether an earlier run made it.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The private half.
    ///
    /// # Errors
    /// [`Kind::Internal`] only.
    pub fn private(&self) -> Result<&PrivateKey> {
        match &self.halves {
            Some(Halves::Pair(pair)) => Ok(&pair.private),
            Some(Halves::Found(key)) => Ok(key),
            None => Err(Error::new(Kind::Internal, "generated key pair has no private key")),
        }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] after a signal; the key is then to be discarded.
    pub fn check(&self) -> Result<()> {
        self.watch.as_ref().map_or(Ok(()), Watch::check)
    }

    /// From here on the key goes only when [`RequestKey::end`] says so: its request is about to leave.
    pub fn commit(&mut self) {
        self.committed = true;
    }

    /// Labels it with the nickname of its certificate, which is about to be imported: a run killed
    /// there leaves neither a key in use that looks unfinished nor one without a name.
    pub fn name(&self, nickname: &str) {
        self.label(nickname).ok();
    }

    /// Labels it as unfinished again.
    pub fn unname(&self) {
        self.label(&unfinished_label(&self.purpose)).ok();
    }

    fn label(&self, label: &str) -> std::result::Result<(), Fault> {
        match &self.halves {
            Some(Halves::Pair(pair)) => pair.private.set_label(label),
            Some(Halves::Found(_)) | None => Ok(()),
        }
    }

    /// Ends a run that failed: the key stays, named by `error`, when a certificate for it may exist or
    /// come; else it is deleted.
    pub fn end(self, error: Error) -> Error {
        let may_be_certified = error.was_sent() && !error.is_settled();
        if may_be_certified || self.resumed { self.leave(error) } else { self.discard_after(error) }
    }

    /// Ends a run whose outcome decides alone: the key stays after success and goes after a failure.
    ///
    /// # Errors
    /// The outcome's.
    pub fn settle<T>(self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Ok(value) => {
                // A key with a label is as good.
                self.keep().ok();
                Ok(value)
            }
            Err(e) => Err(self.discard_after(e)),
        }
    }

    /// Keeps the key under its label after `error`, which names it then.
    pub fn leave(mut self, error: Error) -> Error {
        let Some(Halves::Pair(_)) = &self.halves else { return error };
        self.commit();
        let (id, label) = (keyid::to_hex(&self.id), unfinished_label(&self.purpose));
        let why = match self.resumed {
            true => "an earlier run made it",
            false => "the CA may yet have issued a certificate for it",
        };
        error
            .note(format!("the key is kept, id {id}, label {label:?}: {why}"))
            .leftover(self.left())
    }

    /// The key as one that stays behind, under its label.
    pub fn left(&self) -> Leftover {
        let label = Some(unfinished_label(&self.purpose));
        let key = Some(LeftKey { id: self.id.clone(), label });
        Leftover { key, ..Leftover::default() }
    }

    /// Keeps the key, without label: certutil prefers a label to the nickname of the certificate.
    ///
    /// # Errors
    /// The NSS fault when the label stays; the key stays all the same.
    pub fn keep(mut self) -> std::result::Result<(), Fault> {
        self.commit();
        self.label("")
    }

    /// Deletes the key after `error`, and tells when even that failed.
    fn discard_after(mut self, error: Error) -> Error {
        let Some(Halves::Pair(pair)) = self.halves.take() else { return error };
        let Err(f) = pair.discard() else { return error };
        let id = keyid::to_hex(&self.id);
        let note = format!(
            "the key made for this request could not be deleted ({f}): certutil -F -k {id}"
        );
        let key = Some(LeftKey { id: self.id.clone(), label: None });
        error.note(note).leftover(Leftover { key, ..Leftover::default() })
    }
}

impl Drop for RequestKey {
    fn drop(&mut self) {
        if let Some(Halves::Pair(pair)) = self.halves.take()
            && !self.committed
        {
            pair.discard().ok();
        }
    }
}

/// The existing key called `name`, and its SubjectPublicKeyInfo.
fn find(session: &Session, name: &str) -> Result<(PrivateKey, Vec<u8>)> {
    let database = &session.database;
    if let Ok(id) = keyid::parse(name) {
        let found = session.token.find_key(&id).or_else(|| database.find_key(&id).ok());
        if let Some(key) = found {
            let spki = key.public()?.spki()?;
            return Ok((key, spki));
        }
    }
    let Ok(certificate) = session.certificate(name) else {
        let error = Error::new(
            Kind::NotFound,
            format!("no key {name:?} in the NSS database {}", database.name()),
        );
        let neither = "neither a private key with this id nor a certificate with this nickname";
        return Err(database.key_missing(error, neither));
    };
    Ok((certificate.private_key()?, certificate.spki().to_vec()))
}

impl<'a> From<&'a Identity> for Signatory<'a> {
    fn from(identity: &'a Identity) -> Signatory<'a> {
        Signatory::Certificate {
            leaf: identity.certificate.der(),
            issuers: &identity.issuers,
            key: &identity.key,
        }
    }
}

/// The private key with an id, in the token first and then in any other; it must be the one of each
/// request.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Input`] when a request is about another key.
pub fn request_key(
    database: &Database,
    token: &Token,
    id: &[u8],
    requests: &[Request],
) -> Result<PrivateKey> {
    let key = match token.find_key(id) {
        Some(key) => key,
        None => database.find_key(id)?,
    };
    for request in requests {
        check_key(&key, id, request.spki())?;
    }
    Ok(key)
}

/// The private key of a public key, in the token first and then in any other.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn key_for(database: &Database, token: &Token, spki: &[u8]) -> Result<PrivateKey> {
    // NSS gives every key the identifier SHA-1 of the modulus or point.
    let bits = x509::public_key_bits(spki)?;
    let modulus = match split_tlv(&bits) {
        Some((0x30, inner, [])) if x509::spki_key_type(spki) != Some(KeyType::Ec) => {
            split_tlv(inner).map(|(_, modulus, _)| modulus)
        }
        _ => None,
    };
    let of = modulus.map_or(bits.as_slice(), |m| m.strip_prefix(&[0]).unwrap_or(m));
    let id = database.hash(Digest::Sha1, of)?;
    request_key(database, token, &id, &[]).and_then(|key| {
        check_key(&key, &id, spki)?;
        Ok(key)
    })
}

/// Checks that the key is that of a SubjectPublicKeyInfo. A token that doesn't reveal the public half
/// leaves it to the CA to find out.
///
/// # Errors
/// [`Kind::Input`].
pub fn check_key(key: &PrivateKey, id: &[u8], spki: &[u8]) -> Result<()> {
    let Ok(ours) = key.public().and_then(|p| p.spki()) else { return Ok(()) };
    if x509::public_key_bits(&ours)? == x509::public_key_bits(spki)? {
        return Ok(());
    }
    Err(Error::new(
        Kind::Input,
        format!("the private key {} is not the one of the request", keyid::to_hex(id)),
    )
    .hint(
        "request.privKeyId is printed by PKCS10Client and CRMFPopClient when they make a request",
    ))
}
