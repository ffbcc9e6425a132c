//! `nss-cmc cmc show`: its output for recorded messages, and for messages that Dogtag would refuse.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};

use common::der::{PkiDataBuilder, SignedData, SignerInfo, oid, pem, split_tlv, tlv};
use common::{Said, nss_cmc};
use nss_cmc::inspect::{Form, Message, read};
use serde_json::Value;

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(vectors().join(name)).unwrap()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn show(args: &[&str]) -> Said {
    nss_cmc(&vectors(), &[&["cmc", "show"], args].concat())
}

/// Returns a recorded message as JSON.
fn parts(name: &str) -> Value {
    show(&[name, "--output", "json"]).exits(0).json()["result"].clone()
}

/// Returns a message as text or JSON.
#[track_caller]
fn shown(message: &[u8], output: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("m"), message).unwrap();
    nss_cmc(dir.path(), &["cmc", "show", "m", "--output", output]).exits(0).out
}

/// Returns the values of a control, by its name.
fn values<'a>(message: &'a Value, name: &str) -> &'a Vec<Value> {
    let controls = message["controls"].as_array().unwrap();
    let control = controls.iter().find(|c| c["control"]["name"] == name);
    control.unwrap_or_else(|| panic!("no {name} in {message}"))["values"].as_array().unwrap()
}

#[test]
fn recorded_messages_are_shown_whole() {
    let mut seen = 0;
    for folder in std::fs::read_dir(vectors()).unwrap() {
        let folder = folder.unwrap().path();
        for (file, forms) in [
            ("request.der", &[Form::Request][..]),
            ("response.der", &[Form::Response]),
            ("p10.req", &[Form::Pkcs10]),
            ("crmf.req", &[Form::Crmf]),
        ] {
            let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
            let message = read(&bytes).unwrap();
            assert!(forms.contains(&message.form), "{}", folder.display());
            let text = show(&[folder.join(file).to_str().unwrap()]).exits(0).out;
            assert!(!text.contains("undecodable"), "{}: {text}", folder.display());
            // Messages that Dogtag accepted or sent must not be reported as refusable.
            let refused: Vec<&String> =
                message.warnings.iter().filter(|w| !w.contains("used twice")).collect();
            assert!(refused.is_empty(), "{}: {refused:?}", folder.display());
            seen += 1;
        }
    }
    assert!(seen >= 40, "{seen}");
}

#[test]
fn each_control_of_a_request() {
    let message = parts("08p-controls/request.der");
    assert_eq!(values(&message, "getCert")[0]["serial"]["hex"], "0x1");
    assert_eq!(
        values(&message, "getCert")[0]["issuer"],
        "CN=CA Signing Certificate,OU=pki-tomcat,O=LAB"
    );
    assert_eq!(values(&message, "dataReturn")[0]["text"], "test");
    assert_eq!(values(&message, "transactionId")[0]["dec"], "211295614005");
    assert_eq!(message["requests"][0]["subject"], "CN=controls.lab.test,O=LAB");
    assert_eq!(message["requests"][0]["body_part_id"], "4");
    assert_eq!(message["requests"][0]["key"]["bits"], "2048");
    assert_eq!(message["signers"][0]["digest_algorithm"]["parameters"], "NULL");
    assert_eq!(message["signers"][0]["certificate_included"], true);

    let message = parts("05c-shared-secret-poplink/request.der");
    let proof = &values(&message, "identityProofV2")[0];
    assert_eq!(proof["hash_algorithm"]["name"], "sha256");
    assert_eq!(proof["mac_algorithm"]["name"], "hmacWithSHA256");
    assert_eq!(proof["witness"].as_str().unwrap().len(), 64);
    assert!(values(&message, "popLinkRandom")[0]["hex"].is_string());
    let attributes = message["requests"][0]["attributes"].as_array().unwrap();
    let link = attributes.iter().find(|a| a["type"]["name"] == "popLinkWitnessV2").unwrap();
    assert_eq!(link["values"][0]["mac_algorithm"]["name"], "hmacWithSHA256");

    let message = parts("06a-encrypted-pop-2/request.der");
    assert_eq!(values(&message, "regInfo")[0]["request_id"]["dec"], "35");
    assert_eq!(values(&message, "decryptedPOP")[0]["the_pop"].as_str().unwrap().len(), 64);
}

#[test]
fn each_control_of_a_response() {
    let message = parts("06a-encrypted-pop-1/response.der");
    assert_eq!(message["status"], "popRequired");
    assert_eq!(values(&message, "statusInfoV2")[0]["fail_info"], "popRequired");
    assert_eq!(values(&message, "responseInfo")[0]["request_id"]["hex"], "0x23");
    let pop = &values(&message, "encryptedPOP")[0];
    assert_eq!(pop["the_pop_algorithm"]["name"], "aes128-CBC");
    assert_eq!(pop["challenge"]["recipients"][0]["algorithm"]["name"], "rsaEncryption");
    let request = &pop["request"];
    assert_eq!(request["subject"], "CN=alice enc,UID=alice,OU=people,O=LAB");
    let archive = &request["controls"][0];
    assert_eq!(archive["type"]["name"], "pkiArchiveOptions");
    assert_eq!(archive["value"]["value"]["symmetric_algorithm"]["name"], "aes128-CBC");

    let message = parts("08a-wrong-agent/response.der");
    let status = &values(&message, "statusInfoV2")[0];
    assert_eq!(
        (status["status"].as_str(), status["fail_info"].as_str()),
        (Some("failed"), Some("badRequest"))
    );
    assert!(status["text"].as_str().unwrap().contains("Invalid Credential"));
}

#[test]
fn secrets_are_not_shown() {
    // The recorded secret, as text and in every form in which octets are printed.
    let cfg = String::from_utf8(vector("07d-revoke-shared-secret/req.cfg")).unwrap();
    let secret = cfg.lines().find_map(|l| l.strip_prefix("revRequest.sharedSecret=")).unwrap();
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let request = vector("07d-revoke-shared-secret/request.der");
    assert!(request.windows(secret.len()).any(|w| w == secret.as_bytes()));
    for output in ["text", "json"] {
        let said = show(&["07d-revoke-shared-secret/request.der", "--output", output]).exits(0);
        assert!(said.out.contains("present, not shown"), "{}", said.out);
        for shown in [&said.out, &said.err] {
            assert!(!shown.contains(secret) && !shown.contains(&hex), "{shown}");
        }
    }
    // Not even the octets of an undecodable revokeRequest are printed.
    let mut builder = PkiDataBuilder::default();
    builder.control(oid::CMC_REVOKE_REQUEST, &tlv(0x30, &tlv(0x04, secret.as_bytes())));
    for output in ["text", "json"] {
        let text = shown(&builder.unsigned(), output);
        assert!(text.contains("not shown") && !text.contains(&hex), "{text}");
    }

    // challengePassword of a PKCS #10 request.
    let password = tlv(
        0x30,
        &[
            vec![6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7],
            tlv(0x31, &tlv(0x0c, b"Opensesame")),
        ]
        .concat(),
    );
    let request = pkcs10_with(&tlv(0xa0, &password));
    let text = shown(&request, "text");
    assert!(text.contains("challengePassword") && !text.contains("Opensesame"), "{text}");
}

/// Returns the recorded PKCS #10 request with another attributes field, or none.
fn pkcs10_with(attributes: &[u8]) -> Vec<u8> {
    let der = pem::to_der(&vector("01-rsa-server/p10.req"));
    let (_, request, _) = split_tlv(&der).unwrap();
    let (_, info, signature) = split_tlv(request).unwrap();
    let kept = info.strip_suffix(&[0xa0, 0x00]).unwrap();
    let info = tlv(0x30, &[kept, attributes].concat());
    tlv(0x30, &[&info, signature].concat())
}

#[track_caller]
fn warns(message: &[u8], words: &str) -> Message {
    let message = read(message).unwrap();
    let found = message.warnings.iter().any(|w| w.contains(words));
    assert!(found, "{words:?} is missing in {:?}", message.warnings);
    message
}

/// Returns the recorded agent-signed request with its SignedData changed.
fn resigned(change: impl FnOnce(&mut SignedData)) -> Vec<u8> {
    SignedData::changed(&vector("01-rsa-server/request.der"), change)
}

#[test]
fn what_dogtag_refuses_of_signatures_is_told() {
    let signer = |change: fn(&mut SignerInfo)| {
        resigned(|signed| {
            let mut signer = signed.signer_infos.to_vec()[0].clone();
            change(&mut signer);
            signed.signer_infos = vec![signer].into();
        })
    };
    warns(&signer(|s| s.digest_algorithm.parameters = None), "requires NULL");
    warns(&signer(|s| s.signed_attrs = None), "no signed attributes");
    warns(
        &signer(|s| {
            let all: Vec<_> =
                s.signed_attrs.as_ref().unwrap().to_vec().into_iter().cloned().collect();
            s.signed_attrs = Some(vec![all[0].clone()].into());
        }),
        "messageDigest is missing",
    );
    warns(&signer(|s| s.digest_algorithm.algorithm = oid::SHA1.to_owned()), "too weak");
    warns(&resigned(|s| s.certificates = None), "certificate is not in the message");
    warns(&resigned(|s| s.signer_infos = vec![].into()), "has no signer");

    // Two attributes swapped, otherwise unchanged.
    let der = vector("01-rsa-server/request.der");
    let attributes = SignedData::of(&der).signed_attributes();
    let there = attributes.concat();
    let at = der.windows(there.len()).position(|w| w == there).unwrap();
    let swapped = [&der[..at], &attributes[1], &attributes[0], &der[at + there.len()..]].concat();
    warns(&swapped, "signed attributes are not sorted");

    // A key identifier that no request has.
    let mut own = vector("05a-shared-secret-p10/request.der");
    let at = own.windows(4).rposition(|w| w == [0x80, 0x14, 0x52, 0x75]).unwrap();
    own[at + 3] ^= 1;
    warns(&own, "does not match the subjectKeyIdentifier");
}

#[test]
fn what_dogtag_refuses_of_requests_is_told() {
    let message = warns(&pkcs10_with(&[]), "no attributes field");
    assert_eq!(message.form, Form::Pkcs10);
    let attribute = |arc: u8| tlv(0x30, &[&[6u8, 2, 0x2a, arc][..], &[0x31, 0x00]].concat());
    warns(
        &pkcs10_with(&tlv(0xa0, &[attribute(4), attribute(3)].concat())),
        "attributes of the PKCS #10 request are not sorted",
    );

    let request = |n: &str| pem::to_der(&vector(&format!("{n}/p10.req")));
    let built = |f: &dyn Fn(&mut PkiDataBuilder)| {
        let mut builder = PkiDataBuilder::default();
        f(&mut builder);
        builder.unsigned()
    };
    warns(
        &built(&|b| {
            b.pkcs10(&request("01-rsa-server"));
            b.pkcs10(&request("03-ecc-server"));
        }),
        "2 requests in one message",
    );
    let proof = |mac: u8| {
        let algorithm = |arcs: &[u8]| tlv(0x30, &tlv(0x06, arcs));
        let hash = algorithm(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]);
        let mac = algorithm(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, mac]);
        tlv(0x30, &[hash, mac, tlv(0x04, &[7; 32])].concat())
    };
    for mac in [7, 10] {
        let message = built(&|b| {
            b.control(oid::CMC_IDENTIFICATION, &tlv(0x0c, b"ali*"));
            b.control(oid::CMC_IDENTITY_PROOF_V2, &proof(mac));
        });
        warns(&message, "MAC that Dogtag cannot verify");
        warns(&message, "LDAP filters");
    }
    let good = built(&|b| {
        b.control(oid::CMC_IDENTIFICATION, &tlv(0x0c, b"alice"));
        b.control(oid::CMC_IDENTITY_PROOF_V2, &proof(9));
    });
    assert_eq!(read(&good).unwrap().warnings, Vec::<String>::new());
    warns(
        &built(&|b| {
            b.control(oid::CMC_IDENTITY_PROOF_V2, &proof(9));
        }),
        "without identification",
    );
    warns(
        &built(&|b| {
            b.octets(oid::CMC_DECRYPTED_POP, b"");
        }),
        "without regInfo",
    );
    let twice = built(&|b| {
        b.octets(oid::CMC_DATA_RETURN, b"x");
        b.octets(oid::CMC_DATA_RETURN, b"x");
    });
    warns(&twice, "dataReturn occurs more than once");
    let id = twice.windows(3).rposition(|w| w == [2, 1, 2]).unwrap();
    let mut same = twice.clone();
    same[id + 2] = 1;
    warns(&same, "body part id 1 is used twice");
    // A length in a longer form than needed, within the PKIData.
    let mut builder = PkiDataBuilder::default();
    builder.control(oid::CMC_DATA_RETURN, &[0x04, 0x81, 0x01, b'x']);
    warns(&builder.unsigned(), "not DER");
    let wrong = built(&|b| b.control(oid::CMC_TRANSACTION_ID, &tlv(4, b"x")));
    let json: Value = serde_json::from_str(&shown(&wrong, "json")).unwrap();
    let value = &json["result"]["controls"][0]["values"][0];
    assert!(value["undecodable"].is_string(), "{value}");
}

#[test]
fn files_as_people_have_them() {
    let der = vector("01-rsa-server/response.der");
    let want = read(&der).unwrap().parts;
    let base64 = pem::lines(&der, 76, "\r\n");
    let with_headers = [b"Connection: close\r\n\r\n".as_slice(), &der].concat();
    for form in [pem::encode("PKCS7", &der).as_bytes(), base64.as_bytes(), &with_headers] {
        assert_eq!(read(form).unwrap().parts, want);
    }
    warns(&with_headers, "21 octets of HTTP headers");
    warns(&[&der[..], b"x"].concat(), "1 octets follow");
    let chain = tlv(
        0x30,
        &[
            vec![6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2],
            tlv(
                0xa0,
                &tlv(
                    0x30,
                    &[
                        vec![2, 1, 1, 0x31, 0],
                        tlv(0x30, &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1]),
                        vec![0x31, 0],
                    ]
                    .concat(),
                ),
            ),
        ]
        .concat(),
    );
    assert_eq!(read(&chain).unwrap().form, Form::Certificates);
    for bad in [&b"x"[..], b"", &[0x30, 0x00], &[0x30, 0x03, 2, 1, 5]] {
        assert!(read(bad).is_err());
    }
}

#[test]
fn output_and_exit_code() {
    let said = show(&["01-rsa-server/response.der", "--output", "json"]).exits(0);
    let report = said.json();
    assert_eq!(report["command"], "cmc show");
    assert_eq!(report["result"]["kind"], "response");
    assert_eq!(report["result"]["status"], "success");
    assert_eq!(report["result"]["signature"], Value::Null);
    let certificates = report["result"]["certificates"].as_array().unwrap();
    assert!(certificates.iter().any(|c| c["subject"].as_str().unwrap().contains("server1")));
    // The text has the words that an administrator searches.
    let text = show(&["06a-encrypted-pop-1/response.der"]).exits(0).out;
    for words in ["CMC response", "status: popRequired", "request id: 35 (0x23)", "signers:"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    show(&["README.md"]).exits(20);
    show(&["no/such"]).exits(20);
    show(&["01-rsa-server/response.der", "--verify"]).exits(2);
}

/// The findings of a recorded message, as JSON.
fn judged(args: &[&str]) -> Vec<Value> {
    let said = show(&[args, &["--output", "json"]].concat()).exits(0);
    said.json()["result"]["findings"].as_array().unwrap().clone()
}

#[test]
fn judges_say_what_they_would_object_to() {
    // NULL in the digest algorithm: advised against by the RFC, demanded by Dogtag.
    let found = judged(&["01-rsa-server/request.der", "--judge"]);
    let null = found.iter().find(|f| f["rule"] == "digest_with_null").unwrap();
    assert_eq!((&null["judge"], &null["severity"]), (&"rfc".into(), &"should".into()));
    assert_eq!((&null["section"], &null["place"]), (&"RFC 5754 §2".into(), &"signer 1".into()));
    assert!(found.iter().all(|f| f["judge"] == "rfc"), "{found:?}");
    assert!(judged(&["01-rsa-server/request.der", "--judge=dogtag"]).is_empty());
    let text = show(&["01-rsa-server/request.der", "--judge=dogtag", "--strict"]).exits(0).out;
    assert!(text.contains("findings: none"), "{text}");

    // A message that only Dogtag accepts: strict by its rules, not by the RFC's.
    let unsigned = "07d-revoke-shared-secret/request.der";
    show(&[unsigned, "--judge=dogtag", "--strict"]).exits(0);
    let said = show(&[unsigned, "--judge=rfc", "--strict"]).exits(20);
    assert!(said.err.contains("not signed"), "{}", said.err);
    assert!(said.out.is_empty(), "{}", said.out);

    // Dogtag's own response names a failInfo beside popRequired.
    let text = show(&["06a-encrypted-pop-1/response.der", "--judge=rfc"]).exits(0).out;
    for words in ["RFC 5272 §6.1.1, must: control", "thePOPAlgID is not a MAC algorithm"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Without --judge there are no findings, and --strict needs it.
    assert_eq!(parts("01-rsa-server/request.der")["findings"], Value::Null);
    show(&["01-rsa-server/request.der", "--strict"]).exits(2);
}
