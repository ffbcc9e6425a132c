//! Requests that the CA holds back: status pending, and queryPending (RFC 5272 §6.13). The profile's
//! name says for how long: `standin-pending-2` (or `standin-shared-pending-2`) issues when it is asked the second time;
//! `standin-pending-2-refused` refuses then, and `standin-pending-2-mute` without naming the request.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use der::Tag;

use crate::answer::{Controls, Failure, echoes, failure, pending, status_info};
use crate::auth::Who;
use crate::request::{Asked, Control, PkiData};

/// queryPending's number in id-cmc.
pub const QUERY_PENDING: u32 = 21;

const TRANSACTION_ID: u32 = 5;
const SENDER_NONCE: u32 = 6;
const RECIPIENT_NONCE: u32 = 7;

/// A request that is held back.
struct Held {
    asked: Asked,
    /// The subject of the certificate.
    subject: Vec<u8>,
    /// DER of the sender's name.
    sender: Option<Vec<u8>>,
    /// The transactionId, and the nonce that the CA sent, as SETs of values.
    transaction: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    /// How often it must be asked for.
    questions: u32,
    /// What happens then.
    end: String,
}

/// The requests that are held back, by pendToken.
#[derive(Default)]
pub struct HeldBack(BTreeMap<Vec<u8>, Held>);

/// The answer to a question.
pub enum Answered {
    /// Controls.
    Said(Controls),
    /// A certificate, for this request and subject.
    Granted(Box<Asked>, Vec<u8>),
}

/// Returns the DER of the sender's name: the signer's subject, or the user's whose secret proved the
/// identity.
pub fn sender(who: &Who, proved: Option<&Vec<u8>>) -> Option<Vec<u8>> {
    match who {
        Who::Agent(subject) | Who::User(subject) => Some(subject.clone()),
        Who::Key | Who::Nobody => proved.cloned(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

fn nonce(controls: &Controls) -> Option<Vec<u8>> {
    controls.iter().find(|(number, _)| *number == SENDER_NONCE).map(|(_, values)| values.clone())
}

impl HeldBack {
    /// Holds a request back, as the end of the profile's name says; returns the response.
    pub fn hold(
        &mut self,
        asked: &Asked,
        subject: &[u8],
        sender: Option<Vec<u8>>,
        how: &str,
        data: &PkiData<'_>,
    ) -> Controls {
        let (questions, end) = how.split_once('-').unwrap_or((how, ""));
        let token = (self.0.len() + 1).to_string().into_bytes();
        let mut controls = vec![(25, pending(&asked.id, &token, now()))];
        controls.extend(echoes(data));
        let held = Held {
            asked: asked.clone(),
            subject: subject.to_vec(),
            sender,
            transaction: data.control(TRANSACTION_ID).map(<[u8]>::to_vec),
            nonce: nonce(&controls),
            questions: questions.parse().unwrap_or(1),
            end: end.to_owned(),
        };
        self.0.insert(token, held);
        controls
    }

    /// Answers a question: it must be of the same sender and transaction, and repeat the CA's nonce.
    pub fn ask(
        &mut self,
        control: &Control<'_>,
        sender: Option<Vec<u8>>,
        data: &PkiData<'_>,
    ) -> Result<Answered, Failure> {
        let bad = |_| failure(2, "Invalid Request");
        let value = data.value(control.number).map_err(bad)?;
        let value = value.ok_or_else(|| failure(2, "queryPending without value"))?;
        let token = value.content_of(Tag::OctetString).map_err(bad)?;
        let held = self.0.get_mut(token).ok_or_else(|| failure(2, "unknown pendToken"))?;
        if sender.is_none() || sender != held.sender {
            return Err(failure(2, "the request is another sender's"));
        }
        if data.control(TRANSACTION_ID) != held.transaction.as_deref() {
            return Err(failure(2, "the transaction is another one"));
        }
        if data.control(RECIPIENT_NONCE) != held.nonce.as_deref() {
            return Err(failure(2, "the nonce is another one"));
        }
        let mut controls = echoes(data);
        held.nonce = nonce(&controls);
        held.questions = held.questions.saturating_sub(1);
        if held.questions > 0 {
            controls.insert(0, (25, pending(&held.asked.id, token, now())));
            return Ok(Answered::Said(controls));
        }
        match held.end.as_str() {
            "refused" => {
                let text = Some("an agent rejected it");
                controls.insert(0, (25, status_info(2, &held.asked.id, text, Some(2))));
                Ok(Answered::Said(controls))
            }
            "mute" => Err(failure(2, "ProfileSubmitCMCServlet authorization failure")),
            _ => Ok(Answered::Granted(Box::new(held.asked.clone()), held.subject.clone())),
        }
    }
}
