//! What PKCS10Client and CRMFPopClient have in common: key options and output files.

use std::path::{Path, PathBuf};

use nss_cmc::algorithm::{Curve, KeySpec, ParameterSet};
use nss_cmc::asn1::pem;
use nss_cmc::client::output;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::nss::{KeyFlags, KeyUses};

fn usage(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

/// Algorithm and size as the options say; the tools' defaults where they say nothing.
pub fn key_spec(algorithm: &str, length: Option<u32>, curve_name: Option<&str>) -> Result<KeySpec> {
    match algorithm {
        "rsa" => Ok(KeySpec::Rsa(length.unwrap_or(2048))),
        "ec" => curve(curve_name.unwrap_or("nistp256")).map(KeySpec::Ec),
        "mldsa" => {
            let number = length.unwrap_or(65);
            ParameterSet::from_number(number).map(KeySpec::MlDsa).ok_or_else(|| {
                usage(format!("Invalid ML-DSA strength: {number}"))
                    .because("44, 65 and 87 are known")
            })
        }
        other => Err(usage(format!("Invalid algorithm: {other}"))
            .because("rsa, ec and mldsa (where NSS has it) are known")),
    }
}

/// A curve by the names of the tools and of the standards.
fn curve(name: &str) -> Result<Curve> {
    Curve::from_name(name).ok_or_else(|| {
        usage(format!("Unknown curve: {name}")).because(
            "NSS makes keys on nistp256 (secp256r1), nistp384 (secp384r1) and nistp521 (secp521r1)",
        )
    })
}

/// A number; Java's exception for anything else has no better text.
pub fn number(option: &str, text: &str) -> Result<u32> {
    text.parse().map_err(|_| usage(format!("Illegal input parameters for {option}: {text}")))
}

/// -1 (as the token likes), 0 or 1.
pub fn tristate(option: &str, text: &str) -> Result<Option<bool>> {
    match text {
        "-1" => Ok(None),
        "0" => Ok(Some(false)),
        "1" => Ok(Some(true)),
        _ => Err(usage(format!("Illegal input parameters for {option}: {text}"))),
    }
}

/// Flags of an EC or ML-DSA key; `sensitive` unset means: unless temporary.
pub fn flags(
    temporary: bool,
    sensitive: Option<bool>,
    extractable: Option<bool>,
    uses: KeyUses,
) -> KeyFlags {
    KeyFlags {
        permanent: !temporary,
        sensitive: sensitive.unwrap_or(!temporary),
        extractable,
        uses,
    }
}

/// A request as the tools write it: 76 columns with CR LF between header and footer with LF.
pub fn request_text(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}-----END CERTIFICATE REQUEST-----\n",
        pem::lines(der, 76, "\r\n")
    )
}

/// `<file>.keyId`.
pub fn key_id_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".keyId");
    PathBuf::from(name)
}

/// Writes the request and, without line end, the key id beside it.
pub fn store(output: &Path, der: &[u8], id: &[u8]) -> Result<()> {
    let text = request_text(der);
    let id = keyid::to_dogtag(id);
    output::write_together(&[(output, text.as_bytes()), (&key_id_file(output), id.as_bytes())])
}
