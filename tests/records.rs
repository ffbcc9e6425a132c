//! Certificate records from the CA's REST interface, in all its versions, and from servers without
//! it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Mutex;

use common::der::{self, COMMON_NAME, ORGANIZATION, certificate_fields, pem};
use common::stand_in::{StandIn, ec_folder, program};
use common::{Folder, tool};
use nss_cmc::client::dogtag::records::{Lookup, Records, State};
use nss_cmc::nss::{Access, Database};
use nss_cmc::{Config, Number, Url};

fn parsed(text: &str) -> Number {
    Number::parse(text).unwrap()
}

/// NSS opens one database at a time.
static ONE: Mutex<()> = Mutex::new(());

fn with<T>(f: &Folder, ca: &StandIn, what: impl FnOnce(&mut Records<'_, '_>) -> T) -> T {
    let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let dir = f.file("db");
    let database = Database::open(dir.to_str().unwrap(), Access::ReadOnly).unwrap();
    let config = Config { proxy: Some(String::new()), ..Config::new(Url::parse(&ca.url).unwrap()) };
    let mut transport = config.transport(Some(&database), None).unwrap();
    let result = what(&mut Records::new(&mut transport, &config.ca));
    drop(transport);
    database.close().unwrap();
    result
}

fn agent(f: &Folder) -> Vec<u8> {
    pem::to_der(&f.read("agent.pem"))
}

/// Changes a status in the stand-in's records.
fn book(f: &Folder, from: &str, to: &str) {
    let issued = String::from_utf8(f.read("ca/issued")).unwrap();
    assert!(issued.contains(from), "{issued}");
    f.write("ca/issued", issued.replace(from, to));
}

#[test]
fn by_serial_subject_and_key() {
    let f = ec_folder();
    let der = agent(&f);
    let fields = certificate_fields(&der);
    let serial = Number::unsigned(fields.serial);
    for (offer, api) in [("v1", "rest"), ("v2", "v2"), ("both", "v2")] {
        let ca = StandIn::start(&f, &["--rest", offer, "--server-key-type", "ec"]);
        with(&f, &ca, |records| {
            let Lookup::Found(record) = records.by_serial(&serial).unwrap() else { panic!() };
            assert_eq!(records.api(), Some(api));
            assert_eq!(record.certificate.as_deref(), Some(&der[..]));
            assert_eq!(
                (&record.subject[..], &record.state),
                ("CN=agent,O=STAND-IN", &State::Valid)
            );
            assert_eq!(record.issuer, "CN=CA Signing Certificate,O=STAND-IN");
            let Lookup::Found(ca) = records.by_serial(&parsed("1")).unwrap() else { panic!() };
            assert_eq!(ca.subject, ca.issuer);
            let unknown = records.by_serial(&parsed("0x7777")).unwrap();
            assert!(matches!(unknown, Lookup::Absent), "{unknown:?}");

            let Lookup::Found(found) = records.by_subject(fields.subject).unwrap() else {
                panic!()
            };
            assert_eq!(found.iter().map(|r| &r.serial).collect::<Vec<_>>(), [&serial]);
            assert!(found[0].not_before.is_some() && found[0].not_after.is_some());
            let part = der::name(&[(COMMON_NAME, "agent")]);
            let Lookup::Found(none) = records.by_subject(&part).unwrap() else { panic!() };
            assert!(none.is_empty(), "{none:?}");
            let by_key = records.by_key(fields.subject, fields.spki, &|_| true).unwrap();
            assert!(matches!(by_key, Lookup::Found(r) if r.serial == serial));
            let other = records.by_key(fields.subject, &fields.spki[1..], &|_| true).unwrap();
            assert!(matches!(other, Lookup::Absent), "{other:?}");
            assert_eq!(records.issued_by(&serial).unwrap().as_deref(), Some("agent"));
            assert_eq!(records.issued_by(&parsed("1")).unwrap().as_deref(), Some("system"));
        });
        let valid = format!("{serial} VALID");
        for (reason, state) in [(6, "on hold"), (1, "revoked (keyCompromise)")] {
            let revoked = valid.replace("VALID", &format!("REVOKED {reason}"));
            book(&f, &valid, &revoked);
            with(&f, &ca, |records| {
                let Lookup::Found(record) = records.by_serial(&serial).unwrap() else { panic!() };
                assert_eq!(record.state.to_string(), state);
            });
            book(&f, &revoked, &valid);
        }
    }
}

#[test]
fn servers_without_it_are_told_from_unknown_certificates() {
    let f = ec_folder();
    let serial = parsed("1");
    for (offer, why) in [
        ("none", "HTTP status 404"),
        ("html", "not a certificate record in JSON"),
        ("shape", "not a certificate record in JSON"),
        ("down", "HTTP status 503"),
    ] {
        let ca = StandIn::start(&f, &["--rest", offer, "--server-key-type", "ec"]);
        with(&f, &ca, |records| {
            let Lookup::Silent(e) = records.by_serial(&serial).unwrap() else { panic!("{offer}") };
            assert!(e.to_string().contains(why), "{offer}: {e}");
            assert_eq!(e.is_retryable(), offer == "down");
            let subject = der::name(&[(ORGANIZATION, "STAND-IN"), (COMMON_NAME, "agent")]);
            let by_subject = records.by_subject(&subject).unwrap();
            assert!(matches!(by_subject, Lookup::Silent(_)), "{offer}: {by_subject:?}");
            assert_eq!(records.api(), None);
        });
    }
}

/// More certificates of one subject than a page has: all are found, newest first.
#[test]
fn a_search_goes_on_page_by_page() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--rest", "v2", "--server-key-type", "ec"]);
    let sign = ["sign", "--dir", "ca", "--csr", "agent.csr", "--out", "more.pem"];
    for _ in 0..103 {
        tool(program().to_str().unwrap(), f.path(), &sign);
    }
    with(&f, &ca, |records| {
        let subject = der::name(&[(ORGANIZATION, "STAND-IN"), (COMMON_NAME, "agent")]);
        let Lookup::Found(found) = records.by_subject(&subject).unwrap() else { panic!() };
        assert_eq!(found.len(), 104);
        assert!(found.is_sorted_by(|a, b| a.not_before >= b.not_before));
    });
}
