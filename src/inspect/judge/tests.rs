//! For each rule a message that breaks it, made of a recorded one, and one that doesn't; the
//! objections to recorded messages; none to what this program builds.

use rasn::types::{Any, OctetString, Oid};

use super::examples::*;
use super::*;
use crate::asn1::cms::{ContentInfo, SignedData, SignerIdentifier};
use crate::asn1::crmf::ProofOfPossession;
use crate::asn1::{Number, any, decode, encode, name, oid, tlv};
use crate::cmc::control::Control;
use crate::cmc::fixture::{Key, OpenSsl};
use crate::cmc::message::CmcSpec;
use crate::inspect::{Form, read};

fn outer_cases() -> Vec<(Rule, Vec<u8>)> {
    let key = Key::ec();
    let mut constructed = agent();
    // The outer SEQUENCE with an indefinite length: the header of 4 octets becomes one of 2.
    constructed.splice(0..4, [0x30, 0x80]);
    constructed.extend([0, 0]);
    let plain = vector("01-rsa-server/response.der");
    vec![
        (Rule::NotSigned, unsigned(CmcSpec::default())),
        (Rule::AuthenticatedData, authenticated()),
        (Rule::NoSigner, edit(&agent(), |s| s.signer_infos = vec![].into())),
        (
            Rule::SeveralSigners,
            edit(&agent(), |s| {
                let one = s.signer_infos.to_vec()[0].clone();
                let mut other = one.clone();
                other.signature = vec![1].into();
                s.signer_infos = vec![one, other].into();
            }),
        ),
        (
            Rule::SeveralWithOwnKey,
            edit(&own(&key, full_spec()), |s| {
                let one = s.signer_infos.to_vec()[0].clone();
                let mut other = one.clone();
                other.signature = vec![1].into();
                s.signer_infos = vec![one, other].into();
            }),
        ),
        (
            Rule::ContentType,
            edit(&plain, |s| s.encap_content_info.content_type = oid::owned(oid::MGF1)),
        ),
        (Rule::MessageBer, constructed),
        (Rule::ContentBer, edit_data(&agent(), |d| d.req_sequence.push(Any::new(vec![1, 1, 1])))),
        (Rule::SignedDataVersion, edit(&agent(), |s| s.version = 1.into())),
        (Rule::SignerVersion, edit_signer(&agent(), |s| s.version = 3.into())),
        (Rule::DigestNotListed, edit(&agent(), |s| s.digest_algorithms = vec![].into())),
        (Rule::DigestWithoutNull, edit_signer(&agent(), |s| s.digest_algorithm.parameters = None)),
        (Rule::DigestWithNull, agent()),
        (
            Rule::WeakDigest,
            edit_signer(&agent(), |s| s.digest_algorithm = algorithm(oid::SHA1, None)),
        ),
        (
            Rule::UnknownDigest,
            edit_signer(&agent(), |s| s.digest_algorithm = algorithm(oid::SHA224, None)),
        ),
        (
            Rule::PssDigest,
            edit_signer(&agent(), |s| s.signature_algorithm = algorithm(oid::RSASSA_PSS, None)),
        ),
        (
            Rule::SignatureParameters,
            edit_signer(&agent(), |s| {
                s.signature_algorithm = algorithm(oid::ECDSA_WITH_SHA256, Some(&[5, 0]));
            }),
        ),
        (Rule::NoSignedAttributes, edit_signer(&agent(), |s| s.signed_attrs = None)),
        (Rule::AttributeOrder, unsorted_attributes()),
        (
            Rule::ContentTypeAttribute,
            edit(&agent(), |s| s.encap_content_info.content_type = oid::owned(oid::ID_DATA)),
        ),
        (Rule::ContentTypeAttribute, without_attributes(oid::ID_CONTENT_TYPE)),
        (Rule::MessageDigestAttribute, without_attributes(oid::ID_MESSAGE_DIGEST)),
        (Rule::SignerCertificate, edit(&agent(), |s| s.certificates = None)),
        (
            Rule::SignerKeyIdentifier,
            edit_signer(&own(&key, full_spec()), |s| {
                s.sid = SignerIdentifier::SubjectKeyIdentifier(OctetString::from(vec![9]));
            }),
        ),
    ]
}

fn without_attributes(id: &Oid) -> Vec<u8> {
    edit_signer(&agent(), |s| {
        let all = s.signed_attrs.as_ref().unwrap().to_vec();
        let left: Vec<_> = all.into_iter().filter(|a| *a.r#type != *id).cloned().collect();
        s.signed_attrs = Some(left.into());
    })
}

/// Returns the agent's request with its two signed attributes exchanged.
fn unsorted_attributes() -> Vec<u8> {
    let mut der = agent();
    let signed: SignedData = {
        let info: ContentInfo = decode("x", &der).unwrap();
        decode("x", info.content.as_bytes()).unwrap()
    };
    let attributes = signed.signer_infos.to_vec()[0].signed_attrs.clone().unwrap();
    let mut each: Vec<Vec<u8>> =
        attributes.to_vec().iter().map(|a| encode("x", *a).unwrap()).collect();
    each.sort();
    let good = each.concat();
    each.reverse();
    let at = der.windows(good.len()).position(|w| w == good).unwrap();
    der.splice(at..at + good.len(), each.concat());
    der
}

fn control_cases() -> Vec<(Rule, Vec<u8>)> {
    let key = Key::ec();
    let number = |id: i64| edit_data(&many(), |d| d.control_sequence[0].body_part_id = id.into());
    let cleared = |id: &Oid| {
        edit_data(&own(&Key::ec(), full_spec()), |d| {
            d.control_sequence.retain(|c| c.attr_type != *id)
        })
    };
    vec![
        (
            Rule::BodyPartTwice,
            edit_data(&many(), |d| {
                let last = d.control_sequence.last().unwrap().body_part_id.clone();
                d.control_sequence[0].body_part_id = last;
            }),
        ),
        (Rule::BodyPartZero, number(0)),
        (Rule::BodyPartRange, number(-5)),
        (Rule::BodyPartRange, number(4_294_967_296)),
        (Rule::ControlDamaged, with_raw(oid::CMC_GET_CRL, vec![5, 0])),
        (
            Rule::ControlValues,
            edit_data(&many(), |d| d.control_sequence[0].attr_values = vec![].into()),
        ),
        (
            Rule::ControlTwice,
            edit_data(&many(), |d| {
                let again = d.control_sequence[0].clone();
                d.control_sequence.push(again);
            }),
        ),
        (Rule::ControlUnknown, with_raw(oid::ID_DATA, vec![5, 0])),
        (Rule::ControlIgnored, with(&Control::QueryPending(vec![1]))),
        (Rule::ControlMisplaced, with(&Control::ResponseBody(vec![Number::from(1u32)]))),
        (Rule::NoSenderNonce, cleared(oid::CMC_SENDER_NONCE)),
        (Rule::NoTransactionId, cleared(oid::CMC_TRANSACTION_ID)),
        (Rule::ProofWithoutIdentification, cleared(oid::CMC_IDENTIFICATION)),
        (Rule::IdentificationAlone, cleared(oid::CMC_IDENTITY_PROOF_V2)),
        (Rule::IdentificationCharacters, with_raw(oid::CMC_IDENTIFICATION, tlv(0x0c, b"ali*"))),
        (Rule::ProofVersion, with(&Control::IdentityProof(vec![1]))),
        (Rule::WitnessSha1, with(&witness(oid::HMAC_SHA256, oid::SHA1))),
        (Rule::WitnessMac, with(&witness(oid::HMAC_SHA384, oid::SHA256))),
        (Rule::LinkWitnessMissing, with(&Control::PopLinkRandom(vec![1]))),
        (Rule::LinkRandomMissing, cleared(oid::CMC_POP_LINK_RANDOM)),
        (
            Rule::DecryptedPopAlone,
            edit_data(&vector("06a-encrypted-pop-2/request.der"), |d| {
                d.control_sequence.retain(|c| c.attr_type != *oid::CMC_REG_INFO);
            }),
        ),
        (
            Rule::LraPopWitness,
            with(&Control::LraPopWitness(crate::cmc::control::LraPopWitness::of(&[1]))),
        ),
        (Rule::RevokeWithRequests, with(&revocation(None))),
        (Rule::PassphraseSigned, with(&revocation(Some("s")))),
        (Rule::DogtagForm, with(&Control::GetCert(issuer()))),
        (Rule::DogtagForm, with(&Control::ConfirmCertAcceptance(issuer()))),
        (
            Rule::RfcForm,
            with_raw(
                oid::CMC_GET_CERT,
                tlv(0x30, &[tlv(0xa4, &issuer().issuer), vec![2, 1, 5]].concat()),
            ),
        ),
        (
            Rule::RfcForm,
            with_raw(
                oid::CMC_CONFIRM_CERT_ACCEPTANCE,
                tlv(0x30, &[issuer().issuer, vec![2, 1, 5]].concat()),
            ),
        ),
        (
            Rule::NestedContent,
            edit_data(&own(&key, full_spec()), |d| d.cms_sequence = vec![any(vec![0x30, 0])]),
        ),
    ]
}

fn request_cases() -> Vec<(Rule, Vec<u8>)> {
    let attribute = |octet: u8| {
        let id = encode("x", &oid::owned(oid::CHALLENGE_PASSWORD)).unwrap();
        tlv(0x30, &[id, tlv(0x31, &[0x0c, 1, octet])].concat())
    };
    let decryption = || any(vec![0x80, 0]);
    vec![
        (
            Rule::SeveralRequests,
            edit_data(&agent(), |d| d.req_sequence.push(d.req_sequence[0].clone())),
        ),
        (
            Rule::RequestDamaged,
            edit_data(&agent(), |d| d.req_sequence = vec![any(vec![0xa0, 2, 5, 0])]),
        ),
        (
            Rule::OtherRequest,
            edit_data(&agent(), |d| {
                d.req_sequence = vec![any(tlv(0xa2, &[2, 1, 99, 6, 1, 0x2a, 5, 0]))];
            }),
        ),
        (Rule::NoAttributes, edit_attributes(&[])),
        (
            Rule::RequestAttributeOrder,
            edit_attributes(&tlv(0xa0, &[attribute(b'b'), attribute(b'a')].concat())),
        ),
        (Rule::NoSignature, {
            let key = Key::ec();
            let subject = name::parse("CN=x").unwrap();
            let made = crate::cmc::no_signature::pkcs10(&subject, &key.spki(), &[], &OpenSsl);
            made.unwrap().der().to_vec()
        }),
        (Rule::NoPublicKey, edit_crmf(|_, r| r.cert_template.public_key = None)),
        (Rule::NoSubject, edit_crmf(|_, r| r.cert_template.subject = None)),
        (Rule::RegInfo, edit_crmf(|m, _| m.reg_info = Some(vec![]))),
        (Rule::NoPop, edit_crmf(|m, _| m.popo = None)),
        (Rule::RaVerified, edit_crmf(|m, _| m.popo = Some(ProofOfPossession::RaVerified(())))),
        (
            Rule::PopByDecryption,
            edit_crmf(|m, _| m.popo = Some(ProofOfPossession::KeyEncipherment(decryption()))),
        ),
        (
            Rule::PopByDecryption,
            edit_crmf(|m, _| m.popo = Some(ProofOfPossession::KeyAgreement(decryption()))),
        ),
        (Rule::NotNormal, {
            // `critical FALSE` is a default, which DER leaves out.
            edit_crmf(|message, _| {
                let der = message.cert_req.as_bytes().to_vec();
                let (_, content, _) = crate::asn1::split_tlv(&der).unwrap();
                let mut parts: Vec<Vec<u8>> = crate::asn1::canonical::children(content)
                    .unwrap()
                    .into_iter()
                    .map(<[u8]>::to_vec)
                    .collect();
                let (_, template, _) = crate::asn1::split_tlv(&parts[1]).unwrap();
                let extension = tlv(0x30, &[6, 1, 0x2a, 1, 1, 0, 4, 0]);
                parts[1] = tlv(0x30, &[template, &tlv(0xa9, &extension)].concat());
                message.cert_req = any(tlv(0x30, &parts.concat()));
            })
        }),
    ]
}

fn response_cases() -> Vec<(Rule, Vec<u8>)> {
    let pop = vector("06a-encrypted-pop-1/response.der");
    let bare = |content: bool| {
        edit(&response(), |s| {
            s.version = 1.into();
            s.digest_algorithms = vec![].into();
            s.signer_infos = vec![].into();
            s.encap_content_info.content_type = oid::owned(oid::ID_DATA);
            s.encap_content_info.content = None;
            if !content {
                s.certificates = Some(vec![].into());
            }
        })
    };
    vec![
        (Rule::EmptyResponse, edit_response(|r| r.control_sequence.clear())),
        (Rule::NoCertificates, bare(false)),
        (Rule::SignedDataVersion, edit(&bare(true), |s| s.version = 3.into())),
        (Rule::StatusVersion, saying(oid::CMC_STATUS_INFO, &[0x30, 8, 2, 1, 0, 0x30, 3, 2, 1, 1])),
        (Rule::EmptyBodyList, saying(oid::CMC_STATUS_INFO_V2, &[0x30, 5, 2, 1, 0, 0x30, 0])),
        (Rule::UnknownStatus, status(99, &[])),
        (Rule::FailInfoMisplaced, status(0, &[2, 1, 2])),
        (Rule::ExtendedAlone, status(2, &tlv(0xa1, &[6, 1, 0x2a, 5, 0]))),
        (Rule::NoPendInfo, status(3, &[])),
        (Rule::NoRecipientNonce, status(0, &[])),
        (Rule::PopRequiredAlone, status(6, &[])),
        (Rule::PopAlgorithm, pop),
        (
            Rule::ResponseSigner,
            // The agent's certificate and sid in a response.
            edit(&response(), |s| {
                let info: ContentInfo = decode("x", &agent()).unwrap();
                let agent: SignedData = decode("x", info.content.as_bytes()).unwrap();
                s.certificates = agent.certificates;
                let mut signer = s.signer_infos.to_vec()[0].clone();
                signer.sid = agent.signer_infos.to_vec()[0].sid.clone();
                s.signer_infos = vec![signer].into();
            }),
        ),
    ]
}

/// Messages that each rule is silent on in one of each form.
fn good() -> Vec<Vec<u8>> {
    let key = Key::ec();
    let no_null = edit_signer(&own(&key, full_spec()), |s| s.digest_algorithm.parameters = None);
    let normal = edit_signer(&response(), |s| s.digest_algorithm.parameters = None);
    let certificates = edit(&normal, |s| {
        s.version = 1.into();
        s.signer_infos = vec![].into();
        s.encap_content_info.content_type = oid::owned(oid::ID_DATA);
        s.encap_content_info.content = None;
    });
    let nonce = edit_response(|r| {
        r.control_sequence.push(raw(oid::CMC_RECIPIENT_NONCE, vec![4, 1, 1]));
    });
    let own_request = pkcs10(&key).der().to_vec();
    vec![agent(), crmf(), no_null, normal, certificates, nonce, own_request]
}

#[test]
fn each_rule_is_broken_by_one_message_and_kept_by_another() {
    let mut cases = outer_cases();
    cases.extend(control_cases());
    cases.extend(request_cases());
    cases.extend(response_cases());
    let good: Vec<(Form, Vec<Rule>)> =
        good().iter().map(|der| (read(der).unwrap().form, broken(der))).collect();
    for (at, (rule, der)) in cases.iter().enumerate() {
        let form = read(der).unwrap_or_else(|e| panic!("{rule:?}: {e}")).form;
        assert!(broken(der).contains(rule), "{rule:?} (case {at}): {:?}", broken(der));
        let kept = good.iter().any(|(other, broken)| *other == form && !broken.contains(rule));
        assert!(kept, "{rule:?} is never kept by a {form:?}");
    }
    for rule in Rule::ALL {
        assert!(cases.iter().any(|(of, _)| of == rule), "no message breaks {rule:?}");
        assert!(rule.rfc().is_some() || rule.dogtag().is_some(), "{rule:?} is nobody's");
    }
}

/// Returns the rules of Dogtag that matter to it.
fn refused(der: &[u8]) -> Vec<Rule> {
    let all = findings(der).into_iter();
    all.filter(|f| f.judge == Judge::Dogtag && f.severity == Severity::Must)
        .map(|f| f.rule)
        .collect()
}

#[test]
fn dogtag_has_no_objection_to_what_its_own_tools_made_and_it_accepted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let mut seen = 0;
    for folder in std::fs::read_dir(folder).unwrap() {
        let path = folder.unwrap().path().join("request.der");
        let Ok(der) = std::fs::read(&path) else { continue };
        seen += 1;
        assert_eq!(refused(&der), [], "{}", path.display());
    }
    assert!(seen > 10);
}

#[test]
fn dogtag_objects_to_nothing_that_is_built_for_it() {
    for key in [Key::ec(), Key::rsa()] {
        let controls = vec![
            Control::SenderNonce(vec![1; 16]),
            Control::DataReturn(vec![1]),
            Control::RegInfo(vec![1]),
        ];
        for spec in [full_spec(), CmcSpec::default(), CmcSpec { controls, ..full_spec() }] {
            assert_eq!(refused(&own(&key, spec)), []);
        }
    }
    for passphrase in [None, Some("s")] {
        let controls = vec![revocation(passphrase)];
        assert_eq!(refused(&unsigned(CmcSpec { controls, ..CmcSpec::default() })), []);
    }
}

#[test]
fn a_finding_says_who_objects_and_where() {
    let found = findings(&with_raw(oid::CMC_GET_CRL, vec![5, 0]));
    let damaged: Vec<&Finding> = found.iter().filter(|f| f.rule == Rule::ControlDamaged).collect();
    let place = Place::Control { body_part_id: "777".into(), name: "getCRL".into() };
    assert!(damaged.iter().all(|f| f.place == place), "{damaged:?}");
    let judges: Vec<Judge> = damaged.iter().map(|f| f.judge).collect();
    assert_eq!(judges, [Judge::Rfc, Judge::Dogtag]);
    assert_eq!(damaged[0].section, Some("RFC 5272 §6"));
}

#[test]
fn damaged_messages_are_judged_without_panic() {
    for der in [agent(), crmf(), response(), vector("06a-encrypted-pop-1/response.der")] {
        for at in (0..der.len()).step_by(7) {
            let mut bad = der.clone();
            bad[at] ^= 1 << (at % 8);
            if let Ok(message) = read(&bad) {
                judge(&message);
            }
        }
    }
}
