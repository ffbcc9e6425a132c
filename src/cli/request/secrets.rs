//! Hands the secrets of a request to the options that they stand for.
//!
//! clap makes the options of the command line; a secret must not be among its values. So each
//! `…Args` with a source of a secret has a field that clap skips, and fills it from here.

use std::cell::RefCell;
use std::rc::Rc;

use nss_cmc::client::passwords::Known;
use nss_cmc::secret::Secret;

/// The secrets of a request. The last owner wipes each on drop.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Passwords of tokens; of a new database, too.
    pub passwords: Option<Rc<Known>>,
    /// The secret shared with the CA.
    pub shared_secret: Option<Rc<Secret>>,
    /// The password of a user at an EST server.
    pub est_password: Option<Rc<Secret>>,
    /// The password of a PKCS #12 file.
    pub pkcs12_password: Option<Rc<Secret>>,
    /// The new password of a token.
    pub new_password: Option<Rc<Secret>>,
}

thread_local! {
    static GIVEN: RefCell<Secrets> = RefCell::default();
}

/// Runs `parse`, in which [`given`] returns the secrets; afterwards it returns none again.
pub fn hand_over<T>(secrets: Secrets, parse: impl FnOnce() -> T) -> T {
    GIVEN.set(secrets);
    let parsed = parse();
    GIVEN.take();
    parsed
}

/// Returns the secrets that are handed over; none outside of [`hand_over`].
pub fn given() -> Secrets {
    GIVEN.with_borrow(Secrets::clone)
}
