//! Existing files, links and devices at the path of an output file.

use std::io::Read;
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn output_goes_through_a_link_to_its_target() {
    let f = Folder::new();
    std::fs::create_dir(f.file("real")).unwrap();
    f.write("real/old.csr", "old");
    symlink("real/old.csr", f.file("link.csr")).unwrap();
    symlink("link.csr", f.file("link2.csr")).unwrap();
    csr(&f, &["--subject", "CN=a", "--out", "link2.csr"]).exits(0);
    assert!(f.file("link.csr").is_symlink() && f.file("link2.csr").is_symlink());
    assert!(f.read("real/old.csr").starts_with(b"-----BEGIN CERTIFICATE REQUEST-----"));
    assert_eq!(names(&f.file("real")), ["old.csr"]);
    // A dangling link creates the file it names; a link to itself is an error without a key.
    symlink("real/new.csr", f.file("dangling")).unwrap();
    csr(&f, &["--subject", "CN=a", "--out", "dangling"]).exits(0);
    assert!(f.file("dangling").is_symlink());
    assert!(f.read("real/new.csr").starts_with(b"-----BEGIN"));
    symlink("circle", f.file("circle")).unwrap();
    let keys = f.keys();
    csr(&f, &["--subject", "CN=a", "--out", "circle"]).exits(21);
    symlink("none/at/all", f.file("lost")).unwrap();
    csr(&f, &["--subject", "CN=a", "--out", "lost"]).exits(21);
    assert_eq!(f.keys(), keys);
}

#[test]
fn two_files_go_through_their_links_together() {
    let f = Folder::new();
    for name in ["t.req", "t.id"] {
        f.write(name, "old");
        mode(&f.file(name), 0o640);
    }
    symlink("t.req", f.file("a.req")).unwrap();
    symlink("t.id", f.file("a.req.keyId")).unwrap();
    let args = ["PKCS10Client", "-d", "db", "-p", PASSWORD, "-a", "ec", "-n", "CN=a"];
    f.nss_cmc(&[&args[..], &["-o", "a.req"]].concat()).exits(0);
    assert!(f.file("a.req").is_symlink() && f.file("a.req.keyId").is_symlink());
    assert!(f.read("t.req").starts_with(b"-----BEGIN"));
    assert_ne!(f.read("t.id"), b"old");
    assert_eq!((look(&f.file("t.req")).0, look(&f.file("t.id")).0), (0o640, 0o640));
    // The old file is restored when the second one can't be written.
    std::fs::remove_file(f.file("a.req.keyId")).unwrap();
    symlink("/dev/full", f.file("a.req.keyId")).unwrap();
    let before = f.read("t.req");
    f.nss_cmc(&[&args[..], &["-o", "a.req"]].concat()).exits(1);
    assert_eq!(f.read("t.req"), before);
    assert_eq!(look(&f.file("t.req")).0, 0o640);
    assert!(!names(f.path()).iter().any(|n| n.starts_with(".nss-cmc-")));
}

#[test]
fn a_replaced_file_keeps_its_mode_and_owner() {
    let f = Folder::new();
    for bits in [0o600, 0o640, 0o664, 0o444] {
        f.write("a.csr", "old");
        mode(&f.file("a.csr"), bits);
        csr(&f, &["--subject", "CN=a", "--out", "a.csr"]).exits(0);
        assert_eq!(look(&f.file("a.csr")).0, bits);
        std::fs::remove_file(f.file("a.csr")).unwrap();
    }
    csr(&f, &["--subject", "CN=a", "--out", "new.csr"]).exits(0);
    assert_eq!(look(&f.file("new.csr")).0, 0o644, "a new file is as the umask says");
    if !is_root() {
        return;
    }
    f.write("theirs", "old");
    mode(&f.file("theirs"), 0o640);
    give(&f.file("theirs"));
    csr(&f, &["--subject", "CN=a", "--out", "theirs"]).exits(0);
    assert_eq!(look(&f.file("theirs")), (0o640, STRANGER, STRANGER));
    // Set-uid and set-gid bits are not kept for new content.
    mode(&f.file("theirs"), 0o4755);
    csr(&f, &["--subject", "CN=a", "--out", "theirs"]).exits(0);
    assert_eq!(look(&f.file("theirs")).0, 0o755);
}

/// Without root the owner can't be kept: the file then belongs to the caller, and neither a group
/// that the caller isn't in, nor the caller's own group, gains rights.
#[test]
fn an_owner_that_cannot_be_kept_gives_no_rights_to_others() {
    if !is_root() {
        return;
    }
    let f = Folder::bare();
    mode(f.path(), 0o777);
    f.write("r.der", std::fs::read("tests/vectors/01-rsa-server/response.der").unwrap());
    f.write("chain", "old");
    mode(&f.file("chain"), 0o640);
    as_stranger(f.path(), &["CMCResponse", "-i", "r.der", "-o", "chain"]).exits(0);
    assert_eq!(look(&f.file("chain")), (0o600, STRANGER, STRANGER));
}

#[test]
fn a_secret_is_never_wider_than_its_owner() {
    let f = Folder::bare();
    recipient(&f);
    f.write("t", "old");
    mode(&f.file("t"), 0o666);
    symlink("t", f.file("link")).unwrap();
    shared_token(&f, "link").exits(0);
    assert!(f.file("link").is_symlink());
    assert_eq!(look(&f.file("t")).0, 0o600);
    mode(&f.file("t"), 0o400);
    shared_token(&f, "t").exits(0);
    assert_eq!(look(&f.file("t")).0, 0o400);
    if !is_root() {
        return;
    }
    // In a folder that only its owner can write, the file keeps its owner; in a shared one the
    // owner may be anyone.
    give(&f.file("t"));
    shared_token(&f, "t").exits(0);
    assert_eq!(look(&f.file("t")), (0o400, STRANGER, STRANGER));
    std::fs::create_dir(f.file("tmp")).unwrap();
    mode(&f.file("tmp"), 0o1777);
    f.write("tmp/t", "planted");
    give(&f.file("tmp/t"));
    shared_token(&f, "tmp/t").exits(0);
    assert_eq!(look(&f.file("tmp/t")).1, 0);
}

/// As with the kernel's protected_symlinks in sticky folders.
#[test]
fn a_stranger_s_link_in_a_shared_folder_is_not_followed() {
    if !is_root() {
        return;
    }
    let f = Folder::new();
    recipient(&f);
    std::fs::create_dir(f.file("tmp")).unwrap();
    f.write("precious", "precious");
    for (target, bits) in
        [("../precious", 0o1777), ("../not-there-yet", 0o1777), ("../precious", 0o777)]
    {
        mode(&f.file("tmp"), bits);
        symlink(target, f.file("tmp/out")).unwrap();
        std::os::unix::fs::lchown(f.file("tmp/out"), Some(STRANGER), Some(STRANGER)).unwrap();
        let said = csr(&f, &["--subject", "CN=a", "--out", "tmp/out"]).exits(21);
        assert!(said.err.contains("symbolic link") && said.err.contains("65534"), "{}", said.err);
        let said = shared_token(&f, "tmp/out").exits(1);
        assert!(said.err.contains("symbolic link"), "{}", said.err);
        assert_eq!(f.read("precious"), b"precious");
        assert!(!f.file("not-there-yet").exists());
        std::fs::remove_file(f.file("tmp/out")).unwrap();
    }
    assert!(f.keys().is_empty());
    // The user's own link is followed.
    symlink("../precious", f.file("tmp/own")).unwrap();
    csr(&f, &["--subject", "CN=a", "--out", "tmp/own"]).exits(0);
    assert!(f.read("precious").starts_with(b"-----BEGIN"));
}

/// Reads from a FIFO in a thread.
fn reader(path: &Path) -> std::thread::JoinHandle<String> {
    let path = path.to_owned();
    std::thread::spawn(move || {
        let mut text = String::new();
        std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
        text
    })
}

#[test]
fn a_secret_goes_into_no_stranger_s_pipe() {
    let f = Folder::bare();
    recipient(&f);
    fifo(&f.file("mine"));
    let read = reader(&f.file("mine"));
    shared_token(&f, "mine").exits(0);
    assert!(read.join().unwrap().len() > 100);
    shared_token(&f, "/dev/null").exits(0);
    if !is_root() {
        return;
    }
    fifo(&f.file("theirs"));
    give(&f.file("theirs"));
    mode(&f.file("theirs"), 0o666);
    // Open for reading and writing, so that neither side waits for the other.
    let held = std::fs::OpenOptions::new().read(true).write(true).open(f.file("theirs")).unwrap();
    symlink("theirs", f.file("link")).unwrap();
    for path in ["theirs", "link"] {
        let said = shared_token(&f, path).exits(1);
        assert!(said.err.contains("pipe") && said.err.contains("65534"), "{}", said.err);
    }
    let said = f.nss_cmc(&["CMCRequest", "none.cfg"]);
    assert_eq!(said.code, 1);
    let cfg = [
        "revRequest.enable=true\nrevRequest.serial=1\nrevRequest.reason=superseded",
        "revRequest.issuer=CN=ca\nrevRequest.sharedSecret=Pass.Phrase\nquiet=true\noutput=theirs\n",
    ];
    f.write("r.cfg", cfg.join("\n"));
    let said = f.nss_cmc(&["CMCRequest", "r.cfg"]).exits(1);
    assert!(said.out.contains("pipe"), "{}", said.out);
    drop(held);
    // Another user's device is refused, too.
    let made = run(Command::new("mknod").arg(f.file("null")).args(["c", "1", "3"]));
    if made.code == 0 {
        give(&f.file("null"));
        let said = shared_token(&f, "null").exits(1);
        assert!(said.err.contains("device"), "{}", said.err);
    }
}

#[test]
fn open_descriptors_are_written_to_as_they_are() {
    let f = Folder::new();
    recipient(&f);
    for path in ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"] {
        let said = shared_token(&f, path).exits(0);
        let text = said.err.split("Encrypted Secret Data:").nth(1).unwrap();
        let text = text.split("Storing").next().unwrap();
        assert_eq!(said.out.trim(), text.trim(), "{path}: nothing but the file");
        let said = csr(&f, &["--subject", "CN=a", "--out", path]).exits(0);
        assert!(said.out.contains("-----BEGIN CERTIFICATE REQUEST-----"), "{path}: {}", said.out);
    }
    // Beside /dev/stdout there is no file for the key id: it is printed.
    for (tool, name, pem) in [
        ("PKCS10Client", "/dev/stdout", "REQUEST-----"),
        ("CRMFPopClient", "/proc/self/fd/1", "REQUEST-----"),
    ] {
        let args = [tool, "-d", "db", "-p", PASSWORD, "-a", "ec", "-n", "CN=a", "-o", name];
        let said = f.nss_cmc(&args).exits(0);
        let key = "Keypair private key id: ";
        assert!(said.out.contains(pem) && !said.out.contains(key), "{tool}: {said:?}");
        assert!(said.err.contains(key) && !said.err.contains("keyId"), "{tool}: {said:?}");
    }
    assert!(!std::path::Path::new("/dev/stdout.keyId").exists());
    // Appends to a file that the shell has opened.
    let script = format!(
        "echo first > log; {} csr create -d db --password-file pw --key-type ec:nistp256 --subject \
         CN=a --out /dev/stdout >> log",
        env!("CARGO_BIN_EXE_nss-cmc")
    );
    run(Command::new("sh").current_dir(f.path()).args(["-c", &script])).exits(0);
    assert!(f.read("log").starts_with(b"first\n-----BEGIN"));
    if is_root() {
        let g = Folder::new();
        mode(g.path(), 0o777);
        for file in ["db", "db/cert9.db", "db/key4.db", "db/pkcs11.txt", "pw"] {
            give(&g.file(file));
        }
        for path in ["/dev/stdout", "/proc/self/fd/1", "/dev/stderr"] {
            let base = ["csr", "create", "-d", "db", "--password-file", "pw", "--subject", "CN=a"];
            let more = ["--key-type", "ec:nistp256", "--out", path];
            let said = as_stranger(g.path(), &[&base[..], &more].concat()).exits(0);
            let both = said.out + &said.err;
            assert!(both.contains("-----BEGIN CERTIFICATE REQUEST-----"), "{path}: {both}");
        }
    }
}

/// A rename that isn't on the disk yet is lost in a power failure.
#[test]
fn the_folder_is_synced_after_the_file_has_its_name() {
    let f = Folder::new();
    let args = ["-f", "-y", "-o", "trace", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"];
    let program = env!("CARGO_BIN_EXE_nss-cmc");
    let said = run(Command::new("strace").current_dir(f.path()).args(args).args([
        program,
        "PKCS10Client",
        "-d",
        "db",
        "-p",
        PASSWORD,
        "-a",
        "ec",
        "-n",
        "CN=a",
        "-o",
        "a.req",
    ]));
    if said.code != 0 && said.err.contains("ptrace") {
        eprintln!("skipped: no ptrace here");
        return;
    }
    said.exits(0);
    let trace = String::from_utf8(f.read("trace")).unwrap();
    let last = trace.rfind("a.req.keyId\"").expect("a rename to a.req.keyId");
    let folder = format!("<{}>)", f.path().canonicalize().unwrap().display());
    assert!(trace[last..].contains(&folder), "{trace}");
}
