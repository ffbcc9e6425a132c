//! `nss-cmc enroll`: enrolls a certificate and imports it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::json;

use super::args::{CaArgs, DatabaseArgs, SharedSecretArgs, duration, warnings};
use crate::cli::report::{Report, certificate_json, chain_json};
use nss_cmc::algorithm::KeySpec;
use nss_cmc::asn1::{name, pem};
use nss_cmc::client::archive::Archive;
use nss_cmc::client::csr::AltNames;
use nss_cmc::client::enroll::{
    DEFAULT_KEY, EnrollSpec, Enrolled, Event, Issued, KeySource, Mended, Outcome, Requester,
    Shared, enroll,
};
use nss_cmc::cmc::control::check_identification;
use nss_cmc::cmc::crmf::ArchiveWrap;
use nss_cmc::cmc::proof::WitnessAlgorithms;
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::keyid;
use nss_cmc::nss::Trust;

/// Headings of the options.
const ASKER: &str = "Who asks";
const KEY: &str = "Key";
const NAMES: &str = "Names";
const OUTPUT: &str = "Output";

const EXAMPLES: &str = "\
The response's signature and every certificate in it are verified by a CA that the database trusts.
Not checked: OCSP, and CRLs unless they are in the database.

Examples:
  A TLS server's certificate, asked for by an agent:
    nss-cmc enroll -d /etc/httpd/alias --password-file pin.txt \\
      --ca https://ca.example.com:8443 --profile caCMCserverCert --signer caadmin \\
      --subject CN=www.example.com,O=EXAMPLE --dns www.example.com --nickname Server-Cert

  A user's first certificate, by a shared secret:
    nss-cmc enroll -d db --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caFullCMCSharedTokenCert --identification alice \\
      --shared-secret-file secret.txt --subject CN=alice --nickname alice

  For a request made elsewhere, the chain in a file:
    nss-cmc enroll -d db --password-file pin.txt --ca https://ca.example.com:8443 \\
      --profile caCMCserverCert --signer caadmin --csr www.csr --chain-out www.pem

  From an EST server, one JSON object for scripts:
    nss-cmc enroll -d db --password-file pin.txt --signer alice --output json \\
      --ca https://est.example.com/.well-known/est/fullcmc --key-type ec:nistp256 \\
      --subject CN=alice --nickname alice-2";

/// Arguments of `enroll`.
#[derive(Args)]
#[command(
    group(ArgGroup::new("what").required(true).args(["subject", "csr"])),
    group(ArgGroup::new("who").required(true).args(["signer", "identification"])),
    after_help = EXAMPLES
)]
pub struct EnrollArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    ca: CaArgs,

    /// Nickname of the agent's (or user's) certificate that signs the request and the TLS login
    #[arg(long, value_name = "NICKNAME")]
    #[arg(help_heading = ASKER)]
    signer: Option<String>,

    /// The user's uid at the CA: the request is signed by its own key and proved by the secret that
    /// the CA shares with the user
    #[arg(long, value_name = "UID", conflicts_with = "signer")]
    #[arg(help_heading = ASKER)]
    identification: Option<String>,

    #[command(flatten)]
    shared_secret: SharedSecretArgs,

    /// Also link the request to the shared secret (popLinkWitnessV2), for CAs that require it
    #[arg(long, requires = "identification")]
    #[arg(help_heading = ASKER)]
    pop_link: bool,

    /// Digest of both proofs, in key and MAC: SHA-256 or SHA-512 (HMAC-SHA384 fails at Dogtag)
    #[arg(long, value_name = "DIGEST", default_value = "SHA-256", requires = "identification",
          value_parser = ["SHA-256", "SHA-512"], ignore_case = true)]
    #[arg(help_heading = ASKER)]
    proof_digest: String,

    /// The key is for encryption only: no signature, the CA's challenge is decrypted (two round trips)
    #[arg(long, conflicts_with_all = ["csr", "identification", "dns", "ip", "email"])]
    #[arg(help_heading = KEY)]
    encryption_only: bool,

    /// Have the private key archived: the KRA's transport certificate (DER or PEM)
    #[arg(long, alias = "transport-cert", value_name = "FILE",
          conflicts_with_all = ["csr", "dns", "ip", "email"])]
    #[arg(help_heading = KEY)]
    archive_to: Option<PathBuf>,

    /// How the private key is wrapped for the KRA
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "AES KeyWrap/Padding",
        requires = "archive_to"
    )]
    #[arg(help_heading = KEY)]
    wrap: ArchiveWrap,

    /// Wrap the archived key's session key with RSA-OAEP, as the KRA is set up
    #[arg(long, requires = "archive_to")]
    #[arg(help_heading = KEY)]
    oaep: bool,

    /// Nickname for the new certificate
    #[arg(long, value_name = "NICKNAME", required_unless_present = "csr")]
    #[arg(help_heading = NAMES)]
    nickname: Option<String>,

    /// Subject of the new certificate, the most specific part first
    #[arg(long, value_name = "DN")]
    #[arg(help_heading = NAMES)]
    subject: Option<String>,

    /// DNS name to ask for (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with = "csr")]
    #[arg(help_heading = NAMES)]
    dns: Vec<String>,

    /// IP address to ask for (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "csr")]
    #[arg(help_heading = NAMES)]
    ip: Vec<String>,

    /// E-mail address to ask for (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "csr")]
    #[arg(help_heading = NAMES)]
    email: Vec<String>,

    /// Key to generate: rsa:2048, rsa:3072, ec:nistp256, ec:nistp384, ec:nistp521… [default: rsa:2048]
    #[arg(long, value_name = "TYPE")]
    #[arg(help_heading = KEY)]
    key_type: Option<KeySpec>,

    /// Use this PKCS #10 or CRMF request instead of making a key
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = KEY)]
    csr: Option<PathBuf>,

    /// Trust flags for the new certificate, as certutil writes them (audit signing: u,u,Pu)
    #[arg(long, value_name = "FLAGS", requires = "nickname", value_parser = trust)]
    #[arg(help_heading = OUTPUT)]
    trust: Option<Trust>,

    /// Write the certificate and its chain here, as PEM
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = OUTPUT)]
    chain_out: Option<PathBuf>,

    /// Ask for a certificate although one that fits is there
    #[arg(long)]
    force: bool,

    /// Ask for another certificate when the one there lacks a name asked for, or has a key of another
    /// type than --key-type; one that lacks a name all the same isn't imported
    #[arg(long)]
    renew_on_change: bool,

    /// Look the certificate there up in the CA's records, and ask for another one when it is revoked;
    /// on hold it stays
    #[arg(long)]
    renew_revoked: bool,

    /// Fail when the certificate lacks a name asked for: it is printed, not imported, and its key kept
    #[arg(long)]
    require_names: bool,

    /// A certificate that ends within this time is renewed (30d, 12h…)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration)]
    renew_before: Duration,

    /// Seconds to wait for another run of enroll on the same database
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    lock_timeout: u64,
}

impl EnrollArgs {
    /// Returns warnings about the database and the files that the options name.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = self.database.warnings();
        said.extend(warnings(None, self.shared_secret.shared_secret_file.as_deref()));
        said
    }
}

fn trust(text: &str) -> std::result::Result<Trust, String> {
    Trust::parse(text).map_err(|e| e.to_string())
}

/// Runs `enroll`; `tell` prints progress for the user.
///
/// # Errors
/// As [`enroll`].
pub fn run(args: EnrollArgs, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    // A missing profile is reported before the database is opened.
    let connection = args.ca.config()?;
    connection.submit_url()?;
    if args.nickname.as_ref().is_some_and(|name| name.chars().any(char::is_control)) {
        return Err(Error::new(Kind::Usage, format!("invalid nickname {:?}", args.nickname))
            .because("it holds a control character, such as a line end"));
    }
    if let Some(text) = &args.subject {
        name::subject(text, name::Prefixes::Text)?;
    }
    let requester = requester(&args)?;
    if args.encryption_only && !matches!(args.key_type.unwrap_or(DEFAULT_KEY), KeySpec::Rsa(_)) {
        return Err(Error::new(Kind::Usage, "--encryption-only needs an RSA key")
            .hint("the CA encrypts its challenge for the key: --key-type rsa:2048"));
    }
    let archive = args.archive_to.as_deref().map(|file| Archive::read(file, args.wrap, args.oaep));
    let archive = archive.transpose()?;
    let about_archive = archive.as_ref().map(|a| a.warnings.clone()).unwrap_or_default();
    let spec = EnrollSpec {
        key: key(&args),
        passwords: args.database.passwords(),
        database: args.database.database,
        token: args.database.token,
        nickname: args.nickname,
        requester,
        encryption_only: args.encryption_only,
        archive,
        connection,
        force: args.force,
        renew_on_change: args.renew_on_change,
        renew_revoked: args.renew_revoked,
        require_names: args.require_names,
        lock_timeout: Duration::from_secs(args.lock_timeout),
        renew_before: args.renew_before,
        trust: args.trust,
        chain_file: args.chain_out,
    };
    let enrolled = enroll(spec, &mut |event| tell(&event_text(&event)))?;
    Ok(report(&enrolled, about_archive))
}

fn key(args: &EnrollArgs) -> KeySource {
    if let Some(csr) = &args.csr {
        return KeySource::Csr(csr.clone());
    }
    let names = [("dns", &args.dns), ("ip", &args.ip), ("email", &args.email)];
    KeySource::New {
        spec: args.key_type,
        subject: args.subject.clone().unwrap_or_default(),
        names: AltNames::tagged(&names),
    }
}

fn requester(args: &EnrollArgs) -> Result<Requester> {
    let Some(identification) = &args.identification else {
        return Ok(Requester::Certificate(args.signer.clone().unwrap_or_default()));
    };
    check_identification(identification)?;
    let secret = args.shared_secret.read()?;
    if !secret.bytes().is_ascii() {
        return Err(Error::new(Kind::Usage, "the shared secret is not ASCII")
            .because("Dogtag cannot verify proofs by such a secret, right or wrong")
            .hint("have the CA's administrator set another one"));
    }
    let digest = Some(args.proof_digest.as_str());
    Ok(Requester::SharedSecret(Shared {
        identification: identification.clone(),
        secret,
        pop_link: args.pop_link,
        algorithms: WitnessAlgorithms::parse(digest, digest)?,
    }))
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Waiting(folder, limit) => format!(
            "waiting for another run that holds the NSS database {}, {} s at most",
            folder.display(),
            limit.as_secs()
        ),
        Event::NotLocked(folder, why) => format!(
            "cannot lock the NSS database {}, other runs may interfere: {why}",
            folder.display()
        ),
    }
}

fn report(enrolled: &Enrolled, about_archive: Vec<String>) -> Report {
    let mut report = match &enrolled.outcome {
        Outcome::Unchanged { extra_names, mended } => unchanged(enrolled, extra_names, mended),
        Outcome::Issued(issued) => certified(enrolled, issued, about_archive),
    };
    report.warnings.extend(enrolled.notices.iter().map(ToString::to_string));
    report
}

fn unchanged(enrolled: &Enrolled, extra_names: &[String], mended: &[Mended]) -> Report {
    let certificate = &enrolled.certificate;
    let msg = format!(
        "{} is there already, serial {}, valid until {}",
        enrolled.nickname.as_deref().unwrap_or_default(),
        certificate.serial_hex(),
        certificate.until()
    );
    let mut report = if mended.is_empty() {
        Report::done("enroll", "unchanged", false, msg)
            .line("nothing to do; --force asks for another certificate")
    } else {
        let lines = mended.iter().map(|mended| match mended {
            Mended::Label(label) => format!("took the label {label:?} from its key"),
            Mended::Trust(trust) => format!("set the trust {}", trust.as_str()),
            Mended::ChainFile(path) => chain_written(path),
        });
        lines.fold(Report::done("enroll", "updated", true, msg), Report::line)
    };
    if enrolled.archived.is_none() {
        report.warnings.push(
            "whether its private key is archived cannot be seen; --force archives another".into(),
        );
    }
    if !extra_names.is_empty() {
        report.warnings.push(format!(
            "the certificate also names {}, which is not asked for; --force asks for another one",
            extra_names.join(", ")
        ));
    }
    report.result(json!({
        "nickname": enrolled.nickname,
        "token": enrolled.token,
        "has_key": enrolled.has_key,
        "certificate": certificate_json(certificate),
        "extra_names": extra_names,
    }))
}

fn certified(enrolled: &Enrolled, issued: &Issued, about_archive: Vec<String>) -> Report {
    let (certificate, token) = (&enrolled.certificate, &enrolled.token);
    let (status, verb) = match issued.recovered {
        true => ("recovered", "fetched the certificate issued to an earlier run:"),
        false => ("issued", "issued"),
    };
    let msg = format!(
        "{verb} {}, serial {}, valid until {}",
        certificate.subject,
        certificate.serial_hex(),
        certificate.until()
    );
    let mut report = Report::done("enroll", status, true, msg);
    let mut result = json!({
        "nickname": enrolled.nickname,
        "token": token,
        "has_key": enrolled.has_key,
        "certificate": certificate_json(certificate),
        "chain": chain_json(&issued.chain),
        "imported_ca_nicknames": issued.imported_cas,
        "missing_names": issued.missing_names,
        "subject_replaced": issued.replaced_subject.is_some(),
        "archived": enrolled.archived,
    });
    if let Some(nickname) = &enrolled.nickname {
        let beside = if enrolled.has_key { "beside its key" } else { "without a key" };
        report = report.line(format!("imported as {nickname:?} {beside} in the token {token}"));
    }
    for name in &issued.imported_cas {
        report = report.line(format!("imported the CA certificate {name:?}, untrusted"));
    }
    if let Some(path) = &issued.chain_file {
        report = report.line(chain_written(path));
    }
    match enrolled.archived {
        Some(true) => report = report.line("the private key is archived in the CA's KRA"),
        Some(false) => {}
        None => report.warnings.push(
            "the earlier request decided whether the private key was archived; ask the KRA".into(),
        ),
    }
    if let Some(key) = &issued.key {
        let (id, resumed) = (keyid::to_hex(&key.id), key.resumed);
        let of = if resumed { ", of an earlier unfinished request" } else { "" };
        report = report.line(format!("key id {id}{of}"));
        result["key_id"] = json!(id);
        result["key_id_signed"] = json!(keyid::to_dogtag(&key.id));
        result["key_resumed"] = json!(resumed);
    }
    if enrolled.nickname.is_none() && issued.chain_file.is_none() {
        // The report is the only copy of this certificate.
        report = report.line(pem::certificates(&certificate.der, &issued.chain).trim_end());
    }
    if !issued.missing_names.is_empty() {
        report.warnings.push(format!(
            "the CA left out {}: the profile decides which names a certificate gets",
            issued.missing_names.join(", ")
        ));
    }
    if let Some(subject) = &issued.replaced_subject {
        report.warnings.push(format!(
            "the CA replaced the subject {subject}: the certificate is for {}",
            certificate.subject
        ));
    }
    report.warnings.extend(about_archive);
    report.result(result)
}

fn chain_written(path: &Path) -> String {
    format!("certificate chain written to {}", path.display())
}
