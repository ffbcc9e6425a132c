//! Reads what the CA says of itself, of an account and of its enrollment profiles, through its REST
//! interface. Anybody may read the version; a profile can be read by agents and administrators, after
//! a login whose session is a cookie.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::rest::{Exception, Rest, member};
use crate::algorithm::KeySpec;
use crate::error::{Error, Kind, Result};
use crate::http::{Reply, Transport, Url};
use crate::text::{percent_encoded, printable};

/// The group whose members may sign requests to agents' profiles.
pub const AGENTS: &str = "Certificate Manager Agents";

/// Who may use a profile: Dogtag's authentication instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticator {
    /// CMCAuth: agents, who sign the request.
    Agent,
    /// CMCUserSignedAuth: users with a certificate or a shared secret.
    User,
    /// AgentCertAuth: agents by their TLS certificate; the request is bare PKCS #10.
    AgentTls,
    /// CMCAuthForEST: the EST server only.
    Est,
    /// None: an agent approves each request.
    Nobody,
    /// One that this program doesn't know.
    Other(String),
}

impl Authenticator {
    fn of(name: Option<&str>) -> Authenticator {
        match name.unwrap_or_default() {
            "" => Authenticator::Nobody,
            "CMCAuth" => Authenticator::Agent,
            "CMCUserSignedAuth" => Authenticator::User,
            "AgentCertAuth" => Authenticator::AgentTls,
            "CMCAuthForEST" => Authenticator::Est,
            other => Authenticator::Other(printable(other).into_owned()),
        }
    }

    /// Returns Dogtag's name; empty for none.
    pub fn name(&self) -> &str {
        match self {
            Authenticator::Agent => "CMCAuth",
            Authenticator::User => "CMCUserSignedAuth",
            Authenticator::AgentTls => "AgentCertAuth",
            Authenticator::Est => "CMCAuthForEST",
            Authenticator::Nobody => "",
            Authenticator::Other(name) => name,
        }
    }
}

/// The source of the certificate's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectFrom {
    /// The request, or a rule that this program doesn't know.
    Request,
    /// The signer's certificate.
    Signer,
    /// The directory entry of the user with the shared secret.
    Directory,
}

/// The keys that a profile accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// `RSA`, `EC`, `MLDSA`, `MLKEM`, or `-` for any.
    pub key_type: String,
    /// RSA sizes, curves, ML-DSA and ML-KEM parameter sets.
    pub parameters: Vec<String>,
}

impl KeyRule {
    /// Returns whether the rule accepts a key, as Dogtag applies it: curves are compared only if the
    /// type is EC.
    pub fn accepts(&self, key: KeySpec) -> bool {
        let (key_type, parameter) = match key {
            KeySpec::Rsa(bits) => ("RSA", bits.to_string()),
            KeySpec::Ec(curve) => ("EC", curve.name().to_owned()),
            KeySpec::MlDsa(set) => ("MLDSA", set.number().to_string()),
            KeySpec::MlKem(set) => ("MLKEM", set.number().to_string()),
        };
        let listed = || self.parameters.iter().any(|p| p.eq_ignore_ascii_case(&parameter));
        match self.key_type.as_str() {
            "-" => key_type == "EC" || listed(),
            own => own.eq_ignore_ascii_case(key_type) && listed(),
        }
    }

    /// Returns the first key of at least 2048 bits that the rule accepts.
    pub fn example(&self) -> Option<KeySpec> {
        let prefix = match self.key_type.as_str() {
            "EC" => "ec:",
            "MLDSA" => "mldsa:",
            "MLKEM" => "mlkem:",
            _ => "rsa:",
        };
        let keys = self.parameters.iter().filter_map(|p| format!("{prefix}{p}").parse().ok());
        keys.into_iter().find(|key| self.accepts(*key))
    }
}

/// An enrollment profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: String,
    /// Whether requests are accepted.
    pub enabled: bool,
    /// Whether the CA's web pages list it; CMC doesn't need that.
    pub visible: bool,
    /// Who may use it.
    pub authenticator: Authenticator,
    /// The source of the subject.
    pub subject: SubjectFrom,
    /// The keys that it accepts, if it has a rule for them.
    pub keys: Option<KeyRule>,
}

/// A user of the CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub id: String,
    /// The groups.
    pub roles: Vec<String>,
}

impl Account {
    /// Returns whether the user is an agent of the CA.
    pub fn is_agent(&self) -> bool {
        self.roles.iter().any(|role| role == AGENTS)
    }
}

/// A server's answer to the question who it is.
#[derive(Debug)]
pub struct About {
    /// Whether it is a Dogtag CA, else why that is not known.
    pub dogtag: Result<()>,
    /// Dogtag's version, if the server tells it.
    pub version: Option<String>,
    /// The server's clock (`Date` header).
    pub date: Option<DateTime<Utc>>,
}

/// The REST interface of one CA.
pub struct Profiles<'t, 'db> {
    rest: Rest<'t, 'db>,
}

impl<'t, 'db> Profiles<'t, 'db> {
    /// Prepares to query the CA at `ca`; only scheme, host and port of the URL are used. Nothing is
    /// sent yet.
    pub fn new(transport: &'t mut Transport<'db>, ca: &'t Url) -> Profiles<'t, 'db> {
        transport.keep_cookies();
        Profiles { rest: Rest::new(transport, ca).called("a record of Dogtag") }
    }

    /// Asks the server who it is, without a login.
    ///
    /// # Errors
    /// As [`Transport::get`], when there is no response in HTTP.
    pub fn about(&mut self) -> Result<About> {
        self.rest.transport.keep_transcript();
        self.rest.transport.transcript();
        let dogtag = self.rest.ask("info", None, |value| member(value, "Attributes").map(drop));
        let replies = self.rest.transport.transcript();
        let reply = replies.iter().find_map(|exchange| exchange.reply.as_ref());
        let (dogtag, reply) = match (dogtag, reply) {
            (dogtag, Some(reply)) => (dogtag, reply),
            (Err(e), None) => return Err(e),
            (Ok(()), None) => {
                return Err(Error::new(Kind::Internal, "the CA's response was not recorded"));
            }
        };
        let date = date_of(reply);
        let version = if dogtag.is_ok() { self.version()? } else { None };
        Ok(About { dogtag, version, date })
    }

    /// Returns the version of the server that the CA runs in, if it tells it.
    fn version(&mut self) -> Result<Option<String>> {
        let Some(url) = self.rest.api().map(|api| self.rest.beside(&format!("pki/{api}/info")))
        else {
            return Ok(None);
        };
        let reply = self.rest.transport.get(url.as_str(), super::rest::JSON)?;
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let version = body.as_ref().and_then(|body| member(body, "Version")?.as_str());
        Ok(version.map(|version| printable(version).into_owned()))
    }

    /// Logs in with the TLS client's certificate; `None` if it belongs to no user of the CA.
    ///
    /// # Errors
    /// As [`Transport::get`]; [`Kind::Http`].
    pub fn log_in(&mut self) -> Result<Option<Account>> {
        let read = |value: &Value| {
            let roles = member(value, "Roles")?;
            // Version 1 has the list in a member `Role`.
            let roles = roles.as_array().or_else(|| member(roles, "Role")?.as_array())?;
            let text = |value: &Value| value.as_str().map(|text| printable(text).into_owned());
            Some(Account {
                id: text(member(value, "id")?)?,
                roles: roles.iter().filter_map(text).collect(),
            })
        };
        match self.rest.ask("account/login", None, read) {
            Ok(account) => Ok(Some(account)),
            Err(e) if e.http_status() == Some(401) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Ends the login; its outcome doesn't matter.
    pub fn log_out(&mut self) {
        if let Some(api) = self.rest.api() {
            let url = self.rest.url(api, "account/logout");
            self.rest.transport.get(url.as_str(), super::rest::JSON).ok();
        }
    }

    /// Returns a profile; `None` if the CA has none with this id.
    ///
    /// # Errors
    /// As [`Transport::get`]; [`Kind::Http`], with status 403 without a login.
    pub fn profile(&mut self, id: &str) -> Result<Option<Profile>> {
        let path = format!("profiles/{}", percent_encoded(id));
        match self.rest.ask(&path, None, |value| profile(value).filter(|found| found.id == id)) {
            Ok(profile) => Ok(Some(profile)),
            Err(e) if Exception::of(&e).is_some_and(|x| x.class == "ProfileNotFoundException") => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Returns the server's clock.
fn date_of(reply: &Reply) -> Option<DateTime<Utc>> {
    let date = reply.header_lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim())
    })?;
    DateTime::parse_from_rfc2822(date).ok().map(|date| date.to_utc())
}

/// Reads a ProfileData.
fn profile(value: &Value) -> Option<Profile> {
    let mut found = Profile {
        id: member(value, "id")?.as_str()?.to_owned(),
        enabled: member(value, "enabled")?.as_bool()?,
        visible: member(value, "visible")?.as_bool()?,
        authenticator: Authenticator::of(member(value, "authenticatorId").and_then(Value::as_str)),
        subject: SubjectFrom::Request,
        keys: None,
    };
    for policy in policies(member(value, "PolicySets")?) {
        let class = |key: &str| {
            member(policy, key).and_then(|part| member(part, "classId")?.as_str()).unwrap_or("")
        };
        match class("constraint") {
            "keyConstraintImpl" => found.keys = member(policy, "constraint").and_then(key_rule),
            "cmcUserSignedSubjectNameConstraintImpl" => found.subject = SubjectFrom::Signer,
            "cmcSharedTokenSubjectNameConstraintImpl" => found.subject = SubjectFrom::Directory,
            _ => {}
        }
    }
    Some(found)
}

/// Returns the policies of the first set, which is that of a message's first request. Version 1 has
/// a list of sets below `PolicySet`, version 2 an object with a set for each name.
fn policies(sets: &Value) -> Vec<&Value> {
    let first = match member(sets, "PolicySet").and_then(Value::as_array) {
        Some(list) => list.first().and_then(|set| member(set, "value")),
        None => sets.as_object().and_then(|sets| sets.values().next()),
    };
    first.and_then(Value::as_array).map(|all| all.iter().collect()).unwrap_or_default()
}

/// Reads the values of a keyConstraintImpl.
fn key_rule(constraint: &Value) -> Option<KeyRule> {
    let values = member(constraint, "constraint").or_else(|| member(constraint, "constraints"))?;
    let value_of = |wanted: &str| {
        values.as_array()?.iter().find_map(|entry| {
            let name = member(entry, "id").or_else(|| member(entry, "name"))?.as_str()?;
            (name == wanted).then(|| member(entry, "value")?.as_str())?
        })
    };
    let clean = |text: &str| printable(text.trim()).into_owned();
    Some(KeyRule {
        key_type: clean(value_of("keyType")?),
        parameters: value_of("keyParameters")?.split(',').map(clean).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Profile {
        profile(&serde_json::from_str(json).unwrap()).unwrap()
    }

    /// Shortened from what Dogtag 10.10 and 11.10 send.
    #[test]
    fn profiles_of_both_versions() {
        let old = read(
            r#"{"id":"caCMCserverCert","enabled":true,"visible":false,"authenticatorId":"CMCAuth",
            "PolicySets":{"PolicySet":[{"value":[{"id":"1","def":{"classId":"x"},"constraint":
            {"classId":"keyConstraintImpl","constraint":[{"value":"RSA","id":"keyType"},
            {"value":"1024,2048, 3072","id":"keyParameters"}]}}],"id":"serverCertSet"}]}}"#,
        );
        let new = read(
            r#"{"id":"caCMCserverCert","enabled":true,"visible":false,"authenticatorId":"CMCAuth",
            "policySets":{"serverCertSet":[{"id":"1","constraint":{"classId":"keyConstraintImpl",
            "constraints":[{"name":"keyType","value":"RSA"},
            {"name":"keyParameters","value":"1024,2048,3072"}]}}]}}"#,
        );
        assert_eq!(old, new);
        let keys = old.keys.unwrap();
        assert_eq!(keys.example(), Some(KeySpec::Rsa(2048)));
        assert!(keys.accepts(KeySpec::Rsa(3072)) && !keys.accepts(KeySpec::Rsa(4096)));
        let own = read(
            r#"{"id":"x","enabled":false,"visible":true,"authenticatorId":null,"PolicySets":
            {"a":[{"constraint":{"classId":"cmcUserSignedSubjectNameConstraintImpl"}}]}}"#,
        );
        assert_eq!((own.subject, own.keys), (SubjectFrom::Signer, None));
        assert_eq!((own.authenticator, own.enabled), (Authenticator::Nobody, false));
    }

    #[test]
    fn any_curve_fits_a_rule_for_any_type() {
        let rule = |key_type: &str, parameters: &str| KeyRule {
            key_type: key_type.into(),
            parameters: parameters.split(',').map(str::to_owned).collect(),
        };
        let p384 = KeySpec::Ec(crate::algorithm::Curve::P384);
        assert!(rule("-", "2048,nistp256").accepts(p384));
        assert!(!rule("-", "2048,nistp256").accepts(KeySpec::Rsa(3072)));
        assert!(!rule("EC", "nistp256,nistp521").accepts(p384));
        assert!(!rule("RSA", "2048").accepts(p384));
        assert_eq!(rule("EC", "sect163k1,nistp521").example().unwrap().to_string(), "ec:nistp521");
        assert_eq!(rule("MLDSA", "44,65").example().unwrap().to_string(), "mldsa:44");
        assert_eq!(rule("MLKEM", "512,768").example().unwrap().to_string(), "mlkem:512");
    }
}
