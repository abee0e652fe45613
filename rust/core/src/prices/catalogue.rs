//! Public list prices, found by provider and model as the package `genai-prices` finds them: first match wins.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::clause::{Clause, Pattern};
use super::rates::{DatedRates, Rates};

const BUNDLED: &str = include_str!("../../data/prices.json");

/// Every model of the package, with its prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Where the prices come from.
    pub package: Box<str>,
    /// That package's version.
    pub version: Box<str>,
    providers: Box<[Provider]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    id: Box<str>,
    /// How addresses of its API begin.
    api: Pattern,
    #[serde(rename = "provider_match")]
    name_match: Option<Clause>,
    model_match: Option<Clause>,
    /// Providers whose models it serves too.
    #[serde(default)]
    fallback: Box<[Box<str>]>,
    models: Box<[Model]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    id: Box<str>,
    #[serde(rename = "match")]
    clause: Clause,
    prices: Arc<[DatedRates]>,
    #[serde(default)]
    variants: Arc<[DatedRates]>,
}

/// A model of the catalogue.
#[derive(Clone, Debug)]
pub struct Listing<'catalogue> {
    /// The provider's id in the catalogue.
    pub provider: &'catalogue str,
    /// The model's id in the catalogue.
    pub model: &'catalogue str,
    /// What it costs.
    pub rates: Rates,
}

impl Catalogue {
    /// The catalogue of this build, read on first use (a few milliseconds).
    #[must_use]
    pub fn bundled() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            #[expect(clippy::expect_used, reason = "the file is part of the build, and the tests read all of it")]
            serde_json::from_str(BUNDLED).expect("the bundled catalogue is valid")
        });
        &CATALOGUE
    }

    /// A model by its name at a provider. Without a provider the name decides, where it is one vendor's own
    /// (`gpt-…`, `claude…`). `None`: the provider or the model is unknown.
    #[must_use]
    pub fn find(&self, provider: Option<&str>, model: &str) -> Option<Listing<'_>> {
        let model = model.to_lowercase();
        let provider = match provider {
            Some(name) => self.provider(name)?,
            None => self.provider_of_model(&model)?,
        };
        self.listing(provider, &model)
    }

    /// A model at a configured provider: known by its address, else by its name, else by the model's own vendor.
    #[must_use]
    pub fn find_at(&self, base_url: &str, provider: &str, model: &str) -> Option<Listing<'_>> {
        let model = model.to_lowercase();
        let at = self.providers.iter().find(|known| known.api.begins(base_url));
        let provider = at.or_else(|| self.provider(provider)).or_else(|| self.provider_of_model(&model))?;
        self.listing(provider, &model)
    }

    fn provider(&self, name: &str) -> Option<&Provider> {
        let name = name.trim().to_lowercase();
        self.by_id(&name).or_else(|| {
            self.providers
                .iter()
                .find(|provider| provider.name_match.as_ref().is_some_and(|clause| clause.matches(&name)))
        })
    }

    fn by_id(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id.as_ref() == id)
    }

    fn provider_of_model(&self, model: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.model_match.as_ref().is_some_and(|clause| clause.matches(model)))
    }

    fn listing<'a>(&'a self, provider: &'a Provider, name: &str) -> Option<Listing<'a>> {
        let (owner, model) = self.model(provider, name).or_else(|| self.model(provider, &with_dashed_dates(name)?))?;
        // The owner's discounts are not this provider's.
        let variants = if std::ptr::eq(owner, provider) { model.variants.clone() } else { Arc::default() };
        let rates = Rates { standard: model.prices.clone(), variants };
        Some(Listing { provider: &provider.id, model: &model.id, rates })
    }

    fn model<'a>(&'a self, provider: &'a Provider, name: &str) -> Option<(&'a Provider, &'a Model)> {
        let fallbacks = provider.fallback.iter().filter_map(|id| self.by_id(id));
        std::iter::once(provider)
            .chain(fallbacks)
            .find_map(|owner| owner.models.iter().find(|model| model.clause.matches(name)).map(|model| (owner, model)))
    }
}

/// `gpt-5.2-20251211` as `gpt-5.2-2025-12-11`: routers write a model's date without dashes. `None` if nothing changes.
fn with_dashed_dates(name: &str) -> Option<String> {
    let mut dashed = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('-') {
        let (before, after) = rest.split_at(at + 1);
        dashed.push_str(before);
        rest = after;
        if let Some((digits, tail)) = after.split_at_checked(8)
            && (tail.is_empty() || tail.starts_with(['-', ':']))
            && is_date(digits)
        {
            let _ = write!(dashed, "{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]);
            rest = tail;
        }
    }
    dashed.push_str(rest);
    (dashed != name).then_some(dashed)
}

/// A day from 2000 to 2099, as `20251211`.
fn is_date(digits: &str) -> bool {
    if !digits.starts_with("20") || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let number = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u32>().ok());
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(4..6), number(6..8)) else { return false };
    let days = match month {
        2 if year % 4 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}
