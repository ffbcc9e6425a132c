//! The server that pki's global options name, and requests to it.

use std::path::Path;

use super::global::Global;
use super::usage;
use crate::streams::Streams;
use nss_cmc::Url;
use nss_cmc::certificate::summary;
use nss_cmc::client::connection::{Config, Exchange, Overlooked, Problem, ServerTrust, Transport};
use nss_cmc::client::dogtag::ca_url;
use nss_cmc::client::dogtag::certificates::Certificates;
use nss_cmc::client::output;
use nss_cmc::client::passwords::Source;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Access;
use nss_cmc::secret::Secret;

/// Opens the database, queries the server by `ask`, and closes the database.
///
/// # Errors
/// As [`Session::open`], [`Certificates::log_in`], and those of `ask`.
pub fn with<T>(
    global: &Global,
    streams: &mut Streams<'_>,
    ask: impl FnOnce(&mut Certificates<'_, '_>) -> Result<T>,
) -> Result<T> {
    let ca = url(global)?;
    let problems = overlooked_problems(global)?;
    for problem in &problems {
        streams.tell(format!("WARNING: {} of the server's certificate is ignored", problem.name()));
    }
    let plain_http = ca.as_str().starts_with("http:");
    if plain_http {
        streams.tell("WARNING: http: others on the network can read and change everything");
    }
    let dir = global.database(streams)?;
    let passwords = global.passwords(streams);
    let needs = Needs { token: global.token(), signer: global.nickname(), ..Needs::default() };
    let session = Session::open(&dir, Access::ReadOnly, needs, &passwords)?;
    let identity = global.nickname().map(|nickname| session.identity(nickname)).transpose()?;
    let authenticates = identity.is_some() || global.text("-u").is_some();
    let config =
        Config { plain_http, server: ServerTrust::Database(problems), ..Config::new(ca.clone()) };
    let mut transport = config.transport(Some(&session.database), identity)?;
    if let Some(user) = global.text("-u") {
        transport.log_in_as(user, password(global, user, streams)?)?;
    }
    let folder = global.http_output();
    if folder.is_some() || global.verbose() {
        transport.keep_transcript();
    }
    let outcome = asked(global, &mut transport, &ca, authenticates, ask);
    transport.overlooked().iter().for_each(|one| tell(one, streams));
    let exchanges = transport.transcript();
    if global.verbose() {
        for exchange in &exchanges {
            let status = exchange.reply.as_ref().map(|reply| reply.status.to_string());
            let status = status.unwrap_or_else(|| "no reply".to_owned());
            streams.tell(format!("INFO: {}: {status}", exchange.request));
        }
    }
    let kept = folder.map_or(Ok(()), |folder| keep(&folder, &exchanges));
    drop(transport);
    let outcome = outcome?;
    kept?;
    session.close()?;
    Ok(outcome)
}

fn asked<'t, 'db, T>(
    global: &Global,
    transport: &'t mut Transport<'db>,
    ca: &'t Url,
    authenticates: bool,
    ask: impl FnOnce(&mut Certificates<'_, '_>) -> Result<T>,
) -> Result<T> {
    let mut certificates = Certificates::new(transport, ca);
    if let Some(api) = global.text("--api") {
        certificates = certificates.api(api);
    }
    if authenticates {
        certificates.log_in()?;
    }
    ask(&mut certificates)
}

/// Returns the URL of `-U`, or one made from `-P`, `-h` and `-p`.
fn url(global: &Global) -> Result<Url> {
    if let Some(url) = global.text("-U") {
        return ca_url(url);
    }
    let protocol = global.text("-P").unwrap_or("https");
    let port = global.text("-p").unwrap_or("8443");
    let host = match global.text("-h") {
        Some(host) => host.to_owned(),
        None => this_host()?,
    };
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    ca_url(&format!("{protocol}://{host}:{port}"))
}

/// Returns the kernel's name for this machine. TLS compares it with the server's certificate.
fn this_host() -> Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").map_err(|e| {
        usage("no server given, and this machine's name is unknown").because(e).hint("use -U URL")
    })?;
    Ok(name.trim().to_owned())
}

/// Returns the problems in `--ignore-cert-status` that are not in `--reject-cert-status`.
fn overlooked_problems(global: &Global) -> Result<Vec<Problem>> {
    let words = |name| {
        let list = global.text(name).unwrap_or_default();
        list.split(',').map(str::trim).filter(|w| !w.is_empty())
    };
    let mut problems = Vec::new();
    for word in words("--ignore-cert-status") {
        let known = Problem::ALL.into_iter().find(|problem| problem.name() == word);
        let problem = known.ok_or_else(|| {
            let names = Problem::ALL.map(Problem::name).join(", ");
            usage(format!("cannot ignore {word}")).hint(format!("these can be ignored: {names}"))
        })?;
        if !words("--reject-cert-status").any(|rejected| rejected == word) {
            problems.push(problem);
        }
    }
    Ok(problems)
}

fn password(global: &Global, user: &str, streams: &mut Streams<'_>) -> Result<Secret> {
    if let Some(text) = global.secret("-w") {
        streams.tell("WARNING: everybody on this machine can see the password after -w");
        return Ok(super::super::secret(text));
    }
    let source = match global.path("-W") {
        Some(file) => {
            super::super::check_secrets([file], streams);
            Source::File(file.to_owned())
        }
        None => Source::Prompt,
    };
    source.read_shared(&format!("password of the user {user}"))
}

fn tell(overlooked: &Overlooked, streams: &mut Streams<'_>) {
    let (subject, issuer) = match summary(&overlooked.certificate) {
        Ok(summary) => (summary.subject, summary.issuer),
        Err(_) => Default::default(),
    };
    let indicates = match overlooked.problem {
        Problem::BadCertDomain => "a common-name mismatch".to_owned(),
        Problem::UntrustedIssuer => format!("a non-trusted CA cert '{issuer}'"),
        Problem::UnknownIssuer => format!("an unknown CA cert '{issuer}'"),
        Problem::ExpiredCertificate => "an expired cert".to_owned(),
    };
    let name = overlooked.problem.name();
    streams.tell(format!("WARNING: {name} encountered on '{subject}' indicates {indicates}"));
}

/// Stores the exchanges as `http-request-N` and `http-response-N`, from 1 on.
fn keep(folder: &Path, exchanges: &[Exchange]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| {
        Error::new(Kind::Output, format!("cannot create directory {}", folder.display())).because(e)
    })?;
    for (exchange, n) in exchanges.iter().zip(1..) {
        let write = |name: &str, content: &[u8]| {
            let path = folder.join(format!("http-{name}-{n}"));
            output::write(&path, content, output::Mode::Private)
        };
        let mut request = format!("{}\r\n\r\n", exchange.request).into_bytes();
        request.extend_from_slice(&exchange.sent);
        write("request", &request)?;
        if let Some(reply) = &exchange.reply {
            let mut response = format!("{}\r\n\r\n", reply.header_lines.join("\r\n")).into_bytes();
            response.extend_from_slice(&reply.body);
            write("response", &response)?;
        }
    }
    Ok(())
}
