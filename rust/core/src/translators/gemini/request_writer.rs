//! Writes requests.

use super::content_writer::ContentWriter;
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::Text;
use crate::neutral::{Effort, OutputFormat, PartKind, Reasoning, ReasoningUnit, Request, Target, Tool, ToolChoice};

/// The longest thinking that every model which counts it takes; the vendor's largest models take more.
const THINKING_BUDGET_TOKENS: i64 = 24_576;

/// Levels of thinking, in the order of [`Effort`]: models that think in levels don't stop thinking.
const LEVELS: [&str; 7] = ["MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"];

/// Writes a request. The model is in the path, and so is whether it streams.
///
/// # Errors
/// A [`Failure`] that names what can't be said: tool arguments that are no object, a result of a call that was never made,
/// a data URL that is none.
pub fn write_request(request: &Request<'_>, target: &Target<'_>) -> Result<Vec<u8>, Failure> {
    // Models that think in levels refuse calls without a signature, and take the stand-in.
    let mut contents = ContentWriter::new(target.reasoning == Some(ReasoningUnit::Words));
    for turn in &request.turns {
        contents.turn(turn)?;
    }
    let has_turns = !contents.is_empty();
    if !has_turns {
        contents.user(&request.instructions)?;
    }
    let contents = contents.end();
    let mut written = Vec::with_capacity(contents.len() + 1024);
    let mut body = JsonObject::begin(&mut written);
    if has_turns && !request.instructions.is_empty() {
        body.object("systemInstruction", |content| {
            let words = request.instructions.iter().filter_map(|part| match &part.kind {
                PartKind::Text { text, .. } => Some(text),
                _ => None,
            });
            content.value("parts", |into| {
                write_list(into, words, |text, into| {
                    let mut part = JsonObject::begin(into);
                    part.value("text", |into| text.write(into));
                    part.end();
                });
            });
        });
    }
    body.value("contents", |into| {
        into.push(b'[');
        into.extend_from_slice(&contents);
        into.push(b']');
    });
    if !request.tools.is_empty() {
        body.value("tools", |into| write_tools(&request.tools, into));
        // Without tools the API refuses it.
        if let Some(choice) = &request.tool_choice {
            body.object("toolConfig", |config| {
                config.object("functionCallingConfig", |calling| write_choice(choice, calling));
            });
        }
    }
    let mut generation = Vec::new();
    let mut config = JsonObject::begin(&mut generation);
    write_generation(request, target, &mut config);
    config.end();
    if generation != b"{}" {
        body.literal("generationConfig", &generation);
    }
    body.end();
    Ok(written)
}

fn write_tools(tools: &[Tool<'_>], written: &mut Vec<u8>) {
    written.extend_from_slice(br#"[{"functionDeclarations":"#);
    write_list(written, tools, |tool, into| {
        let mut declaration = JsonObject::begin(into);
        declaration.value("name", |into| tool.name.write(into));
        if let Some(description) = &tool.description {
            declaration.value("description", |into| description.write(into));
        }
        if let Some(parameters) = &tool.parameters {
            declaration.literal("parametersJsonSchema", parameters.raw().as_bytes());
        }
        declaration.end();
    });
    written.extend_from_slice(b"}]");
}

fn write_choice(choice: &ToolChoice<'_>, calling: &mut JsonObject<'_>) {
    let (mode, names) = match choice {
        ToolChoice::Auto => ("AUTO", &[][..]),
        ToolChoice::None => ("NONE", &[][..]),
        ToolChoice::Required => ("ANY", &[][..]),
        ToolChoice::Tool(name) => ("ANY", std::slice::from_ref(name)),
        ToolChoice::Among { names, is_required: true } => ("ANY", names.as_slice()),
        // With AUTO no names may be given.
        ToolChoice::Among { names, is_required: false } => ("VALIDATED", names.as_slice()),
    };
    calling.text("mode", mode);
    if !names.is_empty() {
        calling.value("allowedFunctionNames", |into| write_texts(names, into));
    }
}

fn write_texts(texts: &[Text<'_>], written: &mut Vec<u8>) {
    write_list(written, texts, Text::write);
}

fn write_generation(request: &Request<'_>, target: &Target<'_>, config: &mut JsonObject<'_>) {
    let sampling = &request.sampling;
    for (name, number) in [
        ("temperature", sampling.temperature),
        ("topP", sampling.top_p),
        ("topK", sampling.top_k),
        ("seed", sampling.seed),
        ("presencePenalty", sampling.presence_penalty),
        ("frequencyPenalty", sampling.frequency_penalty),
    ] {
        if let Some(number) = number {
            config.literal(name, number.as_bytes());
        }
    }
    if let Some(choices) = request.choices.filter(|choices| *choices != 1) {
        config.number("candidateCount", choices);
    }
    if let Some(tokens) = request.max_output_tokens {
        config.number("maxOutputTokens", tokens);
    }
    if !request.stop.is_empty() {
        config.value("stopSequences", |into| write_texts(&request.stop, into));
    }
    match &request.output_format {
        Some(OutputFormat::Json) => config.text("responseMimeType", "application/json"),
        Some(OutputFormat::Schema { schema, .. }) => {
            config.text("responseMimeType", "application/json");
            config.literal("responseJsonSchema", schema.raw().as_bytes());
        }
        Some(OutputFormat::Text) | None => {}
    }
    if let Some(candidates) = request.logprobs {
        config.flag("responseLogprobs", true);
        if candidates > 0 {
            config.number("logprobs", candidates);
        }
    }
    if let Some(reasoning) = &request.reasoning {
        let mut thinking = Vec::new();
        let mut object = JsonObject::begin(&mut thinking);
        write_thinking(reasoning, target.reasoning, &mut object);
        object.end();
        if thinking != b"{}" {
            config.literal("thinkingConfig", &thinking);
        }
    }
}

fn write_thinking(reasoning: &Reasoning<'_>, unit: Option<ReasoningUnit>, thinking: &mut JsonObject<'_>) {
    let mut thinks = true;
    if unit == Some(ReasoningUnit::Words) {
        let effort = reasoning.effort.or_else(|| reasoning.budget_tokens.and_then(Effort::of_budget));
        if let Some(effort) = effort {
            thinking.text("thinkingLevel", LEVELS[effort as usize]);
        }
    } else {
        let of_effort = |effort: Effort| effort.budget_tokens().min(THINKING_BUDGET_TOKENS);
        if let Some(budget) = reasoning.budget_tokens.or(reasoning.effort.map(of_effort)) {
            thinking.number("thinkingBudget", budget);
            thinks = budget != 0;
        }
    }
    let includes_thoughts = reasoning.includes_thoughts.or(reasoning.summary.is_some().then_some(true));
    // Thoughts of a model that does not think are refused.
    if let Some(flag) = includes_thoughts.filter(|flag| thinks || !flag) {
        thinking.flag("includeThoughts", flag);
    }
}

#[cfg(test)]
#[path = "request_writer_tests.rs"]
mod tests;
