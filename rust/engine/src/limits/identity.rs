//! Whose count it is, by name: what a limit counts per, in the words of the configuration.

use fastgate_core::json_object::JsonObject;
use fastgate_core::limits::Who;
use fastgate_core::tables::Tables;
use fastgate_core::tables::limits::Scope;

/// Every scope with its word.
pub(super) const SCOPES: [(Scope, &str); 7] = [
    (Scope::Tenant, "tenant"),
    (Scope::Tier, "tier"),
    (Scope::Key, "key"),
    (Scope::User, "user"),
    (Scope::Feature, "feature"),
    (Scope::Session, "session"),
    (Scope::Model, "model"),
];

/// The name of what is counted apart; `None` where a request has none.
pub(super) fn name<'a>(scope: Scope, who: &Who<'a>, tables: &'a Tables) -> Option<&'a str> {
    match scope {
        Scope::Tenant => Some(&tables.tenants[who.tenant].id),
        Scope::Tier => who.tier.map(|tier| tables.tiers[tier].id.as_str()),
        Scope::Key => who.key,
        Scope::User => who.user,
        Scope::Feature => who.feature,
        Scope::Session => who.session,
        Scope::Model => who.model,
    }
}

/// Writes the names of what is counted per as one JSON object.
pub(super) fn write(per: &[Scope], who: &Who<'_>, tables: &Tables, object: &mut JsonObject<'_>) {
    object.object("identity", |object| {
        for (scope, word) in SCOPES.iter().filter(|(scope, _)| per.contains(scope)) {
            if let Some(name) = name(*scope, who, tables) {
                object.text(word, name);
            }
        }
    });
}
