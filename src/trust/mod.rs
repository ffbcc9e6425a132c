//! Verifies the CA's response: signature, signer, and the certificates in it.
//!
//! A Full PKI Response is signed, but the certificates in it are not covered by the signature; so
//! each is verified by itself. This program decodes everything before it gives a key or octets to
//! NSS, and NSS only computes digests and signatures: no content of a response is decrypted here.
//!
//! **The signature** (RFC 5652 §5.4, §5.6). The message is a SignedData with a PKIResponse. In each
//! SignerInfo the attributes contentType and messageDigest occur once and match the content, and
//! each signature uses SHA-2 or ML-DSA and is valid. signingTime is ignored: this machine's clock
//! decides on dates.
//!
//! **The signer** is one of
//! - a CA: basicConstraints has cA, and keyUsage, if present, has digitalSignature or keyCertSign.
//!   extKeyUsage is ignored;
//! - a CMC responder: extKeyUsage has id-kp-cmcCA (RFC 6402 §2.10), and keyUsage, if present, has
//!   digitalSignature or nonRepudiation. It signs for the CA that issued its certificate.
//!
//! Every end-entity certificate in the response must have that CA as its issuer. An OCSP responder,
//! an agent, a server or another CA is not accepted as signer, even if it is trusted.
//!
//! **A path** leads from a certificate over its issuers to a CA that the database trusts for SSL
//! (`C` or `T` in the first of the three trust fields; `P` isn't enough, and the other fields are
//! ignored). Each signature on the path is verified; key identifiers only decide which issuer is
//! tried first. Issuers come from the database and from the message. Each certificate on the path
//! is valid now. Each issuer is a CA whose keyUsage, if present, has keyCertSign, which respects
//! the pathLenConstraint of those above it, and which has no critical extension that this program
//! doesn't know. No certificate on the path is marked `p` (distrusted).
//!
//! **Revocation and names.** CRLs in the database, and nameConstraints, apply to every certificate
//! on a path. OCSP is asked only about a certificate's status, by [`ocsp`]; CRLs are not fetched.

pub mod ocsp;
mod path;
mod proof;
mod signature;
pub mod usage;

pub use path::Paths;
pub use proof::prove;
pub use signature::{SignatureCheck, no_response, verify};
