//! Confirms receipt of a certificate if the CA requires it (confirmCertAcceptance, RFC 5272 §6.14).

use super::round_trips::RoundTrips;
use crate::asn1::certificate;
use crate::asn1::{Number, decode, tlv};
use crate::client::pop;
use crate::client::verify_response::{self, Proven};
use crate::cmc::control::{CertificateId, Control};
use crate::cmc::request::{Request, Sent};
use crate::cmc::response::{CmcStatus, Outcome, Response};
use crate::error::{Error, Kind, Leftover, Result};
use crate::nss::{Certificate, PrivateKey};

impl RoundTrips<'_> {
    /// Returns the certificate of a response that completes an enrollment; `outcome` is its outcome.
    /// If the CA requires a confirmation, it is sent first, in another message of the same
    /// transaction; the certificate counts as issued when a verified response reports success.
    ///
    /// # Errors
    /// As [`verify_response::issued`] and [`verify_response::ours`]; [`Kind::Pending`] with the certificate when the CA
    /// doesn't accept the confirmation.
    pub(super) fn issued(
        &mut self,
        outcome: Outcome,
        response: &Response,
        sent: &Sent,
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<Proven> {
        let Outcome::ConfirmRequired { certificates } = outcome else {
            return verify_response::ours(
                self.author.session,
                verify_response::issued(outcome)?,
                request.spki(),
            );
        };
        let ours = verify_response::ours(self.author.session, certificates, request.spki())?;
        match self.confirm(response, sent, request, key, &ours.certificate) {
            Ok(()) => Ok(ours),
            Err(e) => Err(unconfirmed(e, &ours.certificate)),
        }
    }

    fn confirm(
        &mut self,
        response: &Response,
        sent: &Sent,
        request: &Request,
        key: Option<&PrivateKey>,
        ours: &Certificate,
    ) -> Result<()> {
        let fields = certificate::fields(ours.der())?;
        let serial = Number::of(&decode("a serial number", &tlv(0x02, fields.serial))?);
        let id = CertificateId { issuer: fields.issuer.to_vec(), serial };
        let mut controls = vec![Control::ConfirmCertAcceptance(id)];
        let (more, sent) = pop::go_on(sent, response, &self.author.session.database)?;
        controls.extend(more);
        let message = self.author.controls_only(&controls, request, key)?;
        let response = self.connection.send(&message, &sent)?;
        verify_response::issued(response.outcome())?;
        // Elsewhere a missing status means success, but here the status is the only content.
        if response.statuses().iter().any(|s| s.status == CmcStatus::Success) {
            return Ok(());
        }
        Err(Error::new(Kind::BadReply, "response to the confirmation has no status"))
    }
}

/// Returns the error for a certificate that is issued but unconfirmed: nothing is imported, and its
/// key is kept.
fn unconfirmed(why: Error, certificate: &Certificate) -> Error {
    let summary = crate::asn1::summary::summary(certificate.der()).ok();
    let serial = summary.as_ref().map(|s| s.serial_hex()).unwrap_or_default();
    Error::new(
        Kind::Pending,
        format!(
            "the CA issued the certificate, serial {serial}, but did not accept its confirmation; do \
             not use it yet"
        ),
    )
    .because(why)
    .retry(false)
    .sent()
    .hint("Dogtag accepts no confirmation: set cmc.cert.confirmRequired=false in the CA's CS.cfg")
    .leftover(Leftover { certificate: Some(certificate.der().to_vec()), ..Leftover::default() })
}
