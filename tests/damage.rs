//! Every recorded request and response with each octet changed, removed or doubled, or cut off
//! after it: every reader returns an error or the content, without panic, within measured bounds of
//! memory and work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::der::{SignedData, encode, oid, pem, tlv};
use nss_cmc::cmc::pop::Challenge;
use nss_cmc::cmc::request::Request;
use nss_cmc::cmc::response;
use nss_cmc::inspect as show;
use rasn::types::Oid;

/// The system's allocator, counting for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn taken(octets: usize) {
    let held = HELD.get().wrapping_add(octets);
    HELD.set(held);
    MOST.set(MOST.get().max(held));
    COUNT.set(COUNT.get() + 1);
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: the caller guarantees a valid `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: `at` is from `alloc` or `realloc` with the same layout.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The system moves large blocks, which matter here, without a second copy.
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        taken(size);
        // SAFETY: `at` is from `alloc` or `realloc` with the same layout; the caller guarantees
        // `size`.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Returns the most octets held beyond those held before, and the number of allocations.
fn account(run: impl FnOnce()) -> (usize, usize) {
    let before = HELD.get();
    MOST.set(before);
    COUNT.set(0);
    run();
    (MOST.get().saturating_sub(before), COUNT.get())
}

/// Octets that a reader may hold for each octet it reads, besides a fixed number. The most is held
/// where little input prints much, such as three lines for a certificate of two octets.
const FEW_TIMES: usize = 64;
const FIXED_OCTETS: usize = 64 * 1024;
/// Allocations for each octet read: a bound of the work that doesn't depend on the machine.
const WORK: usize = 16;
const FIXED_WORK: usize = 2000;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Returns every recorded message, as DER.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(vectors()).unwrap() {
        let folder = folder.unwrap().path();
        for name in ["request.der", "response.der", "p10.req", "crmf.req"] {
            let Ok(bytes) = std::fs::read(folder.join(name)) else { continue };
            let label = format!("{}/{name}", folder.file_name().unwrap().to_string_lossy());
            found.push((label, pem::to_der(&bytes)));
        }
    }
    found.sort();
    assert_eq!(found.len(), 43, "{:?}", found.iter().map(|f| &f.0).collect::<Vec<_>>());
    found
}

/// Number of ways to damage the octet at an offset.
const DAMAGES: usize = 7;

fn damaged(der: &[u8], at: usize, damage: usize) -> Vec<u8> {
    let mut bytes = der.to_vec();
    match damage {
        0 => bytes[at] ^= 0x01,
        1 => bytes[at] ^= 0x80,
        2 => bytes[at] = 0x00,
        3 => bytes[at] = 0xff,
        4 => bytes.truncate(at),
        5 => bytes.insert(at, der[at]),
        _ => drop(bytes.remove(at)),
    }
    bytes
}

/// Runs everything that reads a message. Printing is measured from outside, below.
fn read(bytes: &[u8], thoroughly: bool) {
    if let Ok(answer) = response::parse(bytes) {
        answer.statuses();
        answer.outcome();
        if let Ok(challenge) = Challenge::from_response(&answer) {
            challenge.request_id();
            challenge.request().spki();
            challenge.wrapped_key().ok();
            challenge.ciphertext().ok();
            challenge.readings().ok();
        }
    }
    nss_cmc::cmc::request::Sent::read(bytes).ok();
    Request::pkcs10(bytes).ok();
    Request::crmf(bytes).ok();
    if thoroughly {
        show::read(bytes).ok();
    }
}

/// Runs the readers within their bounds; returns the most octets held and the number of
/// allocations, as multiples of the input.
#[track_caller]
fn bounded(label: &str, bytes: &[u8], thoroughly: bool) {
    let mut panicked = false;
    let (memory, work) = account(|| {
        panicked = catch_unwind(AssertUnwindSafe(|| read(bytes, thoroughly))).is_err();
    });
    assert!(!panicked, "{label}: panic");
    let allowed = FEW_TIMES * bytes.len() + FIXED_OCTETS;
    assert!(memory <= allowed, "{label}: {memory} octets held for {}", bytes.len());
    let allowed = WORK * bytes.len() + FIXED_WORK;
    assert!(work <= allowed, "{label}: {work} allocations for {}", bytes.len());
}

/// Returns for each octet whether it is within a certificate.
fn in_certificates(der: &[u8]) -> Vec<bool> {
    let mut inside = vec![false; der.len()];
    let id = encode(&oid::ID_SIGNED_DATA.to_owned());
    let signed = der.windows(id.len()).take(20).any(|w| w == id).then(|| SignedData::of(der));
    for certificate in signed.map(|s| s.certificate_ders()).unwrap_or_default() {
        let at = der.windows(certificate.len()).position(|w| w == certificate).unwrap();
        inside[at..at + certificate.len()].fill(true);
    }
    inside
}

/// Damages every octet outside certificates in every way and reads the message; one way is read
/// thoroughly. Octets in certificates, which are alike in all messages, are damaged in one way that
/// differs from message to message, and few are read thoroughly.
fn damage_all(n: usize, label: &str, der: &[u8]) -> usize {
    let inside = in_certificates(der);
    let mut tried = 0;
    for (at, inside) in inside.into_iter().enumerate() {
        for damage in 0..DAMAGES {
            let turn = (at + n) % DAMAGES == damage;
            if inside && !turn {
                continue;
            }
            let every = if inside { 26 } else { 4 };
            let thoroughly = turn && (at / DAMAGES + n).is_multiple_of(every);
            let label = format!("{label}, octet {at}, damage {damage}");
            bounded(&label, &damaged(der, at, damage), thoroughly);
            tried += 1;
        }
    }
    tried
}

#[test]
fn every_octet_of_every_recorded_message() {
    // A panic prints its message and offset, not thousands of backtraces.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let all: Vec<_> = recorded().into_iter().enumerate().collect();
    let tried: usize = std::thread::scope(|scope| {
        let of = |half: usize| {
            let mine = all.iter().skip(half).step_by(2);
            mine.map(|(n, (label, der))| damage_all(*n, label, der)).sum::<usize>()
        };
        let other = scope.spawn(move || of(1));
        of(0) + other.join().unwrap()
    });
    assert!(tried > 200_000, "{tried}");
}

/// Messages with many small parts or one large part, where a reader's cost could grow faster than
/// the message.
fn large_messages() -> Vec<(&'static str, Vec<u8>)> {
    const LARGE: usize = 128 * 1024;
    let many = |element: &[u8]| element.repeat(LARGE / element.len());
    let oid_of = |id: &Oid| encode(&id.to_owned());
    let control = |id: &Oid, values: &[u8]| {
        tlv(0x30, &[vec![2, 1, 1], oid_of(id), tlv(0x31, values)].concat())
    };
    let signed = |kind: &Oid, content: &[u8], certificates: &[u8]| {
        let content = tlv(0x30, &[oid_of(kind), tlv(0xa0, &tlv(4, content))].concat());
        let bag = tlv(0xa0, certificates);
        let signed = [vec![2, 1, 3, 0x31, 0], content, bag, vec![0x31, 0]].concat();
        let signed = tlv(0xa0, &tlv(0x30, &signed));
        tlv(0x30, &[oid_of(oid::ID_SIGNED_DATA), signed].concat())
    };
    let response = |controls: &[u8]| {
        let content = [tlv(0x30, controls), vec![0x30, 0, 0x30, 0]].concat();
        signed(oid::ID_CCT_PKI_RESPONSE, &tlv(0x30, &content), &[])
    };
    let with = |id: &Oid, value: Vec<u8>| response(&control(id, &value));
    let request = |controls: &[u8], requests: &[u8]| {
        let content = [tlv(0x30, controls), tlv(0x30, requests), vec![0x30, 0, 0x30, 0]].concat();
        signed(oid::ID_CCT_PKI_DATA, &tlv(0x30, &content), &[])
    };
    let bag = |certificates: &[u8]| {
        signed(oid::ID_CCT_PKI_RESPONSE, &[0x30, 6, 0x30, 0, 0x30, 0, 0x30, 0], certificates)
    };
    let status = |rest: &[Vec<u8>]| tlv(0x30, &[vec![2, 1, 2], rest.concat()].concat());
    let p10 = |name: &[u8], attributes: &[u8]| {
        let algorithm = [0x30, 3, 6, 1, 0x2a];
        let key = tlv(0x30, &[&algorithm[..], &[3, 1, 0]].concat());
        let info = [vec![2, 1, 0], tlv(0x30, name), key, tlv(0xa0, attributes)].concat();
        tlv(0x30, &[tlv(0x30, &info), algorithm.to_vec(), vec![3, 1, 0]].concat())
    };
    let rdn = tlv(0x31, &tlv(0x30, &[6, 1, 0x2a, 0x0c, 1, b'x']));
    let nested = |levels: usize| (0..levels).fold(Vec::new(), |der, _| tlv(0x30, &der));
    let indefinite = [&[0x30, 0x80][..], &oid_of(oid::ID_DATA), &[0xa0, 0x80]].concat();
    let ca = std::fs::read(vectors().join("ca_signing.pem")).unwrap();
    let ca = pem::to_der(&ca);
    let distinct = (0u32..9000).flat_map(|n| {
        let arcs = [0x2a, 0x80 | (n >> 7) as u8, (n & 0x7f) as u8];
        let id = tlv(2, &[1, (n >> 8) as u8, n as u8]);
        tlv(0x30, &[id, tlv(6, &arcs), vec![0x31, 0]].concat())
    });

    let failed = |value| with(oid::CMC_STATUS_INFO_V2, value);
    vec![
        ("certificates that are none", bag(&many(&[0x30, 0]))),
        ("one certificate again and again", bag(&many(&ca))),
        ("controls", response(&many(&control(oid::CMC_GET_CRL, &[])))),
        ("values", with(oid::CMC_GET_CRL, many(&[5, 0]))),
        ("statuses", with(oid::CMC_STATUS_INFO_V2, many(&status(&[vec![0x30, 0]])))),
        ("body parts", failed(status(&[tlv(0x30, &many(&[2, 1, 1]))]))),
        ("a body part path", failed(status(&[tlv(0x30, &tlv(0x30, &many(&[2, 1, 1])))]))),
        ("text", failed(status(&[vec![0x30, 0], tlv(0x0c, &many(b"\x1b"))]))),
        ("failInfo", failed(status(&[vec![0x30, 0], tlv(2, &many(&[0x7f]))]))),
        ("nonce", with(oid::CMC_SENDER_NONCE, tlv(4, &many(&[0x80])))),
        ("transactionId", with(oid::CMC_TRANSACTION_ID, tlv(2, &many(&[0x7f])))),
        ("responseInfo", with(oid::CMC_RESPONSE_INFO, tlv(4, &many(&[0x7f])))),
        ("a control nobody knows", with(oid::CMC_GET_CRL, tlv(4, &many(&[1])))),
        ("requests nobody knows", request(&[], &many(&[0xa2, 0]))),
        ("requests", request(&[], &many(&tlv(0xa0, &[2, 1, 1, 0x30, 0])))),
        ("controls of a request", request(&many(&control(oid::CMC_GET_CRL, &[5, 0])), &[])),
        ("different ones", request(&distinct.collect::<Vec<_>>(), &[])),
        ("depth", nested(10_000)),
        ("depth within a request", request(&[], &nested(10_000))),
        ("depth of indefinite length", [indefinite.clone(), many(&[0x30, 0x80])].concat()),
        ("pieces within pieces", [indefinite.clone(), many(&[0x24, 0x80])].concat()),
        ("pieces", [&indefinite[..], &[0x24, 0x80], &many(&[4, 1, 0x30]), &[0; 6]].concat()),
        ("CRMF requests", tlv(0x30, &many(&[0x30, 0]))),
        ("attributes", p10(&[], &many(&[0x30, 5, 6, 1, 0x2a, 0x31, 0]))),
        ("names", p10(&many(&rdn), &[])),
        ("an arc", tlv(0x30, &tlv(6, &many(&[0x81])))),
        ("arcs", tlv(0x30, &tlv(6, &many(&[1])))),
    ]
}

#[test]
fn every_way_to_make_a_message_large() {
    for (label, message) in large_messages() {
        bounded(label, &message, true);
    }
}

/// The commands that print a message.
const PRINTERS: [&[&str]; 3] = [
    &["CMCResponse", "-v", "-i", "m"],
    &["cmc", "show", "m"],
    &["cmc", "show", "m", "--output", "json"],
];

/// Returns the exit code of the program for a message, with a limit of the memory for data.
fn printed(message: &[u8], args: &[&str], limit: Option<usize>) -> i32 {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("m"), message).unwrap();
    let limit = limit.map_or("unlimited".into(), |octets| octets.div_ceil(1024).to_string());
    let script = format!("ulimit -d {limit} && ulimit -c 0 && exec \"$0\" \"$@\"");
    common::run(
        Command::new("sh")
            .current_dir(dir.path())
            .args(["-c", &script, env!("CARGO_BIN_EXE_nss-cmc")])
            .args(args),
    )
    .code
}

/// The permitted exit codes: the message is printed, or an error says what is wrong with it.
const DONE: [i32; 3] = [0, 1, 20];

#[test]
fn printing_a_large_message_takes_a_few_times_its_size() {
    const STEP: usize = 256 * 1024;
    let tiny = tlv(0x30, &[]);
    for printer in PRINTERS {
        let enough = |limit: &usize| DONE.contains(&printed(&tiny, printer, Some(*limit)));
        let alone = (1..400).map(|n| n * STEP).find(enough).unwrap();
        for (label, message) in large_messages() {
            // The allocator's overhead for each small block counts here, too.
            let allowed = alone + 2 * FEW_TIMES * message.len() + FIXED_OCTETS;
            let code = printed(&message, printer, Some(allowed));
            assert!(DONE.contains(&code), "{label}: {printer:?} ended with {code}");
        }
    }
}

/// Some octets of every recorded message are damaged, and the whole message is printed.
#[test]
fn damaged_messages_are_printed() {
    for (n, (label, der)) in recorded().into_iter().enumerate() {
        for (turn, at) in (n..der.len()).step_by(211).enumerate() {
            let printer = PRINTERS[turn % PRINTERS.len()];
            let damage = (n + turn) % DAMAGES;
            let code = printed(&damaged(&der, at, damage), printer, None);
            let what = format!("{label}, octet {at}, damage {damage}, {printer:?}");
            assert!(DONE.contains(&code), "{what}: {code}");
        }
    }
}
