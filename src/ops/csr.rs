//! Keys and PKCS #10 requests.

use rasn_pkix::Extension;

use crate::algorithm::KeySpec;
use crate::asn1::x509::{CsrParts, certification_request, subject_alt_name};
use crate::error::{Error, Result};
use crate::keyid;
use crate::nss::{KeyFlags, KeyPair, PrivateKey, Token};

/// A generated pair that is deleted again unless the run that made it succeeds.
#[derive(Debug)]
pub struct NewKey {
    pair: Option<KeyPair>,
    /// DER of the SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// CKA_ID.
    pub id: Vec<u8>,
}

impl NewKey {
    /// Generates a key in a token.
    ///
    /// # Errors
    /// As [`Token::generate`].
    pub fn generate(token: &Token, spec: KeySpec, flags: KeyFlags) -> Result<NewKey> {
        let pair = token.generate(spec, flags)?;
        let described = pair.public.spki().and_then(|spki| Ok((spki, pair.private.id()?)));
        match described {
            Ok((spki, id)) => Ok(NewKey { pair: Some(pair), spki, id }),
            Err(e) => {
                // Nothing names this key yet; whether it could be deleted changes nothing of `e`.
                pair.discard().ok();
                Err(e)
            }
        }
    }

    /// The private half.
    pub fn private(&self) -> Option<&PrivateKey> {
        self.pair.as_ref().map(|p| &p.private)
    }

    /// Keeps the key.
    pub fn keep(mut self) -> Option<KeyPair> {
        self.pair.take()
    }

    /// Deletes the key after `error`, and tells when even that failed.
    pub fn discard_after(mut self, error: Error) -> Error {
        let Some(pair) = self.pair.take() else { return error };
        let id = keyid::to_hex(&self.id);
        match pair.discard() {
            Ok(()) => error,
            Err(f) => error.hint(format!(
                "the key made for this request could not be deleted ({f}): certutil -F -k {id}"
            )),
        }
    }
}

impl Drop for NewKey {
    fn drop(&mut self) {
        if let Some(pair) = self.pair.take() {
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
