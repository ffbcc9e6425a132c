//! The round trips of an enrollment, as many as the CA requires.

use zeroize::Zeroizing;

use super::confirm::Confirmation;
use crate::algorithm::Crypto;
use crate::asn1::Number;
use crate::asn1::certificate;
use crate::client::connection::{Config, Connection};
use crate::client::keys::key_for;
use crate::client::session::{Identity, Session};
use crate::client::{judge, pop};
use crate::cmc::control::Control;
use crate::cmc::message::{CmcSpec, Message, Signatory, build};
use crate::cmc::pop::Challenge;
use crate::cmc::proof::WitnessAlgorithms;
use crate::cmc::request::{Request, Sent};
use crate::cmc::response::{CmcStatus, Outcome, Response, Status};
use crate::error::{Error, Kind, Result};
use crate::nss::{KeyTransport, PrivateKey};
use crate::secret::Secret;

/// Who requests a certificate.
pub enum Requester {
    /// The holder of the certificate with this nickname: an agent or the user.
    Certificate(String),
    /// A user with a shared secret; the key to be certified signs.
    SharedSecret(Shared),
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

/// The CA and the requester of an enrollment.
pub(super) struct RoundTrips<'a> {
    /// The database with keys and trust, and the token that is searched first.
    pub(super) session: &'a Session,
    /// Who requests the certificate.
    pub(super) requester: &'a Requester,
    /// The CA and how to connect.
    pub(super) config: &'a Config,
}

impl RoundTrips<'_> {
    /// Requests a certificate: in one round trip; in two when the CA requires proof of possession
    /// by decryption (RFC 5272 §6.7); and in a further one when it requires a confirmation. `key`
    /// is the key to be certified; if it isn't given, it is looked up when needed. Returns the
    /// certificates of the response (DER).
    ///
    /// # Errors
    /// As [`Connection::send`]; [`Kind::Rejected`], [`Kind::Pending`], [`Kind::PopRequired`]. A
    /// refusal of this very request is [settled](Error::is_settled).
    pub(super) fn run(&self, request: &Request, key: Option<&PrivateKey>) -> Result<Vec<Vec<u8>>> {
        let bare = CmcSpec { requests: vec![request.clone()], ..CmcSpec::default() };
        let mut spec = CmcSpec { requests: bare.requests.clone(), ..CmcSpec::default() };
        fresh(&mut spec, &self.session.database)?;
        let (mut message, identity) = self.message(spec, request, key)?;
        let mut connection = Connection::open(self.config, &self.session.database, identity)?;
        let mut response = connection.send(&message.der, &message.sent)?;
        if matches!(self.requester, Requester::Certificate(_))
            && connection.endpoint().takes_no_controls(&response)
        {
            message = self.message(bare, request, key).map_err(Error::sent)?.0;
            response = connection.send(&message.der, &message.sent).map_err(Error::sent)?;
        }
        let confirmation = Confirmation { session: self.session, requester: self.requester };
        let signer = match (response.outcome(), self.requester) {
            (Outcome::Invalid(e), _) => return Err(e.sent()),
            (Outcome::PopRequired, Requester::Certificate(signer)) => signer,
            _ => {
                let issued =
                    confirmation.issued(&mut connection, &response, &message.sent, request, key);
                return issued.map_err(|e| settled(e, &response, &message.sent, request));
            }
        };
        // The CA has the request and waits for its proof of possession.
        let (second, sent) =
            self.prove(&response, &message.sent, request, key, signer).map_err(Error::sent)?;
        let response = connection.send(&second, &sent).map_err(Error::sent)?;
        let issued = confirmation.issued(&mut connection, &response, &sent, request, key);
        issued.map_err(|e| settled(e, &response, &sent, request))
    }

    /// Returns the message of the second round trip, which proves that the key can decrypt.
    fn prove(
        &self,
        response: &Response,
        sent: &Sent,
        request: &Request,
        key: Option<&PrivateKey>,
        signer: &str,
    ) -> Result<(Zeroizing<Vec<u8>>, Sent)> {
        let database = &self.session.database;
        let challenge = Challenge::from_response(response)?;
        let spki = request.spki();
        if challenge.request().spki() != spki {
            return Err(Error::new(
                Kind::BadReply,
                "key in the CA's challenge does not match the request",
            )
            .hint("the response may belong to another request; nothing was decrypted"));
        }
        let found;
        let key = match key {
            Some(key) => key,
            None => {
                found = key_for(database, &self.session.token, spki)?;
                &found
            }
        };
        let signer = self.session.identity(signer)?;
        let signatory = Signatory::from(&signer);
        let first = KeyTransport::Pkcs1;
        let (more, sent) = pop::go_on(sent, response, database)?;
        let second = pop::answer(&challenge, key, first, signatory, &more, database)?;
        Ok((second, sent))
    }

    /// Returns the first message, and the identity for TLS.
    fn message(
        &self,
        mut spec: CmcSpec,
        request: &Request,
        key: Option<&PrivateKey>,
    ) -> Result<(Message, Option<Identity>)> {
        let database = &self.session.database;
        match self.requester {
            Requester::Certificate(nickname) => {
                let identity = self.session.identity(nickname)?;
                let identity = identity.for_several_signatures();
                let message = build(spec, Signatory::from(&identity), None, database)?;
                Ok((message, Some(identity)))
            }
            Requester::SharedSecret(shared) => {
                spec.identification = Some(shared.identification.clone());
                spec.shared_secret = Some(shared.secret.duplicate());
                spec.identity_proof = Some(shared.algorithms);
                spec.pop_link = shared.pop_link.then_some(shared.algorithms);
                let found = match key {
                    Some(_) => None,
                    None => Some(key_for(database, &self.session.token, request.spki())?),
                };
                let Some(key) = key.or(found.as_ref()) else {
                    return Err(Error::new(Kind::NotFound, "private key of the request not found"));
                };
                let message = build(spec, Signatory::RequestKey(key), Some(key), database)?;
                Ok((message, None))
            }
        }
    }
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
    judge::is_named(sent, response)
        && response.undecodable_status().is_none()
        && response.statuses().iter().all(refusal)
        && !response.certificates.iter().any(is_ours)
}
