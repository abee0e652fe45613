use serde_json::{Value, json};

use super::super::testing::Build;
use super::*;

/// Two tenants of two tiers, the second bound to the EU; a deployment there, one in the US, one nobody knows where.
fn build() -> Build {
    let mut build = Build::with(3);
    build.tiers = json!([{"id": "free", "weight": 1}, {"id": "paid", "weight": 9}, {"id": "spare", "weight": 1}]);
    build.tenants = json!([{"id": "a", "tier": 0, "region": null}, {"id": "b", "tier": 1, "region": "eu"}]);
    build.deployments[0]["region"] = json!("eu");
    build.deployments[1]["region"] = json!("us");
    build
}

fn unreachable(whens: &[Value]) -> Vec<(usize, String)> {
    let rows: Vec<Value> = whens.iter().map(|when| json!({"when": when, "chain": [[0, 1]]})).collect();
    let tables = build().route("chat", &rows.into()).tables();
    unreachable_rows(&tables).into_iter().map(|found| (found.row, found.reason)).collect()
}

#[test]
fn an_earlier_row_that_includes_a_later_one_hides_it() {
    for (outer, inner) in [
        (json!({}), json!({"user": ["ann"], "hours": 7})),
        (json!({"user": ["ann", "bob"]}), json!({"user": ["bob"], "feature": ["search"]})),
        (json!({"tier": [1]}), json!({"tenant": [1]})),
        (json!({"region": ["eu"]}), json!({"tenant": [1]})),
        (json!({"region": ["eu", "us"]}), json!({"region": ["us"], "tier": [0]})),
        (json!({"capability": ["tools", "reasoning"]}), json!({"capability": ["tools"]})),
        (json!({"context_over": 10}), json!({"context_over": 10})),
        (json!({"hours": 0b110}), json!({"hours": 0b010})),
        (json!({"hours": 0x00ff_ffff}), json!({})),
        (json!({"load_permille": 500}), json!({"load_permille": 900})),
        (json!({"load_permille": 0}), json!({})),
        (json!({"latency": ["batch", "background"]}), json!({"latency": ["batch"]})),
    ] {
        let expected = vec![(1, "comes behind row 0, which takes all of its requests".to_owned())];
        assert_eq!(unreachable(&[outer.clone(), inner.clone()]), expected, "{outer} {inner}");
    }
}

#[test]
fn an_earlier_row_that_leaves_something_does_not() {
    for (outer, inner) in [
        (json!({"user": ["ann"]}), json!({})),
        (json!({"user": ["ann"]}), json!({"user": ["ann", "bob"]})),
        (json!({"tier": [1]}), json!({"tenant": [0, 1]})),
        (json!({"region": ["eu"]}), json!({"tenant": [0]})),
        (json!({"capability": ["tools"]}), json!({"capability": ["tools", "reasoning"]})),
        (json!({"context_over": 10}), json!({"context_over": 9})),
        (json!({"context_over": 0}), json!({})),
        (json!({"hours": 0b110}), json!({"hours": 0b011})),
        (json!({"load_permille": 500}), json!({})),
        (json!({"cost_class": ["premium"]}), json!({"latency": ["batch"]})),
        (json!({"model": ["chat"]}), json!({})),
    ] {
        assert_eq!(unreachable(&[outer.clone(), inner.clone()]), [], "{outer} {inner}");
    }
}

#[test]
fn conditions_that_nothing_meets_are_named() {
    for (when, expected) in [
        (json!({"user": []}), "accepts no value of user"),
        (json!({"hours": 0}), "accepts no value of hour"),
        (json!({"load_permille": 1001}), "asks for a load above the largest there is"),
        (json!({"model": ["nobody"]}), "asks for a model name that does not exist"),
        (json!({"tier": [2]}), "is for no tenant: none fits its tenant, tier and region at once"),
        (json!({"tenant": [1], "region": ["us"]}), "is for no tenant: none fits its tenant, tier and region at once"),
    ] {
        assert_eq!(unreachable(std::slice::from_ref(&when)), [(0, expected.to_owned())], "{when}");
    }
    assert_eq!(unreachable(&[json!({"tenant": [0], "region": ["us"], "hours": 1, "load_permille": 1000})]), []);
}

#[test]
fn tenants_whose_residency_leaves_nothing_are_found() {
    let without = |rows: Value| -> Vec<String> {
        let tables = build().route("chat", &rows).tables();
        tenants_without_route(&tables).into_iter().map(|found| found.tenant).collect()
    };
    assert_eq!(without(json!([{"chain": [[1, 1], [2, 1]]}])), ["b"]);
    assert_eq!(without(json!([{"chain": [[1, 1], [0, 1]]}])), [""; 0]);
    // Behind a row that takes all of its requests, the one that would do is never reached.
    assert_eq!(without(json!([{"when": {"region": ["eu"]}, "chain": [[2, 1]]}, {"chain": [[0, 1]]}])), ["b"]);
    assert_eq!(without(json!([{"when": {"hours": 1}, "chain": [[2, 1]]}, {"chain": [[0, 1]]}])), [""; 0]);
    assert_eq!(without(json!([{"when": {"tier": [1]}, "chain": [[0, 1]]}])), ["a"]);
    assert_eq!(without(json!([{"when": {"region": ["us"]}, "chain": [[0, 1]]}])), ["b"]);
}

#[test]
fn tenants_that_may_not_ask_are_not_reported() {
    let mut tables = build().route("chat", &json!([{"chain": [[1, 1]]}])).tables();
    let key = |models: Option<&str>| crate::tables::Key {
        digest: "0".repeat(64),
        tenant: 1,
        user: None,
        feature: None,
        models: models.map(|model| vec![model.to_owned()]),
        deployments: None,
        expires_unix_s: None,
    };
    tables.keys = vec![key(Some("other"))];
    assert_eq!(tenants_without_route(&tables), []);
    tables.keys.push(key(Some("chat")));
    assert_eq!(tenants_without_route(&tables).len(), 1);
    tables.keys.pop();
    tables.keys.push(key(None));
    assert_eq!(tenants_without_route(&tables).len(), 1);
}
