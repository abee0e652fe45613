//! A request as a value that can be compared. Texts, schemas and numbers are as they were written, escapes and all.

use serde_json::{Value, json};

use super::form::written;
use crate::json_view::{Text, View};
use crate::neutral::{Effort, OutputFormat, Part, PartKind, Request, Role, Source, Tool, ToolChoice};

pub(super) fn of_request(request: &Request<'_>) -> Value {
    let sampling = &request.sampling;
    let reasoning = request.reasoning.as_ref();
    json!({
        "instructions": request.instructions.iter().map(part).collect::<Value>(),
        "turns": request.turns.iter().map(|turn| json!({
            "role": role(turn.role),
            "name": some(turn.name.as_ref()),
            "parts": turn.parts.iter().map(part).collect::<Value>(),
        })).collect::<Value>(),
        "tools": request.tools.iter().map(tool).collect::<Value>(),
        "tool_choice": match &request.tool_choice {
            None => Value::Null,
            Some(ToolChoice::Auto) => "auto".into(),
            Some(ToolChoice::None) => "none".into(),
            Some(ToolChoice::Required) => "required".into(),
            Some(ToolChoice::Tool(name)) => json!({"tool": name.escaped()}),
            Some(ToolChoice::Among { names, is_required }) => {
                json!({"among": names.iter().map(Text::escaped).collect::<Vec<_>>(), "is_required": is_required})
            }
        },
        "parallel_tool_calls": request.parallel_tool_calls,
        "output_format": match &request.output_format {
            None | Some(OutputFormat::Text) => Value::Null,
            Some(OutputFormat::Json) => "json".into(),
            Some(OutputFormat::Schema { name, description, schema, strict }) => json!({
                "name": some(name.as_ref()), "description": some(description.as_ref()), "schema": schema.raw(),
                "strict": strict
            }),
        },
        "max_output_tokens": request.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "seed": sampling.seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logit_bias": sampling.logit_bias.map(View::raw),
        "stop": request.stop.iter().map(Text::escaped).collect::<Vec<_>>(),
        "effort": reasoning.and_then(|reasoning| reasoning.effort).map(Effort::word),
        "budget_tokens": reasoning.and_then(|reasoning| reasoning.budget_tokens),
        "includes_thoughts": reasoning.and_then(|reasoning| reasoning.includes_thoughts),
        "summary": reasoning.and_then(|reasoning| reasoning.summary.as_ref()).map(Text::escaped),
        "choices": request.choices,
        "logprobs": request.logprobs,
        "stream": request.stream,
        "user": some(request.user.as_ref()),
        "metadata": request.metadata.map(View::raw),
        "service_tier": some(request.service_tier.as_ref()),
    })
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    }
}

fn some(text: Option<&Text<'_>>) -> Value {
    text.map_or(Value::Null, |text| text.escaped().into())
}

fn tool(tool: &Tool<'_>) -> Value {
    json!({
        "name": tool.name.escaped(),
        "description": some(tool.description.as_ref()),
        "parameters": tool.parameters.map(View::raw),
        "strict": tool.strict,
        "cache_control": tool.cache_control.map(View::raw),
    })
}

fn part(own: &Part<'_>) -> Value {
    let mut value = match &own.kind {
        PartKind::Text { text, citations } => {
            json!({"kind": "text", "text": text.escaped(), "citations": citations.map(View::raw)})
        }
        PartKind::Refusal(text) => json!({"kind": "refusal", "text": text.escaped()}),
        PartKind::Thinking(text) => json!({"kind": "thinking", "text": text.escaped()}),
        PartKind::RedactedThinking(text) => json!({"kind": "redacted", "text": text.escaped()}),
        PartKind::Image { source: own, detail } => {
            json!({"kind": "image", "source": source(own), "detail": some(detail.as_ref())})
        }
        PartKind::Audio(own) => json!({"kind": "audio", "source": source(own)}),
        PartKind::Video(own) => json!({"kind": "video", "source": source(own)}),
        PartKind::Document { source: own, name } => {
            json!({"kind": "document", "source": source(own), "name": some(name.as_ref())})
        }
        PartKind::ToolCall { id, name, arguments } => {
            json!({"kind": "call", "id": id.escaped(), "name": name.escaped(), "arguments": written(arguments)})
        }
        PartKind::ToolResult { id, name, is_error, content } => json!({
            "kind": "result", "id": id.escaped(), "name": some(name.as_ref()), "is_error": is_error,
            "content": content.iter().map(part).collect::<Value>(),
        }),
    };
    value["cache_control"] = own.cache_control.map(View::raw).into();
    value["signature"] = some(own.signature.as_ref());
    value
}

fn source(source: &Source<'_>) -> Value {
    match source {
        Source::Base64 { media_type, data } => json!({"media_type": media_type.escaped(), "data": data.escaped()}),
        Source::Url { url, media_type } => json!({"url": url.escaped(), "media_type": some(media_type.as_ref())}),
        Source::File(id) => json!({"file": id.escaped()}),
        Source::Plain(text) => json!({"plain": text.escaped()}),
    }
}

/// Every part of a request, those in results too.
pub(super) fn for_each_part(request: &mut Value, mut take: impl FnMut(&mut Value)) {
    let mut within = |parts: &mut Value| {
        for part in parts.as_array_mut().expect("parts") {
            take(part);
            for inner in part.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
                take(inner);
            }
        }
    };
    within(&mut request["instructions"]);
    request["turns"].as_array_mut().expect("turns").iter_mut().for_each(|turn| within(&mut turn["parts"]));
}

/// Every list of parts that may be rearranged, with who says it: those of results last.
pub(super) fn for_each_list(request: &mut Value, mut take: impl FnMut(&str, &mut Vec<Value>)) {
    for turn in request["turns"].as_array_mut().expect("turns") {
        let role = turn["role"].as_str().expect("a role").to_owned();
        let parts = turn["parts"].as_array_mut().expect("parts");
        for result in parts.iter_mut().filter_map(|part| part.get_mut("content")) {
            take("result", result.as_array_mut().expect("parts"));
        }
        take(&role, parts);
    }
    take("instructions", request["instructions"].as_array_mut().expect("parts"));
}
