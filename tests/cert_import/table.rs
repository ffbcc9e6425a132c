//! Certificates for each usage, good and wrong in each way: what a verdict is asked about.

use crate::maker::{CLIENT, FUTURE, OCSP, PAST, Pair, SERVER, ca, make};

/// certutil's letters of the usages.
pub const USAGES: [char; 9] = ['C', 'V', 'L', 'A', 'S', 'R', 'O', 'J', 'I'];

/// What is wrong, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    RootUntrusted,
    RootUnknown,
    Expired,
    NotYetValid,
    OtherIssuer,
    KeyUsage,
    Purpose,
}

pub const ALL: [Wrong; 8] = [
    Wrong::Nothing,
    Wrong::RootUntrusted,
    Wrong::RootUnknown,
    Wrong::Expired,
    Wrong::NotYetValid,
    Wrong::OtherIssuer,
    Wrong::KeyUsage,
    Wrong::Purpose,
];

impl Wrong {
    /// Trust of the root in the database, if it is there.
    pub fn root_trust(self) -> Option<&'static str> {
        match self {
            Wrong::RootUntrusted => Some(",,"),
            Wrong::RootUnknown => None,
            _ => Some("CT,C,C"),
        }
    }
}

/// A self-signed CA.
pub fn root() -> Pair {
    ca("Root").usage(&[5, 6]).itself()
}

/// A certificate for a usage, issued by `root` unless that is what is wrong.
pub fn certificate(root: &Pair, usage: char, wrong: Wrong) -> Pair {
    let is_ca = matches!(usage, 'L' | 'A') && wrong != Wrong::Purpose;
    let made = if is_ca { ca("Subject") } else { make("Subject") };
    let purpose: &[&str] = match usage {
        _ if wrong == Wrong::Purpose => &["1.3.6.1.5.5.7.3.8"],
        'C' => &[CLIENT],
        'V' => &[SERVER],
        'S' | 'R' => &["1.3.6.1.5.5.7.3.4"],
        'O' => &[OCSP],
        'J' => &["1.3.6.1.5.5.7.3.3"],
        'I' => &["1.3.6.1.5.5.7.3.17"],
        _ => &[],
    };
    let bits: &[u8] = match (wrong, is_ca) {
        (Wrong::KeyUsage, _) => &[6],
        (_, true) => &[5, 6],
        (_, false) => &[0, 4],
    };
    let made = made.usage(bits).purposes(purpose);
    match wrong {
        Wrong::Expired => made.valid(PAST).by(root),
        Wrong::NotYetValid => made.valid(FUTURE).by(root),
        Wrong::OtherIssuer => made.without_key_ids().by(&self::root()),
        _ => made.by(root),
    }
}
