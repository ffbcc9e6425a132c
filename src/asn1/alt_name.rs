//! The form of alternative names: which text can be a DNS name, an address, an e-mail address or a
//! URI.

use std::net::IpAddr;

use crate::error::{Error, Kind, Result};

/// The longest DNS name and label (RFC 1035 §2.3.4), and the longest local part of an e-mail
/// address (RFC 5321 §4.5.3.1), in octets.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
const LONGEST_LOCAL: usize = 64;

/// Checks that `value` is a name of its kind: `dns`, `ip`, `email` or `uri`.
///
/// # Errors
/// [`Kind::Usage`]; the hint is the option that takes the value, if there is one.
pub(crate) fn check(kind: &str, value: &str) -> Result<()> {
    let bad =
        |why: String| Error::new(Kind::Usage, format!("invalid {kind} name {value:?}: {why}"));
    let checked = match value {
        "" => Err("it is empty".into()),
        _ => match kind {
            "dns" => dns(value, true),
            "ip" => ip(value),
            "email" => email(value),
            "uri" => uri(value),
            _ => Err("unknown type of name; use dns, ip, email or uri".into()),
        },
    };
    checked.map_err(|why| match better(kind, value) {
        Some(hint) => bad(why).hint(hint),
        None => bad(why),
    })
}

/// Returns the options that take `value`: one for each of several names, or the one of another
/// kind.
fn better(kind: &str, value: &str) -> Option<String> {
    let parts: Vec<&str> = value.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    let several = parts.len() > 1 && parts.iter().all(|part| is(kind, part));
    if several {
        let options: Vec<String> = parts.iter().map(|part| format!("--{kind} {part}")).collect();
        return Some(options.join(" "));
    }
    let other = ["ip", "email", "dns"].into_iter().find(|other| *other != kind && is(other, value));
    other.map(|other| format!("--{other} {value}"))
}

fn is(kind: &str, value: &str) -> bool {
    match kind {
        "dns" => dns(value, true).is_ok(),
        "ip" => ip(value).is_ok(),
        "email" => email(value).is_ok(),
        _ => uri(value).is_ok(),
    }
}

type Checked = std::result::Result<(), String>;

/// Checks for labels of letters, digits and hyphens; with `wildcard`, the first may be `*` (RFC
/// 6125 §6.4.3).
fn dns(value: &str, wildcard: bool) -> Checked {
    let no = |why: &str| Err(why.to_owned());
    if !value.is_ascii() {
        return no("it is not ASCII; use the xn-- form of an international name");
    }
    if value.len() > LONGEST_NAME {
        return Err(format!("it is longer than {LONGEST_NAME} characters"));
    }
    let rest = if wildcard { value.strip_prefix("*.").unwrap_or(value) } else { value };
    if rest.contains('*') {
        return no("a wildcard must be the whole first label: *.example.com");
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if let Some(other) = rest.chars().find(|c| !letter(*c) && *c != '.') {
        return Err(format!("{other:?} is not a letter, digit, hyphen or dot"));
    }
    if rest.ends_with('.') {
        return no("it ends with a dot");
    }
    for label in rest.split('.') {
        if label.is_empty() {
            return no("it has an empty label");
        }
        if label.len() > LONGEST_LABEL {
            return Err(format!("a label is longer than {LONGEST_LABEL} characters"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return no("a label begins or ends with a hyphen");
        }
    }
    let last = rest.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return no("its last label is a number, as in an IP address");
    }
    Ok(())
}

fn ip(value: &str) -> Checked {
    value.parse::<IpAddr>().map(drop).map_err(|_| "it is not an IPv4 or IPv6 address".into())
}

/// Checks for `local@domain`, the local part without quotes (RFC 5280 §4.2.1.6, RFC 5321 §4.1.2).
fn email(value: &str) -> Checked {
    let (local, domain) = match value.split('@').collect::<Vec<_>>()[..] {
        [local, domain] if !local.is_empty() => (local, domain),
        _ => return Err("it is not of the form user@domain, with one @".into()),
    };
    if !local.is_ascii() {
        return Err("the part before @ is not ASCII".into());
    }
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if let Some(other) = local.chars().find(|c| !atom(*c) && *c != '.') {
        return Err(format!("{other:?} is not allowed before @"));
    }
    if local.split('.').any(str::is_empty) || local.len() > LONGEST_LOCAL {
        return Err("the part before @ has an empty part or is too long".into());
    }
    dns(domain, false).map_err(|why| format!("the domain {domain:?}: {why}"))
}

/// Checks for an absolute URI (RFC 5280 §4.2.1.6, RFC 3986).
fn uri(value: &str) -> Checked {
    let (scheme, rest) = value.split_once(':').ok_or("it has no scheme, such as https:")?;
    let mut letters = scheme.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    if !first || !letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
        return Err("it has no scheme, such as https:".into());
    }
    if !value.is_ascii() {
        return Err("it is not ASCII; escape other characters as %XX".into());
    }
    if let Some(other) = rest.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(*c))
    {
        return Err(format!("{other:?} is not allowed in a URI; escape it as %XX"));
    }
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next());
    if rest.is_empty() || matches!(authority, Some(None | Some(""))) && scheme != "file" {
        return Err("nothing follows the scheme".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_the_hint() {
        for (kind, value, hint) in [
            ("dns", "10.0.0.1", Some("--ip 10.0.0.1")),
            ("dns", "a.b, c.d", Some("--dns a.b --dns c.d")),
            ("dns", "a@b.c", Some("--email a@b.c")),
            ("ip", "www.example.com", Some("--dns www.example.com")),
            ("dns", "a_b", None),
        ] {
            let e = check(kind, value).unwrap_err();
            assert_eq!(e.hint_text(), hint, "{e}");
        }
        for (kind, value) in [("dns", "*.a.b"), ("ip", "::1"), ("email", "a.b@c"), ("uri", "urn:x")]
        {
            check(kind, value).unwrap();
        }
    }
}
