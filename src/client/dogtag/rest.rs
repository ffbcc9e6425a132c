//! Dogtag's REST interface in JSON, which all versions speak: 10.x and 11.0 to 11.5 under `rest`, 11.5
//! and later under `v2`, too. Nothing in a reply is signed.

use std::fmt;

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::http::endpoint::bad_reply;
use crate::http::{Reply, Transport, Url};
use crate::text::printable;

/// The path elements tried, newest first: 11.10 has only the first, 10.x only the last.
const APIS: [&str; 2] = ["v2", "rest"];
/// The media type of requests and responses.
pub(super) const JSON: &str = "application/json";

/// Dogtag's description of a failure, a `PKIException`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The last part of the Java class's name: `CertNotFoundException`.
    pub class: String,
    /// The message, made printable.
    pub message: String,
    /// HTTP status.
    pub status: u32,
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for Exception {}

impl Exception {
    fn read(status: u32, body: &Value) -> Option<Exception> {
        let class = member(body, "ClassName")?.as_str()?;
        let class = class.rsplit('.').next().unwrap_or(class);
        let message = member(body, "Message").and_then(Value::as_str).unwrap_or_default();
        let text = |text: &str| printable(text).into_owned();
        Some(Exception { class: text(class), message: text(message), status })
    }

    /// Returns the server's exception if that is the reason of an error.
    pub fn of(error: &Error) -> Option<&Exception> {
        std::error::Error::source(error)?.downcast_ref::<Exception>()
    }

    /// Returns whether it means that there is no such certificate.
    pub fn is_absent(&self) -> bool {
        self.status == 404 && self.class == "CertNotFoundException"
    }
}

/// The REST interface of one CA.
pub(super) struct Rest<'t, 'db> {
    pub(super) transport: &'t mut Transport<'db>,
    ca: &'t Url,
    /// The requested path element, or the one that first gave a usable response.
    api: Option<String>,
    /// What a resource is, for messages.
    noun: &'static str,
}

impl<'t, 'db> Rest<'t, 'db> {
    /// Prepares to query the CA at `ca`; only scheme, host and port of the URL are used. Nothing is
    /// sent yet.
    pub(super) fn new(transport: &'t mut Transport<'db>, ca: &'t Url) -> Rest<'t, 'db> {
        Rest { transport, ca, api: None, noun: "a certificate record" }
    }

    /// Sets the word for resources in messages.
    pub(super) fn called(mut self, noun: &'static str) -> Rest<'t, 'db> {
        self.noun = noun;
        self
    }

    /// Uses only this path element.
    pub(super) fn take_api(&mut self, api: &str) {
        self.api = Some(api.to_owned());
    }

    /// Returns the path element of this CA's resources, once it is known.
    pub(super) fn api(&self) -> Option<&str> {
        self.api.as_deref()
    }

    /// Returns the URL of a resource of the CA.
    pub(super) fn url(&self, api: &str, path: &str) -> Url {
        self.ca.with_path(&format!("/ca/{api}/{path}"))
    }

    /// Returns the URL of a resource of another web application of the same server.
    pub(super) fn beside(&self, path: &str) -> Url {
        self.ca.with_path(&format!("/{path}"))
    }

    /// Queries under each path element in turn until one gives a usable response, and uses that one
    /// from then on.
    ///
    /// # Errors
    /// As [`Transport::get`]; [`Kind::NotFound`] for [`Exception::is_absent`]; [`Kind::Http`] for any
    /// other response, with the [`Exception`] in it as the reason.
    pub(super) fn ask<T>(
        &mut self,
        path: &str,
        body: Option<&Value>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let apis = match &self.api {
            Some(api) => vec![api.clone()],
            None => APIS.map(str::to_owned).to_vec(),
        };
        let mut silence: Option<Error> = None;
        for api in apis {
            let url = self.url(&api, path);
            let url = url.as_str();
            let reply = match body {
                None => self.transport.get(url, JSON),
                Some(body) => self.transport.query(url, body.to_string().as_bytes(), JSON, JSON),
            };
            let why = match reply.and_then(|reply| meaning(url, &reply, self.noun, &read)) {
                Ok(answer) => {
                    self.api = Some(api);
                    return Ok(answer);
                }
                Err(why) => why,
            };
            if why.kind() != Kind::Http {
                return Err(why);
            }
            // An exception of Dogtag is its response: this path exists.
            if Exception::of(&why).is_some() {
                self.api = Some(api);
                return Err(why);
            }
            // Of two reasons, one other than "404 not found" is more helpful.
            if silence.as_ref().is_none_or(|s| s.http_status() == Some(404)) {
                silence = Some(why);
            }
        }
        Err(silence.unwrap_or_else(|| Error::new(Kind::Internal, "no REST path to query")))
    }
}

/// Returns the content of a usable reply; an error says why it isn't usable.
pub(super) fn meaning<T>(
    url: &str,
    reply: &Reply,
    noun: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T> {
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    if reply.status != 200 {
        let what = format!("HTTP status {} from {url}", reply.status);
        let Some(said) = body.as_ref().and_then(|body| Exception::read(reply.status, body)) else {
            return Err(bad_reply(what, reply));
        };
        if said.is_absent() {
            let what = "the CA has no such certificate";
            return Err(Error::new(Kind::NotFound, what).because(said).http(reply.status));
        }
        let error = bad_reply(what, reply).because(said);
        return Err(match reply.status {
            401 | 403 => error.hint("authenticate as a user who has this permission"),
            _ => error,
        });
    }
    body.as_ref()
        .and_then(read)
        .ok_or_else(|| bad_reply(format!("response from {url} is not {noun} in JSON"), reply))
}

/// Returns a member by name; case doesn't matter.
pub(super) fn member<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let found = value.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}
