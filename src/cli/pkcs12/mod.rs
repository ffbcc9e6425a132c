//! `nss-cmc pkcs12`: imports, exports and shows PKCS #12 files.

mod export;
mod import;
mod show;

use std::path::Path;

use clap::Subcommand;

pub use export::FileExported;
pub use import::FileImported;
pub use show::FileShown;

use crate::cli::report::Report;
use nss_cmc::error::Result;

/// Commands of `pkcs12`.
#[derive(Subcommand)]
pub enum Pkcs12Command {
    /// Import keys and certificates from a PKCS #12 file into the NSS database
    Import(Box<import::ImportArgs>),
    /// Export certificates, their chains and keys to a PKCS #12 file
    Export(Box<export::ExportArgs>),
    /// List the contents of a PKCS #12 file
    Show(show::ShowArgs),
}

impl Pkcs12Command {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Pkcs12Command::Import(_) => "pkcs12 import",
            Pkcs12Command::Export(_) => "pkcs12 export",
            Pkcs12Command::Show(_) => "pkcs12 show",
        }
    }

    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        matches!(self, Pkcs12Command::Show(_))
    }

    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        match self {
            Pkcs12Command::Export(args) => Some(&args.file),
            Pkcs12Command::Import(_) | Pkcs12Command::Show(_) => None,
        }
    }

    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Pkcs12Command::Import(args) => args.warnings(),
            Pkcs12Command::Export(args) => args.warnings(),
            Pkcs12Command::Show(args) => args.warnings(),
        }
    }
}

/// Runs a command of `pkcs12`. `tell` prints messages while the run waits.
///
/// # Errors
/// As the command's operation.
pub fn run(command: Pkcs12Command, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    match command {
        Pkcs12Command::Import(args) => import::run(*args, tell),
        Pkcs12Command::Export(args) => export::run(*args),
        Pkcs12Command::Show(args) => show::run(args),
    }
}

/// Returns "1 key", "2 keys".
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
