//! PKIResponses, encoded as Dogtag does.

use der::Tag;

use crate::certs;
use crate::element::{integer, octets, oid, sequence, set, tlv};
use crate::request::PkiData;

/// Controls: the number in id-cmc, and the DER of the SET of values.
pub type Controls = Vec<(u32, Vec<u8>)>;

/// CMCFailInfo and text.
pub struct Failure(pub u8, pub String);

/// Returns a failure with a text.
pub fn failure(info: u8, text: &str) -> Failure {
    Failure(info, text.to_owned())
}

/// Returns the failure for everything that CMCAuth refuses.
pub fn invalid_credential() -> Failure {
    failure(2, "Invalid Credential.")
}

/// Returns dataReturn, transactionId, recipientNonce and a new senderNonce, in Dogtag's order.
pub fn echoes(data: &PkiData<'_>) -> Controls {
    let mut echoed = Vec::new();
    for (from, to) in [(4, 4), (5, 5), (6, 7)] {
        if let Some(values) = data.control(from) {
            echoed.push((to, values.to_vec()));
        }
    }
    if data.control(6).is_some() {
        // 46 octets: base64 and a line end, like Dogtag's.
        let nonce = octets(b"c3RhbmQtaW4gc3RhbmQtaW4gc3RhbmQtaW4gc3RhbmQt\r\n");
        echoed.push((6, set(vec![nonce])));
    }
    echoed
}

/// Returns the SET with one CMCStatusInfoV2 (RFC 5272 §6.1.1) for a body part (DER of its id).
pub fn status_info(status: u8, body_part: &[u8], text: Option<&str>, fail: Option<u8>) -> Vec<u8> {
    let parts = sequence(&[body_part]);
    let text = text.map(|t| tlv(Tag::Utf8String, t.as_bytes())).unwrap_or_default();
    let fail = fail.map(|n| integer(&[n])).unwrap_or_default();
    set(vec![sequence(&[&integer(&[status]), &parts, &text, &fail])])
}

/// Returns the SET with a pending status: pendToken, and pendTime in seconds since 1970.
pub fn pending(body_part: &[u8], token: &[u8], time: u64) -> Vec<u8> {
    let info = sequence(&[&octets(token), &certs::generalized(time)]);
    let parts = sequence(&[body_part]);
    set(vec![sequence(&[&integer(&[3]), &parts, &info])])
}

/// Returns the DER of a PKIResponse; the controls are numbered from 1.
pub fn response(controls: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (i, (number, values)) in controls.iter().enumerate() {
        let kind = format!("1.3.6.1.5.5.7.7.{number}");
        let kind = der::asn1::ObjectIdentifier::new(&kind).map(|o| oid(&o)).unwrap_or_default();
        all.extend(sequence(&[&integer(&(i as u32 + 1).to_be_bytes()), &kind, values]));
    }
    sequence(&[&tlv(Tag::Sequence, &all), &sequence(&[]), &sequence(&[])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::one;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Octets that a real Dogtag sent.
    #[test]
    fn responses_are_dogtag_s_octets() {
        let success = response(&[(25, status_info(0, &integer(&[1]), None, None))]);
        assert_eq!(
            hex(&success),
            "3021301b301902010106082b06010505070719310a3008020100300302010130003000"
        );
        let denied = status_info(2, &integer(&[0]), Some("Invalid Credential."), Some(2));
        assert_eq!(
            hex(&response(&[(25, denied)])),
            "30393033303102010106082b060105050707193122302002010230030201000c13496e76616c69642043\
             726564656e7469616c2e02010230003000"
                .replace(' ', "")
        );
        assert_eq!(hex(&response(&[])), "3006300030003000");
        assert!(one(&success).is_ok());
    }
}
