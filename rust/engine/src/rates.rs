//! What each deployment costs: its own price in the configuration, that of its model's name, or the public list price.
//!
//! A deployment with a model is looked up once, when a configuration is prepared. An open provider serves whatever
//! name a client sends, so its models are looked up as they come and remembered, a bounded number of them.

use std::collections::HashMap;

use fastgate_core::prices::{Catalogue, Context, Rates, discounted, price_in};
use fastgate_core::tables::{Deployment, Tables, UnknownPrice};
use fastgate_core::usage::Usage;
use parking_lot::RwLock;

/// Names remembered per open provider. Clients choose the names: at the bound all are forgotten, and the few in use
/// come back at once.
const NAMES: usize = 1024;
/// No model has a longer name; a longer one is neither looked up nor remembered.
const NAME_BYTES: usize = 256;

/// Rates of all deployments of a configuration.
#[derive(Debug)]
pub struct RateBook {
    deployments: Vec<Entry>,
}

/// What an exchange comes to, in picodollars.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Priced {
    /// By the price list.
    pub list_pusd: i64,
    /// Less the discount that the provider's account gets.
    pub cost_pusd: i64,
}

#[derive(Debug)]
enum Entry {
    Fixed(Option<Rates>),
    ByName(RwLock<HashMap<Box<str>, Option<Rates>>>),
}

impl RateBook {
    pub(crate) fn prepare(tables: &Tables) -> Self {
        let entry = |deployment: &Deployment| {
            let own = tables.prices.get(&deployment.id).cloned().map(Rates::fixed);
            match (own, &deployment.model) {
                (Some(rates), _) => Entry::Fixed(Some(rates)),
                (None, Some(model)) => Entry::Fixed(find(tables, deployment, model)),
                (None, None) => Entry::ByName(RwLock::default()),
            }
        };
        Self { deployments: tables.deployments.iter().map(entry).collect() }
    }

    /// What an exchange with a deployment costs; `None` if that is unknown.
    ///
    /// `model` is the name the provider was asked for, and matters for open providers only.
    #[must_use]
    pub fn price(
        &self,
        tables: &Tables,
        deployment: usize,
        model: &str,
        usage: &Usage,
        now_unix_s: i64,
        context: Context<'_>,
    ) -> Option<Priced> {
        let price = self.with(tables, deployment, model, |rates| price_in(rates?, usage, now_unix_s, context))?;
        let discount_millionths = tables.providers[tables.deployments[deployment].provider].discount_millionths;
        let list_pusd = price.total_pusd;
        Some(Priced { list_pusd, cost_pusd: discounted(list_pusd, discount_millionths) })
    }

    /// The most that an exchange with a deployment can cost, in picodollars; `None` if nobody knows. A discount is not
    /// taken off: it is for the vendor to give, after the fact.
    #[must_use]
    pub fn bound_pusd(
        &self,
        tables: &Tables,
        deployment: usize,
        model: &str,
        (input_tokens, output_tokens): (u64, u64),
        has_media: bool,
    ) -> Option<u64> {
        let bound = self.with(tables, deployment, model, |rates| {
            // What is beyond any sum is more than any limit.
            rates.map(|rates| match rates.bound_pusd(input_tokens, output_tokens, has_media) {
                None if rates.meters_tokens() => Some(u64::MAX),
                bound => bound.map(i64::unsigned_abs),
            })
        });
        bound.flatten()
    }

    /// Whether policy lets a request through to a deployment: false if it is to block unknown prices, and this one is.
    #[must_use]
    pub fn admits(&self, tables: &Tables, deployment: usize, model: &str, now_unix_s: i64) -> bool {
        tables.billing.unknown_price == UnknownPrice::Allow
            || self.price(tables, deployment, model, &Usage::default(), now_unix_s, &[]).is_some()
    }

    fn with<T>(
        &self,
        tables: &Tables,
        deployment: usize,
        model: &str,
        use_rates: impl FnOnce(Option<&Rates>) -> T,
    ) -> T {
        let names = match &self.deployments[deployment] {
            Entry::Fixed(rates) => return use_rates(rates.as_ref()),
            Entry::ByName(names) => names,
        };
        if model.len() > NAME_BYTES {
            return use_rates(None);
        }
        if let Some(rates) = names.read().get(model) {
            return use_rates(rates.as_ref());
        }
        let rates = find(tables, &tables.deployments[deployment], model);
        let result = use_rates(rates.as_ref());
        let mut names = names.write();
        if names.len() >= NAMES {
            names.clear();
        }
        names.insert(model.into(), rates);
        result
    }
}

fn find(tables: &Tables, deployment: &Deployment, model: &str) -> Option<Rates> {
    if let Some(card) = tables.prices.get(model) {
        return Some(Rates::fixed(card.clone()));
    }
    let provider = &tables.providers[deployment.provider];
    Catalogue::bundled().find_at(&provider.base_url, &provider.id, model).map(|listing| listing.rates)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_780_315_200;

    fn tables(prices: &Value, unknown_price: &str) -> Tables {
        let timeouts = json!({"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1});
        let deployment = |id: &str, model: Option<&str>| json!({"id": id, "provider": 0, "model": model, "region": null, "timeouts": timeouts});
        crate::testing::tables(&json!({
            "providers": [{"id": "openai", "dialect": "openai", "base_url": "http://127.0.0.1:1", "credentials": [],
                "stream_usage": true, "headers": [], "proxy": null, "ca_file": null}],
            "deployments": [deployment("listed", Some("gpt-4o")), deployment("own", Some("gpt-4o")),
                deployment("unlisted", Some("mine")), deployment("open", None)],
            "open_providers": [{"deployment": 3, "prefixes": [], "any": true}],
            "prices": prices,
            "billing": {"unknown_price": unknown_price},
        }))
    }

    fn totals(tables: &Tables, names: [&str; 4]) -> [Option<i64>; 4] {
        let book = RateBook::prepare(tables);
        let usage = Usage { input_tokens: 1, ..Usage::default() };
        std::array::from_fn(|deployment| {
            // Twice: the second answer of an open provider is a remembered one.
            let price = || book.price(tables, deployment, names[deployment], &usage, NOW, &[]);
            assert_eq!(price(), price());
            price().map(|price| price.cost_pusd)
        })
    }

    #[test]
    fn own_prices_win_over_those_of_the_name_and_the_list() {
        let names = ["", "", "", "gpt-4o"];
        let listed = Some(2_500_000);
        assert_eq!(totals(&tables(&json!({}), "allow"), names), [listed, listed, None, listed]);
        let own = tables(&json!({"own": {"input": 7}, "mine": {"input": 3}}), "allow");
        assert_eq!(totals(&own, names), [listed, Some(7), Some(3), listed]);
        assert_eq!(totals(&own, ["", "", "", "mine"])[3], Some(3));
        assert_eq!(
            totals(&tables(&json!({"gpt-4o": {"input": 5}}), "allow"), names),
            [Some(5), Some(5), None, Some(5)]
        );
        assert_eq!(totals(&tables(&json!({"open": {"input": 0}}), "allow"), names)[3], Some(0));
    }

    #[test]
    fn a_discount_is_off_the_price_and_not_off_its_bound() {
        let mut tables = tables(&json!({"own": {"input": 7}}), "allow");
        tables.providers[0].discount_millionths = 500_000;
        let names = ["", "", "", "gpt-4o"];
        assert_eq!(totals(&tables, names), [Some(1_250_000), Some(4), None, Some(1_250_000)]);
        let book = RateBook::prepare(&tables);
        let usage = Usage { input_tokens: 3, ..Usage::default() };
        let priced = book.price(&tables, 1, "", &usage, NOW, &[]);
        assert_eq!(priced, Some(Priced { list_pusd: 21, cost_pusd: 10 }));
        assert_eq!(book.bound_pusd(&tables, 1, "", (3, 0), false), Some(21));
    }

    #[test]
    fn an_unknown_price_is_let_through_or_blocked_as_the_policy_says() {
        for (policy, admits_unknown) in [("allow", true), ("block", false)] {
            let tables = tables(&json!({}), policy);
            let book = RateBook::prepare(&tables);
            let admits = |deployment, model| book.admits(&tables, deployment, model, NOW);
            assert!(admits(0, "") && admits(3, "gpt-4o"));
            assert_eq!([admits(2, ""), admits(3, "mine"), admits(3, "whisper-1")], [admits_unknown; 3]);
        }
    }

    #[test]
    fn names_that_clients_invent_do_not_pile_up() {
        let tables = tables(&json!({}), "allow");
        let book = RateBook::prepare(&tables);
        for name in 0..3 * NAMES {
            assert_eq!(book.price(&tables, 3, &name.to_string(), &Usage::default(), NOW, &[]), None);
        }
        assert_eq!(book.price(&tables, 3, &"gpt-4o".repeat(50), &Usage::default(), NOW, &[]), None);
        let Entry::ByName(names) = &book.deployments[3] else { panic!("the provider is open") };
        assert!(names.read().len() <= NAMES);
    }
}
