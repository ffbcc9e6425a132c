//! Requests are issued or refused as those of the Java tools are.

use super::common::dogtag::{Lab, folder, lab};
use super::{By, MAKERS, Maker, Wish, import, issued_key, submit, verdict};

fn profile(format: &str, key: &str) -> &'static str {
    match (format, key.starts_with("ec")) {
        ("pkcs10", false) => "caCMCserverCert",
        ("pkcs10", true) => "caCMCECserverCert",
        (_, false) => "caFullCMCUserCert",
        (_, true) => "caECFullCMCUserCert",
    }
}

/// Key sizes and curves; the profile refuses P-384 in CRMF, for everyone.
const CASES: &[(&str, &str, &str)] = &[
    ("pkcs10", "rsa:2048", "SUCCESS"),
    ("pkcs10", "rsa:4096", "SUCCESS"),
    ("pkcs10", "ec:nistp256", "SUCCESS"),
    ("pkcs10", "ec:nistp384", "SUCCESS"),
    ("pkcs10", "ec:nistp521", "SUCCESS"),
    ("crmf", "rsa:2048", "SUCCESS"),
    ("crmf", "rsa:3072", "SUCCESS"),
    ("crmf", "ec:nistp256", "SUCCESS"),
    ("crmf", "ec:nistp384", "internal ca error"),
    ("crmf", "ec:nistp521", "SUCCESS"),
];

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn every_format_and_key_is_issued_as_java_s() {
    let f = folder("csr-issued");
    for (format, key, want) in CASES {
        for (i, maker) in MAKERS.into_iter().enumerate() {
            let name = format!("{format} {key} {i} {}", std::process::id()).replace(':', " ");
            let subject = format!("CN={name},O=LAB");
            Wish::new(format, key, &subject).make(&f, maker).exits(0);
            let said = submit(&f, By::Us, By::Us, format, profile(format, key));
            assert_eq!(verdict(&said), *want, "{format} {key} {maker:?}");
            if *want == "SUCCESS" {
                issued_key(&f, &name);
                import(&f, &name);
            }
        }
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn proof_of_possession_is_judged_as_java_s() {
    let f = folder("csr-pop");
    for key in ["rsa:2048", "ec:nistp256"] {
        for (pop, want) in
            [("SUCCESS", "SUCCESS"), ("NONE", "POP required"), ("FAIL", "POP failed")]
        {
            // The CA encrypts its challenge for the key, which is impossible with an EC key.
            let want =
                if key.starts_with("ec") && pop == "NONE" { "internal ca error" } else { want };
            for maker in MAKERS {
                let subject = format!("CN=pop {pop},O=LAB");
                Wish { pop, ..Wish::new("crmf", key, &subject) }.make(&f, maker).exits(0);
                let said = submit(&f, By::Us, By::Us, "crmf", profile("crmf", key));
                assert_eq!(verdict(&said), want, "{key} {pop} {maker:?}\n{}", said.out);
                assert_eq!(said.code, i32::from(want != "SUCCESS"), "{}", said.err);
                let challenge = said.out.contains("encryptedPOP decoded");
                assert_eq!(challenge, want == "POP required", "{}", said.out);
            }
        }
    }
}

/// Requested extensions: the profile decides about them. In a CRMF request Dogtag 10.10 accepts only
/// the subject key identifier, 11.10 all of them.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn extensions_go_where_the_ca_takes_them() {
    let f = folder("csr-extensions");
    for (format, identifier, dns, want) in [
        ("pkcs10", true, true, "SUCCESS"),
        ("crmf", true, false, "SUCCESS"),
        ("crmf", false, true, if lab() == Lab::V10 { "bad request" } else { "SUCCESS" }),
    ] {
        let wish = Wish { identifier, ..Wish::new(format, "rsa:2048", "CN=extensions,O=LAB") };
        let mut args = wish.create_args();
        if dns {
            args.extend(["--dns", "www.lab.test", "--key-usage"].map(str::to_owned));
            args.push("digitalSignature,keyEncipherment".to_owned());
        }
        f.nss_cmc(&args).exits(0);
        let said = submit(&f, By::Us, By::Us, format, profile(format, "rsa:2048"));
        assert_eq!(verdict(&said), want, "{format} {dns}: {}", said.out);
    }
    // A second request for an existing key, with another name.
    Wish::new("pkcs10", "rsa:2048", "CN=first,O=LAB").make(&f, Maker::Create).exits(0);
    submit(&f, By::Us, By::Us, "pkcs10", "caCMCserverCert").exits(0);
    let first = issued_key(&f, "first");
    let nickname = format!("first{}", std::process::id());
    import(&f, &nickname);
    f.nss_cmc(&[
        "csr",
        "create",
        "-d",
        "db",
        "--password-file",
        "pw",
        "--key",
        &nickname,
        "--subject",
        "CN=second,O=LAB",
        "--out",
        "x.req",
    ])
    .exits(0);
    submit(&f, By::Us, By::Us, "pkcs10", "caCMCserverCert").exits(0);
    assert_eq!(issued_key(&f, "second"), first);
}
