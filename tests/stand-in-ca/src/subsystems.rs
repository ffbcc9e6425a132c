//! Certificates of a CA's own subsystems, as Dogtag's installation makes them.

use crate::certs::{self, ext_key_usage, key_usage, name_text, parts};
use crate::element::Refused;
use crate::keys::Key;
use crate::store::Store;

const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// Issues the certificates. Returns one line each: serial number in hexadecimal, whether the
/// records mark it as the system's own (those of a KRA are issued to an agent), subject.
pub fn issue(store: &Store) -> Result<String, Refused> {
    let client = || vec![key_usage(&[0, 1, 2, 3]), ext_key_usage(&[CLIENT_AUTH])];
    let mut lines = String::new();
    for (cn, own, extensions) in [
        ("CA OCSP Signing Certificate", true, vec![ext_key_usage(&[OCSP_SIGNING])]),
        ("Responder 7", false, vec![ext_key_usage(&[OCSP_SIGNING])]),
        ("Subsystem Certificate", true, client()),
        ("CA Audit Signing Certificate", true, vec![key_usage(&[0, 1])]),
        ("Renamed by its installation", true, client()),
        ("DRM Transport Certificate", false, client()),
        ("DRM Storage Certificate", false, client()),
    ] {
        // Keys are wrapped for RSA.
        let spki = Key::generate(!cn.contains("Transport"))?.spki()?;
        let subject = certs::name(cn, Some("STAND-IN"));
        let certificate = if own {
            store.issue_own(&subject, &spki, extensions)?
        } else {
            store.issue(&subject, &spki, (-1, 700), extensions)?
        };
        let serial: String =
            parts(&certificate)?.serial.iter().map(|b| format!("{b:02x}")).collect();
        let serial = serial.trim_start_matches('0');
        lines.push_str(&format!(
            "0x{serial} {} {}\n",
            if own { "own" } else { "issued" },
            name_text(&subject)
        ));
    }
    Ok(lines)
}
