//! Files people write (settings, PEM, passwords) and names and key ids, with noise in them: an error
//! that says where, or what is there; never a panic. The noise is the same in every run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use nss_cmc::asn1::name::dn_string;
use nss_cmc::asn1::{extension_request as wanted, name, pem, split_tlv};
use nss_cmc::client::passwords::Source;
use nss_cmc::dogtag_tools::settings::{Dialect, Settings};
use nss_cmc::keyid;

/// Marsaglia's xorshift.
struct Noise(u64);

impl Noise {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// Up to `most` pieces one after the other.
    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| pieces[self.below(pieces.len())]).collect()
    }

    /// Octets changed, removed, doubled and inserted.
    fn damage(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut octets = octets.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(octets.len() + 1);
            let octet = self.below(256) as u8;
            match self.below(4) {
                0 => octets.insert(at, octet),
                1 if at < octets.len() => drop(octets.remove(at)),
                2 if at < octets.len() => octets[at] = octet,
                _ => octets.truncate(at.max(1)),
            }
        }
        octets
    }
}

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

/// What is written as Java writes it comes back, however odd.
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

#[test]
fn pem_and_base64() {
    let der = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/vectors/01-rsa-server/response.der"
    ))
    .unwrap();
    let head = b"HTTP/1.1 200 \r\nContent-Type: application/pkcs7-mime\r\n\r\n";
    let two = pem::encode("CERTIFICATE", &der).repeat(2);
    let forms = [
        pem::encode("CERTIFICATE REQUEST", &der).into_bytes(),
        pem::lines(&der, 76, "\r\n").into_bytes(),
        two.into_bytes(),
        [&head[..], &der].concat(),
        der.clone(),
        b"<html><body>no</body></html>".to_vec(),
    ];
    let mut noise = Noise(11);
    let mut read = 0;
    for round in 0..3_000 {
        let octets = noise.damage(&forms[round % forms.len()]);
        match pem::to_der("the file", &octets) {
            Ok(der) => {
                assert!(der.len() <= octets.len());
                read += 1;
            }
            Err(e) => assert!(e.to_string().contains("the file"), "{e}"),
        }
        pem::behind_headers(&octets);
        pem::looks_like_html(&octets);
    }
    assert!(read > 500, "{read}");
}

#[test]
fn names() {
    const PIECES: &[&str] = &[
        "CN",
        "O",
        "C",
        "OID.",
        "2.5.4.3",
        "4294967296",
        "=",
        ",",
        ";",
        "+",
        "\"",
        "\\",
        "\\2c",
        "\\ff",
        "#",
        "#0c0161",
        "#30",
        " ",
        "x",
        "US",
        "é",
        "\0",
        "\n",
        "DC",
        "BMPString:",
        "😀",
    ];
    let mut noise = Noise(13);
    let mut read = 0;
    for _ in 0..30_000 {
        // Often well-formed, often nearly so.
        let parts = noise.below(4) + 1;
        let mut text = String::new();
        for part in 0..parts {
            let separator = ["", ",", "+", ";", ", "][noise.below(5).max(usize::from(part > 0))];
            let key = ["CN", "o", "OID.2.5.4.97", "1.2.4294967296", "DC", ""][noise.below(6)];
            text += &format!("{separator}{key}={}", noise.text(PIECES, 4));
        }
        for prefixes in [name::Prefixes::Text, name::Prefixes::Types] {
            match name::parse_as(&text, prefixes) {
                Ok(der) => {
                    // One Name, and its text reads as the same one.
                    assert!(matches!(split_tlv(&der), Some((0x30, _, []))), "{text:?}");
                    if prefixes == name::Prefixes::Text
                        && let Ok(again) = dn_string(&der)
                    {
                        let back = name::parse(&again).map(|der| dn_string(&der).unwrap());
                        assert_eq!(back.ok().as_ref(), Some(&again), "{text:?}");
                    }
                    read += 1;
                }
                Err(e) => {
                    let e = e.to_string();
                    assert!(!e.contains(char::is_control), "{e:?}");
                }
            }
        }
    }
    assert!(read > 1000, "{read}");
}

#[test]
fn key_ids_and_extensions() {
    const PIECES: &[&str] = &["0x", "-", "+", ":", " ", "0", "8", "ff", "a", "é", "g", "\0"];
    let mut noise = Noise(17);
    let mut read = 0;
    for _ in 0..30_000 {
        let text = noise.text(PIECES, 24);
        if let Ok(id) = keyid::parse(&text) {
            assert_eq!(keyid::parse(&keyid::to_dogtag(&id)).unwrap(), id, "{text:?}");
            read += 1;
        }
        let extension = format!("{}={text}", noise.text(&["1.2", ".3", ":critical", " "], 4));
        for e in [wanted::raw_extension(&extension).err(), wanted::raw_attribute(&extension).err()]
        {
            assert!(e.is_none_or(|e| !e.to_string().contains(char::is_control)));
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
            // Part of one line.
            assert!(!secret.bytes().contains(&b'\n'));
            let found = content
                .split(|b| *b == b'\n')
                .any(|l| l.windows(secret.bytes().len().max(1)).any(|w| w == secret.bytes()));
            assert!(found && !secret.bytes().is_empty(), "{content:?}");
        }
    }
}
