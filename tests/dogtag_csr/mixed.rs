//! Requests exchanged between the implementations: one makes a request, the other signs and sends
//! it.

use super::common::dogtag::{Lab, folder, http_cfg, lab, request_cfg};
use super::{By, Folder, MAKERS, Maker, Said, Wish, issued_key, old_name, submit, verdict};

const CRMF: &str = "AES/CBC/PKCS5Padding";

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn agent_signed_requests_change_hands() {
    let f = folder("csr-mixed");
    for (format, key, profile, wrap) in [
        ("pkcs10", "rsa:2048", "caCMCserverCert", None),
        ("pkcs10", "ec:nistp384", "caCMCECserverCert", None),
        ("crmf", "rsa:2048", "caFullCMCUserCert", None),
        ("crmf", "rsa:2048", "caFullCMCUserCert", Some(CRMF)),
        ("crmf", "ec:nistp256", "caECFullCMCUserCert", None),
        ("crmf", "ec:nistp256", "caECFullCMCUserCert", Some(CRMF)),
    ] {
        for (maker, build, send) in [
            (Maker::Old(By::Us), By::Java, By::Java),
            (Maker::Old(By::Us), By::Java, By::Us),
            (Maker::Create, By::Java, By::Us),
            (Maker::Old(By::Java), By::Us, By::Java),
            (Maker::Old(By::Java), By::Us, By::Us),
        ] {
            let name = format!("{} {format} {}", &key[..2], std::process::id());
            let subject = format!("CN={name},O=LAB");
            Wish { wrap, ..Wish::new(format, key, &subject) }.make(&f, maker).exits(0);
            let said = submit(&f, build, send, format, profile);
            assert_eq!(verdict(&said), "SUCCESS", "{format} {key} {wrap:?} {maker:?} {build:?}");
            issued_key(&f, &name);
        }
    }
}

/// Returns the id in `.keyId` of PKCS10Client and CRMFPopClient, or as certutil lists it.
fn key_id(f: &Folder, maker: Maker, by: By, before: &[String]) -> String {
    let new = f.keys().into_iter().find(|k| !before.contains(k)).unwrap();
    let signed = nss_cmc::keyid::to_dogtag(&nss_cmc::keyid::parse(&new).unwrap());
    match maker {
        Maker::Old(_) => {
            let told = String::from_utf8(f.read("x.req.keyId")).unwrap();
            assert_eq!(told, signed, "the signed form of certutil's {new}");
            told
        }
        // Java 10.10 reads its own form only.
        Maker::Create if by == By::Java => signed,
        Maker::Create => new,
    }
}

/// Requests with proof of identification by shared secret, linked or not: the subject key
/// identifier is read from the request, and a linked request is signed again with the key of that
/// id.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn requests_proved_by_a_shared_secret_change_hands() {
    let f = folder("csr-mixed-secret");
    for (format, key) in [("pkcs10", "rsa:2048"), ("crmf", "rsa:2048"), ("crmf", "ec:nistp256")] {
        for maker in MAKERS {
            for (build, link) in
                [(By::Us, false), (By::Us, true), (By::Java, false), (By::Java, true)]
            {
                let before = f.keys();
                let wish = Wish { identifier: true, ..Wish::new(format, key, "CN=anybody,O=LAB") };
                wish.make(&f, maker).exits(0);
                let id = key_id(&f, maker, build, &before);
                // Java 11.10's CRMF with `-y` is not encoded as its own CA encodes it again; the
                // POP link signs the request anew.
                let by_java = format == "crmf" && maker == Maker::Old(By::Java);
                if lab() == Lab::V11 && by_java && !link {
                    refused_by_11(&f, build, key, &id);
                    continue;
                }
                shared_secret(&f, build, format, &id, link).exits(0);
                http_cfg(&f, "http.cfg", &servlet(key), None, ("cmc.req", "cmc.resp"));
                old_name(&f, By::Us, &["HttpClient", "http.cfg"]).exits(0);
                let shown = ["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"];
                let said = f.nss_cmc(&shown);
                assert_eq!(verdict(&said), "SUCCESS", "{format} {key} {maker:?} {build:?} {link}");
                issued_key(&f, "alice");
                std::fs::remove_file(f.file("cmc.resp")).unwrap();
            }
        }
    }
}

fn servlet(key: &str) -> String {
    let ec = if key.starts_with("ec") { "EC" } else { "" };
    format!("{}ca{ec}FullCMCSharedTokenCert", super::FULL)
}

/// The CA refuses the message that Java makes of its own CRMF; ours is not made.
fn refused_by_11(f: &Folder, build: By, key: &str, id: &str) {
    let said = shared_secret(f, build, "crmf", id, false);
    if build == By::Us {
        assert!(said.exits(1).out.contains("not encoded as the CA expects"));
        return;
    }
    let servlet = servlet(key);
    http_cfg(f, "http.cfg", &servlet, None, ("cmc.req", "cmc.resp"));
    old_name(f, By::Us, &["HttpClient", "http.cfg"]).exits(0);
    let said = f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "cmc.resp"]);
    assert_eq!(verdict(&said), "POP failed", "{}", said.out);
    std::fs::remove_file(f.file("cmc.resp")).unwrap();
}

fn shared_secret(f: &Folder, by: By, format: &str, id: &str, link: bool) -> Said {
    let own = [
        format!("format={format}"),
        format!("request.privKeyId={id}"),
        format!("popLinkWitnessV2.enable={link}"),
    ];
    let lines = [
        "numRequests=1",
        "input=@DIR@/x.req",
        "output=@DIR@/cmc.req",
        "request.useSharedSecret=true",
        "identification.enable=true",
        "identification=alice",
        "witness.sharedSecret=alicesecret",
        "identityProofV2.enable=true",
        "identityProofV2.hashAlg=SHA-256",
        "identityProofV2.macAlg=SHA-256-HMAC",
        "popLinkWitnessV2.keyGenAlg=SHA-256",
        "popLinkWitnessV2.macAlg=SHA-256-HMAC",
    ];
    request_cfg(f, "req.cfg", &[&lines[..], &own.each_ref().map(String::as_str)].concat());
    old_name(f, by, &["CMCRequest", "req.cfg"])
}
