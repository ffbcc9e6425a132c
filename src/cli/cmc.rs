//! `nss-cmc cmc`: messages by themselves.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::error::Result;
use crate::ops::show::{ShowSpec, show};
use crate::report::Report;

/// Commands of `cmc`.
#[derive(Subcommand)]
pub enum CmcCommand {
    /// Show a CMC request or response, a PKCS #10 or CRMF request, down to every control
    Show(ShowArgs),
}

/// Arguments of `cmc show`.
#[derive(Args)]
#[command(after_help = "Examples:\n  nss-cmc cmc show request.bin\n  \
                        nss-cmc cmc show response.bin -d /etc/httpd/alias --output json")]
pub struct ShowArgs {
    /// The message: DER, PEM or base64, also behind HTTP headers; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// NSS database whose trust decides about a response's signature
    #[arg(short = 'd', long, value_name = "DIR", env = "NSS_CMC_DATABASE")]
    database: Option<String>,

    /// Fail unless the response's signature is good and its signer trusted
    #[arg(long, requires = "database")]
    verify: bool,
}

impl CmcCommand {
    /// What reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            CmcCommand::Show(_) => "cmc show",
        }
    }
}

/// Runs a command of `cmc`.
///
/// # Errors
/// As the command's operation.
pub fn run(command: CmcCommand) -> Result<Report> {
    match command {
        CmcCommand::Show(args) => {
            show(&ShowSpec { file: args.file, database: args.database, verify: args.verify })
        }
    }
}
