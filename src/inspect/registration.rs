//! Shows the values of controls that Dogtag does not process, most of them between RAs and CAs.

use super::item::{Item, list, or_octets};
use super::{control, extension, request};
use crate::asn1::crmf::CertTemplate;
use crate::asn1::extension::{REASON_FLAGS, general_name, general_names};
use crate::asn1::summary::general_name as text_of;
use crate::asn1::{Number, decode};
use crate::cmc::control::{
    AddExtensions, ChangeSubjectName, GetCrl, ModCertTemplate, Publication, TrustAnchors,
};

/// Shows a BodyPartPath: the numbers joined by `.`, as in a status.
pub(crate) fn path(path: &[Number]) -> Item {
    Item::Text(path.iter().map(ToString::to_string).collect::<Vec<_>>().join("."))
}

fn name(der: &[u8]) -> Item {
    Item::text(&text_of(&general_name(der)))
}

pub(crate) fn get_crl(wanted: &GetCrl) -> Item {
    let reasons = wanted.reasons.as_ref().map_or(Item::Null, |bits| {
        let set = bits.iter().enumerate().filter(|(_, bit)| **bit);
        let text =
            |at: usize| REASON_FLAGS.get(at).map_or_else(|| format!("bit {at}"), |r| (*r).into());
        Item::List(set.map(|(at, _)| Item::Text(text(at))).collect())
    });
    Item::Fields(vec![
        ("issuer", Item::name(&wanted.issuer)),
        ("crl_name", wanted.crl_name.as_deref().map_or(Item::Null, name)),
        ("time", wanted.time.map_or(Item::Null, control::time)),
        ("reasons", reasons),
    ])
}

pub(crate) fn trust_anchors(anchors: &TrustAnchors) -> Item {
    Item::Fields(vec![
        ("sequence_number", Item::id(&anchors.sequence_number)),
        ("hash_algorithm", Item::algorithm(&anchors.hash_algorithm)),
        ("hashes", list(&anchors.hashes, |hash| Item::hex(hash))),
    ])
}

pub(crate) fn publication(publication: &Publication) -> Item {
    let word = |number: &Number, words: &[&str]| {
        let known = u32::try_from(number).ok().and_then(|n| words.get(n as usize));
        known.map_or_else(|| Item::id(number), |word| Item::text(word))
    };
    let places = list(&publication.places, |place| {
        Item::Fields(vec![
            ("method", word(&place.method, &["dontCare", "x500", "web", "ldap"])),
            ("location", place.location.as_deref().map_or(Item::Null, name)),
        ])
    });
    Item::Fields(vec![
        ("hash_algorithm", Item::algorithm(&publication.hash_algorithm)),
        ("hashes", list(&publication.hashes, |hash| Item::hex(hash))),
        ("action", word(&publication.action, &["dontPublish", "pleasePublish"])),
        ("places", places),
    ])
}

pub(crate) fn mod_cert_template(change: &ModCertTemplate) -> Item {
    let der = &change.template;
    let template = decode("the CertTemplate", der)
        .and_then(|template: CertTemplate| request::template(&template).map(Item::Fields));
    Item::Fields(vec![
        ("pki_data_path", path(&change.pki_data)),
        ("requests", list(&change.requests, Item::id)),
        ("replace", Item::Flag(change.replace)),
        ("template", or_octets(template, der)),
    ])
}

pub(crate) fn add_extensions(added: &AddExtensions) -> Item {
    Item::Fields(vec![
        ("pki_data", Item::id(&added.pki_data)),
        ("requests", list(&added.requests, Item::id)),
        ("extensions", list(&added.extensions, extension::show)),
    ])
}

pub(crate) fn change_subject_name(change: &ChangeSubjectName) -> Item {
    let names = change.alternative_names.as_ref().map_or(Item::Null, |der| {
        let names = general_names(der);
        let names = names.map(|all| list(&all, |name| Item::text(&text_of(name))));
        or_octets(names, der)
    });
    Item::Fields(vec![
        ("subject", change.subject.as_deref().map_or(Item::Null, Item::name)),
        ("alternative_names", names),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::extension::Extension;
    use crate::asn1::{encode, name, oid, tlv};
    use crate::cmc::control::{Control, ControlType, PublicationPlace};
    use crate::keyid::from_hex;

    fn n(number: u32) -> Number {
        Number::from(number)
    }

    fn dn() -> Vec<u8> {
        name::parse("CN=x").unwrap()
    }

    fn sha256() -> crate::asn1::certificate::Algorithm {
        crate::asn1::certificate::Algorithm { id: oid::dotted(oid::SHA256), parameters: Vec::new() }
    }

    /// Each control with a DER that openssl asn1parse -genconf wrote or that is written by hand, and
    /// a part of what is shown.
    fn examples() -> Vec<(Control, &'static str, &'static str)> {
        let uri = tlv(0x86, b"http://x");
        let template =
            CertTemplate { subject: Some(crate::asn1::any(dn())), ..CertTemplate::default() };
        let extension = Extension::new(oid::CE_KEY_USAGE, true, vec![3, 2, 7, 0x80]);
        vec![
            (
                Control::GetCrl(Box::new(GetCrl {
                    issuer: dn(),
                    crl_name: Some(uri.clone()),
                    time: Some(1_700_000_000),
                    reasons: Some(vec![false, true, false, true]),
                })),
                "302d300c310a300806035504030c017886 08687474703a2f2f78180f32303233313131343232313332305a03020450",
                "keyCompromise, affiliationChanged",
            ),
            (
                Control::TrustedAnchors(Box::new(TrustAnchors {
                    sequence_number: n(3),
                    hash_algorithm: sha256(),
                    hashes: vec![vec![0xab, 0xcd]],
                })),
                "3016020103300b06096086480165030402013004 0402abcd",
                "abcd",
            ),
            (Control::AuthData(n(4)), "020104", "body part id: 4"),
            (Control::BatchRequests(vec![n(5), n(6)]), "3006020105020106", "5, 6"),
            (Control::BatchResponses(vec![n(7)]), "3003020107", "7"),
            (
                Control::PublishCert(Box::new(Publication {
                    hash_algorithm: sha256(),
                    hashes: vec![vec![0xab]],
                    action: n(1),
                    places: vec![PublicationPlace { method: n(3), location: Some(uri) }],
                })),
                "3028300b060960864801650304020130030401ab3014020101 300f300d020103 8608687474703a2f2f78",
                "ldap",
            ),
            (
                Control::ModCertTemplate(Box::new(ModCertTemplate {
                    pki_data: vec![n(8), n(0)],
                    requests: vec![n(9)],
                    replace: false,
                    template: encode("x", &template).unwrap(),
                })),
                "3022300602010802010030030201090101003010a50e300c310a300806035504030c0178",
                "pki data path: 8.0",
            ),
            (
                Control::AddExtensions(Box::new(AddExtensions {
                    pki_data: n(0),
                    requests: vec![n(9)],
                    extensions: vec![extension],
                })),
                "301a020100 3003020109 3010300e0603551d0f0101ff040403020780",
                "digitalSignature",
            ),
            (
                Control::ControlProcessed(vec![vec![n(1)], vec![n(2), n(3)]]),
                "300d300b020101 3006020102020103",
                "1, 2.3",
            ),
            (Control::RaIdentityWitness(vec![n(1), n(2)]), "3006020101020102", "1.2"),
            (Control::ResponseBody(vec![n(1)]), "3003020101", "1"),
            (
                Control::ChangeSubjectName(Box::new(ChangeSubjectName {
                    subject: Some(dn()),
                    alternative_names: Some(tlv(0x30, &tlv(0x82, b"x.test"))),
                })),
                "3018300c310a300806035504030c017830088206782e74657374",
                "x.test",
            ),
        ]
    }

    #[test]
    fn each_is_encoded_decoded_and_shown() {
        for (control, hex, shown) in examples() {
            let der = from_hex(&hex.replace(' ', "")).unwrap();
            let name = control.name().to_owned();
            assert_eq!(control.encode().unwrap().as_slice(), der, "{name}");
            let again = Control::decode(&control.oid().unwrap(), &der).unwrap();
            assert_eq!(again.encode().unwrap().as_slice(), der, "{name}");
            let text = format!("{:?}", control::value(&control.oid().unwrap(), &der, &mut vec![]));
            for word in shown.split([',', ':', ' ', '.']).filter(|w| !w.is_empty()) {
                let word = word.replace(' ', "_");
                assert!(text.contains(&word), "{name}: {text}");
            }
            assert!(!text.contains("undecodable"), "{name}: {text}");
        }
    }

    #[test]
    fn a_default_is_not_encoded() {
        let template = encode("x", &CertTemplate::default()).unwrap();
        let requests = vec![n(1)];
        let all = ModCertTemplate { pki_data: vec![n(0)], requests, replace: true, template };
        let der = Control::ModCertTemplate(Box::new(all)).encode().unwrap();
        assert_eq!(crate::keyid::to_hex(&der), "300c300302010030030201013000");
        match Control::decode(ControlType::ModCertTemplate.oid(), &der).unwrap() {
            Control::ModCertTemplate(read) => assert!(read.replace),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn damaged_values_are_shown_as_octets() {
        for (control, hex, _) in examples() {
            let good = from_hex(&hex.replace(' ', "")).unwrap();
            let id = control.oid().unwrap();
            for at in 0..good.len() {
                // Cut short: no value is complete without its last octet.
                let text = format!("{:?}", control::value(&id, &good[..at], &mut vec![]));
                assert!(text.contains("undecodable"), "{}: {at}", control.name());
                for change in [0x01, 0x80, 0xff] {
                    let mut bad = good.clone();
                    bad[at] ^= change;
                    control::value(&id, &bad, &mut vec![]);
                }
            }
            for other in [&[5, 0][..], &[4, 1, 0], &[0x30, 0], &[0x31, 0], &[]] {
                let text = format!("{:?}", control::value(&id, other, &mut vec![]));
                assert!(text.contains("undecodable"), "{}: {other:?}", control.name());
            }
        }
    }

    #[test]
    fn names_are_told_apart_by_what_they_consist_of() {
        let id = ControlType::ChangeSubjectName.oid();
        let (subject, names) = (dn(), tlv(0x30, &tlv(0x82, b"x.test")));
        let read = |parts: &[&[u8]]| match Control::decode(id, &tlv(0x30, &parts.concat())) {
            Ok(Control::ChangeSubjectName(read)) => Some(*read),
            _ => None,
        };
        let only_names = read(&[&names]).unwrap();
        assert_eq!(
            (only_names.subject, only_names.alternative_names.as_ref()),
            (None, Some(&names))
        );
        assert_eq!(read(&[&subject]).unwrap().alternative_names, None);
        assert_eq!(read(&[&[0x30, 0]]).unwrap().subject, Some(vec![0x30, 0]));
        for bad in [&[&names[..], &subject][..], &[&subject, &subject], &[&names, &names], &[]] {
            assert_eq!(read(bad), None, "{bad:x?}");
        }
    }
}
