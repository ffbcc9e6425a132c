//! Chains of several CAs, right and wrong, from a server that nobody trusts. The certificates are made
//! by openssl.

use super::common::{Folder, Said, tool};
use super::server::{Answer, Ca, Server, Tls};

/// Makes `NAME.pem`, signed in the name of one certificate with the key of another; a self-signed one
/// without.
fn make(f: &Folder, name: &str, cn: &str, ca: bool, signer: Option<(&str, &str)>) {
    let openssl = |args: &[&str]| tool("openssl", f.path(), args);
    let key = format!("{name}.key");
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
    let ca = if ca { "TRUE" } else { "FALSE" };
    f.write("ext", format!("basicConstraints=critical,CA:{ca}\n"));
    let subject = format!("/CN={cn}");
    openssl(&["req", "-new", "-key", &key, "-subj", &subject, "-out", "csr"]);
    let out = format!("{name}.pem");
    let mut args =
        vec!["x509", "-req", "-in", "csr", "-extfile", "ext", "-days", "10", "-out", &out];
    let (certificate, signing);
    match signer {
        Some((issuer, with)) => {
            (certificate, signing) = (format!("{issuer}.pem"), format!("{with}.key"));
            args.extend(["-CA", &certificate, "-CAkey", &signing, "-CAcreateserial"]);
        }
        None => args.extend(["-signkey", &key]),
    }
    openssl(&args);
}

/// Serves a CA's own certificate and a chain that is sent along.
fn serve(f: &Folder, own: &str, along: &[&str]) -> Server {
    let pem = |name: &&str| String::from_utf8(f.read(&format!("{name}.pem"))).unwrap();
    f.write("along", along.iter().map(pem).collect::<String>());
    let args = ["crl2pkcs7", "-nocrl", "-certfile", "along"];
    let chain: String =
        tool("openssl", f.path(), &args).lines().filter(|l| !l.starts_with('-')).collect();
    let own = pem(&own);
    f.write("own", &own);
    let serial = tool("openssl", f.path(), &["x509", "-noout", "-serial", "-in", "own"]);
    let serial = serial.trim().split_once('=').unwrap().1.to_lowercase();
    let body = format!(
        r#"{{"id":"0x{serial}","SubjectDN":"x","IssuerDN":"y","Encoded":"{}","PKCS7CertChain":"{chain}"}}"#,
        own.replace('\n', r"\n")
    );
    let head = format!("HTTP/1.1 200 \r\nContent-Length: {}\r\n\r\n", body.len());
    Server::start(Some(Tls::new(&Ca::new("anybody"))), Answer::Close((head + &body).into_bytes()))
}

#[track_caller]
fn pinned(f: &Folder, server: &Server, to: &str) -> Said {
    let file = format!("{to}.pem");
    let print =
        tool("openssl", f.path(), &["x509", "-noout", "-fingerprint", "-sha256", "-in", &file]);
    let print = print.trim().split_once('=').unwrap().1;
    let url = format!("https://localhost:{}", server.port);
    let chain = ["ca", "chain", "--ca", &url, "--fingerprint", print, "--output", "json"];
    f.nss_cmc(&[&chain[..], &["--proxy", ""]].concat())
}

/// The subjects of a chain.
fn subjects(said: &Said) -> Vec<String> {
    let json = said.json();
    let all = json["result"]["certificates"].as_array().unwrap();
    all.iter().map(|c| c["certificate"]["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_chain_ends_at_the_fingerprint() {
    let f = Folder::bare();
    make(&f, "root", "Root", true, None);
    make(&f, "sub", "Sub", true, Some(("root", "root")));
    make(&f, "issuing", "Issuing", true, Some(("sub", "sub")));
    let server = serve(&f, "issuing", &["root", "issuing", "sub"]);
    assert_eq!(
        subjects(&pinned(&f, &server, "root").exits(0)),
        ["CN=Issuing", "CN=Sub", "CN=Root"]
    );
    assert_eq!(subjects(&pinned(&f, &server, "sub").exits(0)), ["CN=Issuing", "CN=Sub"]);
    assert_eq!(subjects(&pinned(&f, &server, "issuing").exits(0)), ["CN=Issuing"]);
    // Without its issuers the CA can only be pinned itself.
    let server = serve(&f, "issuing", &["issuing"]);
    pinned(&f, &server, "issuing").exits(0);
    pinned(&f, &server, "root").exits(13);
}

#[test]
fn a_right_root_does_not_help_a_wrong_ca() {
    let f = Folder::bare();
    make(&f, "root", "Root", true, None);
    make(&f, "thief", "Root", true, None);
    // Signed by another key under the root's name.
    make(&f, "forged", "CA", true, Some(("thief", "thief")));
    let said = pinned(&f, &serve(&f, "forged", &["root", "forged"]), "root").exits(13);
    assert!(said.json()["msg"].as_str().unwrap().contains("has the fingerprint"));
    pinned(&f, &serve(&f, "forged", &["root", "forged", "thief"]), "root").exits(13);
    // Somebody's certificate is no CA's, though the root signed it.
    make(&f, "server", "www", false, Some(("root", "root")));
    let said = pinned(&f, &serve(&f, "server", &["root", "server"]), "root").exits(13);
    assert_eq!(said.json()["msg"], "CN=www is not a CA certificate");
    make(&f, "below", "Below", true, Some(("server", "server")));
    pinned(&f, &serve(&f, "below", &["root", "server", "below"]), "root").exits(13);
}
