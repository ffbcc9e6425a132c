//! Names of Dogtag's CMC profiles, for hints only: an administrator may have changed them all.

/// The CMC profiles Dogtag ships.
pub const SHIPPED: &[&str] = &[
    "caCMCserverCert",
    "caCMCECserverCert",
    "caCMCMLDSAserverCert",
    "caCMCsubsystemCert",
    "caCMCECsubsystemCert",
    "caCMCauditSigningCert",
    "caCMCocspCert",
    "caCMCkraTransportCert",
    "caCMCkraStorageCert",
    "caCMCcaCert",
    "caCMCcaIssuanceProtectionCert",
    "caFullCMCUserCert",
    "caECFullCMCUserCert",
    "caCMCUserCert",
    "caCMCECUserCert",
    "caFullCMCUserSignedCert",
    "caECFullCMCUserSignedCert",
    "caFullCMCSharedTokenCert",
    "caECFullCMCSharedTokenCert",
    "caSimpleCMCUserCert",
    "caECSimpleCMCUserCert",
];

/// Names documents use that the product doesn't have, and what it calls them.
const RENAMED: &[(&str, &str)] = &[("caFullCMCSelfSignedCert", "caFullCMCSharedTokenCert")];

/// Up to three shipped profiles whose names are near `id`, nearest first.
pub fn near(id: &str) -> Vec<&'static str> {
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == id) {
        return vec![new];
    }
    nearest(id, SHIPPED)
}

/// Up to three of `known` that resemble `word`, nearest first; an exact match isn't a resemblance.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let lower = word.to_ascii_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .iter()
        .filter(|k| **k != word)
        .map(|k| (distance(&lower, &k.to_ascii_lowercase()), *k))
        .filter(|(d, k)| *d <= 2 + k.len() / 6)
        .collect();
    scored.sort();
    scored.truncate(3);
    scored.into_iter().map(|(_, k)| k).collect()
}

/// Levenshtein distance in octets.
fn distance(a: &str, b: &str) -> usize {
    // Longer input than any key or profile resembles none.
    if a.len() > 200 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (j, y) in b.bytes().enumerate() {
            let diagonal = row.get(j).copied().unwrap_or_default() + usize::from(x != y);
            let above = row.get(j + 1).copied().unwrap_or_default() + 1;
            left = diagonal.min(above).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_s_spellings_find_the_product_s() {
        assert_eq!(near("caCMCECCserverCert")[0], "caCMCECserverCert");
        assert_eq!(near("caCMCECCsubsystemCert")[0], "caCMCECsubsystemCert");
        assert_eq!(near("caFullCMCSelfSignedCert"), ["caFullCMCSharedTokenCert"]);
        assert_eq!(near("cacmcservercert")[0], "caCMCserverCert");
        assert!(near("somethingElseEntirely").is_empty());
    }
}
