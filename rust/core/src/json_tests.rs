use proptest::prelude::*;

use super::*;

#[test]
fn finds_top_level_fields_where_they_lie() {
    let text = br#" {"model" : "a\u0062c", "n":2,"stream":true,"x":{"model":"inner"},"y":null} "#;
    let object = Object::read(text, 8).expect("valid");
    let model = object.get("model").expect("present");
    assert_eq!(model.as_text().as_deref(), Some("abc"));
    assert_eq!(&text[model.span.clone()], br#""a\u0062c""#);
    assert_eq!(object.get("n").and_then(|value| value.as_u64()), Some(2));
    assert_eq!(object.get("stream").and_then(|value| value.as_bool()), Some(true));
    assert!(object.get("y").expect("present").is_null());
    assert!(object.get("inner").is_none());
}

#[test]
fn refuses_a_key_twice_at_any_depth_and_through_escapes() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"model":"x","mod\u0065l":"y"}"#,
        r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#,
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"a":1}"#,
    ] {
        assert!(matches!(Object::read(text.as_bytes(), 8), Err(JsonError::DuplicateKey(_))), "{text}");
    }
    assert!(Object::read(br#"{"a":{"b":1},"b":{"a":1}}"#, 8).is_ok());
}

#[test]
fn bounds_depth() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Object::read(nested(7).as_bytes(), 8).is_ok());
    assert!(matches!(Object::read(nested(8).as_bytes(), 8), Err(JsonError::TooDeep(_))));
}

#[test]
fn refuses_what_is_not_one_object() {
    for text in ["", "{", "[1]", "1", "{} x", "{\"a\":01}", "{\"a\":1,}", "{a:1}", "{\"a\":\"\n\"}", "\u{feff}{}"] {
        assert!(Object::read(text.as_bytes(), 8).is_err(), "{text:?}");
    }
    assert!(Object::read(b"{\"a\":\"\xff\"}", 8).is_err());
}

proptest! {
    /// serde_json is the oracle of what is valid; it keeps the last of two keys, so texts have none twice.
    #[test]
    fn agrees_with_serde_json(text in json_like()) {
        let oracle = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
        let ours = Object::read(text.as_bytes(), 100);
        match (&oracle, &ours) {
            (Ok(map), Ok(object)) => for (key, value) in map {
                let found = object.get(key).expect("same keys");
                prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(found.raw).expect("valid"), value);
            },
            (Ok(_), Err(error)) => prop_assert!(matches!(error, JsonError::DuplicateKey(_)), "{text} {error:?}"),
            // serde_json also refuses lone surrogates and huge numbers, which the grammar allows.
            (Err(_), Ok(_)) => prop_assert!(text.contains("\\u") || text.contains(['e', 'E'])),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Object::read(&bytes, 16);
    }

    #[test]
    fn plain_prefix_agrees_with_a_byte_loop(
        bytes in proptest::collection::vec(prop_oneof![60 => b'a'..=b'z', 1 => any::<u8>()], 0..200),
    ) {
        let oracle = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
        prop_assert_eq!(plain_prefix(&bytes), oracle);
    }
}

/// Objects, and objects with a few characters of JSON's alphabet put in anywhere.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
        Just("-0.5e3".to_owned()),
        "[a-z\\\\\"é☃]{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just("\"\\u00e9\\n\"".to_owned()),
    ];
    let value = leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            object_of(inner),
        ]
    });
    (object_of(value), proptest::option::of((any::<proptest::sample::Index>(), "[{}\\[\\]:,\"0-9eE.\\\\ -]{1,2}")))
        .prop_map(|(mut text, insertion)| {
            if let Some((index, extra)) = insertion {
                let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                text.insert_str(borders[index.index(borders.len())], &extra);
            }
            text
        })
}

fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::collection::vec(("[a-d]{1,2}", value), 0..5).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    /// The same fields as a strict reading finds, wherever that is one.
    #[test]
    fn picks_what_lies_there(text in json_like()) {
        let names = ["a", "b", "model"];
        if let Ok(object) = Object::read(text.as_bytes(), 100) {
            let expected = names.map(|name| object.get(name).map(|value| value.raw));
            prop_assert_eq!(pick(text.as_bytes(), 100, names), Ok(expected));
        } else if let Ok(picked) = pick(text.as_bytes(), 100, names) {
            // serde_json also refuses lone surrogates and huge numbers, which the grammar allows.
            let Ok(oracle) = serde_json::from_str::<serde_json::Value>(&text) else {
                prop_assert!(text.contains("\\u") || text.contains(['e', 'E']));
                return Ok(());
            };
            for (name, raw) in names.iter().zip(picked) {
                let read = raw.map(|raw| serde_json::from_slice::<serde_json::Value>(raw).expect("valid"));
                prop_assert_eq!(read.as_ref(), oracle.get(name));
            }
        }
    }
}

#[test]
fn picks_the_last_of_two_and_refuses_what_is_no_object() {
    let text = br#"{"a":1,"b":{"a":2,"a":3},"a":[4],"c":"\u00e9"}"#;
    assert_eq!(pick(text, 8, ["a", "d"]), Ok([Some(&b"[4]"[..]), None]));
    assert_eq!(pick(br#"{"\u0061":1}"#, 8, ["a"]), Ok([Some(&b"1"[..])]));
    assert_eq!(pick(b"[1]", 8, ["a"]), Err(JsonError::NotAnObject));
    assert_eq!(pick(br#"{"a":1"#, 8, ["a"]), Err(JsonError::Syntax(6)));
    assert_eq!(pick(br#"{"a":1} x"#, 8, ["a"]), Err(JsonError::Syntax(8)));
    assert_eq!(pick(br#"{"a":[[1]]}"#, 2, ["a"]), Err(JsonError::TooDeep(6)));
}
