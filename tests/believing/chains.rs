//! Several CA certificates of one name: chains follow keys and signatures.

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::common::der::SignedData;
use crate::common::{Folder, tool};
use crate::maker::{CLIENT, Pair, ca, make, response, signer};
use crate::{database, judged, verdict};

/// Returns a CA before and after a change of its key.
fn rekeyed(key_ids: bool) -> (Pair, Pair) {
    let ca = || if key_ids { ca("CA") } else { ca("CA").without_key_ids() };
    let old = ca().valid(("20200101000000Z", "20900101000000Z")).itself();
    (old, ca().valid(("20250101000000Z", "20950101000000Z")).itself())
}

#[test]
fn a_rekeyed_ca_signs_with_either_key() {
    for key_ids in [true, false] {
        let (old, new) = rekeyed(key_ids);
        for trusted in [[("old", "CT,C,C", &old), ("new", "CT,C,C", &new)], {
            [("new", "CT,C,C", &new), ("old", "CT,C,C", &old)]
        }] {
            let f = database(&trusted);
            for by in [&old, &new] {
                let leaf = match key_ids {
                    true => make("www").by(by),
                    false => make("www").without_key_ids().by(by),
                };
                let message = response(&[signer(by)], &[&leaf, by]);
                judged("a rekeyed CA", &f, &message, "good");
                assert_eq!(verdict(&f, &message).proven, [true, true]);
                let sub = ca("Sub").without_key_ids().by(by);
                let leaf = make("www").by(&sub);
                let message = response(&[signer(&sub)], &[&leaf, &sub, &old, &new]);
                judged("below a rekeyed CA", &f, &message, "good");
            }
        }
        // Only the trusted certificate counts.
        let f = database(&[("old", "CT,C,C", &old), ("new", ",,", &new)]);
        judged("not trusted yet", &f, &response(&[signer(&new)], &[&new]), "not_trusted");
        // The old key certified the new one.
        let link = ca("CA").key(new.key.clone()).by(&old);
        let leaf = make("www").by(&new);
        let message = response(&[signer(&link)], &[&leaf, &link]);
        judged("by a link certificate", &f, &message, "good");
    }
}

/// `openssl verify` accepts the chain that is sent with a signature.
#[test]
fn the_signer_s_own_chain() {
    for key_ids in [true, false] {
        let (old, new) = rekeyed(key_ids);
        for (issuer, other) in [(&old, &new), (&new, &old)] {
            let sub = ca("Sub").by(issuer);
            let agent = make("agent").purposes(&[CLIENT]).by(&sub);
            // Each order in which the database may list them.
            for held in [[other, issuer], [issuer, other]] {
                let f = database(&[("1", ",,", held[0]), ("2", ",,", held[1]), ("s", ",,", &sub)]);
                import(&f, &agent, "agent");
                let chain = chain_of_a_request(&f);
                assert!(chain == [agent.der(), sub.der(), issuer.der()], "key ids {key_ids}");
            }
        }
    }
}

/// Imports a certificate and its key.
fn import(f: &Folder, pair: &Pair, name: &str) {
    let key: &PKey<Private> = &pair.key;
    f.write("x.key", key.private_key_to_pem_pkcs8().unwrap());
    f.write("x.pem", pair.pem());
    let export = ["pkcs12", "-export", "-inkey", "x.key", "-in", "x.pem", "-name", name];
    tool("openssl", f.path(), &[&export[..], &["-out", "x.p12", "-passout", "pass:x"]].concat());
    tool("pk12util", f.path(), &["-i", "x.p12", "-W", "x", "-d", "sql:db", "-k", "pw"]);
}

/// Returns the certificates in a request that the database's agent signs, leaf first.
fn chain_of_a_request(f: &Folder) -> Vec<Vec<u8>> {
    let request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let more = ["-nodes", "-keyout", "k.pem", "-subj", "/CN=x", "-out", "r.pem"];
    tool("openssl", f.path(), &[&request[..], &more].concat());
    f.write(
        "r.cfg",
        "numRequests=1\ninput=r.pem\noutput=out\nnickname=agent\ndbdir=db\npasswordFile=pw\n\
         format=pkcs10\n",
    );
    f.nss_cmc(&["CMCRequest", "r.cfg"]).exits(0);
    let mut found = SignedData::of(&f.read("out")).certificate_ders();
    // A SET has no order; the path length gives that of the chain.
    found.sort_by_key(|der| {
        let certificate = X509::from_der(der).unwrap();
        let name = certificate.subject_name().entries().last().unwrap().data();
        ["agent", "Sub", "CA"].iter().position(|n| name.as_slice().starts_with(n.as_bytes()))
    });
    found
}
