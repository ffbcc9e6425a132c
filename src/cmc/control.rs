//! The controls of CMC (RFC 5272 §6, RFC 6402, RFC 10002) in one table: object identifier, type,
//! and how the value is decoded and encoded. Code that displays or judges controls matches
//! [`Control`] or [`ControlType`] without a wildcard, so that the compiler finds it when a control
//! is added. Section numbers are those of RFC 5272.

use rasn::types::{ObjectIdentifier, OctetString, Oid, Utf8String};
use zeroize::Zeroizing;

pub use super::ra_value::{
    AddExtensions, ChangeSubjectName, GetCrl, ModCertTemplate, Publication, PublicationPlace,
    TrustAnchors,
};
pub use super::value::{DecryptedPop, EncryptedPop, LraPopWitness, Witness};

use super::ra_value::{ids, processed, write_ids, write_processed};

use super::response::{Status, status};
use super::revocation_reason::{self, CrlReason};
use super::value::write;
use crate::asn1::cmc::{CmcCertId, GetCert, RevokeRequest, TaggedAttribute};
use crate::asn1::{Number, any, decode, encode, oid, split_tlv, tlv, tlv_of};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

macro_rules! controls {
    ($($(#[$doc:meta])* $control:ident($value:ty) = $id:ident, $words:literal, $read:path, $write:path;)*) => {
        /// The type of a control.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ControlType {
            $($(#[$doc])* $control,)*
        }

        impl ControlType {
            /// Returns the control with this object identifier.
            pub(crate) fn of(id: &Oid) -> Option<ControlType> {
                $(if *id == *oid::$id {
                    return Some(ControlType::$control);
                })*
                None
            }

            pub(crate) fn oid(self) -> &'static Oid {
                match self {
                    $(ControlType::$control => oid::$id,)*
                }
            }

            /// Returns the name in the messages of Dogtag's CMCRequest, or the RFC's name if it has
            /// none.
            pub fn words(self) -> &'static str {
                match self {
                    $(ControlType::$control => $words,)*
                }
            }
        }

        /// The value of a control. It may hold secrets: `Debug` prints only the name.
        pub enum Control {
            $($(#[$doc])* $control($value),)*
            /// A control that isn't in the table.
            Unknown {
                /// The object identifier in dotted form.
                oid: String,
                /// DER of the value.
                der: Vec<u8>,
            },
        }

        impl Control {
            /// Returns the type of the control; `None` for an unknown one.
            pub fn control_type(&self) -> Option<ControlType> {
                match self {
                    $(Control::$control(_) => Some(ControlType::$control),)*
                    Control::Unknown { .. } => None,
                }
            }

            /// Decodes a value of the control `id` (RFC 5272 §6). Forms that Dogtag writes are
            /// accepted where they differ from the RFC's.
            ///
            /// # Errors
            /// [`Kind::Input`].
            pub(crate) fn decode(id: &Oid, der: &[u8]) -> Result<Control> {
                let Some(control) = ControlType::of(id) else {
                    return Ok(Control::Unknown { oid: oid::dotted(id), der: der.to_vec() });
                };
                let name = control.name();
                match control {
                    $(ControlType::$control => $read(name, der).map(Control::$control),)*
                }
            }

            /// Returns the DER of the value (RFC 5272 §6), in the form Dogtag reads where it
            /// differs from the RFC's.
            ///
            /// # Errors
            /// [`Kind::Usage`] for an invalid identification or date; [`Kind::Internal`] for a
            /// control that only a CA sends.
            pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
                match self {
                    $(Control::$control(value) => $write(value),)*
                    Control::Unknown { der, .. } => written(der),
                }
            }
        }
    };
}

controls! {
    /// statusInfo (§6.1.2), version 1.
    StatusInfo(Box<Status>) = CMC_STATUS_INFO, "statusInfo", status_1, only_a_ca_s;
    /// statusInfoV2 (§6.1.1).
    StatusInfoV2(Box<Status>) = CMC_STATUS_INFO_V2, "statusInfoV2", status_2, only_a_ca_s;
    /// identification (§6.2.3).
    Identification(String) = CMC_IDENTIFICATION, "identification", text, write_identification;
    /// identityProof (§6.2.2), version 1.
    IdentityProof(Vec<u8>) = CMC_IDENTITY_PROOF, "identityProof", octets, write_octets;
    /// identityProofV2 (§6.2.1).
    IdentityProofV2(Box<Witness>) = CMC_IDENTITY_PROOF_V2,
        "identityProofV2", Witness::decode, Witness::encode;
    /// popLinkRandom (§6.3.1).
    PopLinkRandom(Vec<u8>) = CMC_POP_LINK_RANDOM, "PopLinkWitness", octets, write_octets;
    /// popLinkWitness (§6.3.2), version 1.
    PopLinkWitness(Vec<u8>) = CMC_POP_LINK_WITNESS, "popLinkWitness", octets, write_octets;
    /// popLinkWitnessV2 (§6.3.1.1).
    PopLinkWitnessV2(Box<Witness>) = CMC_POP_LINK_WITNESS_V2,
        "popLinkWitnessV2", Witness::decode, Witness::encode;
    /// dataReturn (§6.4): the CA returns it unchanged.
    DataReturn(Vec<u8>) = CMC_DATA_RETURN, "data return", octets, write_octets;
    /// modCertTemplate (§6.5.1).
    ModCertTemplate(Box<ModCertTemplate>) = CMC_MOD_CERT_TEMPLATE,
        "modCertTemplate", ModCertTemplate::decode, ModCertTemplate::encode;
    /// addExtensions (§6.5.2).
    AddExtensions(Box<AddExtensions>) = CMC_ADD_EXTENSIONS,
        "addExtensions", AddExtensions::decode, AddExtensions::encode;
    /// transactionId (§6.6).
    TransactionId(Number) = CMC_TRANSACTION_ID, "transaction management", number, write_number;
    /// senderNonce (§6.6).
    SenderNonce(Vec<u8>) = CMC_SENDER_NONCE, "sender nonce", octets, write_octets;
    /// recipientNonce (§6.6): the senderNonce of the message that this one replies to.
    RecipientNonce(Vec<u8>) = CMC_RECIPIENT_NONCE, "recipient nonce", octets, write_octets;
    /// encryptedPOP (§6.7).
    EncryptedPop(Box<EncryptedPop>) = CMC_ENCRYPTED_POP,
        "encryptedPOP", EncryptedPop::decode, EncryptedPop::encode;
    /// decryptedPOP (§6.7).
    DecryptedPop(Box<DecryptedPop>) = CMC_DECRYPTED_POP,
        "decryptedPOP", DecryptedPop::decode, DecryptedPop::encode;
    /// lraPOPWitness (§6.8): the requests whose proof of possession an RA has checked.
    LraPopWitness(LraPopWitness) = CMC_LRA_POP_WITNESS,
        "LRA POP witness", LraPopWitness::decode, LraPopWitness::encode;
    /// getCert (§6.9).
    GetCert(CertificateId) = CMC_GET_CERT, "get certificate", get_cert, write_get_cert;
    /// getCRL (§6.10).
    GetCrl(Box<GetCrl>) = CMC_GET_CRL, "getCRL", GetCrl::decode, GetCrl::encode;
    /// revokeRequest (§6.11).
    Revoke(Box<Revocation>) = CMC_REVOKE_REQUEST, "revocation", revocation, write_revocation;
    /// regInfo (§6.12).
    RegInfo(Vec<u8>) = CMC_REG_INFO, "registration information", octets, write_octets;
    /// responseInfo (§6.12).
    ResponseInfo(Vec<u8>) = CMC_RESPONSE_INFO, "responseInfo", octets, write_octets;
    /// queryPending (§6.13): the token of a pending request.
    QueryPending(Vec<u8>) = CMC_QUERY_PENDING, "query pending", octets, write_octets;
    /// confirmCertAcceptance (§6.14).
    ConfirmCertAcceptance(CertificateId) = CMC_CONFIRM_CERT_ACCEPTANCE,
        "confirm certificate acceptance", cmc_cert_id, write_cmc_cert_id;
    /// trustedAnchors (§6.15, publishTrustAnchors).
    TrustedAnchors(Box<TrustAnchors>) = CMC_TRUSTED_ANCHORS,
        "trustedAnchors", TrustAnchors::decode, TrustAnchors::encode;
    /// authData (§6.16): the body part with the AuthenticatedData.
    AuthData(Number) = CMC_AUTH_DATA, "authData", number, write_number;
    /// batchRequests (§6.17): the body parts with the messages.
    BatchRequests(Vec<Number>) = CMC_BATCH_REQUESTS, "batchRequests", ids, write_ids;
    /// batchResponses (§6.17): the body parts with the messages.
    BatchResponses(Vec<Number>) = CMC_BATCH_RESPONSES, "batchResponses", ids, write_ids;
    /// publishCert (§6.18).
    PublishCert(Box<Publication>) = CMC_PUBLISH_CERT,
        "publishCert", Publication::decode, Publication::encode;
    /// controlProcessed (§6.19): the paths to the controls that an RA has processed.
    ControlProcessed(Vec<Vec<Number>>) = CMC_CONTROL_PROCESSED,
        "controlProcessed", processed, write_processed;
    /// raIdentityWitness (RFC 6402): the path to what an RA has checked.
    RaIdentityWitness(Vec<Number>) = CMC_RA_IDENTITY_WITNESS,
        "raIdentityWitness", ids, write_ids;
    /// changeSubjectName (RFC 6402): an attribute of a request.
    ChangeSubjectName(Box<ChangeSubjectName>) = CMC_CHANGE_SUBJECT_NAME,
        "changeSubjectName", ChangeSubjectName::decode, ChangeSubjectName::encode;
    /// responseBody (RFC 6402): the path to the response of the CA.
    ResponseBody(Vec<Number>) = CMC_RESPONSE_BODY, "responseBody", ids, write_ids;
}

impl ControlType {
    /// Returns the RFC's name.
    pub fn name(self) -> &'static str {
        oid::name(self.oid()).unwrap_or("the control")
    }
}

impl Control {
    /// Returns the RFC's name, or the dotted form of an unknown control.
    pub fn name(&self) -> &str {
        match self {
            Control::Unknown { oid, .. } => oid,
            known => known.control_type().map_or("", ControlType::name),
        }
    }

    /// Returns the object identifier.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an unknown control with an invalid identifier.
    pub(crate) fn oid(&self) -> Result<ObjectIdentifier> {
        match self {
            Control::Unknown { oid, .. } => oid::required(oid),
            known => Ok(known.control_type().map_or(oid::ID_DATA, ControlType::oid).to_owned()),
        }
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Control({})", self.name())
    }
}

/// A decoded value, or why it can't be decoded.
pub type Value = std::result::Result<Control, Box<Undecodable>>;

/// How many values of a control may be damaged before the rest is left out: the reasons would take many
/// times the memory of the message.
const MOST_DAMAGED: usize = 8;

/// A control of a message (TaggedAttribute, RFC 5272 §3.2.1.1) with decoded values.
#[derive(Debug)]
pub struct TaggedControl {
    /// Body part id within the message.
    pub body_part_id: Number,
    /// Its values; exactly one in messages that follow the RFC.
    pub values: Vec<Value>,
    id: ObjectIdentifier,
}

/// A control's value that can't be decoded.
pub struct Undecodable {
    /// The decoder's reason.
    pub reason: String,
    /// DER of the value. It may hold a secret.
    pub der: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Undecodable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Undecodable").field(&self.reason).finish()
    }
}

impl Undecodable {
    /// Returns the failure as an error.
    pub fn error(&self) -> Error {
        Error::new(Kind::Input, self.reason.clone())
    }

    /// Returns the failure as an error that calls the control `what`.
    pub fn error_of(&self, what: &str) -> Error {
        match self.reason.split_once(": ") {
            Some((_, why)) => {
                Error::new(Kind::Input, format!("cannot decode {what}")).because(why.to_owned())
            }
            None => self.error(),
        }
    }
}

impl TaggedControl {
    pub(crate) fn new(tagged: &TaggedAttribute) -> TaggedControl {
        let id = tagged.attr_type.clone();
        let all = tagged.attr_values.to_vec();
        let (mut values, mut damaged) = (Vec::with_capacity(all.len().min(MOST_DAMAGED)), 0);
        for (n, value) in all.iter().enumerate() {
            let der = Zeroizing::new(value.as_bytes().to_vec());
            if damaged == MOST_DAMAGED {
                let reason = format!("{} more values are not decoded", all.len() - n);
                values.push(Err(Box::new(Undecodable { reason, der })));
                break;
            }
            values.push(Control::decode(&id, &der).map_err(|e| {
                damaged += 1;
                Box::new(Undecodable { reason: e.to_string(), der })
            }));
        }
        TaggedControl { body_part_id: Number::of(&tagged.body_part_id), values, id }
    }

    /// Returns the type of the control; `None` for an unknown one.
    pub fn control_type(&self) -> Option<ControlType> {
        ControlType::of(&self.id)
    }

    pub(crate) fn oid(&self) -> &Oid {
        &self.id
    }

    /// Returns the object identifier in dotted form.
    pub fn dotted(&self) -> String {
        oid::dotted(&self.id)
    }
}

/// Issuer and serial number of a certificate (§6.9, §6.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateId {
    /// DER of the issuer's Name.
    pub issuer: Vec<u8>,
    /// Serial number.
    pub serial: Number,
}

/// The value of revokeRequest (§6.11).
pub struct Revocation {
    /// DER of the issuer's Name.
    pub issuer: Vec<u8>,
    /// Serial number.
    pub serial: Number,
    /// CRLReason.
    pub reason: CrlReason,
    /// invalidityDate, in seconds since 1970.
    pub invalidity: Option<i64>,
    /// passphrase: the shared secret.
    pub passphrase: Option<Secret>,
    /// comment, for the CA.
    pub comment: Option<String>,
}

fn number(name: &str, der: &[u8]) -> Result<Number> {
    decode(name, der).map(|n| Number::of(&n))
}

fn write_number(number: &Number) -> Result<Zeroizing<Vec<u8>>> {
    write(&number.wire())
}

fn written(der: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(der.to_vec()))
}

fn octets(name: &str, der: &[u8]) -> Result<Vec<u8>> {
    decode::<OctetString>(name, der).map(|octets| octets.to_vec())
}

fn write_octets(octets: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    Ok(tlv_of(0x04, &[octets]))
}

fn text(name: &str, der: &[u8]) -> Result<String> {
    decode::<Utf8String>(name, der)
}

fn write_identification(text: &str) -> Result<Zeroizing<Vec<u8>>> {
    check_identification(text)?;
    Ok(tlv_of(0x0c, &[text.as_bytes()]))
}

fn status_1(_name: &str, der: &[u8]) -> Result<Box<Status>> {
    status(1, der).map(Box::new)
}

fn status_2(_name: &str, der: &[u8]) -> Result<Box<Status>> {
    status(2, der).map(Box::new)
}

fn only_a_ca_s(_status: &Status) -> Result<Zeroizing<Vec<u8>>> {
    Err(Error::new(Kind::Internal, "only a CA sends a status"))
}

/// Returns the identifier; the issuer is a bare Name in Dogtag, a GeneralName in RFC 5272 §6.9.
fn certificate_id(issuer: &[u8], serial: Number) -> CertificateId {
    let name = match split_tlv(issuer) {
        Some((0xa4, name, _)) => name,
        _ => issuer,
    };
    CertificateId { issuer: name.to_vec(), serial }
}

fn get_cert(name: &str, der: &[u8]) -> Result<CertificateId> {
    let wanted: GetCert = decode(name, der)?;
    Ok(certificate_id(wanted.issuer_name.as_bytes(), Number::of(&wanted.serial_number)))
}

fn write_get_cert(id: &CertificateId) -> Result<Zeroizing<Vec<u8>>> {
    write(&GetCert { issuer_name: any(id.issuer.clone()), serial_number: id.serial.wire() })
}

fn cmc_cert_id(name: &str, der: &[u8]) -> Result<CertificateId> {
    let meant: CmcCertId = decode(name, der)?;
    let issuer = meant.issuer.first().map(|n| n.as_bytes()).unwrap_or_default();
    Ok(certificate_id(issuer, Number::of(&meant.serial_number)))
}

fn write_cmc_cert_id(id: &CertificateId) -> Result<Zeroizing<Vec<u8>>> {
    let issuer = vec![any(id.issuer.clone())];
    write(&CmcCertId { issuer, serial_number: id.serial.wire() })
}

fn revocation(_name: &str, der: &[u8]) -> Result<Box<Revocation>> {
    // The decoder's message might contain octets of the passphrase.
    let bad = || Error::new(Kind::Input, "cannot decode the revokeRequest");
    let request: RevokeRequest = decode("the revokeRequest", der).map_err(|_| bad())?;
    Ok(Box::new(Revocation {
        issuer: request.issuer_name.as_bytes().to_vec(),
        serial: Number::of(&request.serial_number),
        reason: revocation_reason::decode(request.reason.as_bytes()).ok_or_else(bad)?,
        invalidity: request.invalidity_date.map(|time| time.timestamp()),
        passphrase: request.passphrase.map(|octets| Secret::new(octets.to_vec())),
        comment: request.comment,
    }))
}

fn write_revocation(revocation: &Revocation) -> Result<Zeroizing<Vec<u8>>> {
    revocation.encode()
}

impl Revocation {
    /// Returns the DER of RevokeRequest, encoded part by part: a structure to encode would keep a
    /// copy of the passphrase.
    fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let invalidity = match self.invalidity {
            None => Vec::new(),
            Some(seconds) => {
                let time = chrono::DateTime::from_timestamp(seconds, 0)
                    .ok_or_else(|| Error::new(Kind::Usage, "invalid invalidity date"))?;
                encode("the invalidity date", &time.fixed_offset())?
            }
        };
        let passphrase = self.passphrase.as_ref().map(|p| tlv_of(0x04, &[p.bytes()]));
        let comment = self.comment.as_ref().map(|text| tlv(0x0c, text.as_bytes()));
        Ok(tlv_of(
            0x30,
            &[
                &self.issuer,
                &encode("the serial number", &self.serial.wire())?,
                &tlv(0x0a, &[self.reason as u8]),
                &invalidity,
                passphrase.as_deref().map(Vec::as_slice).unwrap_or_default(),
                &comment.unwrap_or_default(),
            ],
        ))
    }
}

/// Refuses an identification with characters that Dogtag would put unescaped into an LDAP filter:
/// there `ali*` finds alice.
///
/// # Errors
/// [`Kind::Usage`].
pub fn check_identification(text: &str) -> Result<()> {
    let bad = |why: String| {
        Err(Error::new(Kind::Usage, format!("invalid identification {text:?}"))
            .because(why)
            .hint("use the user's uid in the CA's directory"))
    };
    if text.is_empty() {
        return bad("it is empty".into());
    }
    match text.chars().find(|c| "*()\\\0".contains(*c)) {
        Some(c) => bad(format!("{c:?} is special in LDAP filters")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::name;
    use crate::cmc::request::PkiDataBuilder;
    use crate::cmc::revocation_reason::reason;
    use crate::cmc::seal::unsigned_data;
    use crate::keyid::to_hex as hex;

    /// The file comes from Dogtag's CMCRequest and uses every field of RevokeRequest.
    #[test]
    fn a_shared_secret_revocation_is_java_s_to_the_octet() {
        let issuer = name::parse("cn=CA Signing Certificate,ou=pki-tomcat,o=EXAMPLE").unwrap();
        let revocation = Revocation {
            issuer,
            serial: Number::parse("12345678").unwrap(),
            reason: reason("keyCompromise").unwrap(),
            invalidity: Some(1_795_466_310),
            passphrase: Some(Secret::new(b"Secret.123".to_vec())),
            comment: Some("hé".into()),
        };
        let mut builder = PkiDataBuilder::default();
        assert_eq!(builder.add(&Control::Revoke(Box::new(revocation))).unwrap(), 1);
        let message = unsigned_data(&builder.build().unwrap()).unwrap();
        assert_eq!(
            hex(&message),
            "3081a606092a864886f70d010701a0819804819530819230818930818602010106082b06010505070711\
             3177307530483110300e060355040a0c074558414d504c4531133011060355040b0c0a706b692d746f6d63\
             6174311f301d06035504030c164341205369676e696e67204365727469666963617465020400bc614e0a01\
             01180f32303236313132333230333833305a040a5365637265742e3132330c0368c3a9300030003000"
        );
    }

    #[test]
    fn the_forms_dogtag_reads_where_they_differ_from_the_rfc() {
        let issuer = name::parse("CN=x").unwrap();
        let id = CertificateId { issuer, serial: Number::from(5u32) };
        let value = |c: Control| hex(&c.encode().unwrap());
        let name = "300c310a300806035504030c0178";
        assert_eq!(value(Control::GetCert(id.clone())), format!("3011{name}020105"));
        assert_eq!(value(Control::ConfirmCertAcceptance(id)), format!("3013300e{name}020105"));
        assert_eq!(
            value(Control::LraPopWitness(LraPopWitness::of(&[1, 300]))),
            "300c020100300702010102020 12c".replace(' ', "")
        );
        assert_eq!(value(Control::Identification("bob".into())), "0c03626f62");
        assert_eq!(value(Control::DataReturn(b"a".to_vec())), "040161");
        assert_eq!(value(Control::TransactionId(Number::unsigned(b"\xff23"))), "020400ff3233");
    }

    #[test]
    fn an_identification_with_a_meaning_in_ldap_filters_is_refused() {
        for bad in ["", "ali*", "a(b", "a)b", "a\\2a", "a\0b"] {
            let e = Control::Identification(bad.into()).encode().map(|_| ()).unwrap_err();
            assert_eq!(e.kind(), Kind::Usage, "{bad:?}");
        }
        assert!(check_identification("uid with blank, é").is_ok());
    }
}
