//! Submits a CRMF request directly to the CA's enrollment page (`profileSubmit`), as CRMFPopClient
//! does: without CMC and without a signature around it; the response is an HTML page.

use serde_json::Value;

use crate::asn1::pem;
use crate::cmc::crmf::ArchiveWrap;
use crate::error::{Error, Kind, Result};
use crate::http::Transport;
use crate::http::endpoint::bad_status;
use crate::text::{percent_encoded, printable};

/// The parameters of a submission.
pub struct Submission<'a> {
    /// `http://host:port` or `https://host:port`.
    pub base: &'a str,
    /// Profile id.
    pub profile: &'a str,
    /// User name.
    pub user: Option<&'a str>,
    /// The requestor's name.
    pub requestor: Option<&'a str>,
}

/// The status of a request in Dogtag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestStatus {
    /// Issued.
    Completed,
    /// Not accepted.
    Failed,
    /// Waits for an agent.
    Pending,
    /// Refused.
    Rejected,
    /// Any other status.
    Unknown,
}

impl RequestStatus {
    /// Returns the word that Dogtag's tools print.
    pub fn word(self) -> &'static str {
        match self {
            RequestStatus::Completed => "completed",
            RequestStatus::Failed => "failed",
            RequestStatus::Pending => "pending",
            RequestStatus::Rejected => "rejected",
            RequestStatus::Unknown => "unknown",
        }
    }
}

/// The content of the response page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Request id as the CA prints it.
    pub id: Option<String>,
    /// Status, if the page has one.
    pub status: Option<RequestStatus>,
    /// The reason for a failure.
    pub reason: Option<String>,
    /// The whole page.
    pub page: String,
}

impl Submission<'_> {
    /// Returns the URL of the page.
    pub fn url(&self) -> String {
        format!("{}/ca/ee/ca/profileSubmit", self.base)
    }
}

/// Returns the wrapping that the CA requires for its KRA; `None` when the CA doesn't provide it.
///
/// # Errors
/// As [`Transport::get`]; [`Kind::Http`] for a response that isn't the expected JSON.
pub fn archive_wrap(transport: &mut Transport<'_>, base: &str) -> Result<Option<ArchiveWrap>> {
    // The first path exists in newer CAs, the second in older ones.
    for path in ["/ca/v2/info", "/ca/rest/info"] {
        let url = format!("{base}{path}");
        let reply = transport.get(&url, "application/json")?;
        match reply.status {
            200 => return wrap_of(&url, &reply.body).map(Some),
            404 => {}
            _ => return Err(bad_status(&url, &reply)),
        }
    }
    Ok(None)
}

fn wrap_of(url: &str, body: &[u8]) -> Result<ArchiveWrap> {
    let bad = |why: String| {
        Error::new(Kind::Http, format!("cannot use the key archival information from {url}"))
            .because(why)
    };
    let info: Value = serde_json::from_slice(body).map_err(|e| bad(e.to_string()))?;
    let text = |key: &str| info.get(key).and_then(Value::as_str).map(str::to_owned);
    match text("ArchivalMechanism").as_deref() {
        Some("keywrap") => {}
        _ => return Ok(ArchiveWrap::AesCbc),
    }
    match text("KeyWrapAlgorithm").or_else(|| text("WrapAlgorithm")) {
        Some(name) => name.parse().map_err(bad),
        None => Ok(ArchiveWrap::KeyWrapPadding),
    }
}

/// Submits the DER of CertReqMessages (RFC 4211 §3) by POST. Java sends the same fields in the URL,
/// which appears in logs and has a length limit.
///
/// # Errors
/// As [`Transport::post`]; [`Kind::Http`] for a status other than 200 or a page without result: it
/// [was sent](Error::was_sent), and may have been accepted.
pub fn submit(
    transport: &mut Transport<'_>,
    to: &Submission<'_>,
    request: &[u8],
) -> Result<Verdict> {
    let request = pem::base64(request);
    let mut fields = vec![
        ("cert_request_type", "crmf"),
        ("cert_request", &request),
        ("renewal", "false"),
        ("xmlOutput", "false"),
        ("profileId", to.profile),
        ("SubId", "profile"),
    ];
    if let Some(user) = to.user {
        fields.extend([("uid", user), ("sn_uid", user)]);
    }
    fields.extend(to.requestor.map(|r| ("requestor_name", r)));
    let body: Vec<String> =
        fields.iter().map(|(k, v)| format!("{k}={}", percent_encoded(v))).collect();
    let url = to.url();
    let form = "application/x-www-form-urlencoded";
    let reply = transport.post(&url, body.join("&").as_bytes(), form)?;
    if reply.status != 200 {
        return Err(bad_status(&url, &reply).sent());
    }
    let verdict = verdict(&String::from_utf8_lossy(&reply.body));
    if verdict.status.is_none() && verdict.id.is_none() {
        return Err(Error::new(Kind::Http, format!("response from {url} has no request status"))
            .sent()
            .hint("check that this is a Dogtag CA; see the CA's debug log"));
    }
    Ok(verdict)
}

/// Extracts the result from the page's script.
fn verdict(page: &str) -> Verdict {
    let value = |name: &str| {
        page.lines().find_map(|line| {
            let rest = line.trim().strip_prefix(name)?.strip_prefix("=\"")?;
            rest.strip_suffix("\";").map(|v| printable(&unescape(v)).into_owned())
        })
    };
    let status = value("errorCode").map(|code| match code.as_str() {
        "0" => RequestStatus::Completed,
        "1" => RequestStatus::Failed,
        "2" => RequestStatus::Pending,
        "3" => RequestStatus::Rejected,
        _ => RequestStatus::Unknown,
    });
    let (id, reason) = (value("requestList.requestId"), value("errorReason"));
    Verdict { id, status, reason, page: page.to_owned() }
}

/// Removes the backslashes of a JavaScript string.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_s_verdict() {
        let page = "<script>\nerrorReason=\"Not \\\"this\\\"\";\nrequestList.requestId=\"396\";\n\
                    errorCode=\"3\";\n</script>";
        let got = verdict(page);
        assert_eq!(got.id.as_deref(), Some("396"));
        assert_eq!(got.status, Some(RequestStatus::Rejected));
        assert_eq!(got.reason.as_deref(), Some("Not \"this\""));
        let none = verdict("<html>errorCode = nothing</html>");
        assert_eq!((none.id, none.status, none.reason), (None, None, None));
        assert_eq!(verdict("errorCode=\"9\";").status, Some(RequestStatus::Unknown));
    }

    #[test]
    fn the_wrapping_the_ca_names() {
        let wrap = |json: &str| wrap_of("u", json.as_bytes());
        let keywrap = r#"{"ArchivalMechanism":"keywrap","WrapAlgorithm":"AES KeyWrap/Padding"}"#;
        assert_eq!(wrap(keywrap).unwrap(), ArchiveWrap::KeyWrapPadding);
        let newer = r#"{"ArchivalMechanism":"keywrap","KeyWrapAlgorithm":"AES KeyWrap/Wrapped"}"#;
        assert_eq!(wrap(newer).unwrap(), ArchiveWrap::KeyWrapWrapped);
        assert_eq!(wrap(r#"{"ArchivalMechanism":"encrypt"}"#).unwrap(), ArchiveWrap::AesCbc);
        assert!(wrap("<html>").is_err());
        assert!(wrap(r#"{"ArchivalMechanism":"keywrap","WrapAlgorithm":"ROT13"}"#).is_err());
    }
}
