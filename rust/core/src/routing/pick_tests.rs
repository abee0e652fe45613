use serde_json::{Value, json};

use super::super::testing::{Build, Facts};
use super::super::{Asking, Policy, Preferences, Sort, route};
use super::*;
use crate::tables::Tables;

fn tables(pick: &str, members: &Value) -> Tables {
    Build::with(4).route("chat", &json!([{"pick": pick, "chain": [members]}])).tables()
}

/// Chains of as many requests, which draw from one source.
fn chains(tables: &Tables, asking: &Asking<'_>, facts: &Facts, count: usize) -> Vec<Vec<usize>> {
    let policy = Policy::prepare(tables);
    (0..count).map(|_| route(tables, &policy, asking, facts).expect("a route").candidates.to_vec()).collect()
}

fn share(chains: &[Vec<usize>], place: usize, deployment: usize) -> usize {
    chains.iter().filter(|chain| chain[place] == deployment).count() * 1_000 / chains.len()
}

fn asking() -> Asking<'static> {
    Asking { model: "chat", ..Asking::default() }
}

#[test]
fn weights_give_the_shares_of_every_place() {
    let tables = tables("weighted", &json!([0, 5, 1, 3, 2, 2]));
    let chains = chains(&tables, &asking(), &Facts::default(), 100_000);
    for (deployment, expected) in [(0, 500), (1, 300), (2, 200)] {
        assert!(share(&chains, 0, deployment).abs_diff(expected) <= 5);
    }
    // Second after 1 or 2: 300 ‰ × 5/7 + 200 ‰ × 5/8.
    assert!(share(&chains, 1, 0).abs_diff(339) <= 5);
    // And last: 300 ‰ × 2/7 + 200 ‰ × 3/8.
    assert!(share(&chains, 2, 0).abs_diff(161) <= 5);
}

#[test]
fn what_is_unavailable_leaves_its_share_to_the_others_by_weight() {
    let tables = tables("weighted", &json!([0, 5, 1, 3, 2, 1]));
    let facts = Facts { unavailable: vec![0], ..Facts::default() };
    let chains = chains(&tables, &asking(), &facts, 40_000);
    assert!(share(&chains, 0, 1).abs_diff(750) <= 10);
    assert_eq!(share(&chains, 2, 0), 1_000);
}

#[test]
fn a_deployment_named_twice_has_both_weights() {
    let tables = tables("weighted", &json!([0, 1, 1, 2, 0, 1]));
    let chains = chains(&tables, &asking(), &Facts::default(), 40_000);
    assert!(share(&chains, 0, 0).abs_diff(500) <= 10);
    assert_eq!(chains[0].len(), 2);
}

#[test]
fn the_fastest_counts_tokens_and_unknown_ones_get_their_share() {
    let tables = tables("fastest", &json!([0, 1, 1, 1, 2, 1, 3, 1]));
    let mut facts = Facts {
        // First content later, but an answer of 200 tokens sooner.
        latencies_ns: vec![Some((100, 10)), Some((900, 5)), Some((2_000, 5)), Some((1, 20))],
        ..Facts::default()
    };
    assert_eq!(chains(&tables, &asking(), &facts, 1), [[1, 0, 2, 3]]);
    facts.latencies_ns[0] = None;
    let known = chains(&tables, &asking(), &facts, 40_000);
    assert!(share(&known, 0, 0).abs_diff(250) <= 10);
    assert!(known.iter().all(|chain| [[0, 1, 2, 3], [1, 2, 3, 0]].contains(&[chain[0], chain[1], chain[2], chain[3]])));
    facts.latencies_ns = Vec::new();
    let unknown = chains(&tables, &asking(), &facts, 40_000);
    assert!((0..4).all(|deployment| share(&unknown, 0, deployment).abs_diff(250) <= 10));
}

#[test]
fn the_cheapest_goes_first_and_equal_prices_share() {
    let tables = tables("cheapest", &json!([0, 1, 1, 3, 2, 1, 3, 1]));
    let facts = Facts { prices_pusd: vec![Some(3), Some(3), None, Some(9)], ..Facts::default() };
    let needs = super::super::Needs { input_tokens: 10, ..Default::default() };
    let chains = chains(&tables, &Asking { needs, ..asking() }, &facts, 40_000);
    assert!(share(&chains, 0, 1).abs_diff(750) <= 10);
    assert!(chains.iter().all(|chain| chain[2..] == [3, 2]));
}

#[test]
fn a_prices_output_is_typical_or_what_the_request_allows() {
    struct Prices;
    impl Conditions for Prices {
        fn is_available(&self, _: usize) -> bool {
            true
        }
        fn is_priced(&self, _: usize, _: &str) -> bool {
            true
        }
        /// The first is dear by the input token, the second by the output token.
        fn price_pusd(&self, deployment: usize, _: &str, input_tokens: u64, output_tokens: u64) -> Option<i64> {
            let rates = [(10, 1), (1, 10)][deployment];
            i64::try_from(rates.0 * input_tokens + rates.1 * output_tokens).ok()
        }
        fn rates_pusd(&self, _: usize, _: &str, _: u64) -> Option<(i64, i64)> {
            None
        }
        fn latency_ns(&self, _: usize) -> Option<(u64, u64)> {
            None
        }
        fn in_flight(&self, _: usize) -> u32 {
            0
        }
        fn random(&self) -> u64 {
            0
        }
    }
    let tables = tables("cheapest", &json!([0, 1, 1, 1]));
    let policy = Policy::prepare(&tables);
    let first = |input_tokens, output_tokens| {
        let needs = super::super::Needs { input_tokens, output_tokens, ..Default::default() };
        route(&tables, &policy, &Asking { needs, ..asking() }, &Prices).expect("a route").candidates[0]
    };
    assert_eq!([first(199, None), first(201, None), first(201, Some(4_000)), first(100, Some(50))], [0, 1, 1, 1]);
    assert_eq!(first(40, Some(50)), 0);
}

#[test]
fn the_least_busy_is_so_for_its_weight() {
    let tables = tables("least_busy", &json!([0, 1, 1, 4, 2, 1, 3, 2]));
    let facts = Facts { in_flight: vec![2, 4, 0, 3], ..Facts::default() };
    assert_eq!(chains(&tables, &asking(), &facts, 1), [[2, 1, 3, 0]]);
    let idle = chains(&tables, &asking(), &Facts::default(), 40_000);
    assert!(share(&idle, 0, 1).abs_diff(500) <= 10);
}

#[test]
fn sticky_requests_stay_by_session_or_else_by_user() {
    let members = json!([0, 1, 1, 1, 2, 1, 3, 1]);
    let rows = |by: &str| json!([{"pick": "sticky", "sticky_by": by, "chain": [members]}]);
    for (by, is_by_user) in [("session", false), ("user", true)] {
        let tables = Build::with(4).route("chat", &rows(by)).tables();
        let facts = Facts::default();
        let place = |session: Option<&str>, user: Option<&str>| {
            let asking = Asking { user, session, ..asking() };
            let chains = chains(&tables, &asking, &facts, 20);
            chains.iter().all(|chain| *chain == chains[0]).then(|| chains[0].clone())
        };
        let by_ann: Vec<_> = (0..20).map(|session| place(Some(&*format!("s{session}")), Some("ann"))).collect();
        let stays = by_ann.iter().all(|chain| *chain == by_ann[0]);
        assert_eq!(stays, is_by_user);
        assert!(by_ann.iter().all(Option::is_some));
        let of_session: Vec<_> = (0..20).map(|user| place(Some("s"), Some(&*format!("u{user}")))).collect();
        assert_eq!(of_session.iter().all(|chain| *chain == of_session[0]), !is_by_user);
        // Only one of them is known.
        assert_eq!(place(Some("x"), None), place(None, Some("x")));
        assert_eq!(place(None, None), None);
    }
}

#[test]
fn a_sticky_request_spills_over_and_returns() {
    let tables = tables("sticky", &json!([0, 1, 1, 1, 2, 1, 3, 1]));
    let session = Asking { session: Some("s"), ..asking() };
    let usual = chains(&tables, &session, &Facts::default(), 1).remove(0);
    let facts = Facts { unavailable: vec![usual[0]], ..Facts::default() };
    let spilled = chains(&tables, &session, &facts, 1).remove(0);
    assert_eq!(spilled, [&usual[1..], &usual[..1]].concat());
}

#[test]
fn a_canary_gets_its_percentage_of_users_and_keeps_them() {
    let rows = json!([{"pick": "sticky", "sticky_by": "user", "chain": [[0, 95, 1, 5]]}]);
    let tables = Build::with(2).route("chat", &rows).tables();
    let policy = Policy::prepare(&tables);
    let on_canary = (0..100_000).filter(|index| {
        let user = format!("user-{index}");
        let asking = Asking { user: Some(&user), ..asking() };
        route(&tables, &policy, &asking, &Facts::default()).expect("a route").candidates[0] == 1
    });
    let share = on_canary.count();
    assert!(share.abs_diff(5_000) <= 300, "{share}");
}

#[test]
fn a_sort_reaches_over_all_steps() {
    let tables = Build::with(4).route("chat", &json!([{"chain": [[0, 1], [1, 1, 2, 1], [3, 8]]}])).tables();
    let facts = Facts {
        unavailable: vec![2],
        prices_pusd: vec![Some(5), Some(4), Some(1), None],
        latencies_ns: vec![Some((9, 0)), None, Some((1, 0)), Some((3, 0))],
        ..Facts::default()
    };
    let sorted = |sort, order: &[&'static str]| {
        let preferences = Preferences { sort: Some(sort), order: order.to_vec(), ..Preferences::default() };
        let needs = super::super::Needs { input_tokens: 1, ..Default::default() };
        chains(&tables, &Asking { needs, preferences, ..asking() }, &facts, 40_000)
    };
    assert!(sorted(Sort::Price, &[]).iter().all(|chain| *chain == [1, 0, 3, 2]));
    assert!(sorted(Sort::Latency, &[]).iter().all(|chain| *chain == [3, 0, 1, 2]));
    assert!(share(&sorted(Sort::Weight, &[]), 0, 3).abs_diff(800) <= 10);
    assert!(sorted(Sort::Price, &["d2", "d3"]).iter().all(|chain| *chain == [2, 3, 1, 0]));
}

#[test]
fn what_a_request_goes_on_from_goes_first() {
    let tables = Build::with(3).route("chat", &json!([{"chain": [[0, 1], [1, 1], [2, 1]]}])).tables();
    let preferences = Preferences { order: vec!["d1"], ..Preferences::default() };
    let bound = Asking { bound_deployment: Some(2), preferences, ..asking() };
    assert_eq!(chains(&tables, &bound, &Facts::default(), 1), [[2, 1, 0]]);
}

#[test]
fn a_large_group_keeps_its_first_shares_and_everybody() {
    let members: Vec<usize> = (0..60).flat_map(|index| [index, 1 + index % 2]).collect();
    let tables = Build::with(60).route("chat", &json!([{"chain": [members]}])).tables();
    let chains = chains(&tables, &asking(), &Facts::default(), 90_000);
    assert!(share(&chains, 0, 7).abs_diff(22) <= 3 && share(&chains, 0, 8).abs_diff(11) <= 3);
    let mut everybody = chains[0].clone();
    everybody.sort_unstable();
    assert!(everybody.into_iter().eq(0..60));
}

#[test]
fn draws_follow_weights() {
    let weights = [3, 1, 0, 4];
    let step = u64::MAX / 8000;
    let drawn: Vec<usize> = (0..8000).filter_map(|at| draw(weights.into_iter(), at * step)).collect();
    let count = |place| drawn.iter().filter(|drawn| **drawn == place).count();
    assert_eq!(drawn.len(), 8000);
    for (place, expected) in [(0, 3000), (1, 1000), (2, 0), (3, 4000_usize)] {
        assert!(count(place).abs_diff(expected) <= 2, "{place}: {}", count(place));
    }
    assert_eq!(draw(weights.into_iter(), u64::MAX), Some(3));
    assert_eq!(draw(std::iter::empty(), 0), None);
}
