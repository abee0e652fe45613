use proptest::prelude::*;

use super::*;

/// A Monday noon in June 2026.
const NOW: i64 = 1_780_315_200;
const MILLION: u64 = 1_000_000;

fn rates(provider: &str, model: &str) -> Rates {
    Catalogue::bundled().find(Some(provider), model).expect("listed").rates
}

fn card(text: &str) -> Rates {
    Rates::fixed(serde_json::from_str(text).expect("rates"))
}

#[test]
fn a_million_tokens_cost_what_the_price_list_says() {
    let usage = Usage { input_tokens: MILLION, output_tokens: MILLION, ..Usage::default() };
    let price = price(&rates("openai", "gpt-4o"), &usage, NOW).expect("priced");
    assert_eq!((price.input_pusd, price.output_pusd), (2_500_000_000_000, 10_000_000_000_000));
    assert_eq!(price.total_pusd, 12_500_000_000_000);
}

#[test]
fn a_class_without_a_rate_takes_the_more_general_one() {
    let rates = card(r#"{"input":100,"cache_write":7,"output":30,"reasoning":5}"#);
    let cost = |usage| price(&rates, &usage, NOW).expect("priced").total_pusd;
    assert_eq!(cost(Usage { cache_read_tokens: 2, ..Usage::default() }), 200);
    assert_eq!(cost(Usage { cache_write_5m_tokens: 2, ..Usage::default() }), 14);
    assert_eq!(cost(Usage { cache_write_1h_tokens: 2, ..Usage::default() }), 14);
    assert_eq!(cost(Usage { cache_write_other_tokens: 2, ..Usage::default() }), 14);
    assert_eq!(cost(Usage { cache_read_audio_tokens: 2, input_image_tokens: 1, ..Usage::default() }), 300);
    assert_eq!(cost(Usage { reasoning_tokens: 2, output_audio_tokens: 1, ..Usage::default() }), 40);
}

#[test]
fn all_input_counts_towards_a_threshold_and_the_tier_holds_for_the_whole_request() {
    let rates = card(r#"{"input":[1,[10,2],[20,3]],"output":[5,[10,50]]}"#);
    let cost = |input_tokens, cache_read_tokens| {
        let usage = Usage { input_tokens, cache_read_tokens, output_tokens: 1, ..Usage::default() };
        price(&rates, &usage, NOW).expect("priced").total_pusd
    };
    assert_eq!([cost(5, 5), cost(5, 6), cost(0, 21)], [10 + 5, 22 + 50, 63 + 50]);
}

#[test]
fn fractions_of_a_picodollar_are_rounded_half_to_even() {
    let rates = card(r#"{"input":"0.5","output":"0.500000000001"}"#);
    let cost = |input_tokens, output_tokens| {
        let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
        price(&rates, &usage, NOW).expect("priced").total_pusd
    };
    assert_eq!([cost(1, 0), cost(3, 0), cost(5, 0), cost(0, 1), cost(1, 1)], [0, 2, 2, 1, 1]);
}

#[test]
fn what_is_billed_by_the_hour_has_no_known_price_and_what_is_free_costs_nothing() {
    let usage = Usage { input_tokens: 10, ..Usage::default() };
    assert_eq!(price(&rates("openai", "whisper-1"), &usage, NOW), None);
    assert_eq!(price(&rates("openrouter", "deepseek/deepseek-r1:free"), &usage, NOW), Some(Price::default()));
}

#[test]
fn a_fee_per_request_is_in_the_total_alone() {
    let price = price(&rates("perplexity", "sonar"), &Usage::default(), NOW).expect("priced");
    assert_eq!(price, Price { total_pusd: 12_000_000_000, ..Price::default() });
}

#[test]
fn unknown_names_have_no_rates() {
    let catalogue = Catalogue::bundled();
    for (provider, model) in [(None, "no-such-model"), (Some("openai"), "claude-opus-4-5"), (Some("nobody"), "gpt-4o")]
    {
        assert!(catalogue.find(provider, model).is_none(), "{provider:?} {model}");
    }
    assert!(catalogue.find_at("https://api.openai.com/v1", "mine", "no-such-model").is_none());
}

#[test]
fn a_configured_provider_is_known_by_address_then_name_then_model() {
    let provider_of = |base_url, provider, model| {
        Catalogue::bundled().find_at(base_url, provider, model).map(|listing| listing.provider.to_owned())
    };
    assert_eq!(provider_of("https://api.groq.com/openai/v1", "openai", "openai/gpt-oss-20b").as_deref(), Some("groq"));
    assert_eq!(provider_of("http://127.0.0.1:1/v1", "openai-eu", "gpt-4o").as_deref(), Some("openai"));
    assert_eq!(provider_of("https://eu.openai.azure.com", "x", "gpt-4o").as_deref(), Some("azure"));
    assert_eq!(provider_of("http://127.0.0.1:1/v1", "mine", "claude-opus-4-5").as_deref(), Some("anthropic"));
    assert_eq!(provider_of("http://127.0.0.1:1/v1", "mine", "llama-9").as_deref(), None);
}

#[test]
fn dates_without_dashes_are_understood() {
    let model = |name| Catalogue::bundled().find(Some("openai"), name).map(|listing| listing.model.to_owned());
    assert_eq!(model("gpt-5-mini-20250807"), model("gpt-5-mini-2025-08-07"));
    assert!(model("gpt-5-mini-20250807").is_some());
    assert!(model("gpt-5-mini-20250231").is_none());
}

#[test]
fn off_peak_hours_and_contexts_have_their_rates() {
    let usage = Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() };
    let dated: Vec<DatedRates> = serde_json::from_str(
        r#"[{"rates":{"input":8}},{"from_unix_s":1000000,"rates":{"input":4}},{"daily_s":[82800,3600],"rates":{"input":1}}]"#,
    )
    .expect("rates");
    let variants: Vec<DatedRates> =
        serde_json::from_str(r#"[{"when":{"processing":"batch"},"rates":{"input":2}}]"#).expect("rates");
    let rates = Rates { standard: dated.into(), variants: variants.into() };
    let cost = |now, context: Context<'_>| price_in(&rates, &usage, now, context).expect("priced").total_pusd;
    assert_eq!([cost(5000, &[]), cost(1_000_000, &[])], [8, 4]);
    assert_eq!([cost(82_799, &[]), cost(82_800, &[]), cost(0, &[]), cost(3600, &[])], [8, 1, 1, 8]);
    assert_eq!([cost(5000, &[("processing", "batch")]), cost(5000, &[("processing", "flex")])], [2, 8]);
}

#[test]
fn rates_that_nobody_can_mean_are_refused() {
    for text in [
        r#"{"input":-1}"#,
        r#"{"input":1.5}"#,
        r#"{"input":"1e3"}"#,
        r#"{"inptu":1}"#,
        r#"{"input":[]}"#,
        r#"{"input":1000000000001}"#,
        r#"{"input":"0.0000000000001"}"#,
        r#"{"input":[1,[20,2],[10,3]]}"#,
    ] {
        assert!(serde_json::from_str::<RateCard>(text).is_err(), "{text}");
    }
}

#[test]
fn meters_are_shown_by_the_names_they_are_read_by() {
    for model in ["gpt-4o", "gpt-4o-realtime-preview", "gpt-image-1.5"] {
        for (meter, _) in rates("openai", model).standard[0].rates.iter() {
            assert_eq!(serde_json::from_str::<Meter>(&format!("{:?}", meter.name())).expect("a meter"), meter);
        }
    }
}

proptest! {
    #[test]
    fn no_count_overflows(counts in proptest::collection::vec(any::<u64>(), 4)) {
        let usage = Usage {
            input_tokens: counts[0], cache_read_tokens: counts[1], output_tokens: counts[2], reasoning_tokens: counts[3],
            ..Usage::default()
        };
        let rates = card(r#"{"input":1000000000000,"output":1000000000000}"#);
        let price = price(&rates, &usage, NOW).expect("priced");
        let exact = counts.iter().map(|count| u128::from(*count)).sum::<u128>() * 1_000_000_000_000;
        prop_assert_eq!(price.total_pusd, i64::try_from(exact).unwrap_or(i64::MAX));
    }
}

proptest! {
    /// Over every model that is listed: no way of counting so many tokens, at no time and in no context, costs more.
    #[test]
    fn nothing_costs_more_than_the_bound(
        pick in any::<prop::sample::Index>(),
        counts in prop::array::uniform7(0_u64..300_000),
        now_unix_s in 1_700_000_000_i64..1_900_000_000,
        tier in prop::sample::select(vec!["default", "priority", "flex", "batch"]),
    ) {
        let models = ["gpt-4o", "gpt-5", "gpt-4o-audio-preview", "gemini-2.5-pro", "deepseek-chat", "claude-sonnet-4-5", "o3"];
        let model = *pick.get(&models);
        let Some(listing) = Catalogue::bundled().find(None, model) else { return Ok(()) };
        let [input, read, write, hour, output, reasoning, audio] = counts;
        let text = Usage {
            input_tokens: input,
            cache_read_tokens: read,
            cache_write_5m_tokens: write,
            cache_write_1h_tokens: hour,
            output_tokens: output,
            reasoning_tokens: reasoning,
            ..Usage::default()
        };
        let media = Usage { input_audio_tokens: audio, output_audio_tokens: audio, input_image_tokens: audio, ..text };
        for (usage, has_media) in [(text, false), (media, true)] {
            let context = [("service_tier", tier), ("processing", tier)];
            let bound = listing.rates.bound_pusd(usage.input(), usage.output(), has_media);
            let cost = price_in(&listing.rates, &usage, now_unix_s, &context).map(|price| price.total_pusd);
            prop_assert!(bound >= cost, "{model}: {bound:?} < {cost:?}");
        }
    }
}

#[test]
fn a_bound_beyond_any_sum_is_none_not_a_small_one() {
    let rates = card(r#"{"input":1000000,"output":1000000}"#);
    assert_eq!(rates.bound_pusd(1, 1, false), Some(2_000_000));
    assert_eq!(rates.bound_pusd(u64::MAX, 1, false), None);
    assert_eq!(rates.bound_pusd(0, u64::MAX, true), None);
    assert_eq!(self::rates("openai", "whisper-1").bound_pusd(1, 1, true), None);
}
