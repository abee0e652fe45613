use super::*;

fn request(body: &str) -> Option<String> {
    let written = normalise_request(View::read(body.as_bytes(), 64).expect("JSON"))?;
    Some(String::from_utf8(written).expect("UTF-8"))
}

#[test]
fn types_are_written_as_json_schema_has_them_and_every_other_byte_stays() {
    let body = r#" {"contents" : [{"parts":[{"text":"\"type\":\"STRING\""}]}],"tools":[{"function_declarations":[
        {"name":"f","parameters":{"type" : "OBJECT","properties":{"type":{"type":"STRING","enum":["STRING"],
        "nullable":true,"maxLength":"9"},"b":{"any_of":[{"type":"INTEGER"},{"type":"array","items":{"type":"NUMBER"}}]}},
        "example":{"type":"STRING"}}}]}],"generationConfig":{"responseSchema":{"type":"BOOLEAN"}}}"#;
    let expected = r#"{"contents" : [{"parts":[{"text":"\"type\":\"STRING\""}]}],"tools":[{"function_declarations":[
        {"name":"f","parameters":{"type" : "object","properties":{"type":{"type":["string","null"],"enum":["STRING"],
        "nullable":true,"maxLength":9},"b":{"any_of":[{"type":"integer"},{"type":"array","items":{"type":"number"}}]}},
        "example":{"type":"STRING"}}}]}],"generationConfig":{"responseSchema":{"type":"boolean"}}}"#;
    assert_eq!(request(body).as_deref(), Some(expected));
    assert_eq!(request(expected.replace(r#""nullable":true,"#, "").as_str()), None);
    assert_eq!(request(r#"{"tools":7,"generationConfig":[],"contents":"STRING"}"#), None);
}

#[test]
fn answers_without_log_probabilities_stay() {
    let answer = |body: &str| normalise_answer(View::read_answer(body.as_bytes(), 64).expect("JSON"));
    assert_eq!(answer(r#"{"candidates":[{"logprobsResult":{}}]}"#), None);
    assert_eq!(answer(r#"{"candidates":[]}"#), None);
    let written = answer(r#"{"candidates":[{"logprobsResult":{"chosenCandidates":[]} ,"index":0}]}"#);
    assert_eq!(written.as_deref(), Some(&br#"{"candidates":[{"logprobsResult":{"content":[]} ,"index":0}]}"#[..]));
}
