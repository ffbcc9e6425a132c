//! Each usage with each thing that may be wrong: import, verify and PKICertImport agree with certutil.

use crate::table::{ALL, USAGES, Wrong, certificate, root};
use crate::{
    assert_untouched, certutil_takes, database, import, pem, pki_cert_import, restore, stored,
};

/// Whether certutil looks at a certificate at all: for any CA only at its dates.
fn certutil_looks(usage: char, wrong: Wrong) -> bool {
    usage != 'A' || matches!(wrong, Wrong::Expired | Wrong::NotYetValid)
}

#[test]
fn a_verdict_is_certutil_s() {
    let root = root();
    for wrong in ALL {
        let held = wrong.root_trust().map(|trust| ("root", trust, &root));
        let f = database(&held.into_iter().collect::<Vec<_>>());
        for usage in USAGES {
            let case = format!("{usage} {wrong:?}");
            let made = certificate(&root, usage, wrong);
            let letter = usage.to_string();
            f.write("new.pem", made.pem());
            let code = if wrong == Wrong::Nothing { 0 } else { 13 };

            restore(&f);
            let verify = ["cert", "verify", "-d", "db", "--file", "new.pem", "--usage", &letter];
            let said = f.nss_cmc(&verify);
            assert_eq!(said.code, code, "{case}: {}{}", said.out, said.err);
            assert_untouched(&f, &case);

            let said =
                import(&f, "new.pem", &["--nickname", "new", "--trust", ",,", "--usage", &letter]);
            assert_eq!(said.code, code, "{case}: {}{}", said.out, said.err);
            if code == 0 {
                assert_eq!(stored(&f, "new"), pem(&made), "{case}");
                f.nss_cmc(&["cert", "verify", "-d", "db", "new", "--usage", &letter]).exits(0);
            } else {
                assert_untouched(&f, &case);
            }

            restore(&f);
            let said = pki_cert_import(&f, "new.pem", &letter, &["-a", "-n", "new", "-t", ",,"]);
            assert_eq!(said.code, i32::from(code != 0), "{case}: {}{}", said.out, said.err);
            if code == 0 {
                assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{case}");
                assert_eq!(stored(&f, "new"), pem(&made), "{case}");
            } else {
                assert!(said.err.contains("e: Verification of certificate failed!\n"), "{case}");
                assert_untouched(&f, &case);
            }

            restore(&f);
            f.certutil(&["-A", "-n", "new", "-t", ",,", "-a", "-f", "pw", "-i", "new.pem"]);
            let taken = certutil_takes(&f, "new", &letter);
            assert_eq!(taken, code == 0 || !certutil_looks(usage, wrong), "{case}");
            // A certificate that is there is judged alike.
            let said = f.nss_cmc(&["cert", "verify", "-d", "db", "new", "--usage", &letter]);
            assert_eq!(said.code, code, "{case}: {}{}", said.out, said.err);
        }
    }
}

#[test]
fn a_certificate_says_itself_what_it_is_for() {
    let root = root();
    let f = database(&[("root", "CT,C,C", &root)]);
    for (usage, name) in [
        ('C', "client"),
        ('V', "server"),
        ('L', "ca"),
        ('S', "email-signer"),
        ('O', "ocsp-responder"),
        ('J', "object-signer"),
    ] {
        f.write("new.pem", certificate(&root, usage, Wrong::Nothing).pem());
        let verify = ["cert", "verify", "-d", "db", "--file", "new.pem", "--output", "json"];
        let report = f.nss_cmc(&verify).exits(0).json();
        assert_eq!(report["result"]["usage"], name, "{usage}");
        // Whose key isn't here may say anything: its importer says what it is for.
        restore(&f);
        let said = import(&f, "new.pem", &["--nickname", "new"]).exits(2);
        assert!(said.err.contains("--usage") || usage == 'L', "{}", said.err);
        assert!(said.err.contains("--trust") || usage != 'L', "{}", said.err);
        assert_untouched(&f, name);
    }
    f.write("new.pem", certificate(&root, 'C', Wrong::Purpose).pem());
    let said = f.nss_cmc(&["cert", "verify", "-d", "db", "--file", "new.pem"]).exits(2);
    assert!(said.err.contains("extKeyUsage"), "{}", said.err);
}
