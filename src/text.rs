//! Text for people: escapes what a terminal would interpret, removes passwords from URLs, quotes
//! for the shell, and finds similar names for a misspelt one.

use std::borrow::Cow;

/// Returns `text` with every character that a terminal may interpret escaped as `\u{1b}`: control
/// characters (line ends included), line and paragraph separators, zero-width and bidirectional
/// marks, tags, annotations and soft hyphens.
///
/// A backslash is not escaped, so the result is for reading, not for parsing back.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts_on_terminal) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts_on_terminal(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Returns the first `most` characters of `text`, with `…` if more follow.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Returns a path or name as one shell word, quoted where necessary.
pub fn quoted(word: impl AsRef<std::ffi::OsStr>) -> String {
    let word = word.as_ref().to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "_-./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Returns a certutil command for the database in `dir` that works when pasted.
pub(crate) fn certutil(action: &str, dir: impl AsRef<std::ffi::OsStr>) -> String {
    format!("certutil {action} -d {}", quoted(dir))
}

/// Returns the command that makes a database trust a CA; it prompts for the database's password.
pub(crate) fn trust_command(dir: impl AsRef<std::ffi::OsStr>) -> String {
    format!("nss-cmc cert import ca.pem -d {} --nickname CA --trust CT,C,C", quoted(dir))
}

pub(crate) fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns `text` with user and password of every URL replaced by `***`. A password may contain
/// characters that end a URL's authority; so unless host and port are well-formed, everything up to
/// the last `@` is removed.
pub fn without_userinfo(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c));
        let (url, next) = after.split_at(end.unwrap_or(after.len()));
        out.push_str(before);
        out.push_str("://");
        match url.rsplit_once('@').filter(|_| !has_plain_host(url)) {
            Some((_, host)) => {
                out.push_str("***@");
                out.push_str(host);
            }
            None => out.push_str(url),
        }
        rest = next;
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Returns whether a URL without its scheme begins with a host, an optional port, and no user.
fn has_plain_host(url: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    split_port(authority(url)).is_some_and(|(host, port)| {
        host.chars().all(plain) && port.unwrap_or_default().bytes().all(|b| b.is_ascii_digit())
    })
}

/// Returns the authority of a URL without its scheme: all before the path.
pub(crate) fn authority(url: &str) -> &str {
    url.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Splits `host`, `host:port`, `[address]` or `[address]:port`.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    match rest.strip_prefix(':') {
        None if !rest.is_empty() => None,
        port => Some((host, port)),
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push('%');
            push_hex(&mut out, b);
        }
    }
    out
}

/// Percent-decodes; what is no escape stays.
pub(crate) fn percent_decoded(text: &str) -> Vec<u8> {
    // Of its final size: it may be a password.
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let digits =
            more.get(..2).filter(|d| *first == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        let octet = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        out.push(octet.unwrap_or(*first));
        rest = more.get(if octet.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    out
}

pub(crate) fn push_hex(out: &mut String, octet: u8) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    out.extend([octet >> 4, octet & 0x0f].iter().filter_map(|d| DIGITS.get(usize::from(*d))));
}

/// Returns upper-case hexadecimal without separators.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len() * 2);
    for octet in octets {
        push_hex(&mut out, *octet);
    }
    out
}

/// Returns up to three of `known` that are similar to `word`, nearest first; exact matches are left
/// out.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    // The edit distance takes quadratic time; no key or profile name is that long.
    let lower = &word.to_ascii_lowercase();
    if lower.len() > 200 {
        return Vec::new();
    }
    let mut scored: Vec<(usize, &str)> = known
        .iter()
        .filter(|k| **k != word)
        .map(|k| (strsim::levenshtein(lower, &k.to_ascii_lowercase()), *k))
        .filter(|(d, k)| *d <= 2 + k.len() / 6)
        .collect();
    scored.sort();
    scored.truncate(3);
    scored.into_iter().map(|(_, k)| k).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        for (text, want) in [
            ("plain, with \\ and ü", "plain, with \\ and ü"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("two\r\nlines\0", "two\\u{d}\\u{a}lines\\u{0}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("abc\u{202e}fdp.exe", "abc\\u{202e}fdp.exe"),
        ] {
            assert_eq!(printable(text), want);
        }
    }

    #[test]
    fn urls_lose_their_passwords() {
        for (text, want) in [
            ("no URL, a@b", "no URL, a@b"),
            ("at https://h:8443/x?mail=a@b now", "at https://h:8443/x?mail=a@b now"),
            ("https://[::1]:1/a@b", "https://[::1]:1/a@b"),
            ("'http://u:p@h:1' and \"ftp://u@h/\"", "'http://***@h:1' and \"ftp://***@h/\""),
            ("http://u:p@ss@h", "http://***@h"),
            ("http://u:p/ss@h:1", "http://***@h:1"),
            ("http://u:p?#@h:1 x", "http://***@h:1 x"),
        ] {
            assert_eq!(without_userinfo(text), want);
        }
    }

    #[test]
    fn escapes_of_urls_are_decoded_and_nothing_else_is() {
        assert_eq!(percent_encoded("a b/%é"), "a%20b%2F%25%C3%A9");
        for (text, want) in [("a%20b", "a b"), ("%c3%A9", "é"), ("%", "%"), ("%+5%4", "%+5%4")] {
            assert_eq!(percent_decoded(text), want.as_bytes(), "{text}");
        }
        assert_eq!(percent_decoded(&percent_encoded("a b/%é")), "a b/%é".as_bytes());
    }

    #[test]
    fn the_nearest_come_first_and_strangers_not_at_all() {
        let known = ["caadmin", "ca_signing", "Server-Cert"];
        assert_eq!(nearest("caadmni", &known), ["caadmin"]);
        assert_eq!(nearest("server-cert", &known), ["Server-Cert"]);
        assert!(nearest("caadmin", &["caadmin"]).is_empty());
        assert!(nearest(&"x".repeat(300), &known).is_empty());
    }
}
