//! The program: everything is in the library; this is the only place that exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    nss_cmc::secret::forbid_core_dumps();
    let code = std::panic::catch_unwind(|| {
        nss_cmc::interrupt::announce_with(|line| eprintln!("nss-cmc: {line}"));
        let mut out = nss_cmc::cli::standard_output();
        let mut err = std::io::stderr().lock();
        let mut streams = nss_cmc::cli::Streams::new(&mut out, &mut err);
        nss_cmc::cli::run(std::env::args_os().collect(), &mut streams)
    });
    // A panic has already said where; it is a defect, exit code 1.
    ExitCode::from(code.unwrap_or_else(|_| nss_cmc::error::Kind::Internal.exit()))
}
