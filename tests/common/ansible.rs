//! The Ansible collection of contrib/ansible, run by ansible-playbook.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Folder, PASSWORD, Said, run};

/// One task of a play: the module, its arguments, and whether in check mode.
pub type Task = (&'static str, Value, bool);

/// Whether ansible-playbook is installed; says so when it isn't.
pub fn is_installed() -> bool {
    let found = Command::new("ansible-playbook").arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: ansible-playbook is not installed");
    }
    found
}

/// Runs tasks with -vvv and --diff; returns their results and the output. A task that fails doesn't
/// end the play.
pub fn play(f: &Folder, tasks: &[Task]) -> (Vec<Value>, Said) {
    let collections = f.file("collections/ansible_collections/dogtagpki");
    std::fs::create_dir_all(&collections).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/ansible");
    let link = collections.join("nss_cmc");
    if !link.exists() {
        std::os::unix::fs::symlink(here, link).unwrap();
    }
    let name = |at: usize| format!("r{at}");
    let mut all: Vec<Value> = Vec::new();
    for (at, (module, arguments, check)) in tasks.iter().enumerate() {
        all.push(json!({
            "name": format!("{module} {at}"),
            format!("dogtagpki.nss_cmc.{module}"): arguments,
            "check_mode": check,
            "register": name(at),
            "ignore_errors": true,
        }));
    }
    let names: Vec<String> = (0..tasks.len()).map(name).collect();
    all.push(json!({
        "name": "results",
        "ansible.builtin.copy": {
            "dest": f.file("results.json"),
            "mode": "0600",
            "content": format!("{{{{ [{}] | to_json }}}}", names.join(", ")),
        },
        // The results are compared, not shown.
        "diff": false,
        "no_log": true,
    }));
    let play = json!([{
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": false,
        "vars": { "ansible_python_interpreter": "{{ ansible_playbook_python }}" },
        "tasks": all,
        "module_defaults": { "group/dogtagpki.nss_cmc.nss_cmc": {
            "executable": env!("CARGO_BIN_EXE_nss-cmc"),
            "database": f.file("db"),
            "password": PASSWORD,
        }},
    }]);
    f.write("play.json", play.to_string());
    let said = run(Command::new("ansible-playbook")
        .current_dir(f.path())
        .env("ANSIBLE_COLLECTIONS_PATH", f.file("collections"))
        .env("ANSIBLE_COLLECTIONS_PATHS", f.file("collections"))
        .env("ANSIBLE_LOCAL_TEMP", f.file("local"))
        .env("ANSIBLE_REMOTE_TEMP", f.file("remote"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("NSS_CMC_CONFIG", "/dev/null")
        .args(["-i", "localhost,", "-vvv", "--diff", "play.json"]))
    .exits(0);
    let results = serde_json::from_slice(&f.read("results.json")).unwrap();
    (results, said)
}

/// Check, run, check, run.
pub fn four(module: &'static str, arguments: &Value) -> [Task; 4] {
    [true, false, true, false].map(|check| (module, arguments.clone(), check))
}

#[track_caller]
pub fn assert_changed_once(results: &[Value], word: &str) {
    let words: Vec<_> = results.iter().map(|r| r["status"].as_str().unwrap_or("?")).collect();
    let changed: Vec<_> = results.iter().map(|r| r["changed"] == true).collect();
    assert_eq!(changed, [true, true, false, false], "{words:?}: {results:#?}");
    assert!(words[0].starts_with("would_"), "{words:?}");
    assert_eq!((words[1], words[2], words[3]), (word, "unchanged", "unchanged"));
}
