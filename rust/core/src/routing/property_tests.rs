//! What holds for any tables and any request.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::testing::{Build, Facts, deployment, provider};
use super::*;
use crate::tables::{CAPABILITIES, Pick, Route};

const REGIONS: [&str; 3] = ["eu", "us", "ap"];
const USERS: [&str; 3] = ["ann", "bob", "eve"];
const FEATURES: [&str; 3] = ["search", "chat", "code"];
const CLASSES: [&str; 2] = ["premium", "standard"];
const LATENCIES: [&str; 3] = ["interactive", "background", "batch"];
const PICKS: [&str; 5] = ["weighted", "fastest", "cheapest", "least_busy", "sticky"];
const TENANTS: usize = 4;
const TIERS: usize = 2;
const NAMES: [&str; 2] = ["m", "alias"];

/// Values for one key of an object, or none.
fn maybe<S: Strategy<Value: Into<Value>>>(
    name: &'static str,
    values: S,
) -> impl Strategy<Value = Option<(String, Value)>> {
    proptest::option::weighted(0.2, values.prop_map(move |value| (name.to_owned(), value.into())))
}

fn some_of<T: Clone + std::fmt::Debug + 'static>(all: impl IntoIterator<Item = T>) -> impl Strategy<Value = Vec<T>>
where
    Value: From<T>,
{
    let all: Vec<T> = all.into_iter().collect();
    let most = all.len().min(2);
    subsequence(all, 0..=most)
}

fn when() -> impl Strategy<Value = Value> {
    let names = (
        maybe("tenant", some_of(0..TENANTS)),
        maybe("tier", some_of(0..TIERS)),
        maybe("user", some_of(USERS)),
        maybe("feature", some_of(FEATURES)),
        maybe("region", some_of(REGIONS)),
        maybe("latency", some_of(LATENCIES)),
        maybe("cost_class", some_of(CLASSES)),
        maybe("capability", some_of(CAPABILITIES.map(|(_, name)| name))),
        maybe("model", some_of(NAMES)),
    );
    let numbers = (
        maybe("context_over", select(vec![0_u64, 9, 10, 11, u64::MAX])),
        maybe("hours", any::<u32>()),
        maybe("load_permille", select(vec![0_u32, 499, 500, 501, 2000])),
    );
    (names, numbers).prop_map(|(names, numbers)| {
        let (tenant, tier, user, feature, region, latency, cost_class, capability, model) = names;
        let (context_over, hours, load) = numbers;
        [tenant, tier, user, feature, region, latency, cost_class, capability, model, context_over, hours, load]
            .into_iter()
            .flatten()
            .collect()
    })
}

fn any_deployment() -> impl Strategy<Value = Value> {
    (
        0..2_usize,
        proptest::option::of(select(REGIONS.to_vec())),
        select(LATENCIES.to_vec()),
        proptest::option::weighted(0.3, subsequence(CAPABILITIES.map(|(_, name)| name).to_vec(), 0..=7)),
        proptest::option::weighted(0.3, select(vec![5_u64, 10, 20])),
        proptest::option::weighted(0.3, select(vec![5_u64, 10, 20])),
    )
        .prop_map(|(provider, region, latency, capabilities, context_tokens, output_tokens)| {
            json!({"region": region, "provider": provider, "latency": latency, "capabilities": capabilities,
                "context_tokens": context_tokens, "output_tokens": output_tokens})
        })
}

fn row(deployments: usize) -> impl Strategy<Value = Value> {
    let step = proptest::collection::vec((0..deployments, 1..100_u32), 1..5).prop_map(|members| {
        members.into_iter().flat_map(|(at, weight)| [json!(at), json!(weight)]).collect::<Vec<_>>()
    });
    (when(), proptest::collection::vec(step, 1..4), select(PICKS.to_vec()), select(vec!["user", "session"]))
        .prop_map(|(when, chain, pick, by)| json!({"when": when, "chain": chain, "pick": pick, "sticky_by": by}))
}

prop_compose! {
    fn any_tables()(count in prop_oneof![1..12_usize, Just(70_usize)], many in prop_oneof![9 => 1..8_usize, 1 => 60..140_usize])(
        deployments in proptest::collection::vec(any_deployment(), count),
        rows in proptest::collection::vec(row(count), many),
        tenants in proptest::collection::vec(
            (proptest::option::of(0..TIERS), proptest::option::of(select(REGIONS.to_vec()))), TENANTS),
    ) -> Tables {
        let mut build = Build::default();
        build.providers.push(provider("p1"));
        for (index, fields) in deployments.into_iter().enumerate() {
            let mut entry = deployment(&format!("d{index}"), 0);
            entry.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
            build.deployments.push(entry);
        }
        build.tiers = (0..TIERS).map(|tier| json!({"id": format!("tier{tier}"), "weight": 1})).collect();
        build.tenants = tenants.into_iter().enumerate()
            .map(|(index, (tier, region))| json!({"id": format!("t{index}"), "tier": tier, "region": region})).collect();
        build.open = json!([{"deployment": 0, "prefixes": ["open-"], "any": false}]);
        build.route("m", &rows.into()).tables()
    }
}

/// A request whose allow-list is kept apart, since [`Asking`] borrows it.
#[derive(Clone, Debug)]
struct Request {
    asking: Asking<'static>,
    allowed: Option<Vec<usize>>,
}

impl Request {
    fn asking(&self) -> Asking<'_> {
        Asking { deployments: self.allowed.as_deref(), ..self.asking.clone() }
    }
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::option::weighted(0.2, subsequence(vec!["d0", "d1", "d2", "d5", "p0", "p1", "nobody"], 1..4))
        .prop_map(Option::unwrap_or_default)
}

prop_compose! {
    fn any_preferences()(
        order in names(),
        only in names(),
        ignore in names(),
        sort in proptest::option::weighted(0.2, select(vec![Sort::Price, Sort::Latency, Sort::Weight])),
        max_input_pusd in proptest::option::weighted(0.1, 0..8_000_000_i64),
        max_output_pusd in proptest::option::weighted(0.1, 0..8_000_000_i64),
        require in proptest::option::weighted(0.1, 0..128_usize),
    ) -> Preferences<'static> {
        let require = require.map_or(CapabilitySet::NONE, CapabilitySet::from_bits);
        Preferences { order, only, ignore, sort, max_input_pusd, max_output_pusd, require }
    }
}

prop_compose! {
    fn any_request()(
        model in select(vec!["m", "m", "m", "m", "open-x", "p1/open", "nobody"]),
        tenant in 0..TENANTS,
        allowed in proptest::option::weighted(0.3, proptest::collection::vec(0..12_usize, 0..8)),
        (user, feature, session) in (
            proptest::option::of(select(USERS.to_vec())),
            proptest::option::of(select(FEATURES.to_vec())),
            proptest::option::of(select(vec!["s0", "s1"]))),
        region in proptest::option::weighted(0.3, select(vec!["eu", "us", "ap", "mars"])),
        latency in proptest::option::of(select(vec![Latency::Interactive, Latency::Background, Latency::Batch])),
        cost_class in proptest::option::of(select(CLASSES.to_vec())),
        (capabilities, input_tokens, output_tokens) in (
            prop_oneof![Just(0_usize), 0..128_usize],
            select(vec![0_u64, 9, 10, 11, 12, u64::MAX]),
            proptest::option::of(select(vec![0_u64, 5, 6, 11]))),
        hour in 0..30_u8,
        load_permille in select(vec![0_u32, 499, 500, 501, 1000]),
        preferences in prop_oneof![2 => Just(Preferences::default()), 1 => any_preferences()],
        bound in proptest::option::weighted(0.1, Just(0_usize)),
    ) -> Request {
        let needs =
            Needs { capabilities: CapabilitySet::from_bits(capabilities), input_tokens, output_tokens, is_count: false };
        Request { allowed, asking: Asking { model, tenant, deployments: None, user, feature, session, region, latency,
            cost_class, needs, hour, load_permille, preferences, bound_deployment: bound } }
    }
}

prop_compose! {
    fn any_facts()(
        unavailable in proptest::collection::vec(0..12_usize, 0..8),
        unpriced in prop_oneof![Just(Vec::new()), proptest::collection::vec(0..12_usize, 0..4)],
        prices_pusd in proptest::collection::vec(proptest::option::of(0..5_i64), 12),
        latencies_ns in proptest::collection::vec(proptest::option::of((0..1_000_u64, 0..9_u64)), 12),
        in_flight in proptest::collection::vec(0..5_u32, 12),
        random in any::<u64>(),
    ) -> Facts {
        Facts { unavailable, unpriced, prices_pusd, latencies_ns, in_flight, random: random.into() }
    }
}

/// The rules, said plainly. `None`: the deployment may serve.
fn is_forbidden(tables: &Tables, asking: &Asking<'_>, facts: &Facts, deployment: usize) -> bool {
    let entry = &tables.deployments[deployment];
    let region = entry.region.as_deref();
    let is_named = |name: &&str| entry.id == **name || tables.providers[entry.provider].id == **name;
    let preferences = &asking.preferences;
    let needed = asking.needs.capabilities.union(preferences.require);
    let lacks = |known: &Vec<_>| needed.iter().any(|capability| !known.contains(&capability));
    let total = asking.needs.input_tokens.saturating_add(asking.needs.output_tokens.unwrap_or(0));
    let rate = |input, output| facts.price_pusd(deployment, "", input, output);
    let is_over =
        |limit: Option<i64>, rate: Option<i64>| limit.is_some_and(|limit| rate.is_none_or(|rate| rate > limit));
    !is_resident(tables.tenants[asking.tenant].region.as_deref(), region)
        || !is_resident(asking.region, region)
        || asking.deployments.is_some_and(|allowed| !allowed.contains(&deployment))
        || asking.bound_deployment.is_some_and(|maker| tables.deployments[maker].provider != entry.provider)
        || (!preferences.only.is_empty() && !preferences.only.iter().any(&is_named))
        || preferences.ignore.iter().any(is_named)
        || asking.latency.is_some_and(|asked| entry.latency > asked)
        || entry.capabilities.as_ref().is_some_and(lacks)
        || entry.context_tokens.is_some_and(|window| window < total)
        || entry.output_tokens.is_some_and(|limit| asking.needs.output_tokens.is_some_and(|asked| asked > limit))
        || facts.unpriced.contains(&deployment)
        || is_over(preferences.max_input_pusd, rate(1_000_000, 0))
        || is_over(preferences.max_output_pusd, rate(0, 1_000_000))
}

/// The first row whose conditions all hold, said plainly.
fn first_row(tables: &Tables, route: &Route, asking: &Asking<'_>) -> Option<usize> {
    let mut rows = route.rows.iter();
    rows.position(|row| when::failing(&row.when, tables, asking).next().is_none())
}

/// What may be tried: the deployments of the row, each once.
fn row_deployments(tables: &Tables, row: Option<usize>, asking: &Asking<'_>) -> Vec<usize> {
    let mut all: Vec<usize> = match (tables.models.get(asking.model), row) {
        (Some(table), Some(row)) => {
            table.rows[row].chain.iter().flat_map(|step| &step.members).map(|member| member.deployment).collect()
        }
        (Some(_), None) => Vec::new(),
        (None, _) => resolution::open(tables, asking.model).into_iter().map(|(deployment, _)| deployment).collect(),
    };
    all.sort_unstable();
    all.dedup();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_row_is_the_first_whose_conditions_hold(tables in any_tables(), requests in proptest::collection::vec(any_request(), 8)) {
        let policy = Policy::prepare(&tables);
        for request in &requests {
            let asking = request.asking();
            let (Some(plan), Some(table)) = (policy.plan(asking.model), tables.models.get(asking.model)) else {
                continue;
            };
            prop_assert_eq!(policy.first_match(plan, &asking), first_row(&tables, table, &asking));
        }
    }

    #[test]
    fn a_chain_has_every_deployment_that_no_rule_forbids_and_no_other(
        tables in any_tables(), request in any_request(), facts in any_facts(),
    ) {
        let asking = request.asking();
        let row = tables.models.get(asking.model).and_then(|table| first_row(&tables, table, &asking));
        let (allowed, forbidden): (Vec<usize>, Vec<usize>) = row_deployments(&tables, row, &asking)
            .into_iter().partition(|deployment| !is_forbidden(&tables, &asking, &facts, *deployment));
        match route(&tables, &Policy::prepare(&tables), &asking, &facts) {
            Ok(chain) => {
                let mut tried = chain.candidates.to_vec();
                tried.sort_unstable();
                prop_assert_eq!(&tried, &allowed);
                let mut removed: Vec<usize> = chain.removed.iter().map(|(deployment, _)| *deployment).collect();
                removed.sort_unstable();
                prop_assert_eq!(removed, forbidden);
                prop_assert_eq!(chain.row, row);
                for deployment in tried {
                    let region = tables.deployments[deployment].region.as_deref();
                    prop_assert!(is_resident(tables.tenants[asking.tenant].region.as_deref(), region));
                }
            }
            Err(NoRoute::Removed { removed, .. }) => {
                prop_assert!(allowed.is_empty());
                prop_assert_eq!(removed.len(), forbidden.len());
            }
            Err(NoRoute::NoRow { .. }) => prop_assert!(row.is_none() && tables.models.contains_key(asking.model)),
            Err(NoRoute::Unknown) => {
 prop_assert!(resolution::open(&tables, asking.model).is_none() && asking.model != "m");
}
        }
    }

    #[test]
    fn steps_keep_their_order_and_in_them_the_available_go_first(
        tables in any_tables(), request in any_request(), facts in any_facts(),
    ) {
        let mut asking = request.asking();
        asking.preferences.order = Vec::new();
        asking.preferences.sort = None;
        asking.bound_deployment = None;
        let Ok(Chain { candidates, row: Some(row), .. }) = route(&tables, &Policy::prepare(&tables), &asking, &facts) else {
            return Ok(());
        };
        let steps = &tables.models["m"].rows[row].chain;
        let place = |deployment: &usize| {
            let step = steps.iter().position(|step| step.members.iter().any(|member| member.deployment == *deployment));
            (step, !facts.is_available(*deployment))
        };
        prop_assert!(candidates.is_sorted_by_key(place), "{:?}", candidates);
        for (index, deployment) in candidates.iter().enumerate() {
            let Some(next) = candidates.get(index + 1).filter(|next| place(next) == place(deployment)) else { continue };
            let step = &steps[place(deployment).0.expect("of a step")];
            match step.pick {
                Pick::LeastBusy => {
                    let per_weight = |deployment: usize| {
                        let members = step.members.iter().filter(|member| member.deployment == deployment);
                        f64::from(facts.in_flight(deployment)) / members.map(|member| f64::from(member.weight)).sum::<f64>()
                    };
                    prop_assert!(per_weight(*deployment) <= per_weight(*next) + 1e-9);
                }
                Pick::Cheapest => {
                    let price = |deployment: usize| facts.prices_pusd.get(deployment).copied().flatten().unwrap_or(i64::MAX);
                    prop_assert!(price(*deployment) <= price(*next) || asking.needs.input_tokens == u64::MAX);
                }
                Pick::Fastest => {
                    let latency = |deployment: usize| {
                        facts.latency_ns(deployment).map_or(u64::MAX, |(first, per_token)| first + 200 * per_token)
                    };
                    // One that was never called may go first.
                    let is_explored = latency(*deployment) == u64::MAX
                        && (index == 0 || place(&candidates[index - 1]) != place(deployment));
                    prop_assert!(is_explored || latency(*deployment) <= latency(*next));
                }
                Pick::Weighted | Pick::Sticky => {}
            }
        }
    }

    #[test]
    fn preferences_order_what_the_rules_leave(
        tables in any_tables(), request in any_request(), facts in any_facts(), order in names(),
    ) {
        let mut asking = request.asking();
        asking.preferences.order = order;
        let policy = Policy::prepare(&tables);
        let Ok(chain) = route(&tables, &policy, &asking, &facts) else { return Ok(()) };
        let place = |deployment: &usize| {
            let mut names = asking.preferences.order.iter();
            let place = names.position(|name| policy.is(*deployment, policy.named(name))).unwrap_or(usize::MAX);
            (asking.bound_deployment.is_some_and(|maker| maker != *deployment), place)
        };
        prop_assert!(chain.candidates.is_sorted_by_key(place));
        for pair in chain.candidates.windows(2).filter(|pair| place(&pair[0]) == place(&pair[1])) {
            let [one, next] = [pair[0], pair[1]];
            let are_alike = facts.is_available(one) == facts.is_available(next);
            if asking.preferences.sort.is_some() && chain.row.is_some() {
                prop_assert!(facts.is_available(one) || !facts.is_available(next));
            }
            if asking.preferences.sort == Some(Sort::Price) && are_alike {
                let price = |deployment: usize| facts.prices_pusd.get(deployment).copied().flatten().unwrap_or(i64::MAX);
                prop_assert!(price(one) <= price(next) || asking.needs.input_tokens == u64::MAX);
            }
        }
    }

    #[test]
    fn an_explanation_agrees_with_the_route(tables in any_tables(), request in any_request(), facts in any_facts()) {
        let asking = request.asking();
        let policy = Policy::prepare(&tables);
        let decision = route(&tables, &policy, &asking, &Facts { random: facts.random.clone(), ..facts.clone() });
        let explanation = explain(&tables, &policy, &asking, &facts);
        let id = |deployment: &usize| tables.deployments[*deployment].id.clone();
        let chain = decision.as_ref().map_or_else(|_| Vec::new(), |chain| chain.candidates.iter().map(id).collect());
        prop_assert_eq!(&explanation.chain, &chain);
        prop_assert_eq!(explanation.error.is_some(), decision.is_err());
        prop_assert_eq!(explanation.row, explanation.rows.iter().position(|row| row.failed.is_empty()));
        for row in &explanation.rows {
            let expected = match (explanation.row == Some(row.row), row.failed.is_empty()) {
                (true, _) => RowOutcome::Taken,
                (false, true) => RowOutcome::AlsoMatches,
                (false, false) => RowOutcome::DoesNotMatch,
            };
            prop_assert_eq!(row.outcome, expected);
        }
        let explained: Vec<&DeploymentExplained> = explanation.steps.iter().flat_map(|step| &step.deployments).collect();
        for (place, id) in chain.iter().enumerate() {
            let at = explained.iter().filter(|one| one.position == Some(place)).collect::<Vec<_>>();
            prop_assert_eq!(at.len(), 1);
            prop_assert_eq!(&at[0].deployment, id);
        }
        for one in explained {
            prop_assert!(one.position.is_some() != one.reason.is_some(), "{:?}", one);
        }
        prop_assert!(serde_json::to_string(&explanation).is_ok());
    }

    #[test]
    fn what_check_reports_is_so(
        tables in any_tables(), requests in proptest::collection::vec(any_request(), 8), facts in any_facts(),
    ) {
        let policy = Policy::prepare(&tables);
        let rows = unreachable_rows(&tables);
        let tenants = tenants_without_route(&tables);
        for request in &requests {
            let asking = Asking { model: "m", ..request.asking() };
            let row = first_row(&tables, &tables.models["m"], &asking);
            prop_assert!(!rows.iter().any(|reported| Some(reported.row) == row), "{:?} {:?}", rows, asking);
            let tenant = &tables.tenants[asking.tenant].id;
            if tenants.iter().any(|reported| reported.tenant == *tenant) {
                prop_assert!(route(&tables, &policy, &asking, &facts).is_err());
            }
        }
    }
}
