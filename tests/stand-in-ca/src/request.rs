//! A PKIData and the request in it.

use der::Tag;

use crate::element::{Element, Refused, context, one};
use crate::keys::{Hash, round_trips, verify};

/// The controls a stand-in looks at, and the requests.
pub struct PkiData<'a> {
    /// Number of the control in id-cmc, and the DER of its SET of values.
    pub controls: Vec<(u32, &'a [u8])>,
    /// TaggedRequests.
    pub requests: Vec<Element<'a>>,
    /// Things Dogtag lets pass and a client shouldn't do.
    pub lint: Vec<String>,
}

/// Reads a PKIData: four sequences, no fewer, no more.
pub fn pki_data(der: &[u8]) -> Result<PkiData<'_>, Refused> {
    let [controls, requests, _cms, _other] = one(der)?.within(Tag::Sequence)?[..] else {
        return Err("a PKIData has four sequences".into());
    };
    let mut found = PkiData {
        controls: Vec::new(),
        requests: requests.within(Tag::Sequence)?,
        lint: Vec::new(),
    };
    let mut ids: Vec<&[u8]> = Vec::new();
    for control in controls.within(Tag::Sequence)? {
        let [id, kind, values] = control.within(Tag::Sequence)?[..] else {
            return Err("no TaggedAttribute".into());
        };
        ids.push(id.content_of(Tag::Integer)?);
        values.content_of(Tag::Set)?;
        let kind = kind.oid()?.to_string();
        match kind.strip_prefix("1.3.6.1.5.5.7.7.").and_then(|n| n.parse().ok()) {
            Some(n) => found.controls.push((n, values.whole)),
            None => found.lint.push(format!("unknown control {kind}")),
        }
    }
    for request in &found.requests {
        let first = crate::element::elements(request.content)?;
        if request.tag == context(0) {
            ids.extend(first.first().map(|id| id.content));
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    if ids.len() != count || ids.contains(&&[0u8][..]) {
        found.lint.push("body part ids are 0 or not unique".into());
    }
    Ok(found)
}

impl PkiData<'_> {
    /// The values of a control; of the last one, if there are several.
    pub fn control(&self, number: u32) -> Option<&[u8]> {
        self.controls.iter().rev().find(|(n, _)| *n == number).map(|(_, values)| *values)
    }
}

/// What is to be certified.
pub struct Asked {
    /// The body part id, as DER.
    pub id: Vec<u8>,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    /// Whether possession of the key is proved.
    pub proved: bool,
}

/// Reads a request and checks its own signature.
pub fn asked(request: &Element<'_>) -> Result<Asked, Refused> {
    if request.tag == context(0) {
        let [id, csr] = crate::element::elements(request.content)?[..] else {
            return Err("no TaggedCertificationRequest".into());
        };
        id.content_of(Tag::Integer)?;
        return Ok(Asked { id: id.whole.to_vec(), ..pkcs10(csr.whole)? });
    }
    if request.tag == context(1) {
        return crmf(request);
    }
    Err("neither PKCS #10 nor CRMF".into())
}

/// Reads a PKCS #10 request; the attributes field must be there.
pub fn pkcs10(der: &[u8]) -> Result<Asked, Refused> {
    let [info, algorithm, signature] = one(der)?.within(Tag::Sequence)?[..] else {
        return Err("no CertificationRequest".into());
    };
    if !round_trips(der) {
        return Err("not DER".into());
    }
    let [_version, subject, spki, attributes] = info.within(Tag::Sequence)?[..] else {
        return Err("PKCS #10 without attributes field".into());
    };
    attributes.content_of(context(0))?;
    self_signature(info.whole, &algorithm, signature.bits()?, spki.whole)?;
    Ok(Asked {
        id: Vec::new(),
        subject: subject.whole.to_vec(),
        spki: spki.whole.to_vec(),
        proved: true,
    })
}

fn self_signature(
    signed: &[u8],
    algorithm: &Element<'_>,
    signature: &[u8],
    spki: &[u8],
) -> Result<(), Refused> {
    let algorithm = algorithm.within(Tag::Sequence)?;
    let id = algorithm.first().ok_or("no algorithm")?.oid()?;
    let hash = Hash::of_signature(id).ok_or(format!("unknown signature algorithm {id}"))?;
    verify(spki, hash, signed, signature)
}

/// Reads a CertReqMsg under `[1]`, with proof by signature or none.
fn crmf(message: &Element<'_>) -> Result<Asked, Refused> {
    let parts = crate::element::elements(message.content)?;
    let request = parts.first().ok_or("no CertRequest")?;
    let [id, template, ..] = request.within(Tag::Sequence)?[..] else {
        return Err("no CertTemplate".into());
    };
    let fields = template.within(Tag::Sequence)?;
    let field = |n: u8| fields.iter().find(|f| f.tag == context(n));
    let subject = field(5).ok_or("no subject")?.content;
    // [6] IMPLICIT: the SEQUENCE tag of the key comes back.
    let key = field(6).ok_or("no public key")?;
    let spki = crate::element::sequence(&[key.content]);
    let proved = match parts.get(1).filter(|p| p.tag == context(1)) {
        Some(popo) => {
            let [algorithm, signature] = crate::element::elements(popo.content)?[..] else {
                return Err("no POPOSigningKey".into());
            };
            self_signature(request.whole, &algorithm, signature.bits()?, &spki)
                .map_err(|e| format!("POP: {e}"))?;
            true
        }
        None => false,
    };
    Ok(Asked { id: id.whole.to_vec(), subject: subject.to_vec(), spki, proved })
}
