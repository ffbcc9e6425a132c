//! `pki` beside the stand-in CA: options, output, exit status.

use super::common::{Folder, PASSWORD, Said};
use super::{fill, issued, start, subsystems};

/// `pki` on the folder's database and a CA.
#[track_caller]
fn pki(f: &Folder, url: &str, args: &[&str]) -> Said {
    f.nss_cmc(&[&["pki", "-d", "db", "-U", url], args].concat())
}

const OLD: &str = "WARNING: pki cert has been deprecated. Use pki ca-cert instead.\n";

fn boxed(text: &str) -> String {
    let line = "-".repeat(text.len());
    format!("{line}\n{text}\n{line}\n")
}

#[test]
fn a_search_is_laid_out_as_java_s() {
    for (offer, total) in [("v1", true), ("v2", false), ("both", false)] {
        let (f, ca) = start(offer);
        let all = issued(&f);
        let said = pki(&f, &ca.url, &["cert-find"]).exits(0);
        assert_eq!(said.err, OLD);
        let new = pki(&f, &ca.url, &["ca-cert-find"]).exits(0);
        assert_eq!((&new.out, &new.err[..]), (&said.out, ""));
        let n = all.len();
        let head = if total { boxed(&format!("{n} entries found")) } else { String::new() };
        assert!(said.out.starts_with(&format!("{head}  Serial Number: 0x1\n")), "{}", said.out);
        assert!(said.out.ends_with(&boxed(&format!("Number of entries returned {n}"))));
        for [serial, _, subject] in &all {
            let lines =
                format!("  Serial Number: {serial}\n  Subject DN: {subject}\n  Issuer DN: ");
            assert!(said.out.contains(&lines), "{lines} is not in {}", said.out);
        }
        assert_eq!(said.out.matches("\n\n  Serial Number: ").count(), n - 1);
        assert!(said.out.contains("  Type: X.509 version 3\n"));
        let none = pki(&f, &ca.url, &["ca-cert-find", "--name", "nobody"]).exits(0);
        let empty = if total { "0 entries found" } else { "Number of entries returned 0" };
        assert_eq!(none.out, boxed(empty));
    }
}

#[test]
fn pages() {
    let (f, ca) = start("v1");
    fill(&f, 1000);
    let n = issued(&f).len();
    let serials = |args: &[&str]| -> Vec<String> {
        let said = pki(&f, &ca.url, &[&["ca-cert-find"], args].concat()).exits(0);
        assert!(said.out.starts_with(&boxed(&format!("{n} entries found"))), "{}", said.out);
        let lines = said.out.lines().filter_map(|l| l.strip_prefix("  Serial Number: "));
        lines.map(str::to_owned).collect()
    };
    let all: Vec<String> = issued(&f).into_iter().map(|[serial, ..]| serial).collect();
    assert_eq!(serials(&[]), all[..20]);
    assert_eq!(serials(&["--size", "5000"]), all);
    assert_eq!(serials(&["--start", "7", "--size", "700"]), all[7..707]);
    assert_eq!(serials(&["--start=990"]), all[990..]);
    assert_eq!(serials(&["--start", "5000", "--size", "5"]), [""; 0]);
}

#[test]
fn a_certificate_and_its_pem() {
    for offer in ["v1", "v2"] {
        let (f, ca) = start(offer);
        let [serial, _, subject] = &issued(&f)[1];
        let lines = format!("  Serial Number: {serial}\n  Subject DN: {subject}\n");
        let said = pki(&f, &ca.url, &["cert-show", serial, "--output", "c.pem"]).exits(0);
        assert!(said.out.starts_with(&lines), "{}", said.out);
        assert!(said.out.contains("  Status: VALID\n  Not Valid Before: "), "{}", said.out);
        let deprecated =
            "WARNING: The --output option has been deprecated. Use pki ca-cert-export instead.\n";
        assert_eq!(said.err, format!("{OLD}{deprecated}"));
        let read = |file: &str| {
            let args = ["x509", "-noout", "-serial", "-in", file];
            super::common::tool("openssl", f.path(), &args)
        };
        let number = u32::from_str_radix(serial.trim_start_matches("0x"), 16).unwrap();
        assert_eq!(read("c.pem"), format!("serial={number:02X}\n"));
        let decimal = number.to_string();
        let export = ["ca-cert-export", &decimal, "--output-file", "d.pem"];
        assert_eq!(pki(&f, &ca.url, &export).exits(0).out, "");
        assert_eq!(f.read("c.pem"), f.read("d.pem"));
        let said = pki(&f, &ca.url, &["ca-cert-export", serial]).exits(0);
        assert_eq!(said.out.as_bytes(), f.read("d.pem"));
        let der = ["ca-cert-export", serial, "--output-format", "der", "--output-file", "c.der"];
        pki(&f, &ca.url, &der).exits(0);
        assert_eq!(f.read("c.der"), super::common::der::pem::to_der(&f.read("c.pem")));
    }
}

#[test]
fn the_ca_s_own() {
    let (f, ca) = start("both");
    let none = pki(&f, &ca.url, &["ca-cert-transport-show"]);
    assert_eq!((none.code, &none.out[..]), (255, ""));
    subsystems(&f);
    let said = pki(&f, &ca.url, &["ca-cert-transport-show"]).exits(0);
    assert!(said.out.contains("  Subject DN: CN=DRM Transport Certificate,O=STAND-IN\n"));
    assert!(!said.out.contains("Status"), "{}", said.out);
    pki(&f, &ca.url, &["ca-cert-transport-export", "--pkcs7", "--output-file", "t.p7"]).exits(0);
    let args = ["pkcs7", "-print_certs", "-noout", "-in", "t.p7"];
    let names = super::common::tool("openssl", f.path(), &args);
    assert_eq!(names.matches("subject=").count(), 2, "{names}");
    pki(&f, &ca.url, &["ca-cert-signing-export", "--output-file", "ca2.pem"]).exits(0);
    let to_der = super::common::der::pem::to_der;
    assert_eq!(to_der(&f.read("ca2.pem")), to_der(&f.read("ca/ca.pem")));
}

#[test]
fn failures_are_java_s_lines_and_255() {
    let (f, ca) = start("v1");
    for (args, err) in [
        (&["foo"][..], "ERROR: Invalid module \"foo\"."),
        (&["cert-foo"], "ERROR: Invalid module \"cert-foo\"."),
        (&["ca-cert-show"], "ERROR: Missing Serial Number."),
        (&["ca-cert-export"], "ERROR: Missing serial number"),
        (&["ca-cert-show", "0xfffff"], "CertNotFoundException: Certificate ID 0xfffff not found"),
        (&["ca-cert-show", "xyz"], "NumberFormatException: For input string: \"xyz\""),
        (&["ca-cert-find", "--size", "x"], "NumberFormatException: For input string: \"x\""),
        (&["ca-cert-find", "--size", "-1"], "NumberFormatException: For input string: \"-1\""),
        (&["ca-cert-find", "extra"], "ERROR: Too many arguments specified."),
        (&["ca-cert-find", "--foo"], "Unrecognized option: --foo"),
        (&["ca-cert-export", "1", "--output-format", "FOO"], "ERROR: Unsupported format: FOO"),
        (&["ca-cert-find", "--revocationReason", "x"], "ERROR: Invalid revocation reason"),
        (
            &["ca-cert-find", "--validityUnit", "fortnight"],
            "ERROR: Invalid validity duration unit: fortnight",
        ),
        (&["ca-cert-find", "--status", "BOGUS"], "ERROR: Invalid certificate status: BOGUS"),
        (&["ca-cert-find", "--issuedOnTo", "2026-13-41"], "ERROR: Invalid date: 2026-13-41"),
        (
            &["ca-cert-find", "--minSerialNumber", "z"],
            "NumberFormatException: For input string: \"z\"",
        ),
        (
            &["-c", "x", "-C", "y", "ca-cert-find"],
            "ERROR: The -c, -C, -f options are mutually exclusive.",
        ),
        (
            &["-n", "a", "-u", "b", "ca-cert-find"],
            "ERROR: The -n and -u options are mutually exclusive.",
        ),
    ] {
        let said = pki(&f, &ca.url, args).exits(255);
        assert_eq!(said.out, "", "{args:?}");
        let first = said.err.lines().find(|l| !l.starts_with("WARNING: ")).unwrap();
        assert_eq!(first, err, "{args:?}");
    }
    let said = pki(&f, &ca.url, &["--version"]).exits(0);
    assert!(said.out.starts_with("PKI Command-Line Interface "));
    for args in [&["--help"][..], &[], &["ca-cert-find", "--help"], &["ca-cert-show", "--help"]] {
        assert!(pki(&f, &ca.url, args).exits(0).out.starts_with("usage: "), "{args:?}");
    }
}

#[test]
fn host_port_and_client_certificate() {
    let (f, ca) = start("v1");
    let port = ca.port.to_string();
    f.write_secret("conf", format!("internal={PASSWORD}\n"));
    for login in [
        &[][..],
        &["-n", "agent", "-C", "pw"],
        &["-n", "agent", "-c", PASSWORD],
        &["-n", "agent", "-f", "conf"],
    ] {
        let server = ["pki", "-d", "db", "-P", "https", "-h", "localhost", "-p", &port];
        let find = ["ca-cert-find", "--size", "1"];
        let said = f.nss_cmc(&[&server, login, &find].concat());
        said.exits(0);
    }
    let wrong = f.nss_cmc(&[
        "pki",
        "-d",
        "db",
        "-U",
        &ca.url,
        "-n",
        "agent",
        "-c",
        "wrong",
        "ca-cert-find",
    ]);
    assert!(wrong.exits(255).err.contains("password"));
}

#[test]
fn only_what_is_named_is_overlooked() {
    let (f, ca) = start("v1");
    let other = ca.url.replace("localhost", "127.0.0.1");
    pki(&f, &other, &["ca-cert-find"]).exits(0);
    f.certutil(&["-D", "-n", "ca_signing"]);
    let find = ["ca-cert-find", "--size", "1"];
    let said = pki(&f, &ca.url, &find).exits(255);
    assert!(said.err.contains("SEC_ERROR_UNKNOWN_ISSUER"), "{}", said.err);
    let ignore = ["--ignore-cert-status", "UNKNOWN_ISSUER,EXPIRED_CERTIFICATE"];
    let said = pki(&f, &ca.url, &[&ignore[..], &find].concat()).exits(0);
    assert!(
        said.err.contains("WARNING: UNKNOWN_ISSUER encountered on 'CN=localhost'"),
        "{}",
        said.err
    );
    let reject = ["--reject-cert-status", "UNKNOWN_ISSUER"];
    pki(&f, &ca.url, &[&ignore[..], &reject, &find].concat()).exits(255);
    let said = pki(&f, &ca.url, &["--ignore-cert-status", "REVOKED_CERTIFICATE", "ca-cert-find"]);
    assert!(said.exits(255).err.contains("these can be ignored"));
}

#[test]
fn search_constraints_from_a_file() {
    let (f, ca) = start("v1");
    let request = |body: &str| f.write("search.xml", format!("<?xml version=\"1.0\"?>{body}"));
    let find = |args: &[&str]| {
        pki(&f, &ca.url, &[&["ca-cert-find", "--input", "search.xml"], args].concat())
    };
    request(
        "<CertSearchRequest><subjectInUse>true</subjectInUse><commonName>agent</commonName><org/></CertSearchRequest>",
    );
    let said = find(&[]).exits(0);
    assert!(said.out.contains("  Subject DN: CN=agent,O=STAND-IN\n"));
    assert_eq!(said.out.matches("Serial Number").count(), 1, "{}", said.out);
    assert_eq!(find(&["--name", "nobody"]).exits(0).out, boxed("0 entries found"));
    for (body, why) in [
        ("<CertSearchRequest>", "search constraints"),
        ("<x/>", "not a CertSearchRequest"),
        ("<CertSearchRequest><foo>x</foo></CertSearchRequest>", "foo is no search constraint"),
        (
            "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><CertSearchRequest><org>&x;</org></CertSearchRequest>",
            "search constraints",
        ),
    ] {
        request(body);
        let said = find(&[]).exits(255);
        assert!(said.err.contains(why), "{body}: {}", said.err);
    }
    pki(&f, &ca.url, &["ca-cert-find", "--input", "none.xml"]).exits(255);
}
