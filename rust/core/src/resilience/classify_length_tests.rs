use proptest::prelude::*;

use super::*;

#[test]
fn both_numbers_are_found_in_every_wording() {
    for (message, limit, needed) in [
        (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 152805 tokens.",
            128_000,
            152_805,
        ),
        (
            "This model's maximum context length is 8192 tokens. However, you requested 9001 tokens (8745 in the messages, 256 in the completion).",
            8192,
            9001,
        ),
        (
            "This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens (149000 of text input).",
            131_072,
            150_000,
        ),
        ("prompt is too long: 224805 tokens > 200000 maximum", 200_000, 224_805),
        (
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length",
            200_000,
            209_573,
        ),
        (
            "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
            1_048_576,
            1_048_577,
        ),
        (
            "Unable to submit request because the input token count is 40000 but model only supports up to 32768.",
            32_768,
            40_000,
        ),
        ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", 131_072, 537_812),
        ("The decoder prompt (length 9254) is longer than the maximum model length of 4096.", 4096, 9254),
        ("The input (9000 tokens) is longer than the model's context length (8192 tokens).", 8192, 9000),
        ("Input length (265330) exceeds model's maximum context length (262144).", 262_144, 265_330),
        (
            "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 9100 tokens",
            8192,
            9100,
        ),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32_768, 40_000),
        ("Prompt has 300,000 tokens, but the configured context size is 131,072 tokens", 131_072, 300_000),
        ("Your request exceeded model token limit: 262144 (requested: 300000)", 262_144, 300_000),
        ("Current length is 9170 while limit is 8192", 8192, 9170),
        ("too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.", 4081, 4292),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 8225 `inputs` tokens and 100 `max_new_tokens`",
            8193,
            8225,
        ),
        ("`inputs` must have less than 4095 tokens. Given: 5013", 4095, 5013),
        (
            "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300010 tokens.",
            272_000,
            300_010,
        ),
        ("The prompt is too long: 140000, model maximum context length: 131071", 131_071, 140_000),
        ("prompt token count of 130000 exceeds the limit of 128000", 128_000, 130_000),
        ("request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it", 8192, 9001),
    ] {
        assert_eq!(read(&message.to_lowercase()), (Some(limit), Some(needed)), "{message}");
    }
}

#[test]
fn what_is_not_told_is_not_made_up() {
    for message in [
        "",
        "input is too long for requested model.",
        "your input exceeds the context window of this model.",
        "maximum context length is unknown",
        "maximum context length is 0 tokens",
        "maximum context length is 99999999999999999999 tokens",
    ] {
        assert_eq!(read(message), (None, None), "{message}");
    }
    let part =
        "this model's maximum context length is 8192 tokens and your request has 21 input tokens (9000 > 8192 - 21)";
    assert_eq!(read(part), (Some(8192), None));
    assert_eq!(read("prompt is too long: 1 + 18446744073709551615 tokens > 8 maximum"), (Some(8), None));
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC*", behind in "[0-9,_ +>é]{0,40}") {
        read(&text);
        for phrase in LIMITS.iter().chain(&NEEDS) {
            read(&format!("{phrase}{behind}"));
        }
    }
}
