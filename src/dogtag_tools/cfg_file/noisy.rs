//! Settings in random and damaged text: an error with the line, or the value; never a panic.

use super::{Dialect, Settings};

#[path = "../../../tests/common/noise.rs"]
#[allow(clippy::duplicate_mod)] // One for the library, one for the program.
mod noise;
use noise::Noise;

#[test]
fn settings_of_both_dialects() {
    const PIECES: &[&str] = &[
        "password",
        "Pa55word",
        "=",
        ":",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\\",
        "\\\n",
        "\\u00e9",
        "\\u12",
        "\\uD800",
        "\\u+123",
        "#",
        "!",
        ";",
        "[",
        "]",
        "[x]\n",
        "a=b\n",
        "\u{feff}",
        "\0",
        "é",
        "\u{85}",
        "\u{2028}",
        "\"",
        "key.with.dots",
        "\u{c}",
    ];
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let text = noise.text(PIECES, 30);
        for dialect in [Dialect::Lines, Dialect::Properties] {
            match Settings::parse("dir/x.cfg", &text, dialect) {
                Ok(settings) => {
                    settings.warnings(&["password", "nickname"]);
                    settings.secret("password");
                    settings.flag("a");
                    good += 1;
                }
                Err(e) => {
                    let e = e.to_string();
                    let line = e.strip_prefix("dir/x.cfg:").and_then(|e| e.split(':').next());
                    let line: usize = line.and_then(|l| l.parse().ok()).expect(&e);
                    let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
                    assert!((1..=lines).contains(&line), "{text:?}: {e}");
                    assert!(!e.contains("Pa55word"), "{text:?}: {e}");
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} {bad}");
}

/// Values written in Java's syntax are read back unchanged.
#[test]
fn values_come_back() {
    const PIECES: &[&str] = &["a", "=", ":", "#", "!", ";", "[", "]", "\\", "\"", "é", "x b"];
    let mut noise = Noise(7);
    for _ in 0..5_000 {
        let value = format!("v{}", noise.text(PIECES, 12));
        let get = |text: &str, dialect| {
            let settings = Settings::parse("x", text, dialect);
            settings.map(|s| s.get("key").map(str::to_owned)).map_err(|e| panic!("{text}: {e}"))
        };
        let written = format!("other=1\nkey={value}\nlast=2\n");
        assert_eq!(get(&written, Dialect::Lines).unwrap().as_deref(), Some(value.as_str()));
        let escaped = value.replace('\\', "\\\\");
        let written = format!("other=1\r\nkey = {escaped}\r\nlast=2\r\n");
        assert_eq!(get(&written, Dialect::Properties).unwrap().as_deref(), Some(value.as_str()));
    }
}
