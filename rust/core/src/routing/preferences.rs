//! What a client would rather have, as one header line: `x-fastgate-route: order=a,b; only=x; ignore=y; sort=price;
//! max-input-usd=2.5; max-output-usd=10; require=tools,json_schema`.
//!
//! Names are of deployments or providers. Preferences choose among what the key, residency and the policy table leave;
//! they never add. Amounts are decimal US dollars per million tokens, read from their text.

use super::CapabilitySet;
use super::policy::Policy;
use crate::tables::{CAPABILITIES, Latency};

/// Names and capabilities that one header may have in all.
const NAMES_MAX: usize = 32;

/// What a client would rather have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Preferences<'a> {
    /// Deployments or providers that go first, in this order.
    pub order: Vec<&'a str>,
    /// Deployments or providers beside which none is tried; empty: any.
    pub only: Vec<&'a str>,
    /// Deployments or providers that are not tried.
    pub ignore: Vec<&'a str>,
    /// What the whole chain is sorted by, in place of its steps.
    pub sort: Option<Sort>,
    /// The most that a million input tokens may cost.
    pub max_input_pusd: Option<i64>,
    /// The most that a million output tokens may cost.
    pub max_output_pusd: Option<i64>,
    /// What a deployment has to be capable of, whatever the request needs.
    pub require: CapabilitySet,
}

/// What a chain is sorted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sort {
    /// Lowest price of this request first.
    Price,
    /// Lowest latency first.
    Latency,
    /// Drawn by weight.
    Weight,
}

impl<'a> Preferences<'a> {
    /// Reads the header's text.
    ///
    /// # Errors
    /// A sentence that names the part, for the client.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let mut preferences = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let mut names_left = NAMES_MAX;
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not of the form key=value"))?;
            let (key, value) = (key.trim(), value.trim());
            if seen.contains(&key) {
                return Err(format!("`{key}` occurs twice"));
            }
            if value.is_empty() {
                return Err(format!("`{key}` has no value"));
            }
            preferences.set(key, value, &mut names_left)?;
            seen.push(key);
        }
        Ok(preferences)
    }

    fn set(&mut self, key: &'a str, value: &'a str, names_left: &mut usize) -> Result<(), String> {
        match key {
            "order" => self.order = names(key, value, names_left)?,
            "only" => self.only = names(key, value, names_left)?,
            "ignore" => self.ignore = names(key, value, names_left)?,
            "sort" => {
                self.sort = Some(match value {
                    "price" => Sort::Price,
                    "latency" => Sort::Latency,
                    "weight" => Sort::Weight,
                    _ => return Err(format!("sort: `{value}` is none of price, latency, weight")),
                });
            }
            "max-input-usd" => self.max_input_pusd = Some(picodollars(key, value)?),
            "max-output-usd" => self.max_output_pusd = Some(picodollars(key, value)?),
            "require" => {
                for name in names(key, value, names_left)? {
                    let known = CAPABILITIES.iter().find(|(_, known)| *known == name);
                    let (capability, _) = known.ok_or_else(|| {
                        let all: Vec<&str> = CAPABILITIES.iter().map(|(_, name)| *name).collect();
                        format!("require: `{name}` is none of {}", all.join(", "))
                    })?;
                    self.require.insert(*capability);
                }
            }
            _ => {
                return Err(format!(
                    "`{key}` is none of order, only, ignore, sort, max-input-usd, max-output-usd, require"
                ));
            }
        }
        Ok(())
    }

    /// Whether they look at a request's tokens, so that those have to be estimated.
    #[must_use]
    pub fn looks_at_needs(&self) -> bool {
        self.sort == Some(Sort::Price) || self.max_input_pusd.is_some() || self.max_output_pusd.is_some()
    }

    /// Refuses names that no deployment and no provider has: a misspelt one left out would do the opposite of what is
    /// meant.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn check(&self, policy: &Policy) -> Result<(), String> {
        for (part, names) in [("order", &self.order), ("only", &self.only), ("ignore", &self.ignore)] {
            if let Some(name) = names.iter().find(|name| !policy.knows(name)) {
                return Err(format!("{part}: no deployment and no provider is called `{name}`"));
            }
        }
        Ok(())
    }
}

fn names<'a>(key: &str, value: &'a str, names_left: &mut usize) -> Result<Vec<&'a str>, String> {
    let mut names = Vec::new();
    for name in value.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(format!("{key}: a name is empty"));
        }
        *names_left = names_left.checked_sub(1).ok_or_else(|| format!("{key}: more than {NAMES_MAX} names in all"))?;
        names.push(name);
    }
    Ok(names)
}

/// Decimal US dollars with up to 12 places, exactly.
fn picodollars(key: &str, value: &str) -> Result<i64, String> {
    let read = || {
        let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || fraction.len() > 12 {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        let fraction: i64 = format!("{fraction:0<12}").parse().ok()?;
        whole.checked_mul(1_000_000_000_000)?.checked_add(fraction)
    };
    read().ok_or_else(|| format!("{key}: `{value}` is not an amount like 2.5, below 9,000,000, with up to 12 decimals"))
}

/// Reads a class of latency as headers name it.
///
/// # Errors
/// A sentence for the client.
pub fn read_latency(text: &str) -> Result<Latency, String> {
    match text.trim() {
        "interactive" => Ok(Latency::Interactive),
        "background" => Ok(Latency::Background),
        "batch" => Ok(Latency::Batch),
        other => Err(format!("`{other}` is none of interactive, background, batch")),
    }
}

#[cfg(test)]
#[path = "preferences_tests.rs"]
mod tests;
