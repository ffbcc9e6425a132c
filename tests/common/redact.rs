//! Replaces values that differ in each run by placeholders, so that a text can be kept and
//! compared.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

/// Patterns and their replacements, applied in this order. A captured group remains.
const RULES: &[(&str, &str)] = &[
    // In JSON a line ends with the two characters \n.
    (r"(-----BEGIN [A-Z0-9# ]+-----)(\\n|\r?\n)[^-]+(-----END )", "$1$2[BASE64]$2$3"),
    // curl's reasons differ between its versions.
    (r"(cannot (?:connect to|find) [^ ]+: ).*", "$1[CURL'S REASON]"),
    (r"(localhost|127\.0\.0\.1):[0-9]{4,5}", "$1:[PORT]"),
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|\+00:00| UTC)", "[DATE]"),
    // A difference shows a time only if the two certificates weren't issued in the same second.
    (r"(?m)^[-+] not_(?:before|after): \[DATE\]\n", ""),
    (r"(\t)[0-9]{4}-[0-9]{2}-[0-9]{2}(\t)", "$1[DAY]$2"),
    (r"(?-u:\b)[0-9A-F]{2}(?::[0-9A-F]{2}){31}(?-u:\b)", "[SHA256]"),
    (r#"("dec": )"[0-9]+""#, "$1\"[SERIAL]\""),
    (r"(?-u:\b)[0-9]{7,}(?-u:\b)", "[NUMBER]"),
    // Key identifiers, digests, nonces; also with the sign in Dogtag's key ids.
    (r"-?(?:0x|(?-u:\b))[0-9a-f]{32,}(?-u:\b)", "[HEX]"),
    (r"[A-Za-z0-9+/]{64,}={0,2}", "[BASE64]"),
    (r"0x[0-9a-f]+(?-u:\b)", "0x[SERIAL]"),
    (r"(?-u:\b)[0-9]+ octets", "[N] octets"),
    // The clocks' difference, and the limit of the system's crypto policy.
    (r"(differ by )[0-9]+( s)", "$1[N]$2"),
    (r"(at least )[0-9]+( bits)", "$1[N]$2"),
];

/// Returns a text with variable values, and the path of its folder, replaced.
pub fn redact(text: &str, folder: &Path) -> String {
    static COMPILED: LazyLock<Vec<(Regex, &str)>> =
        LazyLock::new(|| RULES.iter().map(|(r, to)| (Regex::new(r).unwrap(), *to)).collect());
    let text = text
        .replace(folder.to_str().unwrap(), "[DIR]")
        .replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    COMPILED.iter().fold(text, |text, (rule, to)| rule.replace_all(&text, *to).into_owned())
}
