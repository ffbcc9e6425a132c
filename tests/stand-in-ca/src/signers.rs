//! Signers of a response in place of the CA: certificates that the CA issued for other purposes.

use crate::certs;
use crate::element::Refused;
use crate::keys::Key;
use crate::store::{Pair, Store};

/// Returns a signer that the CA certified, selected by the profile's name; `None` for another name.
pub fn signer(wish: &str, store: &Store) -> Result<Option<Pair>, Refused> {
    let (name, purpose, days) = match wish {
        // id-kp-cmcCA, id-kp-cmcRA, id-kp-OCSPSigning, id-kp-clientAuth.
        "responder" => ("CMC Responder", "1.3.6.1.5.5.7.3.27", (-1, 300)),
        "expired-responder" => ("Old CMC Responder", "1.3.6.1.5.5.7.3.27", (-20, -10)),
        "registrar" => ("CMC RA", "1.3.6.1.5.5.7.3.28", (-1, 300)),
        "ocsp-responder" => ("OCSP Responder", "1.3.6.1.5.5.7.3.9", (-1, 300)),
        "agent-signer" => ("An Agent", "1.3.6.1.5.5.7.3.2", (-1, 300)),
        _ => return Ok(None),
    };
    let key = Key::generate(true)?;
    let extensions = vec![certs::key_usage(&[0]), certs::ext_key_usage(&[purpose])];
    let name = certs::name(name, Some("STAND-IN"));
    let certificate = store.issue(&name, &key.spki()?, days, extensions)?;
    Ok(Some(Pair { key, certificate }))
}
