//! Private keys in the KRA: present, and the right ones.

use super::common::dogtag::{Lab, folder, helper, http_cfg, lab, request_cfg};
use super::common::{run, tool};
use super::{By, MAKERS, Maker, Wish, issued_key, submit, verdict};

/// Each wrapping, and whether the KRA accepts it. The KRA selects the algorithm by the object
/// identifier: it reads that of triple DES as single DES, and 10.10 that of RFC 5649 as PKCS #7
/// padding; 11.10 knows RFC 5649.
fn wraps() -> [(&'static str, bool); 4] {
    [
        ("AES/CBC/PKCS5Padding", true),
        ("AES KeyWrap/Padding", true),
        ("DES3/CBC/Pad", false),
        ("AES KeyWrap/Wrapped", lab() == Lab::V11),
    ]
}

const REFUSED: &str = "Sending DRM request failed check KRA log for detail";

fn profile(key: &str) -> &'static str {
    if key.starts_with("ec") { "caECFullCMCUserCert" } else { "caFullCMCUserCert" }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn archived_keys_are_in_the_kra() {
    let f = folder("csr-archival");
    for key in ["rsa:2048", "ec:nistp256", "ec:nistp521"] {
        for (wrap, taken) in wraps() {
            for (i, maker) in MAKERS.into_iter().enumerate() {
                let unknown = wrap == "AES KeyWrap/Wrapped" && lab() == Lab::V10;
                if maker == Maker::Old(By::Java) && unknown {
                    continue; // 10.10 doesn't know it.
                }
                let name =
                    format!("{key} {wrap} {i} {}", std::process::id()).replace([':', '/'], " ");
                let subject = format!("CN={name},O=LAB");
                let wish = Wish { wrap: Some(wrap), ..Wish::new("crmf", key, &subject) };
                let before = f.certificates();
                wish.make(&f, maker).exits(0);
                // Java leaves the KRA's certificate in the database.
                assert!(f.certificates() == before || maker == Maker::Old(By::Java));
                let said = submit(&f, By::Us, By::Us, "crmf", profile(key));
                let found = find(&f, &name);
                if taken {
                    assert_eq!(verdict(&said), "SUCCESS", "{name}: {}", said.out);
                    assert_eq!(found.len(), 1, "{name}: {found:?}");
                    let (id, kind) = &found[0];
                    assert_eq!(*kind, key[..key.find(':').unwrap()]);
                    // Two of Java's keys are enough to see that recovery works.
                    if maker != Maker::Old(By::Java) || key == "rsa:2048" {
                        recover(&f, id, &name);
                    }
                } else {
                    assert_eq!(verdict(&said), "internal ca error", "{name}");
                    assert!(said.out.contains(REFUSED), "{name}: {}", said.out);
                    assert_eq!(found, [], "{name}");
                }
            }
        }
    }
}

/// Recovers a key from the KRA and compares it with the certificate's.
#[track_caller]
fn recover(f: &super::Folder, id: &str, name: &str) {
    helper(f, "kra.sh", &["recover", id, "recovered.pem"]);
    let recovered = tool("openssl", f.path(), &["pkey", "-in", "recovered.pem", "-pubout"]);
    assert_eq!(recovered, issued_key(f, name), "{name}");
}

/// Returns id and algorithm of the archived keys of `owner`.
pub fn find(f: &super::Folder, owner: &str) -> Vec<(String, String)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dogtag/kra.sh");
    let said = run(std::process::Command::new(script).current_dir(f.path()).args(["find", owner]));
    assert_eq!(said.err, "", "kra.sh find");
    let field = |l: &str, n: usize| l.split('\t').nth(n).unwrap().to_owned();
    said.out.lines().map(|l| (field(l, 0), field(l, 1))).collect()
}

/// A KRA that is not configured for RSA-OAEP can't decrypt the session key: the request doesn't
/// name the padding. tests/csr checks the padding with openssl.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn oaep_needs_a_kra_set_up_for_it() {
    let f = folder("csr-oaep");
    let name = format!("oaep {}", std::process::id());
    let subject = format!("CN={name},O=LAB");
    let wish =
        Wish { wrap: Some("AES KeyWrap/Padding"), ..Wish::new("crmf", "rsa:2048", &subject) };
    for mut args in [wish.old_args(), wish.create_args()] {
        args.push("--oaep".to_owned());
        // Writes kra.pem.
        wish.make(&f, Maker::Create).exits(0);
        f.nss_cmc(&args).exits(0);
        let said = submit(&f, By::Us, By::Us, "crmf", profile("rsa"));
        assert_eq!(verdict(&said), "internal ca error");
        assert!(said.out.contains(REFUSED), "{}", said.out);
        assert_eq!(find(&f, &name), []);
    }
}

/// RFC 3394 without padding fits few keys: those whose PKCS #8 is a multiple of eight octets.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn no_padding_fits_no_ec_key() {
    let f = folder("csr-nopadding");
    let wish = Wish {
        wrap: Some("AES KeyWrap/NoPadding"),
        ..Wish::new("crmf", "ec:nistp256", "CN=no padding,O=LAB")
    };
    for maker in MAKERS {
        let before = f.state();
        let said = wish.make(&f, maker);
        assert_ne!(said.code, 0, "{maker:?}");
        assert!(!f.file("x.req").exists(), "{maker:?}");
        if maker != Maker::Old(By::Java) {
            assert!(said.err.contains("not AES KeyWrap/NoPadding"), "{}", said.err);
            assert_eq!(f.state(), before, "{maker:?}");
        }
    }
}

/// Without proof of possession the CA sends a challenge, and archives the key only after the second
/// request.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn a_key_proved_in_two_trips_is_archived_by_the_second() {
    let f = folder("csr-two-trips");
    for (i, maker) in [Maker::Old(By::Us), Maker::Create].into_iter().enumerate() {
        let name = format!("twotrips{i}x{}", std::process::id());
        let subject = format!("CN={name},O=LAB");
        helper(&f, "user-cert.sh", &["db", &name, &subject, "rsa:2048"]);
        let before = f.keys();
        let wrap = Some("AES KeyWrap/Padding");
        let wish = Wish { pop: "NONE", wrap, ..Wish::new("crmf", "rsa:2048", &subject) };
        wish.make(&f, maker).exits(0);
        let id = f.keys().into_iter().find(|k| !before.contains(k)).unwrap();

        let user = format!("nickname={name}");
        let lines = ["numRequests=1", "input=@DIR@/x.req", "output=@DIR@/cmc.req", "format=crmf"];
        let said = trip(&f, &name, &[&lines[..], &[&user]].concat());
        assert_eq!(verdict(&said), "POP required", "{}", said.out);
        assert_eq!(find(&f, &name), []);

        std::fs::rename(f.file("cmc.resp"), f.file("first.resp")).unwrap();
        let key = format!("request.privKeyId={id}");
        let lines = [
            "format=crmf",
            "decryptedPop.enable=true",
            "encryptedPopResponseFile=@DIR@/first.resp",
            "decryptedPopRequestFile=@DIR@/cmc.req",
        ];
        let said = trip(&f, &name, &[&lines[..], &[&user, &key]].concat());
        assert_eq!(verdict(&said), "SUCCESS", "{}", said.out);
        let found = find(&f, &name);
        assert_eq!(found.len(), 1, "{found:?}");
        recover(&f, &found[0].0, &name);
    }
}

/// Sends a message signed by the user `name`; returns CMCResponse's output.
fn trip(f: &super::Folder, name: &str, lines: &[&str]) -> super::Said {
    request_cfg(f, "req.cfg", lines);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    let servlet = "/ca/ee/ca/profileSubmitUserSignedCMCFull?profileId=caFullCMCUserSignedCert";
    http_cfg(f, "http.cfg", servlet, Some(name), ("cmc.req", "cmc.resp"));
    f.nss_cmc(&["HttpClient", "http.cfg"]).exits(0);
    f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "cmc.resp", "-o", "chain.p7"])
}
