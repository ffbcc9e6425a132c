//! Replies to the CA's EncryptedPOP (RFC 5272 §6.7); the challenge is decrypted in the token that
//! holds the key.

use zeroize::Zeroizing;

use super::find_key::check_key;
use crate::algorithm::{Crypto, Digests};
use crate::cmc::control::Control;
use crate::cmc::message::{Signatory, seal};
use crate::cmc::pop::{Challenge, Reading};
use crate::cmc::request::Sent;
use crate::cmc::response::Response;
use crate::error::{Error, Kind, Result};
use crate::nss::{KeyTransport, PrivateKey};

/// Returns the controls that relate a second message to the first (RFC 5272 §6.6): the same
/// transactionId, the response's nonce as recipientNonce, and a new senderNonce; and the values to
/// compare with its response.
///
/// # Errors
/// [`Kind::Input`] for a response with an invalid nonce; those of `crypto`.
pub fn go_on(
    sent: &Sent,
    response: &Response,
    crypto: &dyn Crypto,
) -> Result<(Vec<Control>, Sent)> {
    let nonce = crypto.random(16)?;
    let mut controls = vec![Control::SenderNonce(nonce.clone())];
    if let Some(theirs) = response.sender_nonce()? {
        controls.push(Control::RecipientNonce(theirs.to_vec()));
    }
    if let Some(id) = &sent.transaction_id {
        controls.push(Control::TransactionId(id.clone()));
    }
    Ok((controls, Sent { nonce: Some(nonce), transaction_id: sent.transaction_id.clone() }))
}

/// Returns the message of the second round trip (RFC 5272 §6.7).
///
/// `first` is the key transport tried first; the other one is tried if the witness doesn't match.
/// `controls` come last.
///
/// # Errors
/// [`Kind::Input`] when the challenge is for another key or can't be decrypted.
pub fn answer(
    challenge: &Challenge,
    key: &PrivateKey,
    first: KeyTransport,
    signatory: Signatory<'_>,
    controls: &[Control],
    digests: Digests,
    crypto: &dyn Crypto,
) -> Result<Zeroizing<Vec<u8>>> {
    let request = challenge.request();
    // Checked before the private key is applied to data from outside.
    check_key(key, &key.id()?, request.spki())?;
    let secret = open(challenge, key, first, crypto)?;
    let mut builder = challenge.answer(&secret, crypto)?;
    for control in controls {
        builder.add(control)?;
    }
    seal(builder, signatory, std::slice::from_ref(request), digests, crypto)
}

/// Returns the decrypted challenge, verified by its witness. The error doesn't say why decryption
/// failed: that would make a decryption oracle.
fn open(
    challenge: &Challenge,
    key: &PrivateKey,
    first: KeyTransport,
    crypto: &dyn Crypto,
) -> Result<Zeroizing<Vec<u8>>> {
    let wrapped = challenge.wrapped_key()?;
    let ciphertext = challenge.ciphertext()?;
    let readings = challenge.readings()?;
    let second = match first {
        KeyTransport::Pkcs1 => KeyTransport::OaepSha256,
        KeyTransport::OaepSha256 => KeyTransport::Pkcs1,
    };
    for transport in [first, second] {
        let Ok(session) = key.unwrap_aes(&wrapped, transport) else { continue };
        for Reading { iv, padded } in &readings {
            let Ok(iv) = iv.as_slice().try_into() else { continue };
            let Ok(plain) = session.decrypt_cbc(iv, &ciphertext) else { continue };
            let mut plain = Zeroizing::new(plain);
            if *padded {
                let keep = unpadded(&plain);
                plain.truncate(keep);
            }
            if challenge.is_witnessed(&plain, crypto)? {
                return Ok(plain);
            }
        }
    }
    Err(Error::new(Kind::Input, "cannot decrypt the CA's challenge with this key")
        .because("the decrypted value does not match its witness")
        .hint("the response may belong to another request, or be damaged"))
}

/// Returns the length without PKCS #7 padding; the whole length if there is none.
fn unpadded(plain: &[u8]) -> usize {
    let n = plain.last().copied().map_or(0, usize::from);
    let body = plain.len().checked_sub(n).filter(|_| (1..=16).contains(&n));
    match body.and_then(|at| plain.get(at..).map(|tail| (at, tail))) {
        Some((at, tail)) if tail.iter().all(|b| usize::from(*b) == n) => at,
        _ => plain.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding() {
        assert_eq!(unpadded(&[1, 2, 3, 1]), 3);
        assert_eq!(unpadded(&[16; 16]), 0);
        assert_eq!(unpadded(&[17; 32]), 32);
        assert_eq!(unpadded(&[0; 16]), 16);
        assert_eq!(unpadded(&[9, 1, 2]), 3);
        assert_eq!(unpadded(&[]), 0);
    }
}
