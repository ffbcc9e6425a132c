//! Converts the settings of a configuration file to a CMC request's specification.

use std::path::Path;

use super::keys::required_secret;
use crate::dogtag_tools::cfg_file::Settings;
use nss_cmc::algorithm::{Crypto, Digests};
use nss_cmc::client::csr;
use nss_cmc::cmc::control::LraPopWitness;
use nss_cmc::cmc::control::{CertificateId, Control, Revocation};
use nss_cmc::cmc::message::CmcSpec;
use nss_cmc::cmc::proof::{POP_LINK_RANDOM_V1, WitnessAlgorithms};
use nss_cmc::cmc::request::Request;
use nss_cmc::cmc::revocation_reason::reason;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::secret::Secret;
use nss_cmc::{Number, name};

fn usage(settings: &Settings, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, format!("{}: {why}", settings.file()))
}

fn missing(settings: &Settings, key: &str) -> Error {
    usage(settings, format!("Missing {key}.")).hint(format!("add a line {key}=…"))
}

fn needed<'a>(settings: &'a Settings, key: &str) -> Result<&'a str> {
    settings.non_empty(key).ok_or_else(|| missing(settings, key))
}

/// Returns whether the request is signed with the key to be certified.
pub fn self_signed(settings: &Settings) -> bool {
    // Two names of the same setting.
    match settings.get("request.useSharedSecret") {
        Some(_) => settings.flag("request.useSharedSecret"),
        None => settings.flag("request.selfSign"),
    }
}

/// Returns whether the requests are CRMF; `None` to detect it.
///
/// # Errors
/// [`Kind::Usage`] for an unknown format.
pub fn format(settings: &Settings) -> Result<Option<bool>> {
    match settings.non_empty("format") {
        Some(f) if f.eq_ignore_ascii_case("pkcs10") => Ok(Some(false)),
        Some(f) if f.eq_ignore_ascii_case("crmf") => Ok(Some(true)),
        None => Ok(None),
        Some(other) => Err(usage(settings, format!("Unrecognized request format {other:?}"))
            .hint("use format=pkcs10 or format=crmf, or remove the line")),
    }
}

/// Reads the files in `input`, separated by blanks; `numRequests` may limit them.
///
/// # Errors
/// [`Kind::Usage`], [`Kind::Input`].
pub fn requests(settings: &Settings) -> Result<Vec<Request>> {
    let crmf = format(settings)?;
    let wanted: Option<usize> = match settings.non_empty("numRequests") {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| usage(settings, "numRequests must be integer"))?)
        }
    };
    if wanted == Some(0) {
        return Ok(Vec::new());
    }
    let input = settings.required("input", "Missing input filename for PKCS10 or CRMF.")?;
    let names: Vec<&str> = input.split_whitespace().collect();
    let wanted = wanted.unwrap_or(names.len());
    if wanted > names.len() {
        let why = format!("numRequests is {wanted}, but input names {}", names.len());
        return Err(usage(settings, why));
    }
    names.iter().take(wanted).map(|n| csr::read(Path::new(n), crmf)).collect()
}

/// Returns the shared secret of an unsigned revocation; `None` for another request.
///
/// # Errors
/// [`Kind::Usage`] when it can't be read.
pub fn revocation_secret(settings: &Settings) -> Result<Option<Secret>> {
    if !settings.flag("revRequest.enable") {
        return Ok(None);
    }
    Ok(settings
        .shared_secret_anywhere("revRequest.sharedSecret")?
        .filter(|s| !s.bytes().is_empty()))
}

fn issuer_and_serial(settings: &Settings, control: &str) -> Result<(Vec<u8>, Number)> {
    let issuer = name::parse(needed(settings, &format!("{control}.issuer"))?)?;
    Ok((issuer, Number::parse(needed(settings, &format!("{control}.serial"))?)?))
}

/// Controls that the Java tool doesn't make, each from the octets of a text.
const OCTETS: [(&str, &str, FromOctets); 3] = [
    ("recipientNonce.enable", "recipientNonce", Control::RecipientNonce),
    ("regInfo.enable", "regInfo.data", Control::RegInfo),
    ("queryPending.enable", "queryPending.token", Control::QueryPending),
];

type FromOctets = fn(Vec<u8>) -> Control;

/// Returns the controls of every kind of request.
fn controls(settings: &Settings, crypto: &dyn Crypto) -> Result<Vec<Control>> {
    let mut found = Vec::new();
    if settings.flag("confirmCertAcceptance.enable") {
        let (issuer, serial) = issuer_and_serial(settings, "confirmCertAcceptance")?;
        found.push(Control::ConfirmCertAcceptance(CertificateId { issuer, serial }));
    }
    if settings.flag("LraPopWitness.enable") {
        let ids = needed(settings, "LraPopWitness.bodyPartIDs")?.split_whitespace();
        let ids: std::result::Result<Vec<u32>, _> = ids.map(str::parse).collect();
        let ids = ids.map_err(|_| usage(settings, "LraPopWitness.bodyPartIDs must be integers"))?;
        found.push(Control::LraPopWitness(LraPopWitness::of(&ids)));
    }
    if settings.flag("getCert.enable") {
        let (issuer, serial) = issuer_and_serial(settings, "getCert")?;
        found.push(Control::GetCert(CertificateId { issuer, serial }));
    }
    if settings.flag("dataReturn.enable") {
        let data = needed(settings, "dataReturn.data")?;
        found.push(Control::DataReturn(data.as_bytes().to_vec()));
    }
    if settings.flag("senderNonce.enable") {
        let text = settings.non_empty("senderNonce").or(settings.non_empty("senderNonce.id"));
        found.push(Control::SenderNonce(match text {
            Some(text) => text.as_bytes().to_vec(),
            None => crypto.random(16)?,
        }));
    }
    for (flag, key, control) in OCTETS {
        if settings.flag(flag) {
            found.push(control(needed(settings, key)?.as_bytes().to_vec()));
        }
    }
    if settings.flag("popLinkWitness.enable") && !settings.flag("popLinkWitnessV2.enable") {
        found.push(Control::PopLinkRandom(POP_LINK_RANDOM_V1.to_vec()));
    }
    Ok(found)
}

/// What authorizes a revocation.
pub enum Authority {
    /// A signer; DER of the Name of its issuer, which issued the certificate to be revoked, too.
    Issuer(Vec<u8>),
    /// A shared secret; `revRequest.issuer` is the issuer.
    Secret(Secret),
}

/// Returns a revocation.
///
/// # Errors
/// [`Kind::Usage`].
pub fn revocation(
    settings: &Settings,
    authority: Authority,
    crypto: &dyn Crypto,
) -> Result<CmcSpec> {
    let mut controls = controls(settings, crypto)?;
    let (issuer, passphrase) = match authority {
        Authority::Issuer(issuer) => (issuer, None),
        Authority::Secret(secret) => {
            (name::parse(needed(settings, "revRequest.issuer")?)?, Some(secret))
        }
    };
    let now = chrono::Utc::now().timestamp();
    controls.push(Control::Revoke(Box::new(Revocation {
        issuer,
        serial: Number::parse(needed(settings, "revRequest.serial")?)?,
        reason: reason(needed(settings, "revRequest.reason")?)?,
        invalidity: settings.flag("revRequest.invalidityDatePresent").then_some(now),
        passphrase,
        comment: settings.non_empty("revRequest.comment").map(str::to_owned),
    })));
    Ok(CmcSpec { controls, digests: Digests::Sha256, ..CmcSpec::default() })
}

/// Returns an enrollment.
///
/// # Errors
/// [`Kind::Usage`].
pub fn enrolment(
    settings: &Settings,
    requests: Vec<Request>,
    crypto: &dyn Crypto,
) -> Result<CmcSpec> {
    let (controls, digests) = (controls(settings, crypto)?, Digests::Sha256);
    let mut spec = CmcSpec { controls, requests, digests, ..CmcSpec::default() };
    let algorithms = |hash: &str, mac: &str| {
        WitnessAlgorithms::parse(settings.non_empty(hash), settings.non_empty(mac))
    };
    if settings.flag("popLinkWitnessV2.enable") {
        spec.pop_link = Some(algorithms("popLinkWitnessV2.keyGenAlg", "popLinkWitnessV2.macAlg")?);
    }
    if settings.flag("identityProofV2.enable") {
        spec.identity_proof =
            Some(algorithms("identityProofV2.hashAlg", "identityProofV2.macAlg")?);
    } else if settings.flag("identityProof.enable") {
        spec.identity_proof_v1 = Some(required_secret(settings, "identityProof.sharedSecret")?);
    }
    if spec.pop_link.is_some() || spec.identity_proof.is_some() {
        spec.shared_secret = Some(required_secret(settings, "witness.sharedSecret")?);
    }
    if settings.flag("identification.enable") {
        spec.identification = Some(needed(settings, "identification")?.to_owned());
    }
    if settings.flag("transactionMgt.enable") {
        spec.transaction_id = Some(match settings.non_empty("transactionMgt.id") {
            Some(text) => Number::unsigned(text.as_bytes()),
            None => Number::unsigned(&crypto.random(16)?),
        });
    }
    Ok(spec)
}

/// Returns warnings about settings that the CA interprets in an unexpected way.
pub fn advice(settings: &Settings, spec: &CmcSpec) -> Vec<String> {
    let mut advice = Vec::new();
    let algorithms = spec.pop_link.iter().chain(&spec.identity_proof);
    advice.extend(algorithms.filter_map(|a| a.warning()).map(str::to_owned));
    let secret = spec.shared_secret.as_ref().map(|s| s.bytes()).unwrap_or_default();
    if !secret.is_ascii() {
        advice.push(
            "the shared secret is not ASCII: Dogtag cannot verify a proof made with it".into(),
        );
    }
    if spec.identity_proof.is_some() && spec.identification.is_none() {
        advice.push(
            "identityProofV2 without identification: Dogtag cannot find the shared secret".into(),
        );
    }
    let proof = spec.identity_proof.is_some() || spec.identity_proof_v1.is_some();
    match self_signed(settings) {
        true if !proof => advice.push(
            "signed with its own key but without identityProofV2: Dogtag will refuse it".into(),
        ),
        false if proof => advice.push(
            "signed with a certificate: Dogtag ignores identification and identity proof".into(),
        ),
        _ => {}
    }
    if spec.requests.len() > 1 {
        advice.push(
            "two requests in one message: the profiles of Dogtag refuse the second one".into(),
        );
    }
    advice.dedup();
    advice
}
