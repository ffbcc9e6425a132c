//! `/fullcmc` of EST (RFC 7030 §4.3, RFC 8951): the response is base64, and the CMC status decides
//! the HTTP status. Dogtag's EST server forwards the request's body unchanged, so the body must be
//! DER. It requires a client certificate and `smime-type=CMC-request`; and because it doesn't
//! forward who signed, every request with a control needs a proof of identification. Other servers
//! accept base64, as the RFCs require.

use base64ct::{Base64, Encoding};
use der::Tag;

use crate::element::{Element, Refused, context, one};
use crate::servlet::{Answer, Manner, Posted, Servlets, page};

/// The required encoding of a request's body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Der,
    Base64,
    /// DER, without controls in requests signed with a certificate.
    Dogtag,
}

/// Returns the label in a path of EST, empty without one, and the operation; `None` for other paths.
pub fn operation(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/.well-known/est/")?;
    let (label, operation) = rest.rsplit_once('/').unwrap_or(("", rest));
    (!label.contains('/')).then_some((label, operation))
}

/// Returns the response to a POST. The label selects the profile.
pub fn post(
    label: &str,
    media_type: Option<&str>,
    body: &[u8],
    client: Option<&[u8]>,
    takes: Takes,
    servlets: &Servlets,
) -> (Answer, String) {
    let wanted = "application/pkcs7-mime";
    if takes != Takes::Base64 && client.is_none() {
        return (page(401, "HTTP Status 401"), "EST: no client certificate".into());
    }
    let smime_type = takes == Takes::Base64
        || media_type.is_some_and(|t| t.ends_with("; smime-type=CMC-request"));
    if !smime_type || !media_type.is_some_and(|t| t.starts_with(wanted)) {
        return (
            text(415, "the media type isn't application/pkcs7-mime"),
            "EST: media type".into(),
        );
    }
    let decoded = match takes {
        Takes::Der | Takes::Dogtag => Some(body.to_vec()),
        Takes::Base64 => decoded(body),
    };
    let Some(message) = decoded else {
        return (text(400, "the body isn't base64"), "EST: no base64".into());
    };
    let profile = Some(label).filter(|l| !l.is_empty()).unwrap_or("caCMCserverCert");
    let path = "/ca/ee/ca/profileSubmitCMCFull";
    let signed = takes != Takes::Dogtag;
    let posted = Posted { path, profile: Some(profile), body: &message, client, signed };
    let (mut answer, log) = servlets.post(&posted);
    if answer.status == 200 && answer.media_type == Some(wanted) {
        answer.media_type = Some("application/pkcs7-mime; smime-type=CMC-response");
        answer.status = match status(&answer.body) {
            Ok(0) => 200,
            Ok(2) => 400,
            _ => 501,
        };
        answer.body = encoded(&answer.body);
    }
    (answer, format!("EST {log}"))
}

/// Returns base64 with the line ends of Dogtag.
pub fn encoded(der: &[u8]) -> Vec<u8> {
    let encoded = Base64::encode_string(der);
    let lines: Vec<&[u8]> = encoded.as_bytes().chunks(64).collect();
    [lines.join(&b"\r\n"[..]), b"\r\n".to_vec()].concat()
}

/// Decodes base64 with line breaks anywhere (RFC 8951 §3.1).
pub fn decoded(body: &[u8]) -> Option<Vec<u8>> {
    let clean: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    Base64::decode_vec(std::str::from_utf8(&clean).ok()?).ok()
}

pub fn text(status: u16, why: &str) -> Answer {
    let body = format!("{why}\n").into_bytes();
    Answer { status, media_type: Some("text/plain"), body, manner: Manner::Plain }
}

/// Returns the CMC status of a response made here; success when it has none.
fn status(message: &[u8]) -> Result<u8, Refused> {
    fn part<'a>(element: Element<'a>, at: usize, tag: Tag) -> Result<Element<'a>, Refused> {
        element.within(tag)?.get(at).copied().ok_or_else(|| "no such part".into())
    }
    let signed = one(part(one(message)?, 1, Tag::Sequence)?.content_of(context(0))?)?;
    let content = part(signed, 2, Tag::Sequence)?;
    if content.within(Tag::Sequence)?.len() == 1 {
        // Certificates only.
        return Ok(0);
    }
    let octets = one(part(content, 1, Tag::Sequence)?.content_of(context(0))?)?;
    let response = one(octets.content_of(Tag::OctetString)?)?;
    for control in part(response, 0, Tag::Sequence)?.within(Tag::Sequence)? {
        let kind = part(control, 1, Tag::Sequence)?.oid()?.to_string();
        if kind.ends_with(".7.25") || kind.ends_with(".7.1") {
            let info = part(part(control, 2, Tag::Sequence)?, 0, Tag::Set)?;
            let number = part(info, 0, Tag::Sequence)?.content_of(Tag::Integer)?;
            return Ok(number.last().copied().unwrap_or_default());
        }
    }
    Ok(0)
}
