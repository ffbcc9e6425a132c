//! The round trips of an enrollment, as many as the CA requires.

use zeroize::Zeroizing;

use super::pending::Pended;
use crate::algorithm::{Crypto, Digests};
use crate::asn1::Number;
use crate::asn1::certificate;
use crate::client::connection::{Config, Connection};
use crate::client::find_key::key_for;
use crate::client::pop;
use crate::client::session::{Identity, Session};
use crate::client::verify_response::Proven;
use crate::cmc::control::Control;
use crate::cmc::message::{CmcSpec, Message, Signatory, build, seal};
use crate::cmc::nonce;
use crate::cmc::pop::Challenge;
use crate::cmc::proof::{SharedSecret, WitnessAlgorithms};
use crate::cmc::request::{PkiDataBuilder, Request, Sent};
use crate::cmc::response::{CmcStatus, Outcome, Response, Status};
use crate::error::{Error, Kind, Result};
use crate::nss::{KeyTransport, PrivateKey};
use crate::secret::Secret;

/// How the digest of the messages is chosen.
const DIGESTS: Digests = Digests::ByStrength;

/// Who requests a certificate.
pub enum Requester {
    /// The holder of the certificate with this nickname: an agent or the user.
    Certificate(String),
    /// A user with a shared secret; the key to be certified signs.
    SharedSecret(Shared),
    /// A user whom an EST server knows by the [login](Config::login), without a certificate. Only
    /// for requests without CMC ([`Config::simple`]).
    Login,
}

/// A user's shared secret.
pub struct Shared {
    /// The user's uid in the CA's directory.
    pub identification: String,
    /// The secret.
    pub secret: Secret,
    /// Whether to link the request to the secret (popLinkWitnessV2, RFC 5272 §6.3.1).
    pub pop_link: bool,
    /// Digest and MAC of the proofs.
    pub algorithms: WitnessAlgorithms,
}

/// A [`Requester`], looked up in the database.
pub(super) enum Asker<'a> {
    /// The holder of a certificate.
    Holder(Identity),
    /// A user with a shared secret.
    SharedSecret(&'a Shared),
    /// A user of an EST server.
    Login,
}

/// The author of the messages of an enrollment.
pub(super) struct Author<'a> {
    /// The database with keys and trust, and the token that is searched first.
    pub(super) session: &'a Session,
    /// Who requests the certificate.
    pub(super) asker: Asker<'a>,
}

/// The author of the messages of an enrollment and the connection to the CA.
pub(super) struct RoundTrips<'a> {
    /// Who requests the certificate.
    pub(super) author: Author<'a>,
    /// The connection to the CA.
    pub(super) connection: Connection<'a>,
    /// The transactionId and the CA's senderNonce of the last response that left the request open.
    pub(super) open: (Option<Number>, Option<Vec<u8>>),
}

impl<'a> RoundTrips<'a> {
    /// Prepares the connection of an author; nothing is sent.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(super) fn open(author: Author<'a>, config: &Config) -> Result<RoundTrips<'a>> {
        let client = match &author.asker {
            Asker::Holder(identity) => Some(identity.clone()),
            Asker::SharedSecret(_) | Asker::Login => None,
        };
        match author.asker {
            Asker::Login if !config.simple => return Err(cannot_sign()),
            Asker::Login if config.login.is_none() => {
                return Err(Error::new(Kind::Usage, "no client is named for the EST server")
                    .hint("add --signer NICKNAME or --est-user NAME"));
            }
            _ => {}
        }
        let connection = Connection::open(config, &author.session.database, client)?;
        Ok(RoundTrips { author, connection, open: (None, None) })
    }

    /// Requests a certificate: in one round trip; in two when the CA requires proof of possession
    /// by decryption (RFC 5272 §6.7); and in a further one when it requires a confirmation. `key`
    /// is the key to be certified; if it isn't given, it is looked up when needed.
    ///
    /// # Errors
    /// As [`Connection::send`] and [`ours`](crate::client::verify_response::ours); [`Kind::Rejected`],
    /// [`Kind::Pending`], [`Kind::PopRequired`]. A refusal of this very request is
    /// [settled](Error::is_settled).
    pub(super) fn run(&mut self, request: &Request, key: Option<&PrivateKey>) -> Result<Proven> {
        if self.connection.endpoint().is_simple() {
            return self.simply(request);
        }
        let first = self.author.first(request, key)?;
        self.submit(first, request, key)
    }

    /// Sends the first message for a request, and what the CA requires after that.
    ///
    /// # Errors
    /// As [`RoundTrips::run`].
    fn submit(
        &mut self,
        first: Message,
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<Proven> {
        let Message { der, mut sent, .. } = first;
        let mut response = self.connection.request(&der, &sent)?;
        let mut outcome = response.outcome();
        if matches!(self.author.asker, Asker::Holder(_))
            && self.connection.endpoint().takes_no_controls(&outcome)
        {
            let message = self.author.message(bare(request), request, key).map_err(Error::sent)?;
            sent = message.sent;
            response = self.connection.request(&message.der, &sent).map_err(Error::sent)?;
            outcome = response.outcome();
        }
        // The CA has the request and waits for its proof of possession.
        if let (Outcome::PopRequired, Asker::Holder(signer)) = (&outcome, &self.author.asker) {
            let proof = self.author.prove(&response, &sent, request, key, signer);
            let (second, now) = proof.map_err(Error::sent)?;
            response = self.connection.request(&second, &now).map_err(Error::sent)?;
            sent = now;
            outcome = response.outcome();
        }
        self.conclude(outcome, &response, &sent, request, key)
    }

    /// Asks for the result of a request that the CA holds back (queryPending, RFC 5272 §6.13). `key`
    /// is as for [`RoundTrips::run`].
    ///
    /// # Errors
    /// As [`RoundTrips::run`].
    pub(super) fn poll(
        &mut self,
        pended: &Pended,
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<Proven> {
        let nonce = self.author.session.database.random(16)?;
        let mut controls = vec![Control::QueryPending(pended.info.token.clone())];
        controls.push(Control::SenderNonce(nonce.clone()));
        controls.extend(pended.nonce.clone().map(Control::RecipientNonce));
        controls.extend(pended.transaction_id.clone().map(Control::TransactionId));
        let message = self.author.controls_only(&controls, request, key)?;
        let sent = Sent { nonce: Some(nonce), transaction_id: pended.transaction_id.clone() };
        let response = self.connection.request(&message, &sent)?;
        self.conclude(response.outcome(), &response, &sent, request, key)
    }

    /// Returns the certificate of the last response.
    fn conclude(
        &mut self,
        outcome: Outcome,
        response: &Response,
        sent: &Sent,
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<Proven> {
        // One that can't be decoded can't be repeated either.
        let nonce = response.sender_nonce().unwrap_or_default().map(<[u8]>::to_vec);
        self.open = (sent.transaction_id.clone(), nonce);
        let issued = self.issued(outcome, response, sent, request, key);
        let issued = issued.map(|proven| Proven { unsigned: response.signers == 0, ..proven });
        issued.map_err(|e| settled(e, response, sent, request))
    }
}

impl Author<'_> {
    /// Returns the first message for a request, with a nonce and a transaction id of its own. `key`
    /// is as in [`RoundTrips::run`].
    ///
    /// # Errors
    /// As [`build`].
    pub(super) fn first(&self, request: &Request, key: Option<&PrivateKey>) -> Result<Message> {
        let mut spec = bare(request);
        fresh(&mut spec, &self.session.database)?;
        self.message(spec, request, key)
    }

    /// Returns a message with controls only, authenticated as the request was.
    pub(super) fn controls_only(
        &self,
        controls: &[Control],
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let Session { database, token, .. } = self.session;
        let mut builder = PkiDataBuilder::default();
        for control in controls {
            builder.add(control)?;
        }
        let shared = match &self.asker {
            Asker::Holder(identity) => {
                return seal(builder, Signatory::from(identity), &[], DIGESTS, database);
            }
            Asker::SharedSecret(shared) => shared,
            Asker::Login => return Err(cannot_sign()),
        };
        builder.add(&Control::Identification(shared.identification.clone()))?;
        let known = SharedSecret {
            secret: shared.secret.bytes(),
            identification: Some(&shared.identification),
        };
        let over = builder.request_sequence()?;
        let witness = known.witness(shared.algorithms, &over, database)?;
        builder.add(&Control::IdentityProofV2(Box::new(witness)))?;
        let found = match key {
            Some(_) => None,
            None => Some(key_for(database, token, request.spki())?),
        };
        let Some(key) = key.or(found.as_ref()) else {
            return Err(Error::new(Kind::NotFound, "private key of the request not found"));
        };
        let requests = std::slice::from_ref(request);
        seal(builder, Signatory::RequestKey(key), requests, DIGESTS, database)
    }

    /// Returns the message of the second round trip, which proves that the key can decrypt.
    fn prove(
        &self,
        response: &Response,
        sent: &Sent,
        request: &Request,
        key: Option<&PrivateKey>,
        signer: &Identity,
    ) -> Result<(Zeroizing<Vec<u8>>, Sent)> {
        let challenge = Challenge::from_response(response)?;
        let spki = request.spki();
        if challenge.request().spki() != spki {
            return Err(Error::new(
                Kind::BadReply,
                "key in the CA's challenge does not match the request",
            )
            .hint("the response may belong to another request; nothing was decrypted"));
        }
        let Session { database, token, .. } = self.session;
        let found;
        let key = match key {
            Some(key) => key,
            None => {
                found = key_for(database, token, spki)?;
                &found
            }
        };
        let signatory = Signatory::from(signer);
        let first = KeyTransport::Pkcs1;
        let (more, sent) = pop::go_on(sent, response, database)?;
        let second = pop::answer(&challenge, key, first, signatory, &more, DIGESTS, database)?;
        Ok((second, sent))
    }

    /// Returns the message of a specification.
    fn message(
        &self,
        mut spec: CmcSpec,
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<Message> {
        let Session { database, token, .. } = self.session;
        match &self.asker {
            Asker::Holder(identity) => build(spec, Signatory::from(identity), None, database),
            Asker::SharedSecret(shared) => {
                spec.identification = Some(shared.identification.clone());
                spec.shared_secret = Some(shared.secret.duplicate());
                spec.identity_proof = Some(shared.algorithms);
                spec.pop_link = shared.pop_link.then_some(shared.algorithms);
                let found = match key {
                    Some(_) => None,
                    None => Some(key_for(database, token, request.spki())?),
                };
                let Some(key) = key.or(found.as_ref()) else {
                    return Err(Error::new(Kind::NotFound, "private key of the request not found"));
                };
                build(spec, Signatory::RequestKey(key), Some(key), database)
            }
            Asker::Login => Err(cannot_sign()),
        }
    }
}

/// Returns the error for a CMC request of a user who has a password only.
fn cannot_sign() -> Error {
    Error::new(Kind::Usage, "a user with a password cannot sign a CMC request")
        .hint("send the request alone, --simple, or sign it: --signer NICKNAME")
}

/// Returns the specification of a message with one request and no controls.
fn bare(request: &Request) -> CmcSpec {
    CmcSpec { requests: vec![request.clone()], ..CmcSpec::default() }
}

/// Adds a random senderNonce and a random transactionId (RFC 5272 §6.6), which relate the response
/// to the request.
fn fresh(spec: &mut CmcSpec, crypto: &dyn Crypto) -> Result<()> {
    spec.controls.push(Control::SenderNonce(crypto.random(16)?));
    spec.transaction_id = Some(Number::unsigned(&crypto.random(16)?));
    Ok(())
}

/// Marks the error of a response as sent, because the CA has the request; and as settled if the CA
/// refused this very request.
fn settled(error: Error, response: &Response, sent: &Sent, request: &Request) -> Error {
    let error = error.sent();
    match error.kind() == Kind::Rejected && refuses(response, sent, request) {
        true => error.settled(),
        false => error,
    }
}

/// Returns whether a response refuses exactly this request.
fn refuses(response: &Response, sent: &Sent, request: &Request) -> bool {
    let refusal = |s: &&Status| matches!(s.status, CmcStatus::Failed | CmcStatus::NoSupport);
    let is_ours = |der: &Vec<u8>| certificate::fields(der).is_ok_and(|f| f.spki == request.spki());
    nonce::is_named(sent, response)
        && response.undecodable_status().is_none()
        && response.statuses().iter().all(refusal)
        && !response.certificates.iter().any(is_ours)
}
