use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn request(from: Shape, to: Shape, body: &Value) -> Result<(Value, Vec<Loss>), Failure> {
    let body = body.to_string();
    let request = read_request(from, View::read(body.as_bytes(), 32).expect("an object"))?;
    let written = write_request(to, &request, "real-model");
    Ok((serde_json::from_slice(&written).expect("JSON"), request.losses))
}

fn answer(from: Shape, to: Shape, body: &Value, inputs: usize, encoding: Encoding) -> Option<Value> {
    let body = body.to_string();
    let answer = read_answer(from, View::read_answer(body.as_bytes(), 32).expect("an object"), inputs)?;
    let telling = Telling { encoding, fallback_model: "chat", estimated_tokens: 9 };
    Some(serde_json::from_slice(&write_answer(to, &answer, &telling)?).expect("JSON"))
}

fn refused(from: Shape, body: &Value) -> Option<&'static str> {
    request(from, Shape::Openai, body).expect_err(&body.to_string()).param
}

#[test]
fn openais_request_for_gemini() {
    for (input, texts) in [(json!("a \"b\"\n\u{e9}"), vec!["a \"b\"\n\u{e9}"]), (json!(["a", ""]), vec!["a", ""])] {
        let body = json!({"model": "chat", "input": input, "dimensions": 8, "encoding_format": "base64", "user": "u"});
        let (asked, losses) = request(Shape::Openai, Shape::GeminiBatch, &body).expect("said");
        let one = |text: &str| json!({"model": "models/real-model", "content": {"parts": [{"text": text}]}, "outputDimensionality": 8});
        assert_eq!(asked, json!({"requests": texts.into_iter().map(one).collect::<Vec<_>>()}));
        assert_eq!(losses, ["user"]);
    }
    let (asked, losses) =
        request(Shape::Openai, Shape::GeminiBatch, &json!({"input": "a", "user": null})).expect("said");
    assert!(asked["requests"][0].get("outputDimensionality").is_none() && losses.is_empty());
}

#[test]
fn openais_request_that_others_cant_be_told() {
    for input in [json!([1, 2]), json!([[1, 2], [3]]), json!(["a", [1]]), json!([]), json!(7), json!(["a", null])] {
        assert_eq!(refused(Shape::Openai, &json!({"input": input})), Some("input"), "{input}");
    }
    assert_eq!(refused(Shape::Openai, &json!({"model": "m"})), Some("input"));
    assert_eq!(refused(Shape::Openai, &json!({"input": "a", "dimensions": 0})), Some("dimensions"));
    assert_eq!(refused(Shape::Openai, &json!({"input": "a", "encoding_format": "hex"})), Some("encoding_format"));
}

#[test]
fn geminis_requests_for_openai() {
    let one = json!({
        "model": "models/chat", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "RETRIEVAL_QUERY",
        "title": "t", "outputDimensionality": 8,
    });
    let (asked, losses) = request(Shape::GeminiOne, Shape::Openai, &one).expect("said");
    let expected = json!({"model": "real-model", "input": ["a\nb"], "dimensions": 8, "encoding_format": "float"});
    assert_eq!(asked, expected);
    assert_eq!(losses, ["taskType", "title"]);
    let (asked, losses) = request(Shape::GeminiBatch, Shape::Openai, &json!({"requests": [one, one]})).expect("said");
    assert_eq!((&asked["input"], &asked["dimensions"]), (&json!(["a\nb", "a\nb"]), &json!(8)));
    assert_eq!(losses, ["requests.taskType", "requests.title"]);
    let newer = json!({"content": {"parts": {"text": "a"}}, "embedContentConfig": {"outputDimensionality": 4}});
    assert_eq!(request(Shape::GeminiOne, Shape::Openai, &newer).expect("said").0["dimensions"], 4);
}

#[test]
fn geminis_requests_that_others_cant_be_told() {
    let one = |more: Value| {
        let mut one = json!({"content": {"parts": [{"text": "a"}]}});
        one.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        one
    };
    let picture = json!({"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]});
    assert_eq!(refused(Shape::GeminiOne, &json!({"content": picture})), Some("content.parts"));
    assert_eq!(refused(Shape::GeminiOne, &json!({"content": {"parts": []}})), Some("content.parts"));
    assert_eq!(refused(Shape::GeminiOne, &json!({})), Some("content.parts"));
    assert_eq!(refused(Shape::GeminiBatch, &json!({"requests": []})), Some("requests"));
    assert_eq!(
        refused(Shape::GeminiBatch, &json!({"requests": [{"content": picture}]})),
        Some("requests.content.parts")
    );
    for (first, second) in
        [(json!({}), json!({"outputDimensionality": 8})), (json!({"outputDimensionality": 8}), json!({}))]
    {
        let body = json!({"requests": [one(first), one(second)]});
        assert_eq!(refused(Shape::GeminiBatch, &body), Some("requests.outputDimensionality"));
    }
}

#[test]
fn geminis_answer_for_openai() {
    let said = json!({"embeddings": [{"values": [0.5, -1e-3]}, {"values": [1, 2]}]});
    let told = answer(Shape::GeminiBatch, Shape::Openai, &said, 2, Encoding::Numbers).expect("an answer");
    let item = |index: u64, embedding: Value| json!({"object": "embedding", "index": index, "embedding": embedding});
    assert_eq!(
        told,
        json!({
            "object": "list", "data": [item(0, json!([0.5, -1e-3])), item(1, json!([1, 2]))], "model": "chat",
            "usage": {"prompt_tokens": 9, "total_tokens": 9},
        })
    );
    let packed = answer(Shape::GeminiBatch, Shape::Openai, &said, 2, Encoding::Base64).expect("an answer");
    assert_eq!(packed["data"][1]["embedding"], STANDARD.encode([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]));
    let counted = json!({"embeddings": [{"values": []}], "usageMetadata": {"promptTokenCount": 4}});
    let told = answer(Shape::GeminiBatch, Shape::Openai, &counted, 1, Encoding::Numbers).expect("an answer");
    assert_eq!(told["usage"]["total_tokens"], 4);
}

#[test]
fn openais_answer_for_gemini() {
    let one = json!({"index": 1, "object": "embedding", "embedding": [0.25]});
    let other = json!({"index": 0, "embedding": STANDARD.encode(1.5_f32.to_le_bytes())});
    let said =
        json!({"object": "list", "data": [one, other], "model": "m", "usage": {"prompt_tokens": 7, "total_tokens": 7}});
    let told = answer(Shape::Openai, Shape::GeminiBatch, &said, 2, Encoding::Numbers).expect("an answer");
    let usage = json!({"promptTokenCount": 7, "totalTokenCount": 7});
    assert_eq!(told, json!({"embeddings": [{"values": [1.5]}, {"values": [0.25]}], "usageMetadata": usage}));
    let said = json!({"data": [{"index": 0, "embedding": [0.25]}]});
    let told = answer(Shape::Openai, Shape::GeminiOne, &said, 1, Encoding::Numbers).expect("an answer");
    assert_eq!(told, json!({"embedding": {"values": [0.25]}}));
}

#[test]
fn what_is_no_whole_answer_is_none() {
    let of_openai =
        |data: Value| answer(Shape::Openai, Shape::GeminiBatch, &json!({"data": data}), 1, Encoding::Numbers);
    for data in [
        json!([]),
        json!([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}]),
        json!([{"index": 1, "embedding": [1]}]),
        json!([{"index": 0}]),
        json!([{"index": 0, "embedding": {"values": []}}]),
        json!([{"index": 0, "embedding": "AAA"}]),
        json!([{"index": 0, "embedding": STANDARD.encode([0; 3])}]),
        json!([{"index": 0, "embedding": STANDARD.encode(f32::NAN.to_le_bytes())}]),
        json!({"index": 0, "embedding": [1]}),
    ] {
        assert_eq!(of_openai(data.clone()), None, "{data}");
    }
    let of_gemini = |said: Value| answer(Shape::GeminiBatch, Shape::Openai, &said, 1, Encoding::Base64);
    for said in
        [json!({}), json!({"embeddings": [{}]}), json!({"embeddings": [{"values": ["a"]}]}), json!({"embeddings": []})]
    {
        assert_eq!(of_gemini(said.clone()), None, "{said}");
    }
}

proptest! {
    /// What is packed for one client and unpacked for another is the same number, whichever its bits.
    #[test]
    fn packing_keeps_every_number(numbers in prop::collection::vec(
        any::<f32>().prop_filter("finite", |number| number.is_finite()), 0..20,
    )) {
        let said = json!({"embeddings": [{"values": numbers}]});
        let packed = answer(Shape::GeminiBatch, Shape::Openai, &said, 1, Encoding::Base64).expect("packed");
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        prop_assert_eq!(&packed["data"][0]["embedding"], &Value::from(STANDARD.encode(bytes)));
        let unpacked = answer(Shape::Openai, Shape::GeminiOne, &packed, 1, Encoding::Numbers).expect("unpacked");
        let back: Vec<f32> = serde_json::from_value(unpacked["embedding"]["values"].clone()).expect("numbers");
        prop_assert_eq!(back.iter().map(|number| number.to_bits()).collect::<Vec<_>>(),
            numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>());
    }

    #[test]
    fn never_panics(text in "[\\[\\]{}:,\"a-z0-9 ]{0,60}", inputs in 0..3_usize) {
        for body in [text.clone(), format!(r#"{{"input":{text},"requests":{text},"content":{text}}}"#),
            format!(r#"{{"data":{text},"embeddings":{text}}}"#)] {
            let Ok(view) = View::read_answer(body.as_bytes(), 16) else { continue };
            for shape in [Shape::Openai, Shape::GeminiBatch, Shape::GeminiOne] {
                let _ = read_request(shape, view).map(|request| write_request(shape, &request, "m"));
                let telling = Telling { encoding: Encoding::Base64, fallback_model: "m", estimated_tokens: 1 };
                let _ = read_answer(shape, view, inputs).and_then(|answer| write_answer(shape, &answer, &telling));
            }
        }
    }
}
