//! Prints a CMC response, as CMCResponse of Dogtag 10.10 does.

use chrono::DateTime;
use num_bigint::BigInt;

use super::{Page, date, decimal, pretty_certificate, printable};
use nss_cmc::cmc::control::{Control, ControlType, TaggedControl};
use nss_cmc::cmc::response::{CmcStatus, FailInfo, OtherInfo, Response, Status, is_status};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::pem;

/// The output of the tool for a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Standard output.
    pub stdout: String,
    /// Standard error: one line for each reason of an exit status other than 0.
    pub stderr: String,
    /// Exit status: 0 when every status is success (or there is none) and everything could be
    /// decoded, else 1. The tool stores the response with `-o` only if it is 0.
    pub exit: u8,
}

/// The most certificates printed in hexadecimal: a message may contain very many invalid ones.
const MOST_UNREADABLE: usize = 100;

/// Returns the text of `response`; with `verbose`, the base64 of each certificate precedes it (76
/// columns, CR LF).
///
/// Content at which the Java tool stops or prints nothing is printed as far as possible:
/// CMCStatusInfo of version 1 in the lines documented for it and counted for the exit status, body
/// part paths with dots, ExtendedFailInfo, numbers without a name, a status without its OtherInfo,
/// certificates that can't be decoded in hexadecimal (at most a hundred). A control that can't be
/// decoded ends the listing with `Error found in the response.`, as in Java. The CA's text is made
/// printable. Nothing is verified.
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
        errors.line(0, format!("ERROR: and {more} more certificates cannot be decoded"));
    }
    page.0.push_str("\n\n");

    if !response.has_known_type() {
        page.line(0, "Invalid CMC Response Format");
    }
    match &response.controls {
        None => page.line(0, "CMC Simple Response."),
        Some(list) => match controls(&mut page, list) {
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

/// Returns the last line on standard output when the response was stored with `-o`.
pub fn stored_line(file: &str) -> String {
    format!("\nPKCS#7 now stored in file: {file}\n")
}

/// Prints the known controls; the others are only counted. Returns the error line of the first
/// status that isn't success.
///
/// # Errors
/// That of the first known control that can't be decoded.
fn controls(page: &mut Page, list: &[TaggedControl]) -> Result<Option<String>> {
    page.line(0, format!("Number of controls is {}", list.len()));
    let mut refusal = None;
    for (i, control) in list.iter().enumerate() {
        let Some(title) = control.control_type().and_then(title) else { continue };
        page.line(0, format!("Control #{i}: {title}"));
        if control.control_type() != Some(ControlType::ResponseInfo) {
            page.line(3, format!("OID: {{{}}}", control.dotted().replace('.', " ")));
        }
        let of_status = control.control_type().is_some_and(is_status);
        if of_status && let Some(e) = list.iter().find_map(undecodable_status) {
            return Err(e);
        }
        if !of_status && control.values.is_empty() {
            return Err(Error::new(Kind::Input, format!("{title} has no value")));
        }
        let shown = if of_status { control.values.len() } else { 1 };
        for value in control.values.iter().take(shown) {
            let value = value.as_ref().map_err(|e| e.error_of(title))?;
            if let Some(status) = print(page, value)
                && status.status != CmcStatus::Success
            {
                refusal.get_or_insert_with(|| error_line(status));
            }
        }
    }
    Ok(refusal)
}

fn undecodable_status(control: &TaggedControl) -> Option<Error> {
    let is_status = control.control_type().is_some_and(is_status);
    control.values.iter().filter(|_| is_status).find_map(|v| v.as_ref().err()).map(|e| e.error())
}

/// Returns the Java tool's name of a control that it prints.
fn title(control: ControlType) -> Option<&'static str> {
    match control {
        ControlType::StatusInfoV2 => Some("CMCStatusInfoV2"),
        ControlType::StatusInfo => Some("CMCStatusInfo"),
        ControlType::TransactionId => Some("CMC Transaction Id"),
        ControlType::RecipientNonce => Some("CMC Recipient Nonce"),
        ControlType::SenderNonce => Some("CMC Sender Nonce"),
        ControlType::DataReturn => Some("CMC Data Return"),
        ControlType::EncryptedPop => Some("CMC encrypted POP"),
        ControlType::ResponseInfo => Some("CMC ResponseInfo"),
        ControlType::Identification
        | ControlType::IdentityProof
        | ControlType::IdentityProofV2
        | ControlType::PopLinkRandom
        | ControlType::PopLinkWitness
        | ControlType::PopLinkWitnessV2
        | ControlType::DecryptedPop
        | ControlType::LraPopWitness
        | ControlType::GetCert
        | ControlType::GetCrl
        | ControlType::Revoke
        | ControlType::RegInfo
        | ControlType::QueryPending
        | ControlType::ConfirmCertAcceptance
        | ControlType::ModCertTemplate
        | ControlType::AddExtensions
        | ControlType::TrustedAnchors
        | ControlType::AuthData
        | ControlType::BatchRequests
        | ControlType::BatchResponses
        | ControlType::PublishCert
        | ControlType::ControlProcessed
        | ControlType::RaIdentityWitness
        | ControlType::ChangeSubjectName
        | ControlType::ResponseBody => None,
    }
}

/// Prints the value of a control that has a [title]; returns its status, if it is one.
fn print<'a>(page: &mut Page, value: &'a Control) -> Option<&'a Status> {
    match value {
        Control::StatusInfo(status) | Control::StatusInfoV2(status) => {
            print_status(page, status);
            return Some(status);
        }
        Control::TransactionId(id) => {
            page.line(3, format!("INTEGER: {}", decimal(id.clone())));
        }
        Control::RecipientNonce(octets)
        | Control::SenderNonce(octets)
        | Control::DataReturn(octets) => {
            let signed = octets.iter().map(|o| format!("{} ", o.cast_signed()));
            page.line(3, format!("Value: {}", signed.collect::<String>()));
        }
        Control::EncryptedPop(_) => page.line(5, "encryptedPOP decoded"),
        Control::ResponseInfo(octets) => {
            let id = decimal(BigInt::from_signed_bytes_be(octets));
            page.line(3, format!("requestID: {id}"));
        }
        Control::Identification(_)
        | Control::IdentityProof(_)
        | Control::IdentityProofV2(_)
        | Control::PopLinkRandom(_)
        | Control::PopLinkWitness(_)
        | Control::PopLinkWitnessV2(_)
        | Control::DecryptedPop(_)
        | Control::LraPopWitness(_)
        | Control::GetCert(_)
        | Control::GetCrl(_)
        | Control::Revoke(_)
        | Control::RegInfo(_)
        | Control::QueryPending(_)
        | Control::ConfirmCertAcceptance(_)
        | Control::ModCertTemplate(_)
        | Control::AddExtensions(_)
        | Control::TrustedAnchors(_)
        | Control::AuthData(_)
        | Control::BatchRequests(_)
        | Control::BatchResponses(_)
        | Control::PublishCert(_)
        | Control::ControlProcessed(_)
        | Control::RaIdentityWitness(_)
        | Control::ChangeSubjectName(_)
        | Control::ResponseBody(_)
        | Control::Unknown { .. } => {}
    }
    None
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
            if let Some(time) = DateTime::from_timestamp(*time, 0) {
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

/// Returns the Java tool's text for CMCFailInfo (RFC 5272 §6.1.4).
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
#[path = "../../../tests/common/der.rs"]
#[allow(dead_code, unused_imports)] // Only part of it is used here.
mod der;

#[cfg(test)]
mod tests {
    use rasn::types::Oid;

    use super::der::{encode, oid, tlv};
    use super::*;
    use nss_cmc::cmc::response::parse;

    const SUCCESS: &[u8] = &[0x30, 0x08, 0x02, 0x01, 0, 0x30, 0x03, 0x02, 0x01, 0];

    fn id(id: &Oid) -> Vec<u8> {
        encode(&id.to_owned())
    }

    /// Returns a response with an unsigned SignedData.
    fn response(content_type: &Oid, content: Option<&[u8]>, certificates: &[Vec<u8>]) -> Response {
        let content = content.map(|c| tlv(0xa0, &tlv(0x04, c))).unwrap_or_default();
        let encapsulated = tlv(0x30, &[id(content_type), content].concat());
        let none = tlv(0x31, &[]);
        let certificates = tlv(0xa0, &certificates.concat());
        let signed = [vec![2, 1, 3], none.clone(), encapsulated, certificates, none].concat();
        let signed = tlv(0xa0, &tlv(0x30, &signed));
        parse(&tlv(0x30, &[id(oid::ID_SIGNED_DATA), signed].concat())).unwrap()
    }

    fn full(controls: &[(&Oid, &[Vec<u8>])]) -> Rendered {
        let controls = controls.iter().map(|(control, values)| {
            tlv(0x30, &[vec![2, 1, 1], id(control), tlv(0x31, &values.concat())].concat())
        });
        let controls = tlv(0x30, &controls.collect::<Vec<_>>().concat());
        let none = tlv(0x30, &[]);
        let content = tlv(0x30, &[controls, none.clone(), none].concat());
        render_response(&response(oid::ID_CCT_PKI_RESPONSE, Some(&content), &[]), false)
    }

    /// Returns a status info with these numbers; `rest` follows the body list.
    fn status(n: u8, parts: &[&[u8]], rest: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&[0x02, 0x01, n], tlv(0x30, &parts.concat()).as_slice(), rest].concat())
    }

    /// Returns the lines between the head of the listing and the last line.
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
        // The first status that isn't success counts, as in Java.
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
        let simple = "Certificates: \n\n\nCMC Simple Response.\n";
        let rendered = render_response(&response(oid::ID_DATA, None, &[]), false);
        assert_eq!((rendered.stdout.as_str(), rendered.exit), (simple, 0));

        let other = Oid::const_new(&[1, 2, 3]);
        let rendered = render_response(&response(other, None, &[vec![0x30, 0x01, 0xff]]), false);
        assert_eq!(
            rendered.stdout,
            "Certificates: \n    Certificate: \n        Value: \n            30:01:FF\n\n\n\
             Invalid CMC Response Format\nCMC Simple Response.\n"
        );
        assert!(rendered.stderr.starts_with("ERROR: cannot decode a certificate"));
        assert_eq!(rendered.exit, 1);

        let many = vec![vec![0x30, 0x00]; 5000];
        let rendered = render_response(&response(oid::ID_DATA, None, &many), false);
        assert_eq!(rendered.stdout.matches("Value: ").count(), MOST_UNREADABLE);
        let lines: Vec<&str> = rendered.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[1], "ERROR: and 4999 more certificates cannot be decoded");
    }
}
