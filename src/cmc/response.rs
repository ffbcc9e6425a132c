//! Decodes the CA's response (RFC 5272 §4) into a [`Response`], and that into an [`Outcome`].

use rasn::types::{Any, ObjectIdentifier};

pub use super::status::{CmcStatus, FailInfo, OtherInfo, Status, status};

use super::control::{Control, ControlType, TaggedControl, Value};
use super::value::EncryptedPop;
use crate::asn1::cmc::PkiResponse;
use crate::asn1::cms::{ContentInfo, SignedData};
use crate::asn1::{decode, decode_ber, oid};
use crate::error::{Error, Kind, Result};

/// A decoded response; nothing is verified.
#[derive(Debug)]
pub struct Response {
    /// The controls of a Full PKI Response; `None` for a Simple PKI Response (certificates only).
    pub controls: Option<Vec<TaggedControl>>,
    /// eContentType in dotted form: id-cct-PKIResponse, or id-data for a Simple PKI Response.
    pub content_type: String,
    /// DER of the X.509 certificates, in the message's order.
    pub certificates: Vec<Vec<u8>>,
    /// Number of SignerInfos.
    pub signers: usize,
    signed: SignedData,
}

/// The content of a Full PKI Response (RFC 5272 §4.2).
#[derive(Debug)]
pub struct Content {
    /// controlSequence.
    pub controls: Vec<TaggedControl>,
    /// DER of the TaggedContentInfos in cmsSequence.
    pub cms_sequence: Vec<Vec<u8>>,
    /// DER of the OtherMsgs in otherMsgSequence.
    pub other_messages: Vec<Vec<u8>>,
}

impl Content {
    /// Decodes a PKIResponse (RFC 5272 §4.2).
    ///
    /// # Errors
    /// [`Kind::Input`]. A control that can't be decoded is not an error here.
    pub fn decode(der: &[u8]) -> Result<Content> {
        let response: PkiResponse = decode("the PKIResponse", der)?;
        let octets = |all: &[Any]| all.iter().map(|part| part.as_bytes().to_vec()).collect();
        Ok(Content {
            cms_sequence: octets(&response.cms_sequence),
            other_messages: octets(&response.other_msg_sequence),
            controls: response.control_sequence.iter().map(TaggedControl::new).collect(),
        })
    }
}

/// The result of a request, from the statuses in its response (RFC 5272 §6.1).
#[derive(Debug)]
pub enum Outcome {
    /// Success. After an enrollment the certificate is among them.
    Success {
        /// DER of every certificate in the response, in no particular order.
        certificates: Vec<Vec<u8>>,
    },
    /// Pending, in whole or in part.
    Pending {
        /// pendToken.
        token: Vec<u8>,
        /// pendTime in seconds since 1970.
        time: i64,
    },
    /// The CA requires proof of possession by decryption (RFC 5272 §6.7).
    PopRequired,
    /// Issued; the CA requires a confirmation of receipt before the certificate is used (RFC 5272
    /// §6.14).
    ConfirmRequired {
        /// As in [`Outcome::Success`].
        certificates: Vec<Vec<u8>>,
    },
    /// Refused.
    Rejected(Status),
    /// A status that can't be decoded, or that lacks a required field.
    Invalid(Error),
}

/// Decodes a response in DER or BER (RFC 5272 §4).
///
/// # Errors
/// [`Kind::Input`] when it isn't a SignedData with a PKIResponse or without content, or when the
/// signed content type differs from the actual one.
pub fn parse(der: &[u8]) -> Result<Response> {
    let (signed, content) = open_signed_data("the CMC response", der)?;
    check_type(&signed)?;
    let content = content.map(|der| Content::decode(&der)).transpose()?;
    Response::new(signed, content.map(|c| c.controls))
}

/// Checks that the content isn't a request, and that its type is the signed one.
fn check_type(signed: &SignedData) -> Result<()> {
    let content = &signed.encap_content_info;
    if content.content.is_none() {
        return Ok(());
    }
    if *content.content_type == *oid::ID_CCT_PKI_DATA {
        return Err(Error::new(Kind::Input, "this is a CMC request, not a response"));
    }
    if !type_is_signed(signed) {
        return Err(Error::new(Kind::Input, "cannot use the CMC response")
            .because("the content type does not match the signed one"));
    }
    Ok(())
}

/// Decodes a ContentInfo with SignedData (RFC 5652 §3, §5); returns it and its content. `what` is
/// its name in errors.
///
/// # Errors
/// [`Kind::Input`].
pub(crate) fn open_signed_data(what: &str, der: &[u8]) -> Result<(SignedData, Option<Vec<u8>>)> {
    let info: ContentInfo = decode_ber(what, der)?;
    if *info.content_type != *oid::ID_SIGNED_DATA {
        return Err(Error::new(Kind::Input, format!("cannot decode {what}")).because(format!(
            "content type {} is not SignedData",
            oid::dotted(&info.content_type)
        )));
    }
    let signed: SignedData = decode_ber(what, info.content.as_bytes())?;
    let content = signed.encap_content_info.content.as_ref().map(|c| c.to_vec());
    Ok((signed, content))
}

/// Returns whether every signer signed the content's type, in the attribute contentType (RFC 5652
/// §5.3, §11.1). Otherwise a content could be presented as one of another type; NSS doesn't check
/// this.
fn type_is_signed(signed: &SignedData) -> bool {
    let content_type = &signed.encap_content_info.content_type;
    signed.signer_infos.to_vec().iter().all(|signer| {
        let attributes = signer.signed_attrs.as_ref().map(|a| a.to_vec()).unwrap_or_default();
        let mut values = attributes
            .iter()
            .filter(|a| *a.r#type == *oid::ID_CONTENT_TYPE)
            .flat_map(|a| a.values.to_vec());
        let is_the_type = |value: &Any| {
            decode::<ObjectIdentifier>("a content type", value.as_bytes())
                .is_ok_and(|id| id == *content_type)
        };
        values.next().is_some_and(is_the_type) && values.next().is_none()
    })
}

/// Returns the X.509 certificates of a SignedData (RFC 5652 §5.1), as received.
pub(crate) fn certificates_of(signed: &SignedData) -> Vec<Vec<u8>> {
    let all = signed.certificates.as_ref().map(|c| c.to_vec()).unwrap_or_default();
    all.into_iter().map(|c| c.as_bytes().to_vec()).filter(|c| c.first() == Some(&0x30)).collect()
}

/// Returns whether a control reports the result of a request.
pub fn is_status(control: ControlType) -> bool {
    match control {
        ControlType::StatusInfo | ControlType::StatusInfoV2 => true,
        // Not statuses, but evaluated elsewhere: they relate the response to its request, or carry
        // the CA's challenge.
        ControlType::TransactionId
        | ControlType::SenderNonce
        | ControlType::RecipientNonce
        | ControlType::ResponseInfo
        | ControlType::EncryptedPop => false,
        // Without effect on a client.
        ControlType::DataReturn
        | ControlType::RegInfo
        | ControlType::QueryPending
        | ControlType::Identification
        | ControlType::IdentityProof
        | ControlType::IdentityProofV2
        | ControlType::PopLinkRandom
        | ControlType::PopLinkWitness
        | ControlType::PopLinkWitnessV2
        | ControlType::DecryptedPop
        | ControlType::LraPopWitness
        | ControlType::GetCert
        | ControlType::GetCrl
        | ControlType::Revoke
        | ControlType::ConfirmCertAcceptance
        | ControlType::ModCertTemplate
        | ControlType::AddExtensions
        | ControlType::TrustedAnchors
        | ControlType::AuthData
        | ControlType::BatchRequests
        | ControlType::BatchResponses
        | ControlType::PublishCert
        | ControlType::ControlProcessed
        | ControlType::RaIdentityWitness
        | ControlType::ChangeSubjectName
        | ControlType::ResponseBody => false,
    }
}

impl Response {
    /// Makes a response of decoded parts.
    ///
    /// # Errors
    /// [`Kind::Input`], as [`parse`].
    pub(crate) fn new(
        mut signed: SignedData,
        controls: Option<Vec<TaggedControl>>,
    ) -> Result<Response> {
        check_type(&signed)?;
        let certificates = certificates_of(&signed);
        // Not kept twice: there may be very many.
        signed.certificates = None;
        Ok(Response {
            content_type: oid::dotted(&signed.encap_content_info.content_type),
            certificates,
            signers: signed.signer_infos.len(),
            controls,
            signed,
        })
    }

    /// Returns the SignedData that contained it, without certificates.
    pub(crate) fn signed_data(&self) -> &SignedData {
        &self.signed
    }

    /// Whether the content is of a type that responses have: id-cct-PKIResponse, or id-data.
    pub fn has_known_type(&self) -> bool {
        let types = [oid::ID_CCT_PKI_RESPONSE, oid::ID_DATA];
        types.contains(&&*self.signed.encap_content_info.content_type)
    }

    /// Returns the first control of a type.
    pub fn control(&self, control: ControlType) -> Option<&TaggedControl> {
        self.controls.as_deref()?.iter().find(|c| c.control_type() == Some(control))
    }

    /// Returns every status that can be decoded, version 1 and 2, in order.
    pub fn statuses(&self) -> Vec<&Status> {
        let status = |value| match value {
            &Ok(Control::StatusInfo(ref status) | Control::StatusInfoV2(ref status)) => {
                Some(&**status)
            }
            Ok(_) | Err(_) => None,
        };
        self.status_values().filter_map(status).collect()
    }

    /// Returns the error of the first status that can't be decoded.
    pub fn undecodable_status(&self) -> Option<Error> {
        self.status_values().find_map(|value| value.as_ref().err()).map(|e| e.error())
    }

    fn status_values(&self) -> impl Iterator<Item = &Value> {
        let is_status = |c: &&TaggedControl| c.control_type().is_some_and(is_status);
        self.controls.iter().flatten().filter(is_status).flat_map(|c| &c.values)
    }

    /// Returns senderNonce (RFC 5272 §6.6), if present.
    ///
    /// # Errors
    /// [`Kind::Input`] when its value is of another type; the same for the methods below.
    pub fn sender_nonce(&self) -> Result<Option<&[u8]>> {
        self.first(ControlType::SenderNonce, "senderNonce", |value| match value {
            Control::SenderNonce(nonce) => Some(nonce.as_slice()),
            _ => None,
        })
    }

    /// Returns responseInfo (RFC 5272 §6.12), if present.
    ///
    /// # Errors
    /// As [`Response::sender_nonce`].
    pub fn response_info(&self) -> Result<Option<&[u8]>> {
        self.first(ControlType::ResponseInfo, "responseInfo", |value| match value {
            Control::ResponseInfo(octets) => Some(octets.as_slice()),
            _ => None,
        })
    }

    /// Returns EncryptedPOP (RFC 5272 §6.7), if present.
    ///
    /// # Errors
    /// As [`Response::sender_nonce`].
    pub fn encrypted_pop(&self) -> Result<Option<&EncryptedPop>> {
        self.first(ControlType::EncryptedPop, "the EncryptedPOP control", |value| match value {
            Control::EncryptedPop(pop) => Some(&**pop),
            _ => None,
        })
    }

    fn first<'a, T>(
        &'a self,
        control: ControlType,
        what: &str,
        take: impl FnOnce(&'a Control) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.control(control).and_then(|c| c.values.first()) {
            None => Ok(None),
            Some(Ok(value)) => Ok(take(value)),
            Some(Err(e)) => Err(e.error_of(what)),
        }
    }

    /// Returns the result: the first refusal; else the first status that leaves the request open;
    /// else the demand for a confirmation; else success, also without any status (RFC 5272 §6.1.1
    /// lets a CA omit it).
    pub fn outcome(&self) -> Outcome {
        if let Some(e) = self.undecodable_status() {
            return Outcome::Invalid(e);
        }
        let rank = |s: &&Status| match s.status {
            CmcStatus::Success => 3,
            CmcStatus::ConfirmRequired => 2,
            CmcStatus::Pending | CmcStatus::Partial | CmcStatus::PopRequired => 1,
            CmcStatus::Failed | CmcStatus::NoSupport | CmcStatus::Unknown(_) => 0,
        };
        let certificates = || self.certificates.clone();
        // min_by_key returns the first of several with the lowest rank.
        let Some(status) = self.statuses().into_iter().min_by_key(rank) else {
            return Outcome::Success { certificates: certificates() };
        };
        match (status.status, &status.other) {
            (CmcStatus::Success, _) => Outcome::Success { certificates: certificates() },
            (CmcStatus::ConfirmRequired, _) => {
                Outcome::ConfirmRequired { certificates: certificates() }
            }
            (CmcStatus::Pending | CmcStatus::Partial, Some(OtherInfo::Pend { token, time })) => {
                Outcome::Pending { token: token.clone(), time: *time }
            }
            (CmcStatus::Pending, _) => {
                Outcome::Invalid(Error::new(Kind::Input, "pending status without pendInfo"))
            }
            (CmcStatus::PopRequired, _) => Outcome::PopRequired,
            (
                CmcStatus::Partial
                | CmcStatus::Failed
                | CmcStatus::NoSupport
                | CmcStatus::Unknown(_),
                _,
            ) => Outcome::Rejected(status.clone()),
        }
    }
}
