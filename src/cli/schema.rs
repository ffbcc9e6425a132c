//! `nss-cmc schema`: the JSON Schema of the JSON output, made from the types that are printed.

use clap::Args;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::report::{LeftBehind, Report, SCHEMA};
use super::{
    HelpShown, bulk, ca, cert, certmonger, cmc, cmc_apart, config, csr, db, doctor, enroll_result,
    key, pkcs12, renew, revoke, shared_token, status, token, version,
};
use nss_cmc::error::{Error, Kind, Result};

/// Arguments of `schema`.
#[derive(Args)]
#[command(
    after_help = "The schema is JSON Schema, draft 2020-12. Additions don't change its version.\n\n\
                  Examples:\n  nss-cmc schema > nss-cmc-1.schema.json\n  nss-cmc schema cert import"
)]
pub struct SchemaArgs {
    /// The verb (`enroll`, `cert import`). Default: all verbs
    #[arg(value_name = "VERB")]
    verb: Vec<String>,
}

/// Returns the schema of a type.
type Make = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The result of each verb on success.
const RESULTS: &[(&str, Make)] = &[
    ("bulk", of::<bulk::BulkEnrolled>),
    ("ca chain", of::<ca::ChainFetched>),
    ("ca find", of::<ca::RecordsFound>),
    ("ca show", of::<ca::Recorded>),
    ("ca transport", of::<ca::TransportFetched>),
    ("cert export", of::<cert::Exported>),
    ("cert import", of::<cert::CertificateImported>),
    ("cert list", of::<cert::Certificates>),
    ("cert remove", of::<cert::CertificateRemoved>),
    ("cert show", of::<cert::Certificates>),
    ("cert trust", of::<cert::TrustChanged>),
    ("cert verify", of::<cert::CertificateVerified>),
    ("certmonger install", of::<certmonger::HelperInstalled>),
    ("cmc accept", of::<enroll_result::EnrollResult>),
    ("cmc build", of::<cmc_apart::RequestBuilt>),
    ("cmc send", of::<cmc::Sent>),
    ("cmc show", of::<cmc::MessageShown>),
    ("config show", of::<config::ConfigShown>),
    ("csr create", of::<csr::Created>),
    ("db create", of::<db::DatabaseCreated>),
    ("db password", of::<db::PasswordChanged>),
    ("db show", of::<db::Database>),
    ("doctor", of::<doctor::Diagnosis>),
    ("enroll", of::<enroll_result::EnrollResult>),
    ("help", of::<HelpShown>),
    ("key list", of::<key::Keys>),
    ("key remove", of::<key::KeyRemoved>),
    ("key rename", of::<key::KeyRenamed>),
    ("pkcs12 export", of::<pkcs12::FileExported>),
    ("pkcs12 import", of::<pkcs12::FileImported>),
    ("pkcs12 show", of::<pkcs12::FileShown>),
    ("renew", of::<renew::Renewals>),
    ("revoke", of::<revoke::Revocation>),
    ("schema", of::<SchemaShown>),
    ("shared-token", of::<shared_token::SharedToken>),
    ("status", of::<status::Statuses>),
    ("token check", of::<token::Checked>),
    ("token list", of::<token::Tokens>),
    ("version", of::<version::Version>),
];

/// Result of `schema`.
#[derive(Serialize, JsonSchema)]
pub struct SchemaShown {
    /// The JSON Schema.
    schema: Map<String, Value>,
}

/// Runs `schema`.
///
/// # Errors
/// [`Kind::Usage`] for an unknown verb.
pub fn run(args: &SchemaArgs) -> Result<Report> {
    let verb = args.verb.join(" ");
    let schema = match verb.as_str() {
        "" => document(RESULTS),
        verb => {
            let found: Vec<_> = RESULTS.iter().copied().filter(|(name, _)| *name == verb).collect();
            if found.is_empty() {
                return Err(Error::new(Kind::Usage, format!("schema of {verb:?} not found"))
                    .hint("list the commands: nss-cmc --help"));
            }
            document(&found)
        }
    };
    // Laid out in lines, for people and for a file under version control.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    let schema = schema.as_object().cloned().unwrap_or_default();
    let msg = format!("JSON Schema of {SCHEMA}");
    let mut report = Report::done("schema", "shown", false, msg).result(SchemaShown { schema });
    report.lines_only = true;
    Ok(report.line(text))
}

/// Returns the schema of the output of some verbs.
fn document(results: &[(&str, Make)]) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    // Reusable types are in `$defs`; the envelope is the document itself.
    let mut envelope = Report::json_schema(&mut generator);
    let left = of::<LeftBehind>(&mut generator);
    // Some of the certificates may be renewed.
    let renewals = of::<renew::Renewals>(&mut generator);
    let mut cases = vec![json!({
        "description": "A failed run, or one whose certificate isn't issued yet.",
        "if": { "properties": { "error": { "type": "object" } } },
        "then": { "properties": { "result": { "anyOf": [left, renewals, { "type": "null" }] } } },
    })];
    for (verb, make) in results {
        let result = make(&mut generator);
        cases.push(json!({
            "description": format!("A run of `{verb}` that didn't fail."),
            "if": { "properties": { "command": { "const": verb }, "error": { "type": "null" } } },
            "then": { "properties": { "result": result } },
        }));
    }
    cases.push(json!({
        "if": { "properties": { "failed": { "const": true } } },
        "then": { "properties": { "error": { "type": "object" } } },
    }));
    let definitions = generator.take_definitions(true);
    let object = envelope.ensure_object();
    object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    object.insert("$id".into(), json!(format!("urn:{}", SCHEMA.replace('/', ":"))));
    object.insert("title".into(), json!(format!("{SCHEMA}: JSON output of nss-cmc")));
    object.insert("allOf".into(), json!(cases));
    object.insert("$defs".into(), Value::Object(definitions));
    if let [(verb, _)] = results
        && let Some(command) = object.get_mut("properties").and_then(|p| p.get_mut("command"))
        && let Some(command) = command.as_object_mut()
    {
        command.insert("const".into(), json!(verb));
    }
    envelope.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names of all verbs.
    fn verbs(command: &clap::Command, before: &str) -> Vec<String> {
        if !command.has_subcommands() {
            return vec![before.to_owned()];
        }
        let inner = command.get_subcommands();
        inner.flat_map(|c| verbs(c, format!("{before} {}", c.get_name()).trim())).collect()
    }

    #[test]
    fn every_verb_has_a_schema() {
        let mut want = verbs(&crate::cli::command(), "");
        want.sort();
        let have: Vec<&str> = RESULTS.iter().map(|(verb, _)| *verb).collect();
        assert_eq!(have, want);
    }
}
