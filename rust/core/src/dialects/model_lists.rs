//! Which models there are, as each vendor's SDK expects to be told.
//!
//! Source: OpenAI API reference, "List models"; Anthropic API reference, "List Models"; Gemini API reference, "models".

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Dialect;

impl Dialect {
    /// The answer to a question for all models. `created_unix_s`: since when there are these.
    #[must_use]
    pub fn models_body(self, names: &[&str], created_unix_s: u64) -> Vec<u8> {
        let models: Vec<Value> = names.iter().map(|name| self.model(name, created_unix_s)).collect();
        let list = match self {
            // One page has them all.
            Self::Anthropic => json!({
                "data": models, "has_more": false, "first_id": names.first(), "last_id": names.last(),
            }),
            Self::Gemini { .. } | Self::GeminiPlain => json!({"models": models}),
            _ => json!({"object": "list", "data": models}),
        };
        list.to_string().into_bytes()
    }

    /// The answer to a question for one model.
    #[must_use]
    pub fn model_body(self, name: &str, created_unix_s: u64) -> Vec<u8> {
        self.model(name, created_unix_s).to_string().into_bytes()
    }

    fn model(self, name: &str, created_unix_s: u64) -> Value {
        match self {
            Self::Anthropic => {
                let created = i64::try_from(created_unix_s).ok().and_then(|at| Timestamp::from_second(at).ok());
                json!({
                    "type": "model", "id": name, "display_name": name,
                    "created_at": created.unwrap_or_default().to_string(),
                })
            }
            Self::Gemini { .. } | Self::GeminiPlain => json!({
                "name": format!("models/{name}"), "displayName": name, "version": "",
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
            }),
            _ => json!({"id": name, "object": "model", "created": created_unix_s, "owned_by": "fastgate"}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(dialect: Dialect) -> Value {
        serde_json::from_slice(&dialect.models_body(&["a", "b"], 1_700_000_000)).expect("JSON")
    }

    #[test]
    fn every_sdk_finds_its_own_shape() {
        assert_eq!(lists(Dialect::OpenaiChat)["data"][1]["id"], "b");
        let anthropic = lists(Dialect::Anthropic);
        assert_eq!((&anthropic["last_id"], &anthropic["has_more"]), (&json!("b"), &json!(false)));
        assert_eq!(anthropic["data"][0]["created_at"], "2023-11-14T22:13:20Z");
        assert_eq!(lists(Dialect::Gemini { stream: false })["models"][0]["name"], "models/a");
        assert_eq!(
            serde_json::from_slice::<Value>(&Dialect::Anthropic.models_body(&[], 0)).expect("JSON")["first_id"],
            Value::Null
        );
    }
}
