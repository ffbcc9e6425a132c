//! Enrolls many certificates in one run: keys, signatures, checks and imports in several threads,
//! the messages one after another over one connection.
//!
//! Nothing remembers what is done but the database and the CA: a certificate that matches is not
//! requested again, and a key that a killed run left, under its label, is continued with or gets the
//! certificate that the CA has issued for it. So a run over the same requests completes the last one.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::round_trips::RoundTrips;
use super::{EnrollSpec, Enrolled, Job, KeySource, Outcome, RemoveOld, Requester, prepared};
use crate::algorithm::KeySpec;
use crate::asn1::name;
use crate::client::connection::{Config, Connection, Reply};
use crate::client::csr::{AltNames, Extensions, Requested};
use crate::client::doctor::fit::is_unexplained;
use crate::client::lock::Event;
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::http::endpoint::Endpoint;
use crate::interrupt;
use crate::nss::{Access, Database, SharedDatabase, Trust, Usage};

/// The first and the longest pause before a request is sent again.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(32);

/// One certificate of [`bulk`].
#[derive(Debug, Clone)]
pub struct Order {
    /// Nickname for the new certificate.
    pub nickname: String,
    /// Type and size of its key; `None` for [`DEFAULT_KEY`](super::DEFAULT_KEY).
    pub key: Option<KeySpec>,
    /// The distinguished name as text.
    pub subject: String,
    /// Alternative names.
    pub names: AltNames,
    /// Profile id; `None` for that of the connection.
    pub profile: Option<String>,
    /// The issuer of the certificate as text; `None` for any.
    pub issuer: Option<String>,
    /// The usages that the certificate must permit.
    pub usages: Vec<Usage>,
    /// Whether it is an error if the certificate lacks a requested name or usage, or has another
    /// issuer.
    pub require_names: bool,
    /// Trust flags for the new certificate.
    pub trust: Option<Trust>,
    /// The PEM file for the certificate and its chain.
    pub chain_file: Option<PathBuf>,
}

impl Order {
    /// Checks the names, without a database.
    ///
    /// # Errors
    /// [`Kind::Usage`], [`Kind::Input`] for a name that can't be encoded.
    pub fn check(&self) -> Result<()> {
        name::parse(&self.subject)?;
        self.issuer.as_deref().map(name::parse).transpose()?;
        Extensions::read(&Requested { names: self.names.clone(), ..Requested::default() })?;
        Ok(())
    }
}

/// The arguments of [`bulk`]: what its requests have in common.
pub struct BulkSpec {
    /// The database, the signer and the CA, as for one enrollment; what is about the certificate is
    /// that of each [`Order`].
    pub common: EnrollSpec,
    /// Whether an order sets trust flags.
    pub trust: bool,
    /// How many messages may be sent at the same time, each over its own connection. Dogtag mixes up
    /// simultaneous requests: more than one is for other servers.
    pub parallel: NonZeroUsize,
}

/// The result of one order.
#[derive(Debug)]
pub struct Done {
    /// The number that came with the order.
    pub line: u64,
    /// Its nickname; `None` for one that couldn't be read.
    pub nickname: Option<String>,
    /// The certificate, or why there is none.
    pub outcome: Result<Enrolled>,
}

/// The orders, each with a number; one that can't be read is an error.
pub type Orders<'a> = dyn Iterator<Item = (u64, Result<Order>)> + Send + 'a;

/// Enrolls certificates as [`enroll`](super::enroll) does, with an agent's or user's certificate as the
/// requester, in one session and under one lock. `done` is called with each result, not in the order
/// of the orders; if it fails, the run stops. Only the orders in work are in memory.
///
/// An error of one order doesn't stop the others. One that all would have does: the CA can't be
/// reached, or refuses the signer; a signal. If the CA fails for a while, requests are sent again after
/// pauses that double, as long as it was reached before. Every order that was begun has a result.
///
/// # Errors
/// Of every kind: what stopped the run.
pub fn bulk(
    spec: BulkSpec,
    orders: &mut Orders<'_>,
    done: &mut dyn FnMut(Done) -> Result<()>,
    tell: &mut dyn FnMut(Event),
) -> Result<()> {
    let BulkSpec { common, trust, parallel } = spec;
    let common = prepared(common)?;
    let database = Database::open(&common.database, Access::ReadWrite)?;
    let mut needs = super::needs(&common);
    needs.trust |= trust;
    let (session, lock) =
        Session::locked(database, needs, &common.passwords, common.lock_timeout, tell)?;
    let orders = Mutex::new(orders);
    let run = Run {
        orders: &orders,
        common: Common::of(&common)?,
        database: session.database.shared(),
        stopped: AtomicBool::new(false),
        reached: AtomicBool::new(false),
        posts_itself: parallel.get() > 1,
    };
    let stopped = {
        let job = Job { session: &session, nickname: None, spec: &common };
        let mut connection = job.round_trips()?.connection;
        connection.transport().keep_open();
        run.threads(threads(parallel), &mut connection, done)
    };
    drop(run);
    let closed = session.close();
    drop(lock);
    match stopped {
        Some(error) => Err(error),
        None => closed,
    }
}

/// Returns how many orders are in work at the same time: while one waits for the CA, the others use
/// the processors and wait for the disk.
fn threads(parallel: NonZeroUsize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors + 2).max(parallel.get()).min(32)
}

/// What all threads use.
struct Run<'a, 'o> {
    orders: &'a Mutex<&'a mut Orders<'o>>,
    common: Common,
    database: SharedDatabase,
    /// Whether no further order may be begun.
    stopped: AtomicBool,
    /// Whether the CA has answered a request.
    reached: AtomicBool,
    /// Whether each thread has a connection for its messages.
    posts_itself: bool,
}

/// What all orders have in common; unlike an [`EnrollSpec`] it can be used in several threads.
struct Common {
    database: String,
    token: String,
    signer: String,
    connection: Config,
    renew_on_change: bool,
    renew_revoked: bool,
    reuse_key: bool,
    remove_old: Option<RemoveOld>,
    renew_before: Duration,
}

/// What a thread passes to the first one.
enum Message {
    /// Send this to the endpoint.
    Post(Endpoint, Vec<u8>, Sender<Result<(Endpoint, Reply)>>),
    /// An order has a result.
    Done(Box<Done>),
    /// All further orders would fail.
    Stop(Error),
}

impl Common {
    fn of(spec: &EnrollSpec) -> Result<Common> {
        let Requester::Certificate(signer) = &spec.requester else {
            return Err(Error::new(Kind::Usage, "a shared secret is for one certificate")
                .hint("use --signer NICKNAME"));
        };
        Ok(Common {
            database: spec.database.clone(),
            token: spec.token.clone(),
            signer: signer.clone(),
            connection: spec.connection.clone(),
            renew_on_change: spec.renew_on_change,
            renew_revoked: spec.renew_revoked,
            reuse_key: spec.reuse_key,
            remove_old: spec.remove_old,
            renew_before: spec.renew_before,
        })
    }

    /// Returns the enrollment of one order.
    fn spec(&self, order: Order) -> EnrollSpec {
        let Order { key, subject, names, .. } = order;
        let key = KeySource::New { spec: key, subject, names };
        let mut connection = self.connection.clone();
        connection.profile = order.profile.or(connection.profile);
        // The first thread has logged in to every token.
        let passwords = Box::new(|_: crate::client::passwords::Wanted<'_>| {
            Err(Error::new(Kind::Login, "not logged in to this token"))
        });
        let requester = Requester::Certificate(self.signer.clone());
        EnrollSpec {
            token: self.token.clone(),
            nickname: Some(order.nickname),
            issuer: order.issuer,
            usages: order.usages,
            require_names: order.require_names,
            trust: order.trust,
            chain_file: order.chain_file,
            renew_on_change: self.renew_on_change,
            renew_revoked: self.renew_revoked,
            reuse_key: self.reuse_key,
            remove_old: self.remove_old,
            renew_before: self.renew_before,
            ..EnrollSpec::new(&*self.database, passwords, connection, requester, key)
        }
    }
}

impl Run<'_, '_> {
    /// Runs the threads and sends their messages; returns what stopped them.
    fn threads(
        &self,
        count: usize,
        connection: &mut Connection<'_>,
        done: &mut dyn FnMut(Done) -> Result<()>,
    ) -> Option<Error> {
        let (to_first, messages) = channel();
        std::thread::scope(|scope| {
            let mut why = None;
            for _ in 0..count {
                let to_first = to_first.clone();
                let thread = std::thread::Builder::new();
                let begun = thread.spawn_scoped(scope, move || self.thread(&to_first));
                if let Err(e) = begun {
                    self.stopped.store(true, Ordering::SeqCst);
                    why = Some(Error::new(Kind::Internal, "cannot start a thread").because(e));
                    break;
                }
            }
            drop(to_first);
            why.or(self.serve(messages, connection, done))
        })
    }

    /// Sends messages and passes results on until the last thread ends.
    fn serve(
        &self,
        messages: Receiver<Message>,
        connection: &mut Connection<'_>,
        done: &mut dyn FnMut(Done) -> Result<()>,
    ) -> Option<Error> {
        let mut why = None;
        for message in messages {
            let stop = match message {
                Message::Post(mut endpoint, message, reply) => {
                    let sent = endpoint.post(connection.transport(), &message);
                    let answered = sent.as_ref().is_ok_and(|reply| reply.status == 200);
                    self.reached.fetch_or(answered, Ordering::SeqCst);
                    // A thread waits for its reply.
                    reply.send(sent.map(|sent| (endpoint, sent))).ok();
                    continue;
                }
                Message::Done(result) => done(*result).err(),
                Message::Stop(error) => Some(error),
            };
            if let Some(error) = stop {
                self.stopped.store(true, Ordering::SeqCst);
                why.get_or_insert(error);
            }
        }
        why
    }

    fn thread(&self, to_first: &Sender<Message>) {
        if let Err(e) = self.work(to_first) {
            self.stopped.store(true, Ordering::SeqCst);
            to_first.send(Message::Stop(e)).ok();
        }
    }

    /// Takes one order after another.
    fn work(&self, to_first: &Sender<Message>) -> Result<()> {
        let database = self.database.database();
        let token = database.token(&self.common.token)?;
        let session = Session::of(database, token);
        let any = Order {
            nickname: String::new(),
            key: None,
            subject: String::new(),
            names: AltNames::default(),
            profile: None,
            issuer: None,
            usages: Vec::new(),
            require_names: false,
            trust: None,
            chain_file: None,
        };
        let own = self.common.spec(any);
        let job = Job { session: &session, nickname: None, spec: &own };
        let mut round_trips = job.round_trips()?;
        if self.posts_itself {
            round_trips.connection.transport().keep_open();
        } else {
            let to_first = to_first.clone();
            round_trips.connection.post_by(Box::new(move |endpoint, message| {
                let (reply, received) = channel();
                let message = Message::Post(endpoint.clone(), message.to_vec(), reply);
                let gone = || Error::new(Kind::Internal, "a thread ended without a result");
                to_first.send(message).map_err(|_| gone())?;
                let (learnt, reply) = received.recv().map_err(|_| gone())??;
                *endpoint = learnt;
                Ok(reply)
            }));
        }
        while !self.stopped.load(Ordering::SeqCst) {
            interrupt::check()?;
            let next = self.orders.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((line, order)) = next else { break };
            let nickname = order.as_ref().ok().map(|order| order.nickname.clone());
            let outcome = order.and_then(|order| self.order(&session, &mut round_trips, order));
            let stop = outcome.as_ref().err().filter(|e| hits_all(e)).map(|e| {
                let what = format!("stopped at line {line}: {e}");
                let error = Error::new(e.kind(), what).retry(e.is_retryable());
                e.hint_text().map(str::to_owned).into_iter().fold(error, Error::hint)
            });
            to_first.send(Message::Done(Box::new(Done { line, nickname, outcome }))).ok();
            stop.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Enrolls one certificate. If the CA fails, the request is sent again after a pause: with the
    /// same key, unless the CA has issued a certificate for it.
    fn order(
        &self,
        session: &Session,
        round_trips: &mut RoundTrips<'_>,
        order: Order,
    ) -> Result<Enrolled> {
        let spec = self.common.spec(order);
        round_trips.connection.turn_to(&spec.connection)?;
        let nickname = spec.nickname.as_deref().map(|n| session.new_nickname(n)).transpose()?;
        let job = Job { session, nickname: nickname.as_deref(), spec: &spec };
        let KeySource::New { spec: key, subject, names } = &spec.key else {
            return Err(Error::new(Kind::Internal, "an order has no key"));
        };
        let mut pause = FIRST;
        loop {
            let tell = &mut |_| {};
            let outcome = job.with_key(*key, subject, names, Some(&mut *round_trips), tell);
            let answered = match &outcome {
                Ok(enrolled) => matches!(enrolled.outcome, Outcome::Issued(_)),
                Err(e) => e.cmc_detail().is_some(),
            };
            self.reached.fetch_or(answered, Ordering::SeqCst);
            let passes = outcome.as_ref().err().is_some_and(may_pass)
                && self.reached.load(Ordering::SeqCst)
                && !self.stopped.load(Ordering::SeqCst);
            if !passes || pause > LONGEST {
                return outcome;
            }
            interrupt::pause(pause)?;
            pause *= 2;
        }
    }
}

/// Returns whether the CA, or the way to it, fails for a while.
fn may_pass(e: &Error) -> bool {
    let failed = |e: &Error| e.http_status().is_some_and(|status| status >= 500);
    e.is_retryable() && (e.kind() == Kind::Unreachable || e.kind() == Kind::Http && failed(e))
}

/// Returns whether every other order would have the error, too.
fn hits_all(e: &Error) -> bool {
    match e.kind() {
        Kind::Unreachable
        | Kind::Tls
        | Kind::Login
        | Kind::Database
        | Kind::Interrupted
        | Kind::Internal => true,
        Kind::Http => e.http_status().is_some_and(|status| status != 200),
        Kind::Rejected => is_unexplained(e),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_order_stop_no_other() {
        let http = |status| Error::new(Kind::Http, "x").http(status).retry(status >= 500);
        for (error, passes, all) in [
            (Error::new(Kind::Unreachable, "x"), true, true),
            (http(503), true, true),
            (http(404), false, true),
            // An HTML page: this request crashed the servlet.
            (http(200), false, false),
            (Error::new(Kind::Rejected, "x"), false, false),
            (Error::new(Kind::Conflict, "x"), false, false),
            (Error::new(Kind::Interrupted, "x"), false, true),
        ] {
            assert_eq!((may_pass(&error), hits_all(&error)), (passes, all), "{error:?}");
        }
    }
}
