//! A record as it is written down: one JSON object, its fields in the order of `docs/records.md`.

use fastgate_core::json_object::JsonObject;
use fastgate_core::limits::Amounts;
use fastgate_core::service_tier::ServiceTier;
use fastgate_core::telemetry::series::{TOKEN_CLASSES, by_class};
use fastgate_core::usage::Usage;

use crate::clock::{microseconds, milliseconds, since_1970};
use crate::record::{RECORD_VERSION, Record, STAGES};

/// Names of the classes of tokens, in the order of [`by_class`].
const TOKENS: [&str; TOKEN_CLASSES.len()] = [
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
];
/// Those that every answer has: they are written also when they are zero.
const ALWAYS_WRITTEN: [&str; 2] = ["input_tokens", "output_tokens"];

/// Writes a finished record behind what is in `into`.
pub(crate) fn write(record: &Record, into: &mut Vec<u8>) {
    let tables = &record.snapshot.tables;
    let deployment = record.deployment.map(|index| &tables.deployments[index]);
    let trace_id = record.trace.trace_id_hex();
    let mut object = JsonObject::begin(into);
    object.number("v", RECORD_VERSION);
    object.text("id", record.id.as_str());
    object.text("trace_id", std::str::from_utf8(&trace_id).unwrap_or_default());
    object.number("started_unix_us", microseconds(since_1970(record.started_at)));
    object.text("operation", record.operation);
    whose(record).write(&mut object);
    if !record.identity.tags.is_empty() {
        object.value("tags", |into| write_tags(&record.identity.tags, into));
    }
    object.text_or_null("model", record.model.as_deref());
    if let Some(model) = record.downgraded_to() {
        object.text("downgraded_to", model);
    }
    object.text_or_null("deployment", deployment.map(|deployment| deployment.id.as_str()));
    object.text_or_null("provider", deployment.map(|deployment| tables.providers[deployment.provider].id.as_str()));
    object.text_or_null("provider_model", record.provider_model.as_deref());
    object.number("attempts", record.attempts);
    if !record.trail.is_empty() {
        object.value("trail", |into| record.trail.write(tables, into));
    }
    if let Some(route) = &record.route {
        object.object("route", |object| route.write(tables, object));
    }
    if let Some(budget) = record.budget {
        object.number("budget_ms", milliseconds(budget));
    }
    if let Some(drill) = &record.drill {
        object.text("drill", drill.id());
    }
    if let Some(by) = record.counted_by {
        object.text("counted_by", by.name());
    }
    object.flag("stream", record.is_stream);
    object.number_or_null("status", record.status);
    object.text("outcome", record.outcome.name());
    object.text("fault", record.outcome.fault());
    match &record.usage {
        Some(usage) => object.object("usage", |object| write_usage(usage, object)),
        None => object.literal("usage", b"null"),
    }
    object.flag("usage_estimated", record.is_estimated);
    if record.is_truncated {
        object.flag("truncated", true);
    }
    object.text_or_null("service_tier", record.service_tier.map(ServiceTier::name));
    record.charge.write(&mut object);
    // What was refused is likely to be sent again, and no prompt that a model has seen.
    if let Some(hash) = record.prompt_hash.filter(|_| record.attempts > 0) {
        object.text("prompt_hash", &format!("{hash:016x}"));
    }
    object.number("request_bytes", record.request_bytes);
    object.number("overhead_us", microseconds(record.overhead()));
    object.number_or_null("first_content_us", record.first_content.map(microseconds));
    object.number("total_us", microseconds(record.total));
    object.object("stages_us", |object| {
        for (stage, name, _) in STAGES {
            object.number(name, microseconds(record.stages[stage as usize]));
        }
    });
    object.end();
}

pub(crate) fn write_usage(usage: &Usage, object: &mut JsonObject<'_>) {
    for (name, count) in TOKENS.into_iter().zip(by_class(usage)) {
        if count > 0 || ALWAYS_WRITTEN.contains(&name) {
            object.number(name, count);
        }
    }
}

/// Writes what an exchange may use at most, before it does.
pub(crate) fn write_reservation(record: &Record, bounds: &Amounts, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.number("v", RECORD_VERSION);
    object.text("type", "reservation");
    object.text("id", record.id.as_str());
    object.number("started_unix_us", microseconds(since_1970(record.started_at)));
    object.text("operation", record.operation);
    whose(record).write(&mut object);
    object.text_or_null("model", record.model.as_deref());
    object.number("input_tokens", bounds.input_tokens);
    object.number("output_tokens", bounds.output_tokens);
    object.number("cost_pusd", bounds.cost_pusd);
    object.end();
}

/// Whose an exchange is, as every record says it.
pub(crate) struct Whose<'a> {
    pub(crate) tenant: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) feature: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
}

impl Whose<'_> {
    pub(crate) fn write(&self, object: &mut JsonObject<'_>) {
        object.text_or_null("tenant", self.tenant);
        object.text_or_null("user", self.user);
        object.text_or_null("feature", self.feature);
        object.text_or_null("session", self.session);
        object.text_or_null("key", self.key);
    }
}

fn whose(record: &Record) -> Whose<'_> {
    let Record { identity, snapshot, .. } = record;
    Whose {
        tenant: record.tenant.map(|index| snapshot.tables.tenants[index].id.as_str()),
        user: identity.user.as_deref(),
        feature: identity.feature.as_deref(),
        session: identity.session.as_deref(),
        key: record.key.as_deref(),
    }
}

/// Their names are clients', so they are escaped.
fn write_tags(tags: &[(String, String)], into: &mut Vec<u8>) {
    let tags: serde_json::Map<_, _> = tags.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    // Text into memory: nothing here can fail.
    let _ = serde_json::to_writer(into, &tags);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_classes() {
        let named = TOKEN_CLASSES.map(|class| format!("{class}_tokens"));
        assert_eq!(TOKENS.map(str::to_owned), named);
    }
}
