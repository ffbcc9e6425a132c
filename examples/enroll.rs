//! Enrolls a certificate for a new key: `enroll DATABASE PASSWORD_FILE CA_URL PROFILE SIGNER
//! SUBJECT NICKNAME`
//!
//! SIGNER is the nickname of a certificate in the database; it signs the request and authenticates
//! the TLS client.

use nss_cmc::client::enroll::Outcome;
use nss_cmc::{AltNames, Config, EnrollSpec, KeySource, Requester, Result, Source, Url, enroll};

fn run(args: &[String]) -> Result<()> {
    let [database, password_file, ca, profile, signer, subject, nickname] = args else {
        eprintln!("enroll DATABASE PASSWORD_FILE CA_URL PROFILE SIGNER SUBJECT NICKNAME");
        return Ok(());
    };
    let connection = Config { profile: Some(profile.clone()), ..Config::new(Url::parse(ca)?) };
    let passwords = Source::File(password_file.into()).passwords();
    let requester = Requester::Certificate(signer.clone());
    let key = KeySource::New { spec: None, subject: subject.clone(), names: AltNames::default() };
    let mut spec = EnrollSpec::new(database, passwords, connection, requester, key);
    spec.nickname = Some(nickname.clone());
    let enrolled = enroll(spec, &mut |event| eprintln!("{event:?}"))?;
    let how = match enrolled.outcome {
        Outcome::Issued(_) => "issued",
        Outcome::Unchanged { .. } => "there already",
    };
    println!("{how}: {}, {}", enrolled.certificate.subject, enrolled.certificate.serial_hex());
    Ok(())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(e) = run(&args) {
        eprintln!("{e}");
        std::process::exit(e.kind().exit().into());
    }
}
