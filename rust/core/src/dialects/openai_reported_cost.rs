//! What a provider itself says an answer costs: `usage.cost`, in USD.
//!
//! Source: `OpenRouter` API reference, "Usage accounting"; a credit is a dollar. Where the router used a key of the
//! account's own at the vendor (`is_byok`), `cost` is its fee alone and `cost_details.upstream_inference_cost` what the
//! vendor bills beside. Whatever else vendors write under these names (Perplexity an object) says nothing here.

use memchr::memmem;

use super::openai_usage::DEPTH_LIMIT;
use crate::json::pick;
use crate::prices::read_usd;

/// Reads it off a `usage` object, in picodollars. `None`: the provider does not say, or nothing that is an amount.
#[must_use]
pub fn read(usage: &[u8]) -> Option<i64> {
    // Few vendors say so, and this is cheaper than a second pass for all.
    memmem::find(usage, br#""cost""#)?;
    let [cost, is_byok, details] = pick(usage, DEPTH_LIMIT, ["cost", "is_byok", "cost_details"]).ok()?;
    let cost_pusd = read_usd(cost?)?;
    if is_byok != Some(b"true") {
        return Some(cost_pusd);
    }
    let [upstream] = pick(details?, DEPTH_LIMIT, ["upstream_inference_cost"]).ok()?;
    cost_pusd.checked_add(read_usd(upstream?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_provider_says() {
        assert_eq!(read(br#"{"prompt_tokens":3,"cost":0.00014,"is_byok":false}"#), Some(140_000_000));
        assert_eq!(read(br#"{"cost":0}"#), Some(0));
        assert_eq!(read(br#"{"cost":0.1,"cost_details":{"upstream_inference_cost":7}}"#), Some(100_000_000_000));
    }

    #[test]
    fn a_key_of_ones_own_is_billed_twice() {
        let byok = |rest: &str| read(format!(r#"{{"cost":0.05,"is_byok":true{rest}}}"#).as_bytes());
        assert_eq!(byok(r#","cost_details":{"upstream_inference_cost":1}"#), Some(1_050_000_000_000));
        for half_told in ["", r#","cost_details":null"#, r#","cost_details":{"upstream_inference_cost":null}"#] {
            assert_eq!(byok(half_told), None, "{half_told}");
        }
        let upstream = |cost: &str| byok(&format!(r#","cost_details":{{"upstream_inference_cost":{cost}}}"#));
        assert_eq!((upstream("9223371.986854775807"), upstream("9223372")), (Some(i64::MAX), None));
    }

    #[test]
    fn what_is_no_amount_says_nothing() {
        for cost in ["null", "\"0.1\"", "-0.1", "true", "[1]", r#"{"total_cost":0.1}"#, "1e999"] {
            assert_eq!(read(format!(r#"{{"cost":{cost}}}"#).as_bytes()), None, "{cost}");
        }
        assert_eq!((read(b"{}"), read(b"null"), read(br#"{"details":{"cost":1}}"#)), (None, None, None));
    }
}
