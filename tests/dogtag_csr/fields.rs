//! Requests compared with Java's for the same input, by the elements that openssl lists.
//!
//! Intended differences:
//! * CRMFPopClient: strings are UTF8String, as in PKCS #10 requests, where Java writes
//!   PrintableString, TeletexString or UniversalString; countries are PrintableString in both. `-k`
//!   selects the same types in both.
//! * CRMFPopClient: the AlgorithmIdentifier of an ECDSA signature has no parameters (RFC 5758),
//!   where Java writes NULL.
//! * CRMFPopClient: attributes that Java refuses, RDNs that it drops, and backslashes that it
//!   leaves in a value are read by RFC 4514.
//! * Several attributes in one RDN are in DER's order; Java keeps the order of the input.
//! * PKCS10Client: `-k true` selects string types, as Java 11.10 does; Java 10.10 ignores it.
//! * CRMFPopClient `-y`: the subject key identifier is bare, as the CAs of both versions read it, and
//!   as Java 10.10 writes it. Java 11.10 writes an OCTET STRING in it, and `critical FALSE`, which
//!   its own CA refuses.

use super::common::der;
use super::common::dogtag::{Lab, folder, java, lab};
use super::common::{Folder, PASSWORD, tool};
use super::{By, Maker, Wish, old_name};

/// Returns depth, tag and, except for key material, value of each element of a request.
fn shape(f: &Folder, file: &str) -> Vec<String> {
    let text = tool("openssl", f.path(), &["asn1parse", "-in", file]);
    assert!(!text.contains("l=inf"), "indefinite length: {text}");
    let element = |line: &str| {
        let (_, rest) = line.split_once("d=").unwrap();
        let (depth, rest) = rest.split_once(' ').unwrap();
        let (head, what) = rest.split_once(": ").unwrap();
        let length = head.split(" l=").nth(1).unwrap().split_whitespace().next().unwrap();
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        if what.starts_with("BIT STRING") {
            format!("{depth} BIT STRING")
        } else if what.starts_with("OCTET STRING") {
            format!("{depth} OCTET STRING of {length}")
        } else {
            format!("{depth} {what}")
        }
    };
    text.lines().map(element).collect()
}

/// Runs a tool of both implementations with the same arguments; returns the two requests' elements.
fn both(f: &Folder, tool: &str, args: &[&str]) -> (Vec<String>, Vec<String>) {
    let made = |by, out: &str| {
        let all = [&[tool, "-d", "db", "-p", PASSWORD, "-o", out], args].concat();
        old_name(f, by, &all).exits(0);
        assert_layout(f, out);
        shape(f, out)
    };
    (made(By::Java, "java.req"), made(By::Us, "ours.req"))
}

/// Both write header and footer with LF, lines of 76 characters with CR LF, and the key id without
/// line end.
fn assert_layout(f: &Folder, out: &str) {
    let text = String::from_utf8(f.read(out)).unwrap();
    let body = text
        .strip_prefix("-----BEGIN CERTIFICATE REQUEST-----\n")
        .and_then(|t| t.strip_suffix("-----END CERTIFICATE REQUEST-----\n"))
        .unwrap_or_else(|| panic!("{text}"));
    let body = body.strip_suffix("\r\n").unwrap();
    let mut lines: Vec<&str> = body.split("\r\n").collect();
    let last = lines.pop().unwrap();
    assert!(lines.iter().all(|l| l.len() == 76) && last.len() <= 76, "{text}");
    let id = String::from_utf8(f.read(&format!("{out}.keyId"))).unwrap();
    let bytes = nss_cmc::keyid::parse(&id).unwrap();
    assert_eq!(nss_cmc::keyid::to_dogtag(&bytes), id);
}

const NAMES: &[&str] = &[
    "CN=a,O=b,C=US",
    "cn=A b c; ou=d;o=e",
    "UID=alice,OU=people,DC=lab,DC=test",
    "CN=ü,L=Zürich,ST=€,O=LAB",
    "E=a@b.c,MAIL=d@e.f,SN=x,GIVENNAME=y,TITLE=z",
    "SERIALNUMBER=12,STREET=s,INITIALS=i,GENERATIONQUALIFIER=g,DNQUALIFIER=q",
    "UNSTRUCTUREDNAME=n,UNSTRUCTUREDADDRESS=a",
    "2.5.4.3=x,OID.2.5.4.10=y",
    "O=Example\\, Inc.,CN=\"quoted, too\"",
    "O=x=y",
    "CN=a+OU=b,O=c",
];

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn pkcs10_requests_are_java_s() {
    let f = folder("csr-fields-p10");
    for name in NAMES {
        let (theirs, ours) = both(&f, "PKCS10Client", &["-n", name, "-a", "ec"]);
        assert_eq!(ours, theirs, "{name}");
    }
    for args in [
        &["-a", "rsa"][..],
        &["-a", "rsa", "-l", "3072", "-y", "true"],
        &["-a", "ec", "-y", "true"],
        &["-a", "ec", "-c", "secp256r1"],
        &["-a", "ec", "-c", "nistp384"],
        &["-a", "ec", "-c", "secp384r1", "-s", "1", "-e", "-1"],
        &["-a", "ec", "-c", "nistp521", "-y", "false"],
        &["-a", "ec", "-c", "secp521r1", "-t", "true"],
        // Ignored for rsa, as in Java.
        &["-c", "nistp384", "-s", "0", "-e", "0", "-t", "false"],
    ] {
        let all = [args, &["-n", "CN=a,O=b"]].concat();
        let (theirs, ours) = both(&f, "PKCS10Client", &all);
        assert_eq!(ours, theirs, "{args:?}");
    }
    // A SET is in DER order: here the shorter OID's value is first, whatever the input.
    let (theirs, ours) = both(&f, "PKCS10Client", &["-a", "ec", "-n", "OU=b+CN=a"]);
    assert_ne!(ours, theirs);
    let (typed, _) = both(&f, "PKCS10Client", &["-a", "ec", "-n", "CN=a+OU=b"]);
    assert_eq!(ours, typed);
    let name = ["-a", "ec", "-n", "CN=BMPString:x", "-k", "true"];
    let (theirs, ours) = both(&f, "PKCS10Client", &name);
    match lab() {
        Lab::V10 => {
            let ignored = |l: &String| l.ends_with("UTF8STRING :BMPString:x");
            assert!(theirs.iter().any(ignored), "{theirs:?}");
        }
        Lab::V11 => assert_eq!(ours, theirs),
    }
    assert!(ours.iter().any(|l| l.contains("BMPSTRING")), "{ours:?}");
}

/// Returns Java's elements with the differences above applied, and no other.
fn as_ours(theirs: Vec<String>) -> Vec<String> {
    let mut ours: Vec<String> = Vec::new();
    for line in theirs {
        let before = ours.last().map(String::as_str).unwrap_or_default();
        if before.ends_with(":ecdsa-with-SHA256") && line.ends_with(" NULL") {
            continue;
        }
        let by_11 = lab() == Lab::V11 && before.ends_with(":X509v3 Subject Key Identifier");
        if by_11 && line.ends_with(" BOOLEAN :0") {
            continue;
        }
        if by_11 && line.ends_with(" OCTET STRING of 22") {
            ours.push(line.replace("of 22", "of 20"));
            continue;
        }
        let country = before.ends_with(":countryName");
        let (depth, what) = line.split_once(' ').unwrap();
        match what.strip_prefix("PRINTABLESTRING ") {
            Some(value) if !country => ours.push(format!("{depth} UTF8STRING {value}")),
            _ => ours.push(line),
        }
    }
    ours
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn crmf_requests_are_java_s_but_for_what_is_listed() {
    let f = folder("csr-fields-crmf");
    std::fs::copy(super::client_file("kra_transport.pem"), f.file("kra.pem")).unwrap();
    for args in [
        &["-a", "rsa"][..],
        &["-a", "rsa", "-l", "3072", "-y"],
        &["-a", "rsa", "-q", "POP_NONE"],
        &["-a", "rsa", "-q", "POP_FAIL"],
        &["-a", "rsa", "-t", "true"],
        &["-a", "rsa", "-b", "kra.pem"],
        &["-a", "rsa", "-b", "kra.pem", "-w", "AES/CBC/PKCS5Padding"],
        &["-a", "rsa", "-b", "kra.pem", "-w", "aes keywrap/padding", "-q", "POP_NONE", "-y"],
        &["-a", "rsa", "-b", "kra.pem", "-w", "DES3/CBC/Pad"],
        &["-a", "ec"],
        &["-a", "ec", "-c", "secp256r1", "-y"],
        &["-a", "ec", "-c", "nistp384", "-q", "POP_FAIL"],
        &["-a", "ec", "-c", "secp384r1", "-t", "false", "-q", "POP_NONE"],
        &["-a", "ec", "-c", "nistp521", "-s", "0", "-e", "1"],
        &["-a", "ec", "-c", "secp521r1", "-b", "kra.pem"],
        &["-a", "ec", "-b", "kra.pem", "-w", "AES/CBC/PKCS5Padding"],
        &["-a", "ec", "-x", "true", "-q", "POP_NONE"],
    ] {
        let all = [args, &["-n", "UID=u,CN=a b,OU=c,O=d,L=e,ST=f,C=US"]].concat();
        let (theirs, ours) = both(&f, "CRMFPopClient", &all);
        assert_eq!(ours, as_ours(theirs), "{args:?}");
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn string_types_are_java_s_when_they_are_named() {
    let f = folder("csr-fields-k");
    let name = "CN=UTF8String:ü,OU=BMPString:ü,O=PrintableString:x y,L=TeletexString:ü,\
                ST=UniversalString:ü,UID=UTF8String:a_b,C=US";
    for (args, prefixes) in
        [(&["-k", "true"], true), (&["-k", "TRUE"], true), (&["-k", "yes"], false)]
    {
        let all = [&["-a", "ec", "-n", name], &args[..]].concat();
        let ec_null = |shape: Vec<String>| -> Vec<String> {
            let at = shape.iter().position(|l| l.ends_with(":ecdsa-with-SHA256")).unwrap();
            shape
                .into_iter()
                .enumerate()
                .filter(|(i, l)| *i != at + 1 || !l.ends_with("NULL"))
                .map(|(_, l)| l)
                .collect()
        };
        if prefixes {
            let (theirs, ours) = both(&f, "CRMFPopClient", &all);
            assert_eq!(ours, ec_null(theirs), "{args:?}");
        } else {
            let all = [&["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-o", "ours.req"], &all[..]]
                .concat();
            f.nss_cmc(&all).exits(0);
            assert!(shape(&f, "ours.req").iter().any(|l| l.ends_with("UTF8STRING :BMPString:ü")));
        }
    }
}

/// Names that Java truncates or refuses.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn names_that_java_spoils_are_whole() {
    let f = folder("csr-fields-names");
    for (name, lost, kept) in
        [("CN=a+OU=b,O=c", "commonName", ":commonName"), ("CN=a,O=x=y", "organizationName", ":x=y")]
    {
        let (theirs, ours) = both(&f, "CRMFPopClient", &["-a", "ec", "-n", name]);
        assert!(!theirs.iter().any(|l| l.contains(lost)), "{theirs:?}");
        assert!(ours.iter().any(|l| l.ends_with(kept)), "{ours:?}");
        // As in a PKCS #10 request, in both.
        let (p10, ours_p10) = both(&f, "PKCS10Client", &["-a", "ec", "-n", name]);
        assert_eq!(p10, ours_p10);
        let name = |shape: &[String]| -> Vec<String> {
            let text = shape.iter().filter(|l| l.contains("Name") || l.contains("STRING :"));
            text.map(|l| l.split_once(' ').unwrap().1.to_owned()).collect()
        };
        assert_eq!(name(&ours), name(&p10));
    }
    let name = ["-a", "ec", "-n", "CN=a,O=Example\\, Inc."];
    let (theirs, ours) = both(&f, "CRMFPopClient", &name);
    assert!(theirs.iter().any(|l| l.ends_with("T61STRING :Example\\, Inc.")), "{theirs:?}");
    assert!(ours.iter().any(|l| l.ends_with("UTF8STRING :Example, Inc.")), "{ours:?}");
    for refused in ["CN=a,DC=lab", "UID=a@b,O=c", "E=a@b.c,CN=x"] {
        let args = ["CRMFPopClient", "-d", "db", "-p", PASSWORD, "-a", "ec", "-n", refused];
        java(&f, &args).exits(1);
        f.nss_cmc(&args).exits(0);
    }
}

/// The identifier is SHA-1 of the key's bits: an OCTET STRING in PKCS #10, bare in CRMF, in both
/// implementations; but see above for Java 11.10.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn subject_key_identifiers_are_of_the_key() {
    let f = folder("csr-fields-ski");
    for maker in super::MAKERS {
        for (format, key) in [
            ("pkcs10", "rsa:2048"),
            ("pkcs10", "ec:nistp256"),
            ("crmf", "rsa:2048"),
            ("crmf", "ec:nistp256"),
        ] {
            Wish { identifier: true, ..Wish::new(format, key, "CN=a") }.make(&f, maker).exits(0);
            let der = der::pem::to_der(&f.read("x.req"));
            let text = tool("openssl", f.path(), &["asn1parse", "-in", "x.req"]);
            let bits = text.lines().find(|l| l.contains("BIT STRING")).unwrap();
            let at: usize = bits.split(':').next().unwrap().trim().parse().unwrap();
            let content = der::split_tlv(&der[at..]).unwrap().1;
            let id = openssl::sha::sha1(&content[1..]);
            let value = match format {
                "pkcs10" => [&[0x04, 22, 0x04, 20][..], &id].concat(),
                // FALSE, and an OCTET STRING.
                _ if maker == Maker::Old(By::Java) && lab() == Lab::V11 => {
                    [&[0x01, 1, 0, 0x04, 22, 0x04, 20][..], &id].concat()
                }
                _ => [&[0x04, 20][..], &id].concat(),
            };
            let with_oid = [&[0x06, 3, 0x55, 0x1d, 0x0e][..], &value].concat();
            assert!(der.windows(with_oid.len()).any(|w| w == with_oid), "{maker:?} {format} {key}");
        }
    }
    // The request of `csr create` has the same fields as the old tool's; for P-384 the digests differ.
    for (format, key) in [("pkcs10", "rsa:2048"), ("crmf", "ec:nistp256")] {
        let wish = Wish { identifier: true, ..Wish::new(format, key, "CN=a,O=b") };
        wish.make(&f, Maker::Old(By::Us)).exits(0);
        let old = shape(&f, "x.req");
        wish.make(&f, Maker::Create).exits(0);
        assert_eq!(shape(&f, "x.req"), old, "{format}");
    }
}
