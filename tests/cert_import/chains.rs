//! Files with more than one certificate.

use crate::common::der::tlv;
use crate::common::{Folder, tool};
use crate::maker::{CLIENT, Pair, SERVER, ca, make, seq};
use crate::{
    DATABASE, assert_untouched, bundle, certutil_takes, database, import, pem, pki_cert_import,
    restore, stored,
};

struct Chain {
    root: Pair,
    sub: Pair,
    leaf: Pair,
}

fn chain() -> Chain {
    let root = ca("Root").usage(&[5, 6]).itself();
    let sub = ca("Sub").usage(&[5, 6]).by(&root);
    let leaf = make("www").usage(&[0, 4]).purposes(&[SERVER]).by(&sub);
    Chain { root, sub, leaf }
}

/// The certificates as PKCS #7 in PEM.
fn pkcs7(f: &Folder, pairs: &[&Pair]) -> Vec<u8> {
    f.write("in.pem", bundle(pairs));
    let args = ["crl2pkcs7", "-nocrl", "-certfile", "in.pem", "-out", "out.p7b"];
    tool("openssl", f.path(), &args);
    f.read("out.p7b")
}

const WWW: [&str; 4] = ["--nickname", "www", "--usage", "server"];

#[test]
fn the_leaf_is_found_and_the_chain_comes_along_untrusted() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[("root", "CT,C,C", root)]);
    let orders: [&[&Pair]; 4] =
        [&[leaf, sub], &[sub, leaf], &[root, sub, leaf], &[sub, root, leaf, leaf]];
    for order in orders {
        for file in [bundle(order).into_bytes(), pkcs7(&f, order)] {
            f.write("chain", &file);
            restore(&f);
            let report = import(&f, "chain", &[&WWW[..], &["--output", "json"]].concat());
            let report = report.exits(0).json();
            assert_eq!(report["result"]["chain"][0]["added"], true, "{report}");
            assert_eq!(f.certificates(), ["Sub - TEST ,,", "root CT,C,C", "www ,,"]);
            assert_eq!((stored(&f, "www"), stored(&f, "Sub - TEST")), (pem(leaf), pem(sub)));
            assert!(certutil_takes(&f, "www", "V"));

            restore(&f);
            pki_cert_import(&f, "chain", "V", &["-n", "www", "-t", ",,"]).exits(0);
            assert_eq!(f.certificates(), ["Sub - TEST ,,", "root CT,C,C", "www ,,"]);
        }
    }
    // Without its issuer the leaf can't be verified.
    f.write("chain", bundle(&[leaf, sub]));
    restore(&f);
    let said = pki_cert_import(&f, "chain", "V", &["-l", "-n", "www", "-t", ",,"]).exits(1);
    assert!(said.err.contains("issuer is not recognized."), "{}", said.err);
    assert_untouched(&f, "-l");
}

#[test]
fn a_chain_is_trusted_as_asked_for() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[]);
    f.write("chain", bundle(&[root, leaf, sub]));
    let said = import(&f, "chain", &WWW).exits(13);
    assert!(said.err.contains("CN=Root"), "{}", said.err);
    assert_untouched(&f, "no trust");
    let both = ["Root - TEST CT,C,C", "Sub - TEST CT,C,C", "www ,,"];
    import(&f, "chain", &[&WWW[..], &["--chain-trust", "CT,C,C"]].concat()).exits(0);
    assert_eq!(f.certificates(), both);
    restore(&f);
    let args = ["-c", "-r", "CT,C,C", "-s", "L", "-n", "www", "-t", ",,"];
    pki_cert_import(&f, "chain", "V", &args).exits(0);
    assert_eq!(f.certificates(), both);
    // The chain must be good for what its usage says.
    restore(&f);
    let args = ["-c", "-r", "CT,C,C", "-s", "V", "-n", "www", "-t", ",,"];
    pki_cert_import(&f, "chain", "V", &args).exits(1);
    assert_untouched(&f, "-s V");
}

/// Newer NSS looks at most of this only when the root is trusted already.
#[test]
fn a_root_that_becomes_trusted_excuses_nothing() {
    let f = database(&[]);
    let refused = |pairs: &[&Pair], why: &str| {
        f.write("chain", bundle(pairs));
        let said = import(&f, "chain", &[&WWW[..], &["--chain-trust", "CT,C,C"]].concat());
        let said = said.exits(13);
        assert!(said.err.contains(why), "{why}: {}", said.err);
        assert_untouched(&f, why);
    };
    let www = || make("www").usage(&[0, 4]).purposes(&[SERVER]);
    let Chain { root, sub, leaf } = &chain();
    let odd = www().extension("1.3.6.1.4.1.99999.1", true, vec![5, 0]).by(sub);
    refused(&[&odd, sub, root], "SEC_ERROR_UNKNOWN_CRITICAL_EXTENSION");
    let short = ca("Short").path_length(0).itself();
    let below = ca("Sub").by(&short);
    refused(&[&www().by(&below), &below, &short], "SEC_ERROR_PATH_LEN_CONSTRAINT_INVALID");
    let named = ca("Named").extension("2.5.29.30", true, permitted("example.com")).itself();
    let other = www().extension("2.5.29.17", false, dns_name("www.test")).by(&named);
    refused(&[&other, &named], "SEC_ERROR_CERT_NOT_IN_NAME_SPACE");
    let name = ca("Root").itself().certificate.subject_name().to_owned().unwrap();
    let forged = ca("Root").usage(&[5, 6]).without_key_ids().signed(&root.key, &name);
    refused(&[&www().without_key_ids().by(&forged), &forged], "SEC_ERROR_BAD_SIGNATURE");

    // Revoked by its issuer, whose CRL is in the database.
    f.write("root.key", root.key.private_key_to_pem_pkcs8().unwrap());
    f.write("root.pem", root.pem());
    let serial = sub.certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap();
    f.write(
        "index.txt",
        format!("R\t20990101000000Z\t250101000000Z\t{serial}\tunknown\t/CN=Sub\n"),
    );
    f.write("ca.cnf", "[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ndefault_md=sha256\n");
    let crl = "openssl ca -config ca.cnf -keyfile root.key -cert root.pem -gencrl -crldays 30 | \
               openssl crl -outform DER -out crl.der && crlutil -I -i crl.der -d sql:db -f pw -B";
    tool("sh", f.path(), &["-c", crl]);
    tool("sh", f.path(), &["-c", "rm -r pristine; cp -r db pristine"]);
    refused(&[leaf, sub, root], "SEC_ERROR_REVOKED_CERTIFICATE");
}

/// NameConstraints that permit the names below a domain (RFC 5280 §4.2.1.10).
fn permitted(domain: &str) -> Vec<u8> {
    seq(&[&tlv(0xa0, &seq(&[&tlv(0x82, domain.as_bytes())]))])
}

/// A SubjectAltName with a dNSName (RFC 5280 §4.2.1.6).
fn dns_name(name: &str) -> Vec<u8> {
    seq(&[&tlv(0x82, name.as_bytes())])
}

#[test]
fn what_does_not_belong_together_is_refused_or_left_out() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[("root", "CT,C,C", root)]);
    // Named like the issuer, but another key.
    let fake = ca("Sub").usage(&[5, 6]).by(root);
    f.write("chain", bundle(&[&fake, leaf, sub]));
    let said = import(&f, "chain", &WWW).exits(0);
    assert!(said.err.contains("CN=Sub,O=TEST is not an issuer"), "{}", said.err);
    assert_eq!(stored(&f, "Sub - TEST"), pem(sub));

    restore(&f);
    let second = make("other").purposes(&[CLIENT]).by(sub);
    f.write("chain", bundle(&[leaf, sub, &second]));
    let said = import(&f, "chain", &WWW).exits(20);
    assert!(said.err.contains("2 certificates that issued none of the others"), "{}", said.err);
    f.write("chain", "nothing");
    import(&f, "chain", &WWW).exits(20);
    f.write("chain", "");
    import(&f, "chain", &WWW).exits(20);
    import(&f, "no-file", &WWW).exits(20);
    assert_untouched(&f, "mixed");
}

#[test]
fn a_certificate_finds_its_key() {
    let root = ca("Root").usage(&[5, 6]).itself();
    let f = database(&[("root", "CT,C,C", &root)]);
    f.write("root.pem", root.pem());
    f.write("root.key", root.key.private_key_to_pem_pkcs8().unwrap());
    let create = ["--subject", "CN=www", "--key-type", "ec", "--out", "www.csr"];
    f.nss_cmc(&[&["csr", "create"], &DATABASE[..], &create].concat()).exits(0);
    f.write("ext", "extendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n");
    let sign = "openssl x509 -req -in www.csr -CA root.pem -CAkey root.key -CAcreateserial \
                -days 30 -extfile ext -out www.pem";
    tool("sh", f.path(), &["-c", sign]);
    let keys = f.keys();
    // Its key says that it is ours; what it is for stands in it.
    let report = import(&f, "www.pem", &["--nickname", "www", "--output", "json"]).exits(0).json();
    let result = &report["result"];
    assert_eq!((&result["has_key"], &result["usage"]), (&true.into(), &"server".into()));
    assert_eq!(f.certificates(), ["root CT,C,C", "www u,u,u"]);
    assert_eq!(f.keys(), keys);
    let json = ["cert", "verify", "-d", "db", "www", "--output", "json"];
    assert_eq!(f.nss_cmc(&json).exits(0).json()["result"]["usage"], "server");
}

#[test]
fn a_check_predicts_an_import_and_writes_nothing() {
    let Chain { root, sub, leaf } = &chain();
    let f = database(&[("root", "CT,C,C", root)]);
    f.write("chain", bundle(&[leaf, sub]));
    let run = |more: &[&str]| {
        let said = import(&f, "chain", &[&WWW[..], &["--output", "json"], more].concat());
        let report = said.exits(0).json();
        let word = report["status"].as_str().unwrap().to_owned();
        (word, report["changed"] == true, report["result"].clone())
    };
    for (more, word) in [(&[][..], "import"), (&["--trust", "u,u,Pu"], "complete")] {
        let (status, changed, result) = run(&[more, &["--check"]].concat());
        assert_eq!((status, changed), (format!("would_{word}"), true));
        if word == "import" {
            assert_untouched(&f, "--check");
        }
        let did = run(more);
        let past = if word == "import" { "imported" } else { "completed" };
        assert_eq!(did, (past.to_owned(), true, result), "the prediction is the result");
        for more in [&[more, &["--check"]].concat(), more] {
            let again = run(more);
            assert_eq!((&*again.0, again.1), ("unchanged", false));
        }
    }
    // What would be refused is refused.
    restore(&f);
    f.write("other", pem(&make("other").usage(&[0]).purposes(&[CLIENT]).by(sub)));
    import(&f, "other", &["--nickname", "other", "--usage", "server", "--check"]).exits(13);
    import(&f, "chain", &[&WWW[..], &["--check", "--unsafe-trust-then-verify"]].concat()).exits(2);
    assert_untouched(&f, "--check");
}
