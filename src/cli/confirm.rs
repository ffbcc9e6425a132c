//! Asks for confirmation before something is removed.

use std::io::{BufRead, IsTerminal, Write};

use nss_cmc::error::{Error, Kind, Result};
use nss_cmc::interrupt;

/// Asks on the terminal for confirmation, unless `yes`.
///
/// # Errors
/// [`Kind::Usage`] unless the user answers yes, and without a terminal; [`Kind::Interrupted`].
pub fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    let refused = |what: &str| Error::new(Kind::Usage, format!("{what}; nothing was changed"));
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused("not confirmed, and there is no terminal to ask on").hint("use --yes"));
    }
    let mut err = std::io::stderr();
    // If stderr can't be written, the user sees no question and won't confirm.
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).ok();
    let answer = interrupt::blocking(|| {
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    })?;
    let answer = answer.unwrap_or_default().trim().to_ascii_lowercase();
    match answer.as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refused("not confirmed")),
    }
}
