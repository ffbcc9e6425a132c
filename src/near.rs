//! Words that resemble one another: what a misspelt key, profile or nickname may have meant.

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
    fn the_nearest_come_first_and_strangers_not_at_all() {
        let known = ["caadmin", "ca_signing", "Server-Cert"];
        assert_eq!(nearest("caadmni", &known), ["caadmin"]);
        assert_eq!(nearest("server-cert", &known), ["Server-Cert"]);
        assert!(nearest("caadmin", &["caadmin"]).is_empty());
        assert!(nearest(&"x".repeat(300), &known).is_empty());
    }
}
