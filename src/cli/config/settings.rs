//! The table of settings: what a configuration file and the environment may set.

use std::ffi::OsString;

/// A default for an option: a key in the configuration file, and an environment variable.
pub struct Setting {
    /// The key in the file. The environment variable has the same name: `NSS_CMC_SIGNER_DB`.
    pub key: &'static str,
    /// The long option that it sets.
    pub option: &'static str,
    /// The verbs whose option it sets; empty: all that have the option.
    pub verbs: &'static [&'static str],
    /// Options that exclude it when they are given in a higher layer, besides those that clap knows
    /// to conflict.
    pub unless: &'static [&'static str],
    /// The option without which it has no meaning, and is left out.
    pub needs: Option<&'static str>,
    /// The setting that its value belongs to: a verb without the option of that one cannot use it.
    pub of: Option<&'static str>,
    /// Whether it is a path: absolute in a file, which is read from any directory.
    pub is_path: bool,
    /// Whether the section of a CA may have it.
    pub of_ca: bool,
}

const PLAIN: Setting = Setting {
    key: "",
    option: "",
    verbs: &[],
    unless: &[],
    needs: None,
    of: None,
    is_path: false,
    of_ca: true,
};

const fn same(name: &'static str) -> Setting {
    Setting { key: name, option: name, ..PLAIN }
}

/// Every setting, in the order of `config show`.
pub const SETTINGS: &[Setting] = &[
    Setting { of_ca: false, ..same("output") },
    Setting { of_ca: false, ..same("ca") },
    Setting { is_path: true, ..same("database") },
    // Elsewhere `--token` restricts a list, or names what is tested.
    Setting {
        verbs: &[
            "enroll",
            "bulk",
            "renew",
            "csr create",
            "cmc build",
            "cmc send",
            "revoke",
            "cert import",
            "cert verify",
            "pkcs12 import",
            "pkcs12 export",
        ],
        ..same("token")
    },
    Setting { is_path: true, ..same("password-file") },
    Setting { verbs: &["enroll", "bulk", "renew", "cmc send"], ..same("profile") },
    Setting { key: "revoke-profile", verbs: &["revoke"], ..same("profile") },
    Setting {
        unless: &["shared-secret-file", "shared-secret-fd", "shared-secret-env"],
        of: Some("signer-db"),
        ..same("signer")
    },
    Setting { is_path: true, needs: Some("signer"), ..same("signer-db") },
    Setting { needs: Some("identification"), ..same("pop-link") },
    Setting { needs: Some("identification"), ..same("proof-digest") },
    Setting { verbs: &["enroll", "bulk", "csr create", "cmc build"], ..same("key-type") },
    Setting { needs: Some("archive-to"), ..same("wrap") },
    Setting { needs: Some("archive-to"), ..same("oaep") },
    same("allow-unsigned-response"),
    same("est"),
    Setting { verbs: &["enroll", "renew"], ..same("simple") },
    same("est-user"),
    Setting { is_path: true, needs: Some("est-user"), ..same("est-password-file") },
    same("est-encoding"),
    same("proxy"),
    same("connect-timeout"),
    same("timeout"),
    same("lock-timeout"),
    same("no-ocsp"),
    same("due"),
    same("renew-before"),
    same("renew-on-change"),
    same("renew-revoked"),
    same("require-names"),
];

impl Setting {
    /// Returns the setting with this key.
    pub fn find(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Returns the name of its environment variable.
    pub fn variable(&self) -> String {
        format!("NSS_CMC_{}", self.key.replace('-', "_").to_ascii_uppercase())
    }

    /// Returns the value of its environment variable; an empty one counts as none.
    pub fn in_environment(&self) -> Option<OsString> {
        std::env::var_os(self.variable()).filter(|value| !value.is_empty())
    }

    /// Returns whether it sets an option of this verb.
    pub fn is_for(&self, verb: &str) -> bool {
        self.verbs.is_empty() || self.verbs.contains(&verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the row of a setting in the guide.
    fn row(setting: &Setting) -> String {
        let verbs = match setting.verbs {
            [] => String::new(),
            verbs => format!(" of `{}`", verbs.join("`, `")),
        };
        let (key, option) = (setting.key, setting.option);
        let only = if setting.of_ca { "" } else { "; only in `[defaults]`" };
        format!("| `{key}` | `{}` | `--{option}`{verbs}{only} |", setting.variable())
    }

    #[test]
    fn the_guide_has_every_setting() {
        let guide = include_str!("../../../docs/guide.md");
        let rows: Vec<String> = SETTINGS.iter().map(row).collect();
        assert!(guide.contains(&rows.join("\n")), "wanted:\n{}", rows.join("\n"));
    }

    #[test]
    fn every_setting_sets_an_option() {
        fn has(command: &clap::Command, setting: &Setting, verb: &str) -> bool {
            let option = |arg: &clap::Arg| arg.get_long() == Some(setting.option);
            let here = setting.is_for(verb) && command.get_arguments().any(option);
            here || command.get_subcommands().any(|inner| {
                has(inner, setting, format!("{verb} {}", inner.get_name()).trim_start())
            })
        }
        for setting in SETTINGS {
            assert!(has(&crate::cli::command(), setting, ""), "{}", setting.key);
            for verb in setting.verbs {
                let one = Setting { verbs: std::slice::from_ref(verb), ..PLAIN };
                let one = Setting { key: setting.key, option: setting.option, ..one };
                assert!(has(&crate::cli::command(), &one, ""), "{} {verb}", setting.key);
            }
        }
    }
}
