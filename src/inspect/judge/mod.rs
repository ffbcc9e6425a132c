//! Judges a message: what the RFC, and what Dogtag, would object to. Nothing is verified; a message
//! that nobody objects to can still be refused.
//!
//! [`Rule`] is the one table. Section numbers of CMC are those of RFC 5272, which RFC 10002 keeps.

mod controls;
#[cfg(test)]
mod examples;
mod facts;
mod outer;
mod requests;
mod responses;
#[cfg(test)]
mod tests;

use super::Message;
use facts::Facts;

/// Who objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The standards.
    Rfc,
    /// Dogtag's servlets, as shipped.
    Dogtag,
}

/// How much an objection matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The standard forbids it, or Dogtag refuses the message or does something else than is meant.
    Must,
    /// The standard advises against it, or Dogtag ignores it or refuses it in some configurations.
    Should,
}

/// The part of a message that an objection is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole.
    Message,
    /// A SignerInfo, counted from 1.
    Signer(usize),
    /// A control.
    Control {
        /// Its body part id.
        body_part_id: String,
        /// Its name, or its identifier in dotted form.
        name: String,
    },
    /// A certificate request, counted from 1.
    Request(usize),
}

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// Who objects.
    pub judge: Judge,
    /// How much it matters.
    pub severity: Severity,
    /// The section of the standard; `None` for Dogtag.
    pub section: Option<&'static str>,
    /// Where in the message.
    pub place: Place,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $name:literal $rfc:expr, $dogtag:expr, $check:path;)*) => {
        /// A rule that messages are judged by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Rule] = &[$(Rule::$rule,)*];

            /// Returns the name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Rule::$rule => $name,)*
                }
            }

            /// Returns what the standard says: how much it matters, and where.
            pub fn rfc(self) -> Option<(Severity, &'static str)> {
                match self {
                    $(Rule::$rule => $rfc,)*
                }
            }

            /// Returns how much it matters to Dogtag.
            pub fn dogtag(self) -> Option<Severity> {
                match self {
                    $(Rule::$rule => $dogtag,)*
                }
            }

            fn places(self, facts: &Facts) -> Vec<Place> {
                match self {
                    $(Rule::$rule => $check(facts),)*
                }
            }
        }
    };
}

const MUST: Severity = Severity::Must;
const SHOULD: Severity = Severity::Should;

rules! {
    // The layers around the content.
    /// A request is not signed at all, but id-data.
    NotSigned "not_signed" Some((MUST, "RFC 5272 §3.2")), None, outer::not_signed;
    /// A request is AuthenticatedData.
    AuthenticatedData "authenticated_data" None, Some(MUST), outer::authenticated_data;
    /// A request has no SignerInfo.
    NoSigner "no_signer" Some((MUST, "RFC 5272 §3.2")), Some(MUST), outer::no_signer;
    /// A request has more than one SignerInfo.
    SeveralSigners "several_signers" None, Some(SHOULD), outer::several_signers;
    /// More than one SignerInfo where the request's own key signs.
    SeveralWithOwnKey "several_signers_with_own_key" Some((MUST, "RFC 5272 §3.2")), None, outer::several_with_own_key;
    /// The content is neither PKIData nor PKIResponse.
    ContentType "content_type" Some((MUST, "RFC 5272 §3.2, §4.2")), Some(MUST), outer::content_type;
    /// The message is BER.
    MessageBer "message_ber" None, Some(MUST), outer::message_ber;
    /// The content is not DER.
    ContentBer "content_ber" None, Some(MUST), outer::content_ber;
    /// The version of SignedData doesn't fit its content.
    SignedDataVersion "signed_data_version" Some((MUST, "RFC 5652 §5.1")), None, outer::signed_data_version;
    /// The version of a SignerInfo doesn't fit its sid.
    SignerVersion "signer_version" Some((MUST, "RFC 5652 §5.3")), None, outer::signer_version;
    /// digestAlgorithms lacks the digest of a signer.
    DigestNotListed "digest_not_listed" Some((SHOULD, "RFC 5652 §5.1")), None, outer::digest_not_listed;
    /// RSA with a digest algorithm without parameters.
    DigestWithoutNull "digest_without_null" None, Some(MUST), outer::digest_without_null;
    /// A digest algorithm with NULL.
    DigestWithNull "digest_with_null" Some((SHOULD, "RFC 5754 §2")), None, outer::digest_with_null;
    /// SHA-1 or MD5.
    WeakDigest "weak_digest" Some((SHOULD, "RFC 6194 §3")), Some(SHOULD), outer::weak_digest;
    /// A digest that Dogtag doesn't know.
    UnknownDigest "unknown_digest" None, Some(MUST), outer::unknown_digest;
    /// RSASSA-PSS with another digest than SHA-512.
    PssDigest "pss_digest" None, Some(MUST), outer::pss_digest;
    /// RSASSA-PSS without its parameters, or ECDSA or ML-DSA with some.
    SignatureParameters "signature_parameters" Some((MUST, "RFC 4056 §3, RFC 5754 §3.3")), None, outer::signature_parameters;
    /// No signed attributes.
    NoSignedAttributes "no_signed_attributes" Some((MUST, "RFC 5652 §5.3")), Some(MUST), outer::no_signed_attributes;
    /// Signed attributes out of order.
    AttributeOrder "signed_attributes_unsorted" Some((MUST, "RFC 5652 §5.3")), Some(MUST), outer::attribute_order;
    /// The contentType attribute is missing or names another type.
    ContentTypeAttribute "content_type_attribute" Some((MUST, "RFC 5652 §11.1")), Some(MUST), outer::content_type_attribute;
    /// The messageDigest attribute is missing.
    MessageDigestAttribute "message_digest_attribute" Some((MUST, "RFC 5652 §11.2")), Some(MUST), outer::message_digest_attribute;
    /// The signer's certificate is not in a request.
    SignerCertificate "signer_certificate_missing" None, Some(MUST), outer::signer_certificate;
    /// The signer's key identifier is not that of a request.
    SignerKeyIdentifier "signer_key_identifier" Some((MUST, "RFC 5272 §3.2")), Some(MUST), outer::signer_key_identifier;

    // Controls.
    /// A body part id that occurs twice.
    BodyPartTwice "body_part_id_twice" Some((MUST, "RFC 5272 §3.2.2")), None, controls::body_part_twice;
    /// A body part id of 0.
    BodyPartZero "body_part_id_zero" Some((MUST, "RFC 5272 §3.2.2")), None, controls::body_part_zero;
    /// A body part id below 0 or above 4294967295.
    BodyPartRange "body_part_id_range" Some((MUST, "RFC 5272 §3.2.2")), None, controls::body_part_range;
    /// A control's value can't be decoded.
    ControlDamaged "control_damaged" Some((MUST, "RFC 5272 §6")), Some(MUST), controls::damaged;
    /// A control without value, or with several.
    ControlValues "control_values" Some((SHOULD, "RFC 5272 §6")), Some(MUST), controls::value_count;
    /// A control that occurs twice in a request.
    ControlTwice "control_twice" None, Some(SHOULD), controls::twice;
    /// A control of a request that isn't in the RFC.
    ControlUnknown "control_unknown" Some((MUST, "RFC 5272 §3.2.1.1")), Some(SHOULD), controls::unknown;
    /// A control that Dogtag doesn't look at.
    ControlIgnored "control_ignored" None, Some(SHOULD), controls::ignored;
    /// A control that belongs elsewhere.
    ControlMisplaced "control_misplaced" Some((MUST, "RFC 5272 §6")), None, controls::misplaced;
    /// A request without senderNonce.
    NoSenderNonce "no_sender_nonce" Some((SHOULD, "RFC 5272 §6.6")), None, controls::no_sender_nonce;
    /// A request without transactionId.
    NoTransactionId "no_transaction_id" Some((SHOULD, "RFC 5272 §6.6")), None, controls::no_transaction_id;
    /// An identity proof without identification.
    ProofWithoutIdentification "proof_without_identification" None, Some(MUST), controls::proof_without_identification;
    /// identification without identity proof.
    IdentificationAlone "identification_alone" Some((SHOULD, "RFC 5272 §6.2.3")), None, controls::identification_alone;
    /// An identification that has a meaning in LDAP filters, or is empty.
    IdentificationCharacters "identification_characters" None, Some(MUST), controls::identification_characters;
    /// identityProof of version 1.
    ProofVersion "identity_proof_version" Some((SHOULD, "RFC 5272 §6.2.2")), Some(MUST), controls::proof_version;
    /// A witness with SHA-1.
    WitnessSha1 "witness_sha1" Some((SHOULD, "RFC 10002 §6.2.1")), None, controls::witness_sha1;
    /// A witness with a MAC that Dogtag can't verify.
    WitnessMac "witness_mac" None, Some(MUST), controls::witness_mac;
    /// popLinkRandom, and a request without witness.
    LinkWitnessMissing "link_witness_missing" Some((MUST, "RFC 5272 §6.3.1.1")), Some(SHOULD), controls::link_witness_missing;
    /// A witness in a request, without popLinkRandom.
    LinkRandomMissing "link_random_missing" Some((MUST, "RFC 5272 §6.3.1.1")), Some(SHOULD), controls::link_random_missing;
    /// decryptedPOP without regInfo.
    DecryptedPopAlone "decrypted_pop_alone" None, Some(MUST), controls::decrypted_pop_alone;
    /// lraPOPWitness, which Dogtag refuses unless it is set up for it.
    LraPopWitness "lra_pop_witness" None, Some(SHOULD), controls::lra_pop_witness;
    /// revokeRequest beside certificate requests.
    RevokeWithRequests "revoke_with_requests" None, Some(SHOULD), controls::revoke_with_requests;
    /// A revocation by passphrase in a signed message.
    PassphraseSigned "passphrase_signed" None, Some(MUST), controls::passphrase_signed;
    /// getCert or confirmCertAcceptance in Dogtag's form.
    DogtagForm "dogtag_form" Some((MUST, "RFC 5272 §6.9, §6.14")), None, controls::dogtag_form;
    /// getCert or confirmCertAcceptance in the RFC's form.
    RfcForm "rfc_form" None, Some(MUST), controls::rfc_form;
    /// Content in cmsSequence or otherMsgSequence of a request.
    NestedContent "nested_content" None, Some(SHOULD), controls::nested_content;

    // Certificate requests.
    /// More than one.
    SeveralRequests "several_requests" None, Some(MUST), requests::several;
    /// One that can't be decoded.
    RequestDamaged "request_damaged" Some((MUST, "RFC 5272 §3.2.1.2")), Some(MUST), requests::damaged;
    /// One that is neither PKCS #10 nor CRMF.
    OtherRequest "other_request" None, Some(MUST), requests::other;
    /// PKCS #10 without the attributes field.
    NoAttributes "pkcs10_no_attributes" Some((MUST, "RFC 2986 §4.1")), Some(MUST), requests::no_attributes;
    /// PKCS #10 with unsorted attributes.
    RequestAttributeOrder "pkcs10_attributes_unsorted" Some((MUST, "RFC 2986 §4.2")), Some(MUST), requests::attribute_order;
    /// PKCS #10 with the no-signature mechanism.
    NoSignature "no_signature" None, Some(MUST), requests::no_signature;
    /// CRMF without public key.
    NoPublicKey "crmf_no_public_key" Some((MUST, "RFC 5272 §3.2.1.2.2")), Some(MUST), requests::no_public_key;
    /// CRMF without subject.
    NoSubject "crmf_no_subject" Some((MUST, "RFC 5272 §3.2.1.2.2")), None, requests::no_subject;
    /// CRMF with regInfo.
    RegInfo "crmf_reg_info" Some((MUST, "RFC 5272 §3.2.1.2.2")), None, requests::reg_info;
    /// CRMF without proof of possession.
    NoPop "crmf_no_pop" Some((SHOULD, "RFC 5272 §6.7")), Some(SHOULD), requests::no_pop;
    /// CRMF with raVerified.
    RaVerified "crmf_ra_verified" Some((SHOULD, "RFC 5272 §6.8")), Some(MUST), requests::ra_verified;
    /// CRMF with a proof of possession by decryption or key agreement.
    PopByDecryption "crmf_pop_by_decryption" None, Some(MUST), requests::pop_by_decryption;
    /// CRMF that Dogtag would encode otherwise.
    NotNormal "crmf_not_normal" None, Some(MUST), requests::not_normal;

    // Responses.
    /// No control and no certificates beside.
    EmptyResponse "empty_response" Some((MUST, "RFC 5272 §6.1.1")), None, responses::empty;
    /// A Simple PKI Response without certificates.
    NoCertificates "no_certificates" Some((MUST, "RFC 5272 §4.1")), None, responses::no_certificates;
    /// statusInfo without statusInfoV2.
    StatusVersion "status_version" Some((MUST, "RFC 5272 §6.1")), None, responses::status_version;
    /// A status with an empty bodyList.
    EmptyBodyList "empty_body_list" Some((MUST, "RFC 5272 §6.1.1")), None, responses::empty_body_list;
    /// A CMCStatus that isn't defined.
    UnknownStatus "unknown_status" Some((MUST, "RFC 5272 §6.1.3")), None, responses::unknown_status;
    /// failInfo or extendedFailInfo beside another status than failed.
    FailInfoMisplaced "fail_info_misplaced" Some((MUST, "RFC 5272 §6.1.1")), None, responses::fail_info_misplaced;
    /// extendedFailInfo without a failInfo in another status.
    ExtendedAlone "extended_fail_info_alone" Some((SHOULD, "RFC 10002 §6.1.1")), None, responses::extended_alone;
    /// pending or partial without pendInfo.
    NoPendInfo "no_pend_info" Some((MUST, "RFC 5272 §6.1.1")), None, responses::no_pend_info;
    /// No recipientNonce.
    NoRecipientNonce "no_recipient_nonce" Some((SHOULD, "RFC 5272 §6.6")), None, responses::no_recipient_nonce;
    /// popRequired without encryptedPOP.
    PopRequiredAlone "pop_required_alone" Some((MUST, "RFC 5272 §6.7")), None, responses::pop_required_alone;
    /// encryptedPOP whose thePOPAlgID is no MAC.
    PopAlgorithm "pop_algorithm" Some((MUST, "RFC 5272 §6.7")), None, responses::pop_algorithm;
    /// The signer of a response is neither a CA nor has id-kp-cmcCA or id-kp-cmcRA.
    ResponseSigner "response_signer" Some((SHOULD, "RFC 6402 §2.10")), None, responses::signer;
}

/// Returns the objections of everybody, in the order of the table.
pub fn judge(message: &Message) -> Vec<Finding> {
    let facts = Facts::of(message);
    let findings = |rule: Rule| {
        let rfc = rule.rfc().map(|(severity, section)| (Judge::Rfc, severity, Some(section)));
        let dogtag = rule.dogtag().map(|severity| (Judge::Dogtag, severity, None));
        let places = rule.places(&facts);
        places.into_iter().flat_map(move |place| {
            [rfc, dogtag].into_iter().flatten().map(move |(judge, severity, section)| {
                let place = place.clone();
                Finding { rule, judge, severity, section, place }
            })
        })
    };
    Rule::ALL.iter().copied().flat_map(findings).collect()
}
