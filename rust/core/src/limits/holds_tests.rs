use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn each_is_closed_once_with_what_it_was(steps in proptest::collection::vec(any::<(bool, prop::sample::Index)>(), 0..80)) {
        let (mut holds, mut open, mut closed) = (Holds::new(), HashMap::new(), Vec::new());
        for (number, (is_opening, which)) in (0..).zip(steps) {
            let hold = Hold { made: number, cost: number.cast_unsigned() * 3 };
            if is_opening {
                prop_assert_eq!(open.insert(holds.open(hold), hold), None, "an id in use");
            } else if !open.is_empty() {
                let id = *open.keys().nth(which.index(open.len())).unwrap();
                prop_assert_eq!(holds.close(id), open.remove(&id));
                closed.push(id);
            }
            prop_assert!(closed.iter().all(|id| holds.close(*id).is_none()));
            prop_assert_eq!(holds.is_empty(), open.is_empty());
            let mut held: Vec<_> = holds.iter().map(|hold| hold.made).collect();
            let mut expected: Vec<_> = open.values().map(|hold| hold.made).collect();
            held.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(held, expected);
            holds.shrink();
        }
    }
}
