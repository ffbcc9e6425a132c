//! Reads input files of an expected kind; for another kind, the error says which one it is.

use std::io::{self, BufRead, Read};
use std::path::Path;

use crate::asn1::pem;
use crate::error::{Error, Kind, Result};
use crate::inspect::what_is;
use crate::interrupt;

/// The expected kinds of file for a certificate request.
pub const CERTIFICATE_REQUEST: &str = "a PKCS #10 request or a CRMF request";
/// The expected kinds of file for a certificate.
pub const CERTIFICATE: &str = "a certificate or a PKCS #7 file of certificates";

/// Reads a whole input file, 16 MiB at most; `-` is standard input.
///
/// # Errors
/// [`Kind::Input`].
pub fn read(what: &str, path: &Path) -> Result<Vec<u8>> {
    let failed = |e: io::Error| {
        Error::new(Kind::Input, format!("cannot read {what} {}", path.display())).because(e)
    };
    let limit = crate::asn1::LARGEST as u64;
    let stdin = path.as_os_str() == "-";
    let name = path.to_owned();
    let read = move || {
        let mut bytes = Vec::new();
        let done = if stdin {
            io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(name).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes))
        };
        done.map(|_| bytes)
    };
    // Opening a pipe waits for its writer.
    let bytes =
        if stdin || interrupt::may_wait(path) { interrupt::blocking(read)? } else { read() };
    let bytes = bytes.map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(
            Kind::Input,
            format!("{what} {} is larger than 16 MiB", path.display()),
        ));
    }
    Ok(bytes)
}

/// Reads a line of standard input; a signal interrupts it.
///
/// # Errors
/// [`Kind::Input`], [`Kind::Interrupted`].
pub fn line() -> Result<String> {
    let read = interrupt::blocking(|| {
        let mut line = String::new();
        io::stdin().lock().take(LINE_LIMIT).read_line(&mut line).map(|_| line)
    })?;
    read.map_err(|e| Error::new(Kind::Input, "cannot read standard input").because(e))
}

/// The longest line read from a terminal, in octets.
const LINE_LIMIT: u64 = 4096;

/// Decodes `bytes` (DER, PEM or base64) with `read`; returns the DER and the result. `what` names
/// the file, `wanted` the expected kinds.
///
/// # Errors
/// That of `read`; [`Kind::Input`] with the file's kind if that isn't one of `wanted`.
pub fn parsed<T>(
    what: &str,
    wanted: &str,
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<(Vec<u8>, T)> {
    let parsed = pem::to_der(what, bytes).and_then(|der| read(&der).map(|read| (der, read)));
    parsed.map_err(|e| mistaken(what, wanted, bytes, e))
}

/// Returns the error `e` of reading `what`, or an error with the file's kind if that isn't one of
/// `wanted`.
pub fn mistaken(what: &str, wanted: &str, bytes: &[u8], e: Error) -> Error {
    match what_is(bytes).filter(|is| !wanted.contains(is)) {
        // `e` says the same, with a better hint.
        None | Some("empty" | "an HTML page") => e,
        Some(is) => {
            let what = format!("cannot use {what}: this is {is}");
            Error::new(Kind::Input, what).hint(format!("use {wanted}: DER, PEM or base64"))
        }
    }
}
