//! Decides which certificates of a message are proven: the message's signature doesn't cover them.

use super::path::Paths;
use crate::asn1::certificate;
use crate::error::{Error, Kind, Result};
use crate::nss::Database;

/// The most certificates of one message that are examined.
const MOST: usize = 100;

/// Verifies the certificates of a message (DER) one by one; the results are in the same order.
///
/// A certificate is proven if it has a [path](Paths::to_trusted) to a CA that the database trusts,
/// or if it is above such a CA, up to its root: those are not trusted, but can't be forged either.
///
/// # Errors
/// [`Kind::Database`]. Each inner error says why a certificate isn't proven.
pub fn prove(database: &Database, certificates: &[Vec<u8>]) -> Result<Vec<Result<()>>> {
    let looked_at = certificates.get(..MOST).unwrap_or(certificates);
    let paths = Paths::new(database, looked_at);
    let mut outcomes: Vec<Result<()>> =
        looked_at.iter().map(|der| paths.to_trusted(der).map(|_| ())).collect();
    let internal = database.token("internal")?;
    let mut above: Vec<Vec<u8>> = Vec::new();
    if outcomes.iter().any(Result::is_err) {
        for (der, _) in looked_at.iter().zip(&outcomes).filter(|(_, o)| o.is_ok()) {
            let ca = certificate::read(der).and_then(|c| c.ca()).is_ok_and(|(ca, _)| ca);
            if ca {
                above.extend(paths.by_signature(&internal, der)?);
            }
        }
    }
    for (der, outcome) in looked_at.iter().zip(&mut outcomes) {
        if outcome.is_err() && above.contains(der) {
            *outcome = Ok(());
        }
    }
    outcomes.extend(certificates.iter().skip(MOST).map(|_| {
        let why = format!("only the first {MOST} certificates of a message are checked");
        Err(Error::new(Kind::Untrusted, why))
    }));
    Ok(outcomes)
}
