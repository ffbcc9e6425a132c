//! Keys and requests: certutil and openssl are the judges.

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Folder, PASSWORD, Said, run, tool};

/// A folder with a database, `transport.pem` (RSA) and its key `transport.key`.
fn folder() -> Folder {
    let f = Folder::new();
    certificate(&f, "transport", &["-newkey", "rsa:2048"]);
    f
}

fn certificate(f: &Folder, name: &str, key: &[&str]) {
    let (key_file, cert) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN={name}");
    let mut args = vec!["req", "-x509", "-nodes", "-days", "2", "-subj", &subject];
    args.extend(["-keyout", &key_file, "-out", &cert]);
    args.extend(key);
    tool("openssl", f.path(), &args);
}

fn create(f: &Folder, more: &[&str]) -> Said {
    let mut args = vec!["csr", "create", "-d", "db", "--password-file", "pw", "--output", "json"];
    args.extend(more);
    f.nss_cmc(&args)
}

fn p10(f: &Folder, more: &[&str]) -> Said {
    let mut args = vec!["PKCS10Client", "-d", "db", "-p", PASSWORD];
    args.extend(more);
    f.nss_cmc(&args)
}

fn crmf(f: &Folder, more: &[&str]) -> Said {
    let mut args = vec!["CRMFPopClient", "-d", "db", "-p", PASSWORD];
    args.extend(more);
    f.nss_cmc(&args)
}

fn openssl(f: &Folder, args: &[&str]) -> String {
    tool("openssl", f.path(), args)
}

/// The bytes of the database.
fn bytes(f: &Folder) -> Vec<Vec<u8>> {
    vec![f.read("db/key4.db"), f.read("db/cert9.db")]
}

/// `offset depth tag content` lines of `openssl asn1parse`, which refuses what isn't DER's shape.
fn walk(f: &Folder, file: &str) -> String {
    let text = openssl(f, &["asn1parse", "-in", file]);
    assert!(!text.contains("l=inf"), "indefinite length: {text}");
    text
}

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
    assert!(text.contains("subject=C = US, O = \"Example, Inc.\", CN = a + OU = b"), "{text}");
    assert!(text.contains("Public-Key: (2048 bit)"), "{text}");
    // Header and footer end with LF, 76 columns with CR LF between them.
    let file = String::from_utf8(f.read("a.req")).unwrap();
    let lines: Vec<&str> = file.split('\n').collect();
    assert_eq!(lines[0], "-----BEGIN CERTIFICATE REQUEST-----");
    assert_eq!(lines[1].len(), 77);
    assert!(lines[1..lines.len() - 2].iter().all(|l| l.ends_with('\r')), "{file}");
    assert!(file.ends_with("\r\n-----END CERTIFICATE REQUEST-----\n"));
    // The key id beside it, in the signed form and without line end, is that of the key made.
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

/// Depth, tag and, for what isn't key material, value of each element.
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
    // Without -o the request goes to stdout.
    let said = crmf(&f, &["-n", "CN=a", "-a", "ec"]).exits(0);
    assert!(said.out.contains("-----END CERTIFICATE REQUEST-----\n\n"), "{}", said.out);
    assert!(said.err.contains("-t false"), "a lost key is worth a word: {}", said.err);
}

/// The proof of possession verified, and the public key stored as `pub.pem`.
fn verify_pop(f: &Folder, file: &str) -> bool {
    let der = nss_cmc::asn1::pem::to_der("x", &f.read(file)).unwrap();
    // CertReqMessages, CertReqMsg, CertRequest, popo: by position, with the library's reader of
    // tag and length only.
    let inner = |der: &[u8]| nss_cmc::asn1::split_tlv(der).unwrap().1.to_vec();
    let after = |der: &[u8]| nss_cmc::asn1::split_tlv(der).unwrap().2.to_vec();
    let message = inner(&inner(&der));
    let popo = after(&message);
    f.write("signed", &message[..message.len() - popo.len()]);
    let signature = inner(&after(&inner(&popo)));
    f.write("signature", &signature[1..]);
    public_key(f, file);
    let said = run(Command::new("openssl").current_dir(f.path()).args([
        "dgst",
        "-sha256",
        "-verify",
        "pub.pem",
        "-signature",
        "signature",
        "signed",
    ]));
    said.code == 0
}

/// The template's public key as `pub.pem`.
fn public_key(f: &Folder, file: &str) {
    let text = walk(f, file);
    let line = text.lines().find(|l| l.contains("cont [ 6 ]")).unwrap();
    let offset: usize = line.split(':').next().unwrap().trim().parse().unwrap();
    let der = nss_cmc::asn1::pem::to_der("x", &f.read(file)).unwrap();
    let (_, content, _) = nss_cmc::asn1::split_tlv(&der[offset..]).unwrap();
    f.write("pub.der", nss_cmc::asn1::tlv(0x30, content));
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

/// Takes an archived key apart with openssl and the transport key, and compares it with the
/// request's public key.
fn unarchive(f: &Folder, file: &str, decrypt: &[&str], oaep: bool) {
    let text = walk(f, file);
    let lines: Vec<&str> = text.lines().collect();
    let archive = lines.iter().position(|l| l.contains("pkiArchiveOptions")).unwrap();
    let offset = |l: &str| l.split(':').next().unwrap().trim().parse::<usize>().unwrap();
    let der = nss_cmc::asn1::pem::to_der("x", &f.read(file)).unwrap();
    let bits = |line: &str| {
        let content = nss_cmc::asn1::split_tlv(&der[offset(line)..]).unwrap().1;
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
    assert_eq!(ours, theirs, "the archived key isn't the request's");
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
    // Nothing of it stays in the database but the RSA keys: no session key, no certificate.
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
        "Subject: O = EXAMPLE, CN = www.example.com",
        "ASN1 OID: secp384r1",
        "DNS:www.example.com, DNS:alt.example.com, IP Address:2001:DB8:0:0:0:0:0:1, \
         email:a@example.com, URI:https://example.com/",
        "X509v3 Key Usage: critical\n                    Digital Signature, Key Agreement",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Basic Constraints: critical\n                    CA:FALSE",
        "X509v3 Subject Key Identifier",
        "challengePassword        :xyz",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
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
    for name in ["mine", &mine, &format!("0x{mine}"), &signed] {
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
                assert_eq!(text, key, "{name}");
            }
        }
    }
    for id in f.keys() {
        create(&f, &["--subject", "CN=again", "--key", &id, "--out", "a.csr"]).exits(0);
        openssl(&f, &["req", "-in", "a.csr", "-verify", "-noout"]);
    }
    assert_eq!(bytes(&f), before, "taking a key there is writes nothing");
    let said = create(&f, &["--subject", "CN=a", "--key", "nobody"]).exits(12);
    assert!(said.json()["msg"].as_str().unwrap().contains("no key \"nobody\""));
}

/// What is wrong before anything is made: arguments of CRMFPopClient, PKCS10Client and
/// `csr create`, and what each says.
#[test]
fn bad_input_is_told_before_a_key_is_made() {
    let f = folder();
    certificate(&f, "ec", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    f.write("noise.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let before = bytes(&f);
    let dn = "can't read the distinguished name \"CN\": \"CN\" has no \"=\"";
    let curves = "NSS makes keys on nistp256 (secp256r1), nistp384 (secp384r1) and nistp521";
    let missing = "can't read the transport certificate none.pem: No such file or directory";
    let not_rsa = "can't use the transport certificate ec.pem: its key is EC, and only RSA can";
    let noise = "can't read the transport certificate noise.pem";
    let token = "no token \"HSM\" in the NSS database db";
    for (args, message) in [
        (vec!["-n", "CN"], dn),
        (vec!["-n", "CN=a", "-a", "ec", "-c", "nistk163"], curves),
        (vec!["-n", "CN=a", "-a", "dsa"], "Invalid algorithm: dsa: rsa, ec and mldsa"),
        (vec!["-n", "CN=a", "-a", "mldsa"], "has no ML-DSA: NSS here is"),
        (vec!["-n", "CN=a", "-b", "none.pem"], missing),
        (vec!["-n", "CN=a", "-b", "ec.pem"], not_rsa),
        (vec!["-n", "CN=a", "-b", "noise.pem"], noise),
        (vec!["-n", "CN=a", "-h", "HSM"], token),
        (vec!["-n", "CN=a", "-b", "transport.pem", "-w", "AES"], "known are AES KeyWrap/Padding,"),
        (vec!["-n", "CN=a", "-c", "nistp256"], "Illegal parameter for RSA: -c"),
        (vec!["-n", "CN=a", "-a", "ec", "-l", "256"], "Illegal parameter for ECC: -l"),
        (vec!["-n", "CN=a", "-a", "ec", "-s", "2"], "Illegal input parameters for -s: 2"),
        (vec!["-n", "CN=a", "-q", "POP_MAYBE"], "Invalid POP option: POP_MAYBE"),
        (vec!["-o", "x.req"], "Missing subject DN"),
        (vec!["-n", "CN=a", "-k", "true", "-n", "x", "-z"], "Unrecognized option: -z"),
        (vec!["-n", "CN=a", "-m", "127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let said = crmf(&f, &args).exits(1);
        let first = said.err.lines().find(|l| l.starts_with("ERROR: ")).unwrap_or_default();
        assert!(first.contains(message), "{args:?}: {}", said.err);
        assert!(said.err.contains("Try 'CRMFPopClient --help' for more information."));
        if !args.contains(&"-m") {
            assert_eq!(bytes(&f), before, "{args:?}");
        }
    }
    assert_eq!(f.keys(), Vec::<String>::new());
    let before = bytes(&f);
    for (args, message) in [
        (vec!["-n", "CN", "-o", "x.req"], dn),
        (vec!["-n", "CN=a", "-o", "x.req", "-a", "ec", "-c", "P-192"], curves),
        (vec!["-n", "CN=a", "-o", "x.req", "-h", "HSM"], token),
        (vec!["-n", "CN=a", "-o", "x.req", "-P", "pw"], "'-p' and '-P' cannot be both specified."),
        (vec!["-n", "CN=a", "-v"], "Illegal input parameters."),
        (vec!["-o", "x.req", "-n"], "PKCS10Client: no value after -n"),
        (vec!["-o", "x.req", "-n", "CN=a", "-q", "x"], "Unrecognized argument(8): -q"),
    ] {
        let said = p10(&f, &args).exits(1);
        assert!(said.err.contains(message), "{args:?}: {}", said.err);
        assert_eq!(bytes(&f), before, "{args:?}");
    }
    for (code, args, message) in [
        (2, vec!["--subject", "CN"], dn),
        (2, vec!["--subject", "CN=a", "--key-type", "ec:P-192"], "nistp256, nistp384, nistp521"),
        (2, vec!["--subject", "CN=a", "--key-usage", "all"], "unknown key usage \"all\""),
        (2, vec!["--subject", "CN=a", "--extension", "2.5=1"], "can't read \"2.5=1\""),
        (2, vec!["--subject", "CN=a", "--ski", "--extension", "x"], "can't read \"x\""),
        (2, vec!["--subject", "CN=a", "--archive-to", "transport.pem"], "--crmf"),
        (14, vec!["--subject", "CN=a", "--key-type", "mldsa:65"], "has no ML-DSA"),
        (20, vec!["--subject", "CN=a", "--crmf", "--archive-to", "none.pem"], missing),
        (20, vec!["--subject", "CN=a", "--crmf", "--archive-to", "ec.pem"], not_rsa),
        (12, vec!["--subject", "CN=a", "--token", "HSM"], token),
    ] {
        let mut all = vec!["csr", "create", "-d", "db", "--password-file", "pw"];
        all.extend(&args);
        let said = f.nss_cmc(&all).exits(code);
        assert!(said.err.contains(message), "{args:?}: {}", said.err);
        assert_eq!(bytes(&f), before, "{args:?}");
    }
    assert!(!f.file("x.req").exists());
}

#[test]
fn a_transport_certificate_is_read_in_every_form() {
    let f = folder();
    openssl(&f, &["x509", "-in", "transport.pem", "-outform", "der", "-out", "transport.der"]);
    let pem = String::from_utf8(f.read("transport.pem")).unwrap();
    f.write("text.pem", format!("Subject: CN=transport\n\n{}", pem.replace('\n', "\r\n")));
    f.write("bare.pem", pem.lines().filter(|l| !l.contains("---")).collect::<String>());
    for file in ["transport.der", "text.pem", "bare.pem"] {
        crmf(&f, &["-n", "CN=a", "-a", "ec", "-b", file, "-o", "a.req"]).exits(0);
        unarchive(&f, "a.req", &["-id-aes128-wrap", "-iv", "a6a6a6a6a6a6a6a6"], false);
    }
    assert_eq!(f.state(), (vec![], vec![]));
}

/// Runs a script with mounts of its own.
fn with_mounts(f: &Folder, script: &str) -> Said {
    let nss_cmc = env!("CARGO_BIN_EXE_nss-cmc");
    let script = format!("set -e\nnss_cmc={nss_cmc}\n{script}");
    run(Command::new("unshare").current_dir(f.path()).args(["-rm", "sh", "-c", &script]))
}

const FILL: &str = "dd if=/dev/zero of=full/filler bs=1k >/dev/null 2>&1 || true\n";

#[test]
fn a_key_whose_request_cannot_be_written_goes_again() {
    let f = folder();
    std::fs::create_dir(f.file("full")).unwrap();
    for command in [
        "PKCS10Client -d db -p Secret.123 -n CN=a -o full/a.req",
        "CRMFPopClient -d db -p Secret.123 -n CN=a -o full/a.req",
        "csr create -d db --password-file pw --subject CN=a --out full/a.req",
    ] {
        let said = with_mounts(
            &f,
            &format!(
                "mount -t tmpfs -o size=64k none full\n{FILL}$nss_cmc {command} || rc=$?\n\
                 ls -A full\nexit $rc"
            ),
        );
        assert_eq!(said.code, if command.starts_with("csr") { 21 } else { 1 }, "{said:?}");
        assert!(
            said.err.contains("can't write full/a.req: No space left on device"),
            "{command}: {}",
            said.err
        );
        assert_eq!(said.out, "filler\n");
        assert_eq!(f.keys(), Vec::<String>::new(), "{command}");
    }
    // The same when only the second file has no place.
    std::fs::create_dir(f.file("b.req.keyId")).unwrap();
    p10(&f, &["-n", "CN=a", "-o", "b.req"]).exits(1);
    assert!(!f.file("b.req").exists());
    assert_eq!(f.keys(), Vec::<String>::new());
    p10(&f, &["-n", "CN=a", "-o", "no/such/a.req"]).exits(1);
    assert_eq!(f.keys(), Vec::<String>::new());
}

#[test]
fn a_database_that_takes_nothing_is_told() {
    let f = folder();
    let before = bytes(&f);
    for (command, code) in [
        ("PKCS10Client -d db -p Secret.123 -n CN=a -o a.req", 1),
        ("CRMFPopClient -d db -p Secret.123 -n CN=a -o a.req", 1),
        ("csr create -d db --password-file pw --subject CN=a --out a.req", 10),
    ] {
        let said = with_mounts(
            &f,
            &format!(
                "mount --bind db db\nmount -o remount,ro,bind db\n$nss_cmc {command} || exit $?"
            ),
        );
        assert_eq!(said.code, code, "{said:?}");
        assert!(
            said.err.contains("can't open the NSS database db for writing: db/")
                && said.err.contains("Read-only file system"),
            "{}",
            said.err
        );
    }
    assert_eq!(bytes(&f), before);
    assert!(!f.file("a.req").exists());

    // No room for the key in the database itself.
    std::fs::create_dir(f.file("full")).unwrap();
    let said = with_mounts(
        &f,
        &format!(
            "mount -t tmpfs -o size=256k none full\ncp db/* full\n{FILL}\
             $nss_cmc csr create -d full --password-file pw --subject CN=a --out a.req || rc=$?\n\
             rm full/filler\ncertutil -K -d sql:full -f pw >&2 || true\nexit $rc"
        ),
    );
    assert_eq!(said.code, 14, "{said:?}");
    assert!(said.err.contains("can't generate an rsa:2048 key in the token"), "{}", said.err);
    assert!(said.err.contains("certutil: no keys found"), "{}", said.err);
    assert!(!f.file("a.req").exists());
}

#[test]
fn a_missing_database_is_not_made() {
    let f = folder();
    std::fs::create_dir(f.file("empty")).unwrap();
    let args = ["PKCS10Client", "-d", "empty", "-p", "x", "-n", "CN=a", "-o", "a.req"];
    let said = f.nss_cmc(&args).exits(1);
    assert!(said.err.contains("can't open the NSS database empty for writing"), "{}", said.err);
    assert_eq!(std::fs::read_dir(f.file("empty")).unwrap().count(), 0);
    let said = f.nss_cmc(&["PKCS10Client", "-d", "db", "-p", "bad", "-n", "CN=a", "-o", "a.req"]);
    assert!(said.exits(1).err.contains("SEC_ERROR_BAD_PASSWORD"));
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Whether the process has a handler of its own for SIGTERM.
fn catches_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap_or(0) & (1 << 14) != 0
}

fn signal(name: &str, pid: u32) {
    tool("kill", Path::new("/"), &["-s", name, &pid.to_string()]);
}

#[test]
fn an_interrupted_run_leaves_no_key() {
    let f = folder();
    for name in ["TERM", "INT"] {
        let child = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
            .current_dir(f.path())
            .args(["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=a"])
            .args(["--key-type", "rsa:4096", "--out", "a.csr"])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        until("no handler", || catches_sigterm(child.id()));
        signal(name, child.id());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("interrupted by a signal"), "{text}");
        assert_eq!(f.keys(), Vec::<String>::new());
        assert!(!f.file("a.csr").exists());
    }
}

#[test]
fn a_killed_run_leaves_a_key_with_a_name() {
    let f = folder();
    // Writing to a pipe that nobody reads waits; the key is made by then.
    tool("mkfifo", f.path(), &["pipe"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_nss-cmc"))
        .current_dir(f.path())
        .args(["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=lost"])
        .args(["--key-type", "ec", "--out", "pipe"])
        .spawn()
        .unwrap();
    until("no key", || !f.keys().is_empty());
    signal("KILL", child.id());
    child.wait().unwrap();
    let list = f.certutil(&["-K", "-f", "pw"]);
    assert!(list.contains("unfinished request for CN=lost"), "{list}");
}

#[test]
fn certutil_shows_the_certificate_s_nickname_with_the_key() {
    let f = folder();
    let report = create(&f, &["--subject", "CN=www", "--out", "a.csr"]).exits(0).json();
    openssl(
        &f,
        &[
            "x509",
            "-req",
            "-in",
            "a.csr",
            "-CA",
            "transport.pem",
            "-CAkey",
            "transport.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            "a.pem",
        ],
    );
    f.certutil(&["-A", "-n", "Server-Cert", "-t", ",,", "-i", "a.pem", "-a", "-f", "pw"]);
    let list = f.certutil(&["-K", "-f", "pw"]);
    let id = report["result"]["key_id"].as_str().unwrap();
    let line = list.lines().find(|l| l.contains(id)).unwrap();
    assert!(line.contains("Server-Cert"), "{line}");
    assert_eq!(f.certificates(), ["Server-Cert u,u,u"]);
}
