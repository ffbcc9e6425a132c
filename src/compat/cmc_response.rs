//! CMCResponse: prints an answer, stores its chain, and says whether it is to be believed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::asn1::pem;
use crate::cli::Streams;
use crate::cli::args::PasswordArgs;
use crate::cmc::response::{self, Response};
use crate::error::{Error, Kind, Result};
use crate::nss::{Access, SignatureCheck};
use crate::ops::answer;
use crate::ops::file::{self, Mode};
use crate::ops::session::{Needs, Session};
use crate::text::{render_response, stored_line};

#[derive(Parser)]
#[command(name = "CMCResponse", about = "Shows a CMC response and stores its certificates")]
struct Options {
    /// NSS database whose trust decides about the signature
    #[arg(short = 'd', value_name = "DIR")]
    database: Option<String>,

    /// The response: DER, PEM or base64
    #[arg(short = 'i', value_name = "FILE")]
    input: Option<PathBuf>,

    /// Store the certificate chain here, as PKCS #7 in PEM
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// Also print each certificate in base64
    #[arg(short = 'v', long)]
    verbose: bool,

    #[command(flatten)]
    password: PasswordArgs,

    /// Go on when the signature can't be verified
    #[arg(long)]
    allow_unverified: bool,

    /// Ignored, as the Java tool does
    #[arg(hide = true)]
    stray: Vec<OsString>,
}

/// Runs CMCResponse: 0 when every status is success and the answer is to be believed.
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
            if let Some(hint) = e.hint_text() {
                streams.tell(format!("try: {hint}"));
            }
            1
        }
    }
}

fn show(options: &Options, streams: &mut Streams<'_>) -> Result<u8> {
    let Some(input) = &options.input else {
        return Err(
            Error::new(Kind::Usage, "Missing input CMC response").hint("CMCResponse --help")
        );
    };
    let der = pem::to_der("the CMC response", &file::read("the CMC response", input)?)?;
    let response = response::parse(&der)?;
    let rendered = render_response(&response, options.verbose);
    streams.put(&rendered.stdout);
    if !rendered.stderr.is_empty() {
        streams.tell(rendered.stderr.trim_end());
    }
    for word in &options.stray {
        streams.tell(format!("warning: {:?} is ignored", word.to_string_lossy()));
    }
    verify(options, &der, &response, streams)?;
    if rendered.exit != 0 {
        return Ok(rendered.exit);
    }
    if let Some(output) = &options.output {
        let body = pem::lines(&der, 76, "\r\n");
        let text = format!("-----BEGIN PKCS7-----\n{body}-----END PKCS7-----\n");
        file::write(output, text.as_bytes(), Mode::Default)?;
        streams.put(&stored_line(&output.display().to_string()));
    }
    Ok(0)
}

/// Verifies the answer against the database named with `-d`, else against one in the current
/// directory if there is one. With neither, and for a Simple PKI Response, which carries no
/// signature, it only says that nothing was verified.
fn verify(
    options: &Options,
    der: &[u8],
    response: &Response,
    streams: &mut Streams<'_>,
) -> Result<()> {
    let dir = match &options.database {
        Some(dir) => dir.as_str(),
        None if Path::new("cert9.db").is_file() => ".",
        None => {
            streams.tell("warning: the signature was not verified: no NSS database given (-d DIR)");
            return Ok(());
        }
    };
    if response.signers == 0 && response.controls.is_none() {
        streams.tell("warning: the response carries no signature; nothing vouches for it");
        return Ok(());
    }
    let passwords = options.password.passwords();
    let session = match Session::open(dir, Access::ReadOnly, Needs::default(), &passwords) {
        Err(e) if e.kind() == Kind::Login && options.allow_unverified => {
            streams.tell(format!("warning: the signature was not verified: {e}"));
            return Ok(());
        }
        session => session?,
    };
    let database = &session.database;
    let verdict = match database.verify_signed_data(der) {
        // A database that happens to lie in the current directory need not know this CA.
        SignatureCheck::NotTrusted(f) if options.database.is_none() => {
            streams.tell(format!("warning: the signer is not trusted by the database in .: {f}"));
            Ok(false)
        }
        SignatureCheck::Unsigned => {
            Err(Error::new(Kind::BadReply, "the response is not signed; nothing vouches for it")
                .hint("--allow-unverified goes on all the same"))
        }
        check => answer::judge(database, check, false).map(|()| true),
    };
    session.close()?;
    match verdict {
        Ok(true) => streams.tell("the signature is good and the signer is trusted"),
        Ok(false) => {}
        Err(e) if options.allow_unverified => streams.tell(format!("warning: {e}")),
        Err(e) => return Err(e),
    }
    Ok(())
}
