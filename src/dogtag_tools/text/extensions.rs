//! Prints X.509 extensions (RFC 5280 §4.2): one block each, indented by 16 blanks.

use num_bigint::{BigInt, Sign};

use super::certificate::serial_number;
use super::{Page, decimal, hex, printable};
use nss_cmc::certificate::KeyUsage;
use nss_cmc::certificate::{
    AuthorityKeyIdentifier, BasicConstraints, DisplayText, DistributionPoint,
    DistributionPointName, Extension, GeneralName, Policy, PolicyQualifier, Qualifier,
    REASON_FLAGS, Value,
};
use nss_cmc::name::characters;

const AT: usize = 16;
const IN: usize = AT + 4;
const DEEP: usize = AT + 8;

/// Prints one extension; in hexadecimal when it has no form of its own or can't be decoded.
pub(super) fn print(page: &mut Page, extension: &Extension) {
    let id = extension.id();
    let critical = if extension.critical { "Critical: yes " } else { "Critical: no " };
    if let Ok(value) = extension.decode()
        && let Some(name) = name_of(&value)
    {
        let mut block = Page::default();
        block.line(AT, format!("Identifier: {name}- {id}"));
        block.line(IN, critical);
        if body(&mut block, &value).is_some() {
            page.0.push_str(&block.0);
            return;
        }
    }
    page.line(AT, format!("Identifier: {id}"));
    page.line(IN, critical);
    page.line(IN, "Value: ");
    page.hex(DEEP, &extension.value);
}

/// Returns the name of an extension that is printed decoded.
fn name_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::SubjectKeyIdentifier(_) => "Subject Key Identifier ",
        Value::KeyUsage(_) => "Key Usage: ",
        Value::SubjectAltName(_) => "Subject Alternative Name ",
        Value::IssuerAltName(_) => "Issuer Alternative Name ",
        Value::BasicConstraints(_) => "Basic Constraints ",
        Value::CrlDistributionPoints(_) => "CRL Distribution Points ",
        Value::CertificatePolicies(_) => "Certificate Policies: ",
        Value::AuthorityKeyIdentifier(_) => "Authority Key Identifier ",
        Value::ExtKeyUsage(_) => "Extended Key Usage: ",
        Value::Other => return None,
    })
}

/// Prints the lines after `Critical:`; returns `None` when a part has no text.
fn body(page: &mut Page, value: &Value) -> Option<()> {
    match value {
        Value::SubjectKeyIdentifier(id) => key_identifier(page, id),
        Value::KeyUsage(usages) => key_usages(page, usages),
        Value::SubjectAltName(names) => alternative_names(page, "Value: ", names)?,
        Value::IssuerAltName(names) => alternative_names(page, "Issuer Names: ", names)?,
        Value::BasicConstraints(constraints) => basic_constraints(page, constraints),
        Value::CrlDistributionPoints(points) => crl_distribution_points(page, points)?,
        Value::CertificatePolicies(policies) => certificate_policies(page, policies),
        Value::AuthorityKeyIdentifier(id) => authority_key_identifier(page, id)?,
        Value::ExtKeyUsage(purposes) => extended_key_usage(page, purposes),
        Value::Other => return None,
    }
    Some(())
}

fn key_identifier(page: &mut Page, id: &[u8]) {
    page.line(IN, "Key Identifier: ");
    page.hex(DEEP, id);
}

fn authority_key_identifier(page: &mut Page, id: &AuthorityKeyIdentifier) -> Option<()> {
    if let Some(key) = &id.key {
        key_identifier(page, key);
    }
    for name in &id.issuer {
        page.line(IN, format!("Authority Name: {}", general_name(name)?));
    }
    if let Some(serial) = &id.serial {
        page.line(IN, format!("Serial Number: 0x{}", serial_number(serial.clone())));
    }
    Some(())
}

fn key_usages(page: &mut Page, usages: &[KeyUsage]) {
    page.line(IN, "Key Usage: ");
    for usage in usages.iter().copied() {
        page.line(DEEP, usage_name(usage));
    }
}

/// Returns the Java tool's name of a key usage.
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

fn extended_key_usage(page: &mut Page, purposes: &[String]) {
    const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
    page.line(IN, "Extended Key Usage: ");
    for purpose in purposes {
        page.line(DEEP, if purpose == OCSP_SIGNING { "OCSPSigning" } else { purpose });
    }
}

fn basic_constraints(page: &mut Page, constraints: &BasicConstraints) {
    page.line(IN, if constraints.ca { "Is CA: yes " } else { "Is CA: no " });
    let length = match &constraints.path_length {
        None => "UNLIMITED".to_owned(),
        Some(n) if n.sign() == Sign::Minus => format!("INVALID ({})", decimal(n.clone())),
        Some(n) => decimal(n.clone()),
    };
    page.line(IN, format!("Path Length Constraint: {length}"));
}

fn alternative_names(page: &mut Page, label: &str, names: &[GeneralName]) -> Option<()> {
    page.line(IN, label);
    for name in names {
        let text = match name {
            GeneralName::Other(id, der) => other_name(id, der),
            GeneralName::Directory(_) => format!("DirectoryName: {}", general_name(name)?),
            _ => general_name(name)?,
        };
        page.line(DEEP, text);
    }
    Some(())
}

fn other_name(id: &str, der: &[u8]) -> String {
    let kind = match der.first() {
        Some(0x0c) => "UTF8String",
        Some(0x13) => "PrintableString",
        Some(0x16) => "IA5String",
        Some(0x1e) => "BMPString",
        _ => "Any",
    };
    match characters(der) {
        Some(text) if kind != "Any" => format!("OtherName: ({kind}){id},{}", printable(&text)),
        _ => format!("OtherName: (Any){id},{}", hex(der).to_lowercase()),
    }
}

/// Returns one general name, a directory name without a label; `None` for kinds and lengths without
/// a text.
fn general_name(name: &GeneralName) -> Option<String> {
    Some(match name {
        GeneralName::Email(mail) => format!("RFC822Name: {}", printable(mail)),
        GeneralName::Dns(host) => format!("DNSName: {}", printable(host)),
        GeneralName::Uri(uri) => format!("URIName: {}", printable(uri)),
        GeneralName::RegisteredId(id) => format!("OIDName: {id}"),
        GeneralName::Directory(name) => name.clone(),
        GeneralName::Ip(octets) => format!("IPAddress: {}", address(octets)?),
        GeneralName::Other(..) | GeneralName::Unread => return None,
    })
}

/// Returns an IPv4 or IPv6 address, with a comma and the mask if there is one; IPv6 uncompressed.
fn address(octets: &[u8]) -> Option<String> {
    let v4 = |o: &[u8]| o.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    let v6 = |o: &[u8]| {
        let (groups, _) = o.as_chunks::<2>();
        let groups = groups.iter().map(|g| format!("{:x}", u16::from_be_bytes(*g)));
        groups.collect::<Vec<_>>().join(":")
    };
    let (address, mask) = octets.split_at(octets.len() / 2);
    match octets.len() {
        4 => Some(v4(octets)),
        8 => Some(format!("{},{}", v4(address), v4(mask))),
        16 => Some(v6(octets)),
        32 => Some(format!("{},{}", v6(address), v6(mask))),
        _ => None,
    }
}

fn name_list(names: &[GeneralName]) -> Option<String> {
    let names: Option<Vec<String>> = names.iter().map(general_name).collect();
    Some(format!("[{}]", names?.join(", ")))
}

fn crl_distribution_points(page: &mut Page, points: &[DistributionPoint]) -> Option<()> {
    page.line(IN, format!("Number of Points: {}", points.len()));
    for (i, point) in points.iter().enumerate() {
        let DistributionPoint { name, reasons, crl_issuer } = point;
        page.line(IN, format!("Point {i}"));
        match name {
            Some(DistributionPointName::Full(names)) => {
                page.line(DEEP, format!("Distribution Point: {}", name_list(names)?));
            }
            Some(DistributionPointName::Relative(rdn)) => {
                page.line(DEEP, format!("Distribution Point: {rdn}"));
            }
            None => {}
        }
        if let Some(reasons) = reasons {
            page.line(DEEP, format!("Reason Flags: {}", reason_names(reasons)));
        }
        if let Some(issuer) = crl_issuer {
            page.line(DEEP, format!("CRL Issuer: {}", name_list(issuer)?));
        }
        if name.is_none() && reasons.is_none() && crl_issuer.is_none() {
            page.line(DEEP, "<i>empty</i>");
        }
    }
    Some(())
}

fn reason_names(flags: &[bool]) -> String {
    let set: Vec<&str> =
        flags.iter().zip(REASON_FLAGS).filter(|(bit, _)| **bit).map(|(_, n)| n).collect();
    set.join(", ")
}

fn certificate_policies(page: &mut Page, policies: &[Policy]) {
    page.line(IN, "Certificate Policies: ");
    for policy in policies {
        page.line(DEEP, format!("Policy Identifier: {}", policy.id));
        for qualifier in &policy.qualifiers {
            policy_qualifier(page, qualifier);
        }
    }
}

fn policy_qualifier(page: &mut Page, qualifier: &PolicyQualifier) {
    const LABEL: &str = "Policy Qualifier Identifier: ";
    let id = &qualifier.id;
    match &qualifier.value {
        Qualifier::Cps(uri) => {
            page.line(DEEP + 4, format!("{LABEL}CPS Pointer Qualifier - {id}"));
            page.line(DEEP + 4, format!("Policy Qualifier Data: {}", printable(uri)));
        }
        Qualifier::Notice(reference, text) => {
            page.line(DEEP + 4, format!("{LABEL}CPS User Notice Qualifier - {id}"));
            page.line(DEEP + 4, "Policy Qualifier Data: ");
            if let Some((organization, numbers)) = reference {
                let numbers: Vec<String> = numbers.iter().cloned().map(decimal::<BigInt>).collect();
                page.line(DEEP + 8, format!("Organization: {}", display_text(organization)));
                page.line(DEEP + 8, format!("Notice Numbers: {}", numbers.join(",")));
            }
            if let Some(text) = text {
                page.line(DEEP + 8, format!("Explicit Text: {}", display_text(text)));
            }
        }
        Qualifier::Other(der) => {
            page.line(DEEP + 4, format!("{LABEL}{id}"));
            page.line(DEEP + 4, "Policy Qualifier Data: ");
            page.hex(DEEP + 8, der);
        }
    }
}

fn display_text(DisplayText(kind, text): &DisplayText) -> String {
    format!("{kind}: {}", printable(text))
}
