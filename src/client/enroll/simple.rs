//! Enrolls with a PKCS #10 request that is sent alone, to an EST server (RFC 7030 §4.2).

use super::asked::Asked;
use super::round_trips::{Asker, RoundTrips};
use crate::client::verify_response::{self, Proven};
use crate::cmc::request::{Format, Request};
use crate::error::{Error, Kind, Result};

impl RoundTrips<'_> {
    /// Requests a certificate in one round trip. The response has certificates only.
    ///
    /// # Errors
    /// As [`Connection::send`](crate::client::connection::Connection::send) and
    /// [`verify_response::ours`]; [`Kind::Usage`] for a CRMF request.
    pub(super) fn simply(&mut self, request: &Request) -> Result<Proven> {
        if request.format() != Format::Pkcs10 {
            return Err(Error::new(Kind::Usage, "only a PKCS #10 request can be sent without CMC")
                .because("the request is CRMF")
                .hint("leave out --simple"));
        }
        let again = match &self.author.asker {
            Asker::Holder(identity) => renews(identity.certificate.der(), request)?,
            Asker::SharedSecret(_) | Asker::Login => false,
        };
        let response = self.connection.request_simply(request.der(), again)?;
        let issued = verify_response::issued(response.outcome());
        let proven = issued.and_then(|certificates| {
            verify_response::ours(self.author.session, certificates, request.spki())
        });
        let proven = proven.map_err(Error::sent)?;
        Ok(Proven { unsigned: response.signers == 0, ..proven })
    }
}

/// Returns whether a request is for the certificate (DER) that authenticates the client once more: it
/// has the same subject and the same alternative names (RFC 7030 §4.2.2).
///
/// # Errors
/// As [`Asked::lacking`].
fn renews(certificate: &[u8], request: &Request) -> Result<bool> {
    let asked = Asked::of(request)?;
    let same_subject = asked.subject.is_some() && asked.replaced(certificate)?.is_none();
    Ok(same_subject && asked.same_names(certificate)?)
}
