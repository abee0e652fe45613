//! A client's request.

use super::fields::{flag, given_text, list, needed_text, note, number, object, text, whole, word, wrong};
use super::input_reader::read_input;
use crate::failure::Failure;
use crate::json_view::{Kind, View};
use crate::neutral::{Effort, OutputFormat, Part, Reasoning, Request, Tool, ToolChoice};

/// A field that only this dialect has.
struct OwnField {
    name: &'static str,
    is_essential: bool,
    /// The value with which it asks for nothing that would not happen anyway, as JSON.
    idle: &'static str,
}

const fn own(name: &'static str, is_essential: bool, idle: &'static str) -> OwnField {
    OwnField { name, is_essential, idle }
}

/// Fields that mean more than "may be left out", or nothing at one value. All others may be left out.
const OWN_FIELDS: [OwnField; 6] = [
    own("previous_response_id", true, ""),
    own("conversation", true, ""),
    own("prompt", true, ""),
    own("background", true, "false"),
    own("store", false, "false"),
    own("truncation", false, r#""disabled""#),
];

/// Reads a request.
///
/// # Errors
/// A [`Failure`] that names the field: no model, a field of the wrong kind, an item or part that nobody knows.
pub fn read_request(body: View<'_>) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    let (mut input, mut top_logprobs, mut wants_logprobs, mut safety_identifier) = (None, None, false, None);
    request.model = needed_text(body, "model", "model")?;
    for (name, value) in body.members() {
        if value.is_null() {
            continue;
        }
        match name.as_ref() {
            "model" => {}
            "instructions" => request.instructions.push(Part::text(text(value, "instructions")?)),
            "input" => input = Some(value),
            "tools" => list(value, "tools")?.into_iter().try_for_each(|tool| read_tool(tool, &mut request))?,
            "tool_choice" => read_tool_choice(value, &mut request)?,
            "parallel_tool_calls" => request.parallel_tool_calls = Some(flag(value, "parallel_tool_calls")?),
            "text" => read_text(value, &mut request)?,
            "max_output_tokens" => request.max_output_tokens = Some(whole(value, "max_output_tokens")?),
            "temperature" => request.sampling.temperature = Some(number(value, "temperature")?),
            "top_p" => request.sampling.top_p = Some(number(value, "top_p")?),
            "reasoning" => read_reasoning(value, &mut request)?,
            "include" => wants_logprobs = read_include(value, &mut request)?,
            "top_logprobs" => top_logprobs = Some(whole(value, "top_logprobs")?),
            "stream" => request.stream = flag(value, "stream")?,
            "user" => request.user = Some(text(value, "user")?),
            "safety_identifier" => safety_identifier = Some(text(value, "safety_identifier")?),
            "metadata" => request.metadata = Some(object(value, "metadata")?),
            "service_tier" => request.service_tier = Some(text(value, "service_tier")?),
            other => {
                let row = OWN_FIELDS.iter().find(|row| row.name == other);
                if row.is_none_or(|row| row.idle != value.raw()) {
                    note(&mut request, name, row.is_some_and(|row| row.is_essential));
                }
            }
        }
    }
    if let Some(input) = input {
        read_input(input, &mut request)?;
    }
    request.logprobs = match top_logprobs {
        Some(0) | None => wants_logprobs.then_some(0),
        some => some,
    };
    match (request.user.is_some(), safety_identifier) {
        (true, Some(_)) => note(&mut request, "safety_identifier", false),
        (false, some) => request.user = some,
        (true, None) => {}
    }
    Ok(request)
}

fn read_tool<'text>(tool: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    let kind = tool.get("type").and_then(View::decoded).ok_or_else(|| wrong("tools", "objects with a type"))?;
    if kind != "function" {
        note(request, format!("tools.{kind}"), true);
        return Ok(());
    }
    for (name, value) in tool.members() {
        let is_known = matches!(name.as_ref(), "type" | "name" | "description" | "parameters" | "strict");
        if !is_known && !value.is_null() && value.as_bool() != Some(false) {
            note(request, format!("tools.{name}"), false);
        }
    }
    request.tools.push(Tool {
        name: needed_text(tool, "name", "tools.name")?,
        description: given_text(tool, "description", "tools.description")?,
        parameters: tool.get("parameters").map(|schema| object(schema, "tools.parameters")).transpose()?,
        strict: tool.get("strict").map(|strict| flag(strict, "tools.strict")).transpose()?,
        cache_control: None,
    });
    Ok(())
}

fn read_tool_choice<'text>(choice: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    const FIELD: &str = "tool_choice";
    let unknown = || wrong(FIELD, "auto, none, required, or an object with a type");
    let object = choice.kind() == Kind::Object;
    let kind = if object { choice.get("type") } else { Some(choice) };
    let kind = kind.and_then(View::decoded).ok_or_else(unknown)?;
    request.tool_choice = Some(match (object, kind.as_ref()) {
        (false, "auto") => ToolChoice::Auto,
        (false, "none") => ToolChoice::None,
        (false, "required") => ToolChoice::Required,
        (true, "function") => ToolChoice::Tool(needed_text(choice, "name", "tool_choice.name")?),
        (true, "allowed_tools") => {
            let tools = choice.get("tools").ok_or_else(|| wrong("tool_choice.tools", "an array"))?;
            let mut names = Vec::new();
            for tool in list(tools, "tool_choice.tools")? {
                if tool.get("type").is_some_and(|kind| kind.is("function")) {
                    names.push(needed_text(tool, "name", "tool_choice.tools")?);
                } else {
                    note(request, "tool_choice.tools", true);
                }
            }
            let mode = choice.get("mode").map(|mode| word(mode, "tool_choice.mode")).transpose()?;
            match mode.as_deref() {
                Some("auto") | None => ToolChoice::Among { names, is_required: false },
                Some("required") => ToolChoice::Among { names, is_required: true },
                Some(_) => return Err(wrong("tool_choice.mode", "auto or required")),
            }
        }
        // A tool of the provider's own.
        (true, _) => {
            note(request, FIELD, true);
            return Ok(());
        }
        (false, _) => return Err(unknown()),
    });
    Ok(())
}

fn read_text<'text>(value: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    for (name, value) in object(value, "text")?.members() {
        if value.is_null() {
            continue;
        }
        if name == "format" {
            request.output_format = Some(read_format(object(value, "text.format")?)?);
        } else {
            note(request, format!("text.{name}"), false);
        }
    }
    Ok(())
}

fn read_format(format: View<'_>) -> Result<OutputFormat<'_>, Failure> {
    let kind = format.get("type").map(|kind| word(kind, "text.format.type")).transpose()?;
    match kind.as_deref() {
        Some("text") => Ok(OutputFormat::Text),
        Some("json_object") => Ok(OutputFormat::Json),
        Some("json_schema") => {
            let schema = format.get("schema").ok_or_else(|| wrong("text.format.schema", "an object"))?;
            Ok(OutputFormat::Schema {
                name: given_text(format, "name", "text.format.name")?,
                description: given_text(format, "description", "text.format.description")?,
                schema: object(schema, "text.format.schema")?,
                strict: format.get("strict").map(|strict| flag(strict, "text.format.strict")).transpose()?,
            })
        }
        _ => Err(wrong("text.format.type", "text, json_object or json_schema")),
    }
}

fn read_reasoning<'text>(value: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    let mut reasoning = Reasoning::default();
    for (name, value) in object(value, "reasoning")?.members() {
        if value.is_null() {
            continue;
        }
        match name.as_ref() {
            "effort" => {
                let effort = Effort::parse(&word(value, "reasoning.effort")?);
                let expected = "none, minimal, low, medium, high, xhigh or max";
                reasoning.effort = Some(effort.ok_or_else(|| wrong("reasoning.effort", expected))?);
            }
            // The second is the older name.
            "summary" | "generate_summary" => {
                reasoning.summary = Some(text(value, "reasoning.summary")?);
                reasoning.includes_thoughts = Some(true);
            }
            _ => note(request, format!("reasoning.{name}"), false),
        }
    }
    if reasoning != Reasoning::default() {
        request.reasoning = Some(reasoning);
    }
    Ok(())
}

/// Whether log probabilities are wanted. Encrypted reasoning is sent unasked: nothing is stored that could replace it.
fn read_include<'text>(value: View<'text>, request: &mut Request<'text>) -> Result<bool, Failure> {
    let mut wants_logprobs = false;
    for one in list(value, "include")? {
        match word(one, "include")?.as_ref() {
            "message.output_text.logprobs" => wants_logprobs = true,
            "reasoning.encrypted_content" => {}
            other => note(request, format!("include.{other}"), false),
        }
    }
    Ok(wants_logprobs)
}

#[cfg(test)]
#[path = "request_reader_tests.rs"]
mod tests;
