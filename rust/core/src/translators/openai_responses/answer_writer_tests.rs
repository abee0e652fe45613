use super::*;
use crate::neutral::Finish;
use crate::translators::openai_responses::frames_in_tests::view;
use crate::translators::openai_responses::read_request;
use crate::usage::Usage;

const REPLYING: Replying<'_> = Replying {
    fallback_id: "fgr_1",
    fallback_model: "m",
    now_unix_s: 100,
    includes_usage: false,
    is_json_array: false,
    request: None,
};

fn written(answer: &Answer<'_>, replying: &Replying<'_>) -> String {
    String::from_utf8(write_answer(answer, replying)).expect("UTF-8")
}

#[test]
fn an_answer_of_another_dialect() {
    let arguments = Arguments::Object(view(r#"{"x": "é"}"#));
    let call = PartKind::ToolCall { id: Text::of("toolu_1"), name: Text::of("f"), arguments };
    let answer = Answer {
        id: Some(Text::of("msg_1")),
        model: Some(Text::of("claude")),
        choices: vec![Choice {
            parts: vec![
                Part { signature: Some(Text::of("anthropic:s")), ..Part::new(PartKind::Thinking(Text::of("hm"))) },
                Part::text(Text::of("a\n")),
                Part::text(Text::of("b")),
                Part { signature: Some(Text::of("gemini:t")), ..Part::new(call) },
            ],
            finish: Some(Finish::Length),
            ..Choice::default()
        }],
        usage: Some(Usage {
            input_tokens: 5,
            cache_read_tokens: 20,
            cache_write_5m_tokens: 3,
            output_tokens: 7,
            reasoning_tokens: 2,
            ..Usage::default()
        }),
        service_tier: Some(Text::of("standard")),
        ..Answer::default()
    };
    let request =
        r#"{"model":"chat","input":"x","temperature":0.50,"tools":[{"type":"function","name":"f"}],"user":null}"#;
    let expected = concat!(
        r#"{"id":"resp_msg_1","object":"response","created_at":100,"model":"claude","background":false,"error":null,"#,
        r#""previous_response_id":null,"store":false,"instructions":null,"max_output_tokens":null,"#,
        r#""max_tool_calls":null,"metadata":{},"parallel_tool_calls":true,"prompt_cache_key":null,"#,
        r#""reasoning":{"effort":null,"summary":null},"safety_identifier":null,"temperature":0.50,"#,
        r#""text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[{"type":"function","name":"f"}],"#,
        r#""top_logprobs":0,"top_p":null,"truncation":"disabled","user":null,"status":"incomplete","#,
        r#""completed_at":null,"incomplete_details":{"reason":"max_output_tokens"},"service_tier":"default","output":["#,
        r#"{"id":"rs_msg_1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"#,
        r#""encrypted_content":"anthropic:s"},"#,
        r#"{"id":"msg_msg_1_1","type":"message","status":"completed","role":"assistant","content":["#,
        r#"{"type":"output_text","text":"a\n","annotations":[],"logprobs":[]},"#,
        r#"{"type":"output_text","text":"b","annotations":[],"logprobs":[]}]},"#,
        r#"{"id":"rs_msg_1_2","type":"reasoning","summary":[],"encrypted_content":"gemini:t"},"#,
        r#"{"id":"fc_msg_1_3","type":"function_call","status":"incomplete","call_id":"toolu_1","name":"f","#,
        r#""arguments":"{\"x\": \"é\"}"}],"usage":{"input_tokens":28,"input_tokens_details":{"cached_tokens":20,"#,
        r#""cache_write_tokens":3},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":37}}"#,
    );
    assert_eq!(written(&answer, &Replying { request: Some(view(request)), ..REPLYING }), expected);
}

/// What the client gets, and resends verbatim, is the turn that the provider gave.
#[test]
fn proofs_survive_a_client_that_resends_its_history() {
    let call = PartKind::ToolCall {
        id: Text::of("c"),
        name: Text::of("f"),
        arguments: Arguments::Text(Text::of(r#"{"a":1}"#)),
    };
    let parts = vec![
        Part { signature: Some(Text::of("anthropic:s")), ..Part::new(PartKind::Thinking(Text::of("hm"))) },
        Part::new(PartKind::RedactedThinking(Text::of("anthropic:r"))),
        Part::new(PartKind::Thinking(Text::of("unproven"))),
        Part::text(Text::of("a")),
        Part { signature: Some(Text::of("gemini:t")), ..Part::new(call.clone()) },
    ];
    let choice = Choice { parts: parts.clone(), finish: Some(Finish::ToolCalls), ..Choice::default() };
    let answer = written(&Answer { choices: vec![choice], ..Answer::default() }, &REPLYING);
    let history = format!(r#"{{"model":"m","input":{}}}"#, view(&answer).get("output").expect("items").raw());
    let request = read_request(view(&history)).expect("a request");
    let mut expected = parts;
    // This dialect has no place for a proof at a call: it stands before it, by itself.
    expected[4] = Part { signature: Some(Text::of("gemini:t")), ..Part::new(PartKind::Thinking(Text::default())) };
    expected.push(Part::new(call));
    assert_eq!(request.turns[0].parts, expected);
}

#[test]
fn citations_and_probabilities_of_openai_in_their_form_here() {
    let source = r#"{"c":[{"type":"url_citation","url_citation":{"url":"u","start_index":0,"end_index":1}},{"type":"url_citation","url":"v"},
        {"type":"char_location","cited_text":"w"},{"type":"file_path","file_path":{"type":"again","file_id":"f"}}],
        "l":{"content":[{"token":"a","logprob":-1.0}],"refusal":null}}"#;
    let citations = view(source).get("c");
    let choice = Choice {
        parts: vec![Part::new(PartKind::Text { text: Text::of("a"), citations })],
        logprobs: view(source).get("l"),
        ..Choice::default()
    };
    let answer = written(&Answer { choices: vec![choice], ..Answer::default() }, &REPLYING);
    let expected = concat!(
        r#""annotations":[{"type":"url_citation","url":"u","start_index":0,"end_index":1},"#,
        r#"{"type":"url_citation","start_index":0,"end_index":1,"url":"v","title":""},"#,
        r#"{"type":"file_path","file_id":"f"}],"logprobs":[{"token":"a","logprob":-1.0}]"#,
    );
    assert!(answer.contains(expected), "{answer}");
    assert!(answer.starts_with(r#"{"id":"resp_fgr_1","object":"response","created_at":100,"model":"m""#));
    assert!(answer.contains(r#""status":"completed","completed_at":100,"incomplete_details":null"#));
}

#[test]
fn a_call_without_arguments_can_be_parsed() {
    let arguments = Arguments::Text(Text::default());
    let call = PartKind::ToolCall { id: Text::of("c"), name: Text::of("f"), arguments };
    let choice = Choice { parts: vec![Part::new(call)], ..Choice::default() };
    let answer = written(&Answer { choices: vec![choice], ..Answer::default() }, &REPLYING);
    assert!(answer.contains(r#""arguments":"{}""#), "{answer}");
}
