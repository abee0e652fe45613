//! Requests, as a client of Anthropic's writes them.

use super::block_reader::{read_content, reunite};
use super::fields::{Fields, wrong};
use super::unexpressed::{field, note};
use crate::failure::Failure;
use crate::json_view::{Kind, View};
use crate::neutral::{
    Effort, OutputFormat, Part, PartKind, Reasoning, Request, Role, Sampling, Tool, ToolChoice, Turn, Unexpressed,
};

/// Reads a request.
///
/// # Errors
/// A [`Failure`] that names the field: one that must be there, a value of the wrong kind, an unknown role or block.
pub fn read_request(body: View<'_>) -> Result<Request<'_>, Failure> {
    let fields = Fields::of_object(body, "the request body")?;
    let mut request = Request {
        model: fields.needed_text("model", "model")?,
        unexpressed: fields.iter().filter_map(|(name, _)| field(name)).collect(),
        max_output_tokens: fields.count("max_tokens", "max_tokens")?,
        sampling: Sampling {
            temperature: fields.number("temperature", "temperature")?,
            top_p: fields.number("top_p", "top_p")?,
            top_k: fields.number("top_k", "top_k")?,
            ..Sampling::default()
        },
        stream: fields.flag("stream", "stream")?.unwrap_or(false),
        service_tier: fields.text("service_tier", "service_tier")?,
        ..Request::default()
    };
    if let Some(system) = fields.get("system") {
        request.instructions = read_instructions(system, &mut request.unexpressed)?;
    }
    let messages = fields.list("messages", "messages")?.ok_or_else(|| wrong("messages", "an array"))?;
    for message in messages {
        request.turns.push(read_turn(message, &mut request.unexpressed)?);
    }
    for stop in fields.list("stop_sequences", "stop_sequences")?.unwrap_or_default() {
        request.stop.push(stop.text().ok_or_else(|| wrong("stop_sequences", "an array of strings"))?);
    }
    for tool in fields.list("tools", "tools")?.unwrap_or_default() {
        request.tools.extend(read_tool(tool, &mut request.unexpressed)?);
    }
    if let Some(choice) = fields.get("tool_choice") {
        read_tool_choice(choice, &mut request)?;
    }
    if let Some(metadata) = fields.get("metadata") {
        let metadata = Fields::of_object(metadata, "metadata")?;
        request.user = metadata.text("user_id", "metadata.user_id")?;
        for (name, _) in metadata.iter().filter(|(name, _)| name.as_ref() != "user_id") {
            note(&mut request.unexpressed, format!("metadata.{name}"), false);
        }
    }
    read_output(&fields, &mut request)?;
    Ok(request)
}

fn read_instructions<'t>(system: View<'t>, unexpressed: &mut Vec<Unexpressed<'t>>) -> Result<Vec<Part<'t>>, Failure> {
    if !matches!(system.kind(), Kind::Text | Kind::Array) {
        return Err(wrong("system", "a string or an array of text blocks"));
    }
    let parts = read_content(system, unexpressed)?;
    if parts.iter().any(|part| !matches!(part.kind, PartKind::Text { .. })) {
        return Err(wrong("system", "a string or an array of text blocks"));
    }
    Ok(parts)
}

fn read_turn<'t>(message: View<'t>, unexpressed: &mut Vec<Unexpressed<'t>>) -> Result<Turn<'t>, Failure> {
    let fields = Fields::of_object(message, "messages")?;
    let role = match fields.word("role", "messages.role")?.as_ref() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(wrong("messages.role", "user, assistant or system")),
    };
    let content = fields.get("content").ok_or_else(|| wrong("messages.content", "a string or an array of blocks"))?;
    let parts = read_content(content, unexpressed)?;
    let parts = if role == Role::Assistant { reunite(parts) } else { parts };
    Ok(Turn { role, name: None, parts })
}

/// Fields of tools that shape neither what they are nor how they are called.
const HABITS: [&str; 4] = ["allowed_callers", "defer_loading", "eager_input_streaming", "input_examples"];

/// `None`: a tool of Anthropic's own.
fn read_tool<'t>(tool: View<'t>, unexpressed: &mut Vec<Unexpressed<'t>>) -> Result<Option<Tool<'t>>, Failure> {
    let fields = Fields::of_object(tool, "tools")?;
    if let Some(kind) = fields.get("type").filter(|kind| !kind.is("custom")) {
        let kind = kind.decoded().ok_or_else(|| wrong("tools.type", "a string"))?;
        note(unexpressed, format!("tools.{kind}"), true);
        return Ok(None);
    }
    for habit in HABITS {
        if fields.get(habit).is_some() {
            note(unexpressed, format!("tools.{habit}"), false);
        }
    }
    Ok(Some(Tool {
        name: fields.needed_text("name", "tools.name")?,
        description: fields.text("description", "tools.description")?,
        parameters: fields.object("input_schema", "tools.input_schema")?,
        strict: fields.flag("strict", "tools.strict")?,
        cache_control: fields.object("cache_control", "tools.cache_control")?,
    }))
}

fn read_tool_choice<'t>(choice: View<'t>, request: &mut Request<'t>) -> Result<(), Failure> {
    let fields = Fields::of_object(choice, "tool_choice")?;
    request.tool_choice = Some(match fields.word("type", "tool_choice.type")?.as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Tool(fields.needed_text("name", "tool_choice.name")?),
        _ => return Err(wrong("tool_choice.type", "auto, any, tool or none")),
    });
    let is_sequential = fields.flag("disable_parallel_tool_use", "tool_choice.disable_parallel_tool_use")?;
    request.parallel_tool_calls = is_sequential.map(|is_sequential| !is_sequential);
    Ok(())
}

/// What the answer shall be like: thinking, effort, form.
fn read_output<'t>(fields: &Fields<'t>, request: &mut Request<'t>) -> Result<(), Failure> {
    let mut reasoning = Reasoning::default();
    if let Some(thinking) = fields.get("thinking") {
        let thinking = Fields::of_object(thinking, "thinking")?;
        let kind = thinking.word("type", "thinking.type")?;
        let shown = thinking.get("display").map(|display| !display.is("omitted"));
        (reasoning.budget_tokens, reasoning.includes_thoughts) = match kind.as_ref() {
            "disabled" => (Some(0), None),
            "adaptive" => (Some(-1), shown),
            // Thoughts are shown unless the client says otherwise.
            "enabled" => {
                let budget = thinking.count("budget_tokens", "thinking.budget_tokens")?;
                let budget = budget.ok_or_else(|| wrong("thinking.budget_tokens", "a whole number"))?;
                (Some(i64::try_from(budget).unwrap_or(i64::MAX)), Some(shown.unwrap_or(true)))
            }
            _ => return Err(wrong("thinking.type", "enabled, adaptive or disabled")),
        };
    }
    let mut format = fields.object("output_format", "output_format")?;
    if let Some(config) = fields.get("output_config") {
        let config = Fields::of_object(config, "output_config")?;
        format = config.object("format", "output_config.format")?.or(format);
        if config.get("effort").is_some() {
            let effort = Effort::parse(&config.word("effort", "output_config.effort")?);
            let field = "output_config.effort";
            reasoning.effort = Some(effort.ok_or_else(|| wrong(field, "low, medium, high, xhigh or max"))?);
        }
        for (name, _) in config.iter().filter(|(name, _)| !matches!(name.as_ref(), "format" | "effort")) {
            note(&mut request.unexpressed, format!("output_config.{name}"), false);
        }
    }
    request.reasoning = (reasoning != Reasoning::default()).then_some(reasoning);
    if let Some(format) = format {
        let format = Fields::of(format);
        if format.word("type", "output_config.format.type")? != "json_schema" {
            return Err(wrong("output_config.format.type", "json_schema"));
        }
        let schema = format.object("schema", "output_config.format.schema")?;
        request.output_format = Some(OutputFormat::Schema {
            name: format.text("name", "output_config.format.name")?,
            description: None,
            schema: schema.ok_or_else(|| wrong("output_config.format.schema", "an object"))?,
            strict: None,
        });
    }
    Ok(())
}

#[cfg(test)]
#[path = "request_reader_tests.rs"]
mod tests;
