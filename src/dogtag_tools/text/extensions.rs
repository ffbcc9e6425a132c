//! X.509 extensions (RFC 5280 §4.2) as text: one block each, 16 blanks in.

use rasn::prelude::*;
use rasn_pkix::{
    AuthorityKeyIdentifier, BasicConstraints, DisplayText, DistributionPoint,
    DistributionPointName, Extension, GeneralName, PolicyInformation, PolicyQualifierInfo,
    ReasonFlags, UserNotice,
};

use super::certificate::serial_number;
use super::{Page, decimal, hex, printable};
use crate::asn1::key_usage::{self, KeyUsage};
use crate::asn1::name;
use crate::asn1::{decode, oid};
use crate::error::{Error, Kind, Result};

const AT: usize = 16;
const IN: usize = AT + 4;
const DEEP: usize = AT + 8;

/// What follows the `Critical:` line of an extension, from its value.
type Body = fn(&mut Page, &[u8]) -> Result<()>;

/// The extensions with a form of their own: arc below id-ce (2.5.29), name, body.
const KNOWN: &[(u32, &str, Body)] = &[
    (14, "Subject Key Identifier ", subject_key_identifier),
    (15, "Key Usage: ", key_usages),
    (17, "Subject Alternative Name ", subject_alternative_name),
    (18, "Issuer Alternative Name ", issuer_alternative_name),
    (19, "Basic Constraints ", basic_constraints),
    (31, "CRL Distribution Points ", crl_distribution_points),
    (32, "Certificate Policies: ", certificate_policies),
    (35, "Authority Key Identifier ", authority_key_identifier),
    (37, "Extended Key Usage: ", extended_key_usage),
];

/// Prints one extension; as octets when it isn't in the table or can't be decoded.
pub(super) fn print(page: &mut Page, extension: &Extension) {
    let id = oid::dotted(&extension.extn_id);
    let critical = if extension.critical { "Critical: yes " } else { "Critical: no " };
    let known = match extension.extn_id.as_ref() {
        [2, 5, 29, arc] => KNOWN.iter().find(|(a, ..)| a == arc),
        _ => None,
    };
    if let Some((_, name, body)) = known {
        let mut block = Page::default();
        block.line(AT, format!("Identifier: {name}- {id}"));
        block.line(IN, critical);
        if body(&mut block, &extension.extn_value).is_ok() {
            page.0.push_str(&block.0);
            return;
        }
    }
    page.line(AT, format!("Identifier: {id}"));
    page.line(IN, critical);
    page.line(IN, "Value: ");
    page.hex(DEEP, &extension.extn_value);
}

fn subject_key_identifier(page: &mut Page, value: &[u8]) -> Result<()> {
    let id: OctetString = decode("a key identifier", value)?;
    page.line(IN, "Key Identifier: ");
    page.hex(DEEP, &id);
    Ok(())
}

fn authority_key_identifier(page: &mut Page, value: &[u8]) -> Result<()> {
    let id: AuthorityKeyIdentifier = decode("an authority key identifier", value)?;
    if let Some(key) = &id.key_identifier {
        page.line(IN, "Key Identifier: ");
        page.hex(DEEP, key);
    }
    for name in id.authority_cert_issuer.iter().flatten() {
        page.line(IN, format!("Authority Name: {}", general_name(name)?));
    }
    if let Some(serial) = id.authority_cert_serial_number {
        page.line(IN, format!("Serial Number: 0x{}", serial_number(serial.into())));
    }
    Ok(())
}

fn key_usages(page: &mut Page, value: &[u8]) -> Result<()> {
    let usages = key_usage::usages("a key usage", value)?;
    page.line(IN, "Key Usage: ");
    for usage in usages {
        page.line(DEEP, usage_name(usage));
    }
    Ok(())
}

/// The tool's own words.
fn usage_name(usage: KeyUsage) -> &'static str {
    match usage {
        KeyUsage::DigitalSignature => "Digital Signature ",
        KeyUsage::NonRepudiation => "Non Repudiation ",
        KeyUsage::KeyEncipherment => "Key Encipherment ",
        KeyUsage::DataEncipherment => "Data Encipherment ",
        KeyUsage::KeyAgreement => "Key Agreement ",
        KeyUsage::KeyCertSign => "Key CertSign ",
        KeyUsage::CrlSign => "Crl Sign ",
        KeyUsage::EncipherOnly => "Encipher Only ",
        KeyUsage::DecipherOnly => "Decipher Only ",
    }
}

fn extended_key_usage(page: &mut Page, value: &[u8]) -> Result<()> {
    let purposes = key_usage::purposes("an extended key usage", value)?;
    page.line(IN, "Extended Key Usage: ");
    for purpose in &purposes {
        if **purpose == *oid::KP_OCSP_SIGNING {
            page.line(DEEP, "OCSPSigning");
        } else {
            page.line(DEEP, oid::dotted(purpose));
        }
    }
    Ok(())
}

fn basic_constraints(page: &mut Page, value: &[u8]) -> Result<()> {
    let constraints: BasicConstraints = decode("basic constraints", value)?;
    page.line(IN, if constraints.ca { "Is CA: yes " } else { "Is CA: no " });
    let length = match constraints.path_len_constraint {
        None => "UNLIMITED".to_owned(),
        Some(n) if n < Integer::ZERO => format!("INVALID ({})", decimal(n)),
        Some(n) => decimal(n),
    };
    page.line(IN, format!("Path Length Constraint: {length}"));
    Ok(())
}

fn subject_alternative_name(page: &mut Page, value: &[u8]) -> Result<()> {
    alternative_names(page, "Value: ", value)
}

fn issuer_alternative_name(page: &mut Page, value: &[u8]) -> Result<()> {
    alternative_names(page, "Issuer Names: ", value)
}

fn alternative_names(page: &mut Page, label: &str, value: &[u8]) -> Result<()> {
    // One by one as bytes: rasn's OtherName holds OCTET STRINGs only.
    let names: Vec<Any> = decode("general names", value)?;
    page.line(IN, label);
    for name in &names {
        let der = name.as_bytes();
        let text = match der.first() {
            Some(0xa0) => other_name(&decode("an other name", der)?),
            Some(0xa4) => format!("DirectoryName: {}", general_name(&decode("a name", der)?)?),
            _ => general_name(&decode("a general name", der)?)?,
        };
        page.line(DEEP, text);
    }
    Ok(())
}

/// OtherName within GeneralName, any value.
#[derive(AsnType, Decode)]
#[rasn(tag(0))]
struct OtherName {
    type_id: ObjectIdentifier,
    #[rasn(tag(explicit(0)))]
    value: Any,
}

fn other_name(other: &OtherName) -> String {
    let id = oid::dotted(&other.type_id);
    let der = other.value.as_bytes();
    let kind = match der.first() {
        Some(0x0c) => "UTF8String",
        Some(0x13) => "PrintableString",
        Some(0x16) => "IA5String",
        Some(0x1e) => "BMPString",
        _ => "Any",
    };
    match name::characters(der) {
        Some(text) if kind != "Any" => format!("OtherName: ({kind}){id},{}", printable(&text)),
        _ => format!("OtherName: (Any){id},{}", hex(der).to_lowercase()),
    }
}

/// One general name; a directory name without a label, as in lists of names.
///
/// # Errors
/// [`Kind::Input`] for kinds and lengths without a text: the extension is then shown as octets.
fn general_name(name: &GeneralName) -> Result<String> {
    Ok(match name {
        GeneralName::Rfc822Name(mail) => format!("RFC822Name: {}", printable(&mail.to_string())),
        GeneralName::DnsName(host) => format!("DNSName: {}", printable(&host.to_string())),
        GeneralName::Uri(uri) => format!("URIName: {}", printable(&uri.to_string())),
        GeneralName::RegisteredId(id) => format!("OIDName: {}", oid::dotted(id)),
        GeneralName::DirectoryName(name) => name::dn(name),
        GeneralName::IpAddress(octets) => format!("IPAddress: {}", address(octets)?),
        GeneralName::OtherName(_) | GeneralName::X400Address(_) | GeneralName::EdiPartyName(_) => {
            return Err(Error::new(Kind::Input, "no text for this kind of general name"));
        }
    })
}

/// IPv4 or IPv6 address, with its mask after a comma if there is one; IPv6 uncompressed.
fn address(octets: &[u8]) -> Result<String> {
    let v4 = |o: &[u8]| o.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    let v6 = |o: &[u8]| {
        let (groups, _) = o.as_chunks::<2>();
        let groups = groups.iter().map(|g| format!("{:x}", u16::from_be_bytes(*g)));
        groups.collect::<Vec<_>>().join(":")
    };
    let (address, mask) = octets.split_at(octets.len() / 2);
    match octets.len() {
        4 => Ok(v4(octets)),
        8 => Ok(format!("{},{}", v4(address), v4(mask))),
        16 => Ok(v6(octets)),
        32 => Ok(format!("{},{}", v6(address), v6(mask))),
        n => Err(Error::new(Kind::Input, format!("an IP address of {n} octets"))),
    }
}

fn name_list(names: &[GeneralName]) -> Result<String> {
    let names: Result<Vec<String>> = names.iter().map(general_name).collect();
    Ok(format!("[{}]", names?.join(", ")))
}

fn crl_distribution_points(page: &mut Page, value: &[u8]) -> Result<()> {
    let points: Vec<DistributionPoint> = decode("CRL distribution points", value)?;
    page.line(IN, format!("Number of Points: {}", points.len()));
    for (i, point) in points.iter().enumerate() {
        page.line(IN, format!("Point {i}"));
        match &point.distribution_point {
            Some(DistributionPointName::FullName(names)) => {
                page.line(DEEP, format!("Distribution Point: {}", name_list(names)?));
            }
            Some(DistributionPointName::NameRelativeToCrlIssuer(rdn)) => {
                page.line(DEEP, format!("Distribution Point: {}", name::rdn(rdn)));
            }
            None => {}
        }
        if let Some(reasons) = &point.reasons {
            page.line(DEEP, format!("Reason Flags: {}", reason_names(reasons)));
        }
        if let Some(issuer) = &point.crl_issuer {
            page.line(DEEP, format!("CRL Issuer: {}", name_list(issuer)?));
        }
        if *point == DistributionPoint::default() {
            page.line(DEEP, "<i>empty</i>");
        }
    }
    Ok(())
}

fn reason_names(flags: &ReasonFlags) -> String {
    const NAMES: [&str; 9] = [
        "unused",
        "keyCompromise",
        "cACompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "certificateHold",
        "privilegeWithdrawn",
        "aACompromise",
    ];
    let set: Vec<&str> = flags.iter().zip(NAMES).filter(|(bit, _)| **bit).map(|(_, n)| n).collect();
    set.join(", ")
}

fn certificate_policies(page: &mut Page, value: &[u8]) -> Result<()> {
    let policies: Vec<PolicyInformation> = decode("certificate policies", value)?;
    page.line(IN, "Certificate Policies: ");
    for policy in &policies {
        let id = oid::dotted(&policy.policy_identifier);
        page.line(DEEP, format!("Policy Identifier: {id}"));
        for qualifier in policy.policy_qualifiers.iter().flatten() {
            policy_qualifier(page, qualifier)?;
        }
    }
    Ok(())
}

fn policy_qualifier(page: &mut Page, qualifier: &PolicyQualifierInfo) -> Result<()> {
    const CPS: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 2, 1];
    const NOTICE: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 2, 2];
    const LABEL: &str = "Policy Qualifier Identifier: ";
    let id = oid::dotted(&qualifier.id);
    let der = qualifier.qualifier.as_bytes();
    match qualifier.id.as_ref() {
        CPS => {
            page.line(DEEP + 4, format!("{LABEL}CPS Pointer Qualifier - {id}"));
            let uri: Ia5String = decode("a CPS pointer", der)?;
            let uri = uri.to_string();
            page.line(DEEP + 4, format!("Policy Qualifier Data: {}", printable(&uri)));
        }
        NOTICE => {
            page.line(DEEP + 4, format!("{LABEL}CPS User Notice Qualifier - {id}"));
            page.line(DEEP + 4, "Policy Qualifier Data: ");
            let notice: UserNotice = decode("a user notice", der)?;
            if let Some(reference) = &notice.notice_ref {
                let organization = display_text(&reference.organisation)?;
                let numbers: Vec<String> =
                    reference.notice_numbers.iter().cloned().map(decimal).collect();
                page.line(DEEP + 8, format!("Organization: {organization}"));
                page.line(DEEP + 8, format!("Notice Numbers: {}", numbers.join(",")));
            }
            if let Some(text) = &notice.explicit_text {
                page.line(DEEP + 8, format!("Explicit Text: {}", display_text(text)?));
            }
        }
        _ => {
            page.line(DEEP + 4, format!("{LABEL}{id}"));
            page.line(DEEP + 4, "Policy Qualifier Data: ");
            page.hex(DEEP + 8, der);
        }
    }
    Ok(())
}

fn display_text(text: &DisplayText) -> Result<String> {
    let kind = match text {
        DisplayText::Ia5String(_) => "IA5String",
        DisplayText::VisibleString(_) => "VisibleString",
        DisplayText::BmpString(_) => "BMPString",
        DisplayText::Utf8String(_) => "UTF8String",
    };
    let characters = name::characters(&crate::asn1::encode("a display text", text)?)
        .ok_or_else(|| Error::new(Kind::Input, "can't read a display text"))?;
    Ok(format!("{kind}: {}", printable(&characters)))
}
