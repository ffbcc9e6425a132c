//! Invalid requested names are refused before a key is made.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::*;

#[test]
fn names_of_the_wrong_shape_are_refused() {
    let f = Folder::new();
    let long = format!("{}.example.com", "a".repeat(64));
    let longer = ["abcdefghi."; 26].concat() + "com";
    for (option, value, words) in [
        ("--dns", "10.0.0.1", "--ip 10.0.0.1"),
        ("--dns", "::1", "--ip ::1"),
        ("--dns", "a,b", "--dns a --dns b"),
        ("--dns", "a.example.com, b.example.com", "--dns a.example.com --dns b.example.com"),
        ("--dns", "a b", "\"a b\""),
        ("--dns", " a.example.com", "\" a.example.com\""),
        ("--dns", "a.example.com\n", "\"a.example.com\\n\""),
        ("--dns", "a\tb", "\"a\\tb\""),
        ("--dns", "", "empty"),
        ("--dns", "a..b", "empty label"),
        ("--dns", ".a", "empty label"),
        ("--dns", "a.example.com.", "dot"),
        ("--dns", "-a.example.com", "hyphen"),
        ("--dns", "a-.example.com", "hyphen"),
        ("--dns", "*", "*."),
        ("--dns", "a.*.example.com", "*."),
        ("--dns", "w*.example.com", "*."),
        ("--dns", "*.*.example.com", "*."),
        ("--dns", "bücher.example", "xn--"),
        ("--dns", "https://a.example.com", "\"https://a.example.com\""),
        ("--dns", "a.example.com:443", "\"a.example.com:443\""),
        ("--dns", "a@example.com", "--email a@example.com"),
        ("--dns", &long, "63"),
        ("--dns", &longer, "253"),
        ("--ip", "10.0.0.1,10.0.0.2", "--ip 10.0.0.1 --ip 10.0.0.2"),
        ("--ip", "10.0.0.0/8", "10.0.0.0/8"),
        ("--ip", "10.0.0", "10.0.0"),
        ("--ip", " 10.0.0.1", "IPv4"),
        ("--ip", "10.0.0.1\n", "IPv4"),
        ("--ip", "", "empty"),
        ("--ip", "a.example.com", "--dns a.example.com"),
        ("--ip", "fe80::1%eth0", "IPv6"),
        ("--email", "x", "@"),
        ("--email", "x@", "domain"),
        ("--email", "@example.com", "@"),
        ("--email", "a@b@c", "@"),
        ("--email", "a b@example.com", "\"a b@example.com\""),
        ("--email", "a@example.com\n", "\"a@example.com\\n\""),
        ("--email", "a@exa mple.com", "mple.com"),
        ("--email", "Al <a@example.com>", "a@example.com"),
        ("--email", "a@b.com,c@d.com", "--email a@b.com --email c@d.com"),
        ("--email", "é@example.com", "ASCII"),
        ("--email", "a@bücher.example", "xn--"),
        ("--email", "a..b@example.com", "\"a..b@example.com\""),
        ("--email", "a@*.example.com", "*"),
        ("--email", "", "empty"),
        ("--uri", "no scheme", "\"no scheme\""),
        ("--uri", "example.com", "scheme"),
        ("--uri", "http://", "http://"),
        ("--uri", "http://a b", "http://a b"),
        ("--uri", "http://a\n", "http://a\\n"),
        ("--uri", "http://bücher.example", "ASCII"),
        ("--uri", "", "empty"),
    ] {
        let given = format!("{option}={value}");
        let said = csr(&f, &["--subject", "CN=a", &given]).exits(2);
        assert!(said.err.contains(words), "{option} {value:?}: {}", said.err);
        assert_eq!(said.out, "", "{option} {value:?}");
    }
    assert!(f.keys().is_empty());
    // enroll checks the same names first.
    let enroll = ["enroll", "-d", "db", "--password-file", "pw", "--ca", "https://127.0.0.1:1"];
    let more = ["--profile", "x", "--signer", "s", "--subject", "CN=a", "--nickname", "a"];
    let line_end = ["--nickname", "a\n"];
    let said = f.nss_cmc(&[&enroll[..], &more[..6], &line_end].concat()).exits(2);
    assert!(said.err.contains("control character"), "{}", said.err);
    for name in [["--dns", "10.0.0.1"], ["--email", "x"], ["--ip", "x"]] {
        f.nss_cmc(&[&enroll[..], &more, &name].concat()).exits(2);
    }
    assert!(f.keys().is_empty());
}

#[test]
fn names_of_the_right_shape_are_taken() {
    let f = Folder::new();
    let mut args = vec!["--subject", "CN=a", "--out", "a.csr"];
    for name in
        ["localhost", "www.example.com", "*.example.com", "xn--bcher-kva.example", "1a.2b.c3"]
    {
        args.extend(["--dns", name]);
    }
    for name in ["10.0.0.1", "::1", "2001:db8::1"] {
        args.extend(["--ip", name]);
    }
    args.extend(["--email", "first.last+tag@mail.example.com", "--email", "root@localhost"]);
    args.extend([
        "--uri",
        "https://example.com/a?b=c%20d#e",
        "--uri",
        "urn:uuid:1-2-3",
        "--uri",
        "spiffe://td/x",
    ]);
    csr(&f, &args).exits(0);
    let text = common::tool("openssl", f.path(), &["req", "-in", "a.csr", "-noout", "-text"]);
    for part in
        ["DNS:*.example.com", "IP Address:10.0.0.1", "email:root@localhost", "URI:urn:uuid:1-2-3"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Octets that aren't UTF-8 are never replaced by U+FFFD.
#[test]
fn a_subject_that_is_no_utf_8_is_refused() {
    let f = Folder::new();
    let odd = OsString::from_vec(b"CN=M\xfcller".to_vec());
    let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    for (command, code) in [
        ("csr create -d db --password-file pw --key-type ec:nistp256 --subject", 2),
        ("csr create -d db --password-file pw --key-type ec:nistp256 --subject CN=a --dns", 2),
        ("PKCS10Client -d db -p Secret.123 -a ec -o a.req -n", 1),
        ("CRMFPopClient -d db -p Secret.123 -a ec -o a.req -n", 1),
        ("CRMFPopClient -d db -p Secret.123 -a ec -n CN=a -m 127.0.0.1:1 -u", 1),
        ("CMCRevoke -ddb -nx -s1 -m0 -pSecret.123 -i", 1),
        ("CMCRevoke -ddb -iCN=a -s1 -m0 -pSecret.123 -n", 1),
    ] {
        let mut args = words(command);
        args.push(odd.clone());
        let said = f.nss_cmc(&args).exits(code);
        assert!(said.err.contains("UTF-8"), "{command}: {}", said.err);
        assert!(!f.file("a.req").exists() && f.keys().is_empty(), "{command}");
    }
    let mut glued = words("CRMFPopClient -d db -p Secret.123 -a ec -o a.req");
    glued.push(OsString::from_vec(b"-nCN=M\xfcller".to_vec()));
    assert!(f.nss_cmc(&glued).exits(1).err.contains("UTF-8"));
    for dn in [r"CN=M\fcller", "CN=#0c04 4dfc6c6c", "CN=#1602fc41", "CN=#1302c3a9"] {
        csr(&f, &["--subject", dn, "--out", "a.req"]).exits(2);
    }
    for dn in ["CN=a\nb", "CN=a\u{7}", "CN=a\r", "CN=a\u{7f}"] {
        let said = csr(&f, &["--subject", dn, "--out", "a.req"]).exits(2);
        assert!(said.err.contains("control character"), "{dn:?}: {}", said.err);
    }
    assert!(!f.file("a.req").exists() && f.keys().is_empty());
}
