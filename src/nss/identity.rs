//! A certificate with what is needed to act as its holder.

use std::rc::Rc;

use super::{Certificate, PrivateKey};
use crate::algorithm::{KeyType, Signer};

/// A certificate, its issuers and its private key: the signer of a message, or the TLS client. A clone
/// shares them.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: Rc<Certificate>,
    /// DER of its issuers, nearest first.
    pub issuers: Vec<Vec<u8>>,
    /// The certificate's private key.
    pub key: Rc<PrivateKey>,
}

impl Identity {
    /// Returns the identity with a session copy of an RSA key, for runs that sign more than once:
    /// NSS before 3.90 derives the password key for each use of a token key.
    pub fn for_several_signatures(mut self) -> Identity {
        if self.key.key_type() == KeyType::Rsa
            && let Some(copy) = self.key.session_copy()
        {
            self.key = Rc::new(copy);
        }
        self
    }
}
