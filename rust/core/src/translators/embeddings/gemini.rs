//! Gemini's `embedContent` and `batchEmbedContents`.

use std::borrow::Cow;

use super::{Answer, Request, Vector, wrong};
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Kind, Text, View};
use crate::neutral::Loss;

/// The client's names of one request's fields.
struct Names {
    content: &'static str,
    dimensions: &'static str,
    /// What stands before others.
    prefix: &'static str,
}

const OF_ONE: Names = Names { content: "content.parts", dimensions: "outputDimensionality", prefix: "" };
const OF_BATCH: Names =
    Names { content: "requests.content.parts", dimensions: "requests.outputDimensionality", prefix: "requests." };

pub(super) fn read_one(body: View<'_>) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    read(body, &OF_ONE, &mut request)?;
    Ok(request)
}

pub(super) fn read_batch(body: View<'_>) -> Result<Request<'_>, Failure> {
    let mut request = Request::default();
    let requests = body.get("requests").filter(|list| list.kind() == Kind::Array).map(View::elements);
    let requests = requests.filter(|list| !list.is_empty()).ok_or_else(|| wrong("requests", "a list of requests"))?;
    for (index, one) in requests.into_iter().enumerate() {
        let before = request.dimensions.take();
        read(one, &OF_BATCH, &mut request)?;
        if index > 0 && request.dimensions != before {
            let message =
                "requests.outputDimensionality must be the same for all: the provider that would answer takes one";
            return Err(Failure::invalid_request(message, Some(OF_BATCH.dimensions)));
        }
    }
    for (name, _) in body.members().into_iter().filter(|(name, value)| name != "requests" && !value.is_null()) {
        lose(&mut request.losses, name.into_owned());
    }
    Ok(request)
}

fn read<'text>(body: View<'text>, names: &Names, request: &mut Request<'text>) -> Result<(), Failure> {
    let mut content = None;
    let mut fields = body.members();
    // Where newer versions of the API have what shapes the vector.
    if let Some(config) = body.get("embedContentConfig").or_else(|| body.get("embed_content_config")) {
        fields.extend(config.members());
    }
    for (name, value) in fields {
        match name.as_ref() {
            _ if value.is_null() => {}
            "model" | "embedContentConfig" | "embed_content_config" => {}
            "content" => content = Some(read_content(value, names)?),
            "outputDimensionality" | "output_dimensionality" => {
                let dimensions = value.as_u64().filter(|dimensions| *dimensions > 0);
                let wrong = || wrong(names.dimensions, "a whole number above 0");
                request.dimensions = Some(dimensions.ok_or_else(wrong)?);
            }
            name => lose(&mut request.losses, format!("{}{name}", names.prefix)),
        }
    }
    request.inputs.push(content.ok_or_else(|| wrong(names.content, "a list of texts"))?);
    Ok(())
}

fn lose(losses: &mut Vec<Loss>, name: String) {
    if !losses.iter().any(|known| *known == name) {
        losses.push(Cow::Owned(name));
    }
}

/// The words of a content; its parts become one vector, so they are one text.
fn read_content<'text>(content: View<'text>, names: &Names) -> Result<Text<'text>, Failure> {
    let parts =
        content.get("parts").map(|parts| if parts.kind() == Kind::Array { parts.elements() } else { vec![parts] });
    let mut text: Option<Text<'text>> = None;
    for part in parts.unwrap_or_default() {
        let said = part.get("text").and_then(View::text);
        let said = said.ok_or_else(|| wrong(names.content, "texts: the provider that would answer takes no others"))?;
        text = Some(match text {
            Some(before) => before.joined("\n", &said),
            None => said,
        });
    }
    text.ok_or_else(|| wrong(names.content, "a list of texts"))
}

pub(super) fn write_request(request: &Request<'_>, model: &str) -> Vec<u8> {
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    body.value("requests", |into| {
        write_list(into, &request.inputs, |input, into| {
            let mut one = JsonObject::begin(into);
            one.text("model", &format!("models/{model}"));
            one.object("content", |content| {
                content.value("parts", |into| {
                    into.push(b'[');
                    let mut part = JsonObject::begin(into);
                    part.value("text", |into| input.write(into));
                    part.end();
                    into.push(b']');
                });
            });
            if let Some(dimensions) = request.dimensions {
                one.number("outputDimensionality", dimensions);
            }
            one.end();
        });
    });
    body.end();
    written
}

pub(super) fn read_answer(body: View<'_>) -> Option<Answer<'_>> {
    let embeddings = match body.get("embeddings") {
        Some(list) => list.elements(),
        None => vec![body.get("embedding")?],
    };
    let vectors = embeddings.into_iter().map(|one| Vector::read(one.get("values")?)).collect::<Option<_>>()?;
    let usage = body.get("usageMetadata");
    let input_tokens = usage.and_then(|usage| usage.get("promptTokenCount")).and_then(View::as_u64);
    Some(Answer { vectors, model: None, input_tokens })
}

pub(super) fn write_batch(answer: &Answer<'_>) -> Option<Vec<u8>> {
    write(answer, |body| {
        let mut are_vectors = Some(());
        body.value("embeddings", |into| {
            write_list(into, &answer.vectors, |vector, into| {
                are_vectors = are_vectors.and(write_vector(vector, into));
            });
        });
        are_vectors
    })
}

pub(super) fn write_one(answer: &Answer<'_>) -> Option<Vec<u8>> {
    let vector = answer.vectors.first()?;
    write(answer, |body| {
        let mut is_vector = None;
        body.value("embedding", |into| is_vector = write_vector(vector, into));
        is_vector
    })
}

fn write(answer: &Answer<'_>, embed: impl FnOnce(&mut JsonObject<'_>) -> Option<()>) -> Option<Vec<u8>> {
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    embed(&mut body)?;
    if let Some(tokens) = answer.input_tokens {
        body.object("usageMetadata", |usage| {
            usage.number("promptTokenCount", tokens);
            usage.number("totalTokenCount", tokens);
        });
    }
    body.end();
    Some(written)
}

fn write_vector(vector: &Vector<'_>, written: &mut Vec<u8>) -> Option<()> {
    let mut one = JsonObject::begin(written);
    let mut is_vector = None;
    one.value("values", |into| is_vector = vector.write_numbers(into));
    one.end();
    is_vector
}
