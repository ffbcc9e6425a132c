//! A small CA that responds to CMC requests as Dogtag does, on loopback TLS with client
//! authentication, for tests and first steps. It shares no code with the client, and is not
//! installed.

mod answer;
mod auth;
mod beside;
mod certs;
mod cms;
mod confirm;
mod damage;
mod element;
mod est;
mod est_simple;
mod held;
mod http;
mod keys;
mod pop;
mod profile;
mod proof;
mod request;
mod rest;
mod revoke;
mod servlet;
mod signers;
mod store;
mod subsystems;

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{Parser, Subcommand};

use element::Refused;
use servlet::{Servlets, Settings};
use store::{Store, pem};

#[derive(Parser)]
#[command(about = "A stand-in for Dogtag's CMC servlets, for tests and first steps")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the CA in a folder, if it isn't there
    Init {
        #[arg(long)]
        dir: PathBuf,
        /// Key of the CA
        #[arg(long, default_value = "rsa", value_parser = ["rsa", "ec"])]
        key_type: String,
    },
    /// Certify a PKCS #10 request for TLS client authentication
    Sign {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        csr: PathBuf,
        /// Where to write the certificate (PEM)
        #[arg(long)]
        out: PathBuf,
        /// Make its holder an agent, who may sign CMC requests
        #[arg(long)]
        agent: bool,
        /// With a validity that is over
        #[arg(long)]
        expired: bool,
        /// Days until the end of its validity
        #[arg(long, default_value_t = 365, conflicts_with = "expired")]
        days: i64,
    },
    /// Add a user who shares a secret with the CA
    User {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        uid: String,
        /// File whose first line is the secret
        #[arg(long)]
        secret_file: PathBuf,
    },
    /// Issue the certificates of a CA's own subsystems (OCSP, audit, subsystem, KRA), and print serial
    /// numbers and subjects
    Subsystems {
        #[arg(long)]
        dir: PathBuf,
    },
    /// Keep a secret with a certificate, by which it can be revoked
    RevocationSecret {
        #[arg(long)]
        dir: PathBuf,
        /// Serial number in hexadecimal, as list prints it
        #[arg(long)]
        serial: String,
        /// File whose first line is the secret
        #[arg(long)]
        secret_file: PathBuf,
    },
    /// Serve, until killed
    Run {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: String,
        /// Name in the server's certificate
        #[arg(long, default_value = "localhost")]
        server_name: String,
        /// Key of the server
        #[arg(long, default_value = "rsa", value_parser = ["rsa", "ec"])]
        server_key_type: String,
        /// Wrap the key of challenges with RSA-OAEP (keyWrap.useOAEP)
        #[arg(long)]
        oaep: bool,
        /// Demand that requests are linked to the shared secret (cmc.popLinkWitnessRequired)
        #[arg(long)]
        pop_link_required: bool,
        /// Have each certificate confirmed (cmc.cert.confirmRequired)
        #[arg(long)]
        confirm_required: bool,
        /// The only TLS version to speak
        #[arg(long, value_parser = ["1.2", "1.3"])]
        tls_version: Option<String>,
        /// Which REST interface there is
        #[arg(long, value_enum, default_value_t)]
        rest: rest::Offer,
        /// Answer success to revocations and don't carry them out
        #[arg(long)]
        ignore_revocations: bool,
        /// Keep connections open for more requests; `drop-unread` and `drop-done` close them when
        /// the second one comes, before and after it is carried out
        #[arg(long, default_value = "no", value_parser = ["no", "yes", "drop-unread", "drop-done"])]
        keep: String,
        /// How EST wants a request: DER, DER without controls as Dogtag does, or base64 as RFC 8951
        /// says
        #[arg(long, default_value = "der", value_parser = ["der", "dogtag", "base64"])]
        est: String,
        /// User and password at EST, as user:password
        #[arg(long)]
        est_login: Option<String>,
        /// Seconds by which the server's clock is ahead
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        clock: i64,
        /// File for a line a request; stderr unless given
        #[arg(long)]
        log: Option<PathBuf>,
    },
    /// List what was issued: serial number, status, subject
    List {
        #[arg(long)]
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("stand-in-ca: {e}");
            ExitCode::FAILURE
        }
    }
}

fn first_line(file: &std::path::Path) -> Result<Vec<u8>, Refused> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().as_bytes().to_vec())
}

fn run(command: Command) -> Result<(), Refused> {
    match command {
        Command::Init { dir, key_type } => Store::open(&dir, key_type == "ec").map(drop),
        Command::List { dir } => {
            print!("{}", Store::open(&dir, false)?.issued());
            Ok(())
        }
        Command::Sign { dir, csr, out, agent, expired, days } => {
            let store = Store::open(&dir, false)?;
            let bytes = std::fs::read(&csr).map_err(|e| format!("{}: {e}", csr.display()))?;
            // certutil writes text around the PEM block, which pem-rfc7468 refuses.
            let text = String::from_utf8_lossy(&bytes);
            let block = text.find("-----BEGIN").map(|at| text[at..].replace("\r\n", "\n"));
            let block = block.map(|b| b.replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST"));
            let der = match &block {
                Some(block) => {
                    pem_rfc7468::decode_vec(block.as_bytes()).map_err(|e| e.to_string())?.1
                }
                None => bytes.clone(),
            };
            let asked = request::pkcs10(&der)?;
            let days = if expired { (-20, -10) } else { (-1, days) };
            let extensions = vec![
                certs::key_usage(&[0, 1, 2]),
                certs::ext_key_usage(&["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4"]),
            ];
            let certificate = store.issue(&asked.subject, &asked.spki, days, extensions)?;
            if agent {
                store.add_agent(&certificate)?;
            }
            std::fs::write(&out, pem(&certificate)?).map_err(|e| format!("{}: {e}", out.display()))
        }
        Command::User { dir, uid, secret_file } => {
            let secret = first_line(&secret_file)?;
            Store::open(&dir, false)?.add_user(&uid, &certs::user_name(&uid), &secret)
        }
        Command::Subsystems { dir } => {
            let store = Store::open(&dir, false)?;
            print!("{}", subsystems::issue(&store)?);
            Ok(())
        }
        Command::RevocationSecret { dir, serial, secret_file } => {
            let digits = serial.strip_prefix("0x").unwrap_or(&serial);
            let serial = u32::from_str_radix(digits, 16).map_err(|e| format!("{serial}: {e}"))?;
            Store::open(&dir, false)?.set_revocation_secret(serial, &first_line(&secret_file)?)
        }
        Command::Run {
            dir,
            listen,
            server_name,
            server_key_type,
            oaep,
            pop_link_required,
            confirm_required,
            tls_version,
            rest,
            ignore_revocations,
            keep,
            est,
            est_login,
            clock,
            log,
        } => {
            let keep = match keep.as_str() {
                "yes" => http::Keep::Yes,
                "drop-unread" => http::Keep::DropUnread,
                "drop-done" => http::Keep::DropDone,
                _ => http::Keep::No,
            };
            let est = match est.as_str() {
                "base64" => est::Takes::Base64,
                "dogtag" => est::Takes::Dogtag,
                _ => est::Takes::Der,
            };
            let login: Option<&'static str> =
                est_login.map(|login| &*Box::leak(est_simple::basic(&login).into_boxed_str()));
            let ways = http::Ways { keep, est, login, clock };
            let settings = Settings {
                oaep,
                pop_link: pop_link_required,
                confirm: confirm_required,
                rest,
                ignore_revocations,
            };
            let store = Store::open(&dir, false)?;
            store.remove("port");
            let server = store.server(&server_name, server_key_type == "ec")?;
            let ca = store.ca()?;
            let tls = http::tls(&ca.certificate, &server, tls_version.as_deref())?;
            let listener = TcpListener::bind(&listen).map_err(|e| format!("{listen}: {e}"))?;
            let port = listener.local_addr().map_err(|e| e.to_string())?.port();
            store.write("port", port.to_string().as_bytes())?;
            let servlets = Arc::new(Servlets::new(store, settings)?);
            let sink: Box<dyn Write + Send> = match log {
                Some(path) => Box::new(std::fs::File::create(&path).map_err(|e| e.to_string())?),
                None => Box::new(std::io::stderr()),
            };
            let sink = Arc::new(Mutex::new(sink));
            let file = dir.join("ca.pem");
            println!(
                "stand-in CA ready: https://{server_name}:{port}/ca (CA certificate {})",
                file.display()
            );
            for stream in listener.incoming().flatten() {
                let (tls, servlets, sink) = (tls.clone(), servlets.clone(), sink.clone());
                std::thread::spawn(move || {
                    http::serve(stream, &tls, &servlets, ways, &|line| {
                        let mut sink = sink.lock().unwrap_or_else(|e| e.into_inner());
                        writeln!(sink, "{line}").ok();
                    });
                });
            }
            Ok(())
        }
    }
}
