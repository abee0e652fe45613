//! One model's table in the form it is matched.
//!
//! Rows are not walked. For each dimension that any row of a table looks at there is, per value, a set of the rows that
//! accept it; the first row that is in the set of every dimension matches. That is the bit vector scheme of packet
//! classifiers (Lakshman and Stiliadis, SIGCOMM 1998): its cost grows with the dimensions used and a 64th of the rows.

use foldhash::HashMap;

use super::capabilities::CapabilitySet;
use super::pick::Candidate;
use super::policy::{Region, Regions};
use super::when;
use crate::tables::{Latency, Pick, Route, Row, StickyBy};

/// One route.
#[derive(Debug)]
pub(super) struct RoutePlan {
    pub(super) budget_ms: Option<u64>,
    columns: Vec<Column>,
    /// Sets of rows, [`RoutePlan::words`] each.
    sets: Vec<u64>,
    words: usize,
    /// Where each row's steps end; they begin where those of the row before end.
    step_ends: Vec<u32>,
    steps: Vec<Step>,
    members: Vec<Candidate>,
}

/// A step of a chain, without deployments that an earlier step of the chain has.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) pick: Pick,
    pub(super) sticky_by: StickyBy,
    members: (u32, u32),
}

/// One dimension: from a request's value to the set of rows that accept it, by the set's place in `sets`.
#[derive(Debug)]
pub(super) enum Column {
    Tenant(Lookup<usize>),
    Tier(Lookup<usize>),
    User(Lookup<Box<str>>),
    Feature(Lookup<Box<str>>),
    Region(Lookup<Region>),
    CostClass(Lookup<Box<str>>),
    /// By class, the last for none.
    Latency([u32; 4]),
    /// By the set of what is needed.
    Capability(Vec<u32>),
    InputTokens(Thresholds),
    /// By hour.
    Hour([u32; 24]),
    Load(Thresholds),
    /// Known beforehand: a route has a table for each of its names.
    Model(u32),
}

#[derive(Debug)]
pub(super) struct Lookup<K> {
    sets: HashMap<K, u32>,
    /// For every other value, and none.
    pub(super) otherwise: u32,
}

impl<K: std::hash::Hash + Eq> Lookup<K> {
    pub(super) fn get<Q: std::hash::Hash + Eq + ?Sized>(&self, key: Option<&Q>) -> u32
    where
        K: std::borrow::Borrow<Q>,
    {
        key.and_then(|key| self.sets.get(key)).copied().unwrap_or(self.otherwise)
    }
}

/// Limits, ascending, each with the set of rows that accept what is over it and not over the next.
#[derive(Debug)]
pub(super) struct Thresholds {
    /// Rows that accept anything.
    below: u32,
    limits: Vec<(u64, u32)>,
}

impl Thresholds {
    pub(super) fn get(&self, value: u64) -> u32 {
        let passed = self.limits.partition_point(|(limit, _)| *limit < value);
        passed.checked_sub(1).map_or(self.below, |last| self.limits[last].1)
    }
}

/// Kinds of [`Column`].
const COLUMNS: usize = 12;

impl RoutePlan {
    pub(super) fn prepare(name: &str, route: &Route, regions: &mut Regions) -> Self {
        let (step_ends, steps, members) = chains(&route.rows);
        let mut sets = Sets { rows: &route.rows, name, bits: Vec::new(), words: route.rows.len().div_ceil(64) };
        let columns = sets.columns(regions);
        Self { budget_ms: route.budget_ms, columns, words: sets.words, sets: sets.bits, step_ends, steps, members }
    }

    /// The first row that is in the set of every dimension; `look_up` finds the set's place.
    pub(super) fn first_match(&self, look_up: impl Fn(&Column) -> u32) -> Option<usize> {
        let mut sets = [0; COLUMNS];
        let sets = &mut sets[..self.columns.len()];
        for (set, column) in sets.iter_mut().zip(&self.columns) {
            *set = look_up(column);
        }
        let rows = self.step_ends.len();
        (0..self.words).find_map(|word| {
            let rows_left = rows - word * 64;
            let all = if rows_left < 64 { (1 << rows_left) - 1 } else { u64::MAX };
            let matching = sets.iter().fold(all, |matching, set| matching & self.sets[*set as usize + word]);
            (matching != 0).then(|| word * 64 + matching.trailing_zeros() as usize)
        })
    }

    pub(super) fn steps(&self, row: usize) -> &[Step] {
        let start = row.checked_sub(1).map_or(0, |before| self.step_ends[before]);
        &self.steps[start as usize..self.step_ends[row] as usize]
    }

    /// Members of all of a row's steps.
    pub(super) fn member_count(&self, row: usize) -> usize {
        let steps = self.steps(row);
        let ends = steps.first().zip(steps.last());
        ends.map_or(0, |(first, last)| (last.members.1 - first.members.0) as usize)
    }

    pub(super) fn members(&self, step: &Step) -> &[Candidate] {
        &self.members[step.members.0 as usize..step.members.1 as usize]
    }
}

/// All rows' steps and members, flat. A deployment that occurs twice in a step has both weights.
fn chains(rows: &[Row]) -> (Vec<u32>, Vec<Step>, Vec<Candidate>) {
    let (mut step_ends, mut steps, mut members) = (Vec::new(), Vec::new(), Vec::<Candidate>::new());
    for row in rows {
        let row_start = members.len();
        for step in &row.chain {
            let step_start = members.len();
            for member in &step.members {
                let earlier = members[row_start..].iter().position(|earlier| earlier.deployment() == member.deployment);
                match earlier.map(|place| row_start + place) {
                    Some(place) if place >= step_start => members[place].add_weight(member.weight),
                    Some(_) => {}
                    None => members.push(Candidate::new(member)),
                }
            }
            let range = (index(step_start), index(members.len()));
            steps.push(Step { pick: step.pick, sticky_by: step.sticky_by, members: range });
        }
        step_ends.push(index(steps.len()));
    }
    (step_ends, steps, members)
}

/// Collects a route's sets of rows.
struct Sets<'a> {
    rows: &'a [Row],
    /// The name the route goes by: which rows are for it is known beforehand.
    name: &'a str,
    bits: Vec<u64>,
    words: usize,
}

impl Sets<'_> {
    /// Adds the set of rows that `accepts` says, and returns its place.
    fn add(&mut self, accepts: impl Fn(&Row) -> bool) -> u32 {
        let place = self.bits.len();
        self.bits.resize(place + self.words, 0);
        for (row, _) in self.rows.iter().enumerate().filter(|(_, row)| accepts(row)) {
            self.bits[place + row / 64] |= 1 << (row % 64);
        }
        index(place)
    }

    fn lookup<T: PartialEq, K: std::hash::Hash + Eq>(
        &mut self,
        values: impl Fn(&Row) -> Option<&[T]>,
        mut key: impl FnMut(&T) -> K,
    ) -> Option<Lookup<K>> {
        let rows = self.rows;
        let otherwise = rows.iter().any(|row| values(row).is_some()).then(|| self.add(|row| values(row).is_none()))?;
        let mut sets = HashMap::default();
        for value in rows.iter().filter_map(&values).flatten() {
            sets.entry(key(value))
                .or_insert_with(|| self.add(|row| values(row).is_none_or(|values| values.contains(value))));
        }
        Some(Lookup { sets, otherwise })
    }

    /// `over`: what a value has to be over.
    fn thresholds(&mut self, over: impl Fn(&Row) -> Option<u64>) -> Option<Thresholds> {
        let mut limits: Vec<u64> = self.rows.iter().filter_map(&over).collect();
        limits.sort_unstable();
        limits.dedup();
        if limits.is_empty() {
            return None;
        }
        let below = self.add(|row| over(row).is_none());
        let mut set = |passed| self.add(|row| over(row).is_none_or(|limit| limit <= passed));
        Some(Thresholds { below, limits: limits.into_iter().map(|limit| (limit, set(limit))).collect() })
    }

    /// The dimensions that the rows look at.
    fn columns(&mut self, regions: &mut Regions) -> Vec<Column> {
        const CLASSES: [Option<Latency>; 4] =
            [Some(Latency::Interactive), Some(Latency::Background), Some(Latency::Batch), None];
        let rows = self.rows;
        let name = self.name;
        let is_any = |asks: &dyn Fn(&Row) -> bool| rows.iter().any(asks);
        let text = |text: &String| text.as_str().into();
        let mut columns = Vec::new();
        columns.extend(self.lookup(|row| row.when.tenant.as_deref(), |tenant| *tenant).map(Column::Tenant));
        columns.extend(self.lookup(|row| row.when.tier.as_deref(), |tier| *tier).map(Column::Tier));
        columns.extend(self.lookup(|row| row.when.user.as_deref(), text).map(Column::User));
        columns.extend(self.lookup(|row| row.when.feature.as_deref(), text).map(Column::Feature));
        columns.extend(self.lookup(|row| row.when.region.as_deref(), |name| regions.intern(name)).map(Column::Region));
        columns.extend(self.lookup(|row| row.when.cost_class.as_deref(), text).map(Column::CostClass));
        if is_any(&|row| row.when.latency.is_some()) {
            columns.push(Column::Latency(CLASSES.map(|class| {
                // Whoever says nothing waits for the answer.
                let accepts = |asked: &Vec<Latency>| asked.contains(&class.unwrap_or_default());
                self.add(|row| row.when.latency.as_ref().is_none_or(accepts))
            })));
        }
        if is_any(&|row| row.when.capability.is_some()) {
            let sets = (0..CapabilitySet::COUNT).map(|bits| {
                let needed = CapabilitySet::from_bits(bits);
                self.add(|row| when::capabilities(&row.when).is_none_or(|any| any.intersects(needed)))
            });
            columns.push(Column::Capability(sets.collect()));
        }
        columns.extend(self.thresholds(|row| row.when.context_over).map(Column::InputTokens));
        if is_any(&|row| row.when.hours.is_some()) {
            let hours =
                std::array::from_fn(|hour| self.add(|row| row.when.hours.is_none_or(|hours| hours & (1 << hour) != 0)));
            columns.push(Column::Hour(hours));
        }
        // At least so many is over one less, and at least none is no condition.
        let least = |row: &Row| row.when.load_permille.and_then(|least| u64::from(least).checked_sub(1));
        columns.extend(self.thresholds(least).map(Column::Load));
        if is_any(&|row| row.when.model.is_some()) {
            let set = self.add(|row| row.when.model.as_ref().is_none_or(|names| names.iter().any(|one| one == name)));
            columns.push(Column::Model(set));
        }
        columns
    }
}

/// Tables are far smaller than 2³² entries: a configuration of that size could not be read.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
pub(super) fn index(place: usize) -> u32 {
    debug_assert!(u32::try_from(place).is_ok());
    place as u32
}
