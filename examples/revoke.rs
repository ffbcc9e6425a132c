//! Revokes a certificate as its owner: `revoke DATABASE PASSWORD_FILE CA_URL NICKNAME`
//!
//! The certificate is looked up before anything is sent, and its state at the CA is queried
//! afterwards.

use nss_cmc::{Authority, Config, Result, RevokeSpec, Source, Target, Url, revoke};

fn run(args: &[String]) -> Result<()> {
    let [database, password_file, ca, nickname] = args else {
        eprintln!("revoke DATABASE PASSWORD_FILE CA_URL NICKNAME");
        return Ok(());
    };
    let connection = Config::new(Url::parse(ca)?);
    let passwords = Source::File(password_file.into()).passwords();
    let authority = Authority::Signer(nickname.clone());
    let target = Target::Nickname(nickname.clone(), None);
    let spec = RevokeSpec::new(database, passwords, connection, authority, target);
    let revoked = revoke(spec)?;
    println!("{:?}: {}, verified: {:?}", revoked.outcome, revoked.serial.hex(), revoked.verified);
    Ok(())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(e) = run(&args) {
        eprintln!("{e}");
        std::process::exit(e.kind().exit().into());
    }
}
