//! The findings of `cmc show --judge`, in words.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use nss_cmc::error::{Error, Kind};
use nss_cmc::inspect::judge::{self, Place, Rule, Severity};
use nss_cmc::text::printable;

/// Whose findings are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Judges {
    /// Both
    All,
    /// The RFCs: 10002 (5272), 5652, 2986, 4211
    Rfc,
    /// Dogtag, as shipped
    Dogtag,
}

impl Judges {
    fn wants(self, judge: judge::Judge) -> bool {
        match self {
            Judges::All => true,
            Judges::Rfc => judge == judge::Judge::Rfc,
            Judges::Dogtag => judge == judge::Judge::Dogtag,
        }
    }
}

/// What someone would object to in a message.
#[derive(Serialize, JsonSchema)]
pub struct Finding {
    /// Name of the rule.
    #[schemars(extend("enum" = Rule::ALL.iter().map(|rule| rule.name()).collect::<Vec<_>>()))]
    rule: &'static str,
    /// Who objects.
    #[schemars(extend("enum" = ["rfc", "dogtag"]))]
    judge: &'static str,
    /// `must`: forbidden, or refused; `should`: advised against, or ignored.
    #[schemars(extend("enum" = ["must", "should"]))]
    severity: &'static str,
    /// Section of the RFC; null for Dogtag.
    section: Option<&'static str>,
    /// Where in the message.
    place: String,
    /// The finding in words.
    text: &'static str,
}

/// Returns the findings of the judges that are wanted.
pub fn findings(all: &[judge::Finding], wanted: Judges) -> Vec<Finding> {
    all.iter().filter(|found| wanted.wants(found.judge)).map(finding).collect()
}

fn finding(found: &judge::Finding) -> Finding {
    Finding {
        rule: found.rule.name(),
        judge: match found.judge {
            judge::Judge::Rfc => "rfc",
            judge::Judge::Dogtag => "dogtag",
        },
        severity: match found.severity {
            Severity::Must => "must",
            Severity::Should => "should",
        },
        section: found.section,
        place: place(&found.place),
        text: text(found.rule),
    }
}

/// Returns lines of text: the findings, or that there are none.
pub fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |f: &Finding| {
        let who = f.section.unwrap_or("Dogtag");
        format!("  - {who}, {}: {}: {}", f.severity, f.place, f.text)
    };
    match findings {
        [] => vec!["findings: none".into()],
        all => std::iter::once("findings:".to_owned()).chain(all.iter().map(line)).collect(),
    }
}

/// Returns the error of `--strict`, if there is a finding that must not be.
pub fn objection(findings: &[Finding]) -> Option<Error> {
    let count = findings.iter().filter(|f| f.severity == "must").count();
    let first = findings.iter().find(|f| f.severity == "must")?;
    let more = if count == 1 { String::new() } else { format!(" ({} more)", count - 1) };
    let why = format!("{}: {}{more}", first.place, first.text);
    let error = Error::new(Kind::Input, "the message breaks rules").because(why);
    Some(error.hint("the other findings are in the output without --strict"))
}

fn place(place: &Place) -> String {
    match place {
        Place::Message => "message".into(),
        Place::Signer(at) => format!("signer {at}"),
        Place::Request(at) => format!("request {at}"),
        Place::Control { body_part_id, name } => {
            printable(&format!("control {body_part_id} ({name})")).into_owned()
        }
    }
}

/// Returns a rule's sentence, as a log line has it.
fn text(rule: Rule) -> &'static str {
    match rule {
        Rule::NotSigned => "not signed; Dogtag accepts this for a revocation by shared secret",
        Rule::AuthenticatedData => "AuthenticatedData is not supported",
        Rule::NoSigner => "no signer",
        Rule::SeveralSigners => "several signers; only the first is checked",
        Rule::SeveralWithOwnKey => "more than one signer beside the request's own key",
        Rule::ContentType => "content type is neither PKIData nor PKIResponse",
        Rule::MessageBer => "BER, not DER; constructed strings are refused",
        Rule::ContentBer => {
            "content is not DER; it is encoded again, and then its signatures are invalid"
        }
        Rule::SignedDataVersion => "version of SignedData does not match its content",
        Rule::SignerVersion => "version of SignerInfo does not match its sid",
        Rule::DigestNotListed => "digestAlgorithms does not list the signer's digest",
        Rule::DigestWithoutNull => {
            "RSA digest algorithm without NULL parameters (\"Invalid Credential.\")"
        }
        Rule::DigestWithNull => {
            "digest algorithm with NULL parameters, where absent ones are advised"
        }
        Rule::WeakDigest => "digest SHA-1 or MD5",
        Rule::UnknownDigest => "digest is not SHA-256, SHA-384 or SHA-512",
        Rule::PssDigest => "RSASSA-PSS is verified only with SHA-512",
        Rule::SignatureParameters => "invalid parameters of the signature algorithm",
        Rule::NoSignedAttributes => "no signed attributes",
        Rule::AttributeOrder => "signed attributes are not in DER order",
        Rule::ContentTypeAttribute => {
            "attribute contentType missing, or does not match the content type"
        }
        Rule::MessageDigestAttribute => "attribute messageDigest missing",
        Rule::SignerCertificate => "signer's certificate not in the message",
        Rule::SignerKeyIdentifier => "signer's key identifier does not match a request",
        Rule::BodyPartTwice => "body part id used twice",
        Rule::BodyPartZero => "body part id 0 is reserved for the message itself",
        Rule::BodyPartRange => "body part id not between 0 and 4294967295",
        Rule::ControlDamaged => "value cannot be decoded",
        Rule::ControlValues => "not exactly one value",
        Rule::ControlTwice => "control occurs twice; only one is read",
        Rule::ControlUnknown => {
            "unknown control; an RFC server refuses the message, Dogtag ignores it"
        }
        Rule::ControlIgnored => "control has no effect",
        Rule::ControlMisplaced => "control does not belong here",
        Rule::NoSenderNonce => "no senderNonce; the response cannot be matched with it",
        Rule::NoTransactionId => "no transactionId; a second round trip cannot be matched by it",
        Rule::ProofWithoutIdentification => "identity proof without identification",
        Rule::IdentificationAlone => "identification without identity proof",
        Rule::IdentificationCharacters => {
            "identification empty, or with characters that are special in LDAP filters"
        }
        Rule::ProofVersion => "identityProof is version 1 (SHA-1); use identityProofV2",
        Rule::WitnessSha1 => "witness uses SHA-1; use SHA-256 and HMAC-SHA256",
        Rule::WitnessMac => "witness can be verified only with HMAC-SHA256 or HMAC-SHA512",
        Rule::LinkWitnessMissing => "popLinkRandom, but no POP link witness in this request",
        Rule::LinkRandomMissing => "POP link witness without popLinkRandom",
        Rule::DecryptedPopAlone => "decryptedPOP without regInfo; its request is not found",
        Rule::LraPopWitness => {
            "lraPOPWitness is refused, unless cmc.lraPopWitness.verify.allow is set"
        }
        Rule::RevokeWithRequests => "revokeRequest beside certificate requests",
        Rule::PassphraseSigned => "revocation by shared secret in a signed message",
        Rule::DogtagForm => "certificate is named in Dogtag's form",
        Rule::RfcForm => "certificate is named in the RFC's form",
        Rule::NestedContent => "cmsSequence and otherMsgSequence are ignored",
        Rule::SeveralRequests => "several certificate requests (\"Policy Set Not Found\")",
        Rule::RequestDamaged => "request cannot be decoded",
        Rule::OtherRequest => "request is neither PKCS #10 nor CRMF",
        Rule::NoAttributes => "PKCS #10 without attributes field",
        Rule::RequestAttributeOrder => "PKCS #10 attributes are not in DER order",
        Rule::NoSignature => "PKCS #10 with no-signature mechanism",
        Rule::NoPublicKey => "CRMF without public key",
        Rule::NoSubject => "CRMF without subject",
        Rule::RegInfo => "CRMF with regInfo",
        Rule::NoPop => "CRMF without proof of possession; the CA responds with a challenge",
        Rule::RaVerified => "proof of possession is raVerified",
        Rule::PopByDecryption => "proof of possession by decryption or key agreement",
        Rule::NotNormal => "CRMF is encoded again, and then its proof of possession is invalid",
        Rule::EmptyResponse => "neither a status nor any other control",
        Rule::NoCertificates => "simple response without certificates",
        Rule::StatusVersion => "statusInfo without statusInfoV2",
        Rule::EmptyBodyList => "bodyList is empty",
        Rule::UnknownStatus => "CMCStatus is not defined",
        Rule::FailInfoMisplaced => "failInfo beside a status other than failed",
        Rule::ExtendedAlone => "extendedFailInfo without failInfo",
        Rule::NoPendInfo => "status pending without pendInfo",
        Rule::NoRecipientNonce => "no recipientNonce",
        Rule::PopRequiredAlone => "status popRequired without encryptedPOP",
        Rule::PopAlgorithm => "thePOPAlgID is not a MAC algorithm",
        Rule::ResponseSigner => "signer is neither a CA nor has id-kp-cmcCA or id-kp-cmcRA",
    }
}
