//! The servers that are accepted: by default those that the database trusts.

/// The servers that are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTrust {
    /// Servers that the database trusts under the name in the URL, apart from these problems.
    Database(Vec<Problem>),
    /// Any server; its data must be verified in another way.
    Anybody,
}

impl Default for ServerTrust {
    fn default() -> ServerTrust {
        ServerTrust::Database(Vec::new())
    }
}

impl ServerTrust {
    /// Returns whether a problem is overlooked.
    pub(super) fn overlooks(&self, problem: Problem) -> bool {
        match self {
            ServerTrust::Database(problems) => problems.contains(&problem),
            ServerTrust::Anybody => true,
        }
    }
}

/// A problem of a server's certificate that can be overlooked, by the name that pki and JSS give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// It is for another name than that in the URL.
    BadCertDomain,
    /// Its issuer is known but not trusted.
    UntrustedIssuer,
    /// Its issuer isn't in the database.
    UnknownIssuer,
    /// It is no longer valid, or not yet.
    ExpiredCertificate,
}

impl Problem {
    /// All problems.
    pub const ALL: [Problem; 4] = [
        Problem::BadCertDomain,
        Problem::UntrustedIssuer,
        Problem::UnknownIssuer,
        Problem::ExpiredCertificate,
    ];

    /// Returns pki's name, such as `BAD_CERT_DOMAIN`.
    pub fn name(self) -> &'static str {
        match self {
            Problem::BadCertDomain => "BAD_CERT_DOMAIN",
            Problem::UntrustedIssuer => "UNTRUSTED_ISSUER",
            Problem::UnknownIssuer => "UNKNOWN_ISSUER",
            Problem::ExpiredCertificate => "EXPIRED_CERTIFICATE",
        }
    }

    /// Returns the problem that an NSS error name stands for; `None` if it can't be overlooked.
    pub(super) fn of(fault: &str) -> Option<Problem> {
        match fault {
            "SSL_ERROR_BAD_CERT_DOMAIN" => Some(Problem::BadCertDomain),
            "SEC_ERROR_UNTRUSTED_ISSUER" => Some(Problem::UntrustedIssuer),
            "SEC_ERROR_UNKNOWN_ISSUER" => Some(Problem::UnknownIssuer),
            "SEC_ERROR_EXPIRED_CERTIFICATE" => Some(Problem::ExpiredCertificate),
            _ => None,
        }
    }
}

/// A problem that was overlooked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlooked {
    /// The problem.
    pub problem: Problem,
    /// DER of the server's certificate.
    pub certificate: Vec<u8>,
}
