//! The program: chooses the front end, and is the only place that exits.

mod cli;
mod dogtag_tools;
mod streams;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use streams::{Streams, standard_output};

fn main() -> ExitCode {
    nss_cmc::secret::forbid_core_dumps();
    nss_cmc::interrupt::survive_file_limit();
    let code = std::panic::catch_unwind(|| {
        nss_cmc::interrupt::announce_with(|line| eprintln!("nss-cmc: {line}"));
        let mut out = standard_output();
        // Not locked: other threads print what they wait for.
        let mut err = std::io::stderr();
        run(std::env::args_os().collect(), &mut Streams::new(&mut out, &mut err))
    });
    // The panic hook has already printed the message; a panic is a defect: exit code 1.
    ExitCode::from(code.unwrap_or_else(|_| nss_cmc::error::Kind::Internal.exit()))
}

/// Runs the Dogtag tool named by `argv[0]` or by the first argument, otherwise a command of [`cli`].
fn run(args: Vec<OsString>, streams: &mut Streams<'_>) -> u8 {
    let called = args.first().and_then(|path| Path::new(path).file_name());
    for (at, name) in [called, args.get(1).map(OsString::as_os_str)].into_iter().enumerate() {
        if let Some(tool) = name.and_then(|name| dogtag_tools::find(&name.to_string_lossy())) {
            return tool.run(args.get(at + 1..).unwrap_or_default(), streams);
        }
    }
    cli::run(args, streams, dogtag_tools::help_of)
}
