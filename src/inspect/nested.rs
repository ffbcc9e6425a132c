//! Shows what is inside of a message beside controls and requests: messages in cmsSequence (RFC
//! 5272 §3.2.1.3), otherMsgSequence (§3.2.1.4), AuthenticatedData (RFC 5652 §9).

use rasn_cms::AuthenticatedData;

use super::control::{enveloped, recipient};
use super::item::{Item, list, or_octets};
use super::{Form, Opened, content_info, pki_data, pki_response};
use crate::asn1::certificate::Algorithm;
use crate::asn1::cms::{ContentInfo, EnvelopedData, RecipientInfo};
use crate::asn1::{Number, cmc, decode, decode_ber, oid};
use crate::cmc::response::Content;
use crate::error::{Error, Kind, Result};

/// Messages nested deeper than this are not shown.
const DEEPEST: usize = 4;

/// Shows the TaggedContentInfos of a message that is itself inside of `depth` others. What Dogtag
/// would refuse in them is not said: it doesn't look at them.
pub(crate) fn messages(all: &[Vec<u8>], depth: usize) -> Item {
    list(all, |der| or_octets(message(der, depth), der))
}

fn message(der: &[u8], depth: usize) -> Result<Item> {
    let tagged: cmc::TaggedContentInfo = decode("the TaggedContentInfo", der)?;
    let mut fields = vec![("body_part_id", Item::id(&Number::of(&tagged.body_part_id)))];
    let der = tagged.content_info.as_bytes();
    let info: ContentInfo = decode_ber("the ContentInfo", der)?;
    let id = &info.content_type;
    if **id == *oid::ID_ENVELOPED_DATA {
        let der = info.content.as_bytes();
        let data = decode_ber("the EnvelopedData", der).map(|data: EnvelopedData| enveloped(&data));
        fields.extend([("content_type", Item::oid(id)), ("content", or_octets(data, der))]);
    } else if depth >= DEEPEST {
        fields.push(("content_type", Item::oid(id)));
    } else {
        match content_info(der, depth + 1, &mut Vec::new()) {
            Ok(Opened { form, parts, .. }) => {
                fields.push(("kind", form.name().into()));
                fields.extend(parts);
            }
            Err(e) => {
                let content = or_octets(Err(e), info.content.as_bytes());
                fields.extend([("content_type", Item::oid(id)), ("content", content)]);
            }
        }
    }
    Ok(Item::Fields(fields))
}

/// Shows OtherMsgs.
pub(crate) fn others(all: &[Vec<u8>]) -> Item {
    list(all, |der| {
        let shown = decode("the OtherMsg", der).map(|other: cmc::OtherMsg| {
            Item::Fields(vec![
                ("body_part_id", Item::id(&Number::of(&other.body_part_id))),
                ("type", Item::oid(&other.other_msg_type)),
                ("value", Item::hex(other.other_msg_value.as_bytes())),
            ])
        });
        or_octets(shown, der)
    })
}

/// Shows an AuthenticatedData around a PKIData or PKIResponse (RFC 5272 §3.2, §4.2).
///
/// # Errors
/// [`Kind::Input`] when it has another content.
pub(super) fn authenticated(
    der: &[u8],
    depth: usize,
    warnings: &mut Vec<String>,
) -> Result<Opened> {
    let data: AuthenticatedData = decode_ber("the AuthenticatedData", der)?;
    let recipients: Vec<&RecipientInfo> = data.recipient_infos.to_vec();
    let kind = &data.encap_content_info.content_type;
    let mut parts = vec![
        ("content_type", Item::oid(kind)),
        ("authenticated", Item::Flag(true)),
        ("mac_algorithm", Item::algorithm(&Algorithm::of(&data.mac_algorithm))),
        ("recipients", list(&recipients, |r| recipient(r))),
    ];
    let content = data.encap_content_info.content.as_deref().unwrap_or_default();
    let form = if **kind == *oid::ID_CCT_PKI_DATA {
        warnings.push("AuthenticatedData: Dogtag accepts only SignedData".into());
        parts.extend(pki_data(content, None, depth, warnings)?);
        Form::Request
    } else if **kind == *oid::ID_CCT_PKI_RESPONSE {
        parts.extend(pki_response(&Content::decode(content)?, depth, warnings));
        Form::Response
    } else {
        return Err(Error::new(Kind::Input, "the AuthenticatedData is not a CMC message")
            .because(format!("its content type is {}", oid::text(kind))));
    };
    Ok(Opened::plain(form, parts))
}

/// Shows the values of an attribute with CMCUnsignedData (RFC 5272 §3.2.3).
pub(crate) fn unsigned_data(der: &[u8]) -> Item {
    let shown = decode("the CMCUnsignedData", der).map(|data: cmc::CmcUnsignedData| {
        let path: Vec<Number> = data.body_part_path.iter().map(Number::of).collect();
        Item::Fields(vec![
            ("body_part_path", super::registration::path(&path)),
            ("identifier", Item::oid(&data.identifier)),
            ("content", Item::hex(data.content.as_bytes())),
        ])
    });
    or_octets(shown, der)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::asn1::{any, encode, tlv};
    use crate::cmc::control::Control;
    use crate::cmc::fixture::{Key, OpenSsl};
    use crate::cmc::message::{CmcSpec, Signatory, build};
    use crate::cmc::request::PkiDataBuilder;

    fn text(der: &[u8]) -> String {
        format!("{:?}", read(der).unwrap().parts)
    }

    /// A request with `inner` in its cmsSequence and a batchRequests control.
    fn batch(inner: &[u8]) -> Vec<u8> {
        let mut builder = PkiDataBuilder::default();
        builder.add(&Control::BatchRequests(vec![Number::from(9u32)])).unwrap();
        let data = builder.build().unwrap();
        let mut data: cmc::PkiData = decode("x", &data).unwrap();
        let tagged =
            cmc::TaggedContentInfo { body_part_id: 9.into(), content_info: any(inner.to_vec()) };
        data.cms_sequence = vec![any(encode("x", &tagged).unwrap())];
        let other = cmc::OtherMsg {
            body_part_id: 10.into(),
            other_msg_type: oid::owned(oid::ID_DATA),
            other_msg_value: any(vec![5, 0]),
        };
        data.other_msg_sequence = vec![any(encode("x", &other).unwrap())];
        let content = tlv(0xa0, &tlv(0x04, &encode("x", &data).unwrap()));
        tlv(0x30, &[encode("x", &oid::owned(oid::ID_DATA)).unwrap(), content].concat())
    }

    fn inner() -> Vec<u8> {
        let spec = CmcSpec {
            controls: vec![Control::DataReturn(b"deep inside".to_vec())],
            ..CmcSpec::default()
        };
        build(spec, Signatory::Nobody, Some(&Key::ec()), &OpenSsl).unwrap().der.to_vec()
    }

    #[test]
    fn a_batch_shows_its_messages() {
        let shown = text(&batch(&inner()));
        assert!(shown.contains("batchRequests") && shown.contains("deep inside"), "{shown}");
        assert!(shown.contains("other_messages") && !shown.contains("undecodable"), "{shown}");
    }

    #[test]
    fn neither_depth_nor_damage_is_fatal() {
        let mut message = inner();
        for _ in 0..40 {
            message = batch(&message);
        }
        assert!(!text(&message).contains("deep inside"));
        for bad in
            [&[5, 0][..], &[0x30, 0], b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"]
        {
            assert!(text(&batch(bad)).contains("undecodable"), "{bad:x?}");
        }
    }

    /// Encoded with rasn's own types, which this program doesn't use for anything else.
    fn authenticated_data(kind: &rasn::types::Oid, content: &[u8]) -> Vec<u8> {
        let algorithm = crate::asn1::certificate::Algorithm {
            id: oid::dotted(oid::HMAC_SHA256),
            parameters: vec![5, 0],
        };
        let recipient = rasn_cms::PasswordRecipientInfo {
            version: 0.into(),
            key_derivation_algorithm: None,
            key_encryption_algorithm: algorithm.wire().unwrap(),
            encrypted_eey: vec![1, 2, 3].into(),
        };
        let data = AuthenticatedData {
            version: 0.into(),
            originator_info: None,
            recipient_infos: vec![RecipientInfo::PasswordRecipientInfo(recipient)].into(),
            mac_algorithm: algorithm.wire().unwrap(),
            digest_algorithm: None,
            encap_content_info: rasn_cms::EncapsulatedContentInfo {
                content_type: oid::owned(kind),
                content: Some(content.to_vec().into()),
            },
            auth_attrs: None,
            mac: vec![7; 32].into(),
            unauth_attrs: None,
        };
        let content = any(encode("x", &data).unwrap());
        let content_type = oid::owned(oid::ID_AUTHENTICATED_DATA);
        encode("x", &ContentInfo { content_type, content }).unwrap()
    }

    #[test]
    fn authenticated_data_shows_recipients_and_content() {
        let mut builder = PkiDataBuilder::default();
        builder.add(&Control::AuthData(Number::from(77u32))).unwrap();
        let request = authenticated_data(oid::ID_CCT_PKI_DATA, &builder.build().unwrap());
        let read_request = read(&request).unwrap();
        assert_eq!(read_request.form, Form::Request);
        assert!(read_request.warnings.iter().any(|w| w.contains("AuthenticatedData")));
        let shown = text(&request);
        assert!(shown.contains("password") && shown.contains("77"), "{shown}");
        let response =
            authenticated_data(oid::ID_CCT_PKI_RESPONSE, b"\x30\x06\x30\x00\x30\x00\x30\x00");
        assert_eq!(read(&response).unwrap().form, Form::Response);
        let other = authenticated_data(oid::ID_DATA, b"x");
        assert!(read(&other).unwrap_err().to_string().contains("content type is data"));
        for at in 0..request.len() {
            let _ = read(&request[..at]);
        }
    }

    #[test]
    fn unsigned_data_is_decoded_or_shown_as_octets() {
        let data = cmc::CmcUnsignedData {
            body_part_path: vec![1.into(), 2.into()],
            identifier: oid::owned(oid::ID_DATA),
            content: any(vec![4, 1, 0xab]),
        };
        let good = encode("x", &data).unwrap();
        let shown = format!("{:?}", unsigned_data(&good));
        assert!(shown.contains("1.2") && shown.contains("0401ab"), "{shown}");
        for bad in [&good[..good.len() - 1], &[5, 0], &[0x30, 0]] {
            assert!(format!("{:?}", unsigned_data(bad)).contains("undecodable"));
        }
    }
}
