//! The profiles, as Dogtag ships them.

use crate::certs::{alt_names, ca_extensions, ext_key_usage, extension, key_usage};
use crate::keys::KeyKind;

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// The keys that a profile accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Rsa,
    Ec,
    EcUser,
    Any,
}

/// Who may use a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticator {
    /// Agents, who sign (CMCAuth).
    Agent,
    /// Users with a certificate or a shared secret (CMCUserSignedAuth).
    User,
    /// Agents by their TLS certificate; the request is bare PKCS #10 (AgentCertAuth).
    AgentTls,
}

/// The source of the certificate's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The request.
    Request,
    /// The signer's certificate.
    Signer,
    /// The user's entry in the CA's directory.
    Directory,
}

/// One profile.
pub struct Profile {
    pub id: &'static str,
    pub authenticator: Authenticator,
    pub subject: Subject,
    keys: Keys,
    pub days: i64,
    /// Whether the subject must begin with the CN.
    cn_first: bool,
    usage: &'static [u8],
    purposes: &'static [&'static str],
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Server,
    Ocsp,
    Ca,
    /// With the requested alternative names.
    Asked,
}

const fn profile(
    id: &'static str,
    keys: Keys,
    usage: &'static [u8],
    purposes: &'static [&'static str],
    kind: Kind,
) -> Profile {
    let (authenticator, subject) = (Authenticator::Agent, Subject::Request);
    Profile { id, authenticator, subject, keys, days: 720, cn_first: true, usage, purposes, kind }
}

/// Returns a profile for users' certificates.
const fn user(
    id: &'static str,
    ec: bool,
    authenticator: Authenticator,
    subject: Subject,
) -> Profile {
    let (keys, usage): (_, &[u8]) =
        if ec { (Keys::EcUser, &[0, 1, 4]) } else { (Keys::Rsa, &[0, 1, 2]) };
    Profile {
        authenticator,
        subject,
        cn_first: false,
        days: 180,
        ..profile(id, keys, usage, &[CLIENT_AUTH, EMAIL_PROTECTION], Kind::Plain)
    }
}

const PROFILES: &[Profile] = &[
    Profile {
        cn_first: false,
        ..profile("caCMCserverCert", Keys::Rsa, &[0, 2, 3], &[SERVER_AUTH], Kind::Server)
    },
    Profile {
        cn_first: false,
        ..profile("caCMCECserverCert", Keys::Ec, &[0, 3, 4], &[SERVER_AUTH], Kind::Server)
    },
    profile("caCMCsubsystemCert", Keys::Rsa, &[0, 1, 2, 3], &[CLIENT_AUTH], Kind::Plain),
    profile("caCMCECsubsystemCert", Keys::Ec, &[0, 3, 4], &[CLIENT_AUTH], Kind::Plain),
    profile("caCMCauditSigningCert", Keys::Any, &[0, 1], &[], Kind::Plain),
    profile("caCMCocspCert", Keys::Any, &[], &[OCSP_SIGNING], Kind::Ocsp),
    profile("caCMCkraTransportCert", Keys::Rsa, &[0, 1, 2, 3], &[], Kind::Plain),
    profile("caCMCkraStorageCert", Keys::Rsa, &[0, 1, 2, 3], &[], Kind::Plain),
    Profile { days: 3000, ..profile("caCMCcaCert", Keys::Any, &[0, 1, 5, 6], &[], Kind::Ca) },
    user("caFullCMCUserCert", false, Authenticator::Agent, Subject::Request),
    user("caECFullCMCUserCert", true, Authenticator::Agent, Subject::Request),
    user("caCMCUserCert", false, Authenticator::Agent, Subject::Request),
    user("caCMCECUserCert", true, Authenticator::Agent, Subject::Request),
    // Dogtag ships these four disabled; here an administrator has enabled them.
    user("caFullCMCUserSignedCert", false, Authenticator::User, Subject::Signer),
    user("caECFullCMCUserSignedCert", true, Authenticator::User, Subject::Signer),
    user("caFullCMCSharedTokenCert", false, Authenticator::User, Subject::Directory),
    user("caECFullCMCSharedTokenCert", true, Authenticator::User, Subject::Directory),
    user("caSimpleCMCUserCert", false, Authenticator::AgentTls, Subject::Request),
    user("caECSimpleCMCUserCert", true, Authenticator::AgentTls, Subject::Request),
];

/// Returns the profile called `id`, if it exists and is enabled. Profiles for failures on demand
/// are server profiles for any key.
pub fn find(id: &str) -> Option<&'static Profile> {
    const ON_DEMAND: Profile = Profile {
        cn_first: false,
        ..profile("standin", Keys::Any, &[0, 2, 3], &[SERVER_AUTH], Kind::Server)
    };
    const NAMES: Profile = Profile { kind: Kind::Asked, ..ON_DEMAND };
    if id == "standin-names" {
        return Some(&NAMES);
    }
    const SHARED: Profile = Profile {
        authenticator: Authenticator::User,
        subject: Subject::Directory,
        kind: Kind::Plain,
        ..ON_DEMAND
    };
    if id.starts_with("standin-shared-") {
        return Some(&SHARED);
    }
    if id.starts_with("standin-") {
        return Some(&ON_DEMAND);
    }
    PROFILES.iter().find(|p| p.id == id)
}

/// A profile that Dogtag ships disabled.
const DISABLED: Profile = Profile {
    cn_first: false,
    ..profile("caCMCserverCertWithCRLDP", Keys::Rsa, &[0, 2, 3], &[SERVER_AUTH], Kind::Server)
};

/// Returns the profile called `id`, enabled or not.
pub fn known(id: &str) -> Option<&'static Profile> {
    if id == DISABLED.id { Some(&DISABLED) } else { find(id) }
}

impl Profile {
    /// Returns whether requests are accepted.
    pub fn is_enabled(&self) -> bool {
        self.id != DISABLED.id
    }

    /// Returns the type and the list of its key constraint.
    pub fn key_rule(&self) -> (&'static str, &'static str) {
        match self.keys {
            Keys::Rsa => ("RSA", "1024,2048,3072,4096"),
            Keys::Ec => ("EC", "nistp256,nistp384,nistp521"),
            Keys::EcUser => ("EC", "nistp256,nistp521"),
            Keys::Any => ("-", "1024,2048,3072,4096"),
        }
    }

    /// Returns the constraint that refuses this key or subject, in Dogtag's words.
    pub fn refuses(&self, key: KeyKind, subject: &str) -> Option<String> {
        let (kind, list) = self.key_rule();
        let actual = if matches!(key, KeyKind::Rsa(_)) { "RSA" } else { "EC" };
        if kind != "-" && kind != actual {
            return Some(format!("Key Type {actual} Not Matched"));
        }
        let fits = match key {
            KeyKind::Rsa(bits) => [1024, 2048, 3072, 4096].contains(&bits),
            KeyKind::P384 => self.keys != Keys::EcUser,
            KeyKind::P256 | KeyKind::P521 => true,
        };
        if !fits {
            return Some(format!("Key Parameters {list} Not Matched"));
        }
        let pattern = match self.kind {
            _ if self.cn_first => subject.starts_with("CN="),
            Kind::Server => subject.contains("CN="),
            _ => true,
        };
        (!pattern).then(|| "Subject Name Not Matched".to_owned())
    }

    /// Returns the profile's own extensions. Requested extensions are ignored, except alternative
    /// names where the profile accepts them.
    pub fn extensions(&self, subject: &str, spki: &[u8], names: Option<&[u8]>) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        if !self.usage.is_empty() {
            all.push(key_usage(self.usage));
        }
        if !self.purposes.is_empty() {
            all.push(ext_key_usage(self.purposes));
        }
        match self.kind {
            Kind::Plain => {}
            Kind::Asked => all.extend(names.map(<[u8]>::to_vec)),
            Kind::Ocsp => all.push(extension("1.3.6.1.5.5.7.48.1.5", false, &[5, 0])),
            Kind::Ca => all.extend(ca_extensions(spki)),
            Kind::Server => {
                let cn = subject.split(',').find_map(|part| part.strip_prefix("CN="));
                let host = |c: char| c.is_ascii_alphanumeric() || "-.*".contains(c);
                if let Some(cn) = cn.filter(|cn| cn.contains('.') && cn.chars().all(host)) {
                    all.push(alt_names(&[cn], &[]));
                }
            }
        }
        all
    }
}

/// Returns the default profile of a servlet.
pub fn servlet_default(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix("/ca/ee/ca/")?;
    Some(match name {
        "profileSubmitCMCFull" => "caFullCMCUserCert",
        "profileSubmitUserSignedCMCFull" => "caFullCMCUserSignedCert",
        // Not shipped since Dogtag 10.5, and so not found.
        "profileSubmitSelfSignedCMCFull" => "caFullCMCSelfSignedCert",
        "profileSubmitCMCSimple" => "caSimpleCMCUserCert",
        "profileSubmitCMCFullCACert" => "caCMCcaCert",
        "profileSubmitCMCFullServerCert" => "caCMCserverCert",
        "profileSubmitCMCFullSubsystemCert" => "caCMCsubsystemCert",
        "profileSubmitCMCFullOCSPCert" => "caCMCocspCert",
        "profileSubmitCMCFullAuditSigningCert" => "caCMCauditSigningCert",
        "profileSubmitCMCFullKRAtransportCert" => "caCMCkraTransportCert",
        "profileSubmitCMCFullKRAstorageCert" => "caCMCkraStorageCert",
        _ => return None,
    })
}
