//! Obtains a certificate for the request of another program, such as certmonger, which has the key
//! and stores the certificate itself. The database is only read.

use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::asked::Asked;
use super::round_trips::{Asker, Author, RoundTrips, Shared};
use crate::algorithm::{Crypto, Digest, Digests};
use crate::asn1::{certificate, oid, x509};
use crate::client::connection::Config;
use crate::client::csr::{self, CsrSpec, Extensions, Format};
use crate::client::dogtag::records::{Lookup, Records, State};
use crate::client::find_key::{check_key, key_for};
use crate::client::lock::Event;
use crate::client::passwords::Passwords;
use crate::client::request_key::RequestKey;
use crate::client::session::{Identity, Needs, Session, in_signer_database};
use crate::client::signer;
use crate::client::verify_response::{self, Proven};
use crate::cmc::request::Request;
use crate::error::{Error, Kind, Leftover, Result};
use crate::keyid;
use crate::nss::{Access, Database};

/// Who requests the certificate: whose key signs the CMC message.
pub enum Applicant {
    /// The holder of the certificate with this nickname, such as an agent.
    Signer(String),
    /// The holder of the certificate that is renewed (DER); its key is in the database.
    Renewed(Vec<u8>),
    /// A user with a shared secret. The key of the request is in the database: it signs a request of
    /// its own, with the same names.
    SharedSecret(Shared),
}

/// The database and the CA for [`obtain`].
pub struct ObtainSpec {
    /// NSS database directory. It is only read.
    pub database: String,
    /// The token that is searched first.
    pub token: String,
    /// Gives a token's password when it is needed.
    pub passwords: Passwords<'static>,
    /// Directory of a second database, with the signer's certificate and key.
    pub signer_database: Option<String>,
    /// The CA and how to connect.
    pub connection: Config,
    /// How long to wait for another run on the same database.
    pub lock_timeout: Duration,
}

/// A certificate for the request of another program.
#[derive(Debug)]
pub struct Obtained {
    /// DER of the certificate.
    pub certificate: Vec<u8>,
    /// DER of its issuers, nearest first.
    pub issuers: Vec<Vec<u8>>,
    /// The requested alternative names that it lacks.
    pub missing_names: Vec<String>,
    /// Why NSS could not be shut down: a handle leaked. That is a defect, but the run has done its
    /// work.
    pub not_closed: Option<Error>,
}

/// Requests a certificate. Before it is returned, the response is verified, and the certificate is
/// proven to have the request's key and to be issued by a CA that the database trusts. Runs on one
/// database wait for each other, because Dogtag mixes up simultaneous requests. `tell` is called
/// with events during the run.
///
/// # Errors
/// Of every kind. An error after the request may have been sent is marked as
/// [sent](Error::was_sent); a certificate that was issued nevertheless is in its
/// [leftover](Error::left_behind).
pub fn obtain(
    spec: &ObtainSpec,
    applicant: &Applicant,
    request: &Request,
    tell: &mut dyn FnMut(Event),
) -> Result<Obtained> {
    let signer = signer(spec, applicant)?;
    let database = Database::open(&spec.database, Access::ReadOnly)?;
    let needs = needs(spec, signer.as_deref());
    let (session, lock) =
        Session::locked(database, needs, &spec.passwords, spec.lock_timeout, tell)?;
    let asked = Asked::of(request)?;
    let proven = request_with(&session, spec, applicant, request)?;
    drop(lock);
    done(session, proven, &asked)
}

fn request_with(
    session: &Session,
    spec: &ObtainSpec,
    applicant: &Applicant,
    request: &Request,
) -> Result<Proven> {
    let asker = match applicant {
        Applicant::Signer(_) | Applicant::Renewed(_) => {
            Asker::Holder(identity(session, spec, applicant)?)
        }
        Applicant::SharedSecret(shared) => Asker::SharedSecret(shared),
    };
    let mut round_trips = RoundTrips::open(Author { session, asker }, &spec.connection)?;
    if matches!(applicant, Applicant::SharedSecret(_)) {
        let key = own_key(session, request)?;
        let request = identified(session, request, &key)?;
        return round_trips.run(&request, Some(key.private()?));
    }
    round_trips.run(request, None)
}

/// Checks what can be checked without a network: the database, the passwords of its tokens, the
/// signer, and the CA's URL if there is a profile.
///
/// # Errors
/// As [`obtain`] before anything is sent.
pub fn check(spec: &ObtainSpec, applicant: &Applicant) -> Result<()> {
    if spec.connection.profile.as_deref().is_some_and(|profile| !profile.is_empty()) {
        spec.connection.submit_url()?;
    }
    let signer = signer(spec, applicant)?;
    let needs = needs(spec, signer.as_deref());
    let session = Session::open(&spec.database, Access::ReadOnly, needs, &spec.passwords)?;
    if let Applicant::Signer(_) = applicant {
        let identity = identity(&session, spec, applicant)?;
        spec.connection.transport(Some(&session.database), Some(identity)).map(drop)?;
    }
    session.close()
}

/// Looks up the certificate for a request that the CA held back, in the CA's records: the
/// newest valid one with the request's subject and key, not before `since`, and not `old` (DER).
/// `None` if there is none yet. It is proven as in [`obtain`].
///
/// # Errors
/// [`Kind::Pending`] when the CA does not show its records; else as [`obtain`].
pub fn look_up(
    spec: &ObtainSpec,
    request: &Request,
    since: DateTime<Utc>,
    old: Option<&[u8]>,
) -> Result<Option<Obtained>> {
    let needs = Needs { token: &spec.token, ..Needs::default() };
    let session = Session::open(&spec.database, Access::ReadOnly, needs, &spec.passwords)?;
    let asked = Asked::of(request)?;
    match in_records(&session, spec, request, since, old)? {
        Some(proven) => done(session, proven, &asked).map(Some),
        None => session.close().map(|()| None),
    }
}

fn in_records(
    session: &Session,
    spec: &ObtainSpec,
    request: &Request,
    since: DateTime<Utc>,
    old: Option<&[u8]>,
) -> Result<Option<Proven>> {
    let Some(subject) = request.subject() else { return Ok(None) };
    let mut transport = spec.connection.transport(Some(&session.database), None)?;
    let mut records = Records::new(&mut transport, &spec.connection.ca);
    let wanted = |der: &[u8]| {
        old != Some(der) && certificate::read(der).is_ok_and(|new| new.not_before >= since)
    };
    let record = match records.by_key(subject, request.spki(), &wanted)? {
        Lookup::Found(record) => record,
        Lookup::Absent => return Ok(None),
        Lookup::Silent(why) => {
            let what = "cannot look up the certificate of the pending request at the CA";
            return Err(Error::new(Kind::Pending, what).because(why));
        }
    };
    let Some(der) = record.certificate.filter(|_| record.state == State::Valid) else {
        return Ok(None);
    };
    verify_response::ours(session, vec![der], request.spki()).map(Some)
}

/// Returns the nickname of the signer, if one signs, as [`Needs`] takes it.
fn signer(spec: &ObtainSpec, applicant: &Applicant) -> Result<Option<String>> {
    match applicant {
        Applicant::Signer(nickname) => qualified(spec, nickname).map(Some),
        Applicant::Renewed(_) | Applicant::SharedSecret(_) => Ok(None),
    }
}

fn needs<'a>(spec: &'a ObtainSpec, signer: Option<&'a str>) -> Needs<'a> {
    Needs {
        token: &spec.token,
        key: signer.is_none(),
        signer,
        signer_database: spec.signer_database.as_deref().filter(|_| signer.is_some()),
        ..Needs::default()
    }
}

fn qualified(spec: &ObtainSpec, nickname: &str) -> Result<String> {
    match &spec.signer_database {
        Some(_) => in_signer_database(nickname),
        None => Ok(nickname.to_owned()),
    }
}

/// Returns the signer, who must be valid now.
fn identity(session: &Session, spec: &ObtainSpec, applicant: &Applicant) -> Result<Identity> {
    let identity = match applicant {
        Applicant::Signer(nickname) => session.identity(&qualified(spec, nickname)?)?,
        Applicant::Renewed(der) => renewed(session, der)?,
        Applicant::SharedSecret(_) => {
            return Err(Error::new(Kind::Internal, "a shared secret has no certificate"));
        }
    };
    signer::check(&identity)?;
    Ok(identity.for_several_signatures())
}

fn renewed(session: &Session, der: &[u8]) -> Result<Identity> {
    let certificate = session.database.decode_certificate(der)?;
    let key = key_for(&session.database, &session.token, certificate.spki()).map_err(|e| {
        let database = session.database.name();
        let what = format!("key of the certificate to be renewed not found in {database}");
        Error::new(e.kind(), what).because(e)
    })?;
    let issuers = session.issuers(der)?;
    Ok(Identity { certificate: Rc::new(certificate), issuers, key: Rc::new(key) })
}

/// Returns the key of a request, from the database.
fn own_key(session: &Session, request: &Request) -> Result<RequestKey> {
    // NSS sets CKA_ID of every key to the SHA-1 of its modulus or point.
    let id = session.database.hash(Digest::Sha1, &x509::public_value(request.spki())?)?;
    let key = RequestKey::find(session, &keyid::to_hex(&id)).map_err(|e| {
        let what = format!("key of the request not found in {}", session.database.name());
        Error::new(e.kind(), what)
            .because("with a shared secret, the request is signed again with its key")
            .hint("request the certificate with its key in that database")
    })?;
    check_key(key.private()?, &id, request.spki())?;
    Ok(key)
}

/// Returns a request with the names of `request` and the key identifier by which the CA finds the
/// signer.
fn identified(session: &Session, request: &Request, key: &RequestKey) -> Result<Request> {
    let subject = request
        .subject()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Error::new(Kind::Input, "the certificate request has no subject"))?;
    let extensions =
        request.extensions().iter().filter(|e| !e.is(oid::CE_SUBJECT_KEY_IDENTIFIER)).cloned();
    let spec = CsrSpec {
        subject,
        format: Format::Pkcs10,
        extensions: Extensions::of(extensions.collect()),
        key_identifier: true,
        digests: Digests::ByStrength,
    };
    Request::from_pkcs10(&csr::encode(session, &spec, key)?)
}

fn done(session: Session, proven: Proven, asked: &Asked) -> Result<Obtained> {
    let Proven { certificate, issuers, .. } = proven;
    let der = certificate.der().to_vec();
    let lacking = asked.lacking(&der).map_err(|e| {
        let (certificate, chain) = (Some(der.clone()), Some(issuers.clone()));
        e.sent().leftover(Leftover { certificate, chain, ..Leftover::default() })
    })?;
    drop(certificate);
    let not_closed = session.close().err();
    Ok(Obtained { certificate: der, issuers, missing_names: lacking.names, not_closed })
}
