//! Key ids and password files in random and damaged text: an error or the value, never a panic.
//! Other input files are tested beside the code that reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/noise.rs"]
mod noise;

use noise::Noise;
use nss_cmc::client::passwords::Source;
use nss_cmc::keyid;

#[test]
fn key_ids() {
    const PIECES: &[&str] = &["0x", "-", "+", ":", " ", "0", "8", "ff", "a", "é", "g", "\0"];
    let mut noise = Noise(17);
    let mut read = 0;
    for _ in 0..30_000 {
        let text = noise.text(PIECES, 24);
        if let Ok(id) = keyid::parse(&text) {
            assert_eq!(keyid::parse(&keyid::to_dogtag(&id)).unwrap(), id, "{text:?}");
            read += 1;
        }
    }
    assert!(read > 1000, "{read}");
}

#[test]
fn password_files() {
    const PIECES: &[&str] = &[
        "internal",
        "HSM",
        ":",
        "=",
        "hardware-",
        "Pa55word",
        "\n",
        "\r\n",
        " ",
        "NSS Certificate DB",
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pw");
    let mut noise = Noise(19);
    for _ in 0..1_000 {
        let mut content = noise.text(PIECES, 10).into_bytes();
        if noise.below(3) == 0 {
            content = noise.damage(&content);
        }
        std::fs::write(&file, &content).unwrap();
        for token in ["internal", "", "HSM", "NSS Certificate DB"] {
            let secret = match Source::File(file.clone()).read("password", token) {
                Ok(secret) => secret,
                Err(e) => {
                    let said = e.to_string();
                    let empty = said.starts_with("empty password");
                    assert!(empty || said.contains("passwords of other tokens"), "{said}");
                    continue;
                }
            };
            // The password is within one line.
            assert!(!secret.bytes().contains(&b'\n'));
            let found = content
                .split(|b| *b == b'\n')
                .any(|l| l.windows(secret.bytes().len().max(1)).any(|w| w == secret.bytes()));
            assert!(found && !secret.bytes().is_empty(), "{content:?}");
        }
    }
}
