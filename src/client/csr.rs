//! Makes certificate requests, PKCS #10 and CRMF, for new and existing keys.

use std::path::Path;

use rasn_pkix::Attribute;

use super::archive::Archive;
use super::input;
use super::request_key::RequestKey;
use super::session::Session;
use crate::algorithm::{Crypto, Digest, Digests, KeySpec};
use crate::asn1::extension::Extension;
use crate::asn1::extension_request;
use crate::asn1::x509::{self, CsrParts, certification_request, general_name, subject_alt_name};
use crate::cmc::crmf::{self, CrmfParts, Pop, cert_req_messages};
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Result};
use crate::nss::KeyFlags;

/// Alternative names as users write them: `dns`, `ip`, `email` or `uri`, and the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AltNames(pub Vec<(String, String)>);

impl AltNames {
    /// Returns the names, each with its kind.
    pub fn tagged(kinds: &[(&str, &Vec<String>)]) -> AltNames {
        let of_kind = |(kind, values): &(&str, &Vec<String>)| {
            let kind = (*kind).to_owned();
            values.iter().map(move |value| (kind.clone(), value.clone())).collect::<Vec<_>>()
        };
        AltNames(kinds.iter().flat_map(of_kind).collect())
    }
}

/// What is requested besides subject and key, as users write it.
#[derive(Debug, Clone, Default)]
pub struct Requested {
    /// Alternative names.
    pub names: AltNames,
    /// Key usages by name (`digitalSignature`).
    pub key_usage: Vec<String>,
    /// Extended key usages by name (`serverAuth`), or dotted object identifiers.
    pub ext_key_usage: Vec<String>,
    /// Other extensions, `OID[:critical]=HEX`, the hexadecimal being DER.
    pub extensions: Vec<String>,
    /// Attributes of a PKCS #10 request, `OID=HEX`, the hexadecimal being DER.
    pub attributes: Vec<String>,
}

/// Requested extensions and attributes.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    list: Vec<Extension>,
    attributes: Vec<Attribute>,
}

impl Extensions {
    /// Parses what is requested.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an invalid value, and for an extension that is given twice.
    pub fn read(requested: &Requested) -> Result<Extensions> {
        let mut list = Vec::new();
        if let AltNames(names) = &requested.names
            && !names.is_empty()
        {
            let read = |(kind, value): &(String, String)| general_name(kind, value);
            list.push(subject_alt_name(&names.iter().map(read).collect::<Result<Vec<_>>>()?)?);
        }
        if !requested.key_usage.is_empty() {
            list.push(extension_request::key_usage(&requested.key_usage)?);
        }
        if !requested.ext_key_usage.is_empty() {
            list.push(extension_request::extended_key_usage(&requested.ext_key_usage)?);
        }
        for text in &requested.extensions {
            list.push(extension_request::raw_extension(text)?);
        }
        for (i, extension) in list.iter().enumerate() {
            if list.iter().skip(i + 1).any(|e| e.id() == extension.id()) {
                let id = extension.id();
                return Err(Error::new(Kind::Usage, format!("extension {id} is given twice")));
            }
        }
        let attributes = requested.attributes.iter().map(|a| extension_request::raw_attribute(a));
        Ok(Extensions { list, attributes: attributes.collect::<Result<_>>()? })
    }

    /// Returns decoded extensions, without attributes.
    pub(super) fn of(list: Vec<Extension>) -> Extensions {
        Extensions { list, attributes: Vec::new() }
    }

    /// Returns the extensions.
    pub(super) fn list(&self) -> &[Extension] {
        &self.list
    }
}

/// The key of a request.
#[derive(Debug)]
pub enum KeyWanted {
    /// A key to generate.
    New {
        /// Type and size.
        spec: KeySpec,
        /// Its storage and uses.
        flags: KeyFlags,
        /// Subject or nickname of the certificate, for the label.
        purpose: String,
    },
    /// An existing key: a key identifier in any form, or the nickname of its certificate.
    Existing(String),
}

/// The format of a request.
#[derive(Debug)]
pub enum Format {
    /// PKCS #10 (RFC 2986).
    Pkcs10,
    /// CRMF (RFC 4211), with this proof of possession, and key archival if given.
    Crmf(Pop, Option<Archive>),
}

/// The content of a request, independent of its key.
#[derive(Debug)]
pub struct CsrSpec {
    /// DER of the subject Name.
    pub subject: Vec<u8>,
    /// The format.
    pub format: Format,
    /// Requested extensions and attributes.
    pub extensions: Extensions,
    /// Whether to add a subjectKeyIdentifier, which requests with a shared secret need.
    pub key_identifier: bool,
    /// How the digest of the request's signature is chosen.
    pub digests: Digests,
}

/// A new request. A key generated for it is deleted on drop, unless it is
/// [kept](RequestKey::settle).
#[derive(Debug)]
pub struct Made {
    /// DER of the CertificationRequest or the CertReqMessages.
    pub der: Vec<u8>,
    /// Its key.
    pub key: RequestKey,
}

/// Makes a request and, if wanted, its key. The token must be logged in.
///
/// ```no_run
/// use nss_cmc::algorithm::Digests;
/// use nss_cmc::client::csr::{CsrSpec, Extensions, Format, KeyWanted, create};
/// use nss_cmc::nss::{Access, KeyFlags};
/// use nss_cmc::{KeySpec, Needs, Session, Source, name, pem};
///
/// let passwords = Source::File("pin.txt".into()).passwords();
/// let needs = Needs { key: true, ..Needs::default() };
/// let session = Session::open("nssdb", Access::ReadWrite, needs, &passwords)?;
/// let kind = KeySpec::Rsa(2048);
/// let key = KeyWanted::New {
///     spec: kind,
///     flags: KeyFlags::permanent(kind),
///     purpose: "CN=www.example".into(),
/// };
/// let spec = CsrSpec {
///     subject: name::parse("CN=www.example")?,
///     format: Format::Pkcs10,
///     extensions: Extensions::default(),
///     key_identifier: false,
///     digests: Digests::ByStrength,
/// };
/// let made = create(&session, &key, &spec)?;
/// println!("{}", pem::encode("CERTIFICATE REQUEST", &made.der));
/// made.key.settle(Ok(()))?;
/// session.close()?;
/// # Ok::<(), nss_cmc::Error>(())
/// ```
///
/// # Errors
/// Of every kind; a generated key is deleted.
pub fn create(session: &Session, key: &KeyWanted, spec: &CsrSpec) -> Result<Made> {
    let key = match key {
        KeyWanted::Existing(name) => RequestKey::find(session, name)?,
        KeyWanted::New { spec: kind, flags, purpose } => {
            check_proof(*kind, &spec.format)?;
            let mut flags = *flags;
            if matches!(&spec.format, Format::Crmf(_, Some(_))) {
                if flags.extractable == Some(false) {
                    return Err(Error::new(
                        Kind::Usage,
                        "a key that is not extractable cannot be archived",
                    ));
                }
                flags.extractable = Some(true);
            }
            RequestKey::generate(&session.token, *kind, flags, purpose)?
        }
    };
    match encode(session, spec, &key) {
        Ok(der) => Ok(Made { der, key }),
        Err(e) => Err(key.end(e)),
    }
}

/// Checks that a key can sign if the request needs its signature.
///
/// # Errors
/// [`Kind::Usage`].
fn check_proof(key: KeySpec, format: &Format) -> Result<()> {
    let what = match format {
        _ if key.signs() => return Ok(()),
        Format::Crmf(Pop::None, _) => return Ok(()),
        Format::Crmf(..) => "a proof of possession by signature",
        Format::Pkcs10 => "a PKCS #10 request",
    };
    Err(Error::new(Kind::Usage, format!("cannot make {what} with an {key} key"))
        .because("ML-KEM keys cannot sign")
        .hint("create a CRMF request without proof of possession: --crmf --pop none"))
}

/// Returns the DER of a request for a key: a CertificationRequest (RFC 2986 §4.2) or
/// CertReqMessages (RFC 4211 §3).
///
/// # Errors
/// [`Kind::Interrupted`]; those of a key that refuses to sign or to be archived.
pub(super) fn encode(session: &Session, spec: &CsrSpec, key: &RequestKey) -> Result<Vec<u8>> {
    key.check()?;
    let (private, subject, spki) = (key.private()?, &spec.subject, &key.spki);
    let mut extensions = spec.extensions.list.clone();
    let id = spec.key_identifier.then(|| key_identifier(&session.database, spki)).transpose()?;
    let der = match &spec.format {
        Format::Pkcs10 => {
            extensions.extend(id.map(|id| x509::subject_key_identifier(&id)));
            let (extensions, attributes) = (&extensions, spec.extensions.attributes.clone());
            let parts = CsrParts { subject, spki, extensions, attributes };
            key.sign_with(|signer| certification_request(parts, signer, spec.digests))?
        }
        Format::Crmf(pop, archive) => {
            extensions.extend(id.map(|id| crmf::subject_key_identifier(&id)));
            let archive = archive.as_ref().map(|a| a.options(session, private)).transpose()?;
            let (pop, digests) = (*pop, spec.digests);
            let parts = CrmfParts { subject, spki, extensions, archive, pop, digests };
            key.sign_with(|signer| cert_req_messages(parts, signer))?
        }
    };
    key.check()?;
    Ok(der)
}

/// Returns the key identifier of a public key: SHA-1 of its bits (RFC 5280 §4.2.1.2, method 1).
fn key_identifier(crypto: &dyn Crypto, spki: &[u8]) -> Result<Vec<u8>> {
    crypto.hash(Digest::Sha1, &x509::public_key_bits(spki)?)
}

/// Reads one PKCS #10 or CRMF request; `crmf` says which one it must be.
///
/// # Errors
/// [`Kind::Input`].
pub fn read(path: &Path, crmf: Option<bool>) -> Result<Request> {
    let bytes = input::read("certificate request", path)?;
    decode(&format!("certificate request {}", path.display()), &bytes, crmf)
}

/// Decodes one PKCS #10 or CRMF request (DER, PEM or base64), as [`read`]; `what` names it in
/// errors.
///
/// # Errors
/// [`Kind::Input`].
pub fn decode(what: &str, bytes: &[u8], crmf: Option<bool>) -> Result<Request> {
    let read = |der: &[u8]| match crmf {
        Some(true) => Request::crmf(der).map_err(|e| match Request::pkcs10(der) {
            Ok(_) => Error::new(Kind::Input, format!("{what} is a PKCS #10 request, not CRMF")),
            Err(_) => e,
        }),
        Some(false) => Request::pkcs10(der).map_err(|e| match Request::crmf(der) {
            Ok(_) => Error::new(Kind::Input, format!("{what} is a CRMF request, not PKCS #10")),
            Err(_) => e,
        }),
        None => Request::pkcs10(der).or_else(|e| Request::crmf(der).map_err(|_| e)),
    };
    input::parsed(what, input::CERTIFICATE_REQUEST, bytes, read).map(|(_, request)| request)
}
