//! Revocation by agent, by user and by shared secret; hold.

use super::common::dogtag::{folder, helper};
use super::{By, FULL, Folder, USER_SIGNED, cfg, old_name, send, shown, user};

pub const ISSUER: &str = "CN=CA Signing Certificate,OU=pki-tomcat,O=LAB";

fn revoked(f: &Folder, serial: &str, reason: &str) {
    let said = shown(f, By::Us).exits(0);
    assert!(said.out.contains("Status: SUCCESS"), "{}", said.out);
    let state = helper(f, "shown.sh", &[serial]);
    assert!(state.starts_with(&format!("REVOKED {reason}")), "{serial}: {state}");
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn by_agent_user_and_shared_secret() {
    let f = folder("revoke");
    let common = ["revRequest.enable=true", "numRequests=1", "format=pkcs10"];
    for by in [By::Us, By::Java] {
        let serial = user(&f, &format!("agent{by:?}"), "ec:nistp256");
        let line = format!("revRequest.serial={serial}");
        let mine = ["nickname=caadmin", &line, "revRequest.reason=keyCompromise"];
        cfg(&f, &[&common[..], &mine, &["revRequest.comment=lost it"]].concat());
        old_name(&f, by, &["CMCRequest", "req.cfg"]).exits(0);
        send(&f, By::Us, &format!("{FULL}caFullCMCUserCert"), Some("caadmin"));
        revoked(&f, &serial, "1");

        let name = format!("user{by:?}");
        let serial = user(&f, &name, "rsa:2048");
        let line = format!("revRequest.serial={serial}");
        let nickname = format!("nickname={name}");
        let mine = [nickname.as_str(), &line, "revRequest.reason=superseded"];
        cfg(&f, &[&common[..], &mine, &["revRequest.invalidityDatePresent=true"]].concat());
        old_name(&f, by, &["CMCRequest", "req.cfg"]).exits(0);
        send(&f, By::Us, &format!("{USER_SIGNED}caFullCMCUserSignedCert"), Some(&name));
        revoked(&f, &serial, "4");

        let serial = user(&f, &format!("secret{by:?}"), "ec:nistp256");
        helper(&f, "revocation-secret.sh", &[&serial, "rev secret"]);
        let line = format!("revRequest.serial={serial}");
        let issuer = format!("revRequest.issuer={ISSUER}");
        let mine = [line.as_str(), &issuer, "revRequest.reason=cessationOfOperation"];
        cfg(&f, &[&common[..], &mine, &["revRequest.sharedSecret=rev secret"]].concat());
        old_name(&f, by, &["CMCRequest", "req.cfg"]).exits(0);
        send(&f, by, &format!("{USER_SIGNED}caFullCMCUserSignedCert"), None);
        revoked(&f, &serial, "5");
    }
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn hexadecimal_serials_and_a_stale_nickname() {
    let f = folder("revoke-hex");
    let serial = user(&f, "hex", "ec:nistp256");
    helper(&f, "revocation-secret.sh", &[&serial, "rs"]);
    let hex = format!("revRequest.serial=0x{:x}", serial.parse::<u128>().unwrap());
    let issuer = format!("revRequest.issuer={ISSUER}");
    cfg(
        &f,
        &[
            "revRequest.enable=TRUE",
            "nickname=nobody",
            "request.useSharedSecret=true",
            &hex,
            &issuer,
            "revRequest.reason=KEYCOMPROMISE",
            "revRequest.sharedSecret=rs",
        ],
    );
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    send(&f, By::Us, &format!("{USER_SIGNED}caFullCMCUserSignedCert"), None);
    revoked(&f, &serial, "1");
}
