//! `key list`, `remove` and `rename`.

use serde_json::json;

use crate::common::Folder;
use crate::common::stand_in::{StandIn, ec_folder};
use crate::{new_key, on_db, result};

/// The line of `certutil -K` for a key.
fn line(f: &Folder, id: &str) -> String {
    let list = f.certutil(&["-K", "-f", "pw"]);
    list.lines().find(|line| line.contains(id)).unwrap_or_default().to_owned()
}

#[test]
fn a_list_tells_what_each_key_is_for() {
    let f = ec_folder();
    let agent = f.keys().pop().unwrap();
    let unfinished = new_key(&f, "unfinished request for www");
    let free = new_key(&f, "spare");
    let list = result(&f, &["key", "list"]);
    let keys = list["keys"].as_array().unwrap();
    let of = |id: &str| keys.iter().find(|key| key["key_id"] == id).unwrap();
    assert_eq!(keys.len(), 3);
    assert_eq!(of(&agent)["certificates"], json!(["agent"]));
    assert_eq!(of(&agent)["type"], "ec:nistp256");
    assert_eq!(of(&unfinished)["unfinished_request"], true);
    assert_eq!(of(&free)["label"], "spare");
    assert_eq!(of(&free)["certificates"], json!([]));
    assert_eq!(of(&free)["unfinished_request"], false);
    let said = on_db(&f, &["key", "list"]).exits(0).out;
    assert!(said.lines().all(|line| line.split('\t').count() == 6), "{said}");
    // Without a password nothing can be said, and nothing is guessed.
    f.nss_cmc(&["key", "list", "-d", "db"]).exits(2);
}

#[test]
fn a_key_in_use_is_kept() {
    let f = ec_folder();
    let agent = f.keys().pop().unwrap();
    let unfinished = new_key(&f, "unfinished request for www");
    let before = f.state();
    for (id, why) in [(&agent, "it has certificates: \"agent\""), (&unfinished, "for www")] {
        let said = on_db(&f, &["key", "remove", id, "--yes"]).exits(15).err;
        assert!(said.contains(why) && said.contains("--force"), "{said}");
        assert_eq!(f.state(), before);
    }
    on_db(&f, &["key", "rename", &unfinished, "mine"]).exits(15);
    assert!(line(&f, &unfinished).contains("unfinished request for www"));
    on_db(&f, &["key", "remove", &unfinished, "--force"]).exits(2);
    assert_eq!(f.state(), before);
    on_db(&f, &["key", "remove", &unfinished, "--force", "--yes"]).exits(0);
    assert_eq!(f.keys(), [agent.as_str()]);
    on_db(&f, &["key", "remove", &agent, "--force", "--yes"]).exits(0);
    assert!(f.keys().is_empty());
    // Both halves are gone.
    assert_eq!(f.certificates(), ["agent ,,", "ca_signing CT,C,C"]);
}

#[test]
fn keys_are_named_by_id_in_any_form_or_by_label() {
    let f = Folder::new();
    let ids = ["one", "two", "two"].map(|label| new_key(&f, label));
    let list = result(&f, &["key", "list"]);
    let signed = |id: &str| {
        let key = list["keys"].as_array().unwrap().iter().find(|key| key["key_id"] == id);
        key.unwrap()["key_id_signed"].as_str().unwrap().to_owned()
    };
    let said = on_db(&f, &["key", "remove", "two", "--yes"]).exits(2).err;
    assert!(ids[1..].iter().all(|id| said.contains(id.as_str())), "{said}");
    on_db(&f, &["key", "remove", "three", "--yes"]).exits(12);
    on_db(&f, &["key", "remove", &"11".repeat(20), "--yes"]).exits(12);
    assert_eq!(f.keys().len(), 3);
    on_db(&f, &["key", "remove", &signed(&ids[1]), "--yes"]).exits(0);
    on_db(&f, &["key", "remove", "two", "--yes"]).exits(0);
    assert_eq!(f.keys(), [ids[0].as_str()]);
}

#[test]
fn a_key_gets_another_label() {
    let f = Folder::new();
    let id = new_key(&f, "");
    let report = on_db(&f, &["key", "rename", &id, "old www key", "--output", "json"]);
    assert_eq!(report.exits(0).json()["result"]["label_before"], json!(null));
    assert!(line(&f, &id).ends_with("old www key"), "{}", line(&f, &id));
    on_db(&f, &["key", "rename", "old www key", ""]).exits(0);
    assert!(line(&f, &id).ends_with("(orphan)"), "{}", line(&f, &id));
    on_db(&f, &["key", "rename", &id, "unfinished request for x"]).exits(2);
    on_db(&f, &["key", "rename", &id, "two\nlines"]).exits(2);
    assert!(line(&f, &id).ends_with("(orphan)"), "{}", line(&f, &id));
}

/// A run that ends between request and response leaves a key; the next one goes on with it.
#[test]
fn the_key_of_a_pending_request_is_shown_and_used() {
    let f = ec_folder();
    let ca = StandIn::start(&f, &["--server-key-type", "ec"]);
    let to = ["--ca", &ca.url, "--profile", "standin-pending", "--signer", "agent"];
    let what = ["--key-type", "ec", "--subject", "CN=later", "--nickname", "later"];
    let enroll = [&["enroll"], &to[..], &what].concat();
    on_db(&f, &enroll).exits(3);
    let pending = |f: &Folder| {
        let list = result(f, &["key", "list"]);
        let keys = list["keys"].as_array().unwrap().clone();
        keys.into_iter().filter(|key| key["unfinished_request"] == true).count()
    };
    assert_eq!(pending(&f), 1);
    on_db(&f, &enroll).exits(0);
    assert_eq!(pending(&f), 0);
    let list = result(&f, &["key", "list"]);
    let later = list["keys"].as_array().unwrap().iter();
    assert_eq!(later.filter(|key| key["certificates"] == json!(["later"])).count(), 1);
}

/// Otherwise the other key could no longer be named: its id would match both.
#[test]
fn a_label_is_no_id_of_another_key() {
    let f = Folder::new();
    let (one, two) = (new_key(&f, "one"), new_key(&f, "two"));
    for id in [two.clone(), two.to_uppercase(), format!("0x{two}")] {
        let said = on_db(&f, &["key", "rename", &one, &id, "--force"]).exits(2);
        assert!(said.err.contains("it is the id of another key"), "{}", said.err);
    }
    for label in [one.as_str(), "free"] {
        on_db(&f, &["key", "rename", &one, label]).exits(0);
    }
    on_db(&f, &["key", "remove", &two, "--yes"]).exits(0);
    assert_eq!(f.keys(), [one]);
}
