//! Whether a profile accepts a requester and a key, and the likely causes of a refusal that doesn't
//! explain itself.

use super::{Fact, Finding, Gap};
use crate::algorithm::KeySpec;
use crate::asn1::name::{dn_string, same_name};
use crate::asn1::summary::summary;
use crate::client::dogtag::profiles::{
    AGENTS, Account, Authenticator, Profile, Profiles, SubjectFrom,
};
use crate::client::dogtag::records::State;
use crate::client::status::{Recorded, recorded};
use crate::cmc::profile;
use crate::cmc::response::FailInfo;
use crate::error::{Error, Kind};
use crate::http::{Transport, Url};
use crate::text::quoted;

/// An agents' profile that every Dogtag CA has, for hints.
const AGENTS_PROFILE: &str = "caFullCMCUserCert";

/// A requester, as the CA sees it.
#[derive(Clone, Copy)]
pub(in crate::client) enum Who<'a> {
    /// The holder of a certificate (DER).
    Signer(&'a [u8]),
    /// A user with a shared secret.
    SharedSecret,
}

/// The CA's answer to a login with the signer's certificate.
#[derive(Debug)]
pub(in crate::client) enum Known {
    /// The certificate belongs to this user.
    As(Account),
    /// It belongs to no user of the CA.
    NoUser,
    /// Not asked, or no answer.
    Unknown,
}

/// Returns the error for a certificate that belongs to no user of the CA.
pub(super) fn no_user() -> Error {
    Error::new(Kind::Rejected, "the CA knows no user with the signer's certificate")
        .hint("add it to the agent's entry: pki ca-user-cert-add USER --input signer.pem")
}

/// Returns whether a profile accepts the requester's kind of authentication.
pub(super) fn authentication(
    profile: &Profile,
    who: Who<'_>,
    known: &Known,
    subject: Option<&[u8]>,
) -> Finding {
    let id = &profile.id;
    let refused = |why: String, hint: String| {
        let what = format!("profile {id} does not accept this requester");
        Finding::Wrong(Error::new(Kind::Rejected, what).because(why).hint(hint))
    };
    let by_secret = "use a shared secret: --identification UID --shared-secret-file FILE";
    match (&profile.authenticator, who) {
        (Authenticator::Agent, Who::SharedSecret) => refused(
            "an agent must sign the request; a shared secret is not accepted (CMCAuth)".into(),
            "use a profile for shared secrets: --profile caFullCMCSharedTokenCert".into(),
        ),
        (Authenticator::Agent, Who::Signer(_)) => match known {
            Known::As(account) if account.is_agent() => accepted(profile),
            Known::As(account) => refused(
                format!("user {} is not in the group {AGENTS} (CMCAuth)", account.id),
                format!(
                    "add the user: pki ca-group-member-add {} {}",
                    quoted(AGENTS),
                    quoted(&account.id)
                ),
            ),
            Known::NoUser => Finding::Wrong(no_user()),
            Known::Unknown => Finding::Open(Gap::After(super::Topic::Account)),
        },
        (Authenticator::User, Who::Signer(der)) => match profile.subject {
            SubjectFrom::Directory => refused(
                "a user with a shared secret must request the certificate".into(),
                by_secret.into(),
            ),
            SubjectFrom::Signer => own_subject(profile, der, subject),
            SubjectFrom::Request => accepted(profile),
        },
        (Authenticator::User, Who::SharedSecret) => match profile.subject {
            SubjectFrom::Signer => refused(
                "the user's certificate must sign the request".into(),
                "use a certificate: --signer NICKNAME".into(),
            ),
            SubjectFrom::Directory | SubjectFrom::Request => accepted(profile),
        },
        (Authenticator::AgentTls, _) => refused(
            "it accepts PKCS #10 requests without CMC (AgentCertAuth)".into(),
            format!("use a profile for CMC: --profile {AGENTS_PROFILE}"),
        ),
        (Authenticator::Est, _) => refused(
            "it serves the EST server only (CMCAuthForEST)".into(),
            "use the EST server: --ca https://HOST/.well-known/est".into(),
        ),
        (Authenticator::Nobody, _) => {
            let what =
                format!("profile {id} authenticates nobody: an agent must approve the request");
            let hint = format!("use a profile that issues at once: --profile {AGENTS_PROFILE}");
            Finding::Doubtful(Error::new(Kind::Pending, what).hint(hint))
        }
        (Authenticator::Other(_), _) => Finding::Open(Gap::NoRule),
    }
}

fn accepted(profile: &Profile) -> Finding {
    Finding::Fine(Fact::Authentication(profile.authenticator.name().to_owned()))
}

/// Compares the requested subject with the signer's, which such a profile takes instead.
fn own_subject(profile: &Profile, signer: &[u8], subject: Option<&[u8]>) -> Finding {
    let own = crate::asn1::certificate::fields(signer).map(|f| f.subject.to_vec());
    let (Ok(own), Some(subject)) = (own, subject) else { return accepted(profile) };
    if same_name(&own, subject) {
        return accepted(profile);
    }
    let text = |der: &[u8]| dn_string(der).unwrap_or_default();
    let what = format!("profile {} certifies its signer only", profile.id);
    Finding::Wrong(
        Error::new(Kind::Differs, what)
            .because(format!(
                "the certificate would get the subject {}, not {}",
                text(&own),
                text(subject)
            ))
            .hint(format!("as an agent, use an agents' profile: --profile {AGENTS_PROFILE}")),
    )
}

/// Returns whether a profile that can't be read fits, by what Dogtag ships under its id.
pub(super) fn by_name(id: &str, who: Who<'_>, known: &Known, why: Error) -> Finding {
    let doubt =
        |what: String, hint: &str| Finding::Doubtful(Error::new(Kind::Rejected, what).hint(hint));
    let shipped = profile::shipped(id);
    match (shipped, who, known) {
        (Some(profile::For::Agents), Who::SharedSecret, _) => doubt(
            format!("profile {id}, as Dogtag ships it, accepts agents only; it cannot be read"),
            "use a profile for shared secrets: --profile caFullCMCSharedTokenCert",
        ),
        (Some(profile::For::Agents), Who::Signer(_), Known::NoUser) => doubt(
            format!(
                "profile {id}, as Dogtag ships it, accepts agents only, and the signer is no user \
                 of the CA; it cannot be read"
            ),
            "add the certificate to the agent's entry: pki ca-user-cert-add USER --input signer.pem",
        ),
        (Some(profile::For::SharedSecrets), Who::Signer(_), _) => doubt(
            format!(
                "profile {id}, as Dogtag ships it, requires a shared secret; it cannot be read"
            ),
            "use a shared secret: --identification UID --shared-secret-file FILE",
        ),
        (Some(profile::For::Signers), Who::SharedSecret, _) => doubt(
            format!("profile {id}, as Dogtag ships it, requires a signer; it cannot be read"),
            "use a certificate: --signer NICKNAME",
        ),
        (Some(profile::For::BareRequests), ..) => doubt(
            format!("profile {id}, as Dogtag ships it, does not accept CMC; it cannot be read"),
            "use a profile for CMC: --profile caFullCMCUserCert",
        ),
        (Some(profile::For::EstServer), ..) => doubt(
            format!(
                "profile {id}, as Dogtag ships it, serves the EST server only; it cannot be read"
            ),
            "use the EST server: --ca https://HOST/.well-known/est",
        ),
        (Some(profile::For::Approval), ..) => doubt(
            format!(
                "profile {id}, as Dogtag ships it, has an agent approve each request; it cannot be \
                 read"
            ),
            "use a profile that issues at once: --profile caFullCMCUserCert",
        ),
        (Some(profile::For::Installation), ..) => doubt(
            format!(
                "profile {id}, as Dogtag ships it, is for Dogtag's own installation; it cannot be \
                 read"
            ),
            "use a profile for CMC: --profile caFullCMCUserCert",
        ),
        _ => Finding::Open(Gap::Failed(why)),
    }
}

/// Returns whether a profile accepts a key.
pub(super) fn key(profile: &Profile, key: Option<KeySpec>) -> Finding {
    let (Some(rule), Some(key)) = (&profile.keys, key) else { return Finding::Open(Gap::NoRule) };
    if rule.accepts(key) {
        return Finding::Fine(Fact::ProfileKey(key));
    }
    let key_type = if rule.key_type == "-" { "any type" } else { &rule.key_type };
    let error = Error::new(Kind::Rejected, format!("profile {} refuses {key} keys", profile.id))
        .because(format!("it accepts {key_type}: {}", rule.parameters.join(", ")));
    Finding::Wrong(match rule.example() {
        Some(example) => error.hint(format!("use such a key: --key-type {example}")),
        None => error.hint("use another profile: --profile ID"),
    })
}

/// Returns the error for a signer's certificate that is revoked or on hold.
pub(super) fn revoked(state: &State, der: &[u8]) -> Option<Error> {
    let hint = match state {
        State::OnHold => {
            let serial = summary(der).map(|s| s.serial_hex()).unwrap_or_default();
            format!("have an agent release it: nss-cmc revoke --release --serial {serial}")
        }
        State::Revoked { .. } => "use another signer: --signer NICKNAME".to_owned(),
        _ => return None,
    };
    let what = format!("the signer's certificate is {state} in the CA's records");
    Some(Error::new(Kind::Untrusted, what).hint(hint))
}

/// Returns whether an error is a refusal of the requester that leaves the cause open.
pub(in crate::client) fn is_unexplained(error: &Error) -> bool {
    let Some(detail) = error.cmc_detail() else { return false };
    let is = |info: FailInfo| detail.fail_info.as_deref() == info.name();
    let text = detail.text.as_deref().unwrap_or_default();
    error.kind() == Kind::Rejected
        && ((is(FailInfo::BAD_REQUEST)
            && (text.starts_with("Invalid Credential") || text.contains("authorization failure")))
            || (is(FailInfo::BAD_MESSAGE_CHECK) && text.is_empty())
            || is(FailInfo::BAD_IDENTITY))
}

/// Returns the likely causes of such a refusal. What can't be read is left out.
pub(in crate::client) fn causes(
    transport: &mut Transport<'_>,
    ca: &Url,
    profile: Option<&str>,
    who: Who<'_>,
) -> Vec<Error> {
    let mut found = Vec::new();
    if let Who::Signer(der) = who
        && let Ok(summary) = summary(der)
        && let Ok(Recorded::As(state)) = recorded(transport, ca, &summary)
    {
        found.extend(revoked(&state, der));
    }
    let mut service = Profiles::new(transport, ca);
    let known = match who {
        Who::Signer(_) => known(&mut service),
        Who::SharedSecret => Known::Unknown,
    };
    if let Some(id) = profile {
        let finding = match service.profile(id) {
            Ok(Some(profile)) => authentication(&profile, who, &known, None),
            Ok(None) => Finding::Open(Gap::NoRule),
            Err(e) => by_name(id, who, &known, e),
        };
        if let Finding::Wrong(e) | Finding::Doubtful(e) = finding {
            found.push(e);
        }
    }
    if matches!(known, Known::As(_)) {
        service.log_out();
    }
    found
}

/// Logs in with the signer's certificate.
fn known(service: &mut Profiles<'_, '_>) -> Known {
    match service.log_in() {
        Ok(Some(account)) => Known::As(account),
        Ok(None) => Known::NoUser,
        Err(_) => Known::Unknown,
    }
}
