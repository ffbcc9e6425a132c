//! SignedData: requests are checked as strictly as Dogtag does, responses are encoded as Dogtag
//! does.

use der::Tag;
use der::asn1::ObjectIdentifier;

use crate::certs::{Parts, parts};
use crate::element::{
    Element, NULL, Refused, context, context_primitive, elements, first, integer, octets, oid, one,
    sequence, set, tlv,
};
use crate::keys::{Hash, Key, SHA256, verify, verify_pss};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const PKI_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.12.2");
const PKI_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.12.3");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// A decoded request, not verified.
pub struct Opened {
    /// DER of the PKIData.
    pub pki_data: Vec<u8>,
    pub signer: Signer,
}

/// The claimed signer.
pub enum Signer {
    /// The holder of a certificate in the message (DER).
    Certificate(Vec<u8>, Signature),
    /// The key with this identifier.
    Key(Vec<u8>, Signature),
    /// None: the message is id-data.
    Nobody,
}

/// The parts of a SignerInfo that the signature depends on.
pub struct Signature {
    digest_algorithm: Vec<u8>,
    /// Only used for RSASSA-PSS: otherwise the digest algorithm counts.
    algorithm: ObjectIdentifier,
    attributes: Vec<u8>,
    content: Vec<u8>,
    signature: Vec<u8>,
}

impl Signature {
    /// Verifies it with a key, as strictly as Dogtag.
    pub fn verify(&self, spki: &[u8]) -> Result<(), Refused> {
        let hash = digest(&one(&self.digest_algorithm)?)?;
        let attributes = sorted_attributes(&one(&self.attributes)?, &hash.digest(&self.content))?;
        if self.algorithm == RSASSA_PSS {
            return verify_pss(spki, hash, &attributes, &self.signature);
        }
        verify(spki, hash, &attributes, &self.signature)
    }
}

/// Decodes a request: signed by the holder of a certificate in it, by a key, or unsigned.
pub fn open(message: &[u8]) -> Result<Opened, Refused> {
    // Octets after the ContentInfo are ignored, as Dogtag does.
    let outer = first(message)?;
    let [content_type, content] = outer.within(Tag::Sequence)?[..] else {
        return Err("no ContentInfo".into());
    };
    let content = one(content.content_of(context(0))?)?;
    let content_type = content_type.oid()?;
    if content_type == DATA {
        let pki_data = content.content_of(Tag::OctetString)?.to_vec();
        return Ok(Opened { pki_data, signer: Signer::Nobody });
    }
    if content_type != SIGNED_DATA {
        return Err("content type is neither SignedData nor data".into());
    }
    let signed = content.within(Tag::Sequence)?;
    let [_version, _digests, encapsulated, rest @ ..] = &signed[..] else {
        return Err("no SignedData".into());
    };
    let [e_type, e_content] = encapsulated.within(Tag::Sequence)?[..] else {
        return Err("no content".into());
    };
    if e_type.oid()? != PKI_DATA {
        return Err("content is not a PKIData".into());
    }
    let pki_data = one(e_content.content_of(context(0))?)?.content_of(Tag::OctetString)?.to_vec();
    let certificates = match rest.iter().find(|e| e.tag == context(0)) {
        Some(set) => elements(set.content)?,
        None => Vec::new(),
    };
    let infos = rest.last().ok_or("no signerInfos")?.within(Tag::Set)?;
    let info = infos.first().ok_or("no signer")?.within(Tag::Sequence)?;
    let [_version, sid, digest_algorithm, attributes, algorithm, signature, ..] = info[..] else {
        return Err("no signed attributes".into());
    };
    let computed = Signature {
        digest_algorithm: digest_algorithm.whole.to_vec(),
        algorithm: algorithm.within(Tag::Sequence)?.first().ok_or("no algorithm")?.oid()?,
        attributes: attributes.whole.to_vec(),
        content: pki_data.clone(),
        signature: signature.content_of(Tag::OctetString)?.to_vec(),
    };
    let signer = match sid.content_of(context_primitive(0)) {
        Ok(id) => Signer::Key(id.to_vec(), computed),
        Err(_) => Signer::Certificate(signer(&sid, &certificates)?, computed),
    };
    Ok(Opened { pki_data, signer })
}

/// Returns a SHA-2 digest; NULL parameters are required, because Dogtag builds the DigestInfo from
/// these octets.
fn digest(algorithm: &Element<'_>) -> Result<Hash, Refused> {
    let [id, parameters] = algorithm.within(Tag::Sequence)?[..] else {
        return Err("digestAlgorithm without NULL parameters".into());
    };
    parameters.content_of(Tag::Null)?;
    let id = id.oid()?;
    Hash::from_oid(id).ok_or(format!("unknown digest {id}"))
}

fn signer(sid: &Element<'_>, certificates: &[Element<'_>]) -> Result<Vec<u8>, Refused> {
    let [issuer, serial] = sid.within(Tag::Sequence)?[..] else {
        return Err("no issuerAndSerialNumber".into());
    };
    let found = certificates.iter().find(|c| {
        parts(c.whole)
            .is_ok_and(|p: Parts<'_>| p.issuer == issuer.whole && p.serial == serial.content)
    });
    found.map(|c| c.whole.to_vec()).ok_or("the signer's certificate is not in the message".into())
}

/// Returns the attributes as a SET OF in DER order, which is what the signature covers.
fn sorted_attributes(attributes: &Element<'_>, digest: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut all = Vec::new();
    let (mut typed, mut digested) = (false, false);
    for attribute in elements(attributes.content_of(context(0))?)? {
        all.push(attribute.whole.to_vec());
        let [id, values] = attribute.within(Tag::Sequence)?[..] else {
            return Err("no attribute".into());
        };
        let [value] = values.within(Tag::Set)?[..] else { return Err("not one value".into()) };
        match id.oid()? {
            CONTENT_TYPE => typed = value.oid()? == PKI_DATA,
            MESSAGE_DIGEST => digested = value.content_of(Tag::OctetString)? == digest,
            _ => {}
        }
    }
    if !typed || !digested {
        return Err("contentType or messageDigest is missing or wrong".into());
    }
    Ok(set(all))
}

/// An intended defect in a response's signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    Signature,
    Digest,
    Unsigned,
    Reversed,
}

/// Signs a PKIResponse as Dogtag does; `certificates` become a sorted SET.
pub fn seal(
    response: &[u8],
    certificates: Vec<Vec<u8>>,
    key: &Key,
    own: &[u8],
    flaw: Flaw,
) -> Result<Vec<u8>, Refused> {
    let sha256 = sequence(&[&oid(&SHA256), NULL]);
    let mut digest = Hash::Sha256.digest(response);
    if flaw == Flaw::Digest {
        digest.reverse();
    }
    let attribute =
        |id: &ObjectIdentifier, value: Vec<u8>| sequence(&[&oid(id), &set(vec![value])]);
    let attributes = set(vec![
        attribute(&CONTENT_TYPE, oid(&PKI_RESPONSE)),
        attribute(&MESSAGE_DIGEST, octets(&digest)),
    ]);
    let mut signature = key.sign(&attributes);
    if flaw == Flaw::Signature
        && let Some(last) = signature.last_mut()
    {
        *last ^= 1;
    }
    let own = parts(own)?;
    let info = sequence(&[
        &integer(&[1]),
        &sequence(&[own.issuer, &tlv(Tag::Integer, own.serial)]),
        &sha256,
        &tlv(context(0), one(&attributes)?.content),
        &key.cms_algorithm(),
        &octets(&signature),
    ]);
    let infos = if flaw == Flaw::Unsigned { Vec::new() } else { vec![info] };
    let content = sequence(&[&oid(&PKI_RESPONSE), &tlv(context(0), &octets(response))]);
    Ok(signed_data(vec![sha256], content, certificates, infos, flaw == Flaw::Reversed))
}

/// Returns a Simple PKI Response: certificates without signature (RFC 5272 §4.1).
pub fn certs_only(certificates: Vec<Vec<u8>>) -> Vec<u8> {
    signed_data(Vec::new(), sequence(&[&oid(&DATA)]), certificates, Vec::new(), false)
}

fn signed_data(
    digests: Vec<Vec<u8>>,
    content: Vec<u8>,
    mut certificates: Vec<Vec<u8>>,
    infos: Vec<Vec<u8>>,
    reversed: bool,
) -> Vec<u8> {
    certificates.sort();
    if reversed {
        certificates.reverse();
        certificates.extend(certificates.clone());
    }
    let signed = sequence(&[
        &integer(&[3]),
        &set(digests),
        &content,
        &tlv(context(0), &certificates.concat()),
        &set(infos),
    ]);
    sequence(&[&oid(&SIGNED_DATA), &tlv(context(0), &signed)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{asked, pki_data};

    /// Requests that Dogtag's own tools made, and Dogtag accepted, are accepted.
    #[test]
    fn recorded_requests_of_the_java_tools_pass() -> Result<(), Refused> {
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");
        let folders = std::fs::read_dir(vectors).map_err(|e| e.to_string())?;
        let mut signed = 0;
        for folder in folders.flatten() {
            let Ok(message) = std::fs::read(folder.path().join("request.der")) else { continue };
            let label = folder.file_name();
            let opened = open(&message).map_err(|e| format!("{label:?}: {e}"))?;
            let data = pki_data(&opened.pki_data)?;
            let requests: Result<Vec<_>, _> = data.requests.iter().map(asked).collect();
            let requests = match requests {
                Err(e) if label == "02c-crmf-agent-popfail" && e.starts_with("POP") => continue,
                requests => requests.map_err(|e| format!("{label:?}: {e}"))?,
            };
            match &opened.signer {
                Signer::Certificate(certificate, signature) => {
                    signature.verify(parts(certificate)?.spki)
                }
                Signer::Key(id, signature) => {
                    let request = requests.first().ok_or("no request")?;
                    assert_eq!(request.key_id.as_ref(), Some(id), "{label:?}");
                    signature.verify(&request.spki)
                }
                Signer::Nobody => continue,
            }
            .map_err(|e| format!("{label:?}: {e}"))?;
            signed += 1;
        }
        assert_eq!(signed, 13);
        Ok(())
    }
}
