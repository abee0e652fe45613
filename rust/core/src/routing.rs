//! Which deployment answers: the model's name decides the chain, residency what is left of it, weight the pick.
//!
//! Randomness is an argument, so tests and replays repeat.

use crate::tables::{Member, Route, Tables};

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
    if let Some((prefix, rest)) = model.split_once('/') {
        let named = tables.open_providers.iter().find(|open| {
            let provider = tables.deployments[open.deployment].provider;
            tables.providers[provider].id == prefix
        });
        if let Some(open) = named.filter(|_| !rest.is_empty()) {
            return Resolution::Open { deployment: open.deployment, model: rest };
        }
    }
    let owner = tables
        .open_providers
        .iter()
        .find(|open| open.any || open.prefixes.iter().any(|prefix| model.starts_with(prefix.as_str())));
    match owner {
        Some(open) => Resolution::Open { deployment: open.deployment, model },
        None => Resolution::Unknown,
    }
}

/// Picks one of the eligible members by weight. `random` is uniform over all of `u64`.
///
/// Returns `None` when no member is eligible.
pub fn pick(members: &[Member], random: u64, is_eligible: impl Fn(usize) -> bool) -> Option<usize> {
    if let [only] = members {
        return is_eligible(only.deployment).then_some(only.deployment);
    }
    let eligible = || members.iter().filter(|member| is_eligible(member.deployment));
    let total: u64 = eligible().map(|member| u64::from(member.weight)).sum();
    // Multiply-shift maps the draw onto 0..total with a bias below 2⁻³² for any sane sum of weights.
    let mut mark = u64::try_from((u128::from(random) * u128::from(total)) >> 64).ok()?;
    for member in eligible() {
        let weight = u64::from(member.weight);
        if mark < weight {
            return Some(member.deployment);
        }
        mark -= weight;
    }
    None
}

/// Whether a tenant bound to `residency` may use a deployment in `region`.
#[must_use]
pub fn is_resident(residency: Option<&str>, region: Option<&str>) -> bool {
    residency.is_none() || residency == region
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tables() -> Tables {
        let mut tables: serde_json::Value = serde_json::from_str(include_str!("../tests/tables.json")).expect("JSON");
        let provider = |id: &str, base_url: &str| {
            json!({"id": id, "dialect": "openai", "base_url": base_url, "credentials": [], "stream_usage": true,
                "headers": [], "proxy": null, "ca_file": null})
        };
        let timeouts = json!({"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1});
        tables["providers"] = json!([provider("openai", "http://a"), provider("groq", "http://b")]);
        tables["deployments"] = json!([
            {"id": "d0", "provider": 0, "model": "gpt-4o", "region": "eu", "timeouts": timeouts},
            {"id": "groq", "provider": 1, "model": null, "region": null, "timeouts": timeouts},
        ]);
        tables["models"] =
            json!({"chat": {"budget_ms": null, "listed": true, "chain": [[{"deployment": 0, "weight": 1}]]}});
        tables["open_providers"] = json!([{"deployment": 1, "prefixes": ["llama-"], "any": false}]);
        Tables::from_json(tables.to_string().as_bytes()).expect("valid")
    }

    #[test]
    fn resolves_names_in_order() {
        let tables = tables();
        assert!(matches!(resolve(&tables, "chat"), Resolution::Route(_)));
        assert!(matches!(resolve(&tables, "groq/llama-3/x"), Resolution::Open { model: "llama-3/x", .. }));
        assert!(matches!(resolve(&tables, "llama-3"), Resolution::Open { model: "llama-3", .. }));
        assert!(matches!(resolve(&tables, "openai/gpt-4o"), Resolution::Unknown));
        assert!(matches!(resolve(&tables, "groq/"), Resolution::Unknown));
        assert!(matches!(resolve(&tables, "gpt-4o"), Resolution::Unknown));
    }

    #[test]
    fn residency_is_never_widened() {
        assert!(is_resident(None, None) && is_resident(None, Some("us")) && is_resident(Some("eu"), Some("eu")));
        assert!(!is_resident(Some("eu"), Some("us")) && !is_resident(Some("eu"), None));
    }

    proptest! {
        #[test]
        fn picks_only_eligible_members_and_each_in_its_share(
            weights in proptest::collection::vec(1_u32..100, 1..6), barred in any::<u8>(), random in any::<u64>(),
        ) {
            let members: Vec<Member> =
                weights.iter().enumerate().map(|(deployment, weight)| Member { deployment, weight: *weight }).collect();
            let is_eligible = |deployment: usize| barred & (1 << deployment) == 0;
            let picked = pick(&members, random, is_eligible);
            prop_assert_eq!(picked.is_some(), members.iter().any(|member| is_eligible(member.deployment)));
            prop_assert!(picked.is_none_or(is_eligible));
        }
    }

    #[test]
    fn shares_follow_weights() {
        let members = [Member { deployment: 0, weight: 3 }, Member { deployment: 1, weight: 1 }];
        let step = u64::MAX / 4000;
        let first = (0..4000).filter(|draw| pick(&members, draw * step, |_| true) == Some(0)).count();
        assert!((2990..=3010).contains(&first), "{first}");
    }
}
