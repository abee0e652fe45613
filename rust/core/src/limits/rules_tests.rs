use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::RecentAskers;
use super::*;

/// Two tiers, four tenants (one without a tier), and these rules.
fn tables(limits: &Value) -> Tables {
    let mut tables: Value = serde_json::from_str(include_str!("../../tests/tables.json")).unwrap();
    tables["tiers"] = json!([{"id": "free", "weight": 1}, {"id": "paid", "weight": 10}]);
    tables["tenants"] = json!([
        {"id": "acme", "tier": 1, "region": null}, {"id": "beta", "tier": 0, "region": null},
        {"id": "coop", "tier": 1, "region": null}, {"id": "dune", "tier": null, "region": null},
    ]);
    let key = |digest: String| {
        json!({"digest": digest, "tenant": 0, "user": null, "feature": null, "models": null, "deployments": null,
            "expires_unix_s": null})
    };
    tables["keys"] = json!([key("0123456789ab".repeat(6)[..64].to_owned())]);
    tables["limits"] = limits.clone();
    Tables::from_json(tables.to_string().as_bytes()).unwrap()
}

fn limit(name: &str, per: &[&str], when: &Value, resource: &str, window: &Value) -> Value {
    let mut conditions =
        json!({"tenant": null, "tier": null, "key": null, "user": null, "feature": null, "model": null});
    for (dimension, names) in when.as_object().unwrap() {
        conditions[dimension] = names.clone();
    }
    json!({"name": name, "per": per, "when": conditions, "resource": resource, "amount": 1000, "key_amounts": {},
        "window": window, "is_hard": true, "warn_permille": null, "downgrade": null})
}

fn hour() -> Value {
    json!({"sliding": {"window_ms": 3_600_000}})
}

fn rate(burst: u64) -> Value {
    json!({"rate": {"period_ms": 60_000, "burst": burst}})
}

fn prepare(limits: &Value) -> Rules {
    Rules::prepare(&tables(limits)).unwrap()
}

fn meters(rules: &Rules, who: &Who<'_>) -> Vec<u128> {
    rules.applied(who).iter().map(|applied| applied.meter).collect()
}

const WHO: Who<'static> = Who {
    tenant: 0,
    tier: Some(1),
    key: Some("0123456789ab"),
    user: Some("ann"),
    feature: Some("search"),
    session: Some("s1"),
    model: Some("chat"),
};

const NAMES: [&str; 4] = ["", "a", "b", "ab"];

fn who() -> impl Strategy<Value = (usize, [Option<&'static str>; 5])> {
    let name = || prop::option::of(prop::sample::select(&NAMES[..]));
    (0..4_usize, [name(), name(), name(), name(), name()])
}

fn asking((tenant, [key, user, feature, session, model]): (usize, [Option<&'static str>; 5])) -> Who<'static> {
    let tier = [Some(1), Some(0), Some(1), None][tenant];
    Who { tenant, tier, key, user, feature, session, model }
}

fn any_limits() -> impl Strategy<Value = Vec<Value>> {
    let names = || prop::option::of(prop::sample::subsequence(&NAMES[..], 0..3));
    let indices = |count: usize| prop::option::of(prop::sample::subsequence((0..count).collect::<Vec<_>>(), 0..3));
    let scopes = ["tenant", "tier", "key", "user", "feature", "session", "model"];
    let per = prop::sample::subsequence(scopes.to_vec(), 0..4);
    let when = (indices(4), indices(2), names(), names(), names(), names());
    let limit = (per, when, 1..5_u64, any::<bool>()).prop_map(|(per, when, amount, is_rate)| {
        let needs_tenant = per.iter().any(|scope| ["user", "feature", "session"].contains(scope));
        let per: Vec<_> =
            if needs_tenant && per[0] != "tenant" { ["tenant"].into_iter().chain(per).collect() } else { per };
        let (tenant, tier, key, user, feature, model) = when;
        let when =
            json!({"tenant": tenant, "tier": tier, "key": key, "user": user, "feature": feature, "model": model});
        let mut limit = limit("", &per, &when, "tokens", &if is_rate { rate(amount) } else { hour() });
        limit["amount"] = json!(amount);
        limit
    });
    proptest::collection::vec(limit, 0..20).prop_map(|mut limits| {
        for (number, limit) in limits.iter_mut().enumerate() {
            limit["name"] = json!(format!("rule {number}"));
        }
        limits
    })
}

/// What one rule says of a request, by reading it.
fn applies(rule: &LimitRule, who: &Who<'_>) -> bool {
    let among = |names: &Option<Vec<String>>, name: Option<&str>| {
        names.as_ref().is_none_or(|names| name.is_some_and(|name| names.iter().any(|known| known == name)))
    };
    let when = &rule.when;
    when.tenant.as_ref().is_none_or(|tenants| tenants.contains(&who.tenant))
        && when.tier.as_ref().is_none_or(|tiers| who.tier.is_some_and(|tier| tiers.contains(&tier)))
        && among(&when.key, who.key)
        && among(&when.user, who.user)
        && among(&when.feature, who.feature)
        && among(&when.model, who.model)
        && (who.session.is_some() || !rule.per.contains(&Scope::Session))
}

/// What a request counts as for one rule, spelled out.
fn identity(rule: &LimitRule, who: &Who<'_>) -> Vec<String> {
    let name = |scope: &Scope| match scope {
        Scope::Tenant => who.tenant.to_string(),
        Scope::Tier => format!("{:?}", who.tier),
        Scope::Key => who.key.map_or_else(|| format!("no key of {}", who.tenant), |key| format!("key {key}")),
        Scope::User => who.user.unwrap_or("").into(),
        Scope::Feature => who.feature.unwrap_or("").into(),
        Scope::Session => who.session.unwrap_or("").into(),
        Scope::Model => who.model.unwrap_or("").into(),
    };
    rule.per.iter().map(name).collect()
}

proptest! {
    /// The index finds what reading every rule finds. Every rule that applies has its meter asked, by the smallest of the
    /// amounts that meet there.
    #[test]
    fn the_rules_found_are_those_that_apply(limits in any_limits(), who in who()) {
        let (tables, who) = (tables(&json!(limits)), asking(who));
        let rules = Rules::prepare(&tables).unwrap();
        let applied = rules.applied(&who);
        let expected: Vec<_> = (0..tables.limits.len()).filter(|index| applies(&tables.limits[*index], &who)).collect();
        prop_assert!(applied.windows(2).all(|pair| pair[0].rule < pair[1].rule));
        prop_assert!(applied.iter().all(|applied| expected.contains(&applied.rule)));
        for (at, one) in applied.iter().enumerate() {
            prop_assert!(applied[..at].iter().all(|other| other.meter != one.meter), "two charges on one meter");
        }
        for index in expected {
            let rule = &tables.limits[index];
            let alone = Rule::prepare(rule, rule_hashes(rule, &tables).0);
            let meter = alone.hash.wrapping_add(rules.identity_hash(alone.per, &who));
            let asked = applied.iter().find(|applied| applied.meter == meter);
            prop_assert!(asked.is_some_and(|asked| asked.allowance.amount <= rule.amount), "rule {index} is not asked");
        }
    }

    /// Who is remembered has the same rules and meters as who is looked up, whoever asked before and under which rules.
    #[test]
    fn who_asked_before_has_the_same_rules(
        limits in any_limits(), others in any_limits(), askers in proptest::collection::vec(who(), 1..20),
    ) {
        let mut recent = RecentAskers::default();
        for limits in [limits, others] {
            let rules = Rules::prepare(&tables(&json!(limits))).unwrap();
            recent.forget();
            for who in askers.iter().chain(&askers) {
                let who = asking(*who);
                prop_assert_eq!(recent.applied(&rules, &who), rules.applied(&who));
            }
        }
    }

    /// Two requests meet on a rule's meter exactly if they are called the same.
    #[test]
    fn meters_are_as_many_as_identities(limits in any_limits(), one in who(), other in who()) {
        let tables = tables(&json!(limits));
        let rules = Rules::prepare(&tables).unwrap();
        let (one, other) = (asking(one), asking(other));
        for rule in &tables.limits {
            let scopes = ScopeSet::of(&rule.per);
            let is_met = rules.identity_hash(scopes, &one) == rules.identity_hash(scopes, &other);
            prop_assert_eq!(is_met, identity(rule, &one) == identity(rule, &other));
        }
    }
}

#[test]
fn a_key_with_an_amount_of_its_own_is_told_from_others() {
    let mut rule = limit("tokens", &["tenant"], &json!({}), "tokens", &hour());
    rule["key_amounts"] = json!({"0123456789ab": 7});
    let (rules, mut recent) = (prepare(&json!([rule])), RecentAskers::default());
    for (key, amount) in [(WHO.key, 7), (Some("other"), 1000), (None, 1000), (WHO.key, 7)] {
        assert_eq!(recent.applied(&rules, &Who { key, ..WHO })[0].allowance.amount, amount);
    }
}

/// Counts are found again by these after an update; a change of the scheme is a change for users.
#[test]
fn ids_are_the_same_in_every_version() {
    let month = json!({"calendar": {"period": "month", "time_zone": "Europe/Berlin"}});
    let rules = prepare(&json!([
        limit("tokens", &["tenant", "user"], &json!({}), "tokens", &hour()),
        limit("money", &["tenant"], &json!({"feature": ["search"]}), "usd", &month),
        limit("requests", &["key"], &json!({}), "requests", &rate(5)),
    ]));
    let ids: Vec<_> = meters(&rules, &WHO).iter().map(|id| format!("{id:032x}")).collect();
    assert_eq!(ids, IDS);
}

const IDS: [&str; 3] =
    ["d95855d83999bd0b8efa8f95dc8d80f4", "585ace084c7ebb8c1b1ce7f6c7f506f8", "e4fcaaf9e34b6f7e2e9a3a5ac2bb2df6"];

#[test]
fn a_key_has_one_id_whether_or_not_it_is_configured() {
    let (known, unknown) = (prepare(&json!([limit("key", &["key"], &json!({}), "tokens", &hour())])), Rules::default());
    let alone = |rules: &Rules| rules.identity_hash(KEY_ALONE, &WHO);
    assert_eq!((known.key_hashes.len(), alone(&known)), (1, alone(&unknown)));
}

#[test]
fn a_rule_that_is_changed_keeps_its_meter() {
    let before = prepare(&json!([limit("one", &["tenant"], &json!({"tier": [1]}), "tokens", &rate(5))]));
    let mut changed = limit("another", &["tenant"], &json!({"tenant": [0, 1]}), "tokens", &rate(50));
    changed["amount"] = json!(7);
    changed["is_hard"] = json!(false);
    assert_eq!(meters(&before, &WHO), meters(&prepare(&json!([changed])), &WHO));
    let per_second = json!({"rate": {"period_ms": 1000, "burst": 5}});
    for (per, when, resource, window) in [
        (&["tenant", "user"][..], json!({}), "tokens", rate(5)),
        (&["tenant"], json!({"feature": ["search"]}), "tokens", rate(5)),
        (&["tenant"], json!({}), "input_tokens", rate(5)),
        (&["tenant"], json!({}), "tokens", per_second),
        (&["tenant"], json!({}), "tokens", hour()),
    ] {
        let other = prepare(&json!([limit("one", per, &when, resource, &window)]));
        assert_ne!(meters(&before, &WHO), meters(&other, &WHO), "{per:?} {when} {resource} {window}");
    }
}

#[test]
fn rules_that_count_the_same_are_one_charge_by_the_narrowest() {
    let mut limits = json!([
        limit("wide", &["tenant"], &json!({}), "tokens", &rate(3)),
        limit("narrow", &["tenant"], &json!({"tier": [1]}), "tokens", &rate(9)),
        limit("apart", &["tenant"], &json!({"model": ["chat"]}), "tokens", &rate(9)),
    ]);
    limits[1]["amount"] = json!(500);
    let rules = prepare(&limits);
    let applied = rules.applied(&WHO);
    assert_eq!(applied.iter().map(|applied| applied.rule).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(applied[0].allowance, Allowance { amount: 500, burst: 3 });
    assert_eq!(rules.applied(&Who { tenant: 3, tier: None, model: None, ..WHO })[0].rule, 0);
}

#[test]
fn a_key_has_its_own_amount_and_of_a_rate_its_own_bucket() {
    let mut limits = json!([
        limit("quota", &["tenant"], &json!({}), "tokens", &hour()),
        limit("rate", &["tenant"], &json!({}), "tokens", &rate(100)),
    ]);
    for rule in 0..2 {
        limits[rule]["key_amounts"] = json!({"0123456789ab": 30});
    }
    let rules = prepare(&limits);
    let (own, others) = (rules.applied(&WHO), rules.applied(&Who { key: Some("ba9876543210"), ..WHO }));
    assert_eq!(own.iter().map(|applied| applied.allowance.amount).collect::<Vec<_>>(), [30, 30]);
    assert_eq!(own[1].allowance.burst, 3);
    assert_eq!(others[1].allowance, Allowance { amount: 1000, burst: 100 });
    assert_eq!(own[0].meter, others[0].meter);
    assert_ne!(own[1].meter, others[1].meter);
}

#[test]
fn what_a_request_lacks_is_shared_but_for_the_session() {
    let per = |scope: &str| limit(scope, &["tenant", scope], &json!({}), "requests", &hour());
    let rules = prepare(&json!([per("user"), per("feature"), per("session"), per("model")]));
    let bare = Who { tenant: 0, tier: Some(1), ..Who::default() };
    assert_eq!(rules.applied(&bare).iter().map(|applied| applied.rule).collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(meters(&rules, &bare), meters(&rules, &Who { user: Some(""), feature: Some(""), ..bare }));
    assert_ne!(meters(&rules, &bare), meters(&rules, &Who { tenant: 2, ..bare }));
}

#[test]
fn a_rule_that_can_not_be_is_named() {
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut limits = json!([limit("tokens an hour", &["tenant"], &json!({}), "tokens", &hour())]);
        change(&mut limits);
        Rules::prepare(&tables(&limits)).unwrap_err()
    };
    for change in [
        &|limits: &mut Value| limits[0]["per"] = json!(["user"]),
        &|limits: &mut Value| limits[0]["per"] = json!(["user", "tenant"]),
        &|limits: &mut Value| limits[0]["when"]["tenant"] = json!([4]),
        &|limits: &mut Value| limits[0]["when"]["tier"] = json!([2]),
        &|limits: &mut Value| limits[0]["window"] = json!("none"),
        &|limits: &mut Value| limits[0]["window"] = json!({"calendar": {"period": "day", "time_zone": "Mars/Base"}}),
        &|limits: &mut Value| *limits = json!([limits[0], limits[0]]),
    ] as [&dyn Fn(&mut Value); 7]
    {
        let message = broken(change);
        assert!(message.starts_with("limits.tokens an hour: "), "{message}");
    }
}
