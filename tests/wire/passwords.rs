//! The password in a proxy's or CA's URL is in no message.

use super::common::run;
use super::common::stand_in::folder;
use super::{command, enroll};

#[test]
fn no_message_holds_a_url_s_password() {
    let f = folder(&["--key-type", "ec"]);
    let args = enroll("https://localhost:1", "caCMCserverCert");
    let json = [&args[..], &["--output", "json"]].concat();
    for proxy in [
        "http://user:geheim@127.0.0.1:1",
        "user:geheim@127.0.0.1:1",
        "https://user:geheim@127.0.0.1:1",
        "socks5h://user:geheim@127.0.0.1:1",
        "ftp://user:geheim@127.0.0.1:1",
        "geheim://127.0.0.1:1",
        "http://user:geheim@127.0.0.1:port",
        "http://user:geheim@[127.0.0.1]:1x",
        "http://user:geheim@",
        "http://user:geheim@nowhere.invalid:1",
        "http://user:1/geheim@127.0.0.1:1",
        "http://user:1#geheim@127.0.0.1:1",
        "http://user:1?geheim@127.0.0.1:1",
        "http://user:x@geheim@127.0.0.1:1",
        "http://user:x geheim@127.0.0.1:1",
        "http://user:%67eheim@127.0.0.1:1",
    ] {
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            let said = run(command(&f, &json).env(name, proxy));
            assert!(matches!(said.code, 2 | 30), "{proxy}: {said:?}");
            assert!(!format!("{said:?}").contains("eheim"), "{proxy}: {said:?}");
        }
        let said = run(command(&f, &args).env("https_proxy", proxy));
        assert!(!format!("{said:?}").contains("eheim"), "{proxy}: {said:?}");
    }
    assert!(f.keys().len() <= 1, "no key stays where nothing was sent");
}

/// The error names the proxy, not the CA, which was never contacted.
#[test]
fn a_proxy_that_can_not_be_used_is_named() {
    let f = folder(&["--key-type", "ec"]);
    let args = enroll("https://ca.example", "caCMCserverCert");
    for (proxy, words) in [
        ("http://127.0.0.1:1", "the proxy 127.0.0.1:1"),
        ("socks5h://127.0.0.1:1", "the proxy 127.0.0.1:1"),
        ("nowhere.invalid:3128", "the proxy nowhere.invalid:3128"),
        ("ftp://127.0.0.1:1", "invalid proxy URL in https_proxy"),
        ("http://127.0.0.1:port", "invalid proxy URL in https_proxy"),
    ] {
        let said = run(command(&f, &args).env("https_proxy", proxy));
        assert!(said.err.contains(words), "{proxy}: {said:?}");
        // no_proxy includes the CA's name: the proxy is not used.
        let said = run(command(&f, &args).env("https_proxy", proxy).env("no_proxy", "x,.example"));
        assert!(said.err.contains("cannot resolve ca.example:443"), "{proxy}: {said:?}");
    }
}

#[test]
fn nor_that_of_a_ca_s_url() {
    let f = folder(&["--key-type", "ec"]);
    for url in [
        "https://user:geheim@localhost:1",
        "https://user:ge/heim@localhost:1",
        "https://user:x@geheim@localhost:1",
        "user:geheim@localhost",
        "ftp://user:geheim@localhost",
    ] {
        let args = enroll(url, "caCMCserverCert");
        for args in [&args[..], &[&args[..], &["--output", "json"]].concat()] {
            let said = run(&mut command(&f, args));
            assert_eq!(said.code, 2, "{said:?}");
            assert!(!format!("{said:?}").contains("heim"), "{url}: {said:?}");
        }
        // As an unexpected argument.
        let said = run(&mut command(&f, &["enroll", url]));
        assert_eq!(said.code, 2, "{said:?}");
        assert!(!format!("{said:?}").contains("heim") || !url.contains("://"), "{said:?}");
    }
}
