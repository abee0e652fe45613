//! Reads requests.

use super::content_reader::ContentReader;
use super::fields::{Fields, count, list, number, text, wrong};
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Effort, OutputFormat, Reasoning, Request, Tool, ToolChoice};

/// Fields that only Gemini has, and whether the answer would be another without them.
const UNEXPRESSED: [(&str, bool); 6] = [
    ("cachedContent", true),
    ("modelArmorConfig", true),
    ("safetySettings", false),
    ("labels", false),
    ("serviceTier", false),
    ("store", false),
];

/// The same within `generationConfig`.
const UNEXPRESSED_GENERATION: [(&str, bool); 7] = [
    ("speechConfig", true),
    ("imageConfig", true),
    ("mediaResolution", false),
    ("audioTimestamp", false),
    ("enableEnhancedCivicAnswers", false),
    ("routingConfig", false),
    ("modelSelectionConfig", false),
];

/// The same within a function's declaration.
const UNEXPRESSED_DECLARATION: [&str; 3] = ["response", "responseJsonSchema", "behavior"];

/// Reads a request. Its model and whether it streams are in the path: the caller puts them in.
///
/// # Errors
/// A [`Failure`] that names the field: of the wrong kind, or a part or role that nobody knows.
pub fn read_request(body: View<'_>) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    let mut contents = ContentReader::default();
    for (name, value) in Fields::read(body, "the request body")?.iter() {
        match name {
            "contents" => {
                for (index, content) in list(value, "contents")?.into_iter().enumerate() {
                    contents.add(index, content, &mut request.turns)?;
                }
            }
            "systemInstruction" => request.instructions = contents.instructions(value)?,
            "tools" => {
                for tool in list(value, "tools")? {
                    read_tool(tool, &mut request, &mut contents)?;
                }
            }
            "toolConfig" => read_tool_config(value, &mut request, &mut contents)?,
            "generationConfig" => read_generation(value, &mut request, &mut contents)?,
            "model" => request.model = text(value, "model")?,
            other => {
                let is_essential = UNEXPRESSED.iter().any(|(own, is_essential)| *own == other && *is_essential);
                contents.add_unexpressed(other.to_owned(), is_essential);
            }
        }
    }
    request.unexpressed = contents.unexpressed;
    Ok(request)
}

/// Functions; any other tool runs at Google.
fn read_tool<'text>(
    tool: View<'text>,
    request: &mut Request<'text>,
    contents: &mut ContentReader<'text>,
) -> Result<(), Failure> {
    for (name, value) in Fields::read(tool, "tools")?.iter() {
        if name != "functionDeclarations" {
            contents.add_unexpressed(format!("tools.{name}"), true);
            continue;
        }
        for declaration in list(value, "tools.functionDeclarations")? {
            let fields = Fields::read(declaration, "tools.functionDeclarations")?;
            let name = fields.text("name", "tools.functionDeclarations.name")?;
            let schema = fields.get("parametersJsonSchema").or_else(|| fields.get("parameters"));
            if schema.is_some_and(|schema| schema.kind() != Kind::Object) {
                return Err(wrong("tools.functionDeclarations.parameters", "an object"));
            }
            request.tools.push(Tool {
                name: name.ok_or_else(|| wrong("tools.functionDeclarations.name", "a string"))?,
                description: fields.text("description", "tools.functionDeclarations.description")?,
                parameters: schema,
                strict: None,
                cache_control: None,
            });
            for name in UNEXPRESSED_DECLARATION.iter().filter(|name| fields.get(name).is_some()) {
                contents.add_unexpressed(format!("tools.functionDeclarations.{name}"), false);
            }
        }
    }
    Ok(())
}

fn read_tool_config<'text>(
    config: View<'text>,
    request: &mut Request<'text>,
    contents: &mut ContentReader<'text>,
) -> Result<(), Failure> {
    for (name, value) in Fields::read(config, "toolConfig")?.iter() {
        if name != "functionCallingConfig" {
            contents.add_unexpressed(format!("toolConfig.{name}"), false);
            continue;
        }
        let fields = Fields::read(value, "toolConfig.functionCallingConfig")?;
        let mut names = Vec::new();
        if let Some(allowed) = fields.get("allowedFunctionNames") {
            const FIELD: &str = "toolConfig.functionCallingConfig.allowedFunctionNames";
            if allowed.kind() != Kind::Array {
                return Err(wrong(FIELD, "an array"));
            }
            names = allowed.elements().into_iter().map(|name| text(name, FIELD)).collect::<Result<_, _>>()?;
        }
        let mode = fields.text("mode", "toolConfig.functionCallingConfig.mode")?;
        let mode = mode.as_ref().map_or("AUTO", Text::escaped).to_ascii_uppercase();
        request.tool_choice = Some(match mode.as_str() {
            "NONE" => ToolChoice::None,
            "ANY" => match <[Text<'_>; 1]>::try_from(names) {
                Ok([name]) => ToolChoice::Tool(name),
                Err(names) if names.is_empty() => ToolChoice::Required,
                Err(names) => ToolChoice::Among { names, is_required: true },
            },
            "AUTO" | "VALIDATED" | "MODE_UNSPECIFIED" => {
                if mode == "VALIDATED" {
                    // Others hold arguments to the schema only where every schema is of a stricter kind.
                    contents.add_unexpressed("toolConfig.functionCallingConfig.mode", false);
                }
                if names.is_empty() { ToolChoice::Auto } else { ToolChoice::Among { names, is_required: false } }
            }
            _ => return Err(wrong("toolConfig.functionCallingConfig.mode", "AUTO, ANY, NONE or VALIDATED")),
        });
    }
    Ok(())
}

fn read_generation<'text>(
    config: View<'text>,
    request: &mut Request<'text>,
    contents: &mut ContentReader<'text>,
) -> Result<(), Failure> {
    let fields = Fields::read(config, "generationConfig")?;
    let mut wants_logprobs = false;
    let mut top_logprobs = 0;
    for (name, value) in fields.iter() {
        let sampling = &mut request.sampling;
        match name {
            "temperature" => sampling.temperature = Some(number(value, "generationConfig.temperature")?),
            "topP" => sampling.top_p = Some(number(value, "generationConfig.topP")?),
            "topK" => sampling.top_k = Some(number(value, "generationConfig.topK")?),
            "seed" => sampling.seed = Some(number(value, "generationConfig.seed")?),
            "presencePenalty" => {
                sampling.presence_penalty = Some(number(value, "generationConfig.presencePenalty")?);
            }
            "frequencyPenalty" => {
                sampling.frequency_penalty = Some(number(value, "generationConfig.frequencyPenalty")?);
            }
            "candidateCount" => request.choices = Some(count(value, "generationConfig.candidateCount")?),
            "maxOutputTokens" => request.max_output_tokens = Some(count(value, "generationConfig.maxOutputTokens")?),
            "stopSequences" => {
                const FIELD: &str = "generationConfig.stopSequences";
                if value.kind() != Kind::Array {
                    return Err(wrong(FIELD, "an array"));
                }
                request.stop = value.elements().into_iter().map(|stop| text(stop, FIELD)).collect::<Result<_, _>>()?;
            }
            "responseLogprobs" => {
                let flag = value.as_bool();
                wants_logprobs = flag.ok_or_else(|| wrong("generationConfig.responseLogprobs", "true or false"))?;
            }
            "logprobs" => top_logprobs = count(value, "generationConfig.logprobs")?,
            "thinkingConfig" => request.reasoning = Some(read_thinking(value, contents)?),
            "responseModalities" => read_modalities(value, contents)?,
            "responseMimeType" | "responseSchema" | "responseJsonSchema" => {}
            other => {
                let is_essential = UNEXPRESSED_GENERATION.iter().any(|(own, essential)| *own == other && *essential);
                contents.add_unexpressed(format!("generationConfig.{other}"), is_essential);
            }
        }
    }
    request.logprobs = wants_logprobs.then_some(top_logprobs);
    request.output_format = read_format(&fields, contents)?;
    Ok(())
}

fn read_thinking<'text>(config: View<'text>, contents: &mut ContentReader<'text>) -> Result<Reasoning<'text>, Failure> {
    let mut reasoning = Reasoning::default();
    for (name, value) in Fields::read(config, "generationConfig.thinkingConfig")?.iter() {
        match name {
            "thinkingBudget" => {
                let budget = value.as_i64();
                let wrong = || wrong("generationConfig.thinkingConfig.thinkingBudget", "a whole number");
                reasoning.budget_tokens = Some(budget.ok_or_else(wrong)?);
            }
            "thinkingLevel" => {
                const FIELD: &str = "generationConfig.thinkingConfig.thinkingLevel";
                let level = text(value, FIELD)?;
                reasoning.effort = match level.escaped() {
                    "THINKING_LEVEL_UNSPECIFIED" => None,
                    level => Some(Effort::parse(level).ok_or_else(|| wrong(FIELD, "MINIMAL, LOW, MEDIUM or HIGH"))?),
                };
            }
            "includeThoughts" => {
                let flag = value.as_bool();
                let wrong = || wrong("generationConfig.thinkingConfig.includeThoughts", "true or false");
                reasoning.includes_thoughts = Some(flag.ok_or_else(wrong)?);
            }
            other => contents.add_unexpressed(format!("generationConfig.thinkingConfig.{other}"), false),
        }
    }
    Ok(reasoning)
}

/// Text is what everybody answers with.
fn read_modalities<'text>(value: View<'text>, contents: &mut ContentReader<'text>) -> Result<(), Failure> {
    if value.kind() != Kind::Array {
        return Err(wrong("generationConfig.responseModalities", "an array"));
    }
    let is_text = |it: View<'_>| it.decoded().is_some_and(|word| word.eq_ignore_ascii_case("TEXT"));
    if !value.elements().into_iter().all(is_text) {
        contents.add_unexpressed("generationConfig.responseModalities", true);
    }
    Ok(())
}

fn read_format<'text>(
    fields: &Fields<'text>,
    contents: &mut ContentReader<'text>,
) -> Result<Option<OutputFormat<'text>>, Failure> {
    let media_type = fields.text("responseMimeType", "generationConfig.responseMimeType")?;
    let schema = fields.get("responseJsonSchema").or_else(|| fields.get("responseSchema"));
    if schema.is_some_and(|schema| schema.kind() != Kind::Object) {
        return Err(wrong("generationConfig.responseSchema", "an object"));
    }
    let media_type = media_type.as_ref().and_then(Text::decoded);
    Ok(match (media_type.as_deref(), schema) {
        (None | Some("application/json"), Some(schema)) => {
            Some(OutputFormat::Schema { name: None, description: None, schema, strict: None })
        }
        (Some("application/json"), None) => Some(OutputFormat::Json),
        (None | Some("text/plain"), _) => None,
        // `text/x.enum` and whatever else comes: an answer in another form is another answer.
        (Some(_), _) => {
            contents.add_unexpressed("generationConfig.responseMimeType", true);
            None
        }
    })
}

#[cfg(test)]
#[path = "request_reader_tests.rs"]
mod tests;
