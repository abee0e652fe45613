//! Requests for chat completions, written for OpenAI and vendors that follow it.

use super::message_writer;
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::neutral::{Effort, OutputFormat, Reasoning, Request, Target, Tool, ToolChoice};

/// A schema needs a name here.
const SCHEMA_NAME: &str = "answer";

/// OpenAI's word for a service tier in any dialect's words.
pub(super) fn service_tier(word: &Text<'_>) -> Option<&'static str> {
    SERVICE_TIERS.iter().find(|(own, _)| *own == word.escaped()).map(|(_, tier)| *tier)
}

/// Words for tiers, and what they are here; others are left out.
const SERVICE_TIERS: [(&str, &str); 8] = [
    ("auto", "auto"),
    ("default", "default"),
    ("flex", "flex"),
    ("scale", "scale"),
    ("priority", "priority"),
    ("fast", "fast"),
    // Anthropic's and Gemini's.
    ("standard_only", "default"),
    ("standard", "default"),
];

/// Writes a request.
///
/// # Errors
/// A [`Failure`] that names what can't be said: a picture or sound of a type that the format does not know.
pub fn write_request(request: &Request<'_>, target: &Target<'_>) -> Result<Vec<u8>, Failure> {
    let mut written = Vec::with_capacity(1024);
    let mut body = JsonObject::begin(&mut written);
    body.text("model", target.model);
    let mut messages = Ok(());
    body.value("messages", |into| messages = message_writer::write(request, into));
    messages?;
    write_tools(request, &mut body);
    if let Some(format) = &request.output_format {
        write_format(format, &mut body);
    }
    if let Some(tokens) = request.max_output_tokens {
        body.number("max_completion_tokens", tokens);
    }
    write_sampling(request, &mut body);
    // A model that is not known to think refuses to be told not to.
    let is_idle = |effort: &Effort| *effort == Effort::None && target.reasoning.is_none();
    if let Some(effort) = request.reasoning.as_ref().and_then(effort).filter(|effort| !is_idle(effort)) {
        body.text("reasoning_effort", effort.word());
    }
    if let Some(choices) = request.choices {
        body.number("n", choices);
    }
    if let Some(candidates) = request.logprobs {
        body.flag("logprobs", true);
        if candidates > 0 {
            body.number("top_logprobs", candidates);
        }
    }
    if let Some(user) = &request.user {
        body.value("user", |into| user.write(into));
    }
    if let Some(metadata) = request.metadata {
        body.literal("metadata", metadata.raw().as_bytes());
    }
    if let Some(tier) = request.service_tier.as_ref().and_then(service_tier) {
        body.text("service_tier", tier);
    }
    if request.stream {
        body.flag("stream", true);
        body.literal("stream_options", br#"{"include_usage":true}"#);
    }
    body.end();
    Ok(written)
}

fn write_sampling(request: &Request<'_>, body: &mut JsonObject<'_>) {
    let sampling = &request.sampling;
    for (name, number) in [
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("seed", sampling.seed),
        ("presence_penalty", sampling.presence_penalty),
        ("frequency_penalty", sampling.frequency_penalty),
        ("logit_bias", sampling.logit_bias.map(View::raw)),
    ] {
        if let Some(number) = number {
            body.literal(name, number.as_bytes());
        }
    }
    if !request.stop.is_empty() {
        body.value("stop", |into| write_list(into, &request.stop, Text::write));
    }
}

/// The word counts where there is one: it is the one that this format has.
fn effort(reasoning: &Reasoning<'_>) -> Option<Effort> {
    reasoning.effort.or_else(|| reasoning.budget_tokens.and_then(Effort::of_budget))
}

/// Tools, and how they are chosen: without tools a choice of them is an error.
fn write_tools(request: &Request<'_>, body: &mut JsonObject<'_>) {
    if request.tools.is_empty() {
        return;
    }
    body.value("tools", |into| write_list(into, &request.tools, write_tool));
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => body.text("tool_choice", "auto"),
        Some(ToolChoice::None) => body.text("tool_choice", "none"),
        Some(ToolChoice::Required) => body.text("tool_choice", "required"),
        Some(ToolChoice::Tool(name)) => body.value("tool_choice", |into| write_name(name, into)),
        Some(ToolChoice::Among { names, is_required }) => body.object("tool_choice", |choice| {
            choice.text("type", "allowed_tools");
            choice.object("allowed_tools", |allowed| {
                allowed.text("mode", if *is_required { "required" } else { "auto" });
                allowed.value("tools", |into| write_list(into, names, write_name));
            });
        }),
    }
    if let Some(parallel) = request.parallel_tool_calls {
        body.flag("parallel_tool_calls", parallel);
    }
}

fn write_tool(tool: &Tool<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "function");
    object.object("function", |function| {
        function.value("name", |into| tool.name.write(into));
        if let Some(description) = &tool.description {
            function.value("description", |into| description.write(into));
        }
        if let Some(parameters) = tool.parameters {
            function.literal("parameters", parameters.raw().as_bytes());
        }
        if let Some(strict) = tool.strict {
            function.flag("strict", strict);
        }
    });
    object.end();
}

fn write_name(name: &Text<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "function");
    object.object("function", |function| function.value("name", |into| name.write(into)));
    object.end();
}

fn write_format(format: &OutputFormat<'_>, body: &mut JsonObject<'_>) {
    let word = match format {
        OutputFormat::Text => "text",
        OutputFormat::Json => "json_object",
        OutputFormat::Schema { .. } => "json_schema",
    };
    body.object("response_format", |object| {
        object.text("type", word);
        if let OutputFormat::Schema { name, description, schema, strict } = format {
            object.object("json_schema", |object| {
                match name {
                    Some(name) => object.value("name", |into| name.write(into)),
                    None => object.text("name", SCHEMA_NAME),
                }
                if let Some(description) = description {
                    object.value("description", |into| description.write(into));
                }
                object.literal("schema", schema.raw().as_bytes());
                if let Some(strict) = strict {
                    object.flag("strict", *strict);
                }
            });
        }
    });
}
