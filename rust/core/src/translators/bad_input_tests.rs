//! What clients get wrong, in each dialect: a clear error that names their own field, or a pass, where the provider is the
//! judge.

use super::{normal_request, read_request, write_request};
use crate::dialects::Dialect;
use crate::failure::Failure;
use crate::json_view::View;
use crate::neutral::{Format, Target, check};

const CLIENTS: [Format; 4] = [Format::OpenaiChat, Format::OpenaiResponses, Format::Anthropic, Format::Gemini];
const DEPTH_LIMIT: usize = 32;

/// A body in the client's dialect, for another.
fn translate(body: &str, from: Format, to: Format) -> Result<String, Failure> {
    let view = View::read(body.as_bytes(), DEPTH_LIMIT).expect(body);
    let mut room = None;
    let request = read_request(from, normal_request(from, view, &mut room))?;
    check(&request, from, to)?;
    let target = Target { model: "m", output_tokens: None, reasoning: None };
    write_request(to, &request, &target).map(|written| String::from_utf8(written).expect("UTF-8"))
}

/// A conversation, in the client's dialect.
fn conversation(client: Format, turns: &str) -> String {
    match client {
        Format::OpenaiChat => format!(r#"{{"model":"m","messages":[{turns}]}}"#),
        Format::OpenaiResponses => format!(r#"{{"model":"m","input":[{turns}]}}"#),
        Format::Anthropic => format!(r#"{{"model":"m","max_tokens":9,"messages":[{turns}]}}"#),
        Format::Gemini => format!(r#"{{"contents":[{turns}]}}"#),
    }
}

fn assert_names(result: Result<String, Failure>, field: &str, what: &str) {
    let failure = result.expect_err(what);
    assert_eq!(failure.param, Some(field), "{what}: {failure:?}");
    assert!(failure.message.contains(field), "{what}: {failure:?}");
}

#[test]
fn arguments_that_are_no_object() {
    for arguments in [r#"{\"a\":"#, "[1]", "7", r#"\"x\""#] {
        for to in [Format::Anthropic, Format::Gemini] {
            let call = format!(
                r#"{{"role":"assistant","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{arguments}"}}}}]}}"#
            );
            let result = translate(&conversation(Format::OpenaiChat, &call), Format::OpenaiChat, to);
            assert_names(result, "messages.tool_calls.function.arguments", arguments);
            let call = format!(r#"{{"type":"function_call","call_id":"c","name":"f","arguments":"{arguments}"}}"#);
            let result = translate(&conversation(Format::OpenaiResponses, &call), Format::OpenaiResponses, to);
            assert_names(result, "input.arguments", arguments);
        }
        // Providers whose arguments are a string get what the model wrote, to the byte.
        let call = format!(r#"{{"type":"function_call","call_id":"c","name":"f","arguments":"{arguments}"}}"#);
        let written =
            translate(&conversation(Format::OpenaiResponses, &call), Format::OpenaiResponses, Format::OpenaiChat);
        assert!(written.expect("a pass").contains(&format!(r#""arguments":"{arguments}""#)));
    }
    // Dialects whose arguments are an object say so themselves.
    for to in [Format::OpenaiChat, Format::Gemini] {
        let call = r#"{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":"{}"}]}"#;
        let result = translate(&conversation(Format::Anthropic, call), Format::Anthropic, to);
        assert_names(result, "messages.content.input", "a string");
    }
    for to in [Format::OpenaiChat, Format::Anthropic] {
        let call = r#"{"role":"model","parts":[{"functionCall":{"name":"f","args":"{}"}}]}"#;
        let result = translate(&conversation(Format::Gemini, call), Format::Gemini, to);
        assert_names(result, "contents.parts.functionCall.args", "a string");
    }
}

/// A message of the user's with one part, in each dialect.
fn with_picture(client: Format, media_type: &str) -> String {
    let turn = match client {
        Format::OpenaiChat => {
            format!(
                r#"{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:{media_type};base64,AAAA"}}}}]}}"#
            )
        }
        Format::OpenaiResponses => {
            format!(
                r#"{{"role":"user","content":[{{"type":"input_image","image_url":"data:{media_type};base64,AAAA"}}]}}"#
            )
        }
        Format::Anthropic => format!(
            r#"{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"{media_type}","data":"AAAA"}}}}]}}"#
        ),
        Format::Gemini => {
            format!(r#"{{"role":"user","parts":[{{"inlineData":{{"mimeType":"{media_type}","data":"AAAA"}}}}]}}"#)
        }
    };
    conversation(client, &turn)
}

#[test]
fn pictures_of_unknown_type() {
    let fields = [
        "messages.content.image_url",
        "input.content.image_url",
        "messages.content.source",
        "contents.parts.inlineData",
    ];
    for (client, field) in CLIENTS.into_iter().zip(fields) {
        // Anthropic says which it takes, so it need not be asked.
        if client != Format::Anthropic {
            let result = translate(&with_picture(client, "image/tiff"), client, Format::Anthropic);
            assert_names(result, field, "image/tiff");
            translate(&with_picture(client, "image/jpg"), client, Format::Anthropic).expect("another spelling");
        }
        // The others are the judges of their own: they learn new ones.
        for to in CLIENTS.into_iter().filter(|to| *to != client && *to != Format::Anthropic) {
            let written = translate(&with_picture(client, "image/tiff"), client, to).expect("a pass");
            assert!(written.contains("image/tiff"), "{client:?} to {to:?}: {written}");
        }
    }
    // What is no picture is none for chat completions, whatever the client calls it.
    let result = translate(&with_picture(Format::Anthropic, "video/mp4"), Format::Anthropic, Format::OpenaiChat);
    assert_names(result, "messages.content.source", "a film");
    for url in ["data:image/png,AAAA", "data:;base64"] {
        let chat = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"URL"}}]}"#.replace("URL", url);
        let result = translate(&conversation(Format::OpenaiChat, &chat), Format::OpenaiChat, Format::Gemini);
        assert_names(result, "messages.content.image_url", url);
        let responses = r#"{"role":"user","content":[{"type":"input_image","image_url":"URL"}]}"#.replace("URL", url);
        let result =
            translate(&conversation(Format::OpenaiResponses, &responses), Format::OpenaiResponses, Format::Gemini);
        assert_names(result, "input.content.image_url", url);
    }
}

fn dialect(client: Format) -> Dialect {
    match client {
        Format::OpenaiChat => Dialect::OpenaiChat,
        Format::OpenaiResponses => Dialect::OpenaiResponses,
        Format::Anthropic => Dialect::Anthropic,
        Format::Gemini => Dialect::Gemini { stream: false },
    }
}

#[test]
fn schemas_deeper_than_the_limit_and_bytes_that_are_no_text() {
    let schema = format!("{}{{}}{}", r#"{"items":"#.repeat(40), "}".repeat(40));
    let tools = [
        format!(r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]"#),
        format!(r#""tools":[{{"type":"function","name":"f","parameters":{schema}}}]"#),
        format!(r#""tools":[{{"name":"f","input_schema":{schema}}}]"#),
        format!(r#""tools":[{{"functionDeclarations":[{{"name":"f","parameters":{schema}}}]}}]"#),
    ];
    for (client, tools) in CLIENTS.into_iter().zip(tools) {
        let plain = conversation(client, "");
        let read = |body: &[u8], limit| dialect(client).read_request(body, limit, Some("m"));
        let deep = format!("{},{tools}}}", plain.strip_suffix('}').expect("an object"));
        assert!(read(deep.as_bytes(), 64).is_ok(), "{client:?}: within the limit it passes");
        let failure = read(deep.as_bytes(), DEPTH_LIMIT).expect_err("deeper than the limit");
        assert!(failure.message.contains("nested too deeply"), "{client:?}: {failure:?}");
        assert_eq!(failure.cause.row().status, 400, "{client:?}");
        let mut broken = conversation(client, r#"{"role":"user","content":"??"}"#).into_bytes();
        let at = broken.iter().position(|byte| *byte == b'?').expect("a mark");
        broken[at] = 0xff;
        let failure = read(&broken, 64).expect_err("no UTF-8");
        assert_eq!(failure.cause.row().status, 400, "{client:?}");
        assert!(
            failure.message.contains(&at.to_string()) || failure.message.contains("UTF-8"),
            "{client:?}: {failure:?}"
        );
    }
}

#[test]
fn results_without_a_call() {
    let results = [
        r#"{"role":"tool","tool_call_id":"c","content":"x"}"#,
        r#"{"type":"function_call_output","call_id":"c","output":"x"}"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"x"}]}"#,
    ];
    let fields = ["messages.tool_call_id", "input.call_id", "messages.content.tool_use_id"];
    for ((client, result), field) in CLIENTS.into_iter().zip(results).zip(fields) {
        // A result names its tool at Gemini, and only the call knows it.
        let body = conversation(client, result);
        assert_names(translate(&body, client, Format::Gemini), field, "no call");
        for to in CLIENTS.into_iter().filter(|to| *to != client && *to != Format::Gemini) {
            let written = translate(&body, client, to).expect("the provider judges");
            assert!(written.contains("\"c\""), "{client:?} to {to:?}: {written}");
        }
    }
    // Gemini's say the name.
    let result = r#"{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"x"}}}]}"#;
    for to in [Format::OpenaiChat, Format::OpenaiResponses, Format::Anthropic] {
        translate(&conversation(Format::Gemini, result), Format::Gemini, to).expect("the provider judges");
    }
}

#[test]
fn ids_that_are_used_again() {
    // Local models number their calls anew in each turn: a result is of the call before it.
    let chat = concat!(
        r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c","content":"one"},"#,
        r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"g","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c","content":"two"}"#
    );
    let responses = concat!(
        r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},"#,
        r#"{"type":"function_call_output","call_id":"c","output":"one"},"#,
        r#"{"type":"function_call","call_id":"c","name":"g","arguments":"{}"},"#,
        r#"{"type":"function_call_output","call_id":"c","output":"two"}"#
    );
    let anthropic = concat!(
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"one"}]},"#,
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"g","input":{}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"two"}]}"#
    );
    let gemini = concat!(
        r#"{"role":"model","parts":[{"functionCall":{"id":"c","name":"f","args":{}}}]},"#,
        r#"{"role":"user","parts":[{"functionResponse":{"id":"c","name":"f","response":{"result":"one"}}}]},"#,
        r#"{"role":"model","parts":[{"functionCall":{"id":"c","name":"g","args":{}}}]},"#,
        r#"{"role":"user","parts":[{"functionResponse":{"id":"c","name":"g","response":{"result":"two"}}}]}"#
    );
    for (client, turns) in CLIENTS.into_iter().zip([chat, responses, anthropic, gemini]) {
        for to in CLIENTS.into_iter().filter(|to| *to != client) {
            let written = translate(&conversation(client, turns), client, to).expect("the provider judges");
            if to == Format::Gemini {
                for (name, word) in [("f", "one"), ("g", "two")] {
                    let result = format!(r#""name":"{name}","response":{{"result":"{word}"}}"#);
                    assert!(written.contains(&result), "{client:?}: {written}");
                }
            }
            assert!(written.find("one") < written.find("two"), "{client:?} to {to:?}: {written}");
        }
    }
}

#[test]
fn roles_out_of_order() {
    // The model first, twice, then the user twice: turns of one role are one where the provider wants them to alternate.
    let turns = |user: &str, model: &str| {
        let [a, b] = ["a", "b"].map(|text| model.replace('?', text));
        let [c, d] = ["c", "d"].map(|text| user.replace('?', text));
        [a, b, c, d].join(",")
    };
    let plain = r#"{"role":"user","content":"?"}"#;
    let chat = turns(plain, r#"{"role":"assistant","content":"?"}"#);
    let gemini = turns(r#"{"role":"user","parts":[{"text":"?"}]}"#, r#"{"role":"model","parts":[{"text":"?"}]}"#);
    for client in CLIENTS {
        let body = conversation(client, if client == Format::Gemini { &gemini } else { &chat });
        for to in CLIENTS.into_iter().filter(|to| *to != client) {
            let written = translate(&body, client, to).expect("the provider judges");
            // What a client of Gemini's sends in a row was one stream.
            let [a, b] = if client == Format::Gemini { ["\"ab\""; 2] } else { ["\"a\"", "\"b\""] };
            let places: Vec<_> = [a, b, "\"c\"", "\"d\""].iter().map(|word| written.find(word)).collect();
            assert!(places.is_sorted() && places[0].is_some(), "{client:?} to {to:?}: {written}");
            let roles = written.matches("\"role\":").count();
            let expected = if matches!(to, Format::Anthropic | Format::Gemini) { 2..=2 } else { 3..=4 };
            assert!(expected.contains(&roles), "{client:?} to {to:?}: {written}");
        }
        // A role that nobody knows.
        let content = if client == Format::Gemini { r#""parts":[]"# } else { r#""content":"x""# };
        let body = conversation(client, &format!(r#"{{"role":"narrator",{content}}}"#));
        let field = match client {
            Format::OpenaiResponses => "input.role",
            Format::Gemini => "contents.role",
            Format::OpenaiChat | Format::Anthropic => "messages.role",
        };
        for to in CLIENTS.into_iter().filter(|to| *to != client) {
            assert_names(translate(&body, client, to), field, "narrator");
        }
    }
}
