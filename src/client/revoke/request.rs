//! The CMC request for a revocation.

use crate::asn1::Number;

use crate::algorithm::{Crypto, Digests};
use crate::client::session::Identity;
use crate::cmc::control::{Control, Revocation};
use crate::cmc::message::{CmcSpec, Message, Signatory, build};
use crate::error::Result;

/// Builds the CMC request for a revocation (revokeRequest, RFC 5272 §6.11) with a new nonce, and
/// with a transaction id if `transaction`. `signer` signs it; without one it is unsigned, and
/// authenticated by its shared secret.
///
/// # Errors
/// Those of the signer's key and of `crypto`.
pub fn revocation_request(
    revocation: Revocation,
    signer: Option<&Identity>,
    transaction: bool,
    digests: Digests,
    crypto: &dyn Crypto,
) -> Result<Message> {
    let nonce = crypto.random(16)?;
    let id = || -> Result<Number> { Ok(Number::unsigned(&crypto.random(16)?)) };
    let spec = CmcSpec {
        controls: vec![Control::SenderNonce(nonce), Control::Revoke(Box::new(revocation))],
        transaction_id: transaction.then(id).transpose()?,
        digests,
        ..CmcSpec::default()
    };
    let signatory = signer.map_or(Signatory::Nobody, Signatory::from);
    build(spec, signatory, None, crypto)
}
