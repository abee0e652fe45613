//! In which order the deployments of a step are tried.
//!
//! Those that are available go first, each part in the order of the step's way of picking; ties go by weight. Nobody is
//! dropped for being unavailable: the last one left is still better than an error.

use smallvec::SmallVec;

use super::policy::{Named, Policy};
use super::preferences::Sort;
use super::{Asking, Conditions, sticky};
use crate::tables::{Member, Pick, StickyBy};

/// How long an answer is taken to be where that matters before there is one; less where the request says so.
const TYPICAL_OUTPUT_TOKENS: u64 = 200;

/// Places of a step that are drawn; those behind keep the table's order. Hardly a request gets further, and the cost of
/// a large group does not grow with its square.
const DRAWS_MAX: usize = 4;

/// A deployment of a step that may be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    deployment: u32,
    /// At least 1.
    weight: u32,
    /// What it is sorted by, lowest first.
    key: u64,
}

impl Candidate {
    pub(super) fn new(member: &Member) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "no configuration has 2³² deployments")]
        let deployment = member.deployment as u32;
        Self { deployment, weight: member.weight, key: 0 }
    }

    pub(super) const fn deployment(&self) -> usize {
        self.deployment as usize
    }

    pub(super) fn add_weight(&mut self, weight: u32) {
        self.weight = self.weight.saturating_add(weight);
    }
}

/// Puts candidates in order for one request.
pub(super) struct Order<'a, C> {
    policy: &'a Policy,
    asking: &'a Asking<'a>,
    conditions: &'a C,
}

impl<'a, C: Conditions> Order<'a, C> {
    pub(super) const fn new(policy: &'a Policy, asking: &'a Asking<'a>, conditions: &'a C) -> Self {
        Self { policy, asking, conditions }
    }

    /// Orders one step.
    pub(super) fn by_pick(&self, candidates: &mut [Candidate], pick: Pick, sticky_by: StickyBy) {
        self.available_first(candidates, |part| match pick {
            Pick::Weighted => self.shuffle(part),
            Pick::Fastest => self.by_latency(part, true),
            Pick::Cheapest => self.by_price(part),
            Pick::LeastBusy => self.by_load(part),
            Pick::Sticky => self.by_distance(part, sticky_by),
        });
    }

    /// Orders a whole chain as the client asks.
    pub(super) fn by_sort(&self, candidates: &mut [Candidate], sort: Sort) {
        self.available_first(candidates, |part| match sort {
            Sort::Price => self.by_price(part),
            Sort::Latency => self.by_latency(part, false),
            Sort::Weight => self.shuffle(part),
        });
    }

    /// Puts those first that the request goes on from or names first.
    pub(super) fn put_first(&self, candidates: &mut [Candidate]) {
        let names = &self.asking.preferences.order;
        if names.is_empty() && self.asking.bound_deployment.is_none() {
            return;
        }
        let targets: SmallVec<[Named; 8]> = names.iter().map(|name| self.policy.named(name)).collect();
        candidates.sort_by_key(|candidate| {
            let deployment = candidate.deployment();
            let is_other = self.asking.bound_deployment.is_some_and(|bound| bound != deployment);
            let place = targets.iter().position(|target| self.policy.is(deployment, *target));
            (is_other, place.unwrap_or(usize::MAX))
        });
    }

    fn available_first(&self, candidates: &mut [Candidate], order: impl Fn(&mut [Candidate])) {
        if candidates.len() < 2 {
            return;
        }
        let mut available = 0;
        for place in 0..candidates.len() {
            if self.conditions.is_available(candidates[place].deployment()) {
                if available < place {
                    candidates[available..=place].rotate_right(1);
                }
                available += 1;
            }
        }
        let (available, unavailable) = candidates.split_at_mut(available);
        order(available);
        order(unavailable);
    }

    /// Draws one after the other by weight, without replacement, up to [`DRAWS_MAX`]; the rest follows as it stands.
    fn shuffle(&self, candidates: &mut [Candidate]) {
        let mut total = weight(candidates);
        let mut left = candidates;
        for _ in 0..DRAWS_MAX {
            if left.len() < 2 {
                return;
            }
            let mark = scale(self.conditions.random(), total);
            // Counted to the end without a branch: where to stop can't be predicted, and a wrong guess costs more.
            let (mut drawn, mut sum) = (0, 0);
            for candidate in &*left {
                sum += u64::from(candidate.weight);
                drawn += usize::from(sum <= mark);
            }
            left.swap(0, drawn);
            total -= u64::from(left[0].weight);
            left = &mut left[1..];
        }
    }

    /// Sorts by a key, lowest first; equal ones are drawn.
    fn by_key(&self, candidates: &mut [Candidate], key: impl Fn(&Candidate) -> u64) {
        if candidates.len() < 2 {
            return;
        }
        for candidate in &mut *candidates {
            candidate.key = key(candidate);
        }
        candidates.sort_unstable_by_key(|candidate| candidate.key);
        candidates.chunk_by_mut(|one, next| one.key == next.key).for_each(|equal| self.shuffle(equal));
    }

    /// Who was never called is last. With `explores`, it is first as often as its weight says, or nobody would ever know.
    fn by_latency(&self, candidates: &mut [Candidate], explores: bool) {
        self.by_key(candidates, |candidate| {
            let known = self.conditions.latency_ns(candidate.deployment());
            known.map_or(u64::MAX, |(first_content_ns, per_token_ns)| {
                first_content_ns.saturating_add(per_token_ns.saturating_mul(TYPICAL_OUTPUT_TOKENS)).min(u64::MAX - 1)
            })
        });
        let known = candidates.partition_point(|candidate| candidate.key != u64::MAX);
        if explores && (1..candidates.len()).contains(&known) {
            let mark = scale(self.conditions.random(), weight(candidates));
            if mark < weight(&candidates[known..]) {
                candidates[..=known].rotate_right(1);
            }
        }
    }

    fn by_price(&self, candidates: &mut [Candidate]) {
        let needs = &self.asking.needs;
        let output_tokens = needs.output_tokens.unwrap_or(u64::MAX).min(TYPICAL_OUTPUT_TOKENS);
        self.by_key(candidates, |candidate| {
            let price = self.conditions.price_pusd(
                candidate.deployment(),
                self.asking.model,
                needs.input_tokens,
                output_tokens,
            );
            price.map_or(u64::MAX, |price| u64::try_from(price).unwrap_or(0))
        });
    }

    fn by_load(&self, candidates: &mut [Candidate]) {
        self.by_key(candidates, |candidate| {
            let in_flight = u64::from(self.conditions.in_flight(candidate.deployment()));
            (in_flight << 32) / u64::from(candidate.weight)
        });
    }

    fn by_distance(&self, candidates: &mut [Candidate], sticky_by: StickyBy) {
        let key = match sticky_by {
            StickyBy::Session => self.asking.session.or(self.asking.user),
            StickyBy::User => self.asking.user.or(self.asking.session),
        };
        let Some(key) = key else { return self.shuffle(candidates) };
        let key = sticky::hash(key.as_bytes());
        let distances = candidates.iter().map(|candidate| {
            let id_hash = self.policy.deployments[candidate.deployment()].id_hash;
            sticky::distance(key, id_hash, candidate.weight)
        });
        let nearest = nearest(distances);
        bring_to_front(candidates, nearest);
    }
}

/// Places that are told apart: a distance gives 16 of its bits to the one it was found at, and what is left still tells 2³⁶
/// distances of one magnitude apart.
const PLACES: usize = 1 << u16::BITS;

/// The places of the lowest distances, nearest first; [`PLACES`] or more where there are fewer. Which is nearer can't be
/// predicted, so nothing here branches: each distance sinks past the nearer ones, a place that fell out goes with it.
fn nearest(distances: impl Iterator<Item = u64>) -> [usize; DRAWS_MAX] {
    let mut nearest = [u64::MAX; DRAWS_MAX];
    // Beyond the last place nobody is picked first; no group is so large.
    for (place, distance) in (0..PLACES as u64).zip(distances) {
        let mut sinking = distance & !(PLACES as u64 - 1) | place;
        for held in &mut nearest {
            (*held, sinking) = (sinking.min(*held), sinking.max(*held));
        }
    }
    nearest.map(|packed| {
        let [low, high, ..] = packed.to_le_bytes();
        if packed == u64::MAX { PLACES } else { usize::from(u16::from_le_bytes([low, high])) }
    })
}

/// Swaps those at some places to the front, in that order; places beyond the end are none.
fn bring_to_front(candidates: &mut [Candidate], mut places: [usize; DRAWS_MAX]) {
    for front in 0..DRAWS_MAX {
        let place = places[front];
        if place >= candidates.len() {
            return;
        }
        candidates.swap(front, place);
        for later in &mut places[front + 1..] {
            *later = if *later == front { place } else { *later };
        }
    }
}

fn weight(candidates: &[Candidate]) -> u64 {
    candidates.iter().map(|candidate| u64::from(candidate.weight)).sum()
}

/// Maps a draw over all of `u64` onto 0 to below `total`, with a bias below 2⁻³² for any sane sum of weights.
fn scale(random: u64, total: u64) -> u64 {
    ((u128::from(random) * u128::from(total)) >> 64) as u64
}

/// Draws one of several by weight: the place that `random`, uniform over all of `u64`, falls on. `None`: there is none.
pub fn draw(weights: impl Iterator<Item = u32> + Clone, random: u64) -> Option<usize> {
    let mut mark = scale(random, weights.clone().map(u64::from).sum());
    weights.map(u64::from).position(|weight| {
        let is_drawn = mark < weight;
        mark = mark.saturating_sub(weight);
        is_drawn
    })
}

#[cfg(test)]
#[path = "pick_tests.rs"]
mod tests;
