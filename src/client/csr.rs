//! Keys and certificate requests: PKCS #10 and CRMF, for new keys and existing ones.

use rasn_pkix::{Attribute, Extension};

use super::archive::Archive;
use super::session;
use crate::algorithm::KeySpec;
use crate::asn1::x509::{self, CsrParts, certification_request, subject_alt_name};
use crate::cmc::crmf::{self, CrmfParts, Pop, cert_req_messages};
use crate::error::{Error, Kind, LeftKey, Leftover, Result};
use crate::interrupt::Watch;
use crate::keyid;
use crate::nss::{Database, Fault, KeyFlags, KeyPair, PrivateKey, Token};

/// A key for a request, and what becomes of it: one made for this run is deleted when the run fails,
/// until the request may have left; from then on it stays, for the CA may certify it, unless the CA
/// verifiably refused the very request. One found from an earlier run always stays. While it lives,
/// signals only set a flag ([`NewKey::check`]).
#[derive(Debug)]
pub struct NewKey {
    pair: Option<KeyPair>,
    watch: Watch,
    purpose: String,
    resumed: bool,
    committed: bool,
    /// DER of the SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// CKA_ID.
    pub id: Vec<u8>,
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

impl NewKey {
    /// Generates a key in a token. A permanent one is labelled as unfinished until it is
    /// [kept](NewKey::keep), so that `certutil -K` tells what it is even after the process is killed.
    ///
    /// # Errors
    /// As [`Token::generate`].
    pub fn generate(
        token: &Token,
        spec: KeySpec,
        flags: KeyFlags,
        purpose: &str,
    ) -> Result<NewKey> {
        let watch = Watch::begin();
        let pair = token.generate(spec, flags, &unfinished_label(purpose))?;
        let described = pair.public.spki().and_then(|spki| Ok((spki, pair.private.id()?)));
        match described {
            Ok((spki, id)) => {
                let purpose = purpose.to_owned();
                let pair = Some(pair);
                Ok(NewKey { pair, watch, purpose, resumed: false, committed: false, spki, id })
            }
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
    pub fn resume(token: &Token, pair: KeyPair, purpose: &str) -> Result<NewKey> {
        let watch = Watch::begin();
        // The key is as good without, for whoever is logged in.
        token.complete(&pair).ok();
        let (spki, id) = (pair.public.spki()?, pair.private.id()?);
        let (pair, purpose) = (Some(pair), purpose.to_owned());
        Ok(NewKey { pair, watch, purpose, resumed: true, committed: true, spki, id })
    }

    /// Whether an earlier run made it.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The private half.
    pub fn private(&self) -> Option<&PrivateKey> {
        self.pair.as_ref().map(|p| &p.private)
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] after a signal; the key is then to be discarded.
    pub fn check(&self) -> Result<()> {
        self.watch.check()
    }

    /// From here on the key goes only when [`NewKey::end`] says so: its request is about to leave.
    pub fn commit(&mut self) {
        self.committed = true;
    }

    /// Changes its label, which says what it is.
    ///
    /// # Errors
    /// The NSS fault.
    pub fn relabel(&self, label: &str) -> std::result::Result<(), Fault> {
        self.private().map_or(Ok(()), |key| key.set_label(label))
    }

    /// Ends a run that failed: the key stays, named by `error`, when a certificate for it may exist or
    /// come; else it is deleted.
    pub fn end(self, error: Error) -> Error {
        let may_be_certified = error.was_sent() && !error.is_settled();
        if may_be_certified || self.resumed { self.leave(error) } else { self.discard_after(error) }
    }

    /// Keeps the key under its label after `error`, which names it then.
    pub fn leave(mut self, error: Error) -> Error {
        self.commit();
        let (id, label) = (keyid::to_hex(&self.id), unfinished_label(&self.purpose));
        let why = match self.resumed {
            true => "an earlier run made it",
            false => "the CA may yet have issued a certificate for it",
        };
        let key = LeftKey { id: self.id.clone(), label: Some(label.clone()) };
        error
            .note(format!("the key is kept, id {id}, label {label:?}: {why}"))
            .leftover(Leftover { key: Some(key), ..Leftover::default() })
    }

    /// Keeps the key, without label: certutil prefers a label to the nickname of the certificate.
    ///
    /// # Errors
    /// The NSS fault when the label stays; the key stays all the same.
    pub fn keep(mut self) -> std::result::Result<(), Fault> {
        self.commit();
        self.relabel("")
    }

    /// Deletes the key after `error`, and tells when even that failed.
    pub fn discard_after(mut self, error: Error) -> Error {
        let Some(pair) = self.pair.take() else { return error };
        let id = keyid::to_hex(&self.id);
        match pair.discard() {
            Ok(()) => error,
            Err(f) => error
                .note(format!(
                    "the key made for this request could not be deleted ({f}): certutil -F -k {id}"
                ))
                .leftover(Leftover {
                    key: Some(LeftKey { id: self.id.clone(), label: None }),
                    ..Leftover::default()
                }),
        }
    }
}

impl Drop for NewKey {
    fn drop(&mut self) {
        if let Some(pair) = self.pair.take()
            && !self.committed
        {
            pair.discard().ok();
        }
    }
}

/// Alternative names as people write them, `dns`, `ip`, `email` or `uri` and the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AltNames(pub Vec<(String, String)>);

impl AltNames {
    /// The extensions that ask for them; none when there are none.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for a name of the wrong shape.
    pub fn extensions(&self) -> Result<Vec<Extension>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = self
            .0
            .iter()
            .map(|(kind, value)| crate::asn1::x509::general_name(kind, value))
            .collect::<Result<_>>()?;
        Ok(vec![subject_alt_name(&names)?])
    }
}

/// The key a request is for.
#[derive(Debug)]
pub enum KeyWanted {
    /// One to generate.
    New {
        /// What.
        spec: KeySpec,
        /// How it is kept.
        flags: KeyFlags,
        /// Whom or what it is for.
        purpose: String,
    },
    /// One there is: a key id in any form, or the nickname of its certificate.
    Existing(String),
}

/// The format of a request.
#[derive(Debug)]
pub enum Format {
    /// PKCS #10 (RFC 2986).
    Pkcs10,
    /// CRMF (RFC 4211), with proof of possession and, if wished, the key archived.
    Crmf(Pop, Option<Archive>),
}

/// A request to make.
#[derive(Debug)]
pub struct CsrSpec {
    /// DER of the subject Name.
    pub subject: Vec<u8>,
    /// The key.
    pub key: KeyWanted,
    /// The format.
    pub format: Format,
    /// Extensions to ask for.
    pub extensions: Vec<Extension>,
    /// Attributes of a PKCS #10 request besides the extensions.
    pub attributes: Vec<Attribute>,
    /// Adds a subjectKeyIdentifier, which requests proved by a shared secret need.
    pub key_identifier: bool,
}

/// A request made; a key generated for it is deleted again unless the request is
/// [kept](Made::settle).
#[derive(Debug)]
pub struct Made {
    /// DER of the CertificationRequest or the CertReqMessages.
    pub der: Vec<u8>,
    /// CKA_ID of the key.
    pub id: Vec<u8>,
    new_key: Option<NewKey>,
}

impl Made {
    /// Whether the key was generated for it.
    pub fn is_new(&self) -> bool {
        self.new_key.is_some()
    }

    /// Ends the run: the key stays after success and goes after a failure or a signal.
    ///
    /// # Errors
    /// The outcome's.
    pub fn settle<T>(self, outcome: Result<T>) -> Result<T> {
        let Some(key) = self.new_key else { return outcome };
        match outcome {
            Ok(value) => {
                // A key with a label is as good.
                key.keep().ok();
                Ok(value)
            }
            Err(e) => Err(key.discard_after(e)),
        }
    }

    /// Ends a run after which nobody knows whether there will be a certificate: the key stays, and
    /// a note names it.
    pub fn leave(self, error: Error) -> Error {
        self.new_key.into_iter().fold(error, |e, key| key.leave(e))
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Kind::Interrupted`].
    pub fn check(&self) -> Result<()> {
        self.new_key.as_ref().map_or(Ok(()), NewKey::check)
    }
}

/// Makes a request, and its key if that is asked for. `token` is logged in.
///
/// # Errors
/// Of every kind; a key made is gone again.
pub fn create(database: &Database, token: &Token, spec: CsrSpec) -> Result<Made> {
    let archived = matches!(&spec.format, Format::Crmf(_, Some(_)));
    match &spec.key {
        KeyWanted::Existing(name) => {
            let (key, spki) = find_key(database, token, name)?;
            let id = key.id()?;
            let owner = key.token();
            let der = build(database, owner.as_ref().unwrap_or(token), &spec, &spki, &key)?;
            Ok(Made { der, id, new_key: None })
        }
        KeyWanted::New { spec: key_spec, flags, purpose } => {
            let mut flags = *flags;
            if archived && flags.extractable == Some(false) {
                return Err(Error::new(
                    Kind::Usage,
                    "a key that isn't extractable can't be archived",
                ));
            }
            if archived {
                flags.extractable = Some(true);
            }
            let key = NewKey::generate(token, *key_spec, flags, purpose)?;
            let built = key.check().and_then(|()| match key.private() {
                Some(private) => build(database, token, &spec, &key.spki, private),
                None => Err(Error::new(Kind::Internal, "a new key is without private half")),
            });
            match built.and_then(|der| key.check().map(|()| der)) {
                Ok(der) => Ok(Made { der, id: key.id.clone(), new_key: Some(key) }),
                Err(e) => Err(key.discard_after(e)),
            }
        }
    }
}

/// The existing key called `name`, and its SubjectPublicKeyInfo.
fn find_key(database: &Database, token: &Token, name: &str) -> Result<(PrivateKey, Vec<u8>)> {
    if let Ok(id) = keyid::parse(name) {
        let found = token.find_key(&id).or_else(|| database.find_key(&id).ok());
        if let Some(key) = found {
            let spki = key.public()?.spki()?;
            return Ok((key, spki));
        }
    }
    let Ok((certificate, _)) = session::find_certificate(database, token, name) else {
        let error = Error::new(
            Kind::NotFound,
            format!("no key {name:?} in the NSS database {}", database.name()),
        );
        let neither = "neither a private key with this id nor a certificate with this nickname";
        return Err(database.key_missing(error, neither));
    };
    Ok((certificate.private_key()?, certificate.spki().to_vec()))
}

fn build(
    database: &Database,
    token: &Token,
    spec: &CsrSpec,
    spki: &[u8],
    key: &PrivateKey,
) -> Result<Vec<u8>> {
    let mut extensions = spec.extensions.clone();
    let id =
        if spec.key_identifier { Some(session::key_identifier(database, spki)?) } else { None };
    match &spec.format {
        Format::Pkcs10 => {
            extensions.extend(id.map(|id| x509::subject_key_identifier(&id)));
            let parts = CsrParts {
                subject: &spec.subject,
                spki,
                extensions: &extensions,
                attributes: spec.attributes.clone(),
            };
            certification_request(parts, key)
        }
        Format::Crmf(pop, archive) => {
            extensions.extend(id.map(|id| crmf::subject_key_identifier(&id)));
            let archive = match archive {
                Some(archive) => Some(archive.options(database, token, key)?),
                None => None,
            };
            let parts = CrmfParts { subject: &spec.subject, spki, extensions, archive, pop: *pop };
            cert_req_messages(parts, key)
        }
    }
}

/// DER of a PKCS #10 request for a key.
///
/// # Errors
/// When the key refuses to sign.
pub fn pkcs10(
    subject: &[u8],
    spki: &[u8],
    extensions: &[Extension],
    key: &PrivateKey,
) -> Result<Vec<u8>> {
    certification_request(CsrParts { subject, spki, extensions, attributes: Vec::new() }, key)
}
