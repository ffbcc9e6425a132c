//! The content of requests, by the old tools and by `csr create`.

use std::process::Command;

use super::common::{der, run};
use super::*;

#[test]
fn pkcs10_client_says_and_writes_what_scripts_read() {
    let f = folder();
    let said = p10(&f, &["-n", "CN=a+OU=b,O=Example\\, Inc.,C=US", "-o", "a.req"]).exits(0);
    assert_eq!(
        said.out,
        "PKCS10Client: Certificate request written into a.req\n\
         PKCS10Client: PKCS#10 request key id written into a.req.keyId\n"
    );
    assert_eq!(said.err, "");
    let text = openssl(&f, &["req", "-in", "a.req", "-verify", "-noout", "-subject", "-text"]);
    // Newer OpenSSL prints no blanks around the equals sign, and no quotes.
    let plain = text.replace(" = ", "=").replace('"', "");
    assert!(plain.contains("subject=C=US, O=Example, Inc., CN=a + OU=b"), "{text}");
    assert!(text.contains("Public-Key: (2048 bit)"), "{text}");
    // Header and footer end with LF, with lines of 76 characters and CR LF between them.
    let file = String::from_utf8(f.read("a.req")).unwrap();
    let lines: Vec<&str> = file.split('\n').collect();
    assert_eq!(lines[0], "-----BEGIN CERTIFICATE REQUEST-----");
    assert_eq!(lines[1].len(), 77);
    assert!(lines[1..lines.len() - 2].iter().all(|l| l.ends_with('\r')), "{file}");
    assert!(file.ends_with("\r\n-----END CERTIFICATE REQUEST-----\n"));
    // The file beside it has the key's id, in the signed form and without line end.
    let id = String::from_utf8(f.read("a.req.keyId")).unwrap();
    let parsed = nss_cmc::keyid::parse(&id).unwrap();
    assert_eq!(f.keys(), [nss_cmc::keyid::to_hex(&parsed)]);
    assert_eq!(nss_cmc::keyid::to_dogtag(&parsed), id);

    let said = p10(&f, &["-n", "CN=b", "-o", "b.req", "-y", "true", "-v"]).exits(0);
    let id = String::from_utf8(f.read("b.req.keyId")).unwrap();
    assert!(said.out.contains(&format!("Keypair private key id: {id}\n")), "{}", said.out);
    assert!(said.out.contains("Generating SubjectKeyIdentifier extension.\n"), "{}", said.out);
    let text = openssl(&f, &["req", "-in", "b.req", "-verify", "-noout", "-text"]);
    assert!(text.contains("X509v3 Subject Key Identifier"), "{text}");
}

#[test]
fn pkcs10_client_takes_every_spelling() {
    let f = folder();
    f.write("pw2", format!("{PASSWORD}\nignored\n"));
    for (i, (args, bits)) in [
        (vec!["-a", "ec"], "ASN1 OID: prime256v1"),
        (vec!["-a", "ec", "-c", "secp384r1", "-t", "false"], "ASN1 OID: secp384r1"),
        (vec!["-a", "ec", "-c", "nistp521", "-s", "1", "-e", "-1"], "ASN1 OID: secp521r1"),
        (vec!["-a", "ec", "-l", "2048", "-v", "x"], "ASN1 OID: prime256v1"),
        (vec!["-a", "rsa", "-l", "3072", "-w", "-y", "false", "-k", "true"], "(3072 bit)"),
        (vec!["-h", "Internal Key Storage Token", "-y", "-x", "false"], "(2048 bit)"),
        (vec!["-h", "INTERNAL", "-t", "true", "-c", "nistp384"], "(2048 bit)"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("{i}.req");
        let mut all = vec!["PKCS10Client", "-d", "db", "-P", "pw2", "-n", "CN=x", "-o", &out];
        all.extend(&args);
        f.nss_cmc(&all).exits(0);
        let text = openssl(&f, &["req", "-in", &out, "-verify", "-noout", "-text"]);
        assert!(text.contains(bits), "{args:?}: {text}");
        assert_eq!(f.keys().len(), i + 1, "{args:?}");
    }
    // A session key leaves nothing behind.
    let before = f.keys();
    p10(&f, &["-a", "ec", "-t", "true", "-n", "CN=x", "-o", "t.req"]).exits(0);
    openssl(&f, &["req", "-in", "t.req", "-verify", "-noout"]);
    assert_eq!(f.keys(), before);
}

#[test]
fn string_types_are_those_asked_for() {
    let f = folder();
    let dn = "CN=UTF8String:ü,OU=BMPString:ü,O=PrintableString:x,L=TeletexString:ü,C=US";
    p10(&f, &["-n", dn, "-k", "true", "-o", "a.req"]).exits(0);
    let text = walk(&f, "a.req");
    for tag in ["UTF8STRING", "BMPSTRING", "PRINTABLESTRING", "T61STRING"] {
        assert!(text.contains(tag), "{tag} is missing in {text}");
    }
    crmf(&f, &["-n", dn, "-k", "true", "-o", "b.req"]).exits(0);
    for tag in ["UTF8STRING", "BMPSTRING", "PRINTABLESTRING", "T61STRING"] {
        assert!(walk(&f, "b.req").contains(tag));
    }
    // Without -k a prefix is part of the value.
    p10(&f, &["-n", "CN=BMPString:x", "-o", "c.req"]).exits(0);
    assert!(walk(&f, "c.req").contains("UTF8STRING        :BMPString:x"));
}

/// Returns depth, tag and, except for key material, value of each element.
fn shape(f: &Folder, file: &str) -> Vec<String> {
    walk(f, file)
        .lines()
        .map(|l| {
            let depth = l.split_once("d=").unwrap().1.split_whitespace().next().unwrap();
            let what = l.split_once(": ").unwrap().1.trim();
            let what = if what.starts_with("BIT STRING") || what.starts_with("OCTET STRING") {
                what.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
            } else {
                what.split_whitespace().collect::<Vec<_>>().join(" ")
            };
            format!("{depth} {what}")
        })
        .collect()
}

#[test]
fn crmf_is_as_the_reference_describes_it() {
    let f = folder();
    let said = crmf(&f, &["-n", "CN=a,O=x", "-o", "a.req", "-y"]).exits(0);
    let id = String::from_utf8(f.read("a.req.keyId")).unwrap();
    assert_eq!(
        said.out,
        format!(
            "Keypair private key id: {id}\n\
             CRMFPopClient: use_shared_secret true. Generating SubjectKeyIdentifier extension.\n\
             Storing CRMF request into a.req\n\
             Storing CRMF request key id into a.req.keyId\n"
        )
    );
    assert_eq!(
        shape(&f, "a.req"),
        [
            "0 SEQUENCE",
            "1 SEQUENCE",
            "2 SEQUENCE",
            "3 INTEGER :01",
            "3 SEQUENCE",
            "4 cont [ 0 ]",
            "4 cont [ 5 ]",
            "5 SEQUENCE",
            "6 SET",
            "7 SEQUENCE",
            "8 OBJECT :organizationName",
            "8 UTF8STRING :x",
            "6 SET",
            "7 SEQUENCE",
            "8 OBJECT :commonName",
            "8 UTF8STRING :a",
            "4 cont [ 6 ]",
            "5 SEQUENCE",
            "6 OBJECT :rsaEncryption",
            "6 NULL",
            "5 BIT STRING",
            "4 cont [ 9 ]",
            "5 SEQUENCE",
            "6 OBJECT :X509v3 Subject Key Identifier",
            "6 OCTET STRING",
            "3 SEQUENCE",
            "2 cont [ 1 ]",
            "3 SEQUENCE",
            "4 OBJECT :sha256WithRSAEncryption",
            "4 NULL",
            "3 BIT STRING",
        ]
    );
    // The bare key identifier, as CMCRequest and the CA compare it.
    let text = walk(&f, "a.req");
    let line = text.lines().find(|l| l.contains("OCTET STRING")).unwrap();
    assert!(line.contains("l=  20"), "{line}");

    crmf(&f, &["-n", "CN=a", "-a", "ec", "-q", "POP_NONE", "-t", "false", "-o", "b.req"]).exits(0);
    let none = shape(&f, "b.req");
    assert_eq!(none.last().map(String::as_str), Some("3 SEQUENCE"), "{none:?}");
    // Without -o the request is on stdout.
    let said = crmf(&f, &["-n", "CN=a", "-a", "ec"]).exits(0);
    assert!(said.out.contains("-----END CERTIFICATE REQUEST-----\n\n"), "{}", said.out);
    assert!(said.err.contains("-t false"), "a lost key is worth a word: {}", said.err);
}

/// Writes the octets that the proof of possession signs to `signed`, and the signature to
/// `signature`.
pub fn signed_and_signature(f: &Folder, file: &str) {
    let der = der::pem::to_der(&f.read(file));
    // CertReqMessages, CertReqMsg, CertRequest, popo: by position.
    let inner = |der: &[u8]| der::split_tlv(der).unwrap().1.to_vec();
    let after = |der: &[u8]| der::split_tlv(der).unwrap().2.to_vec();
    let message = inner(&inner(&der));
    let popo = after(&message);
    f.write("signed", &message[..message.len() - popo.len()]);
    let signature = inner(&after(&inner(&popo)));
    f.write("signature", &signature[1..]);
}

/// Returns whether the proof of possession is valid; writes the public key to `pub.pem`.
pub fn verify_pop(f: &Folder, file: &str) -> bool {
    signed_and_signature(f, file);
    public_key(f, file);
    let verify = ["dgst", "-sha256", "-verify", "pub.pem", "-signature", "signature", "signed"];
    run(Command::new("openssl").current_dir(f.path()).args(verify)).code == 0
}

/// Writes the template's public key to `pub.pem`.
pub fn public_key(f: &Folder, file: &str) {
    let text = walk(f, file);
    let line = text.lines().find(|l| l.contains("cont [ 6 ]")).unwrap();
    let offset: usize = line.split(':').next().unwrap().trim().parse().unwrap();
    let der = der::pem::to_der(&f.read(file));
    let (_, content, _) = der::split_tlv(&der[offset..]).unwrap();
    f.write("pub.der", der::tlv(0x30, content));
    openssl(f, &["pkey", "-pubin", "-inform", "der", "-in", "pub.der", "-out", "pub.pem"]);
}

#[test]
fn proof_of_possession_is_what_was_asked() {
    let f = folder();
    for key in [&["-a", "rsa"][..], &["-a", "ec"], &["-a", "ec", "-c", "nistp521"]] {
        for (pop, good) in [("POP_SUCCESS", true), ("POP_FAIL", false)] {
            let mut args = vec!["-n", "CN=a", "-q", pop, "-o", "a.req"];
            args.extend(key);
            crmf(&f, &args).exits(0);
            assert_eq!(verify_pop(&f, "a.req"), good, "{key:?} {pop}");
        }
    }
    create(&f, &["--subject", "CN=a", "--crmf", "--dns", "x.example", "--out", "b.req"]).exits(0);
    assert!(verify_pop(&f, "b.req"));
}

/// Decrypts an archived key with openssl and the transport key, and compares it with the request's
/// public key.
pub fn unarchive(f: &Folder, file: &str, decrypt: &[&str], oaep: bool) {
    let text = walk(f, file);
    let lines: Vec<&str> = text.lines().collect();
    let archive = lines.iter().position(|l| l.contains("pkiArchiveOptions")).unwrap();
    let offset = |l: &str| l.split(':').next().unwrap().trim().parse::<usize>().unwrap();
    let der = der::pem::to_der(&f.read(file));
    let bits = |line: &str| {
        let content = der::split_tlv(&der[offset(line)..]).unwrap().1;
        assert_eq!(content[0], 0, "unused bits");
        content[1..].to_vec()
    };
    let below = &lines[archive..];
    let iv = below.iter().find(|l| l.contains("OCTET STRING")).unwrap();
    let iv = iv.rsplit(':').next().unwrap().to_owned();
    f.write("wrapped.session", bits(below.iter().find(|l| l.contains("cont [ 2 ]")).unwrap()));
    f.write("wrapped.key", bits(below.iter().find(|l| l.contains("BIT STRING")).unwrap()));
    let mut args = vec!["pkeyutl", "-decrypt", "-inkey", "transport.key"];
    args.extend(["-in", "wrapped.session", "-out", "session"]);
    if oaep {
        args.extend(["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"]);
    }
    openssl(f, &args);
    let key: String = f.read("session").iter().map(|b| format!("{b:02x}")).collect();
    let mut args = vec!["enc", "-d", "-in", "wrapped.key", "-out", "key.der", "-K", &key];
    args.extend(decrypt);
    if !decrypt.contains(&"-iv") {
        args.extend(["-iv", &iv]);
    }
    openssl(f, &args);
    public_key(f, file);
    let ours = openssl(f, &["pkey", "-inform", "der", "-in", "key.der", "-pubout"]);
    let theirs = String::from_utf8(f.read("pub.pem")).unwrap();
    assert_eq!(ours, theirs, "the archived key is not the request's");
}

#[test]
fn archived_keys_open_with_the_transport_key() {
    let f = folder();
    let wrap = ["-id-aes128-wrap", "-iv", "a6a6a6a6a6a6a6a6"];
    for (name, oid, decrypt) in [
        ("AES KeyWrap/Padding", "id-aes128-wrap-pad", &wrap[..]),
        ("AES KeyWrap/Wrapped", "id-aes128-wrap-pad", &["-id-aes128-wrap-pad", "-iv", "a65959a6"]),
        ("aes/cbc/pkcs5padding", "aes-128-cbc", &["-aes-128-cbc"]),
        ("DES3/CBC/Pad", "des-cbc", &["-des-ede3-cbc"]),
    ] {
        for key in [&["-a", "rsa"][..], &["-a", "ec"]] {
            for oaep in [false, true] {
                let mut args = vec!["-n", "CN=a", "-b", "transport.pem", "-w", name];
                args.extend(["-o", "a.req"]);
                args.extend(key);
                args.extend(oaep.then_some("--oaep"));
                crmf(&f, &args).exits(0);
                let text = walk(&f, "a.req").to_lowercase();
                assert!(text.contains(&format!(":{oid}")), "{name}: {text}");
                unarchive(&f, "a.req", decrypt, oaep);
                assert!(verify_pop(&f, "a.req"), "{name}");
            }
        }
    }
    // Only the RSA keys remain in the database: no session key, no certificate.
    assert_eq!(f.keys().len(), 8);
    assert_eq!(f.certificates(), Vec::<String>::new());
    let symmetric = run(Command::new("symkeyutil")
        .current_dir(f.path())
        .args(["-L", "-d", "sql:db", "-f", "pw"]));
    assert!(!symmetric.out.to_lowercase().contains("aes"), "{}", symmetric.out);
}

#[test]
fn csr_create_asks_for_everything() {
    let f = folder();
    let said = create(
        &f,
        &[
            "--subject",
            "CN=www.example.com,O=EXAMPLE",
            "--key-type",
            "ec:nistp384",
            "--dns",
            "www.example.com",
            "--dns",
            "alt.example.com",
            "--ip",
            "2001:db8::1",
            "--email",
            "a@example.com",
            "--uri",
            "https://example.com/",
            "--key-usage",
            "digitalSignature,keyAgreement",
            "--ext-key-usage",
            "serverAuth,1.3.6.1.5.5.7.3.2",
            "--extension",
            "2.5.29.19:critical=3000",
            "--attribute",
            "1.2.840.113549.1.9.7=0c0378797a",
            "--ski",
        ],
    )
    .exits(0);
    let report = said.json();
    f.write("a.csr", report["result"]["request"].as_str().unwrap());
    let text = openssl(&f, &["req", "-in", "a.csr", "-verify", "-noout", "-text"]);
    for part in [
        "Subject: O=EXAMPLE, CN=www.example.com",
        "ASN1 OID: secp384r1",
        "DNS:www.example.com, DNS:alt.example.com, IP Address:2001:DB8:0:0:0:0:0:1, \
         email:a@example.com, URI:https://example.com/",
        "X509v3 Key Usage: critical\n                    Digital Signature, Key Agreement",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Basic Constraints: critical\n                    CA:FALSE",
        "X509v3 Subject Key Identifier",
        "challengePassword        :xyz",
    ] {
        assert!(text.replace(" = ", "=").contains(part), "{part:?} is missing in {text}");
    }
    let id = report["result"]["key_id"].as_str().unwrap();
    assert_eq!(f.keys(), [id]);
    let signed = report["result"]["key_id_signed"].as_str().unwrap();
    assert_eq!(nss_cmc::keyid::parse(signed).unwrap(), nss_cmc::keyid::parse(id).unwrap());
    assert_eq!(report["changed"], true);
    // As other tools leave a key without certificate.
    let list = f.certutil(&["-K", "-f", "pw"]);
    assert!(list.contains(&format!("{id}   (orphan)")), "{list}");
}

#[test]
fn an_existing_key_is_found_by_id_and_nickname() {
    let f = folder();
    f.certutil(&["-S", "-x", "-n", "mine", "-s", "CN=mine", "-t", ",,", "-f", "pw", "-z", "pw"]);
    f.certutil(&["-G", "-k", "ec", "-q", "secp256r1", "-f", "pw", "-z", "pw"]);
    let listed = f.certutil(&["-K", "-f", "pw"]);
    let mine = listed.lines().find(|l| l.contains("mine")).unwrap();
    let mine = mine.split_whitespace().find(|w| w.len() == 40).unwrap().to_owned();
    let before = bytes(&f);
    f.write("cert.pem", f.certutil(&["-L", "-n", "mine", "-a"]));
    let key = openssl(&f, &["x509", "-in", "cert.pem", "-noout", "-pubkey"]);
    let signed = nss_cmc::keyid::to_dogtag(&nss_cmc::keyid::parse(&mine).unwrap());
    let colons = mine.as_bytes().chunks(2).map(|p| std::str::from_utf8(p).unwrap());
    let colons = colons.collect::<Vec<_>>().join(":").to_uppercase();
    let blanks = colons.replace(':', " ");
    let prefixed = format!("0x{mine}");
    for name in ["mine", &mine, &prefixed, &signed, &colons, &blanks] {
        for crmf in [false, true] {
            let mut args = vec!["--subject", "CN=again", "--key", name];
            args.extend(crmf.then_some("--crmf"));
            let report = create(&f, &args).exits(0).json();
            assert_eq!(report["changed"], false, "{name}");
            assert_eq!(report["result"]["key_id"], mine.as_str());
            f.write("a.csr", report["result"]["request"].as_str().unwrap());
            if crmf {
                assert!(verify_pop(&f, "a.csr"));
                assert_eq!(f.read("pub.pem"), key.as_bytes());
            } else {
                let text = openssl(&f, &["req", "-in", "a.csr", "-verify", "-noout", "-pubkey"]);
                assert!(text.ends_with(key.as_str()), "{name}: {text}");
            }
        }
    }
    for id in f.keys() {
        create(&f, &["--subject", "CN=again", "--key", &id, "--out", "a.csr"]).exits(0);
        openssl(&f, &["req", "-in", "a.csr", "-verify", "-noout"]);
    }
    assert_eq!(bytes(&f), before, "taking a key there is writes nothing");
    let said = create(&f, &["--subject", "CN=a", "--key", "nobody"]).exits(12);
    assert!(said.json()["msg"].as_str().unwrap().contains("key \"nobody\" not found"));
}
