//! A request to a provider.
//!
//! Nothing is stored there (`store: false`), so reasoning is asked for in its encrypted form, of models that reason: others
//! refuse to be asked.

use super::input_writer;
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::neutral::{Effort, OutputFormat, PartKind, Reasoning, Request, Target, Tool, ToolChoice};

/// Service tiers of other dialects, and which of OpenAI's they are. Tiers that OpenAI knows stay as they are.
const SERVICE_TIERS: [(&str, &str); 9] = [
    ("auto", "auto"),
    ("default", "default"),
    ("fast", "fast"),
    ("flex", "flex"),
    ("priority", "priority"),
    ("scale", "scale"),
    ("standard", "default"),
    ("standard_only", "default"),
    ("ultrafast", "ultrafast"),
];

/// OpenAI's word for a service tier in any dialect's words.
pub(super) fn service_tier(word: &Text<'_>) -> Option<&'static str> {
    SERVICE_TIERS.iter().find(|(own, _)| *own == word.escaped()).map(|(_, tier)| *tier)
}

/// Writes a request.
///
/// # Errors
/// None today: whatever this dialect can't say, the table of features has said before.
pub fn write_request(request: &Request<'_>, target: &Target<'_>) -> Result<Vec<u8>, Failure> {
    let mut written = Vec::with_capacity(1_024);
    let mut object = JsonObject::begin(&mut written);
    object.text("model", target.model);
    // Several instructions stay several: they become a message.
    let instructions = match request.instructions.as_slice() {
        [only] => match &only.kind {
            PartKind::Text { text, .. } => Some(text),
            _ => None,
        },
        _ => None,
    };
    if let Some(text) = instructions {
        object.value("instructions", |into| text.write(into));
    }
    let before = if instructions.is_some() { &[] } else { request.instructions.as_slice() };
    object.value("input", |into| input_writer::write_input(before, &request.turns, into));
    if !request.tools.is_empty() {
        object.value("tools", |into| write_list(into, &request.tools, write_tool));
        // A choice of tools that are not there is refused.
        if let Some(choice) = &request.tool_choice {
            object.value("tool_choice", |into| write_tool_choice(choice, into));
        }
        if let Some(parallel) = request.parallel_tool_calls {
            object.flag("parallel_tool_calls", parallel);
        }
    }
    if let Some(format) = request.output_format.as_ref().filter(|format| **format != OutputFormat::Text) {
        object.object("text", |text| text.value("format", |into| write_format(format, into)));
    }
    if let Some(tokens) = request.max_output_tokens {
        object.number("max_output_tokens", tokens);
    }
    for (name, number) in [("temperature", request.sampling.temperature), ("top_p", request.sampling.top_p)] {
        if let Some(number) = number {
            object.literal(name, number.as_bytes());
        }
    }
    if let Some(reasoning) = &request.reasoning {
        write_reasoning(reasoning, &mut object);
    }
    object.flag("store", false);
    write_include(request, target, &mut object);
    if let Some(user) = &request.user {
        object.value("user", |into| user.write(into));
    }
    if let Some(metadata) = request.metadata {
        object.literal("metadata", metadata.raw().as_bytes());
    }
    if let Some(tier) = request.service_tier.as_ref().and_then(service_tier) {
        object.text("service_tier", tier);
    }
    if request.stream {
        object.flag("stream", true);
    }
    object.end();
    Ok(written)
}

fn write_include(request: &Request<'_>, target: &Target<'_>, object: &mut JsonObject<'_>) {
    let reasons = target.reasoning.is_some() || request.reasoning.is_some();
    let include =
        [reasons.then_some("reasoning.encrypted_content"), request.logprobs.map(|_| "message.output_text.logprobs")];
    if include.iter().any(Option::is_some) {
        object.value("include", |into| {
            write_list(into, include.iter().flatten(), |one, into| Text::of(one).write(into));
        });
    }
    if let Some(candidates) = request.logprobs.filter(|candidates| *candidates > 0) {
        object.number("top_logprobs", candidates);
    }
}

fn write_tool(tool: &Tool<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "function");
    object.value("name", |into| tool.name.write(into));
    if let Some(description) = &tool.description {
        object.value("description", |into| description.write(into));
    }
    let parameters = tool.parameters.map_or(r#"{"type":"object","properties":{}}"#, View::raw);
    object.literal("parameters", parameters.as_bytes());
    // Unasked, this API makes every schema a strict one, which changes what is optional; no other does.
    object.flag("strict", tool.strict.unwrap_or(false));
    object.end();
}

fn write_tool_choice(choice: &ToolChoice<'_>, into: &mut Vec<u8>) {
    let function = |name: &Text<'_>, into: &mut Vec<u8>| {
        let mut object = JsonObject::begin(into);
        object.text("type", "function");
        object.value("name", |into| name.write(into));
        object.end();
    };
    match choice {
        ToolChoice::Auto => Text::of("auto").write(into),
        ToolChoice::None => Text::of("none").write(into),
        ToolChoice::Required => Text::of("required").write(into),
        ToolChoice::Tool(name) => function(name, into),
        ToolChoice::Among { names, is_required } => {
            let mut object = JsonObject::begin(into);
            object.text("type", "allowed_tools");
            object.text("mode", if *is_required { "required" } else { "auto" });
            object.value("tools", |into| write_list(into, names, function));
            object.end();
        }
    }
}

fn write_format(format: &OutputFormat<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    match format {
        OutputFormat::Text => object.text("type", "text"),
        OutputFormat::Json => object.text("type", "json_object"),
        OutputFormat::Schema { name, description, schema, strict } => {
            object.text("type", "json_schema");
            // Needed here, and not by others.
            object.value("name", |into| name.as_ref().unwrap_or(&Text::of("answer")).write(into));
            if let Some(description) = description {
                object.value("description", |into| description.write(into));
            }
            object.literal("schema", schema.raw().as_bytes());
            if let Some(strict) = strict {
                object.flag("strict", *strict);
            }
        }
    }
    object.end();
}

fn write_reasoning(reasoning: &Reasoning<'_>, object: &mut JsonObject<'_>) {
    let effort = reasoning.effort.or_else(|| reasoning.budget_tokens.and_then(Effort::of_budget));
    let automatic = || (reasoning.includes_thoughts == Some(true)).then(|| Text::of("auto"));
    let summary = reasoning.summary.clone().or_else(automatic);
    if effort.is_none() && summary.is_none() {
        return;
    }
    object.object("reasoning", |inner| {
        if let Some(effort) = effort {
            inner.text("effort", effort.word());
        }
        if let Some(summary) = summary {
            inner.value("summary", |into| summary.write(into));
        }
    });
}

#[cfg(test)]
#[path = "request_writer_tests.rs"]
mod tests;
