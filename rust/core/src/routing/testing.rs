//! Tables for tests.

use std::cell::Cell;

use serde_json::{Value, json};

use super::Conditions;
use crate::tables::Tables;

/// What a test's tables are made of.
pub(super) struct Build {
    pub(super) providers: Vec<Value>,
    pub(super) deployments: Vec<Value>,
    pub(super) tiers: Value,
    pub(super) tenants: Value,
    pub(super) open: Value,
    models: serde_json::Map<String, Value>,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            providers: vec![provider("p0")],
            deployments: Vec::new(),
            tiers: json!([]),
            tenants: json!([{"id": "default", "tier": null, "region": null}]),
            open: json!([]),
            models: serde_json::Map::new(),
        }
    }
}

impl Build {
    /// As many deployments as said, `d0`, `d1` and so on.
    pub(super) fn with(deployments: usize) -> Self {
        let deployments = (0..deployments).map(|index| deployment(&format!("d{index}"), 0)).collect();
        Self { deployments, ..Self::default() }
    }

    /// Rows as `{"when": …, "pick": …, "sticky_by": …, "chain": …}`, where a chain has steps, and a step deployments
    /// by turns with their weights.
    pub(super) fn route(mut self, name: &str, rows: &Value) -> Self {
        let step = |row: &Value, step: &Value| {
            let numbers: Vec<u64> = step.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
            let members: Vec<Value> =
                numbers.chunks(2).map(|pair| json!({"deployment": pair[0], "weight": pair[1]})).collect();
            let or = |key: &str, value: &str| row.get(key).cloned().unwrap_or(value.into());
            json!({"group": null, "pick": or("pick", "weighted"), "sticky_by": or("sticky_by", "session"),
                "members": members})
        };
        let rows: Vec<Value> = rows
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| {
                let chain: Vec<Value> =
                    row["chain"].as_array().into_iter().flatten().map(|one| step(row, one)).collect();
                json!({"when": row.get("when").cloned().unwrap_or(json!({})), "chain": chain})
            })
            .collect();
        self.models.insert(name.into(), json!({"budget_ms": 12_000, "listed": true, "rows": rows}));
        self
    }

    pub(super) fn tables(self) -> Tables {
        let mut tables: Value = serde_json::from_str(include_str!("../../tests/tables.json")).expect("JSON");
        tables["providers"] = self.providers.into();
        tables["deployments"] = self.deployments.into();
        tables["tiers"] = self.tiers;
        tables["tenants"] = self.tenants;
        tables["open_providers"] = self.open;
        tables["models"] = self.models.into();
        Tables::from_json(tables.to_string().as_bytes()).expect("valid")
    }
}

pub(super) fn provider(id: &str) -> Value {
    json!({"id": id, "dialect": "openai", "base_url": "http://a", "credentials": [], "stream_usage": true,
        "headers": [], "proxy": null, "ca_file": null})
}

pub(super) fn deployment(id: &str, provider: usize) -> Value {
    json!({"id": id, "provider": provider, "model": "m", "region": null,
        "timeouts": {"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1}})
}

/// Live facts as a test says them. Randomness is `SplitMix64` from a seed.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) unavailable: Vec<usize>,
    pub(super) unpriced: Vec<usize>,
    pub(super) prices_pusd: Vec<Option<i64>>,
    pub(super) latencies_ns: Vec<Option<(u64, u64)>>,
    pub(super) in_flight: Vec<u32>,
    pub(super) random: Cell<u64>,
}

impl Conditions for Facts {
    fn is_available(&self, deployment: usize) -> bool {
        !self.unavailable.contains(&deployment)
    }

    fn is_priced(&self, deployment: usize, _: &str) -> bool {
        !self.unpriced.contains(&deployment)
    }

    fn price_pusd(&self, deployment: usize, _: &str, input_tokens: u64, output_tokens: u64) -> Option<i64> {
        let tokens = i128::from(input_tokens) + 4 * i128::from(output_tokens);
        let price = self.prices_pusd.get(deployment).copied().flatten()?;
        Some(i64::try_from(i128::from(price) * tokens).unwrap_or(i64::MAX))
    }

    fn rates_pusd(&self, deployment: usize, model: &str, _: u64) -> Option<(i64, i64)> {
        let rate = |input, output| self.price_pusd(deployment, model, input, output);
        rate(1_000_000, 0).zip(rate(0, 1_000_000))
    }

    fn latency_ns(&self, deployment: usize) -> Option<(u64, u64)> {
        self.latencies_ns.get(deployment).copied().flatten()
    }

    fn in_flight(&self, deployment: usize) -> u32 {
        self.in_flight.get(deployment).copied().unwrap_or_default()
    }

    fn random(&self) -> u64 {
        self.random.set(self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let bits = self.random.get();
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
