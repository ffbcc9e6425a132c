//! The real CA's response to each control.

use super::common::dogtag::{folder, installed};
use super::revoke::ISSUER;
use super::{By, FULL, Folder, cfg, pkcs10, send, shown};

/// Sends an agent's request with these controls; returns CMCResponse's output for the response.
fn asked(f: &Folder, lines: &[&str]) -> super::Said {
    pkcs10(f, "ec:nistp256", "CN=controls,O=LAB");
    cfg(f, &[&["nickname=caadmin", "input=@DIR@/p10.req"], lines].concat());
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    send(f, By::Us, &format!("{FULL}caECFullCMCUserCert"), Some("caadmin"));
    shown(f, By::Us)
}

#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn what_is_echoed_and_what_is_ignored() {
    let f = folder("controls");
    let issuer = format!("getCert.issuer={ISSUER}");
    let own: u128 = installed()[0].parse().unwrap();
    let serial = format!("getCert.serial={own}");
    let said = asked(
        &f,
        &[
            "dataReturn.enable=true",
            "dataReturn.data=come back",
            "transactionMgt.enable=true",
            "transactionMgt.id=123",
            "senderNonce.enable=true",
            "senderNonce=ours",
            "getCert.enable=true",
            &serial,
            &issuer,
            "recipientNonce.enable=true",
            "recipientNonce=theirs",
            "regInfo.enable=true",
            "regInfo.data=anything",
            "queryPending.enable=true",
            "queryPending.token=1",
        ],
    )
    .exits(0);
    for line in [
        "Status: SUCCESS",
        "CMC Data Return\n   OID: {1 3 6 1 5 5 7 7 4}\n   Value: 99 111 109 101 32 98 97 99 107 \n",
        "CMC Transaction Id\n   OID: {1 3 6 1 5 5 7 7 5}\n   INTEGER: 3224115\n",
        "CMC Recipient Nonce\n   OID: {1 3 6 1 5 5 7 7 7}\n   Value: 111 117 114 115 \n",
        "CMC Sender Nonce\n",
        &format!("Serial Number: 0x{own:X}\n"),
    ] {
        assert!(said.out.contains(line), "{line}\nis missing in\n{}", said.out);
    }
    // `cmc show` prints the same, and the response is signed.
    let show = ["cmc", "show", "cmc.resp", "-d", "db", "--verify", "--output", "json"];
    let shown = f.nss_cmc(&show).exits(0).json()["result"].to_string();
    for part in ["\"come back\"", "\"3224115\"", "\"ours\"", "\"good\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// Dogtag refuses every confirmation, and accepts an RA's witness only if configured to.
#[test]
#[ignore = "needs the real Dogtag CA (tests/dogtag/up.sh)"]
fn what_is_refused() {
    let f = folder("controls-refused");
    let lines = ["LraPopWitness.enable=true", "LraPopWitness.bodyPartIDs=1"];
    let said = asked(&f, &lines).exits(1);
    assert!(said.out.contains("failInfo=POP failed"), "{}", said.out);
    let issuer = format!("confirmCertAcceptance.issuer={ISSUER}");
    let lines = ["confirmCertAcceptance.enable=true", &issuer, "confirmCertAcceptance.serial=1"];
    let said = asked(&f, &lines).exits(1);
    assert!(said.out.contains("failInfo=bad certificate id"), "{}", said.out);
    // Two requests in one message, and none.
    pkcs10(&f, "ec:nistp256", "CN=controls,O=LAB");
    let agent = ["nickname=caadmin", "input=@DIR@/p10.req @DIR@/p10.req"];
    for (lines, words) in
        [(&[][..], "Policy Set Not Found"), (&["numRequests=0"], "authorization failure")]
    {
        cfg(&f, &[&agent[..], lines].concat());
        f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
        send(&f, By::Us, &format!("{FULL}caECFullCMCUserCert"), Some("caadmin"));
        let said = shown(&f, By::Us).exits(1);
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    // A proof of version 1, which no Dogtag version can verify.
    let id = pkcs10(&f, "ec:nistp256", "CN=controls,O=LAB");
    let id = format!("request.privKeyId={id}");
    cfg(
        &f,
        &[
            "input=@DIR@/p10.req",
            "request.useSharedSecret=true",
            &id,
            "identification.enable=true",
            "identification=alice",
            "identityProof.enable=true",
            "identityProof.sharedSecret=alicesecret",
        ],
    );
    f.nss_cmc(&["CMCRequest", "req.cfg"]).exits(0);
    send(&f, By::Us, &format!("{FULL}caECFullCMCSharedTokenCert"), None);
    let said = shown(&f, By::Us).exits(1);
    assert!(said.out.contains("failInfo=bad identity"), "{}", said.out);
}
