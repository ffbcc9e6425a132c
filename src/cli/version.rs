//! `nss-cmc version`.

use schemars::JsonSchema;
use serde::Serialize;

use super::report::{Report, SCHEMA};
use nss_cmc::client::versions::versions;

/// Result of `version`.
#[derive(Serialize, JsonSchema)]
pub struct Version {
    /// Version of nss-cmc.
    version: String,
    /// Version of the shape of the JSON.
    json_schema: String,
    /// Version of NSS.
    nss: String,
    /// Version of OpenSSL.
    openssl: String,
    /// Version of libcurl.
    curl: String,
    /// The TLS library of libcurl.
    curl_tls: Option<String>,
    /// Whether the system is in FIPS mode. `db show` tells it of a database.
    system_fips: bool,
}

/// Runs `version`.
pub fn run() -> Report {
    let found = versions();
    let own = env!("CARGO_PKG_VERSION");
    let tls = found.libcurl_tls.as_deref().unwrap_or("none");
    Report::done("version", "shown", false, format!("nss-cmc {own}"))
        .line(format!("JSON schema: {SCHEMA}"))
        .line(format!("NSS: {}", found.nss))
        .line(format!("OpenSSL: {}", found.openssl))
        .line(format!("libcurl: {} (TLS: {tls})", found.libcurl))
        .line(format!("system in FIPS mode: {}", if found.system_fips { "yes" } else { "no" }))
        .result(Version {
            version: own.to_owned(),
            json_schema: SCHEMA.to_owned(),
            nss: found.nss,
            openssl: found.openssl,
            curl: found.libcurl,
            curl_tls: found.libcurl_tls,
            system_fips: found.system_fips,
        })
}
