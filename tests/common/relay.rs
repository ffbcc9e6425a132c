//! A relay between the program and the stand-in CA, which acts in the middle of an exchange: after
//! the CA has issued, before the client has the response.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Folder;
use super::stand_in::StandIn;

/// A running relay; it ends with the process.
pub struct Relay {
    /// `https://localhost:PORT`.
    pub url: String,
}

impl Relay {
    /// Starts a relay in front of `ca`. `then` is called once, when the CA's log shows another
    /// issued certificate. If it returns true, the rest of the response is delivered; otherwise the
    /// connection is closed.
    pub fn start(
        folder: &Folder,
        ca: &StandIn,
        then: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, log) = (ca.port, folder.file("ca.log"));
        let count =
            move || std::fs::read_to_string(&log).map_or(0, |l| l.matches(": issued").count());
        let before = count();
        let issued = move || count() > before;
        let rule = Arc::new((issued, then, AtomicBool::new(false)));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rule = rule.clone();
                std::thread::spawn(move || {
                    let goes_on = || {
                        let (issued, then, done) = &*rule;
                        !issued() || done.swap(true, Ordering::SeqCst) || then()
                    };
                    carry(&client, to, &goes_on);
                    client.shutdown(Shutdown::Both).ok();
                });
            }
        });
        Relay { url: format!("https://localhost:{port}") }
    }
}

/// Copies octets in both directions until either side ends, or `goes_on` returns false for more
/// from the server.
fn carry(client: &TcpStream, to: u16, goes_on: &dyn Fn() -> bool) -> Option<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).ok()?;
    let (mut from, mut up) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut up).ok();
        up.shutdown(Shutdown::Write).ok();
    });
    let mut client = client;
    let mut octets = [0; 4096];
    loop {
        let n = server.read(&mut octets).ok().filter(|n| *n > 0)?;
        if !goes_on() {
            return None;
        }
        client.write_all(&octets[..n]).ok()?;
    }
}
