//! Key options and output files of PKCS10Client and CRMFPopClient.

use std::path::{Path, PathBuf};

use nss_cmc::algorithm::{Curve, KemSet, KeySpec, ParameterSet};
use nss_cmc::client::output;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::nss::{KeyFlags, KeyUses};
use nss_cmc::pem;

fn usage(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

/// Returns algorithm and size from the options, with the Java tools' defaults.
pub fn key_spec(algorithm: &str, length: Option<u32>, curve_name: Option<&str>) -> Result<KeySpec> {
    match algorithm {
        "rsa" => Ok(KeySpec::Rsa(length.unwrap_or(2048))),
        "ec" => curve(curve_name.unwrap_or("nistp256")).map(KeySpec::Ec),
        "mldsa" => {
            let number = length.unwrap_or(65);
            ParameterSet::from_number(number).map(KeySpec::MlDsa).ok_or_else(|| {
                usage(format!("Invalid ML-DSA strength: {number}")).because("use 44, 65 or 87")
            })
        }
        "mlkem" => {
            let number = length.unwrap_or(768);
            KemSet::from_number(number).map(KeySpec::MlKem).ok_or_else(|| {
                usage(format!("Invalid ML-KEM strength: {number}")).because("use 512, 768 or 1024")
            })
        }
        other => Err(usage(format!("Invalid algorithm: {other}"))
            .because("use rsa, ec, mldsa or mlkem (if NSS supports it)")),
    }
}

/// Returns a curve by the name that Dogtag's tools or the standards use.
fn curve(name: &str) -> Result<Curve> {
    Curve::from_name(name).ok_or_else(|| {
        usage(format!("Unknown curve: {name}"))
            .because("use nistp256 (secp256r1), nistp384 (secp384r1) or nistp521 (secp521r1)")
    })
}

/// Parses a number; [`Kind::Usage`] for an invalid one.
pub fn number(option: &str, text: &str) -> Result<u32> {
    text.parse().map_err(|_| usage(format!("Illegal input parameters for {option}: {text}")))
}

/// Parses -1 (the token's default), 0 or 1.
pub fn tristate(option: &str, text: &str) -> Result<Option<bool>> {
    match text {
        "-1" => Ok(None),
        "0" => Ok(Some(false)),
        "1" => Ok(Some(true)),
        _ => Err(usage(format!("Illegal input parameters for {option}: {text}"))),
    }
}

/// Returns the flags of an EC or ML-DSA key; without `sensitive`, a permanent key is sensitive.
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

/// Returns a request as the Java tools write it: base64 in lines of 76 characters with CR LF,
/// header and footer with LF.
pub fn request_text(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}-----END CERTIFICATE REQUEST-----\n",
        pem::lines(der, 76, "\r\n")
    )
}

/// Writes the request, and the key identifier, without line end, to `<output>.keyId`, which is
/// returned. There is no file beside a device, a pipe or standard output (`/dev/stdout`).
pub fn store(output: &Path, der: &[u8], id: &[u8]) -> Result<Option<PathBuf>> {
    let text = request_text(der);
    if !output::is_file(output)? {
        return output::write(output, text.as_bytes(), output::Mode::Default).map(|()| None);
    }
    let mut name = output.as_os_str().to_owned();
    name.push(".keyId");
    let file = PathBuf::from(name);
    let id = keyid::to_dogtag(id);
    let mode = output::Mode::Default;
    output::write_together(&[(output, text.as_bytes(), mode), (&file, id.as_bytes(), mode)])?;
    Ok(Some(file))
}
