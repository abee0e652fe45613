//! Gemini's schemas in the words of JSON Schema: types in lower case, `null` beside them, counts that are numbers.
//!
//! Source: Gemini API reference, "Schema" (a subset of `OpenAPI` 3.0). Every other byte of a schema stays.

use super::fields::Fields;
use crate::dialects::splice::Splice;
use crate::json_view::{Kind, View};

const TYPES: [(&str, &str); 7] = [
    ("STRING", "string"),
    ("NUMBER", "number"),
    ("INTEGER", "integer"),
    ("BOOLEAN", "boolean"),
    ("ARRAY", "array"),
    ("OBJECT", "object"),
    ("NULL", "null"),
];
/// Members that are a schema, or a list of them.
const SCHEMAS: [&str; 8] =
    ["items", "prefixItems", "prefix_items", "anyOf", "any_of", "oneOf", "allOf", "additionalProperties"];
/// Members that are schemas by name.
const NAMED_SCHEMAS: [&str; 3] = ["properties", "$defs", "defs"];
/// Members that are counts, which Google's JSON writes as strings.
const COUNTS: [&str; 6] = ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// Adds what to change in a schema within `body`.
pub(super) fn rewrite(schema: View<'_>, body: View<'_>, changes: &mut Vec<Splice>) {
    let is_nullable = Fields::of(schema).get("nullable").and_then(View::as_bool) == Some(true);
    for (name, value) in schema.members() {
        match name.as_ref() {
            "type" => {
                let word = value.decoded();
                let known = TYPES.iter().find(|(upper, _)| word.as_deref() == Some(upper)).map(|(_, lower)| *lower);
                let word = known.or(word.as_deref().filter(|_| is_nullable));
                if let Some(word) = word {
                    let word = serde_json::Value::from(word);
                    let typed = if is_nullable { format!("[{word},\"null\"]") } else { word.to_string() };
                    changes.push(replace(value, body, typed));
                }
            }
            name if SCHEMAS.contains(&name) => match value.kind() {
                Kind::Array => value.elements().into_iter().for_each(|schema| rewrite(schema, body, changes)),
                _ => rewrite(value, body, changes),
            },
            name if NAMED_SCHEMAS.contains(&name) => {
                value.members().into_iter().for_each(|(_, schema)| rewrite(schema, body, changes));
            }
            name if COUNTS.contains(&name) => {
                let digits = value.decoded().filter(|text| text.parse::<u64>().is_ok());
                changes.extend(digits.map(|digits| replace(value, body, digits.into_owned())));
            }
            _ => {}
        }
    }
}

/// Replaces a value within `body`.
pub(super) fn replace(value: View<'_>, body: View<'_>, replacement: String) -> Splice {
    // A view is a slice of what it was taken from.
    let start = (value.raw().as_ptr() as usize).saturating_sub(body.raw().as_ptr() as usize);
    Splice::new(start..start + value.raw().len(), replacement)
}
