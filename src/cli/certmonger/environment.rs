//! The variables in which certmonger passes an operation to its helper.

/// An operation and its arguments. An empty variable counts as absent.
#[derive(Debug, Clone)]
pub struct Environment {
    /// CERTMONGER_OPERATION; SUBMIT if absent, so that the helper can be tried by hand.
    pub operation: String,
    /// CERTMONGER_CSR: the PKCS #10 request, as PEM.
    pub csr: Option<String>,
    /// CERTMONGER_CERTIFICATE: the certificate that is renewed, as PEM.
    pub certificate: Option<String>,
    /// CERTMONGER_CA_PROFILE: the profile (`getcert -T`).
    pub profile: Option<String>,
    /// CERTMONGER_CA_COOKIE: what an earlier run printed.
    pub cookie: Option<String>,
}

impl Environment {
    /// Reads the variables.
    pub fn read() -> Environment {
        let variable = |name: &str| {
            let value = std::env::var_os(format!("CERTMONGER_{name}"))?;
            Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
        };
        Environment {
            operation: variable("OPERATION").unwrap_or_else(|| "SUBMIT".into()),
            csr: variable("CSR"),
            certificate: variable("CERTIFICATE"),
            profile: variable("CA_PROFILE"),
            cookie: variable("CA_COOKIE"),
        }
    }
}
