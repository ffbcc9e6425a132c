//! confirmCertAcceptance (RFC 5272 §6.14), for profiles whose name asks for confirmations.

use der::Tag;

use crate::answer::{Controls, echoes, status_info};
use crate::certs::parts;
use crate::element::{Refused, one};
use crate::request::{Control, PkiData};
use crate::store::Store;

/// The control's number in id-cmc.
pub const CONFIRM_CERT_ACCEPTANCE: u32 = 24;

/// Returns the response to a confirmation: success when it names a certificate issued here, else
/// badCertId. `confirm-refused` refuses each one, as Dogtag does; `confirm-silent` sends no status.
pub fn confirm(
    control: &Control<'_>,
    wish: &str,
    data: &PkiData<'_>,
    store: &Store,
) -> Result<Controls, Refused> {
    let value = *one(control.values)?.within(Tag::Set)?.first().ok_or("no value")?;
    let [issuer, serial] = value.within(Tag::Sequence)?[..] else {
        return Err("no CMCCertId".into());
    };
    let [name] = issuer.within(Tag::Sequence)?[..] else { return Err("no name".into()) };
    let certificate = store.certificate(serial.content_of(Tag::Integer)?);
    let known =
        certificate.as_deref().is_some_and(|der| parts(der).is_ok_and(|p| p.issuer == name.whole));
    let mut controls = echoes(data);
    match wish {
        "confirm-silent" => {}
        "confirm" if known => controls.push((25, status_info(0, control.id, None, None))),
        _ => controls.push((25, status_info(2, control.id, None, Some(4)))),
    }
    Ok(controls)
}
