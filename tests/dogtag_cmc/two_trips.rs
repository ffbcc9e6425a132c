//! Encryption-only certificates: the CA's EncryptedPOP, the client's DecryptedPOP (RFC 5272 §6.7).

use super::common::dogtag::{client_file, folder, helper, http_cfg};
use super::{By, Folder, USER_SIGNED, cfg, crmf, old_name, send, shown, succeeded, user};

pub const PROFILE: &str = "caFullCMCUserSignedCert";

/// Makes the first round trip, with the response in `trip1.resp`; returns the key id.
pub fn first_trip(f: &Folder, by: By, name: &str, archival: bool) -> String {
    let transport = client_file("kra_transport.pem");
    std::fs::copy(transport, f.file("kra.pem")).unwrap();
    let wrap = ["-b", "kra.pem", "-w", "AES/CBC/PKCS5Padding"];
    let mut more = vec!["-q", "POP_NONE", "-v"];
    if archival {
        more.extend(wrap);
    }
    let id = crmf(f, By::Java, "rsa:2048", &format!("CN={name},O=LAB"), &more);
    let nickname = format!("nickname={name}");
    cfg(f, &["numRequests=1", "input=@DIR@/crmf.req", &nickname, "format=crmf"]);
    old_name(f, by, &["CMCRequest", "req.cfg"]).exits(0);
    send(f, By::Us, &format!("{USER_SIGNED}{PROFILE}"), Some(name));
    let said = shown(f, By::Us);
    assert!(said.out.contains("failInfo=POP required"), "{}\n{}", said.out, said.err);
    std::fs::rename(f.file("cmc.resp"), f.file("trip1.resp")).unwrap();
    id
}

/// Writes the documentation's cmc_DecryptedPOP.cfg, unused keys included.
pub fn second_cfg(f: &Folder, name: &str, id: &str, more: &[&str]) {
    let nickname = format!("nickname={name}");
    let id = format!("request.privKeyId={id}");
    let lines = [
        "numRequests=1",
        "input=@DIR@/crmf.req",
        &nickname,
        "format=crmf",
        "decryptedPop.enable=true",
        "encryptedPopResponseFile=@DIR@/trip1.resp",
        &id,
        "decryptedPopRequestFile=@DIR@/cmc.req",
    ];
    cfg(f, &[&lines[..], more].concat());
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn two_trips_by_old_names_and_mixed_with_java() {
    let f = folder("two-trips");
    for (i, (first, second, archival)) in [
        (By::Us, By::Us, true),
        (By::Us, By::Us, false),
        (By::Java, By::Us, true),
        (By::Us, By::Java, false),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("trip{i}x{}", std::process::id());
        user(&f, &name, "rsa:2048");
        let id = first_trip(&f, first, &name, archival);
        second_cfg(&f, &name, &id, &[]);
        let said = old_name(&f, second, &["CMCRequest", "req.cfg"]).exits(0);
        assert!(said.out.contains("Yay! witness verified"), "{}", said.out);
        assert!(said.out.contains("requestID: "), "{}", said.out);
        http_cfg(
            &f,
            "http.cfg",
            &format!("{USER_SIGNED}{PROFILE}"),
            Some(&name),
            ("cmc.req", "cmc.resp"),
        );
        old_name(&f, second, &["HttpClient", "http.cfg"]).exits(0);
        succeeded(&f, By::Us, &name);
        if archival {
            let found = helper(&f, "kra.sh", &["find", &name]);
            assert!(found.contains("rsa\t2048"), "{found}");
        }
    }
}

/// `oaep` sets the padding that is tried first; the witness shows that it was the other one.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn the_other_padding_is_tried_too() {
    let f = folder("two-oaep");
    let name = format!("oaep{}", std::process::id());
    user(&f, &name, "rsa:2048");
    let id = first_trip(&f, By::Us, &name, false);
    second_cfg(&f, &name, &id, &["oaep=true"]);
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    send(&f, By::Us, &format!("{USER_SIGNED}{PROFILE}"), Some(&name));
    succeeded(&f, By::Us, &name);
}
