//! What tests of several modules need.

use fastgate_core::tables::Tables;
use serde_json::Value;

/// The smallest valid tables, with these members in place of theirs.
pub(crate) fn tables(members: &Value) -> Tables {
    let mut tables: Value = serde_json::from_str(include_str!("../../core/tests/tables.json")).expect("JSON");
    for (name, value) in members.as_object().expect("an object") {
        tables[name] = value.clone();
    }
    Tables::from_json(tables.to_string().as_bytes()).expect("valid")
}
