//! How fields are written in a hurry: as a header or a model name carries a fault, and what such writing leaves loose.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};
use serde_json::{Map, Value};

/// Reads a fault as a header or a model name carries it: a JSON object, or `field=value;field=value` where a dot goes
/// one level down (`headers.retry-after=2`) and a value is JSON if it parses as such, a string otherwise.
///
/// # Errors
/// Text that says which part is wrong.
pub(super) fn parse_fields(text: &str) -> Result<Map<String, Value>, String> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let mut fields = Map::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').map_or((part, "true"), |(name, value)| (name.trim(), value.trim()));
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        match name.split_once('.') {
            None => fields.insert(name.to_owned(), value),
            Some((outer, inner)) => fields
                .entry(outer)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()
                .ok_or_else(|| format!("{outer} is given both whole and by part"))?
                .insert(inner.to_owned(), value),
        };
    }
    Ok(fields)
}

/// A list, one value, or a comma-separated string: the last two are what the short form can write.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = match Value::deserialize(deserializer)? {
        Value::Array(items) => items,
        Value::String(text) => {
            let read = |item: &str| serde_json::from_str(item).unwrap_or_else(|_| Value::String(item.to_owned()));
            text.split(',').map(|item| read(item.trim())).collect()
        }
        single => vec![single],
    };
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}

/// Header values may be written as numbers.
pub(super) fn header_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(values.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect())
}
