//! Which of several certificates under one nickname is in use: the newest. A renewal leaves both.

use std::borrow::Borrow;

use crate::asn1::summary::{Summary, summary};
use crate::nss::Certificate;

/// Returns certificates with their fields, the newest first; of those that began in the same
/// second, the one with the largest serial number. One that can't be decoded is left out: it has no
/// age.
pub(crate) fn newest_first<C: Borrow<Certificate>>(
    found: impl IntoIterator<Item = C>,
) -> Vec<(Summary, C)> {
    let with_fields = |c: C| Some((summary(c.borrow().der()).ok()?, c));
    let mut all: Vec<_> = found.into_iter().filter_map(with_fields).collect();
    all.sort_by(|(one, _), (other, _)| {
        let age = |of: &Summary| {
            let serial: Vec<u8> = of.serial.iter().copied().skip_while(|o| *o == 0).collect();
            (of.not_before, serial.len(), serial)
        };
        age(other).cmp(&age(one))
    });
    all
}
