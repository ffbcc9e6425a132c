//! CMCResponse: prints a response, stores its certificate chain, and verifies its signature.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use crate::cli::args::PasswordArgs;
use crate::dogtag_tools::text::{render_response, stored_line};
use crate::streams::Streams;
use nss_cmc::client::input;
use nss_cmc::client::output::{self, Mode};
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::client::verify_response;
use nss_cmc::cmc::response::{self, Response};
use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::nss::Access;
use nss_cmc::pem;
use nss_cmc::trust::{self, SignatureCheck};

#[derive(Parser)]
#[command(name = "CMCResponse", about = "Show a CMC response and store its certificates")]
struct Options {
    /// NSS database directory; its trust flags decide whether the response is trusted
    #[arg(short = 'd', value_name = "DIR")]
    database: Option<String>,

    /// File with the response: DER, PEM or base64
    #[arg(short = 'i', value_name = "FILE")]
    input: Option<PathBuf>,

    /// File for the certificate chain (PKCS #7, PEM)
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print each certificate in base64, too
    #[arg(short = 'v', long)]
    verbose: bool,

    #[command(flatten)]
    password: PasswordArgs,

    /// Continue if the signature cannot be verified
    #[arg(long)]
    allow_unverified: bool,

    /// Ignored, as in the Java tool
    #[arg(hide = true)]
    stray: Vec<OsString>,
}

/// Runs CMCResponse. Returns 0 when every status is success and the response is verified.
pub fn run(args: &[OsString], streams: &mut Streams<'_>) -> u8 {
    let name = OsString::from("CMCResponse");
    let options = match Options::try_parse_from(std::iter::once(&name).chain(args)) {
        Ok(options) => options,
        Err(e) if !e.use_stderr() => {
            streams.say(e.to_string());
            return 0;
        }
        Err(e) => {
            streams.tell(e.to_string());
            return 1;
        }
    };
    match show(&options, streams) {
        Ok(code) => code,
        Err(e) => {
            streams.tell(format!("ERROR: {e}"));
            super::hint(&e, streams);
            1
        }
    }
}

fn show(options: &Options, streams: &mut Streams<'_>) -> Result<u8> {
    let Some(file) = &options.input else {
        return Err(
            Error::new(Kind::Usage, "Missing input CMC response").hint("CMCResponse --help")
        );
    };
    let bytes = input::read("CMC response", file)?;
    let what = format!("CMC response {}", file.display());
    let (der, response) = input::parsed(&what, "a CMC response", &bytes, response::parse)?;
    let rendered = render_response(&response, options.verbose);
    if let Some(output) = &options.output {
        streams.make_way_for(output);
    }
    streams.put(&rendered.stdout);
    if !rendered.stderr.is_empty() {
        streams.tell(rendered.stderr.trim_end());
    }
    for word in &options.stray {
        streams.tell(format!("warning: {:?} is ignored", word.to_string_lossy()));
    }
    verify(options, &response, streams)?;
    if rendered.exit != 0 {
        return Ok(rendered.exit);
    }
    if let Some(output) = &options.output {
        let body = pem::lines(&der, 76, "\r\n");
        let text = format!("-----BEGIN PKCS7-----\n{body}-----END PKCS7-----\n");
        output::write(output, text.as_bytes(), Mode::Default)?;
        streams.put(&stored_line(&output.display().to_string()));
    }
    Ok(0)
}

/// Verifies the response and each of its certificates against the database given with `-d`. Without
/// `-d` it prints that nothing was verified. The certificates are listed on stderr when one isn't
/// proven, or with `-v`.
fn verify(options: &Options, response: &Response, streams: &mut Streams<'_>) -> Result<()> {
    // The current directory is no default here: NSS loads the libraries that a database names.
    let Some(dir) = options.database.as_deref() else {
        streams.tell("warning: the signature was not verified: no NSS database given (-d DIR)");
        return Ok(());
    };
    let is_simple = response.signers == 0 && response.controls.is_none();
    if is_simple {
        streams.tell("warning: the response is not signed");
    }
    super::database(Some(dir), streams)?;
    let passwords = options.password.passwords();
    let session = match Session::open(dir, Access::ReadOnly, Needs::default(), &passwords) {
        Err(e) if e.kind() == Kind::Login && options.allow_unverified => {
            streams.tell(format!("warning: the signature was not verified: {e}"));
            return Ok(());
        }
        session => session?,
    };
    let database = &session.database;
    let verdict = match trust::verify(database, response) {
        SignatureCheck::Unsigned if is_simple => {
            Ok(verify_response::proofs(database, &response.certificates)?)
        }
        SignatureCheck::Unsigned => Err(Error::new(Kind::BadReply, "response is not signed")
            .hint("use --allow-unverified to continue anyway")),
        check => {
            let proofs = verify_response::proofs(database, &response.certificates)?;
            verify_response::accept(database, check, false).map(|()| proofs)
        }
    };
    session.close()?;
    let verdict = verdict.and_then(|proofs| {
        if !is_simple {
            streams.tell("the signature is valid and the signer is trusted");
        }
        if options.verbose || proofs.iter().any(|p| p.why_not.is_some()) {
            proofs.iter().for_each(|p| streams.tell(p.line()));
        }
        verify_response::all_proven(proofs)
    });
    match verdict {
        Err(e) if options.allow_unverified => streams.tell(format!("warning: {e}")),
        verdict => verdict?,
    }
    Ok(())
}
