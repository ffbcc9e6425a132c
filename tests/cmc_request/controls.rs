//! Each control: its position, its number, and its values in `cmc show`.

use openssl::hash::{MessageDigest, hash};

use super::common::der::{PkiData, SignedData, decode, encode, pem};
use super::common::{Folder, tool};
use super::{AGENT, EC, ready, request, verified};

#[test]
fn every_control_has_its_place_and_number() {
    let (f, id) = ready(EC);
    let key = format!("request.privKeyId={id}");
    let all = [
        "confirmCertAcceptance.enable=true",
        "confirmCertAcceptance.issuer=CN=CA,O=LAB",
        "confirmCertAcceptance.serial=7",
        "LraPopWitness.enable=true",
        "LraPopWitness.bodyPartIDs=1 2",
        "getCert.enable=true",
        "getCert.issuer=CN=CA,O=LAB",
        "getCert.serial=0x10",
        "dataReturn.enable=true",
        "dataReturn.data=come back",
        "senderNonce.enable=true",
        "senderNonce.id=my nonce",
        "popLinkWitnessV2.enable=true",
        "transactionMgt.enable=true",
        "transactionMgt.id=123",
        "identification.enable=true",
        "identification=alice",
        "identityProofV2.enable=true",
        "witness.sharedSecret=Secret.Shared",
        key.as_str(),
    ];
    let said = request(&f, &[AGENT, &all].concat()).exits(0);
    let parsed = verified(&f);
    let oids: Vec<&str> = parsed
        .lines()
        .filter(|l| l.contains("OBJECT"))
        .filter_map(|l| l.rsplit(':').next())
        .filter(|o| o.starts_with("id-cmc") || o.starts_with("1.3.6.1.5.5.7.7."))
        .collect();
    assert_eq!(
        oids,
        [
            "id-cmc-confirmCertAcceptance",
            "id-cmc-lraPOPWitness",
            "id-cmc-getCert",
            "id-cmc-dataReturn",
            "id-cmc-senderNonce",
            "id-cmc-popLinkRandom",
            "id-cmc-transactionId",
            "id-cmc-identification",
            "1.3.6.1.5.5.7.7.34",
            // In the attributes of the request.
            "1.3.6.1.5.5.7.7.33",
        ]
    );
    for (what, number) in [
        ("confirm certificate acceptance", 1),
        ("LRA POP witness", 2),
        ("get certificate", 3),
        ("data return", 4),
        ("sender nonce", 5),
        ("PopLinkWitness", 6),
        ("transaction management", 8),
        ("identification", 9),
        ("identityProofV2", 10),
    ] {
        let line = format!("Successfully create {what} control. bpid = {number}\n");
        assert!(said.out.contains(&line), "{line} {}", said.out);
    }
    for value in ["my nonce", "come back", "INTEGER           :313233", "UTF8STRING        :alice"]
    {
        let hex: String = value.bytes().map(|b| format!("{b:02X}")).collect();
        assert!(parsed.contains(value) || parsed.contains(&hex), "{value}: {parsed}");
    }
    assert!(!format!("{}{}", said.out, said.err).contains("Secret.Shared"));
    let linked = said.out.split("-----BEGIN").nth(1).unwrap().split_inclusive("-----END").next();
    let linked = format!("-----BEGIN{} CERTIFICATE REQUEST-----\n", linked.unwrap());
    f.write("linked.pem", linked.replace('\r', ""));
    tool("openssl", f.path(), &["req", "-verify", "-noout", "-in", "linked.pem"]);
}

#[test]
fn a_nonce_nobody_gave_is_random() {
    let (f, _) = ready(EC);
    let lines = [AGENT, &["senderNonce.enable=true", "transactionMgt.enable=true"]].concat();
    request(&f, &lines).exits(0);
    let first = verified(&f);
    request(&f, &lines).exits(0);
    assert_ne!(first, verified(&f));
}

/// Returns the JSON of `cmc show` for the message in `out`.
#[track_caller]
fn shown(f: &Folder) -> serde_json::Value {
    f.nss_cmc(&["cmc", "show", "out", "--output", "json"]).exits(0).json()["result"].clone()
}

fn control<'a>(message: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let controls = message["controls"].as_array().unwrap();
    let found = controls.iter().find(|c| c["control"]["name"] == name);
    &found.unwrap_or_else(|| panic!("no {name} in {message}"))["values"][0]
}

/// Checks the witness for the message's popLinkRandom with openssl; `seed` is the secret and the
/// identification.
fn linked(
    message: &serde_json::Value,
    seed: &[u8],
    key: MessageDigest,
    mac: MessageDigest,
) -> String {
    let random = control(message, "popLinkRandom")["hex"].as_str().unwrap();
    let random: Vec<u8> = (0..random.len() / 2)
        .map(|i| u8::from_str_radix(&random[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let key = openssl::pkey::PKey::hmac(&hash(key, seed).unwrap()).unwrap();
    let mut mac = openssl::sign::Signer::new(mac, &key).unwrap();
    mac.sign_oneshot_to_vec(&random).unwrap().iter().map(|b| format!("{b:02x}")).collect()
}

/// Controls that no Java version makes are read by `cmc show`.
#[test]
fn controls_with_keys_of_our_own() {
    let (f, _) = ready(EC);
    let ours = [
        "regInfo.enable=true",
        "regInfo.data=?one=1%",
        "queryPending.enable=true",
        "queryPending.token=17",
        "recipientNonce.enable=true",
        "recipientNonce=theirs",
        "senderNonce.enable=true",
        "senderNonce=ours",
    ];
    let said = request(&f, &[AGENT, &ours].concat()).exits(0);
    assert!(said.err.is_empty(), "{}", said.err);
    for (what, number) in [
        ("sender nonce", 1),
        ("recipient nonce", 2),
        ("registration information", 3),
        ("query pending", 4),
    ] {
        let line = format!("Successfully create {what} control. bpid = {number}\n");
        assert!(said.out.contains(&line), "{line}{}", said.out);
    }
    let parsed = verified(&f);
    for value in ["?one=1%", "17", "theirs", "ours"] {
        let hex: String = value.bytes().map(|b| format!("{b:02X}")).collect();
        let want = format!("[HEX DUMP]:{hex}\n");
        assert!(parsed.contains(&want) || parsed.contains(&format!(":{value}\n")), "{parsed}");
    }
    let message = shown(&f);
    assert_eq!(control(&message, "regInfo")["octets"]["text"], "?one=1%");
    assert_eq!(control(&message, "queryPending")["text"], "17");
    assert_eq!(control(&message, "recipientNonce")["text"], "theirs");
    assert_eq!(control(&message, "senderNonce")["text"], "ours");
    for key in ["regInfo", "queryPending", "recipientNonce"] {
        let said = request(&f, &[AGENT, &[&format!("{key}.enable=true")]].concat()).exits(1);
        assert!(said.out.contains(&format!("Missing {key}")), "{}", said.out);
    }
}

/// All controls at once are printed with the values they were given.
#[test]
fn every_control_is_shown_again() {
    let (f, id) = ready(EC);
    let key = format!("request.privKeyId={id}");
    let all = [
        "confirmCertAcceptance.enable=true",
        "confirmCertAcceptance.issuer=CN=CA,O=LAB",
        "confirmCertAcceptance.serial=7",
        "LraPopWitness.enable=true",
        "LraPopWitness.bodyPartIDs=1 2",
        "getCert.enable=true",
        "getCert.issuer=CN=CA,O=LAB",
        "getCert.serial=16",
        "dataReturn.enable=true",
        "dataReturn.data=come back",
        "popLinkWitnessV2.enable=true",
        "popLinkWitnessV2.keyGenAlg=SHA-384",
        "popLinkWitnessV2.macAlg=SHA-512-HMAC",
        "transactionMgt.enable=true",
        "transactionMgt.id=123",
        "identification.enable=true",
        "identification=alice",
        "identityProofV2.enable=true",
        "identityProofV2.hashAlg=SHA-512",
        "witness.sharedSecret=Secret.Shared",
        key.as_str(),
    ];
    request(&f, &[AGENT, &all].concat()).exits(0);
    let message = shown(&f);
    let issuer = "CN=CA,O=LAB";
    assert_eq!(control(&message, "confirmCertAcceptance")["issuer"], issuer);
    assert_eq!(control(&message, "confirmCertAcceptance")["serial"]["dec"], "7");
    assert_eq!(control(&message, "getCert")["serial"]["dec"], "16");
    assert_eq!(control(&message, "lraPOPWitness")["body_part_ids"][1], "2");
    assert_eq!(control(&message, "dataReturn")["text"], "come back");
    assert_eq!(control(&message, "transactionId")["hex"], "0x313233");
    assert_eq!(control(&message, "identification"), "alice");
    assert_eq!(control(&message, "identityProofV2")["hash_algorithm"]["name"], "sha512");
    assert_eq!(control(&message, "popLinkRandom")["hex"].as_str().unwrap().len(), 128);
    let link = message["requests"][0]["attributes"].to_string();
    for part in ["popLinkWitnessV2", "sha384", "hmacWithSHA512"] {
        assert!(link.contains(part), "{link}");
    }
    assert!(!message.to_string().contains("Secret.Shared"));
    let attributes = message["requests"][0]["attributes"].as_array().unwrap();
    let link = attributes.iter().find(|a| a["type"]["name"] == "popLinkWitnessV2").unwrap();
    let (key, mac) = (MessageDigest::sha384(), MessageDigest::sha512());
    assert_eq!(link["values"][0]["witness"], linked(&message, b"Secret.Sharedalice", key, mac));

    let revoke = ["revRequest.enable=true", "revRequest.serial=5", "revRequest.reason=superseded"];
    request(&f, &[&["nickname=agent", "output=out"], &revoke[..]].concat()).exits(0);
    let message = shown(&f);
    assert_eq!(control(&message, "revokeRequest")["reason"], "superseded");
    assert_eq!(control(&message, "revokeRequest")["issuer"], "CN=agent");
}

/// Version 1 as the Java tool makes it: a constant random, and HMAC-SHA1 without the
/// identification.
#[test]
fn proofs_of_version_1() {
    let (f, _) = ready(EC);
    let lines = [
        "identityProof.enable=true",
        "identityProof.sharedSecret=testing",
        "popLinkWitness.enable=true",
        "identification.enable=true",
        "identification=alice",
    ];
    request(&f, &[AGENT, &lines].concat()).exits(0);
    let message = shown(&f);
    let random = control(&message, "popLinkRandom")["hex"].as_str().unwrap();
    assert!(random.starts_with("105342241a2a353c") && random.ends_with("22235f5e69"), "{random}");
    verified(&f);
    let data: PkiData = decode(&f.read("pki"));
    let requests = encode(&data.req_sequence);
    let key = hash(MessageDigest::sha1(), b"testing").unwrap();
    let key = openssl::pkey::PKey::hmac(&key).unwrap();
    let mut mac = openssl::sign::Signer::new(MessageDigest::sha1(), &key).unwrap();
    let want: String =
        mac.sign_oneshot_to_vec(&requests).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(control(&message, "identityProof")["witness"], want.as_str());
    // Version 2 replaces it and its random.
    let more = ["identityProofV2.enable=true", "witness.sharedSecret=s"];
    request(&f, &[AGENT, &lines, &more].concat()).exits(0);
    let message = shown(&f);
    let names = message["controls"].to_string();
    assert!(names.contains("identityProofV2") && !names.contains("\"identityProof\""), "{names}");
}

/// The link is added to a CRMF request without controls (Java: a null pointer), and its proof of
/// possession is signed anew.
#[test]
fn a_crmf_request_is_linked() {
    let (f, _) = ready(EC);
    for pop in ["success", "none"] {
        let make = ["csr", "create", "-d", "db", "--password-file", "pw", "--crmf", "--ski"];
        let what = ["--subject", "CN=x", "--key-type", "ec:nistp256", "--pop", pop];
        let args = [&make[..], &what, &["--out", "crmf.req", "--output", "json"]].concat();
        let report = f.nss_cmc(&args).exits(0).json();
        let id = format!("request.privKeyId={}", report["result"]["key_id"].as_str().unwrap());
        let lines = [
            "input=crmf.req",
            "output=out",
            "format=crmf",
            "request.useSharedSecret=true",
            "identification.enable=true",
            "identification=alice",
            "identityProofV2.enable=true",
            "popLinkWitnessV2.enable=true",
            "witness.sharedSecret=s",
            &id,
        ];
        let said = request(&f, &lines).exits(0);
        assert!(said.out.contains("-----BEGIN CERTIFICATE REQUEST-----\n"), "{}", said.out);
        let message = shown(&f);
        let request = &message["requests"][0];
        let controls = request["controls"].as_array().unwrap();
        let link = controls.iter().find(|c| c["type"]["name"] == "popLinkWitnessV2").unwrap();
        let sha256 = MessageDigest::sha256();
        let want = linked(&message, b"salice", sha256, sha256);
        assert!(link.to_string().contains(&want), "{link}");
        let kept = request.to_string().contains("ecdsa-with-SHA256");
        assert_eq!(kept, pop == "success", "{request}");
    }
}

#[test]
fn nicknames_with_and_without_a_token() {
    let (f, _) = ready(EC);
    let before = (f.read("db/cert9.db"), f.read("db/key4.db"));
    for nickname in
        ["agent", "NSS Certificate DB:agent", "internal:agent", "Internal Key Storage Token:agent"]
    {
        for token in ["", "internal", "INTERNAL", "NSS Certificate DB"] {
            let (n, t) = (format!("nickname={nickname}"), format!("tokenname={token}"));
            request(&f, &["input=p10.req", "output=out", &n, &t]).exits(0);
        }
    }
    // The database is only read.
    assert_eq!((f.read("db/cert9.db"), f.read("db/key4.db")), before);
}

/// Java reads at most 10 000 octets, in DER only.
#[test]
fn the_first_answer_may_be_large_and_in_pem() {
    let (f, id) = ready(&["-k", "rsa", "-g", "2048"]);
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/");
    let der = std::fs::read(format!("{vectors}06a-encrypted-pop-1/response.der")).unwrap();
    let extra = std::fs::read(format!("{vectors}01-rsa-server/response.der")).unwrap();
    let mut signed = SignedData::of(&der);
    let more = SignedData::of(&extra).certificates.unwrap();
    let mut all: Vec<_> = signed.certificates.unwrap().to_vec().into_iter().cloned().collect();
    while all.len() < 16 {
        all.extend(more.to_vec().into_iter().cloned());
    }
    signed.certificates = Some(all.into());
    let large = signed.message();
    assert!(large.len() > 10_000, "{}", large.len());
    let key = format!("request.privKeyId={id}");
    for bytes in [
        large.clone(),
        pem::encode("CMS", &large).into_bytes(),
        pem::lines(&large, 76, "\r\n").into_bytes(),
    ] {
        f.write("resp", bytes);
        let lines = [
            "nickname=agent",
            "decryptedPop.enable=true",
            "encryptedPopResponseFile=resp",
            "decryptedPopRequestFile=out",
            "allowUnverifiedResponse=true",
            key.as_str(),
        ];
        let said = request(&f, &lines).exits(1);
        assert!(said.out.contains("requestID: "), "{}", said.out);
        assert!(said.out.contains("does not match the request"), "{}", said.out);
    }
}

#[test]
fn a_quiet_run_prints_no_message() {
    let (f, _) = ready(EC);
    let loud = request(&f, AGENT).exits(0);
    let text = "The CMC enrollment request in base-64 encoded format:";
    assert!(loud.out.contains(text) && loud.out.contains("\nMII"), "{}", loud.out);
    let said = request(&f, &[AGENT, &["quiet=true"]].concat()).exits(0);
    assert!(!said.out.contains(text) && !said.out.contains("MII"), "{}", said.out);
    assert!(said.out.ends_with("The CMC enrollment request in binary format is stored in out\n"));
    let revoke = [
        "output=out",
        "revRequest.enable=true",
        "revRequest.serial=5",
        "revRequest.reason=superseded",
        "revRequest.issuer=CN=CA",
        "revRequest.sharedSecret=s",
    ];
    let said = request(&f, &revoke).exits(0);
    assert!(said.err.contains("the printed message contains the shared secret"), "{}", said.err);
    let said = request(&f, &[&revoke[..], &["quiet=true"]].concat()).exits(0);
    assert!(said.err.is_empty(), "{}", said.err);
}

/// `format=test_cmc`, Java's option for tests of refusals: invalid content with a valid signature.
#[test]
fn a_message_is_signed_anew() {
    let (f, id) = ready(EC);
    let lines = ["dataReturn.enable=true", "dataReturn.data=AAAA"];
    let key = format!("request.privKeyId={id}");
    let own = ["input=p10.req", "output=out", "request.useSharedSecret=true", key.as_str()];
    for (lines, signer, name) in [
        ([AGENT, &lines].concat(), "nickname=agent", "CN=agent"),
        ([&own[..], &lines].concat(), key.as_str(), "abababab"),
    ] {
        request(&f, &lines).exits(0);
        let mut bytes = f.read("out");
        let at = bytes.windows(4).position(|w| w == b"AAAA").unwrap();
        bytes[at] = b'B';
        f.write("changed", &bytes);
        let resign = ["format=test_cmc", "input=changed", "output=out", signer];
        let said = request(&f, &resign).exits(0);
        assert!(said.out.contains("TEST_CMC: "), "{}", said.out);
        let message = shown(&f);
        assert_eq!(control(&message, "dataReturn")["text"], "BAAA");
        assert!(message["signers"][0]["sid"].to_string().contains(name), "{}", message["signers"]);
        if signer == "nickname=agent" {
            verified(&f);
        }
    }
    let resign = ["format=test_cmc", "input=p10.req", "output=out", "nickname=agent"];
    request(&f, &resign).exits(1);
    // This message is signed with a certificate, which a key alone doesn't select.
    request(&f, AGENT).exits(0);
    std::fs::rename(f.file("out"), f.file("changed")).unwrap();
    let said = request(&f, &["format=test_cmc", "input=changed", "output=out", &key]).exits(1);
    assert!(said.out.contains("is not signed with the key of its request"), "{}", said.out);
}
