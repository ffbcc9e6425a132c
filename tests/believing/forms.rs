//! The structure of the message.

use openssl::hash::MessageDigest;

use crate::common::der::{oid, tlv};
use crate::common::tool;
use crate::maker::{
    ca, content_type, id, make, message, message_digest, response, rsa, seq, signer, success,
};
use crate::{database, judged};

/// Everything but a SignedData around a PKIResponse with a valid signature is bad; the error
/// doesn't distinguish the reasons.
#[test]
fn what_is_no_response_is_refused_in_one_way() {
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let bag = [root.der()];
    let with = |change: &dyn Fn(&mut crate::maker::Signer<'_>)| {
        let mut by = signer(&root);
        change(&mut by);
        response(&[by], &[&root])
    };
    let content = success();
    for (what, der) in [
        ("no attributes", with(&|s| s.bare = true)),
        ("content type twice", with(&|s| s.more = vec![content_type(oid::ID_CCT_PKI_RESPONSE)])),
        ("two content types", with(&|s| s.more = vec![content_type(oid::ID_DATA)])),
        ("digest twice", with(&|s| s.more = vec![message_digest(&content)])),
        ("two digests", with(&|s| s.more = vec![message_digest(b"another")])),
        (
            "another content type",
            with(&|s| {
                s.bare = true;
                s.more = vec![content_type(oid::ID_DATA), message_digest(&content)];
            }),
        ),
        (
            "no digest",
            with(&|s| {
                s.bare = true;
                s.more = vec![content_type(oid::ID_CCT_PKI_RESPONSE)];
            }),
        ),
        ("detached", message(oid::ID_CCT_PKI_RESPONSE, None, &[signer(&root)], &bag)),
    ] {
        let reason = judged(what, &f, &der, "bad");
        assert!(reason.starts_with("it is not a signed CMC response"), "{what}: {reason}");
    }
    // The signature is over another content.
    let other = with(&|s| s.other_content = Some(b"another".to_vec()));
    judged("another content", &f, &other, "bad");
    // These can't be printed as a response either.
    for (what, der) in [
        ("data", message(oid::ID_DATA, Some(&content), &[signer(&root)], &bag)),
        ("garbage", message(oid::ID_CCT_PKI_RESPONSE, Some(b"x"), &[signer(&root)], &bag)),
    ] {
        let said = crate::show(&f, &der, &["--verify"]);
        assert!([2, 20, 42].contains(&said.code), "{what}: {}", said.err);
        f.write("r", &der);
        f.nss_cmc(&["CMCResponse", "-d", "db", "-i", "r", "-o", "o"]).exits(1);
        assert!(!f.file("o").exists(), "{what}");
    }
}

/// SHA-2 is accepted, weaker digests are not.
#[test]
fn weak_signatures() {
    let root = ca("Root").key(rsa()).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let md5 = oid::parse("1.2.840.113549.2.5");
    let rsa_alone = seq(&[&id(oid::RSA_ENCRYPTION), &[5, 0]]);
    let named = |dotted: &str| Some(seq(&[&id(&oid::parse(dotted)), &[5, 0]]));
    let with = |digest, algorithm| {
        let mut by = signer(&root);
        (by.digest, by.algorithm) = (digest, algorithm);
        response(&[by], &[&root])
    };
    let sha256 = (MessageDigest::sha256(), oid::SHA256);
    let sha1 = (MessageDigest::sha1(), oid::SHA1);
    judged("SHA-256", &f, &with(sha256, None), "good");
    judged("rsaEncryption", &f, &with(sha256, Some(rsa_alone.clone())), "good");
    judged("SHA-1", &f, &with(sha1, named("1.2.840.113549.1.1.5")), "bad");
    judged("SHA-1 by rsaEncryption", &f, &with(sha1, Some(rsa_alone.clone())), "bad");
    judged("SHA-1 as SHA-256", &f, &with((MessageDigest::sha1(), oid::SHA256), None), "bad");
    judged("MD5", &f, &with((MessageDigest::md5(), &md5), Some(rsa_alone)), "bad");
    let pss = |parameters: &[u8]| {
        let mut by = signer(&root);
        by.pss = true;
        by.algorithm = Some(seq(&[&id(oid::RSASSA_PSS), parameters]));
        response(&[by], &[&root])
    };
    let hash = seq(&[&id(oid::SHA256), &[5, 0]]);
    let parameters = seq(&[
        &tlv(0xa0, &hash),
        &tlv(0xa1, &seq(&[&id(oid::MGF1), &hash])),
        &tlv(0xa2, &[2, 1, 32]),
    ]);
    judged("PSS", &f, &pss(&parameters), "good");
    judged("PSS with SHA-1", &f, &pss(&seq(&[])), "bad");
    judged("PSS without parameters", &f, &pss(&[]), "bad");
    // The certificate of a CA in between is signed with MD5.
    let sub = ca("Sub").digest(MessageDigest::md5()).by(&root);
    judged("MD5 certificate", &f, &response(&[signer(&sub)], &[&sub]), "not_trusted");
}

#[test]
fn signers_are_found_by_either_name_and_in_the_database() {
    let (root, other) = (ca("Root").itself(), ca("Other").itself());
    let f = database(&[("root", "CT,C,C", &root)]);
    for by_key_id in [false, true] {
        let by = |pair| {
            let mut by = signer(pair);
            by.by_key_id = by_key_id;
            by
        };
        judged("in the message", &f, &response(&[by(&root)], &[&root]), "good");
        judged("in the database", &f, &response(&[by(&root)], &[]), "good");
        judged("nowhere", &f, &response(&[by(&other)], &[]), "bad");
        judged("beside another", &f, &response(&[by(&root)], &[&other]), "good");
        let mut reversed = by(&root);
        reversed.reversed = true;
        judged("attributes out of order", &f, &response(&[reversed], &[&root]), "good");
    }
}

/// Every signature must be valid, and one signer authorized.
#[test]
fn several_signers() {
    let (root, other) = (ca("Root").itself(), ca("Other").itself());
    let f = database(&[("root", "CT,C,C", &root)]);
    let both = [&root, &other];
    let wrong = || {
        let mut by = signer(&root);
        by.other_content = Some(b"another".to_vec());
        by
    };
    judged("two", &f, &response(&[signer(&root), signer(&root)], &both), "good");
    judged("one is trusted", &f, &response(&[signer(&other), signer(&root)], &both), "good");
    judged("none is", &f, &response(&[signer(&other), signer(&other)], &both), "not_trusted");
    judged("the second is wrong", &f, &response(&[signer(&root), wrong()], &both), "bad");
    judged("the first is wrong", &f, &response(&[wrong(), signer(&root)], &both), "bad");
    let many: Vec<_> = (0..9).map(|_| signer(&root)).collect();
    judged("nine", &f, &response(&many, &both), "bad");
}

/// An EnvelopedData instead of the first response is not decrypted, so it reveals nothing about
/// plaintext or padding.
#[test]
fn nothing_is_decrypted() {
    let root = ca("Root").itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    let holder = make("holder").key(rsa()).by(&root);
    f.write("h.key", holder.key.private_key_to_pem_pkcs8().unwrap());
    f.write("h.pem", holder.pem());
    let export = ["-export", "-inkey", "h.key", "-in", "h.pem", "-name", "holder"];
    let export = [&["pkcs12"], &export[..], &["-out", "h.p12", "-passout", "pass:x"]].concat();
    tool("openssl", f.path(), &export);
    tool("pk12util", f.path(), &["-i", "h.p12", "-W", "x", "-d", "sql:db", "-k", "pw"]);
    let keys = f.keys();
    f.write("inner", response(&[signer(&root)], &[&root]));
    let encrypt = ["cms", "-encrypt", "-binary", "-aes128", "-outform", "DER", "-out", "e.der"];
    tool("openssl", f.path(), &[&encrypt[..], &["-in", "inner", "h.pem"]].concat());
    let good = f.read("e.der");
    // The last octets are ciphertext; 256 octets of the encrypted key precede the content.
    let mut padding = good.clone();
    *padding.last_mut().unwrap() ^= 1;
    let mut wrapped = good.clone();
    let at = good.windows(4).position(|w| w == [4, 0x82, 1, 0]).unwrap() + 100;
    wrapped[at] ^= 1;
    let mut errors = Vec::new();
    for der in [good, padding, wrapped] {
        f.write("resp", der);
        f.write(
            "r.cfg",
            format!(
                "dbdir=db\npasswordFile=pw\nnickname=holder\ndecryptedPop.enable=true\n\
                 encryptedPopResponseFile=resp\ndecryptedPopRequestFile=out\n\
                 request.privKeyId={}\n",
                keys[0]
            ),
        );
        let said = f.nss_cmc(&["CMCRequest", "r.cfg"]).exits(1);
        assert!(!f.file("out").exists());
        errors.push((said.out, said.err));
    }
    assert!(errors.iter().all(|e| *e == errors[0]), "{errors:#?}");
    assert!(errors[0].0.contains("is not SignedData"), "{errors:#?}");
}
