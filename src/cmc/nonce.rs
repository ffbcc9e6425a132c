//! Compares the nonce and the transaction ID of a response with those sent (RFC 5272 §6.6).

use super::control::{Control, ControlType};
use super::request::Sent;
use super::response::{CmcStatus, Response};
use crate::error::{Error, Kind, Result};

/// Checks that a response has the nonce and the transaction ID that were sent (RFC 5272 §6.6). A
/// refusal may lack both.
///
/// # Errors
/// [`Kind::BadReply`].
pub(crate) fn check(sent: &Sent, response: &Response) -> Result<()> {
    if response.controls.is_none() {
        // A Simple PKI Response has no controls.
        return Ok(());
    }
    let refused = response.statuses().iter().any(|s| s.status == CmcStatus::Failed);
    for (what, echo) in echoes(sent, response) {
        match echo {
            Echo::Ours | Echo::NotSent => {}
            // Replaying an old refusal gains an attacker nothing over cutting the connection.
            Echo::Missing if refused => {}
            Echo::Missing | Echo::Another => {
                let what = format!("response {what} does not match the request");
                return Err(Error::new(Kind::BadReply, what)
                    .hint("the response may belong to another request; nothing was imported"));
            }
        }
    }
    Ok(())
}

/// Returns whether a response belongs to the message sent: its nonce or transaction id matches, and
/// neither differs. Otherwise it may be about another request.
pub(crate) fn is_named(sent: &Sent, response: &Response) -> bool {
    let echoes = echoes(sent, response).map(|(_, echo)| echo);
    echoes.contains(&Echo::Ours) && !echoes.contains(&Echo::Another)
}

fn echoes(sent: &Sent, response: &Response) -> [(&'static str, Echo); 2] {
    let echo =
        |control, sent: bool, is_ours: &dyn Fn(&Control) -> bool| match response.control(control) {
            _ if !sent => Echo::NotSent,
            None => Echo::Missing,
            Some(echoed) if echoed.values.iter().flatten().any(is_ours) => Echo::Ours,
            Some(_) => Echo::Another,
        };
    let (nonce, id) = (sent.nonce.as_ref(), sent.transaction_id.as_ref());
    let our_nonce = |c: &Control| matches!(c, Control::RecipientNonce(n) if Some(n) == nonce);
    let our_id = |c: &Control| matches!(c, Control::TransactionId(n) if Some(n) == id);
    [
        ("nonce", echo(ControlType::RecipientNonce, nonce.is_some(), &our_nonce)),
        ("transaction id", echo(ControlType::TransactionId, id.is_some(), &our_id)),
    ]
}

/// How a response returns a value that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    NotSent,
    Missing,
    Ours,
    Another,
}
