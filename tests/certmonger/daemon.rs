//! A real certmonger, which gets, tracks and renews certificates through the helper. Skipped with a
//! message where certmonger isn't installed.

use super::common::certmonger::{Daemon, saved, service_database};
use super::common::{Folder, tool};
use super::{Place, StandIn};

/// Adds the helper as a CA of the daemon, with a profile.
#[track_caller]
fn add(daemon: &Daemon, place: &Place, name: &str, more: &[&str]) {
    let args = ["certmonger", "install", "--name", name, "-d", "db", "--password-file", "pw"];
    let url = ["--ca", &place.ca.url];
    daemon.nss_cmc(&place.f, &[&args[..], &url, more].concat()).exits(0);
}

const AGENT: [&str; 4] = ["--profile", "caCMCserverCert", "--signer", "agent"];

/// Returns the serial number of a certificate that certmonger saved, which must be of the CA and
/// beside its key.
#[track_caller]
fn serial(f: &Folder, nickname: &str) -> String {
    f.write("saved.pem", saved(f, nickname));
    tool("openssl", f.path(), &["verify", "-CAfile", "ca/ca.pem", "saved.pem"]);
    let list = tool("certutil", f.path(), &["-K", "-d", "sql:service", "-f", "pw"]);
    assert!(list.contains(nickname), "{list}");
    tool("openssl", f.path(), &["x509", "-noout", "-serial", "-in", "saved.pem"])
}

#[test]
fn it_gets_tracks_and_renews() {
    let place = Place::start(&[]);
    let f = &place.f;
    service_database(f);
    let Some(daemon) = Daemon::start(f) else { return };
    add(&daemon, &place, "dogtag-cmc", &AGENT);
    // The name is taken now.
    let args = ["certmonger", "install", "--name", "dogtag-cmc", "-d", "db", "--password-file"];
    let again = [&args[..], &["pw", "--ca", &place.ca.url], &AGENT].concat();
    let said = daemon.nss_cmc(f, &again).exits(14);
    assert!(said.err.contains("getcert cannot add the CA"), "{}", said.err);

    let request = daemon.request(f, "dogtag-cmc", "Server-Cert", &["-D", "www.example.com"]);
    request.exits(0);
    let tracked = daemon.tracked(f, "Server-Cert");
    assert_eq!((tracked.status.as_str(), tracked.stuck), ("MONITORING", false), "{tracked:?}");
    assert_eq!(tracked.error, None);
    let first = serial(f, "Server-Cert");

    let db = f.file("service");
    let named = ["-d", db.to_str().unwrap(), "-n", "Server-Cert", "-w"];
    daemon.getcert("resubmit", &named).exits(0);
    assert_eq!(daemon.tracked(f, "Server-Cert").status, "MONITORING");
    let second = serial(f, "Server-Cert");
    assert_ne!(first, second);

    let key =
        |f: &Folder| tool("openssl", f.path(), &["x509", "-noout", "-pubkey", "-in", "saved.pem"]);
    let old = key(f);
    daemon.getcert("rekey", &named).exits(0);
    let third = serial(f, "Server-Cert");
    assert_ne!(second, third);
    assert_ne!(old, key(f));

    // What the helper says about itself and the CA.
    let list = daemon.getcert("list-cas", &["-c", "dogtag-cmc", "-v"]).exits(0).out;
    let identity = format!("self-identifies as: nss-cmc {}", env!("CARGO_PKG_VERSION"));
    assert!(list.contains(&identity) && list.contains(": caCMCserverCert"), "{list}");
    let file = list.lines().find_map(|l| l.trim().strip_prefix("config-path: ")).unwrap();
    let file = std::fs::read_to_string(file).unwrap();
    for line in ["ca_root_certs=ca_signing\n", "ca_profiles=caCMCserverCert,"] {
        assert!(file.contains(line), "{line}: {file}");
    }
}

/// Every status that the daemon knows, and the state that follows.
#[test]
fn every_status_leads_to_its_state() {
    let place = Place::start(&[]);
    let f = &place.f;
    service_database(f);
    let Some(daemon) = Daemon::start(f) else { return };
    add(&daemon, &place, "cmc", &AGENT);
    for (nickname, profile, status, stuck, error) in [
        ("issued", "caCMCserverCert", "MONITORING", false, None),
        ("deferred", "standin-deferred", "CA_WORKING", false, None),
        ("pending", "standin-pending", "CA_WORKING", false, None),
        ("rejected", "standin-fail-2", "CA_REJECTED", true, Some("badRequest")),
        ("busy", "standin-fail-12", "CA_UNREACHABLE", false, Some("tryLater")),
        ("down", "standin-http500", "CA_UNREACHABLE", false, Some("HTTP status 500")),
    ] {
        daemon.request(f, "cmc", nickname, &["-T", profile]);
        let tracked = daemon.tracked(f, nickname);
        assert_eq!((tracked.status.as_str(), tracked.stuck), (status, stuck), "{tracked:?}");
        match (error, &tracked.error) {
            (None, None) => {}
            (Some(part), Some(text)) => assert!(text.contains(part), "{text}"),
            other => panic!("{nickname}: {other:?}"),
        }
    }
    // A mistake in the options.
    f.write_secret("wrong", "not the password\n");
    let helper = |options: &str| {
        format!(
            "{} certmonger --ca={} --database={} {options}",
            env!("CARGO_BIN_EXE_nss-cmc"),
            place.ca.url,
            f.file("db").display()
        )
    };
    let wrong = f.file("wrong");
    let line = helper(&format!("--signer=agent --profile=x --password-file={}", wrong.display()));
    daemon.getcert("add-ca", &["-c", "wrong", "-e", &line]).exits(0);
    daemon.request(f, "wrong", "unconfigured", &[]);
    let tracked = daemon.tracked(f, "unconfigured");
    assert_eq!((tracked.status.as_str(), tracked.stuck), ("CA_UNCONFIGURED", true), "{tracked:?}");
    daemon.getcert("add-ca", &["-c", "bad", "-e", &helper("--no-such-option")]).exits(0);
    daemon.request(f, "bad", "usage", &[]);
    assert_eq!(daemon.tracked(f, "usage").status, "CA_UNCONFIGURED");
}

/// The CA refuses the first key; certmonger makes another one and gets its certificate.
#[test]
fn a_key_that_the_ca_refuses_is_replaced() {
    let place = Place::start(&[]);
    let f = &place.f;
    service_database(f);
    let Some(daemon) = Daemon::start(f) else { return };
    let options: Vec<_> = place.options.iter().map(String::as_str).collect();
    let script = format!(
        "#!/bin/sh\ncd {}\nprofile=caCMCserverCert\n\
         if [ \"$CERTMONGER_OPERATION\" = SUBMIT ] && [ ! -e refused ]; then\n\
         echo \"$CERTMONGER_CSR\" >refused; profile=standin-fail-10; fi\n\
         exec {} certmonger {} --signer=agent --profile=$profile\n",
        f.path().display(),
        env!("CARGO_BIN_EXE_nss-cmc"),
        options.join(" ")
    );
    f.write("first-refused", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(f.file("first-refused"), mode).unwrap();
    let helper = f.file("first-refused");
    daemon.getcert("add-ca", &["-c", "cmc", "-e", helper.to_str().unwrap()]).exits(0);
    daemon.request(f, "cmc", "www", &[]).exits(0);
    assert_eq!(daemon.tracked(f, "www").status, "MONITORING");
    serial(f, "www");
    let refused = tool("openssl", f.path(), &["req", "-in", "refused", "-noout", "-pubkey"]);
    let saved = tool("openssl", f.path(), &["x509", "-in", "saved.pem", "-noout", "-pubkey"]);
    assert_ne!(refused, saved);
}

/// certmonger runs eight helpers at once; all get their certificates.
#[test]
fn eight_requests_at_once() {
    let place = Place::start(&[]);
    let f = &place.f;
    service_database(f);
    let Some(daemon) = Daemon::start(f) else { return };
    add(&daemon, &place, "cmc", &AGENT);
    let names: Vec<String> = (1..=8).map(|n| format!("www{n}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| daemon.request(f, "cmc", name, &[]).exits(0));
        }
    });
    let serials: Vec<String> = names.iter().map(|name| serial(f, name)).collect();
    let distinct: std::collections::BTreeSet<_> = serials.iter().collect();
    assert_eq!(distinct.len(), 8, "{serials:?}");
    assert_eq!(place.issued(), 8);
}

/// The key signs itself: a first certificate by shared secret, renewals by the old certificate.
#[test]
fn the_request_s_own_database() {
    let place = Place::start(&[]);
    let f = &place.f;
    service_database(f);
    f.write_secret("secret", "the secret of alice\n");
    let args = ["user", "--dir", "ca", "--uid", "alice", "--secret-file", "secret"];
    tool(super::common::stand_in::program().to_str().unwrap(), f.path(), &args);
    let trust = ["-A", "-n", "ca_signing", "-t", "CT,C,C", "-a", "-i", "ca/ca.pem", "-f", "pw"];
    tool("certutil", f.path(), &[&trust[..], &["-d", "sql:service"]].concat());
    let Some(daemon) = Daemon::start(f) else { return };
    let StandIn { url, .. } = &place.ca;
    let args = ["certmonger", "install", "--name", "own", "-d", "service", "--password-file", "pw"];
    let secret = ["--identification", "alice", "--shared-secret-file", "secret"];
    let profiles = ["--profile", "caFullCMCSharedTokenCert"];
    let renewal = ["--renewal-profile", "caFullCMCUserSignedCert", "--ca", url];
    daemon.nss_cmc(f, &[&args[..], &secret, &profiles, &renewal].concat()).exits(0);
    daemon.request(f, "own", "alice", &[]).exits(0);
    assert_eq!(daemon.tracked(f, "alice").status, "MONITORING");
    let first = serial(f, "alice");
    let db = f.file("service");
    daemon.getcert("rekey", &["-d", db.to_str().unwrap(), "-n", "alice", "-w"]).exits(0);
    assert_ne!(first, serial(f, "alice"));
    let log = String::from_utf8(f.read("ca.log")).unwrap();
    assert!(log.contains("caFullCMCUserSignedCert: "), "{log}");
}
