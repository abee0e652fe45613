//! Requests.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::recordings::{Recorded, recordings};
use super::request_form::{for_each_list, for_each_part, of_request};
use super::{DEPTH_LIMIT, FORMATS};
use crate::json_view::{Text, View};
use crate::neutral::{Effort, Feature, Format, ReasoningUnit, Request, Target, check};
use crate::translators::{normal_request, read_request, write_request};

/// What may differ once a request was translated. `change` makes both the same.
pub(super) struct Difference {
    reason: &'static str,
    to: &'static [Format],
    change: fn(&mut Value, Format),
}

const fn difference(reason: &'static str, to: &'static [Format], change: fn(&mut Value, Format)) -> Difference {
    Difference { reason, to, change }
}

const CHAT: &[Format] = &[Format::OpenaiChat];
const RESPONSES: &[Format] = &[Format::OpenaiResponses];
const ANTHROPIC: &[Format] = &[Format::Anthropic];
const GEMINI: &[Format] = &[Format::Gemini];

/// In the order in which they are made.
pub(super) const DIFFERENCES: [Difference; 24] = [
    difference("what the table leaves out is left out", &FORMATS, leave_out),
    difference(
        "where instructions in the middle have no role of their own, the user says them",
        &[Format::Anthropic, Format::Gemini],
        |request, _| {
            for turn in request["turns"].as_array_mut().expect("turns") {
                if turn["role"] == "system" {
                    turn["role"] = "user".into();
                }
            }
        },
    ),
    difference("what one side says in several turns is one turn", &FORMATS, |request, _| merge_turns(request)),
    difference("words of nothing are none", &FORMATS, |request, to| {
        let is_blank = |text: &str| {
            let said = serde_json::from_str::<String>(&format!("\"{text}\"")).expect("a text");
            said.is_empty() || to == Format::Anthropic && said.trim().is_empty()
        };
        for_each_list(request, |_, parts| {
            parts.retain(|part| part["kind"] != "text" || !is_blank(part["text"].as_str().expect("a text")));
        });
        merge_turns(request);
    }),
    difference(
        "pictures that a tool gave stand behind its results",
        &[Format::OpenaiChat, Format::Gemini],
        |request, _| {
            for_each_list(request, |role, parts| {
                if role == "user" {
                    let mut beside = Vec::new();
                    for part in parts.iter_mut().filter(|part| part["kind"] == "result") {
                        let content = part["content"].as_array_mut().expect("parts");
                        beside.extend(content.iter().filter(|part| part["kind"] != "text").cloned());
                        content.retain(|part| part["kind"] == "text");
                    }
                    let behind = parts.iter().rposition(|part| part["kind"] == "result").map_or(0, |last| last + 1);
                    parts.splice(behind..behind, beside);
                }
            });
        },
    ),
    difference("a tool's words are one text", GEMINI, |request, _| {
        for_each_list(request, |role, parts| {
            if role == "result" {
                let texts: Vec<_> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
                let joined = texts.join("\\n");
                // What is an object is one, without space around it.
                *parts = vec![json!({"kind": "text", "text": joined.trim(), "citations": null, "cache_control": null,
                    "signature": null})];
            }
        });
    }),
    difference("a tool that failed says so in words", &[Format::OpenaiChat, Format::OpenaiResponses], |request, _| {
        for_each_part(request, |part| {
            if part["kind"] == "result" && part["is_error"] == true {
                part["is_error"] = false.into();
                let text = part["content"][0]["text"].as_str().expect("words first").to_owned();
                part["content"][0]["text"] = format!("Error: {text}").into();
            }
        });
    }),
    difference("only Gemini names the tool in a result", &FORMATS, |request, _| {
        for_each_part(request, |part| {
            if part["kind"] == "result" {
                part["name"] = Value::Null;
            }
        });
    }),
    difference(
        "a document in plain text is text, or has no name",
        &[Format::OpenaiChat, Format::OpenaiResponses, Format::Gemini],
        |request, _| {
            for_each_part(request, |part| {
                if let Some(text) = part.pointer("/source/plain").cloned() {
                    let title =
                        part["name"].as_str().filter(|name| !name.is_empty()).map(|name| format!("{name}\\n\\n"));
                    let text = title.unwrap_or_default() + text.as_str().expect("a text");
                    *part = json!({"kind": "text", "text": text, "citations": null, "cache_control": null,
                    "signature": null});
                }
            });
        },
    ),
    difference("a document that is text may come in plain", ANTHROPIC, |request, _| {
        for_each_part(request, |part| {
            if part
                .pointer("/source/media_type")
                .is_some_and(|own| own.as_str().is_some_and(|own| own.starts_with("text/")))
            {
                let data = STANDARD.decode(part["source"]["data"].as_str().expect("base64")).expect("base64");
                let text = String::from_utf8(data).expect("text");
                part["source"] = json!({"plain": Text::of(&text).escaped()});
            }
        });
    }),
    difference(
        "names of documents are made up where they must be there, and left out where there is no place",
        &FORMATS,
        |request, _| {
            for_each_part(request, |part| {
                if part["kind"] == "document" {
                    part["name"] = Value::Null;
                }
            });
        },
    ),
    difference("the type of what an address leads to is said by Gemini alone", &FORMATS, |request, _| {
        for_each_part(request, |part| {
            if part.pointer("/source/url").is_some() {
                part["source"]["media_type"] = Value::Null;
            }
        });
    }),
    difference("what is at an address without a type or an ending is anything, for Gemini", GEMINI, |request, _| {
        for_each_part(request, |part| {
            if part.pointer("/source/url").is_some() {
                part["kind"] = "document".into();
                part.as_object_mut().expect("a part").remove("detail");
                part["name"] = Value::Null;
            }
        });
    }),
    difference("how closely to look is said by OpenAI alone, and there by default", &FORMATS, |request, _| {
        for_each_part(request, |part| {
            if part["kind"] == "image" {
                part["detail"] = Value::Null;
            }
        });
    }),
    difference("tools that are not there are not chosen, and unsaid means auto", &FORMATS, |request, _| {
        if request["tools"] == json!([]) {
            request["tool_choice"] = Value::Null;
            request["parallel_tool_calls"] = Value::Null;
        }
        if request["tool_choice"] == "auto" {
            request["tool_choice"] = Value::Null;
        }
    }),
    difference(
        "a tool without arguments has an empty schema, and one that is not strict is said to be none",
        &FORMATS,
        |request, to| {
            for tool in request["tools"].as_array_mut().expect("tools") {
                if tool["parameters"].is_null() {
                    tool["parameters"] = r#"{"type":"object","properties":{}}"#.into();
                }
                let parameters = tool["parameters"].as_str().expect("a schema").to_owned();
                if to == Format::Anthropic && parameters == "{}" {
                    tool["parameters"] = r#"{"type":"object"}"#.into();
                }
                if tool["strict"] == false {
                    tool["strict"] = Value::Null;
                }
            }
        },
    ),
    difference("a schema's name and description are OpenAI's", &FORMATS, |request, to| {
        if request["output_format"].is_object() {
            for name in ["name", "description", "strict"] {
                let is_openai = matches!(to, Format::OpenaiChat | Format::OpenaiResponses);
                if !is_openai || request["output_format"][name] == "answer" {
                    request["output_format"][name] = Value::Null;
                }
            }
        }
    }),
    difference("efforts and budgets stand for each other", CHAT, |request, _| as_effort(request)),
    difference(
        "efforts and budgets stand for each other, and a summary is wanted where thoughts are",
        RESPONSES,
        |request, _| {
            as_effort(request);
            if request["includes_thoughts"] == false {
                request["includes_thoughts"] = Value::Null;
            }
            request["summary"] = Value::Null;
        },
    ),
    difference(
        "thinking has rules of its own, which its own tests know: budgets, room, sampling",
        &[Format::Anthropic, Format::Gemini],
        |request, to| {
            let thinks = request["effort"].is_string() || !request["budget_tokens"].is_null();
            for name in ["effort", "budget_tokens", "includes_thoughts", "summary"] {
                request[name] = Value::Null;
            }
            if thinks && to == Format::Anthropic {
                for name in ["max_output_tokens", "temperature", "top_p", "top_k"] {
                    request[name] = Value::Null;
                }
            }
        },
    ),
    difference("an answer must have a length", ANTHROPIC, |request, _| {
        if request["max_output_tokens"] == 4_096 {
            request["max_output_tokens"] = Value::Null;
        }
    }),
    difference("temperatures end at 1, which says nothing, and a top_p goes with none", ANTHROPIC, |request, _| {
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let (temperature, top_p) = (number(&request["temperature"]), number(&request["top_p"]));
        if temperature.is_some_and(|value| value >= 1.0) && top_p.is_some_and(|value| value < 1.0) {
            request["temperature"] = Value::Null;
        } else if temperature.is_some() {
            request["top_p"] = Value::Null;
        }
        if temperature.is_some_and(|value| value > 1.0) && request["temperature"].is_string() {
            request["temperature"] = "1".into();
        }
    }),
    difference("objects that a model is held to are closed", ANTHROPIC, |request, _| {
        let open = |schema: &mut Value| {
            if let Some(text) = schema.as_str() {
                let mut read: Value = serde_json::from_str(text).expect("JSON");
                without_closings(&mut read);
                *schema = read.to_string().into();
            }
        };
        if request["output_format"].is_object() {
            open(&mut request["output_format"]["schema"]);
        }
        for tool in request["tools"].as_array_mut().expect("tools").iter_mut().filter(|tool| tool["strict"] == true) {
            open(&mut tool["parameters"]);
        }
    }),
    difference("the path says whether it streams, and one answer is unsaid", GEMINI, |request, _| {
        request["stream"] = false.into();
        if request["choices"] == 1 {
            request["choices"] = Value::Null;
        }
    }),
];

fn leave_out(request: &mut Value, to: Format) {
    let is_left_out = |feature: Feature| feature.class_in(to) == crate::neutral::Class::Ignorable;
    for (feature, name) in [
        (Feature::TopK, "top_k"),
        (Feature::Seed, "seed"),
        (Feature::PresencePenalty, "presence_penalty"),
        (Feature::FrequencyPenalty, "frequency_penalty"),
        (Feature::ThoughtsInAnswer, "includes_thoughts"),
        (Feature::ThoughtsInAnswer, "summary"),
        (Feature::User, "user"),
        (Feature::Metadata, "metadata"),
        (Feature::ServiceTier, "service_tier"),
    ] {
        if is_left_out(feature) {
            request[name] = Value::Null;
        }
    }
    // Words for tiers differ by vendor: tables of each writer's own.
    request["service_tier"] = Value::Null;
    // One answer, and bias or penalties of nothing, are there or not.
    for name in ["presence_penalty", "frequency_penalty"] {
        if request[name].as_str().is_some_and(|text| text.parse() == Ok(0.0)) {
            request[name] = Value::Null;
        }
    }
    if to != Format::OpenaiChat {
        if request["choices"] == 1 && to != Format::Gemini {
            request["choices"] = Value::Null;
        }
        if request["logit_bias"] == "{}" {
            request["logit_bias"] = Value::Null;
        }
    }
    for turn in request["turns"].as_array_mut().expect("turns") {
        if is_left_out(Feature::TurnName) {
            turn["name"] = Value::Null;
        }
    }
    for tool in request["tools"].as_array_mut().expect("tools") {
        if is_left_out(Feature::CacheControl) {
            tool["cache_control"] = Value::Null;
        }
        if is_left_out(Feature::StrictTools) {
            tool["strict"] = Value::Null;
        }
    }
    for_each_list(request, |_, parts| {
        // Proofs are another test's: what is here was signed for nobody that is known.
        parts.retain(|part| part["kind"] != "thinking" && part["kind"] != "redacted");
        for part in parts {
            part["signature"] = Value::Null;
            if is_left_out(Feature::CacheControl) {
                part["cache_control"] = Value::Null;
            }
            if part["kind"] == "text" {
                part["citations"] = Value::Null;
            }
        }
    });
}

fn merge_turns(request: &mut Value) {
    let mut merged: Vec<Value> = Vec::new();
    for mut turn in request["turns"].as_array_mut().expect("turns").drain(..) {
        let parts = turn["parts"].as_array_mut().expect("parts");
        match merged.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last["role"] == turn["role"] && last["name"] == turn["name"] => {
                let mut parts = std::mem::take(turn["parts"].as_array_mut().expect("parts"));
                last["parts"].as_array_mut().expect("parts").append(&mut parts);
            }
            _ => merged.push(turn),
        }
    }
    request["turns"] = merged.into();
}

fn as_effort(request: &mut Value) {
    if request["effort"].is_null() {
        let effort = request["budget_tokens"].as_i64().and_then(Effort::of_budget);
        request["effort"] = effort.map(Effort::word).into();
    }
    request["budget_tokens"] = Value::Null;
}

fn without_closings(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&false.into()) {
                members.remove("additionalProperties");
            }
            members.values_mut().for_each(without_closings);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_closings),
        _ => {}
    }
}

/// How recorded requests of a format fared on their way to another.
#[derive(Debug, Default, Eq, PartialEq)]
struct Count {
    translated: usize,
    /// By the field at fault.
    refused: BTreeMap<String, usize>,
}

fn compare(
    from: Format,
    to: Format,
    recorded: &Recorded,
    count: &mut Count,
    made: &mut [usize],
    wrong: &mut Vec<String>,
) {
    let name = format!("{} from {from:?} to {to:?}", recorded.name);
    let body = View::read(recorded.body.as_bytes(), DEPTH_LIMIT).expect(&name);
    let (mut room, mut room_after) = (None, None);
    let request = match read_request(from, normal_request(from, body, &mut room)) {
        Ok(request) => request,
        Err(failure) => panic!("{name}: {failure:?}"),
    };
    if let Err(failure) = check(&request, from, to) {
        let field =
            failure.param.map_or_else(|| failure.message.split(' ').next().unwrap_or("").to_owned(), str::to_owned);
        *count.refused.entry(field).or_default() += 1;
        return;
    }
    let written = match write_request(to, &request, &target(&request)) {
        Ok(written) => written,
        Err(failure) => {
            *count.refused.entry(failure.message).or_default() += 1;
            return;
        }
    };
    let again = View::read(&written, DEPTH_LIMIT).expect(&name);
    let again = match read_request(to, normal_request(to, again, &mut room_after)) {
        Ok(again) => again,
        Err(failure) => panic!("{name}: {failure:?}"),
    };
    assert!(again.unexpressed.is_empty(), "{name}: {:?}", again.unexpressed);
    let (mut before, mut after) = (of_request(&request), of_request(&again));
    for (difference, made) in DIFFERENCES.iter().zip(made).filter(|(difference, _)| difference.to.contains(&to)) {
        let unchanged = (before.clone(), after.clone());
        (difference.change)(&mut before, to);
        (difference.change)(&mut after, to);
        *made += usize::from(unchanged != (before.clone(), after.clone()));
    }
    for (field, value) in
        before.as_object().expect("an object").iter().filter(|(field, value)| after[*field] != **value)
    {
        let (was, is) = (value.to_string(), after[field].to_string());
        let same = was.bytes().zip(is.bytes()).take_while(|(one, other)| one == other).count();
        let around = |text: &str| {
            String::from_utf8_lossy(&text.as_bytes()[same.saturating_sub(60)..text.len().min(same + 160)]).into_owned()
        };
        if wrong.iter().filter(|other| other.contains(&format!("{from:?} to {to:?}"))).count() < 3 {
            wrong.push(format!("{name}: {field} was …{}…\nand is …{}…", around(&was), around(&is)));
        }
    }
    count.translated += 1;
}

/// A model that is asked to think as the client asks.
fn target(request: &Request<'_>) -> Target<'static> {
    let in_words = request.reasoning.as_ref().is_some_and(|reasoning| reasoning.effort.is_some());
    let unit = if in_words { ReasoningUnit::Words } else { ReasoningUnit::Tokens };
    Target { model: "m", output_tokens: None, reasoning: Some(unit) }
}

#[test]
fn requests_say_the_same_in_every_format() {
    let mut made = [0; DIFFERENCES.len()];
    let (mut counts, mut wrong) = (Vec::new(), Vec::new());
    for from in FORMATS {
        let Some(recordings) = recordings(from) else { return };
        for to in FORMATS.into_iter().filter(|to| *to != from) {
            let mut count = Count::default();
            recordings
                .requests
                .iter()
                .for_each(|recorded| compare(from, to, recorded, &mut count, &mut made, &mut wrong));
            assert_eq!(count.translated + count.refused.values().sum::<usize>(), recordings.requests.len());
            let refused: Vec<_> = count.refused.iter().map(|(field, number)| format!("{number} {field}")).collect();
            counts.push(format!("{from:?} to {to:?}: {} translated; refused {}", count.translated, refused.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    let unneeded = DIFFERENCES.iter().zip(made).filter(|(_, made)| *made == 0).map(|(difference, _)| difference.reason);
    assert_eq!(unneeded.collect::<Vec<_>>(), Vec::<&str>::new(), "rows that no recording needs");
    assert_eq!(counts, PINNED, "{counts:#?}");
}

/// By the field at fault.
const PINNED: [&str; 12] = [
    "OpenaiChat to OpenaiResponses: 475 translated; refused 1 logit_bias, 2 n, 2 stop, 3 tools.openrouter:web_search, 1 web_search_options",
    "OpenaiChat to Anthropic: 476 translated; refused 1 logit_bias, 2 n, 1 response_format, 3 tools.openrouter:web_search, 1 web_search_options",
    "OpenaiChat to Gemini: 479 translated; refused 1 logit_bias, 3 tools.openrouter:web_search, 1 web_search_options",
    "OpenaiResponses to OpenaiChat: 121 translated; refused 5 background, 4 conversation, 5 input, 7 input.additional_tools, 1 input.compaction, 1 previous_response_id, 3 tools.code_interpreter, 1 tools.file_search, 2 tools.mcp, 1 tools.namespace, 21 tools.tool_search, 7 tools.web_search",
    "OpenaiResponses to Anthropic: 122 translated; refused 5 background, 4 conversation, 2 input, 7 input.additional_tools, 1 input.compaction, 1 input.content.file_data: a document of type application/octet-stream can't be sent to this provider, which takes application/pdf or text, 1 previous_response_id, 3 tools.code_interpreter, 1 tools.file_search, 2 tools.mcp, 1 tools.namespace, 21 tools.tool_search, 7 tools.web_search, 1 top_logprobs",
    "OpenaiResponses to Gemini: 124 translated; refused 5 background, 4 conversation, 2 input, 7 input.additional_tools, 1 input.compaction, 1 previous_response_id, 3 tools.code_interpreter, 1 tools.file_search, 2 tools.mcp, 1 tools.namespace, 21 tools.tool_search, 7 tools.web_search",
    "Anthropic to OpenaiChat: 136 translated; refused 3 container, 1 context_management, 1 mcp_servers, 5 messages.content, 3 messages.content.container_upload, 6 messages.content.server_tool_use, 3 messages.content.tool_addition, 22 messages.content.tool_reference, 2 tools.advisor_20260301, 1 tools.code_execution_20250522, 3 tools.code_execution_20260120, 2 tools.memory_20250818, 5 tools.tool_search_tool_bm25_20251119, 1 tools.tool_search_tool_regex_20251119, 1 tools.web_fetch_20250910, 7 tools.web_search_20250305",
    "Anthropic to OpenaiResponses: 139 translated; refused 3 container, 1 context_management, 1 mcp_servers, 2 messages.content, 3 messages.content.container_upload, 6 messages.content.server_tool_use, 3 messages.content.tool_addition, 22 messages.content.tool_reference, 2 tools.advisor_20260301, 1 tools.code_execution_20250522, 3 tools.code_execution_20260120, 2 tools.memory_20250818, 5 tools.tool_search_tool_bm25_20251119, 1 tools.tool_search_tool_regex_20251119, 1 tools.web_fetch_20250910, 7 tools.web_search_20250305",
    "Anthropic to Gemini: 139 translated; refused 3 container, 1 context_management, 1 mcp_servers, 1 messages.content, 3 messages.content.container_upload, 6 messages.content.server_tool_use, 3 messages.content.tool_addition, 22 messages.content.tool_reference, 1 tool_choice.disable_parallel_tool_use, 2 tools.advisor_20260301, 1 tools.code_execution_20250522, 3 tools.code_execution_20260120, 2 tools.memory_20250818, 5 tools.tool_search_tool_bm25_20251119, 1 tools.tool_search_tool_regex_20251119, 1 tools.web_fetch_20250910, 7 tools.web_search_20250305",
    "Gemini to OpenaiChat: 146 translated; refused 2 cachedContent, 8 contents.parts, 17 contents.parts.fileData, 2 modelArmorConfig, 2 tools.codeExecution, 2 tools.fileSearch, 7 tools.googleSearch, 1 tools.urlContext",
    "Gemini to OpenaiResponses: 146 translated; refused 2 cachedContent, 8 contents.parts, 12 contents.parts.fileData, 4 contents.parts.inlineData, 1 generationConfig.stopSequences, 2 modelArmorConfig, 2 tools.codeExecution, 2 tools.fileSearch, 7 tools.googleSearch, 1 tools.urlContext",
    "Gemini to Anthropic: 142 translated; refused 2 cachedContent, 8 contents.parts, 12 contents.parts.fileData, 4 contents.parts.inlineData, 2 generationConfig.responseLogprobs, 2 generationConfig.responseMimeType, 2 modelArmorConfig, 1 toolConfig.functionCallingConfig.allowedFunctionNames, 2 tools.codeExecution, 2 tools.fileSearch, 7 tools.googleSearch, 1 tools.urlContext",
];
