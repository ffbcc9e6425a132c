//! Recorded requests with octets changed, doubled or removed, or cut short: reading them for
//! sending accepts or refuses them, and never panics.

use std::path::Path;

use crate::cmc::request::request_content;

#[test]
fn damaged_requests_are_taken_or_refused() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let (mut taken, mut refused) = (0, 0);
    for folder in std::fs::read_dir(vectors).unwrap() {
        let Ok(good) = std::fs::read(folder.unwrap().path().join("request.der")) else { continue };
        assert!(request_content(&good).is_ok());
        for at in 0..good.len() {
            let mut bytes = good.clone();
            match at % 6 {
                0 => bytes[at] ^= 0x01,
                1 => bytes[at] ^= 0x80,
                2 => bytes[at] = 0xff,
                3 => bytes.truncate(at),
                4 => bytes.insert(at, good[at]),
                _ => drop(bytes.remove(at)),
            }
            match request_content(&bytes) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
}
