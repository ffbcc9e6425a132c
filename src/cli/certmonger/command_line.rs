//! The command line that certmonger stores and splits into words: blanks separate them, both kinds
//! of quotation marks keep everything between them as it is.

use nss_cmc::error::{Error, Kind, Result};

/// Returns words as one command line.
///
/// # Errors
/// [`Kind::Usage`] for a control character, which certmonger's files can't hold.
pub fn join(words: &[String]) -> Result<String> {
    let quoted = words.iter().map(|word| quoted(word)).collect::<Result<Vec<_>>>()?;
    Ok(quoted.join(" "))
}

fn quoted(word: &str) -> Result<String> {
    if word.contains(char::is_control) {
        return Err(Error::new(Kind::Usage, format!("invalid option {word:?}"))
            .because("it contains a control character"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Ok(word.to_owned());
    }
    Ok(format!("'{}'", word.replace('\'', r#"'"'"'"#)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        let words = ["/usr/bin/nss-cmc", "--signer", "PKI Admin's \"x\"", "", "https://a:1/x?y"];
        let line = join(&words.map(str::to_owned)).unwrap();
        let whole = r#"/usr/bin/nss-cmc --signer 'PKI Admin'"'"'s "x"' '' 'https://a:1/x?y'"#;
        assert_eq!(line, whole);
        assert_eq!(join(&["a\nb".to_owned()]).unwrap_err().kind(), Kind::Usage);
    }
}
