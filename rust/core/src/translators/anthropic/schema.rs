//! Schemas that the provider holds a model to.
//!
//! Source: Anthropic, "Structured outputs": every object says `"additionalProperties": false`, or the request is refused.
//! Other vendors take that for granted, and Gemini has no word for it. Every other byte of a schema stays.

use crate::dialects::splice::{Splice, splice};
use crate::json_view::{Kind, View};

/// Members that are a schema, or a list of them.
const SCHEMAS: [&str; 4] = ["items", "anyOf", "oneOf", "allOf"];
/// Members that are schemas by name.
const NAMED_SCHEMAS: [&str; 3] = ["properties", "$defs", "definitions"];

/// Writes a schema whose objects are closed, but for those that say themselves what else may be in them.
pub(super) fn write_closed(schema: View<'_>, written: &mut Vec<u8>) {
    let mut changes = Vec::new();
    close(schema, schema, &mut changes);
    written.extend_from_slice(&splice(schema.raw().as_bytes(), &mut changes));
}

fn close(schema: View<'_>, whole: View<'_>, changes: &mut Vec<Splice>) {
    let members = schema.members();
    let has = |name: &str| members.iter().any(|(own, _)| own == name);
    let is_object_type =
        |kind: View<'_>| kind.is("object") || kind.elements().into_iter().any(|kind| kind.is("object"));
    let is_object = has("properties") || schema.get("type").is_some_and(is_object_type);
    for (name, value) in &members {
        match name.as_ref() {
            name if SCHEMAS.contains(&name) => match value.kind() {
                Kind::Array => value.elements().into_iter().for_each(|schema| close(schema, whole, changes)),
                _ => close(*value, whole, changes),
            },
            name if NAMED_SCHEMAS.contains(&name) => {
                value.members().into_iter().for_each(|(_, schema)| close(schema, whole, changes));
            }
            _ => {}
        }
    }
    if is_object && !has("additionalProperties") {
        // A view is a slice of what it was taken from.
        let start = (schema.raw().as_ptr() as usize).saturating_sub(whole.raw().as_ptr() as usize);
        let end = start + schema.raw().len() - 1;
        let comma = if members.is_empty() { "" } else { "," };
        changes.push(Splice::new(end..end, format!("{comma}\"additionalProperties\":false")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(schema: &str) -> String {
        let mut written = Vec::new();
        write_closed(View::read(schema.as_bytes(), 32).expect("an object"), &mut written);
        String::from_utf8(written).expect("UTF-8")
    }

    #[test]
    fn every_object_is_closed() {
        let schema = r##"{ "type":"object", "properties" : {"properties":{"type":["object","null"]},"b":{"type":"array",
            "items":{"properties":{}}},"c":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"string","enum":["object"]}]}},
            "$defs":{"d":{"type":"object","additionalProperties":{"type":"string"}}} }"##;
        let expected = r##"{ "type":"object", "properties" : {"properties":{"type":["object","null"],"additionalProperties":false},"b":{"type":"array",
            "items":{"properties":{},"additionalProperties":false}},"c":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"string","enum":["object"]}]}},
            "$defs":{"d":{"type":"object","additionalProperties":{"type":"string"}}} ,"additionalProperties":false}"##;
        assert_eq!(closed(schema), expected);
        assert_eq!(closed(expected), expected);
        assert_eq!(closed(r#"{"type":"string"}"#), r#"{"type":"string"}"#);
        assert_eq!(closed("{}"), "{}");
    }
}
