use serde_json::json;

use super::super::testing::{Build, Facts};
use super::*;

#[test]
fn every_row_and_deployment_has_its_reason() {
    let mut build = Build::with(4);
    build.tiers = json!([{"id": "free", "weight": 1}, {"id": "paid", "weight": 9}]);
    build.tenants = json!([{"id": "acme", "tier": 1, "region": "eu"}]);
    for (index, region) in ["eu", "us", "eu", "eu"].into_iter().enumerate() {
        build.deployments[index]["region"] = region.into();
    }
    let rows = json!([
        {"when": {"tier": [0], "hours": 6, "capability": ["tools"]}, "chain": [[0, 1]]},
        {"when": {"region": ["eu"]}, "pick": "fastest", "chain": [[0, 1, 1, 1, 2, 3], [0, 1]]},
        {"chain": [[3, 1]]},
    ]);
    let tables = build.route("chat", &rows).tables();
    let asking = Asking { model: "chat", hour: 5, ..Asking::default() };
    let facts = Facts {
        unavailable: vec![0],
        latencies_ns: vec![Some((5, 1)), None, Some((7, 2))],
        in_flight: vec![0, 0, 4],
        ..Facts::default()
    };
    let explanation = explain(&tables, &Policy::prepare(&tables), &asking, &facts);
    let expected = json!({
        "model": "chat",
        "leads_to": "table",
        "rows": [
            {"row": 0, "outcome": "does_not_match", "failed": [
                {"condition": "tier", "wants": ["free"], "has": ["paid"]},
                {"condition": "capability", "wants": ["tools"], "has": []},
                {"condition": "hours", "wants": ["1", "2"], "has": ["5"]},
            ]},
            {"row": 1, "outcome": "taken", "failed": []},
            {"row": 2, "outcome": "also_matches", "failed": []},
        ],
        "row": 1,
        "steps": [
            {"group": null, "pick": "fastest", "deployments": [
                {"deployment": "d0", "weight": 1, "is_available": false, "position": 1, "rule": null, "reason": null,
                    "in_flight": 0, "first_content_ns": 5, "per_token_ns": 1},
                {"deployment": "d1", "weight": 1, "is_available": true, "position": null, "rule": "residency",
                    "reason": "is not in the region `eu` that the tenant is bound to",
                    "in_flight": 0, "first_content_ns": null, "per_token_ns": null},
                {"deployment": "d2", "weight": 3, "is_available": true, "position": 0, "rule": null, "reason": null,
                    "in_flight": 4, "first_content_ns": 7, "per_token_ns": 2},
            ]},
            {"group": null, "pick": "fastest", "deployments": [
                {"deployment": "d0", "weight": 1, "is_available": false, "position": null, "rule": null,
                    "reason": "stands in the chain before",
                    "in_flight": 0, "first_content_ns": 5, "per_token_ns": 1},
            ]},
        ],
        "chain": ["d2", "d0"],
        "budget_ms": 12_000,
        "error": null,
    });
    assert_eq!(serde_json::to_value(&explanation).expect("JSON"), expected);
}

#[test]
fn every_condition_says_what_it_wants_and_what_there_is() {
    let mut build = Build::with(1);
    build.tiers = json!([{"id": "free", "weight": 1}]);
    build.tenants = json!([{"id": "a", "tier": null, "region": null}, {"id": "b", "tier": 0, "region": null}]);
    let when = json!({
        "tenant": [1], "tier": [0], "user": ["u"], "feature": ["f"], "region": ["eu", "us"], "latency": ["batch"],
        "cost_class": ["premium"], "capability": ["tools", "reasoning"], "model": ["other"], "context_over": 10,
        "hours": 1, "load_permille": 900,
    });
    let tables = build.route("chat", &json!([{"when": when, "chain": [[0, 1]]}])).tables();
    let asking = Asking {
        model: "chat",
        region: Some("ap"),
        latency: Some(Latency::Interactive),
        hour: 25,
        ..Asking::default()
    };
    let explanation = explain(&tables, &Policy::prepare(&tables), &asking, &Facts::default());
    let failed: Vec<String> = explanation.rows[0]
        .failed
        .iter()
        .map(|one| format!("{}: {} / {}", one.condition.name(), one.wants.join(" "), one.has.join(" ")))
        .collect();
    assert_eq!(
        failed,
        [
            "tenant: b / a",
            "tier: free / ",
            "user: u / ",
            "feature: f / ",
            "region: eu us / ap",
            "latency: batch / interactive",
            "cost_class: premium / ",
            "capability: tools reasoning / ",
            "model: other / chat",
            "context_over: over 10 tokens / 0 tokens",
            "hour: 0 / 1",
            "load: at least 900 ‰ / 0 ‰",
        ]
    );
    let error = explanation.error.expect("no row");
    assert_eq!((error.code, error.is_temporary), ("no_route", false));
    assert_eq!(error.message, "no row of `chat` is for this request");
    assert_eq!(explanation.chain, Vec::<String>::new());
}

#[test]
fn names_without_a_table_are_explained_too() {
    let mut build = Build::with(1);
    build.deployments[0]["model"] = json!(null);
    build.open = json!([{"deployment": 0, "prefixes": ["llama-"], "any": false}]);
    build.tenants = json!([{"id": "acme", "tier": null, "region": "eu"}]);
    let tables = build.tables();
    let explain =
        |model| explain(&tables, &Policy::prepare(&tables), &Asking { model, ..Asking::default() }, &Facts::default());
    let open = explain("llama-3");
    assert_eq!(open.leads_to, LeadsTo::OpenProvider);
    assert_eq!(open.steps[0].deployments[0].rule, Some("residency"));
    assert_eq!(open.error.map(|error| error.code), Some("no_route"));
    let unknown = explain("gpt");
    assert_eq!((unknown.leads_to, unknown.steps.len()), (LeadsTo::Nothing, 0));
    assert_eq!(unknown.error.map(|error| error.code), Some("model_not_found"));
}
