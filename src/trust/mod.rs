//! What of a CA's response is believed.
//!
//! A Full PKI Response is signed; the certificates that travel with it are not, so each is judged by
//! itself. Everything is decoded by this program before a key or NSS sees it, and NSS computes
//! digests and signatures only: no content of a response is ever decrypted here.
//!
//! **The signature.** The message is a SignedData around a PKIResponse. Each signer's attributes
//! contentType and messageDigest occur once and fit the content, and each signature, made with SHA-2
//! or ML-DSA, is right. signingTime says nothing: dates are judged by this machine's clock.
//!
//! **The signer** is one of
//! - a CA: basicConstraints says so, and keyUsage, if there, has digitalSignature or keyCertSign.
//!   extKeyUsage doesn't matter;
//! - a CMC responder: extKeyUsage has id-kp-cmcCA (RFC 6402 §2.10), and keyUsage, if there,
//!   digitalSignature or nonRepudiation. It speaks for the CA that issued its certificate.
//!
//! Every end-entity certificate in the response must name that CA as its issuer. An OCSP responder,
//! an agent, a server or another CA is no signer of it, however trusted.
//!
//! **A path** leads from a certificate over its issuers to a CA that the database trusts for SSL (`C`
//! or `T` in the first of the three trust fields; `P` isn't enough, the other fields don't count).
//! Each link is a signature that is verified; key identifiers only say which issuer is tried first.
//! Issuers come from the database and from the message. Each certificate of a path is valid now; each
//! issuer is a CA whose keyUsage, if there, has keyCertSign, within the pathLenConstraint of those
//! above, and without critical extensions unknown here; none is marked `p` (distrusted).
//!
//! **Revocation and names.** A CRL in the database counts for every certificate of a path, and so do
//! nameConstraints. OCSP is not asked, and no CRL is fetched.

mod path;
mod proof;
mod signed;

pub use path::Paths;
pub use proof::prove;
pub use signed::{SignatureCheck, no_response, verify};
