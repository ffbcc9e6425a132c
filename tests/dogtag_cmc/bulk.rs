//! `nss-cmc bulk` on the real CA: a run that is killed, and completed by the same command.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::common::dogtag::{api, folder, http_host, url};
use super::modern::unique;
use super::tool;

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_killed_run_is_completed() {
    let f = folder("bulk");
    let name = unique("bulk");
    let keys = f.keys().len();
    let line = |n| format!("{name}-{n},\"CN={name}-{n},O=LAB\"\n");
    let lines: String = (1..=12).map(line).collect();
    f.write("requests.csv", format!("nickname,subject\n{lines}"));
    let how =
        ["--profile", "caCMCECserverCert", "--signer", "caadmin", "--key-type", "ec:nistp256"];
    let all = ["bulk", "requests.csv", "-d", "db", "--password-file", "pw", "--ca", url()];
    let all = [&all[..], &how, &["--output", "json"]].concat();
    let mut run = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .env("NSS_CMC_CONFIG", "/dev/null")
        .args(&all)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(run.stdout.take().unwrap());
    for _ in 0..4 {
        assert!(out.read_line(&mut String::new()).unwrap() > 0, "{:?}", run.wait());
    }
    run.kill().unwrap();
    run.wait().unwrap();
    out.read_to_end(&mut Vec::new()).unwrap();

    let said = f.nss_cmc(&all).exits(0);
    assert_eq!(said.out.lines().count(), 13, "{}", said.out);
    let certificates = f.certificates();
    for n in 1..=12 {
        assert!(certificates.contains(&format!("{name}-{n} u,u,u")), "{n}: {certificates:?}");
    }
    assert_eq!(f.keys().len(), keys + 12);
    assert!(!f.certutil(&["-K", "-f", "pw"]).contains("unfinished"));
    let asked =
        format!("{{\"subjectInUse\":true,\"commonName\":\"{name}-\",\"matchExactly\":false}}");
    let url = &format!("http://{}/{}/certs/search?size=100", http_host(), api());
    let json = ["-H", "Content-Type: application/json", "-H", "Accept: application/json"];
    let found = tool("curl", f.path(), &[&["-s", "-d", &asked, url][..], &json].concat());
    // Version 2 tells no total.
    assert_eq!(found.matches("\"SubjectDN\"").count(), 12, "{found}");
}
