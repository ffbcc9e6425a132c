//! Answering the CA's EncryptedPOP: the challenge is opened in the token that holds the key.

use zeroize::Zeroizing;

use super::keys::check_key;
use crate::algorithm::Crypto;
use crate::cmc::control::Control;
use crate::cmc::message::{Signatory, seal};
use crate::cmc::pop::{Challenge, Reading};
use crate::cmc::request::Sent;
use crate::cmc::response::Response;
use crate::error::{Error, Kind, Result};
use crate::nss::{KeyTransport, PrivateKey};

/// What ties a second message to the first (RFC 5272 §6.6): the same transaction, the nonce of the
/// answer it goes on from, a nonce of its own; and what its response is to be compared with.
///
/// # Errors
/// [`Kind::Input`] for a response whose nonce is none; when the generator fails.
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

/// The second round trip's message (RFC 5272 §6.7).
///
/// `first` is the key transport tried first; the other one is tried when the witness doesn't fit.
/// `controls` come last.
///
/// # Errors
/// [`Kind::Input`] when the challenge is for another key or can't be opened.
pub fn answer(
    challenge: &Challenge,
    key: &PrivateKey,
    first: KeyTransport,
    signatory: Signatory<'_>,
    controls: &[Control],
    crypto: &dyn Crypto,
) -> Result<Zeroizing<Vec<u8>>> {
    let request = challenge.request();
    // Before the private key is used on what somebody sent.
    check_key(key, &key.id()?, request.spki())?;
    let secret = open(challenge, key, first, crypto)?;
    let mut builder = challenge.answer(&secret, crypto)?;
    for control in controls {
        builder.add(control)?;
    }
    seal(builder, signatory, std::slice::from_ref(request), crypto)
}

/// The challenge in the clear, its witness verified. Why an attempt failed is not told apart: that
/// would help whoever tries to decrypt with our key.
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
    Err(Error::new(Kind::Input, "the CA's challenge does not open with this key")
        .because("neither way to unwrap its key matches its witness")
        .hint("the response may belong to another request, or be damaged"))
}

/// Length without PKCS #7 padding; all of it when there is none.
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
