//! Tests what a token can do of what this program needs, with session keys: tokens list mechanisms
//! that they don't support.

use super::tokens::TokenEntry;
use super::{Store, StoreSpec};
use crate::algorithm::{
    Crypto, Curve, Digest, KemSet, KeySpec, KeyType, ParameterSet, Scheme, Signer,
};
use crate::asn1::certificate::algorithm;
use crate::asn1::{encode, x509};
use crate::client::archive::mechanisms;
use crate::cmc::crmf::ArchiveWrap;
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, KeyFlags, KeyPair, KeyTransport, SessionKind, Signature, Token};

/// An ability to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Generates a key pair.
    Generate(KeySpec),
    /// Signs with such a key; NSS's software verifies the signature.
    Sign(KeySpec, Scheme),
    /// Wraps such a key for archival.
    Wrap(KeySpec, ArchiveWrap),
    /// Encrypts a session key with an RSA public key, for archival.
    EncryptSessionKey(KeyTransport),
    /// Decrypts a session key with an RSA private key, for an EncryptedPOP control (RFC 5272 §6.7).
    DecryptSessionKey(KeyTransport),
}

/// The result of a test.
#[derive(Debug)]
pub enum Outcome {
    /// The token can do it.
    Works,
    /// The token or a policy refuses it.
    Fails(Error),
    /// It requires a key that the token can't generate.
    NoKey,
}

/// The abilities of a token.
#[derive(Debug)]
pub struct TokenChecked {
    /// The token.
    pub token: TokenEntry,
    /// Each ability that was tested, with the result.
    pub abilities: Vec<(Ability, Outcome)>,
    /// Why NSS could not be shut down.
    pub not_closed: Option<Error>,
}

/// The keys to test with.
const KEYS: [KeySpec; 11] = [
    KeySpec::Rsa(2048),
    KeySpec::Rsa(3072),
    KeySpec::Ec(Curve::P256),
    KeySpec::Ec(Curve::P384),
    KeySpec::Ec(Curve::P521),
    KeySpec::MlDsa(ParameterSet::MlDsa44),
    KeySpec::MlDsa(ParameterSet::MlDsa65),
    KeySpec::MlDsa(ParameterSet::MlDsa87),
    KeySpec::MlKem(KemSet::MlKem512),
    KeySpec::MlKem(KemSet::MlKem768),
    KeySpec::MlKem(KemSet::MlKem1024),
];

const DIGESTS: [Digest; 3] = [Digest::Sha256, Digest::Sha384, Digest::Sha512];

/// The text to sign.
const MESSAGE: &[u8] = b"a message of some length, to be signed";

/// Tests what the chosen token can do. All keys are session objects: nothing stays in the token.
///
/// # Errors
/// As [`crate::nss::Database::open`]; those of a login.
pub fn check(spec: &StoreSpec<'_>) -> Result<TokenChecked> {
    // Some tokens generate session keys in writable sessions only; NSS's own writes nothing for them.
    let store = Store::open(spec, Access::ReadOnly)?;
    let name = spec.token.unwrap_or_default();
    let token = store.database.token(name)?;
    let abilities = Trial { store: &store, token: &token }.run();
    let entry = TokenEntry::of(&token);
    drop(token);
    let not_closed = store.close().err();
    Ok(TokenChecked { token: entry, abilities, not_closed })
}

struct Trial<'a> {
    store: &'a Store<'a>,
    token: &'a Token,
}

impl Trial<'_> {
    fn run(&self) -> Vec<(Ability, Outcome)> {
        let mut found = Vec::new();
        for spec in KEYS {
            let pair = self.generate(spec);
            let pair = match pair {
                Ok(pair) => {
                    found.push((Ability::Generate(spec), Outcome::Works));
                    Some(pair)
                }
                Err(e) => {
                    found.push((Ability::Generate(spec), Outcome::Fails(e)));
                    None
                }
            };
            let pair = pair.as_ref();
            for scheme in schemes(spec) {
                let outcome = outcome(pair, |pair| self.sign(pair, scheme));
                found.push((Ability::Sign(spec, scheme), outcome));
            }
            let is_archived = [KeySpec::Rsa(2048), KeySpec::Ec(Curve::P256)].contains(&spec);
            for (_, wrap) in ArchiveWrap::ALL.iter().filter(|_| is_archived) {
                let outcome = outcome(pair, |pair| self.wrap(pair, *wrap));
                found.push((Ability::Wrap(spec, *wrap), outcome));
            }
            for how in [KeyTransport::Pkcs1, KeyTransport::OaepSha256] {
                if spec != KeySpec::Rsa(2048) {
                    continue;
                }
                let encrypts = outcome(pair, |pair| self.encrypt(pair, how).map(drop));
                found.push((Ability::EncryptSessionKey(how), encrypts));
                let decrypts = outcome(pair, |pair| self.decrypt(pair, how));
                found.push((Ability::DecryptSessionKey(how), decrypts));
            }
        }
        found
    }

    fn generate(&self, spec: KeySpec) -> Result<KeyPair> {
        let extractable = Some(true);
        let flags = KeyFlags { permanent: false, extractable, ..KeyFlags::permanent(spec) };
        self.token.generate(spec, flags, "")
    }

    fn sign(&self, pair: &KeyPair, scheme: Scheme) -> Result<()> {
        let value = pair.private.sign(scheme, MESSAGE)?;
        let identifier = encode("an algorithm", &x509::signature_algorithm(scheme)?)?;
        let unread = || Error::new(Kind::Internal, "cannot read the signature's algorithm");
        let (id, parameters) = algorithm(&identifier).ok_or_else(unread)?;
        let signature = Signature { data: MESSAGE, algorithm: id, parameters, value: &value };
        let verified = self.store.database.verify_signature(&pair.public.spki()?, &signature);
        verified.map_err(|f| Error::new(Kind::Refused, "the signature is invalid").because(f))
    }

    fn wrap(&self, pair: &KeyPair, wrap: ArchiveWrap) -> Result<()> {
        let (kind, how) = mechanisms(wrap);
        let iv = self.store.database.random(wrap.iv_len())?;
        let wrapped =
            self.token.session_key(kind)?.wrap_private(self.token, &pair.private, how, &iv)?;
        match wrapped.is_empty() {
            true => Err(Error::new(Kind::Refused, "the token returned nothing")),
            false => Ok(()),
        }
    }

    fn encrypt(&self, pair: &KeyPair, how: KeyTransport) -> Result<Vec<u8>> {
        // As in archival, only the SubjectPublicKeyInfo of the recipient's key is known.
        let recipient = self.store.database.public_key(&pair.public.spki()?)?;
        self.token.session_key(SessionKind::Aes128)?.wrap_for(&recipient, how)
    }

    fn decrypt(&self, pair: &KeyPair, how: KeyTransport) -> Result<()> {
        // Encrypted in software: in an enrollment the CA makes the challenge, not the token.
        let internal = self.store.database.token("internal")?;
        let recipient = self.store.database.public_key(&pair.public.spki()?)?;
        let key = internal.session_key(SessionKind::Aes128)?;
        let challenge = key.encrypt_cbc_pad(&[0; 16], MESSAGE).map_err(cannot_decrypt)?;
        let wrapped = key.wrap_for(&recipient, how)?;
        let unwrapped = pair.private.unwrap_aes(&wrapped, how).map_err(cannot_decrypt)?;
        let plain = unwrapped.decrypt_cbc(&[0; 16], &challenge).map_err(cannot_decrypt)?;
        match plain.starts_with(MESSAGE) {
            true => Ok(()),
            false => Err(Error::new(Kind::Refused, "the token returned another session key")),
        }
    }
}

fn cannot_decrypt(f: crate::nss::Fault) -> Error {
    Error::new(Kind::Refused, "cannot decrypt a session key").because(f)
}

fn outcome(pair: Option<&KeyPair>, attempt: impl FnOnce(&KeyPair) -> Result<()>) -> Outcome {
    match pair.map(attempt) {
        None => Outcome::NoKey,
        Some(Ok(())) => Outcome::Works,
        Some(Err(e)) => Outcome::Fails(e),
    }
}

/// Returns the signature schemes to test with a key.
fn schemes(spec: KeySpec) -> Vec<Scheme> {
    match spec {
        KeySpec::Rsa(2048) => {
            let pss = |digest: Digest| Scheme::RsaPss { digest, salt: digest.len() };
            DIGESTS.map(Scheme::RsaPkcs1).into_iter().chain(DIGESTS.map(pss)).collect()
        }
        KeySpec::Rsa(_) => Vec::new(),
        KeySpec::Ec(curve) => vec![Scheme::Ecdsa(match curve {
            Curve::P256 => Digest::Sha256,
            Curve::P384 => Digest::Sha384,
            Curve::P521 => Digest::Sha512,
        })],
        KeySpec::MlDsa(set) => {
            Scheme::for_key(KeyType::MlDsa(set), Digest::Sha256).into_iter().collect()
        }
        KeySpec::MlKem(_) => Vec::new(),
    }
}
