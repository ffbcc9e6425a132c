//! PKCS #12 files (RFC 7292): decodes, imports and exports them.
//!
//! The structure is decoded here; NSS computes MACs, decrypts certificates, and moves private keys
//! between file and token without revealing them. NSS's own reader (libsmime3) isn't used: it returns
//! no bag attributes, can't stop between decoding and import, and rolls nothing back.

mod anchor;
mod export;
mod import;
mod password;
mod plan;
mod read;
mod undo;

pub use crate::asn1::pkcs12::{BagAttributes, Protection};
pub use anchor::{CaTrust, Fingerprint, Root};
pub use export::{Encryption, ExportSpec, Exported, ExportedEntry, export};
pub use import::{Become, Entry, ImportSpec, Imported, Notice, Select, import, import_into};
pub use password::Password;
pub use plan::Existing;
pub use read::{CertificateBag, Contents, KeyBag, Mac, is_mac_mismatch, open, show};
