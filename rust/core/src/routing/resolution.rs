//! Where a model's name leads that no table has: `provider/model` of an open provider, then vendor prefixes.

use crate::tables::{OpenProvider, Tables};

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
    use super::super::testing::{Build, Facts, deployment, provider};
    use super::super::{Asking, Policy, route};
    use super::*;

    #[test]
    fn names_resolve_in_order() {
        let mut build = Build::default();
        build.providers = vec![provider("openai"), provider("groq")];
        build.deployments = vec![deployment("d0", 0), deployment("groq", 1)];
        build.deployments[1]["model"] = serde_json::Value::Null;
        build.open = serde_json::json!([{"deployment": 1, "prefixes": ["llama-"], "any": false}]);
        let tables = build.route("chat", &serde_json::json!([{"chain": [[0, 1]]}])).tables();
        let chat = Asking { model: "chat", ..Asking::default() };
        let chain = route(&tables, &Policy::prepare(&tables), &chat, &Facts::default()).expect("a route");
        assert_eq!(chain.row, Some(0));
        assert_eq!(open(&tables, "groq/llama-3/x"), Some((1, "llama-3/x")));
        assert_eq!(open(&tables, "llama-3"), Some((1, "llama-3")));
        assert_eq!(open(&tables, "openai/gpt-4o"), None);
        assert_eq!(open(&tables, "groq/"), None);
        assert_eq!(open(&tables, "gpt-4o"), None);
    }
}
