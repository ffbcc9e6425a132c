//! `nss-cmc enroll`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::args::{CaArgs, DatabaseArgs, duration};
use crate::algorithm::KeySpec;
use crate::error::Result;
use crate::ops::csr::AltNames;
use crate::ops::enroll::{EnrollSpec, KeySource, enroll};
use crate::report::Report;

/// Arguments of `enroll`.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["subject", "csr"])),
    after_help = "Example:\n  nss-cmc enroll -d /etc/httpd/alias --password-file pin.txt \\\n    \
                  --ca https://ca.example.com:8443 --profile caCMCserverCert --signer caadmin \\\n    \
                  --subject CN=www.example.com,O=EXAMPLE --dns www.example.com --nickname Server-Cert"
)]
pub struct EnrollArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the agent's (or user's) certificate that signs the request and the TLS login
    #[arg(long, value_name = "NICKNAME")]
    signer: String,

    /// Nickname for the new certificate
    #[arg(long, value_name = "NICKNAME", required_unless_present = "csr")]
    nickname: Option<String>,

    /// Subject of the new certificate, the most specific part first
    #[arg(long, value_name = "DN")]
    subject: Option<String>,

    /// DNS name to ask for (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with = "csr")]
    dns: Vec<String>,

    /// IP address to ask for (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "csr")]
    ip: Vec<String>,

    /// E-mail address to ask for (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "csr")]
    email: Vec<String>,

    /// Key to generate: rsa:2048, rsa:3072, ec:nistp256, ec:nistp384, ec:nistp521…
    #[arg(long, value_name = "TYPE", default_value = "rsa:2048")]
    key_type: KeySpec,

    /// Use this PKCS #10 or CRMF request instead of making a key
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,

    /// Write the certificate and its chain here, as PEM
    #[arg(long, value_name = "FILE")]
    chain_out: Option<PathBuf>,

    /// Ask for a certificate although one that fits is there
    #[arg(long)]
    force: bool,

    /// A certificate that ends within this time is renewed (30d, 12h…)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    renew_before: Duration,
}

/// Runs `enroll`.
///
/// # Errors
/// As [`enroll`].
pub fn run(args: EnrollArgs) -> Result<Report> {
    let key = match (args.csr, args.subject) {
        (Some(csr), _) => KeySource::Csr(csr),
        (None, subject) => {
            let tagged = |kind: &str, values: Vec<String>| {
                values.into_iter().map(|v| (kind.to_owned(), v)).collect::<Vec<_>>()
            };
            let mut names = tagged("dns", args.dns);
            names.extend(tagged("ip", args.ip));
            names.extend(tagged("email", args.email));
            KeySource::New {
                spec: args.key_type,
                subject: subject.unwrap_or_default(),
                names: AltNames(names),
            }
        }
    };
    enroll(EnrollSpec {
        password: args.database.password(),
        database: args.database.database,
        token: args.database.token,
        nickname: args.nickname,
        key,
        signer: args.signer,
        timeouts: args.ca.timeouts(),
        ca: args.ca.ca,
        profile: args.ca.profile,
        force: args.force,
        allow_unsigned: args.ca.allow_unsigned_response,
        renew_before: args.renew_before,
        chain_file: args.chain_out,
        proxy: args.ca.proxy,
    })
}
