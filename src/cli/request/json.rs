//! Reads the JSON of a request. Every string in it may be a secret: it is wiped, and in no error.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// A JSON value.
pub enum Json {
    Null,
    Flag(bool),
    /// A string, or the digits of an integer.
    Text(Zeroizing<String>),
    /// A number that is too large, or not an integer.
    Number,
    List(Vec<Json>),
    /// An object, its members in their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a document.
    ///
    /// # Errors
    /// The reason, with its line.
    pub fn parse(content: &[u8]) -> Result<Json, String> {
        if std::str::from_utf8(content).is_err() {
            return Err("it is not UTF-8".into());
        }
        if content.iter().all(u8::is_ascii_whitespace) {
            return Err("it is empty".into());
        }
        // serde_json decodes a string with escapes in a buffer of its own, which isn't wiped. A
        // string as long as the whole request makes that buffer large enough, so that it never
        // moves, and another one afterwards overwrites it.
        let filler = format!("\"\\n{}\"", "0".repeat(content.len()));
        let mut all = Zeroizing::new(Vec::with_capacity(content.len() + 2 * filler.len() + 2));
        for part in [filler.as_bytes(), b"\n", content, b"\n", filler.as_bytes()] {
            all.extend_from_slice(part);
        }
        let mut decoder = serde_json::Deserializer::from_slice(&all);
        let read = String::deserialize(&mut decoder).and_then(|_| Json::deserialize(&mut decoder));
        let json = read.map_err(|e| reason(&e))?;
        match String::deserialize(&mut decoder) {
            Ok(rest) if rest.len() == content.len() + 1 && decoder.end().is_ok() => Ok(json),
            _ => Err("something follows the JSON object".into()),
        }
    }

    /// Returns the name of its type in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Flag(_) => "true or false",
            Json::Text(_) => "a string or an integer",
            Json::Number => "a number that is too large or not an integer",
            Json::List(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

/// Returns an error of serde_json with the line of the request, which begins in the second line.
/// The syntax errors of serde_json quote nothing, and [`Json`] takes every type.
fn reason(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("line {}: {what}", e.line().saturating_sub(1))
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Json, D::Error> {
        from.deserialize_any(Visit)
    }
}

struct Visit;

impl<'de> Visitor<'de> for Visit {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        self.visit_str(&Zeroizing::new(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        self.visit_str(&Zeroizing::new(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &Json) -> String {
        match json {
            Json::Text(text) => format!("{:?}", **text),
            Json::List(items) => items.iter().map(|i| shown(i) + ";").collect(),
            Json::Object(members) => {
                members.iter().map(|(key, value)| format!("{key}={};", shown(value))).collect()
            }
            other => other.kind().to_owned(),
        }
    }

    #[test]
    fn every_type_is_read_and_escapes_are_decoded() {
        let text =
            r#" {"a": "x\"\u00e4\n", "b": [1, -2, true], "c": {"d": null}, "e": 1.5, "a": 1e400}"#;
        let text = text.replace("1e400", "99999999999999999999");
        let want = "a=\"x\\\"ä\\n\";b=\"1\";\"-2\";true or false;;c=d=null;;e=a number that is too large \
                    or not an integer;a=a number that is too large or not an integer;";
        assert_eq!(shown(&Json::parse(text.as_bytes()).unwrap()), want);
    }

    #[test]
    fn errors_have_the_line_and_no_value() {
        for (text, want) in [
            (" \n", "empty"),
            ("{\n\"a\": \"s3cr3t\" x}", "line 2: expected"),
            (r#"{"a": "s3cr3t"} "s3cr3t""#, "follows"),
            (r#"{"a": "s3cr3t"}}"#, "follows"),
            (r#"{"a": "s3cr3t"#, "control character"),
            (r#"{"a": "s3cr3t\x"}"#, "line 1: invalid escape"),
            (r#"{"a": s3cr3t}"#, "line 1: expected"),
            (r#"{"a": 1e999}"#, "line 1: number out of range"),
        ] {
            let e = Json::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("{text}"));
            assert!(e.contains(want), "{text}: {e}");
            assert!(!e.contains("s3cr3t"), "{e}");
        }
        assert!(Json::parse(b"{\"a\": \"\xff\"}").is_err());
        let deep = "[".repeat(1000);
        assert!(Json::parse(deep.as_bytes()).is_err());
    }
}
