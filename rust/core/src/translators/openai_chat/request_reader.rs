//! Requests for chat completions, read into the neutral form.

use super::message_reader::{self, note};
use super::part_reader::{mark, text, wrong};
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Effort, OutputFormat, Reasoning, Request, Tool, ToolChoice};

/// Fields without a counterpart whose absence would make another answer, whatever they say. Unknown ones are not: a
/// gateway can't tell, and SDKs send many that are of no consequence.
const ESSENTIAL: [&str; 2] = ["web_search_options", "moderation"];

/// Fields that are honoured by whoever writes the stream.
const HONOURED: [&str; 1] = ["stream_options"];

/// Reads a request.
///
/// # Errors
/// A [`Failure`] that names the field: one of the wrong kind, a role or a part's type that is not known, no messages.
pub fn read_request(body: View<'_>) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    let mut fields = Fields::default();
    for (name, value) in body.members() {
        if !value.is_null() && !HONOURED.contains(&name.as_ref()) {
            fields.read(&name, value, &mut request)?;
        }
    }
    if !fields.has_messages {
        return Err(wrong("messages", "an array"));
    }
    if fields.logprobs {
        request.logprobs = Some(fields.top_logprobs);
    }
    request.tool_choice = request.tool_choice.or(fields.function_call);
    request.user = fields.user.or(fields.safety_identifier);
    Ok(request)
}

/// What is known only once all fields are.
#[derive(Default)]
struct Fields<'text> {
    has_messages: bool,
    logprobs: bool,
    top_logprobs: u64,
    user: Option<Text<'text>>,
    safety_identifier: Option<Text<'text>>,
    function_call: Option<ToolChoice<'text>>,
}

impl<'text> Fields<'text> {
    fn read(&mut self, name: &str, value: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
        let sampling = &mut request.sampling;
        match name {
            "model" => request.model = text(value, "model")?,
            "messages" => {
                self.has_messages = true;
                message_reader::read(value, request)?;
            }
            "tools" => read_tools(value, request)?,
            "functions" => {
                for function in elements(value, "functions")? {
                    request.tools.push(read_function(function, None)?);
                }
            }
            "tool_choice" => request.tool_choice = read_tool_choice(value, request)?,
            "function_call" => self.function_call = Some(read_function_choice(value)?),
            "parallel_tool_calls" => request.parallel_tool_calls = Some(flag(value, "parallel_tool_calls")?),
            "response_format" => request.output_format = Some(read_format(value)?),
            "max_completion_tokens" => raise(request, count(value, "max_completion_tokens")?),
            "max_tokens" => raise(request, count(value, "max_tokens")?),
            "temperature" => sampling.temperature = Some(number(value, "temperature")?),
            "top_p" => sampling.top_p = Some(number(value, "top_p")?),
            "top_k" => sampling.top_k = Some(number(value, "top_k")?),
            "seed" => sampling.seed = Some(number(value, "seed")?),
            "presence_penalty" => sampling.presence_penalty = Some(number(value, "presence_penalty")?),
            "frequency_penalty" => sampling.frequency_penalty = Some(number(value, "frequency_penalty")?),
            "logit_bias" => sampling.logit_bias = Some(object(value, "logit_bias")?),
            "stop" => request.stop = read_stop(value)?,
            "reasoning_effort" => {
                let effort = effort(value, "reasoning_effort")?;
                request.reasoning.get_or_insert_default().effort = effort;
            }
            "reasoning" => read_reasoning(value, request.reasoning.get_or_insert_default())?,
            "thinking" => read_thinking(value, request)?,
            "n" => request.choices = Some(count(value, "n")?),
            "logprobs" => self.logprobs = flag(value, "logprobs")?,
            "top_logprobs" => self.top_logprobs = count(value, "top_logprobs")?,
            "stream" => request.stream = flag(value, "stream")?,
            "user" => self.user = Some(text(value, "user")?),
            "safety_identifier" => self.safety_identifier = Some(text(value, "safety_identifier")?),
            "metadata" => request.metadata = Some(object(value, "metadata")?),
            "service_tier" => request.service_tier = Some(text(value, "service_tier")?),
            "modalities" => {
                let is_text = elements(value, "modalities")?.into_iter().all(|one| one.is("text"));
                if !is_text {
                    note(request, name.into(), true);
                }
            }
            _ => note(request, name.into(), ESSENTIAL.contains(&name)),
        }
        Ok(())
    }
}

fn number<'text>(value: View<'text>, field: &'static str) -> Result<&'text str, Failure> {
    value.number().ok_or_else(|| wrong(field, "a number"))
}

fn count(value: View<'_>, field: &'static str) -> Result<u64, Failure> {
    value.as_u64().ok_or_else(|| wrong(field, "a whole number"))
}

fn flag(value: View<'_>, field: &'static str) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| wrong(field, "true or false"))
}

fn object<'text>(value: View<'text>, field: &'static str) -> Result<View<'text>, Failure> {
    if value.kind() == Kind::Object { Ok(value) } else { Err(wrong(field, "an object")) }
}

fn elements<'text>(value: View<'text>, field: &'static str) -> Result<Vec<View<'text>>, Failure> {
    if value.kind() == Kind::Array { Ok(value.elements()) } else { Err(wrong(field, "an array")) }
}

/// Of the two fields for it the larger counts, as reservations take it.
fn raise(request: &mut Request<'_>, tokens: u64) {
    request.max_output_tokens = request.max_output_tokens.max(Some(tokens));
}

/// An effort; `None` for Groq's `default`, which is as the model sees fit.
fn effort(value: View<'_>, field: &'static str) -> Result<Option<Effort>, Failure> {
    let word = value.decoded().unwrap_or_default();
    match Effort::parse(&word) {
        None if word != "default" => Err(wrong(field, "none, minimal, low, medium, high, xhigh or max")),
        effort => Ok(effort),
    }
}

fn read_stop(value: View<'_>) -> Result<Vec<Text<'_>>, Failure> {
    if let Some(one) = value.text() {
        return Ok(vec![one]);
    }
    elements(value, "stop")?.into_iter().map(|one| text(one, "stop")).collect()
}

/// `reasoning`, as `OpenRouter` has it.
fn read_reasoning(value: View<'_>, reasoning: &mut Reasoning<'_>) -> Result<(), Failure> {
    for (name, value) in object(value, "reasoning")?.members() {
        match name.as_ref() {
            _ if value.is_null() => {}
            "effort" => reasoning.effort = effort(value, "reasoning.effort")?,
            "max_tokens" => {
                let tokens = value.as_i64().ok_or_else(|| wrong("reasoning.max_tokens", "a whole number"))?;
                reasoning.budget_tokens = Some(tokens);
            }
            "enabled" if !flag(value, "reasoning.enabled")? => reasoning.effort = Some(Effort::None),
            "exclude" => reasoning.includes_thoughts = Some(!flag(value, "reasoning.exclude")?),
            _ => {}
        }
    }
    Ok(())
}

/// `thinking`, as Anthropic has it and clients of several vendors send it.
fn read_thinking<'text>(value: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    let kind = object(value, "thinking")?.get("type").and_then(View::decoded);
    let budget_tokens = match (kind.as_deref(), value.get("budget_tokens")) {
        (Some("disabled"), _) => 0,
        (Some("enabled" | "adaptive"), None) => -1,
        (Some("enabled"), Some(tokens)) => {
            tokens.as_i64().ok_or_else(|| wrong("thinking.budget_tokens", "a whole number"))?
        }
        _ => {
            note(request, "thinking".into(), false);
            return Ok(());
        }
    };
    request.reasoning.get_or_insert_default().budget_tokens = Some(budget_tokens);
    Ok(())
}

fn read_tools<'text>(value: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    for tool in elements(value, "tools")? {
        match tool.get("type").and_then(View::decoded).as_deref() {
            None | Some("function") => {
                let function = tool.get("function").ok_or_else(|| wrong("tools.function", "an object"))?;
                request.tools.push(read_function(function, tool.get("cache_control"))?);
            }
            // Tools of the provider's own, and those whose input is no JSON.
            Some(kind) => note(request, format!("tools.{kind}"), true),
        }
    }
    Ok(())
}

fn read_function<'text>(function: View<'text>, cache_control: Option<View<'text>>) -> Result<Tool<'text>, Failure> {
    let name = function.get("name").ok_or_else(|| wrong("tools.function.name", "a string"))?;
    let description = function.get("description").map(|one| text(one, "tools.function.description"));
    let parameters = function.get("parameters").map(|one| object(one, "tools.function.parameters"));
    let strict = function.get("strict").map(|one| flag(one, "tools.function.strict"));
    Ok(Tool {
        name: text(name, "tools.function.name")?,
        description: description.transpose()?,
        parameters: parameters.transpose()?,
        strict: strict.transpose()?,
        cache_control: mark(cache_control.or(function.get("cache_control")))?,
    })
}

fn read_tool_choice<'text>(
    value: View<'text>,
    request: &mut Request<'text>,
) -> Result<Option<ToolChoice<'text>>, Failure> {
    const EXPECTED: &str = "none, auto, required, or an object that names tools";
    if let Some(word) = value.decoded() {
        return match word.as_ref() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            // `any` is Mistral's.
            "required" | "any" => Ok(Some(ToolChoice::Required)),
            _ => Err(wrong("tool_choice", EXPECTED)),
        };
    }
    match value.get("type").and_then(View::decoded).as_deref() {
        Some("function") => Ok(Some(ToolChoice::Tool(named(value, "tool_choice.function.name")?))),
        Some("allowed_tools") => {
            let allowed = value.get("allowed_tools").unwrap_or(value);
            let tools = allowed.get("tools").ok_or_else(|| wrong("tool_choice.allowed_tools.tools", "an array"))?;
            let tools = elements(tools, "tool_choice.allowed_tools.tools")?;
            let names = tools.into_iter().map(|tool| named(tool, "tool_choice.allowed_tools.tools"));
            let is_required = allowed.get("mode").is_some_and(|mode| mode.is("required"));
            Ok(Some(ToolChoice::Among { names: names.collect::<Result<_, _>>()?, is_required }))
        }
        Some("custom") => {
            note(request, "tool_choice.custom".into(), true);
            Ok(None)
        }
        _ => Err(wrong("tool_choice", EXPECTED)),
    }
}

/// The name within `{"type":"function","function":{"name":…}}`.
fn named<'text>(value: View<'text>, field: &'static str) -> Result<Text<'text>, Failure> {
    let name = value.get("function").and_then(|function| function.get("name"));
    name.and_then(View::text).ok_or_else(|| wrong(field, "the name of a function"))
}

/// `function_call`, from before there were tools.
fn read_function_choice(value: View<'_>) -> Result<ToolChoice<'_>, Failure> {
    if value.is("none") {
        return Ok(ToolChoice::None);
    }
    if value.is("auto") {
        return Ok(ToolChoice::Auto);
    }
    let name = value.get("name").and_then(View::text);
    name.map(ToolChoice::Tool).ok_or_else(|| wrong("function_call", "none, auto, or an object with `name`"))
}

fn read_format(value: View<'_>) -> Result<OutputFormat<'_>, Failure> {
    match value.get("type").and_then(View::decoded).as_deref() {
        Some("text") => Ok(OutputFormat::Text),
        Some("json_object") => Ok(OutputFormat::Json),
        Some("json_schema") => {
            const FIELD: &str = "response_format.json_schema";
            let format = value.get("json_schema").ok_or_else(|| wrong(FIELD, "an object"))?;
            // Without a schema any object fits.
            let Some(schema) = object(format, FIELD)?.get("schema") else { return Ok(OutputFormat::Json) };
            let member = |name, field| format.get(name).map(|one| text(one, field)).transpose();
            let strict = format.get("strict").map(|one| flag(one, "response_format.json_schema.strict"));
            Ok(OutputFormat::Schema {
                name: member("name", "response_format.json_schema.name")?,
                description: member("description", "response_format.json_schema.description")?,
                schema: object(schema, "response_format.json_schema.schema")?,
                strict: strict.transpose()?,
            })
        }
        _ => Err(wrong("response_format.type", "text, json_object or json_schema")),
    }
}
