//! Authentication of a message, by the rules of Dogtag's CMCAuth and CMCUserSignedAuth.

use crate::answer::{Failure, failure, invalid_credential};
use crate::certs::{name_text, parts};
use crate::cms::{Opened, Signature, Signer};
use crate::element::Refused;
use crate::profile::Authenticator;
use crate::request::Asked;
use crate::store::Store;

/// The authenticated sender.
pub enum Who {
    /// An agent; DER of the subject.
    Agent(Vec<u8>),
    /// A user with a certificate of this CA; DER of the subject.
    User(Vec<u8>),
    /// The holder of the key to be certified.
    Key,
    /// Unknown: the message is unsigned.
    Nobody,
}

/// Returns the sender, by the rules of the profile's authenticator.
pub fn authenticate(
    authenticator: Authenticator,
    opened: &Opened,
    requests: &[Asked],
    client: Option<&[u8]>,
    store: &Store,
    log: &mut Vec<String>,
) -> Result<Who, Failure> {
    match (authenticator, &opened.signer) {
        (Authenticator::Agent, Signer::Certificate(certificate, signature)) => {
            agent(certificate, signature, client, store).map_err(|why| {
                log.push(why);
                invalid_credential()
            })
        }
        (Authenticator::User, Signer::Certificate(certificate, signature)) => {
            user(certificate, signature, client, store, log)
        }
        (Authenticator::User, Signer::Key(id, signature)) => by_key(id, signature, requests),
        (Authenticator::User, Signer::Nobody) => Ok(Who::Nobody),
        _ => {
            log.push("not signed with a certificate".into());
            Err(invalid_credential())
        }
    }
}

fn agent(
    certificate: &[u8],
    signature: &Signature,
    client: Option<&[u8]>,
    store: &Store,
) -> Result<Who, Refused> {
    let signer = parts(certificate)?;
    let client = client.ok_or("no client certificate")?;
    if parts(client)?.subject != signer.subject {
        return Err("the TLS client is another than the signer".into());
    }
    signature.verify(signer.spki)?;
    if !store.is_agent(certificate) {
        return Err(format!("{} is no agent", name_text(signer.subject)));
    }
    Ok(Who::Agent(signer.subject.to_vec()))
}

/// Returns the user of a certificate. Expired certificates never come here: TLS refuses them.
fn user(
    certificate: &[u8],
    signature: &Signature,
    client: Option<&[u8]>,
    store: &Store,
    log: &mut Vec<String>,
) -> Result<Who, Failure> {
    let mut unverified = |why: Refused| {
        log.push(why);
        failure(2, "userToken null; verifySignerInfo failure")
    };
    let signer = parts(certificate).map_err(&mut unverified)?;
    let client = client.ok_or_else(|| failure(2, "No Client Certificate Found"))?;
    if parts(client).map_err(&mut unverified)?.subject != signer.subject {
        return Err(failure(
            2,
            "Invalid Credential.:SSL client authentication certificate and CMC signer do not match",
        ));
    }
    signature.verify(signer.spki).map_err(&mut unverified)?;
    if store.certificate(signer.serial).as_deref() != Some(certificate) {
        return Err(unverified("the signer's certificate is not of this CA".into()));
    }
    if store.is_revoked(signer.serial) {
        return Err(failure(2, "Invalid Credential.:CMC signing cert is a revoked certificate"));
    }
    Ok(Who::User(signer.subject.to_vec()))
}

/// Authenticates the holder of the key. Without requests there is no key, and nothing is verified.
fn by_key(id: &[u8], signature: &Signature, requests: &[Asked]) -> Result<Who, Failure> {
    for request in requests {
        let Some(own) = &request.key_id else {
            return Err(failure(
                2,
                "CMCUserSignedAuth: authenticate: SubjectKeyIdentifierExtension not found: missing \
                 SubjectKeyIdentifierExtension in request",
            ));
        };
        if own != id {
            return Err(failure(2, "CMCUserSignedAuth: verifySelfSignedCMC: Invalid Credential."));
        }
        signature.verify(&request.spki).map_err(|_| {
            failure(
                2,
                "CMCUserSignedAuth: verifySelfSignedCMC: java.security.SignatureException: \
                 encryptedDigest was not the correct signature",
            )
        })?;
    }
    Ok(Who::Key)
}
