//! The permitted signers of a response.

use crate::maker::{
    CLIENT, CMC_CA, FUTURE, Make, OCSP, PAST, Pair, SERVER, ca, make, response, signer,
    signing_time,
};
use crate::{database, judged};

/// Returns a response signed by `by`, with these certificates.
fn signed(by: &Pair, beside: &[&Pair]) -> Vec<u8> {
    response(&[signer(by)], &[&[by], beside].concat())
}

/// Validity is checked against the clock, whatever signingTime says.
#[test]
fn a_signer_is_judged_now() {
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let at = |by: &Pair, time: &str| {
        let mut signer = signer(by);
        signer.more = vec![signing_time(time)];
        response(&[signer], &[by])
    };
    let expired = ca("Old Sub").valid(PAST).by(&root);
    let reason = judged("expired", &f, &at(&expired, "200601000000Z"), "not_trusted");
    assert!(reason.contains("expired on 2021-01-01"), "{reason}");
    let future = ca("New Sub").valid(FUTURE).by(&root);
    let reason = judged("future", &f, &signed(&future, &[]), "not_trusted");
    assert!(reason.contains("not valid before 2090"), "{reason}");
    judged("a time of its own", &f, &at(&root, "480601000000Z"), "good");
    // An expired root proves nothing, nor does an expired CA in between.
    let below = ca("Below").by(&expired);
    judged("below an expired CA", &f, &signed(&below, &[&expired]), "not_trusted");
    let root = ca("Gone").valid(PAST).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    judged("an expired root", &f, &at(&root, "200601000000Z"), "not_trusted");
}

/// The first trust field (SSL) counts, and only C or T in it.
#[test]
fn the_trust_is_ssl_s() {
    let root = ca("Root").itself();
    let sub = ca("Sub").by(&root);
    let ocsp = make("OCSP").purposes(&[OCSP]).by(&root);
    for (trust, want) in [
        ("CT,C,C", "good"),
        ("C,,", "good"),
        ("T,,", "good"),
        (",C,", "not_trusted"),
        (",,C", "not_trusted"),
        (",C,C", "not_trusted"),
        ("c,C,C", "not_trusted"),
        ("P,P,P", "not_trusted"),
        ("p,C,C", "not_trusted"),
        (",,", "not_trusted"),
    ] {
        let f = database(&[("root", trust, &root)]);
        judged(trust, &f, &signed(&root, &[]), want);
        judged(trust, &f, &signed(&sub, &[&root]), want);
        judged(trust, &f, &signed(&ocsp, &[&root]), "not_trusted");
    }
    let f = database(&[("root", "CT,C,C", &root), ("sub", "p,p,p", &sub)]);
    judged("a distrusted CA", &f, &signed(&sub, &[]), "not_trusted");
    let below = ca("Below").by(&sub);
    judged("below a distrusted CA", &f, &signed(&below, &[]), "not_trusted");
}

/// Any CA may sign, whatever its extended key usage; no other certificate, whatever its issuer's
/// trust.
#[test]
fn a_signer_is_a_ca() {
    for (what, make, want) in [
        ("plain", ca("Root"), "good"),
        ("keyCertSign, cRLSign", ca("Root").usage(&[5, 6]), "good"),
        ("digitalSignature, keyCertSign", ca("Root").usage(&[0, 5]), "good"),
        ("digitalSignature", ca("Root").usage(&[0]), "good"),
        ("cRLSign", ca("Root").usage(&[6]), "not_trusted"),
        ("serverAuth, clientAuth", ca("Root").purposes(&[SERVER, CLIENT]), "good"),
        ("codeSigning", ca("Root").purposes(&["1.3.6.1.5.5.7.3.3"]), "good"),
        ("OCSPSigning", ca("Root").usage(&[5, 6]).purposes(&[OCSP]), "good"),
        ("no CA", make("Root"), "not_trusted"),
    ] {
        let root: Pair = make.itself();
        let f = database(&[("root", "CT,C,C", &root)]);
        judged(what, &f, &signed(&root, &[]), want);
    }
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    for (what, make) in [
        ("server", make("www").purposes(&[SERVER])),
        ("agent", make("agent").usage(&[0, 2]).purposes(&[CLIENT])),
        ("anything", make("leaf")),
        ("OCSP", make("OCSP").purposes(&[OCSP])),
        ("OCSP, keyCertSign", make("OCSP").usage(&[0, 5]).purposes(&[OCSP])),
    ] {
        let leaf = make.by(&root);
        let reason = judged(what, &f, &signed(&leaf, &[]), "not_trusted");
        assert!(reason.contains("not a CA or CMC responder"), "{what}: {reason}");
    }
}

/// A CA may sign for the certificates that it issued, a CMC responder (RFC 6402 §2.10) for the CA
/// that issued the responder's certificate.
#[test]
fn a_signer_speaks_for_the_ca_that_issued() {
    let (root, other) = (ca("Root").itself(), ca("Other").itself());
    let sub = ca("Sub").by(&root);
    let f = database(&[("root", "CT,C,C", &root), ("other", "CT,C,C", &other)]);
    let leaf = make("www").by(&sub);
    let cmc = |name: &'static str| make(name).usage(&[0]).purposes(&[CMC_CA]);
    for (what, by, want) in [
        ("the issuer", &sub, "good"),
        ("another CA", &other, "not_trusted"),
        ("the issuer's issuer", &root, "not_trusted"),
        ("the issuer's responder", &cmc("CMC").by(&sub), "good"),
        ("another CA's responder", &cmc("CMC").by(&other), "not_trusted"),
        ("the root's responder", &cmc("CMC").by(&root), "not_trusted"),
        ("a responder's responder", &cmc("CMC").by(&cmc("CMC").by(&sub)), "not_trusted"),
        ("a stranger's responder", &cmc("CMC").by(&ca("Sub").itself()), "not_trusted"),
        ("an expired responder", &cmc("CMC").valid(PAST).by(&sub), "not_trusted"),
        (
            "a responder that may only encipher",
            &make("CMC").usage(&[2]).purposes(&[CMC_CA]).by(&sub),
            "not_trusted",
        ),
        ("the issued certificate itself", &leaf, "not_trusted"),
    ] {
        judged(what, &f, &signed(by, &[&leaf, &sub]), want);
    }
    // Without certificates there is nothing to compare.
    judged("a responder alone", &f, &signed(&cmc("CMC").by(&root), &[]), "good");
    judged("a CA alone", &f, &signed(&other, &[]), "good");
}

/// basicConstraints, keyUsage and critical extensions of every issuer in the path are checked.
#[test]
fn each_issuer_may_issue() {
    let root = ca("Root").path_length(1).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let below = |mid: Make<'_>| {
        let mid = mid.by(&root);
        let sub = ca("Sub").by(&mid);
        signed(&sub, &[&mid])
    };
    judged("a CA between", &f, &below(ca("Mid")), "good");
    judged("no CA between", &f, &below(make("Mid")), "not_trusted");
    judged("one without keyCertSign", &f, &below(ca("Mid").usage(&[0, 6])), "not_trusted");
    judged("pathLenConstraint 0", &f, &below(ca("Mid").path_length(0)), "good");
    let odd = ca("Mid").extension("1.3.6.1.4.1.99999.1", true, vec![5, 0]);
    judged("an unknown critical extension", &f, &below(odd), "not_trusted");
    let odd = ca("Mid").extension("1.3.6.1.4.1.99999.1", false, vec![5, 0]);
    judged("an unknown extension", &f, &below(odd), "good");
    let (a, b) = {
        let a = ca("A").by(&root);
        let b = ca("B").by(&a);
        (a, b)
    };
    let c = ca("C").by(&b);
    let reason = judged("too long a path", &f, &signed(&c, &[&a, &b]), "not_trusted");
    assert!(reason.contains("pathLenConstraint"), "{reason}");
    let leaf = make("CMC").purposes(&[CMC_CA]).by(&c);
    judged("too long for a responder, too", &f, &signed(&leaf, &[&a, &b, &c]), "not_trusted");
    // A different CA with the same name.
    let forged = ca("Root").itself();
    judged("a stranger", &f, &signed(&forged, &[]), "not_trusted");
    let forged = ca("Mid").signed(&forged.key, root.certificate.subject_name());
    judged("below a stranger", &f, &signed(&forged, &[&root]), "not_trusted");
    // Another key under the CA's issuer and serial number.
    let serial = 0x0123_4567;
    let real = ca("Sub").serial(serial).by(&root);
    let copy = ca("Sub").serial(serial).signed(&forged.key, root.certificate.subject_name());
    judged("a copy", &f, &signed(&copy, &[&real]), "not_trusted");
    judged("beside a copy", &f, &signed(&real, &[&copy]), "good");
    judged("behind a copy", &f, &response(&[signer(&real)], &[&copy, &real]), "good");
}

/// A CRL in the database is used; none is downloaded.
#[test]
fn a_revoked_signer() {
    let root = ca("Root").itself();
    let sub = ca("Sub").serial(0x0102_0304).by(&root);
    let other = ca("Sub").serial(0x0102_0305).by(&root);
    let responder = make("CMC").serial(0x0102_0306).purposes(&[CMC_CA]).by(&root);
    let f = database(&[("root", "CT,C,C", &root)]);
    judged("without CRL", &f, &signed(&sub, &[]), "good");
    f.write("root.key", root.key.private_key_to_pem_pkcs8().unwrap());
    f.write("root.pem", root.pem());
    f.write("sub.pem", sub.pem());
    f.write("responder.pem", responder.pem());
    f.write("index.txt", "");
    f.write("ca.cnf", "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\n");
    let common = ["-config", "ca.cnf", "-keyfile", "root.key", "-cert", "root.pem"];
    let openssl = |more: &[&str]| {
        crate::common::tool("openssl", f.path(), &[&["ca"], &common[..], more].concat())
    };
    openssl(&["-revoke", "sub.pem"]);
    openssl(&["-revoke", "responder.pem"]);
    openssl(&["-gencrl", "-crldays", "30", "-out", "crl.pem"]);
    let args = ["crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der"];
    crate::common::tool("openssl", f.path(), &args);
    let import = ["-I", "-i", "crl.der", "-d", "sql:db", "-f", "pw", "-B"];
    crate::common::tool("crlutil", f.path(), &import);
    let reason = judged("with a CRL", &f, &signed(&sub, &[]), "not_trusted");
    assert!(reason.contains("SEC_ERROR_REVOKED_CERTIFICATE"), "{reason}");
    judged("another", &f, &signed(&other, &[]), "good");
    judged("a responder", &f, &signed(&responder, &[]), "not_trusted");
    let below = make("CMC").purposes(&[CMC_CA]).by(&sub);
    judged("below it", &f, &signed(&below, &[&sub]), "not_trusted");
}
