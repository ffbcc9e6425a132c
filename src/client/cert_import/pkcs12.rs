//! The key and the certificates of a PKCS #12 file as the source of an import.

use std::path::PathBuf;

use super::write::Undo;
use crate::client::cert_file::leaf_first;
use crate::client::pkcs12::{Become, ImportSpec, Password, Select, import_into, open};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::nss::Database;
use crate::secret::Secret;

/// A PKCS #12 file with one key.
pub struct Pkcs12 {
    /// The file.
    pub file: PathBuf,
    /// The file's password.
    pub password: Secret,
    /// Whether the key stays in the token when its certificate is refused after it was stored
    /// ([`Order::TrustFirst`](super::Order::TrustFirst)).
    pub keep_key: bool,
}

impl Pkcs12 {
    /// Returns the certificates (DER), the one of the key first.
    ///
    /// # Errors
    /// As [`open`]; [`Kind::Input`] unless the file has exactly one key, and a certificate for it.
    pub(super) fn certificates(&self, database: &Database) -> Result<Vec<Vec<u8>>> {
        let what = format!("PKCS #12 file {}", self.file.display());
        let contents = open(database, &self.file, &Password::new(&self.password)?)?;
        let [key] = contents.keys.as_slice() else {
            let keys = contents.keys.len();
            return Err(Error::new(
                Kind::Input,
                format!("the {what} contains {keys} keys, not one"),
            )
            .hint("import the file with: nss-cmc pkcs12 import"));
        };
        let leaf = contents.certificate_of(key);
        let mut all: Vec<Vec<u8>> = contents.certificates.into_iter().map(|c| c.der).collect();
        match leaf {
            Some(leaf) => {
                let leaf = all.remove(leaf);
                all.retain(|der| *der != leaf);
                all.insert(0, leaf);
                Ok(all)
            }
            None => leaf_first(&format!("the {what}"), all),
        }
    }

    /// Stores the key and its certificate (DER) in the session's token, and notes both in `undo`.
    ///
    /// # Errors
    /// As [`import_into`]; [`Kind::Input`] when the file has changed since it was read.
    pub(super) fn store(
        &self,
        session: &Session,
        der: &[u8],
        nickname: &str,
        undo: &mut Undo<'_>,
    ) -> Result<()> {
        // Never called: the session is logged in.
        let passwords = Box::new(|_: crate::client::passwords::Wanted<'_>| Ok(None));
        let spec = ImportSpec {
            select: Select { certificates: false, ..Select::default() },
            nickname: Some(nickname.to_owned()),
            ..ImportSpec::new("", passwords, &self.file, self.password.duplicate())
        };
        for entry in import_into(session, &spec)?.entries {
            match entry.key {
                Some((id, Become::Added)) if !self.keep_key => undo.key(id),
                _ => {}
            }
            if entry.certificate == Become::Added {
                undo.added(&entry.der, session.token.user_name());
            }
            // The certificate that was verified must be the one imported.
            if entry.der != der {
                let what = format!("PKCS #12 file {} was changed", self.file.display());
                return Err(Error::new(Kind::Input, what).hint("run it again"));
            }
        }
        Ok(())
    }
}
