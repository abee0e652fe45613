use proptest::prelude::*;

use super::*;

/// The nearest of some deployments with their weights.
fn nearest<'a>(key: &str, deployments: &[(&'a str, u32)]) -> &'a str {
    let key = hash(key.as_bytes());
    let nearest = deployments.iter().min_by_key(|(id, weight)| distance(key, hash(id.as_bytes()), *weight));
    nearest.expect("at least one").0
}

fn users() -> impl Iterator<Item = String> {
    (0..100_000).map(|index| format!("user-{index}"))
}

#[test]
fn a_place_never_changes_between_versions() {
    assert_eq!(hash(b""), 0x46b7_3e79_f0c3_7c00);
    assert_eq!(hash(b"gpt-4o-us"), 0xd928_e29b_67b1_13d8);
    let deployments = [("gpt-4o-us", 3), ("gpt-4o-eu", 1), ("canary", 1)];
    let places: Vec<&str> =
        ["ann", "bob", "0d5a7f0c-51c1-4d8a", "user-5"].map(|key| nearest(key, &deployments)).to_vec();
    assert_eq!(places, ["gpt-4o-us", "gpt-4o-eu", "gpt-4o-us", "canary"]);
}

#[test]
fn shares_follow_weights_within_a_percent() {
    let deployments = [("stable", 90), ("canary", 5), ("other", 1), ("last", 4)];
    for (id, weight) in deployments {
        let found = users().filter(|user| nearest(user, &deployments) == id).count();
        let expected = weight as usize * 1_000;
        assert!(found.abs_diff(expected) <= 1_000 / 2, "{id}: {found} of {expected}");
    }
}

#[test]
fn a_new_deployment_takes_its_share_and_moves_nobody_else() {
    let before = [("a", 3), ("b", 1)];
    let after = [("new", 1), ("b", 1), ("a", 3)];
    let mut moved = 0;
    for user in users() {
        let (old, new) = (nearest(&user, &before), nearest(&user, &after));
        assert!(new == old || new == "new");
        moved += usize::from(new == "new");
    }
    assert!(moved.abs_diff(20_000) <= 500, "{moved}");
}

#[test]
fn more_weight_only_gains() {
    let gains =
        users().take(10_000).map(|user| (nearest(&user, &[("a", 1), ("b", 1)]), nearest(&user, &[("a", 2), ("b", 1)])));
    assert!(gains.into_iter().all(|(before, after)| before == after || after == "a"));
}

proptest! {
    #[test]
    fn names_that_differ_have_places_that_differ(one in "[a-z\\x00]{0,20}", other in "[a-z\\x00]{0,20}") {
        prop_assert_eq!(one == other, hash(one.as_bytes()) == hash(other.as_bytes()));
    }

    #[test]
    fn logarithms_are_near_those_of_the_library_and_grow(number in f64::MIN_POSITIVE..1.0, step in 1..1_000_000_u64) {
        prop_assert!((log2(number) - number.log2()).abs() < 7.5e-6);
        prop_assert!(log2(f64::from_bits(number.to_bits() + step)) >= log2(number));
    }

    #[test]
    fn distances_are_positive_and_finite(key in any::<u64>(), id in any::<u64>(), weight in 1..u32::MAX) {
        let distance = f64::from_bits(distance(key, id, weight));
        prop_assert!(distance.is_finite() && distance > 0.0);
    }
}
