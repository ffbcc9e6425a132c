//! Invalid .cfg files, and repeated keys.

use super::*;

/// Each command that reads the file `a.cfg`.
const READERS: [&str; 2] = ["CMCRequest", "HttpClient"];

#[track_caller]
fn said(f: &Folder, tool: &str) -> String {
    let said = f.nss_cmc(&[tool, "a.cfg"]).exits(1);
    said.out + &said.err
}

#[test]
fn a_file_without_end_or_too_large_is_refused() {
    let f = Folder::bare();
    for tool in READERS {
        // With less memory than an endless file would take.
        let limited =
            format!("ulimit -v 2000000; exec {} {tool} /dev/zero", env!("CARGO_BIN_EXE_nss-cmc"));
        let got =
            run(Command::new("timeout").current_dir(f.path()).args(["20", "sh", "-c", &limited]));
        assert!(got.exits(1).out.contains("larger than 1 MiB"));
        f.write("a.cfg", "# comment\n".repeat(200_000));
        assert!(said(&f, tool).contains("larger than 1 MiB"));
        f.write("a.cfg", "# comment\n".repeat(100_000));
        assert!(!said(&f, tool).contains("larger than"));
        std::fs::remove_file(f.file("a.cfg")).unwrap();
        fifo(&f.file("a.cfg"));
        let path = f.file("a.cfg");
        let writer = std::thread::spawn(move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            while std::io::Write::write_all(&mut pipe, &[b'#'; 4096]).is_ok() {}
        });
        assert!(said(&f, tool).contains("larger than 1 MiB"));
        writer.join().unwrap();
        std::fs::remove_file(f.file("a.cfg")).unwrap();
    }
}

#[test]
fn a_key_given_twice_is_told_with_both_lines() {
    let f = Folder::bare();
    for tool in READERS {
        f.write(
            "a.cfg",
            "# c\nnickname=first\n\ninput=x\nnickname = Secret.9\ninput=y\ninput=z\ndbdir=1\n",
        );
        let said = said(&f, tool);
        for (key, lines) in
            [("nickname", "2 and 5; line 5 is used"), ("input", "4, 6 and 7; line 7 is used")]
        {
            let words = format!("warning: a.cfg: {key:?} is given on lines {lines}");
            assert!(said.contains(&words), "{tool}: {said}");
        }
        assert!(!said.contains("Secret.9") && !said.contains("\"dbdir\""), "{tool}: {said}");
    }
    // A continued line counts where it begins; an escaped key is the same key.
    f.write("a.cfg", "host=\\\n  a\nh\\u006fst=b\n");
    let said = said(&f, "HttpClient");
    assert!(said.contains("\"host\" is given on lines 1 and 3"), "{said}");
}

#[test]
fn utf_16_and_nul_are_said_in_words() {
    let f = Folder::bare();
    let text = "password=Secret.9\nnickname=a\n";
    let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    for tool in READERS {
        for (bytes, words) in [
            ([&[0xff, 0xfe][..], &little].concat(), "UTF-16"),
            ([&[0xfe, 0xff][..], &big].concat(), "UTF-16"),
            (little.clone(), "UTF-16"),
            (big.clone(), "UTF-16"),
            (b"nickname=a\0b\n".to_vec(), "NUL"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0".to_vec(), "NUL"),
        ] {
            f.write("a.cfg", &bytes);
            let said = said(&f, tool);
            assert!(said.contains(words) && said.contains("a.cfg"), "{tool}: {said}");
            assert_eq!(words == "UTF-16", said.contains("UTF-8"), "{tool}: {said}");
            assert!(!said.contains("Secret"), "{tool}: {said}");
        }
    }
}
