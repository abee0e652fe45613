use serde_json::json;

use super::testing::{Build, Facts};
use super::*;
use crate::failure::Cause;
use crate::tables::Capability;

fn asking(model: &str) -> Asking<'_> {
    Asking { model, ..Asking::default() }
}

/// The candidates, or the rules that left none.
fn decide(tables: &Tables, asking: &Asking<'_>, facts: &Facts) -> Result<Vec<usize>, NoRoute> {
    route(tables, &Policy::prepare(tables), asking, facts).map(|chain| chain.candidates.to_vec())
}

fn rules(tables: &Tables, asking: &Asking<'_>, facts: &Facts) -> Vec<(usize, Removed)> {
    match route(tables, &Policy::prepare(tables), asking, facts) {
        Ok(chain) => chain.removed,
        Err(NoRoute::Removed { removed, .. }) => removed,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_first_matching_row_wins_and_steps_follow_in_order() {
    let mut build = Build::with(4);
    build.tenants = json!([
        {"id": "default", "tier": null, "region": null}, {"id": "acme", "tier": null, "region": "eu"}]);
    build.deployments.iter_mut().for_each(|deployment| deployment["region"] = json!("eu"));
    let tables = build
        .route(
            "chat",
            &json!([
                {"when": {"region": ["eu"]}, "chain": [[1, 1], [0, 1]]},
                {"when": {"feature": ["search"], "hours": 1 << 3}, "chain": [[2, 1]]},
                {"chain": [[3, 1], [2, 1], [3, 1]]},
            ]),
        )
        .tables();
    let facts = Facts::default();
    assert_eq!(decide(&tables, &Asking { tenant: 1, ..asking("chat") }, &facts), Ok(vec![1, 0]));
    assert_eq!(decide(&tables, &Asking { region: Some("eu"), ..asking("chat") }, &facts), Ok(vec![1, 0]));
    assert_eq!(decide(&tables, &asking("chat"), &facts), Ok(vec![3, 2]));
    let search = Asking { feature: Some("search"), hour: 3, ..asking("chat") };
    assert_eq!(decide(&tables, &search, &facts), Ok(vec![2]));
    assert_eq!(decide(&tables, &Asking { hour: 4, ..search }, &facts), Ok(vec![3, 2]));
    let chain = route(&tables, &Policy::prepare(&tables), &asking("chat"), &facts).expect("a route");
    assert_eq!((chain.row, chain.budget_ms, chain.model), (Some(2), Some(12_000), "chat"));
}

#[test]
fn long_tables_are_matched_to_their_end() {
    let rows: Vec<serde_json::Value> = (0..200)
        .map(|row| json!({"when": {"user": [format!("u{row}")], "hours": 1 << (row % 24)}, "chain": [[row % 3, 1]]}))
        .collect();
    let tables = Build::with(3).route("chat", &rows.into()).tables();
    let policy = Policy::prepare(&tables);
    for row in 0..200_u8 {
        let user = format!("u{row}");
        let asking = Asking { user: Some(&user), hour: row % 24, ..asking("chat") };
        let chain = route(&tables, &policy, &asking, &Facts::default()).expect("a route");
        assert_eq!((chain.row, chain.candidates[0]), (Some(row.into()), usize::from(row % 3)));
        let later = Asking { hour: row % 24 + 1, ..asking };
        assert_eq!(decide(&tables, &later, &Facts::default()), Err(NoRoute::NoRow { is_passing: true }));
    }
}

#[test]
fn each_rule_takes_out_what_it_forbids_and_says_so() {
    let mut build = Build::with(10);
    build.providers.push(super::testing::provider("p1"));
    build.tenants = json!([{"id": "acme", "tier": null, "region": "eu"}]);
    for (index, deployment) in build.deployments.iter_mut().enumerate() {
        deployment["region"] = if index == 1 { json!(null) } else { json!("eu") };
        deployment["provider"] = json!(usize::from(index == 9));
    }
    build.deployments[0]["region"] = json!("us");
    build.deployments[3]["latency"] = json!("background");
    build.deployments[4]["capabilities"] = json!(["json_schema"]);
    build.deployments[5]["context_tokens"] = json!(8_000);
    build.deployments[6]["output_tokens"] = json!(1_000);
    let members: Vec<[usize; 2]> = (0..10).map(|deployment| [deployment, 1]).collect();
    let tables = build.route("chat", &json!([{"chain": members}])).tables();
    let facts = Facts { unpriced: vec![7], ..Facts::default() };
    let needs = Needs {
        capabilities: [Capability::Tools].into_iter().collect(),
        input_tokens: 7_000,
        output_tokens: Some(1_001),
        is_count: false,
    };
    let asking = Asking {
        deployments: Some(&[0, 1, 3, 4, 5, 6, 7, 8, 9]),
        latency: Some(Latency::Interactive),
        needs,
        bound_deployment: Some(8),
        ..asking("chat")
    };
    let expected = [
        (0, Removed::Residency),
        (1, Removed::Residency),
        (2, Removed::KeyForbids),
        (3, Removed::Latency),
        (4, Removed::Capability(Capability::Tools)),
        (5, Removed::Context { needed_tokens: 8_001, window_tokens: 8_000 }),
        (6, Removed::OutputTooLong { asked_tokens: 1_001, limit_tokens: 1_000 }),
        (7, Removed::UnknownPrice),
        (9, Removed::NotMaker),
    ];
    assert_eq!(rules(&tables, &asking, &facts), expected);
    assert_eq!(decide(&tables, &asking, &facts), Ok(vec![8]));
    // Who asks how long a prompt is may well have one that fits nowhere.
    let counting = Asking { needs: Needs { is_count: true, ..needs }, ..asking.clone() };
    let others: Vec<_> = expected.iter().filter(|(deployment, _)| *deployment != 5).copied().collect();
    assert_eq!(rules(&tables, &counting, &facts), others);

    let elsewhere = Asking { region: Some("us"), ..asking };
    let error = decide(&tables, &elsewhere, &facts).expect_err("no deployment is left");
    assert_eq!((error.cause(), error.is_temporary()), (Cause::NoRoute, false));
    let message = error.message(&tables, &elsewhere);
    assert!(message.contains("d0 is not in the region `eu` that the tenant is bound to"), "{message}");
    assert!(message.contains("d8 is not in the region `us` that is asked for"), "{message}");
}

#[test]
fn what_is_unavailable_goes_to_its_steps_end_and_stays() {
    let tables = Build::with(4).route("chat", &json!([{"chain": [[0, 5, 1, 1], [2, 1, 3, 1]]}])).tables();
    for seed in 0..50 {
        let facts = Facts { unavailable: vec![0, 2, 3], random: seed.into(), ..Facts::default() };
        let chain = decide(&tables, &asking("chat"), &facts).expect("a route");
        assert_eq!(chain[..2], [1, 0]);
        assert_eq!(chain.len(), 4);
    }
}

#[test]
fn a_row_that_is_only_not_for_now_is_a_temporary_matter() {
    let rows = json!([
        {"when": {"hours": 1, "load_permille": 500}, "chain": [[0, 1]]}, {"when": {"user": ["ann"]}, "chain": [[0, 1]]}]);
    let tables = Build::with(1).route("chat", &rows).tables();
    let facts = Facts::default();
    let error = decide(&tables, &Asking { hour: 7, ..asking("chat") }, &facts).expect_err("no row");
    assert_eq!((error.cause(), error.is_temporary()), (Cause::NoRoute, true));
    let at_peak = Asking { load_permille: 500, ..asking("chat") };
    assert_eq!(decide(&tables, &at_peak, &facts), Ok(vec![0]));
    let unknown = decide(&tables, &asking("nope"), &facts).expect_err("nobody serves it");
    assert_eq!((unknown.cause(), unknown.is_temporary()), (Cause::ModelNotFound, false));
    let tables = Build::with(1).route("chat", &json!([{"when": {"user": ["ann"]}, "chain": [[0, 1]]}])).tables();
    assert!(!decide(&tables, &asking("chat"), &facts).expect_err("no row").is_temporary());
}

#[test]
fn an_open_provider_is_asked_by_its_own_name_and_under_the_same_rules() {
    let mut build = Build::with(1);
    build.deployments[0]["model"] = json!(null);
    build.deployments[0]["region"] = json!("eu");
    build.open = json!([{"deployment": 0, "prefixes": ["llama-"], "any": false}]);
    let tables = build.tables();
    let facts = Facts::default();
    let chain = route(&tables, &Policy::prepare(&tables), &asking("p0/llama-3"), &facts).expect("a route");
    assert_eq!((&chain.candidates[..], chain.row, chain.model), (&[0][..], None, "llama-3"));
    let forbidden = Asking { deployments: Some(&[]), ..asking("llama-3") };
    assert_eq!(rules(&tables, &forbidden, &facts), [(0, Removed::KeyForbids)]);
    let elsewhere = Asking { region: Some("us"), ..asking("llama-3") };
    assert_eq!(rules(&tables, &elsewhere, &facts), [(0, Removed::Region)]);
}

#[test]
fn an_unknown_price_has_a_cause_of_its_own() {
    let tables = Build::with(2).route("chat", &json!([{"chain": [[0, 1], [1, 1]]}])).tables();
    let facts = Facts { unpriced: vec![0, 1], ..Facts::default() };
    let error = decide(&tables, &asking("chat"), &facts).expect_err("none is left");
    assert_eq!(error.cause(), Cause::PriceUnknown);
    assert_eq!(decide(&tables, &asking("chat"), &Facts { unpriced: vec![0], ..facts }), Ok(vec![1]));
}

#[test]
fn a_maximum_price_counts_both_rates_and_unknown_ones_are_above() {
    let tables = Build::with(4).route("chat", &json!([{"chain": [[0, 1], [1, 1], [2, 1], [3, 1]]}])).tables();
    let facts = Facts { prices_pusd: vec![Some(1), Some(2), None, Some(3)], ..Facts::default() };
    let asking = |max_input_pusd, max_output_pusd| {
        let preferences = Preferences { max_input_pusd, max_output_pusd, ..Preferences::default() };
        Asking { preferences, ..asking("chat") }
    };
    assert_eq!(decide(&tables, &asking(Some(2_000_000), None), &facts), Ok(vec![0, 1]));
    assert_eq!(decide(&tables, &asking(Some(3_000_000), Some(4_000_000)), &facts), Ok(vec![0]));
    let error = decide(&tables, &asking(Some(0), None), &facts).expect_err("none is left");
    assert_eq!((error.cause(), error.is_temporary()), (Cause::NoRoute, false));
}

#[test]
fn a_message_names_so_many_and_counts_the_others() {
    let members: Vec<[usize; 2]> = (0..20).map(|deployment| [deployment, 1]).collect();
    let tables = Build::with(20).route("chat", &json!([{"chain": members}])).tables();
    let asking = Asking { deployments: Some(&[]), ..asking("chat") };
    let message = decide(&tables, &asking, &Facts::default()).expect_err("none is left").message(&tables, &asking);
    assert!(message.starts_with("no deployment may serve `chat`: d0 may not be used with this key; d1 "), "{message}");
    assert!(message.ends_with("d15 may not be used with this key; and 4 more"), "{message}");
}

#[test]
fn needs_are_looked_at_only_where_something_depends_on_them() {
    let looks = |field: &str, value: serde_json::Value, row: serde_json::Value| {
        let mut build = Build::with(2);
        if !field.is_empty() {
            build.deployments[1][field] = value;
        }
        Policy::prepare(&build.route("chat", &json!([row])).tables()).looks_at_needs()
    };
    let plain = || json!({"chain": [[0, 1]]});
    let null = json!(null);
    assert!(!looks("", null.clone(), plain()));
    assert!(!looks("", null.clone(), json!({"pick": "cheapest", "chain": [[0, 1], [1, 1]]})));
    assert!(looks("capabilities", json!(["tools"]), plain()));
    assert!(looks("context_tokens", json!(8_000), plain()));
    assert!(looks("output_tokens", json!(1_000), plain()));
    assert!(looks("", null.clone(), json!({"when": {"capability": ["tools"]}, "chain": [[0, 1]]})));
    assert!(looks("", null.clone(), json!({"when": {"context_over": 1}, "chain": [[0, 1]]})));
    assert!(looks("", null, json!({"pick": "cheapest", "chain": [[0, 1, 1, 1]]})));
}
