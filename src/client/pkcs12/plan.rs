//! Plans an import: decrypts every key and matches it with its certificate before anything is
//! written.

use super::import::{ImportSpec, Notice};
use super::password::Password;
use super::read::{CertificateBag, Contents, KeyBag, Work, key_algorithm};
use crate::algorithm::{Crypto, Digest, Signer};
use crate::asn1::name::{dn_string, name_attributes};
use crate::asn1::{certificate, encode, oid, x509};
use crate::client::session::{LONGEST_NICKNAME, Session};
use crate::error::{Error, Kind, Result};
use crate::nss::{Certificate, Database, EncryptedKey, KeyPair, Signature, Trust};

/// What to do when a nickname is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse the import if a certificate with a key can't have its nickname.
    Refuse,
    /// Skip an entry if another certificate has its nickname. A certificate that is present gets its
    /// missing key, and keeps its nickname unless [`ImportSpec::rename`] is set.
    PassOver,
    /// Delete the other certificates under that nickname; their keys stay.
    Replace,
}

/// The objects to store.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) pairs: Vec<Pair>,
    pub(super) others: Vec<Other>,
    pub(super) notices: Vec<Notice>,
}

/// A key and its certificate.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) der: Vec<u8>,
    pub(super) nickname: String,
    pub(super) key: PlannedKey,
    pub(super) id: Vec<u8>,
    pub(super) certificate_there: bool,
    /// Whether the present certificate gets a new nickname.
    pub(super) renamed: bool,
    /// Certificates to delete.
    pub(super) replaces: Vec<Vec<u8>>,
    pub(super) trust: Option<Trust>,
}

/// The key of a pair.
#[derive(Debug)]
pub(super) enum PlannedKey {
    /// Decrypted into a session object of the token.
    Decrypted(KeyPair),
    /// Present in the token, or stored with another certificate of the file.
    Stored,
}

/// A certificate without a key.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) der: Vec<u8>,
    pub(super) nickname: String,
    pub(super) there: bool,
    pub(super) replaces: Vec<Vec<u8>>,
    pub(super) trust: Option<Trust>,
}

pub(super) struct Planner<'a> {
    pub(super) session: &'a Session,
    pub(super) spec: &'a ImportSpec<'a>,
    pub(super) password: &'a Password,
    /// The file's name for messages.
    pub(super) file: String,
}

/// Returns the subject of a certificate for messages.
pub(super) fn subject_of(der: &[u8]) -> String {
    let name = certificate::fields(der).and_then(|fields| dn_string(fields.subject));
    name.unwrap_or_else(|_| "(unreadable name)".into())
}

impl Planner<'_> {
    /// Plans the import; keys are decrypted into the token as session objects.
    ///
    /// # Errors
    /// [`Kind::Input`]: a key that can't be decrypted or isn't its certificate's; [`Kind::Conflict`];
    /// [`Kind::Usage`]; [`Kind::NotFound`] when nothing in the file is selected.
    pub(super) fn plan(&self, contents: &Contents) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut taken: Vec<usize> = Vec::new();
        let ignored = contents.ignored.iter().cloned().map(Notice::Ignored);
        plan.notices.extend(ignored);
        let one = contents.keys.len() == 1;
        if self.spec.nickname.is_some() && !one {
            let (file, n) = (&self.file, contents.keys.len());
            return Err(Error::new(Kind::Usage, "--nickname requires a file with one key")
                .because(format!("the {file} contains {n} keys")));
        }
        if self.spec.existing == Existing::Refuse
            && self.spec.select.keys
            && contents.ignored.iter().any(|kind| *kind == oid::text(oid::KEY_BAG))
        {
            return Err(Error::new(Kind::Input, format!("cannot import the {}", self.file))
                .because("it contains a private key that is not encrypted")
                .hint(
                    "encrypt it: openssl pkcs12 -in OLD -nodes | openssl pkcs12 -export -out NEW",
                ));
        }
        // Before any key is decrypted: afterwards NSS would find the decrypted one.
        let stored = self.stored_keys(contents)?;
        let mut work = contents.work.clone();
        for key in &contents.keys {
            let Some((at, pair)) = self.matching(key, contents, &taken, &mut work)? else {
                plan.notices.push(Notice::KeyWithoutCertificate(
                    key.attributes.friendly_name.clone().unwrap_or_default(),
                ));
                continue;
            };
            let Some(bag) = contents.certificates.get(at) else { continue };
            taken.push(at);
            // The file may contain a key twice.
            if plan.pairs.iter().any(|pair| pair.der == bag.der) {
                continue;
            }
            let friendly = bag.attributes.friendly_name.as_ref();
            let friendly = friendly.or(key.attributes.friendly_name.as_ref());
            if !self.spec.select.keys || !self.is_chosen(friendly) {
                continue;
            }
            let mut planned = self.pair(bag, friendly, pair, &mut plan.notices)?;
            if let Some(pair) = &mut planned
                && (stored.contains(&pair.id) || plan.pairs.iter().any(|p| p.id == pair.id))
            {
                pair.key = PlannedKey::Stored;
            }
            plan.pairs.extend(planned);
        }
        let mut seen: Vec<&[u8]> = plan.pairs.iter().map(|p| p.der.as_slice()).collect();
        let mut others = Vec::new();
        for (at, bag) in contents.certificates.iter().enumerate() {
            let friendly = bag.attributes.friendly_name.as_ref();
            let wanted = self.spec.select.certificates && self.is_chosen(friendly);
            if taken.contains(&at) || !wanted || seen.contains(&bag.der.as_slice()) {
                continue;
            }
            seen.push(&bag.der);
            others.extend(self.other(
                &bag.der,
                friendly,
                self.trust(bag, self.spec.chain_trust.as_ref())?,
                &mut plan.notices,
            )?);
        }
        plan.others = others;
        let several = |p: &Pair| plan.pairs.iter().filter(|o| o.nickname == p.nickname).count() > 1;
        if let Some(pair) = plan.pairs.iter().find(|p| several(p)) {
            let subject = |p: &Pair| certificate::fields(&p.der).map(|f| f.subject.to_vec()).ok();
            let named = plan.pairs.iter().filter(|o| o.nickname == pair.nickname);
            if named.into_iter().any(|other| subject(other) != subject(pair)) {
                let (name, file) = (&pair.nickname, &self.file);
                return Err(Error::new(
                    Kind::Conflict,
                    format!("the nickname {name:?} is in the {file} for two subjects"),
                ));
            }
        }
        Ok(plan)
    }

    /// Returns the CKA_IDs that NSS gives the keys of the file's certificates, of those the token
    /// holds. The token may hold them under other CKA_IDs.
    fn stored_keys(&self, contents: &Contents) -> Result<Vec<Vec<u8>>> {
        let (database, token) = (&self.session.database, &self.session.token);
        let mut stored = Vec::new();
        for bag in &contents.certificates {
            let certificate = database.decode_certificate(&bag.der)?;
            let id = key_id(database, certificate.spki())?;
            let has_key = || token.holds(&certificate) && certificate.private_key().is_ok();
            if token.find_key(&id).is_some() || has_key() {
                stored.push(id);
            }
        }
        Ok(stored)
    }

    fn is_chosen(&self, friendly: Option<&String>) -> bool {
        let names = &self.spec.select.names;
        names.is_empty() || friendly.is_some_and(|name| names.contains(name))
    }

    /// Returns the trust flags for a certificate of the file: those of the specification, else those
    /// in the file.
    fn trust(&self, bag: &CertificateBag, own: Option<&Trust>) -> Result<Option<Trust>> {
        if own.is_some() {
            return Ok(own.cloned());
        }
        let Some(flags) = bag.attributes.trust.as_ref().filter(|_| self.spec.trust_from_file)
        else {
            return Ok(None);
        };
        // NSS sets `u` where there is a key, and nowhere else.
        let flags = flags.replace('u', "");
        if flags.trim_matches(',').is_empty() { Ok(None) } else { Trust::parse(&flags).map(Some) }
    }

    /// Returns the index of a key's certificate, and the decrypted key; `None` when the file has no
    /// such certificate.
    fn matching(
        &self,
        key: &KeyBag,
        contents: &Contents,
        taken: &[usize],
        work: &mut Work,
    ) -> Result<Option<(usize, KeyPair)>> {
        let named = contents.certificate_of(key);
        let all = 0..contents.certificates.len();
        let candidates: Vec<usize> = match named {
            Some(at) => vec![at],
            None => {
                let (others, free): (Vec<_>, Vec<_>) = all.partition(|at| taken.contains(at));
                [free, others].concat()
            }
        };
        let mut why = None;
        for at in candidates {
            let Some(bag) = contents.certificates.get(at) else { continue };
            match self.decrypt(key, &bag.der, work) {
                Ok(pair) => return Ok(Some((at, pair))),
                Err(e) => {
                    work.check(&self.file)?;
                    why = why.or(Some(e));
                }
            }
        }
        match why {
            Some(e) if named.is_some() || contents.certificates.len() == 1 => Err(e),
            _ => Ok(None),
        }
    }

    /// Decrypts the key of a certificate and checks that they match.
    fn decrypt(&self, key: &KeyBag, der: &[u8], work: &mut Work) -> Result<KeyPair> {
        let subject = subject_of(der);
        let what = format!("the key of {subject} in the {}", self.file);
        let database = &self.session.database;
        let spki = certificate::fields(der)?.spki;
        let key_type = x509::spki_key_type(spki).ok_or_else(|| {
            Error::new(Kind::Refused, format!("cannot import {what}"))
                .because("NSS imports no keys of this type from a file")
        })?;
        let (algorithm, cipher) = key_algorithm(&key.info.encryption_algorithm)?;
        let encrypted = EncryptedKey {
            pbe: algorithm.pbe(),
            cipher,
            data: &key.info.encrypted_data,
            public_value: &x509::public_value(spki)?,
            key_type,
        };
        let public = database.public_key(spki)?;
        let mut why = None;
        for form in self.password.forms(algorithm.pkcs5) {
            work.add(&self.file, &key.protection)?;
            match self.session.token.unwrap_private(&encrypted, form, "") {
                Ok(private) => {
                    let pair = KeyPair { private, public };
                    return prove(database, &pair, spki).map(|()| pair).map_err(|e| {
                        let what = format!("{what} does not match its certificate");
                        Error::new(Kind::Input, what).because(e)
                    });
                }
                Err(f) => why = why.or(Some(f)),
            }
        }
        let error = Error::new(
            Kind::Input,
            format!("cannot decrypt {what} ({})", key.protection.algorithm),
        );
        let hint = "its password may be another one than the file's; or NSS, its policy or the \
                    token do not allow the algorithm";
        Err(why.into_iter().fold(error, Error::because).hint(hint))
    }

    fn pair(
        &self,
        bag: &CertificateBag,
        friendly: Option<&String>,
        key: KeyPair,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<Pair>> {
        let (session, token) = (self.session, &self.session.token);
        let der = bag.der.clone();
        let wanted = match (&self.spec.nickname, friendly) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => name.clone(),
            (None, None) => made_name(&der)?,
        };
        let nickname = self.nickname(&wanted)?;
        let certificate = session.database.decode_certificate(&der)?;
        let there = token.holds(&certificate);
        let Some(nickname) = self.settle(&certificate, nickname, there, notices)? else {
            return Ok(None);
        };
        let renamed = there && self.own(certificate.nickname().unwrap_or_default()) != nickname;
        let replaces = self.replaced(&certificate, &nickname)?;
        let id = key_id(&session.database, certificate.spki())?;
        let key = PlannedKey::Decrypted(key);
        let trust = self.trust(bag, self.spec.trust.as_ref())?;
        Ok(Some(Pair {
            der,
            nickname,
            key,
            id,
            certificate_there: there,
            renamed,
            replaces,
            trust,
        }))
    }

    /// Returns the nickname that the user or the file names, if it can be one.
    fn nickname(&self, wanted: &str) -> Result<String> {
        self.session.new_nickname(wanted).map_err(|e| match self.spec.nickname {
            Some(_) => e,
            None => {
                let hint = "import its keys under another name with --nickname";
                let what = format!("cannot use a friendly name in the {}", self.file);
                Error::new(e.kind(), what).because(e).hint(hint)
            }
        })
    }

    /// Returns the nickname that a certificate with a key will have; `None` when it is skipped.
    fn settle(
        &self,
        certificate: &Certificate,
        nickname: String,
        there: bool,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<String>> {
        let session = self.session;
        let database = session.database.name();
        let subject = subject_of(certificate.der());
        if there {
            let has = self.own(certificate.nickname().unwrap_or_default());
            return match self.spec.existing {
                _ if has == nickname => Ok(Some(has)),
                _ if self.spec.rename && self.renames(certificate, &nickname)? => {
                    Ok(Some(nickname))
                }
                Existing::Refuse => Err(Error::new(
                    Kind::Conflict,
                    format!("the certificate of {subject} is in {database} under another nickname"),
                )
                .because(format!("it is {has:?} in the database, {nickname:?} was requested"))
                .hint(format!(
                    "use the nickname in the database: --nickname {}",
                    crate::text::quoted(&has)
                ))),
                Existing::PassOver | Existing::Replace => {
                    notices.push(Notice::KeepsNickname { wanted: nickname, has: has.clone() });
                    Ok(Some(has))
                }
            };
        }
        let named = session.named(&nickname)?;
        let other = named.iter().find(|c| c.subject() != certificate.subject());
        match (other, self.spec.existing) {
            (Some(other), Existing::Refuse) => {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("the nickname {nickname:?} belongs to another subject in {database}"),
                )
                .because(format!("it names {}, the file has {subject}", subject_of(other.der())))
                .hint("choose another one with --nickname"));
            }
            (_, Existing::PassOver) if !named.is_empty() => {
                notices.push(Notice::PassedOver { nickname, key: true });
                return Ok(None);
            }
            _ => {}
        }
        let same = self.others_of_subject(certificate);
        let Some(has) = same.first().and_then(Certificate::nickname).map(|name| self.own(name))
        else {
            return Ok(Some(nickname));
        };
        match self.spec.existing {
            _ if has == nickname => Ok(Some(nickname)),
            Existing::Refuse => Err(Error::new(
                Kind::Conflict,
                format!("the subject {subject} has another nickname in {database}"),
            )
            .because(format!(
                "it is {has:?}, {nickname:?} was requested; NSS gives a subject one nickname"
            ))
            .hint(format!(
                "use the nickname in the database: --nickname {}",
                crate::text::quoted(&has)
            ))),
            Existing::PassOver | Existing::Replace => {
                notices.push(Notice::KeepsNickname { wanted: nickname, has: has.clone() });
                Ok(Some(has))
            }
        }
    }

    /// Returns whether a present certificate can get this nickname.
    fn renames(&self, certificate: &Certificate, nickname: &str) -> Result<bool> {
        let is_free = self.session.named(nickname)?.is_empty();
        Ok(is_free && self.others_of_subject(certificate).is_empty())
    }

    /// Returns the token's other certificates of the subject: NSS gives them all one nickname.
    fn others_of_subject(&self, certificate: &Certificate) -> Vec<Certificate> {
        let mut all = self.session.database.certificates_named(certificate.subject());
        all.retain(|c| c.der() != certificate.der() && self.session.token.holds(c));
        all
    }

    /// Returns a nickname without its token's name.
    fn own(&self, nickname: String) -> String {
        let prefix = format!("{}:", self.session.token.name());
        nickname.strip_prefix(&prefix).map(str::to_owned).unwrap_or(nickname)
    }

    /// Returns the certificates (DER) that the new one under a nickname replaces.
    fn replaced(&self, certificate: &Certificate, nickname: &str) -> Result<Vec<Vec<u8>>> {
        if self.spec.existing != Existing::Replace {
            return Ok(Vec::new());
        }
        let named = self.session.named(nickname)?;
        let others = named.iter().map(Certificate::der).filter(|der| *der != certificate.der());
        Ok(others.map(<[u8]>::to_vec).collect())
    }

    /// Plans a certificate without a key; `None` when it is skipped.
    pub(super) fn other(
        &self,
        der: &[u8],
        friendly: Option<&String>,
        trust: Option<Trust>,
        notices: &mut Vec<Notice>,
    ) -> Result<Option<Other>> {
        let database = &self.session.database;
        let certificate = database.decode_certificate(der)?;
        let internal = database.token("internal")?;
        let der = der.to_vec();
        if internal.holds(&certificate) || self.session.token.holds(&certificate) {
            let nickname = certificate.nickname().unwrap_or_default();
            return Ok(Some(Other { der, nickname, there: true, replaces: Vec::new(), trust }));
        }
        let is_good = |name: &str| {
            let fits = name.chars().count() <= LONGEST_NICKNAME;
            fits && !name.contains(is_bad_in_nickname) && !name.trim().is_empty()
        };
        let friendly = friendly.filter(|name| is_good(name));
        let mut nickname = friendly.map_or_else(|| made_name(&der), |name| Ok(name.clone()))?;
        let named = database.find_certificates(&nickname)?;
        let is_other = named.iter().any(|c| c.subject() != certificate.subject());
        let mut replaces = Vec::new();
        match self.spec.existing {
            Existing::Refuse if is_other => {
                // As NSS does: a number makes a name unique.
                let free =
                    database.ca_nickname(&certificate).map_or_else(|| made_name(&der), Ok)?;
                let wanted = std::mem::replace(&mut nickname, free);
                notices.push(Notice::KeepsNickname { wanted, has: nickname.clone() });
            }
            Existing::PassOver if !named.is_empty() => {
                notices.push(Notice::PassedOver { nickname, key: false });
                return Ok(None);
            }
            Existing::Replace => replaces = named.iter().map(|c| c.der().to_vec()).collect(),
            Existing::Refuse | Existing::PassOver => {}
        }
        Ok(Some(Other { der, nickname, there: false, replaces, trust }))
    }
}

/// Returns the CKA_ID that NSS gives the key of a certificate.
fn key_id(database: &Database, spki: &[u8]) -> Result<Vec<u8>> {
    database.hash(Digest::Sha1, &x509::public_value(spki)?)
}

/// NSS reads the part before a colon as a token's name; control characters act on terminals.
fn is_bad_in_nickname(c: char) -> bool {
    c == ':' || c.is_control()
}

/// Returns a nickname made from the subject's values, the most specific first.
fn made_name(der: &[u8]) -> Result<String> {
    let mut values: Vec<String> = name_attributes(certificate::fields(der)?.subject)?
        .into_iter()
        .map(|(_, value)| value.replace(is_bad_in_nickname, " "))
        .collect();
    values.reverse();
    if values.is_empty() {
        return Ok("certificate".into());
    }
    Ok(values.join(" - ").chars().take(LONGEST_NICKNAME).collect())
}

/// Checks by a signature that a private key matches a public key.
fn prove(database: &Database, pair: &KeyPair, spki: &[u8]) -> Result<()> {
    let message = database.random(32)?;
    let scheme = x509::scheme_of(&pair.private, Digest::Sha256)?;
    let value = pair.private.sign(scheme, &message)?;
    let algorithm = encode("a signature algorithm", &x509::signature_algorithm(scheme)?)?;
    let (algorithm, parameters) = certificate::algorithm(&algorithm).unwrap_or_default();
    let signature = Signature { data: &message, algorithm, parameters, value: &value };
    database
        .verify_signature(spki, &signature)
        .map_err(|f| Error::new(Kind::Input, "its signature is not by that key").because(f))
}
