//! Where a model's name leads: exact names first, then open providers.

use crate::tables::{OpenProvider, Route, Tables};

/// Where a model name leads.
#[derive(Debug)]
pub enum Resolution<'tables> {
    /// A route of the tables.
    Route(&'tables Route),
    /// An open provider, and the name it is to be asked for.
    Open {
        /// Index of the provider's deployment.
        deployment: usize,
        /// The model's name at the provider.
        model: &'tables str,
    },
    /// Nothing serves this name.
    Unknown,
}

/// Finds where a name leads: exact names first, then `provider/model` of an open provider, then vendor prefixes.
#[must_use]
pub fn resolve<'a>(tables: &'a Tables, model: &'a str) -> Resolution<'a> {
    if let Some(route) = tables.models.get(model) {
        return Resolution::Route(route);
    }
    match open(tables, model) {
        Some((deployment, model)) => Resolution::Open { deployment, model },
        None => Resolution::Unknown,
    }
}

/// The open provider's deployment that serves a name no route has, and the name there.
pub(super) fn open<'name>(tables: &Tables, model: &'name str) -> Option<(usize, &'name str)> {
    if let Some((prefix, rest)) = model.split_once('/') {
        let is_named = |open: &&OpenProvider| {
            let provider = tables.deployments[open.deployment].provider;
            tables.providers[provider].id == prefix
        };
        if let Some(open) = tables.open_providers.iter().find(is_named).filter(|_| !rest.is_empty()) {
            return Some((open.deployment, rest));
        }
    }
    let is_owner =
        |open: &&OpenProvider| open.any || open.prefixes.iter().any(|prefix| model.starts_with(prefix.as_str()));
    tables.open_providers.iter().find(is_owner).map(|open| (open.deployment, model))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Build, deployment, provider};
    use super::*;

    #[test]
    fn names_resolve_in_order() {
        let mut build = Build::default();
        build.providers = vec![provider("openai"), provider("groq")];
        build.deployments = vec![deployment("d0", 0), deployment("groq", 1)];
        build.deployments[1]["model"] = serde_json::Value::Null;
        build.open = serde_json::json!([{"deployment": 1, "prefixes": ["llama-"], "any": false}]);
        let tables = build.route("chat", &serde_json::json!([{"chain": [[0, 1]]}])).tables();
        assert!(matches!(resolve(&tables, "chat"), Resolution::Route(_)));
        assert!(matches!(resolve(&tables, "groq/llama-3/x"), Resolution::Open { model: "llama-3/x", deployment: 1 }));
        assert!(matches!(resolve(&tables, "llama-3"), Resolution::Open { model: "llama-3", .. }));
        assert!(matches!(resolve(&tables, "openai/gpt-4o"), Resolution::Unknown));
        assert!(matches!(resolve(&tables, "groq/"), Resolution::Unknown));
        assert!(matches!(resolve(&tables, "gpt-4o"), Resolution::Unknown));
    }
}
