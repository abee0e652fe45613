//! OpenAI's `/embeddings`.

use std::borrow::Cow;

use super::{Answer, Encoding, Request, Telling, Vector, wrong};
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Kind, Text, View};

pub(super) fn read_request(body: View<'_>) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    for (name, value) in body.members() {
        match name.as_ref() {
            _ if value.is_null() => {}
            "model" => {}
            "input" => request.inputs = read_input(value)?,
            "dimensions" => {
                let dimensions = value.as_u64().filter(|dimensions| *dimensions > 0);
                request.dimensions = Some(dimensions.ok_or_else(|| wrong("dimensions", "a whole number above 0"))?);
            }
            "encoding_format" => {
                request.encoding = match value.decoded().as_deref() {
                    Some("float") => Encoding::Numbers,
                    Some("base64") => Encoding::Base64,
                    _ => return Err(wrong("encoding_format", "float or base64")),
                };
            }
            _ => request.losses.push(Cow::Owned(name.into_owned())),
        }
    }
    if request.inputs.is_empty() {
        return Err(wrong("input", "a string or an array of strings"));
    }
    Ok(request)
}

fn read_input(input: View<'_>) -> Result<Vec<Text<'_>>, Failure> {
    let inputs = if input.kind() == Kind::Array { input.elements() } else { vec![input] };
    let are_tokens = |value: &View<'_>| matches!(value.kind(), Kind::Number | Kind::Array);
    if inputs.iter().any(are_tokens) {
        let message = "input has tokens, which mean nothing to another vendor's model: send the text";
        return Err(Failure::invalid_request(message, Some("input")));
    }
    let texts = inputs.into_iter().map(View::text).collect::<Option<_>>();
    texts.ok_or_else(|| wrong("input", "a string or an array of strings"))
}

pub(super) fn write_request(request: &Request<'_>, model: &str) -> Vec<u8> {
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    body.text("model", model);
    body.value("input", |into| write_list(into, &request.inputs, Text::write));
    if let Some(dimensions) = request.dimensions {
        body.number("dimensions", dimensions);
    }
    body.text("encoding_format", "float");
    body.end();
    written
}

pub(super) fn read_answer(body: View<'_>) -> Option<Answer<'_>> {
    let mut vectors = Vec::new();
    for (place, item) in body.get("data").filter(|data| data.kind() == Kind::Array)?.elements().into_iter().enumerate()
    {
        let (mut index, mut vector) = (place as u64, None);
        for (name, value) in item.members() {
            match name.as_ref() {
                "index" => index = value.as_u64()?,
                "embedding" => vector = Vector::read(value),
                _ => {}
            }
        }
        vectors.push((index, vector?));
    }
    vectors.sort_by_key(|(index, _)| *index);
    let is_whole = vectors.iter().enumerate().all(|(place, (index, _))| *index == place as u64);
    let usage = body.get("usage");
    let tokens = |name: &str| usage.and_then(|usage| usage.get(name)).and_then(View::as_u64);
    is_whole.then(|| Answer {
        vectors: vectors.into_iter().map(|(_, vector)| vector).collect(),
        model: body.get("model").and_then(View::text),
        input_tokens: tokens("prompt_tokens").or_else(|| tokens("total_tokens")),
    })
}

pub(super) fn write_answer(answer: &Answer<'_>, telling: &Telling<'_>) -> Option<Vec<u8>> {
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    body.text("object", "list");
    let mut are_vectors = Some(());
    body.value("data", |into| {
        write_list(into, answer.vectors.iter().enumerate(), |(index, vector), into| {
            let mut item = JsonObject::begin(into);
            item.text("object", "embedding");
            item.number("index", index);
            item.value("embedding", |into| {
                let is_written = match telling.encoding {
                    Encoding::Numbers => vector.write_numbers(into),
                    Encoding::Base64 => vector.write_base64(into),
                };
                are_vectors = are_vectors.and(is_written);
            });
            item.end();
        });
    });
    match &answer.model {
        Some(model) => body.value("model", |into| model.write(into)),
        None => body.text("model", telling.fallback_model),
    }
    let tokens = answer.input_tokens.unwrap_or(telling.estimated_tokens);
    body.object("usage", |usage| {
        usage.number("prompt_tokens", tokens);
        usage.number("total_tokens", tokens);
    });
    body.end();
    are_vectors.map(|()| written)
}
