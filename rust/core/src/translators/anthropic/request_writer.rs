//! Requests, as Anthropic takes them.
//!
//! Turns of one role are one message; results of tools stand first in theirs. What the provider refuses is left out: words
//! of white space alone, thoughts that it did not sign, sampling that does not go with thinking.

use std::borrow::Cow;

use super::block_writer::{BlockWriter, is_blank, is_taken};
use super::schema;
use super::thinking::Plan;
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::neutral::{Effort, OutputFormat, Part, PartKind, Place, Request, Role, Target, Tool, ToolChoice};

/// Writes a request.
///
/// # Errors
/// A [`Failure`] that names what the provider can't be told: tool arguments that are no object, images and documents of
/// types that it does not know, stop sequences of white space alone.
pub fn write_request(request: &Request<'_>, target: &Target<'_>) -> Result<Vec<u8>, Failure> {
    let messages = Message::all(request);
    let plan = Plan::of(request, target, history_allows_thinking(&messages));
    let (system, messages) = (written_system(request)?, written_messages(&messages)?);
    let mut written = Vec::with_capacity(messages.len() + 1024);
    let mut body = JsonObject::begin(&mut written);
    body.text("model", target.model);
    body.number("max_tokens", plan.max_tokens);
    if let Some(system) = system {
        body.literal("system", &system);
    }
    body.literal("messages", &messages);
    if !request.tools.is_empty() {
        body.value("tools", |written| write_list(written, &request.tools, write_tool));
        write_tool_choice(&mut body, request);
    }
    plan.write(&mut body);
    write_sampling(&mut body, request, plan.is_on());
    if !request.stop.is_empty() {
        if request.stop.iter().any(is_blank) {
            let message = "this provider takes no stop sequence that is white space alone";
            return Err(Place::Stop.failure(message));
        }
        body.value("stop_sequences", |written| write_list(written, &request.stop, Text::write));
    }
    write_output_config(&mut body, request, &plan);
    if let Some(user) = &request.user {
        body.object("metadata", |metadata| metadata.value("user_id", |written| user.write(written)));
    }
    // Other vendors' tiers mean other things.
    if let Some(tier) = request.service_tier.as_ref().filter(|tier| matches!(tier.escaped(), "auto" | "standard_only"))
    {
        body.value("service_tier", |written| tier.write(written));
    }
    if request.stream {
        body.flag("stream", true);
    }
    body.end();
    Ok(written)
}

/// What one side says at once.
struct Message<'request, 'text> {
    is_users: bool,
    parts: Vec<&'request Part<'text>>,
}

impl<'request, 'text> Message<'request, 'text> {
    fn all(request: &'request Request<'text>) -> Vec<Self> {
        let mut messages: Vec<Self> = Vec::with_capacity(request.turns.len());
        for turn in &request.turns {
            let is_users = turn.role != Role::Assistant;
            let parts = turn.parts.iter().filter(|part| is_taken(part));
            match messages.last_mut() {
                Some(last) if last.is_users == is_users => last.parts.extend(parts),
                _ => {
                    let parts: Vec<_> = parts.collect();
                    if !parts.is_empty() {
                        messages.push(Self { is_users, parts });
                    }
                }
            }
        }
        for message in messages.iter_mut().filter(|message| message.is_users) {
            message.parts.sort_by_key(|part| !matches!(part.kind, PartKind::ToolResult { .. }));
        }
        messages
    }

    fn has_results(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.kind, PartKind::ToolResult { .. }))
    }
}

/// Whether the model may think in tokens: the turn that it goes on with begins with thoughts, if there is such a turn.
fn history_allows_thinking(messages: &[Message<'_, '_>]) -> bool {
    let Some(last) = messages.iter().rposition(|message| !message.is_users) else { return true };
    let is_gone_on_with = messages.get(last + 1).is_none_or(Message::has_results);
    !is_gone_on_with || messages[last].parts.first().is_some_and(|part| is_thought(part))
}

fn is_thought(part: &Part<'_>) -> bool {
    matches!(part.kind, PartKind::Thinking(_) | PartKind::RedactedThinking(_))
}

fn written_messages(messages: &[Message<'_, '_>]) -> Result<Vec<u8>, Failure> {
    let mut written = vec![b'['];
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            written.push(b',');
        }
        let role = if message.is_users { "user" } else { "assistant" };
        written.extend_from_slice(format!("{{\"role\":\"{role}\",\"content\":").as_bytes());
        let mut blocks = BlockWriter::begin(&mut written);
        for part in &message.parts {
            blocks.request_part(part)?;
        }
        blocks.end();
        written.push(b'}');
    }
    written.push(b']');
    Ok(written)
}

/// Instructions are words alone.
fn written_system(request: &Request<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let is_instruction = |part: &&Part<'_>| matches!(part.kind, PartKind::Text { .. }) && is_taken(part);
    let mut instructions = request.instructions.iter().filter(is_instruction).peekable();
    if instructions.peek().is_none() {
        return Ok(None);
    }
    let mut written = Vec::new();
    let mut blocks = BlockWriter::begin(&mut written);
    for part in instructions {
        blocks.request_part(part)?;
    }
    blocks.end();
    Ok(Some(written))
}

fn write_tool(tool: &Tool<'_>, written: &mut Vec<u8>) {
    let mut object = JsonObject::begin(written);
    object.value("name", |written| tool.name.write(written));
    if let Some(description) = &tool.description {
        object.value("description", |written| description.write(written));
    }
    object.value("input_schema", |written| write_schema(tool, written));
    if let Some(strict) = tool.strict {
        object.flag("strict", strict);
    }
    if let Some(mark) = tool.cache_control {
        object.literal("cache_control", mark.raw().as_bytes());
    }
    object.end();
}

/// The provider wants arguments to be said to be an object; others take that for granted.
fn write_schema(tool: &Tool<'_>, written: &mut Vec<u8>) {
    let given = tool.parameters.map_or(r#"{"properties":{}}"#, View::raw);
    let has_type = tool.parameters.is_some_and(|schema| schema.members().iter().any(|(key, _)| key == "type"));
    let typed = match given.strip_prefix('{').filter(|_| !has_type) {
        Some(rest) => {
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            Cow::Owned(format!("{{\"type\":\"object\"{comma}{rest}"))
        }
        None => Cow::Borrowed(given),
    };
    match View::known(typed.as_bytes()).filter(|_| tool.strict == Some(true)) {
        Some(schema) => schema::write_closed(schema, written),
        None => written.extend_from_slice(typed.as_bytes()),
    }
}

fn write_tool_choice(body: &mut JsonObject<'_>, request: &Request<'_>) {
    let is_sequential = request.parallel_tool_calls == Some(false);
    let kind = match &request.tool_choice {
        None if is_sequential => "auto",
        None => return,
        Some(ToolChoice::Auto | ToolChoice::Among { is_required: false, .. }) => "auto",
        Some(ToolChoice::None) => "none",
        Some(ToolChoice::Required | ToolChoice::Among { is_required: true, .. }) => "any",
        Some(ToolChoice::Tool(_)) => "tool",
    };
    body.object("tool_choice", |choice| {
        choice.text("type", kind);
        if let Some(ToolChoice::Tool(name)) = &request.tool_choice {
            choice.value("name", |written| name.write(written));
        }
        if is_sequential && kind != "none" {
            choice.flag("disable_parallel_tool_use", true);
        }
    });
}

/// The least `top_p` that goes with thinking.
const TOP_P_OF_THINKING: f64 = 0.95;

fn write_sampling(body: &mut JsonObject<'_>, request: &Request<'_>, thinks: bool) {
    let sampling = &request.sampling;
    let value = |number: &str| number.parse::<f64>().unwrap_or(0.0);
    // Models from 4.1 on refuse temperature and `top_p` at once. A temperature of 1 is none.
    let is_idle = |number: &str| value(number) >= 1.0;
    let cedes = |temperature: &str| is_idle(temperature) && sampling.top_p.is_some_and(|top_p| !is_idle(top_p));
    let temperature = sampling.temperature.filter(|temperature| !thinks && !cedes(temperature));
    if let Some(temperature) = temperature {
        // OpenAI's and Gemini's go up to 2.
        let temperature = if value(temperature) > 1.0 { "1" } else { temperature };
        body.literal("temperature", temperature.as_bytes());
    }
    let is_allowed = |top_p: &&str| temperature.is_none() && (!thinks || value(top_p) >= TOP_P_OF_THINKING);
    if let Some(top_p) = sampling.top_p.filter(is_allowed) {
        body.literal("top_p", top_p.as_bytes());
    }
    if let Some(top_k) = sampling.top_k.filter(|_| !thinks) {
        body.literal("top_k", top_k.as_bytes());
    }
}

fn write_output_config(body: &mut JsonObject<'_>, request: &Request<'_>, plan: &Plan) {
    let schema = match &request.output_format {
        Some(OutputFormat::Schema { schema, .. }) => Some(schema),
        _ => None,
    };
    // Without thoughts the provider knows no higher effort.
    let effort = plan.effort.map(|effort| if plan.is_on() { effort } else { effort.min(Effort::High) });
    if schema.is_none() && effort.is_none() {
        return;
    }
    body.object("output_config", |config| {
        if let Some(effort) = effort {
            config.text("effort", effort.word());
        }
        if let Some(schema) = schema {
            config.object("format", |format| {
                format.text("type", "json_schema");
                format.value("schema", |written| schema::write_closed(*schema, written));
            });
        }
    });
}

#[cfg(test)]
#[path = "request_writer_tests.rs"]
mod tests;
