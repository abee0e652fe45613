use super::*;

fn said(body: &str) -> Said {
    Said::read(body.as_bytes())
}

#[test]
fn codes_and_messages_are_found_in_every_shape() {
    for (body, codes, text) in [
        (r#"{"error":{"message":"No","type":"t","param":null,"code":"c"}}"#, "t c", "no\n"),
        (r#"[{"error":{"message":"No","status":"S","details":[{"reason":"R"}]}}]"#, "s r", "no\n"),
        (r#"{"type":"error","error":{"type":"t","message":"No","details":{"error_code":"d"}}}"#, "t d", "no\n"),
        (r#"{"object":"error","message":"No","type":"t","code":"3505"}"#, "t 3505", "no\n"),
        (r#"{"error":"No way","error_type":"t"}"#, "t", "no way\n"),
        (r#"{"error":"Unauthorized","message":"No"}"#, "unauthorized", "unauthorized\nno\n"),
        (r#"{"message":"No"}"#, "", "no\n"),
        (r#"{"Message":"No","__type":"com.amazon.coral#Thing:x"}"#, "thing", "no\n"),
        (r#"{"detail":"No"}"#, "", "no\n"),
        (r#"{"detail":[{"loc":["body"],"msg":"No","input":{"error":"Yes"}}]}"#, "", "no\n"),
        (r#"{"errors":[{"message":"No","code":7}]}"#, "", "no\n"),
        (r#"{"throttlingException":{"message":"No"}}"#, "throttlingexception", "no\n"),
        (r#"{"type":"response.failed","response":{"error":{"code":"c","message":"No"}}}"#, "response.failed c", "no\n"),
        (r#"{"choices":[{"error":{"message":"No","code":"c"}}]}"#, "c", "no\n"),
        (r#"{"error":{"code":"c","message":"No","innererror":{"code":"D","inner":{"code":"e"}}}}"#, "c d", "no\n"),
        (r#"{"error":{"error":{"code":"c","message":"No"}}}"#, "c", "no\n"),
        (
            r#"{"error":{"message":"No","metadata":{"flagged_input":"a","limit_source":"b"}}}"#,
            "flagged_input b",
            "no\n",
        ),
        ("data: {\"error\":{\"message\":\"No\"}}\n\n", "", "no\n"),
        ("event: error\ndata: {\"error\":{\"message\":\"No\"}}\n\n", "", "no\n"),
        (r#""No""#, "", "no\n"),
        ("No", "", "no\n"),
        ("  \u{feff}\n{\"message\":\"No\"}", "", "no\n"),
    ] {
        let said = said(body);
        assert_eq!((said.codes.join(" ").as_str(), said.text.as_str()), (codes, text), "{body}");
        assert_eq!(said.is_json, body != "No", "{body}");
    }
}

/// Members that this does not know may hold anything a client sent.
#[test]
fn nothing_else_is_read() {
    for body in [
        r#"{"id":"invalid_api_key","input":"invalid api key","request":{"error":{"code":"invalid_api_key"}}}"#,
        r#"{"error":{"param":"invalid_api_key","failed_generation":"{\"error\":{\"code\":\"invalid_api_key\"}}"}}"#,
        r#"{"message":{"role":"assistant","content":"invalid api key"}}"#,
        r#"{"choices":[{"message":{"content":"invalid api key","error":"x"},"finish_reason":"stop"}]}"#,
        r#"{"error":{"metadata":{"flagged":"invalid api key","headers":{"x-echo":"invalid api key"}}}}"#,
        r#"{"error":{"details":[{"fieldViolations":[{"description":"invalid api key"}]}]}}"#,
        "<html>invalid api key</html>",
    ] {
        let said = said(body);
        assert_eq!((said.codes.len(), said.text.as_str()), (0, ""), "{body}");
    }
}

#[test]
fn a_code_is_a_plain_word_and_a_number_of_the_right_size_a_status() {
    for (body, code, status) in [
        (r#"{"error":{"code":"Too_Many-1.x","type":"t"}}"#, Some("Too_Many-1.x"), None),
        (r#"{"error":{"code":null,"type":"t"}}"#, Some("t"), None),
        (r#"{"error":{"code":"has a space","type":"t"}}"#, Some("t"), None),
        (r#"{"error":{"code":"ünsafe"}}"#, None, None),
        (r#"{"error":{"code":""}}"#, None, None),
        (r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, Some("RESOURCE_EXHAUSTED"), Some(429)),
        (r#"{"error":{"code":"429"}}"#, None, Some(429)),
        (r#"{"error":{"code":3040}}"#, None, None),
        (r#"{"error":{"code":200}}"#, None, None),
        (r#"{"error":{"code":"c","status":400}}"#, Some("c"), Some(400)),
        (r#"{"statusCode":503,"message":"a"}"#, None, Some(503)),
        (r#"{"status":"failed","error":503}"#, None, Some(503)),
        (r#"{"error":{"code":18446744073709551615}}"#, None, None),
        (r#"{"error":{"code":-429,"status":4.29e2}}"#, None, None),
    ] {
        let said = said(body);
        assert_eq!((said.best_code().as_deref(), said.status), (code, status), "{body}");
    }
    let long = "x".repeat(65);
    assert_eq!(said(&format!(r#"{{"error":{{"code":"{long}"}}}}"#)).best_code(), None);
    assert!(said(&format!(r#"{{"error":{{"code":"{}"}}}}"#, &long[1..])).best_code().is_some());
}

#[test]
fn an_error_is_told_from_an_answer() {
    for (body, is_error) in [
        (r#"{"error":{}}"#, true),
        (r#"{"error":"x"}"#, true),
        (r#"{"error":true,"message":"x"}"#, true),
        (r#"{"object":"error","message":"x"}"#, true),
        (r#"{"type":"error","code":"x"}"#, true),
        (r#"{"internalServerException":{}}"#, true),
        (r#"{"response":{"error":{"code":"x"}}}"#, true),
        (r#"{"error":null,"output":[]}"#, false),
        (r#"{"error":"","error_type":null}"#, false),
        (r#"{"error":false}"#, false),
        (r#"{"object":"chat.completion","choices":[{"message":{"content":"error"}}]}"#, false),
        (r#"{"message":"x"}"#, false),
        ("error", false),
    ] {
        assert_eq!(said(body).is_error, is_error, "{body}");
    }
}

#[test]
fn what_was_read_before_a_body_breaks_off_counts() {
    let body = r#"{"error":{"message":"No","code":"insufficient_quota","more":{"a":[1,"#;
    let said = said(body);
    assert_eq!((said.codes.as_slice(), said.text.as_str()), (["insufficient_quota".to_owned()].as_slice(), "no\n"));
    assert!(said.is_json && said.is_error);
    assert!(!Said::read(b"{\"id\":").is_json);

    let long = format!(r#"{{"error":{{"code":"c","message":"No","echo":"{}","type":"t"}}}}"#, "x".repeat(66_000));
    let said = Said::read(long.as_bytes());
    assert_eq!(said.codes, ["c"]);
    assert!(said.is_json);

    let not_utf8 = b"{\"error\":{\"message\":\"N\xff\",\"code\":\"c\"}}";
    assert_eq!(Said::read(not_utf8).text, "n\u{fffd}\n");
    let deep = format!("{}{}", r#"{"error":"#.repeat(100_000), "1");
    assert!(Said::read(deep.as_bytes()).is_error);
}

#[test]
fn hints_and_lengths_stand_in_fields_of_their_own() {
    let said = said(
        r#"{"error":{"n_ctx":8,"n_prompt_tokens":9,"details":[{"retryDelay":"1.5s"}],
        "metadata":{"raw":"Behind","headers":{"X-RateLimit-Reset":"7"}}}}"#,
    );
    assert_eq!((said.retry_delay.as_deref(), said.reset.as_deref()), (Some("1.5s"), Some("7")));
    assert_eq!((said.context_tokens, said.needed_tokens), (Some(8), Some(9)));
    assert_eq!((said.text.as_str(), said.passed_on.as_str()), ("", "behind\n"));
}
