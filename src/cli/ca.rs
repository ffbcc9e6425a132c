//! `nss-cmc ca`: searches the CA's records, fetches its chain and the KRA's transport certificate.

mod chain;
mod find;
mod show;

use std::path::Path;

use clap::{Args, Subcommand};

pub use chain::ChainFetched;
pub use find::RecordsFound;
pub use show::{Recorded, TransportFetched};

use super::args::TrustArgs;
use super::connect_args::ReachArgs;
use crate::cli::report::Report;
use crate::streams::Streams;
use nss_cmc::client::connection::Config;
use nss_cmc::client::dogtag::certificates::Certificates;
use nss_cmc::client::session::{Needs, Session};
use nss_cmc::error::Result;
use nss_cmc::nss::Access;

/// Commands of `ca`.
#[derive(Subcommand)]
pub enum CaCommand {
    /// Find certificates in the CA's records
    Find(Box<find::FindArgs>),
    /// Show a certificate of the CA's records
    Show(Box<show::ShowArgs>),
    /// Fetch the CA's chain, and trust it
    Chain(Box<chain::ChainArgs>),
    /// Fetch the KRA's transport certificate, for --archive-to
    Transport(Box<show::TransportArgs>),
}

/// The CA, and the database that decides whether it is trusted.
#[derive(Args)]
struct RecordsArgs {
    #[command(flatten)]
    database: TrustArgs,

    /// URL of the CA (https://host:port), or its name in the configuration file
    #[arg(long, value_name = "URL", help_heading = "CA")]
    ca: String,

    #[command(flatten)]
    reach: ReachArgs,
}

impl RecordsArgs {
    /// Opens the database, runs `ask`, and closes the database; the second result is that of closing
    /// it.
    ///
    /// # Errors
    /// As [`Session::open`]; those of `ask`.
    fn with<T>(&self, ask: impl FnOnce(&Session, &Config) -> Result<T>) -> Result<(T, Result<()>)> {
        let config = self.reach.config(&self.ca)?;
        let (database, passwords) = (&self.database.database, self.database.password.passwords());
        let session = Session::open(database, Access::ReadOnly, Needs::default(), &passwords)?;
        let outcome = ask(&session, &config)?;
        Ok((outcome, session.close()))
    }

    /// As [`RecordsArgs::with`], for the CA's records.
    fn records<T>(
        &self,
        ask: impl FnOnce(&mut Certificates<'_, '_>) -> Result<T>,
    ) -> Result<(T, Result<()>)> {
        self.with(|session, config| {
            let mut transport = config.transport(Some(&session.database), None)?;
            ask(&mut Certificates::new(&mut transport, &config.ca))
        })
    }
}

impl CaCommand {
    /// Returns the command's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            CaCommand::Find(_) => "ca find",
            CaCommand::Show(_) => "ca show",
            CaCommand::Chain(_) => "ca chain",
            CaCommand::Transport(_) => "ca transport",
        }
    }

    /// Returns whether the command only reads.
    pub fn reads(&self) -> bool {
        match self {
            CaCommand::Find(_) => true,
            CaCommand::Show(args) => args.reads(),
            CaCommand::Chain(args) => args.reads(),
            CaCommand::Transport(args) => args.reads(),
        }
    }

    /// Returns the file that the command writes.
    pub fn output_file(&self) -> Option<&Path> {
        match self {
            CaCommand::Find(_) => None,
            CaCommand::Show(args) => args.out.as_deref(),
            CaCommand::Chain(args) => args.out.as_deref(),
            CaCommand::Transport(args) => args.out.as_deref(),
        }
    }

    /// Returns warnings about the database and files it names.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            CaCommand::Find(args) => args.ca.database.warnings(),
            CaCommand::Show(args) => args.ca.database.warnings(),
            CaCommand::Chain(args) => args.warnings(),
            CaCommand::Transport(args) => args.ca.database.warnings(),
        }
    }
}

/// Runs a command of `ca`.
///
/// # Errors
/// As the command's operation.
pub fn run(command: CaCommand, streams: &mut Streams<'_>) -> Result<Report> {
    match command {
        CaCommand::Find(args) => find::run(&args),
        CaCommand::Show(args) => show::run(&args),
        CaCommand::Chain(args) => chain::run(&args, streams),
        CaCommand::Transport(args) => show::transport(&args),
    }
}
