//! A CMC answer, as CMCResponse of Dogtag 10.10 prints it.

use num_bigint::BigInt;
use rasn::types::{Integer, OctetString, Oid, UtcTime};

use super::{Page, date, decimal, pretty_certificate, printable};
use crate::asn1::cmc::{EncryptedPop, TaggedAttribute};
use crate::asn1::{decode, oid, pem};
use crate::cmc::response::{CmcStatus, FailInfo, OtherInfo, Response, Status};
use crate::error::{Error, Kind, Result};

/// What the tool says about an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Standard output.
    pub stdout: String,
    /// Standard error: why the exit status isn't 0, one line each; empty otherwise.
    pub stderr: String,
    /// Exit status: 0 when every status is success (or there is none) and all could be decoded,
    /// else 1. Only then does the tool store the answer with `-o`.
    pub exit: u8,
}

/// Certificates shown as octets at most: a message can hold very many that are none.
const MOST_UNREADABLE: usize = 100;

/// The text of `response`; `verbose` puts each certificate before it in base64 (76 columns, CR LF).
///
/// Where the answer breaks rules under which the Java tool stops or prints nothing, it is shown
/// as far as it goes: CMCStatusInfo of version 1 in the lines documented for it and counted for
/// the exit status, body part paths with dots, ExtendedFailInfo, numbers without a name, a status
/// without its OtherInfo, certificates that can't be decoded as octets (a hundred of them). A control that can't be
/// decoded ends the listing with `Error found in the response.`, as in Java. What the CA wrote is
/// made printable. Nothing is verified.
pub fn render_response(response: &Response, verbose: bool) -> Rendered {
    let mut page = Page::default();
    let mut errors = Page::default();
    if verbose {
        for (i, der) in response.certificates.iter().enumerate() {
            page.line(0, format!("Cert:{i}\n{}\n===", pem::lines(der, 76, "\r\n")));
        }
    }
    page.line(0, "Certificates: ");
    let mut unreadable = 0usize;
    for der in &response.certificates {
        match pretty_certificate(der) {
            Ok(text) => page.0.push_str(&text),
            Err(e) => {
                if unreadable == 0 {
                    errors.line(0, format!("ERROR: {}", printable(&e.to_string())));
                }
                if unreadable < MOST_UNREADABLE {
                    page.line(4, "Certificate: ");
                    page.line(8, "Value: ");
                    page.hex(12, der);
                }
                unreadable += 1;
            }
        }
    }
    if let Some(more @ 1..) = unreadable.checked_sub(1) {
        errors.line(0, format!("ERROR: and {more} more certificates can't be decoded"));
    }
    page.0.push_str("\n\n");

    let type_ = response.content_type.as_str();
    if ![oid::ID_CCT_PKI_RESPONSE, oid::ID_DATA].iter().any(|id| oid::dotted(id) == type_) {
        page.line(0, "Invalid CMC Response Format");
    }
    match &response.controls {
        None => page.line(0, "CMC Simple Response."),
        Some(list) => match controls(&mut page, list, response.statuses()) {
            Ok(refusal) => {
                page.line(0, "CMC Full Response.");
                if let Some(line) = refusal {
                    errors.line(0, line);
                }
            }
            Err(e) => {
                let why = e.to_string();
                let why = printable(&why);
                page.line(0, format!("Error found in the response. Exception: {why}"));
                errors.line(0, format!("ERROR: {why}"));
            }
        },
    }
    let exit = u8::from(!errors.0.is_empty());
    Rendered { stdout: page.0, stderr: errors.0, exit }
}

/// The last lines on standard output when the answer was stored with `-o`.
pub fn stored_line(file: &str) -> String {
    format!("\nPKCS#7 now stored in file: {file}\n")
}

/// Prints the controls known; the others only count. Returns the error line for the first status
/// that isn't success.
fn controls(
    page: &mut Page,
    list: &[TaggedAttribute],
    statuses: Result<Vec<Status>>,
) -> Result<Option<String>> {
    page.line(0, format!("Number of controls is {}", list.len()));
    let mut statuses = statuses.map(Vec::into_iter);
    let mut refusal = None;
    for (i, control) in list.iter().enumerate() {
        let id: &Oid = &control.attr_type;
        let Some(&(_, title, kind)) = KNOWN.iter().find(|(known, ..)| *known == id) else {
            continue;
        };
        page.line(0, format!("Control #{i}: {title}"));
        if kind != Shown::RequestId {
            page.line(3, format!("OID: {{{}}}", oid::dotted(id).replace('.', " ")));
        }
        match kind {
            Shown::Status => {
                let of_this = match &mut statuses {
                    Ok(statuses) => statuses.by_ref().take(control.attr_values.len()),
                    Err(_) => return statuses.map(|_| None),
                };
                for status in of_this {
                    print_status(page, &status);
                    if status.status != CmcStatus::Success {
                        refusal.get_or_insert_with(|| error_line(&status));
                    }
                }
            }
            Shown::Number => {
                let n: Integer = decode(title, first_value(title, control)?)?;
                page.line(3, format!("INTEGER: {}", decimal(n)));
            }
            Shown::Octets => {
                let octets: OctetString = decode(title, first_value(title, control)?)?;
                let signed = octets.iter().map(|o| format!("{} ", o.cast_signed()));
                page.line(3, format!("Value: {}", signed.collect::<String>()));
            }
            Shown::Pop => {
                decode::<EncryptedPop>(title, first_value(title, control)?)?;
                page.line(5, "encryptedPOP decoded");
            }
            Shown::RequestId => {
                let octets: OctetString = decode(title, first_value(title, control)?)?;
                page.line(
                    3,
                    format!("requestID: {}", decimal(BigInt::from_signed_bytes_be(&octets))),
                );
            }
        }
    }
    Ok(refusal)
}

/// How a control is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Every status in it.
    Status,
    /// INTEGER in decimal.
    Number,
    /// Octets as signed decimal numbers.
    Octets,
    /// Only that it can be decoded.
    Pop,
    /// Octets as one signed decimal number; without the OID line.
    RequestId,
}

const KNOWN: &[(&Oid, &str, Shown)] = &[
    (oid::CMC_STATUS_INFO_V2, "CMCStatusInfoV2", Shown::Status),
    (oid::CMC_STATUS_INFO, "CMCStatusInfo", Shown::Status),
    (oid::CMC_TRANSACTION_ID, "CMC Transaction Id", Shown::Number),
    (oid::CMC_RECIPIENT_NONCE, "CMC Recipient Nonce", Shown::Octets),
    (oid::CMC_SENDER_NONCE, "CMC Sender Nonce", Shown::Octets),
    (oid::CMC_DATA_RETURN, "CMC Data Return", Shown::Octets),
    (oid::CMC_ENCRYPTED_POP, "CMC encrypted POP", Shown::Pop),
    (oid::CMC_RESPONSE_INFO, "CMC ResponseInfo", Shown::RequestId),
];

fn first_value<'a>(title: &str, control: &'a TaggedAttribute) -> Result<&'a [u8]> {
    match control.attr_values.to_vec().first() {
        Some(value) => Ok(value.as_bytes()),
        None => Err(Error::new(Kind::Input, format!("{title} has no value"))),
    }
}

fn print_status(page: &mut Page, status: &Status) {
    let parts: String = status.body_list.iter().map(|part| format!("{part} ")).collect();
    page.line(3, format!("BodyList: {parts}"));
    match status.status {
        CmcStatus::Success => return page.line(3, "Status: SUCCESS"),
        CmcStatus::ConfirmRequired => return,
        _ => {}
    }
    if let Some(text) = &status.text {
        page.line(3, format!("Status String: {}", printable(text)));
    }
    match &status.other {
        None => {}
        Some(OtherInfo::Fail(info)) => {
            page.line(3, "OtherInfo type: FAIL");
            page.line(5, format!("failInfo={}", fail_name(*info)));
        }
        Some(OtherInfo::Pend { token, time }) => {
            page.line(3, "OtherInfo type: PEND");
            page.line(0, "PendInfo present...processing...");
            if let Some(time) = UtcTime::from_timestamp(*time, 0) {
                page.line(3, format!("Date: {}", date::compact(time)));
            }
            let token = String::from_utf8_lossy(token);
            page.line(3, format!("Pending request id: {}", printable(&token)));
        }
        Some(OtherInfo::Extended(id, _)) => {
            page.line(3, "OtherInfo type: EXTENDED");
            page.line(5, format!("failInfo={{{}}}", id.replace('.', " ")));
        }
    }
}

fn error_line(status: &Status) -> String {
    let name = match status.status {
        CmcStatus::Success => "success",
        CmcStatus::Failed => "failed",
        CmcStatus::Pending => "pending",
        CmcStatus::NoSupport => "not supported",
        CmcStatus::ConfirmRequired => "confirm required",
        CmcStatus::PopRequired => "pop required",
        CmcStatus::Partial => "partial",
        CmcStatus::Unknown(1) => "reserved",
        CmcStatus::Unknown(n) => &format!("unknown ({n})"),
    };
    format!("ERROR: CMC status for [{}]: {name}", status.body_list.join(", "))
}

/// The tool's own words for CMCFailInfo (RFC 5272 §6.1.4).
fn fail_name(info: FailInfo) -> String {
    const NAMES: [&str; 14] = [
        "bad algorithm",
        "bad message check",
        "bad request",
        "bad time",
        "bad certificate id",
        "unsupported extensions",
        "must archive keys",
        "bad identity",
        "POP required",
        "POP failed",
        "no key reuse",
        "internal ca error",
        "try later",
        "authenticated data fail",
    ];
    let known = usize::try_from(info.0).ok().and_then(|n| NAMES.get(n));
    known.map_or_else(|| format!("unknown ({})", info.0), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use rasn::types::{Any, SetOf};

    use super::*;
    use crate::asn1::tlv;

    const SUCCESS: &[u8] = &[0x30, 0x08, 0x02, 0x01, 0, 0x30, 0x03, 0x02, 0x01, 0];

    fn full(controls: &[(&Oid, &[Vec<u8>])]) -> Rendered {
        let controls = controls.iter().map(|(id, values)| TaggedAttribute {
            body_part_id: Integer::ONE,
            attr_type: oid::owned(id),
            attr_values: SetOf::from_vec(values.iter().cloned().map(Any::new).collect()),
        });
        let response = Response {
            controls: Some(controls.collect()),
            content_type: oid::dotted(oid::ID_CCT_PKI_RESPONSE),
            certificates: Vec::new(),
            signers: 1,
        };
        render_response(&response, false)
    }

    /// A status of these numbers; `rest` is what follows the body list.
    fn status(n: u8, parts: &[&[u8]], rest: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&[0x02, 0x01, n], tlv(0x30, &parts.concat()).as_slice(), rest].concat())
    }

    /// What follows the head of the listing, up to the last line.
    fn shown(rendered: &Rendered) -> &str {
        let (_, rest) = rendered.stdout.split_once("Number of controls is ").unwrap();
        rest.strip_suffix("CMC Full Response.\n").unwrap()
    }

    #[test]
    fn numbers_are_signed_as_in_java() {
        let rendered = full(&[
            (oid::CMC_RESPONSE_INFO, &[tlv(0x04, &[0x80])]),
            (oid::CMC_RESPONSE_INFO, &[tlv(0x04, &[0x01, 0x00])]),
            (oid::CMC_TRANSACTION_ID, &[tlv(0x02, &[0x80, 0x00])]),
            (oid::CMC_SENDER_NONCE, &[tlv(0x04, &[0x00, 0x7f, 0x80, 0xff])]),
        ]);
        assert_eq!(
            shown(&rendered),
            "4\nControl #0: CMC ResponseInfo\n   requestID: -128\n\
             Control #1: CMC ResponseInfo\n   requestID: 256\n\
             Control #2: CMC Transaction Id\n   OID: {1 3 6 1 5 5 7 7 5}\n   INTEGER: -32768\n\
             Control #3: CMC Sender Nonce\n   OID: {1 3 6 1 5 5 7 7 6}\n   Value: 0 127 -128 -1 \n"
        );
        assert_eq!((rendered.exit, rendered.stderr.as_str()), (0, ""));
    }

    #[test]
    fn unknown_controls_only_count() {
        let rendered = full(&[
            (oid::CMC_GET_CRL, &[tlv(0x04, b"x")]),
            (oid::CMC_STATUS_INFO_V2, &[SUCCESS.to_vec()]),
        ]);
        assert!(shown(&rendered).starts_with("2\nControl #1: CMCStatusInfoV2\n"));
    }

    #[test]
    fn pending() {
        let info = [tlv(0x04, b"3\x1b7"), tlv(0x18, b"20300102030405Z")].concat();
        let value = status(3, &[&[2, 1, 1], &[2, 1, 9]], &tlv(0x30, &info));
        let rendered = full(&[(oid::CMC_STATUS_INFO_V2, &[value])]);
        assert_eq!(
            shown(&rendered),
            "1\nControl #0: CMCStatusInfoV2\n   OID: {1 3 6 1 5 5 7 7 25}\n   BodyList: 1 9 \n   \
             OtherInfo type: PEND\nPendInfo present...processing...\n   \
             Date: 02/Jan/2030:03:04:05 UTC\n   Pending request id: 3\\u{1b}7\n"
        );
        assert_eq!(rendered.stderr, "ERROR: CMC status for [1, 9]: pending\n");
        assert_eq!(rendered.exit, 1);
    }

    #[test]
    fn version_1_is_shown_and_counts() {
        let text = tlv(0x0c, b"no\nStatus: SUCCESS");
        let value = status(2, &[&[2, 1, 1]], &[text, vec![0x02, 0x01, 7]].concat());
        let rendered = full(&[(oid::CMC_STATUS_INFO, &[value])]);
        assert_eq!(
            shown(&rendered),
            "1\nControl #0: CMCStatusInfo\n   OID: {1 3 6 1 5 5 7 7 1}\n   BodyList: 1 \n   \
             Status String: no\\u{a}Status: SUCCESS\n   OtherInfo type: FAIL\n     \
             failInfo=bad identity\n"
        );
        assert_eq!(rendered.stderr, "ERROR: CMC status for [1]: failed\n");
    }

    #[test]
    fn what_java_stops_at_is_shown() {
        let path = tlv(0x30, &[2, 1, 1, 2, 1, 2]);
        let extended = tlv(0xa1, &[0x06, 0x03, 0x2a, 0x03, 0x04, 0x05, 0x00]);
        let rendered = full(&[(
            oid::CMC_STATUS_INFO_V2,
            &[
                SUCCESS.to_vec(),
                status(5, &[], &[]),
                status(7, &[&path], &[]),
                status(99, &[], &[0x02, 0x01, 14]),
                status(2, &[], &extended),
            ],
        )]);
        assert_eq!(
            shown(&rendered),
            "1\nControl #0: CMCStatusInfoV2\n   OID: {1 3 6 1 5 5 7 7 25}\n   \
             BodyList: 0 \n   Status: SUCCESS\n   BodyList: \n   BodyList: 1.2 \n   \
             BodyList: \n   OtherInfo type: FAIL\n     failInfo=unknown (14)\n   \
             BodyList: \n   OtherInfo type: EXTENDED\n     failInfo={1 2 3 4}\n"
        );
        // The first that isn't success, as in Java.
        assert_eq!(rendered.stderr, "ERROR: CMC status for []: confirm required\n");
        assert_eq!(
            full(&[(oid::CMC_STATUS_INFO_V2, &[status(99, &[], &[])])]).stderr,
            "ERROR: CMC status for []: unknown (99)\n"
        );
    }

    #[test]
    fn a_control_that_cannot_be_decoded_ends_the_listing() {
        for (id, values) in [
            (oid::CMC_STATUS_INFO_V2, vec![tlv(0x04, b"x")]),
            (oid::CMC_TRANSACTION_ID, vec![tlv(0x04, b"x")]),
            (oid::CMC_RESPONSE_INFO, vec![tlv(0x02, b"x")]),
            (oid::CMC_ENCRYPTED_POP, vec![tlv(0x30, b"")]),
            (oid::CMC_DATA_RETURN, vec![]),
        ] {
            let rendered = full(&[(id, &values), (oid::CMC_SENDER_NONCE, &[tlv(0x04, b"n")])]);
            let last = rendered.stdout.lines().last().unwrap();
            assert!(last.starts_with("Error found in the response. Exception: "), "{last}");
            assert!(rendered.stderr.starts_with("ERROR: "), "{}", rendered.stderr);
            assert_eq!(rendered.exit, 1);
        }
    }

    #[test]
    fn a_simple_answer_and_a_certificate_that_cannot_be_decoded() {
        let mut response = Response {
            controls: None,
            content_type: oid::dotted(oid::ID_DATA),
            certificates: Vec::new(),
            signers: 0,
        };
        let simple = "Certificates: \n\n\nCMC Simple Response.\n";
        assert_eq!(render_response(&response, false).stdout, simple);
        assert_eq!(render_response(&response, false).exit, 0);

        response.certificates.push(vec![0x30, 0x01, 0xff]);
        response.content_type = "1.2.3".to_owned();
        let rendered = render_response(&response, false);
        assert_eq!(
            rendered.stdout,
            "Certificates: \n    Certificate: \n        Value: \n            30:01:FF\n\n\n\
             Invalid CMC Response Format\nCMC Simple Response.\n"
        );
        assert!(rendered.stderr.starts_with("ERROR: can't decode a certificate"));
        assert_eq!(rendered.exit, 1);

        response.certificates = vec![vec![0x30, 0x00]; 5000];
        let rendered = render_response(&response, false);
        assert_eq!(rendered.stdout.matches("Value: ").count(), MOST_UNREADABLE);
        let lines: Vec<&str> = rendered.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[1], "ERROR: and 4999 more certificates can't be decoded");
    }
}
