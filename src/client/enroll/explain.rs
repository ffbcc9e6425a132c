//! Adds the likely causes to a refusal of the requester that leaves them open.

use super::round_trips::{Asker, RoundTrips};
use crate::client::connection::Config;
use crate::client::doctor::fit::{Who, causes, is_unexplained};
use crate::error::Error;
use crate::http::est::is_est;

impl RoundTrips<'_> {
    /// Returns the error with a note for each likely cause that the CA's records and the profile
    /// show. An EST server's profile is not known.
    pub(super) fn explained(&mut self, error: Error, config: &Config) -> Error {
        if !is_unexplained(&error) || is_est(&config.ca) {
            return error;
        }
        let profile = config.profile.as_deref();
        let found = match &self.author.asker {
            Asker::Holder(identity) => {
                let who = Who::Signer(identity.certificate.der());
                causes(self.connection.transport(), &config.ca, profile, who)
            }
            Asker::SharedSecret(_) => {
                causes(self.connection.transport(), &config.ca, profile, Who::SharedSecret)
            }
            // EST servers only.
            Asker::Login => return error,
        };
        found.into_iter().fold(error, |error, cause| {
            let hint = cause.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
            error.note(format!("likely cause: {cause}{hint}"))
        })
    }
}
