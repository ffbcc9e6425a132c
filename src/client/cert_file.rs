//! Reads the certificates in a file: a single one, a PEM bundle, or PKCS #7 as `CMCResponse -o`
//! writes it.

use crate::asn1::{certificate, oid, pem};
use crate::client::input;
use crate::cmc::response::{certificates_of, open_signed_data};
use crate::error::{Error, Kind, Result};

/// The most certificates read from one file.
const MOST: usize = 100;

/// Returns the certificates (DER) in `bytes`, without duplicates, in the order of the file. `bytes`
/// is DER, base64, PEM with any number of blocks and text around them (private keys are skipped), or
/// PKCS #7 (RFC 5652 §5) in any of these forms. `what` names the file in errors.
///
/// # Errors
/// [`Kind::Input`]; the message says what the file contains instead.
pub fn certificates(what: &str, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    all(what, bytes).map_err(|e| input::mistaken(what, input::CERTIFICATE, bytes, e))
}

fn all(what: &str, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let passed_over = |label: &str| label.ends_with("PRIVATE KEY") || label.ends_with("PARAMETERS");
    let mut found: Vec<Vec<u8>> = Vec::new();
    for (label, der) in pem::all(what, bytes)? {
        if passed_over(&label) {
            continue;
        }
        let these =
            if certificate::fields(&der).is_ok() { vec![der] } else { package(what, &der)? };
        for der in these {
            if !found.contains(&der) {
                found.push(der);
            }
        }
    }
    if found.is_empty() {
        return Err(Error::new(Kind::Input, format!("{what} contains no certificate")));
    }
    if found.len() > MOST {
        let what = format!("{what} contains {} certificates, the limit is {MOST}", found.len());
        return Err(Error::new(Kind::Input, what));
    }
    // Fail before anything is changed.
    for der in &found {
        certificate::read(der).map_err(|e| {
            Error::new(e.kind(), format!("cannot read a certificate in {what}")).because(e)
        })?;
    }
    Ok(found)
}

fn package(what: &str, der: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (signed, _) = open_signed_data(what, der)?;
    if *signed.encap_content_info.content_type == *oid::ID_CCT_PKI_DATA {
        // The certificates in a request are those of its signer.
        return Err(Error::new(Kind::Input, format!("{what} is a CMC request")));
    }
    Ok(certificates_of(&signed))
}

/// Returns `all` with the certificate first that issued none of the others. `what` names the file.
///
/// # Errors
/// [`Kind::Input`] when no certificate, or more than one, issued none of the others.
pub fn leaf_first(what: &str, mut all: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    let issued_another = |own: &[u8]| {
        certificate::fields(own).is_ok_and(|own_fields| {
            all.iter().any(|c| {
                c.as_slice() != own
                    && certificate::fields(c).is_ok_and(|f| f.issuer == own_fields.subject)
            })
        })
    };
    let leaves: Vec<usize> =
        all.iter().enumerate().filter(|(_, c)| !issued_another(c)).map(|(n, _)| n).collect();
    match leaves.as_slice() {
        [leaf] => {
            let leaf = all.remove(*leaf);
            all.insert(0, leaf);
            Ok(all)
        }
        [] => Err(Error::new(
            Kind::Input,
            format!("{what} contains certificates that issued each other"),
        )
        .hint("import each certificate from a separate file")),
        several => {
            let what = format!(
                "{what} contains {} certificates that issued none of the others",
                several.len()
            );
            Err(Error::new(Kind::Input, what)
                .hint("import one certificate with its issuers at a time"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn a_file_holds_one_certificate_or_a_chain() {
        let ca = certificates("x", &read("ca_signing.pem")).unwrap();
        assert_eq!(ca.len(), 1);
        assert_eq!(certificates("x", &ca[0]).unwrap(), ca);
        let response = read("01-rsa-server/response.der");
        let chain = certificates("x", &response).unwrap();
        assert_eq!(chain.len(), 2);
        let chain = leaf_first("x", chain).unwrap();
        let (leaf, root) = (&chain[0], &chain[1]);
        assert_eq!(
            certificate::fields(leaf).unwrap().issuer,
            certificate::fields(root).unwrap().subject
        );
        let pem = |label: &str, der: &[u8]| pem::encode(label, der);
        let key = pem("PRIVATE KEY", &[0x30, 0]);
        for file in [
            pem("PKCS7", &response),
            pem("CERTIFICATE CHAIN", &response),
            pem("CMS", &response),
            format!("text\n{}{}{key}text", pem("CERTIFICATE", root), pem("CERTIFICATE", leaf)),
            format!("{key}{0}{0}{1}", pem("CERTIFICATE", leaf), pem("X509 CERTIFICATE", root)),
            pem::base64(&response),
        ] {
            let found = certificates("x", file.as_bytes()).unwrap();
            assert_eq!(leaf_first("x", found).unwrap(), chain, "{file}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        for (bytes, what) in [
            (&b"nothing"[..], "cannot read x"),
            (b"", "it is empty"),
            (pem::encode("PRIVATE KEY", &[0x30, 0]).as_bytes(), "this is a private key"),
        ] {
            let e = certificates("x", bytes).unwrap_err();
            assert_eq!(e.kind(), Kind::Input);
            assert!(e.to_string().contains(what), "{e}");
        }
        let e = certificates("x", &read("01-rsa-server/request.der")).unwrap_err();
        assert!(e.to_string().contains("CMC request"), "{e}");
        let one = certificates("x", &read("ca_signing.pem")).unwrap();
        let other = certificates("x", &read("kra_transport.pem")).unwrap();
        assert!(leaf_first("x", [one.clone(), other].concat()).is_ok());
        let two = certificates("x", &read("01-rsa-server/response.der")).unwrap();
        let leaf = leaf_first("x", two).unwrap().remove(0);
        let e = leaf_first(
            "x",
            vec![leaf, certificates("x", &read("kra_transport.pem")).unwrap().remove(0)],
        );
        assert!(e.is_err());
    }
}
