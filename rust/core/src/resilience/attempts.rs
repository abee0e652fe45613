//! What follows a failed attempt: the same deployment again, a wait before it, the next one, or the end.
//!
//! Candidates are tried in order of preference. One that may do better in a moment is repeated after a back-off, as
//! often as it and its provider's retry budget allow; then the next one has its turn. Nothing is given up while one is
//! left: where none is available, the one that will be first is called all the same. One clock covers waits and calls up
//! to the commit, and every call gets a share of it that leaves the later ones time to start.

use super::backoff::{after_hint, full_jitter};
use super::{Action, Reason, Verdict};

/// Without a deadline nobody waits longer than this for a pause to end.
const PATIENCE_NS: u64 = 60_000_000_000;
/// Time is set aside for so many later candidates: a call that had to share with a whole group would be cut off early
/// for the sake of calls that hardly ever follow.
const RESERVED_CANDIDATES: usize = 3;
/// For each of them this, or a few times its usual time to first content.
const RESERVE_MIN_NS: u64 = 1_000_000_000;
const RESERVE_TIMES: u64 = 3;
/// Calls on a candidate whose first call took too long: the second would too.
const CALLS_AFTER_TIME_OUT: u16 = 2;
const INLINE: usize = 8;

/// Settings of a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The first repeat waits for a random time up to this, the next up to twice as long.
    pub backoff_ns: u64,
    /// No back-off is longer.
    pub backoff_max_ns: u64,
    /// A provider that asks for a longer pause is left for another, if there is one.
    pub wait_max_ns: u64,
}

/// What the decision depends on beside itself. A candidate is an index into the chain.
pub trait Conditions {
    /// Repeats that are allowed on it.
    fn retries(&self, candidate: usize) -> u32;
    /// Whether a call may begin: breaker, pause, credentials, capacity.
    fn is_available(&self, candidate: usize, now_ns: u64) -> bool;
    /// When its pause or its breaker's open time ends. 0: neither is on.
    fn available_from_ns(&self, candidate: usize) -> u64;
    /// Recent median of its time to first content.
    fn first_content_p50_ns(&self, candidate: usize) -> Option<u64>;
    /// Its time-out to first content.
    fn first_content_limit_ns(&self, candidate: usize) -> u64;
    /// Whether it may succeed where `failed` failed for `reason`: [`Reason::ContextTooLong`] or
    /// [`Reason::ModelNotFound`].
    fn can_cure(&self, candidate: usize, failed: usize, reason: Reason) -> bool;
    /// Takes a repeat from the retry budget of its provider, if there is one left.
    fn take_retry(&self, candidate: usize, now_ns: u64) -> bool;
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Call this candidate; it has failed unless its first content is there in time.
    Call {
        /// Index into the chain.
        candidate: usize,
        /// Monotonic, like `now_ns`.
        first_content_by_ns: u64,
    },
    /// Ask again then; nothing is to be called before.
    Wait {
        /// Whom the wait is for.
        candidate: usize,
        /// Monotonic, like `now_ns`.
        until_ns: u64,
    },
    /// There will be no other call.
    Over(Over),
}

/// Why there will be no other call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// Nobody is left to be called.
    Exhausted,
    /// Whoever is left would not have the time.
    BudgetSpent,
    /// The request is at fault: the last answer is the client's.
    Stopped,
}

/// The attempts of one exchange.
#[derive(Debug)]
pub struct Attempts {
    deadline_ns: Option<u64>,
    limits: Limits,
    candidates: usize,
    inline: [Progress; INLINE],
    spilled: Vec<Progress>,
    calls: u32,
    phase: Phase,
    /// The first candidate that failed on its own account.
    primary: Option<usize>,
    /// Some call failed in a way that only certain other candidates can cure.
    has_cause_to_cure: bool,
}

/// What a candidate has behind it.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// A repeat must not begin earlier …
    not_before_ns: u64,
    calls: u16,
    /// … because the provider said so.
    is_told: bool,
    first_timed_out: bool,
    /// There will be no repeat.
    is_done: bool,
    to_cure: Option<Reason>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Choosing,
    Calling(usize),
    Failed(usize, Verdict, u64),
    Waiting(usize, u64),
    Over(Over),
}

impl Attempts {
    /// None yet. `candidates` are in order of preference; `deadline_ns` (monotonic) covers everything up to the commit.
    #[must_use]
    pub fn new(candidates: usize, deadline_ns: Option<u64>, limits: Limits) -> Self {
        Self {
            deadline_ns,
            limits,
            candidates,
            inline: [Progress::default(); INLINE],
            spilled: if candidates > INLINE { vec![Progress::default(); candidates] } else { Vec::new() },
            calls: 0,
            phase: Phase::Choosing,
            primary: None,
            has_cause_to_cure: false,
        }
    }

    /// What to do now. After [`Step::Wait`], ask again when its time has come; after [`Step::Call`], only once
    /// [`Self::note_failure`] has told of its end. `random` is uniform over all of `u64`.
    pub fn next(&mut self, conditions: &impl Conditions, now_ns: u64, random: u64) -> Step {
        match self.phase {
            Phase::Choosing | Phase::Calling(_) => {}
            Phase::Over(over) => return Step::Over(over),
            Phase::Waiting(candidate, until_ns) if now_ns < until_ns => return Step::Wait { candidate, until_ns },
            Phase::Waiting(candidate, _) => {
                // Paid for already. But whoever was left alone meanwhile is called only if nobody else is there.
                let is_wanted =
                    conditions.is_available(candidate, now_ns) || !self.has_other(candidate, conditions, now_ns);
                if is_wanted && self.is_in_time(candidate, conditions, now_ns) {
                    return self.call(candidate, conditions, now_ns);
                }
            }
            Phase::Failed(candidate, verdict, failed_ns) => {
                if let Some(step) = self.stay(candidate, verdict, failed_ns, conditions, now_ns, random) {
                    return step;
                }
            }
        }
        self.choose(conditions, now_ns)
    }

    /// The call that [`Self::next`] asked for failed before its commit.
    pub fn note_failure(&mut self, verdict: Verdict, now_ns: u64) {
        let Phase::Calling(candidate) = self.phase else { return };
        self.phase = Phase::Failed(candidate, verdict, now_ns);
        // A drill sends nothing, so whoever is called after it is the first to be asked.
        let is_first = self.primary.is_none_or(|primary| primary == candidate);
        if verdict.reason != Reason::Drill {
            self.primary.get_or_insert(candidate);
        }
        let to_cure = matches!(verdict.reason, Reason::ContextTooLong | Reason::ModelNotFound);
        self.has_cause_to_cure |= to_cure;
        let progress = self.progress_mut(candidate);
        progress.to_cure = progress.to_cure.or(to_cure.then_some(verdict.reason));
        progress.first_timed_out |= progress.calls == 1 && verdict.reason == Reason::TimedOut;
        match verdict.action {
            // A fallback's complaint must not hide why the primary failed.
            Action::Stop if is_first => self.phase = Phase::Over(Over::Stopped),
            Action::Stop => progress.is_done = true,
            // A time-out ends the call, not the candidate: it is its own last resort.
            Action::Move => progress.is_done = verdict.reason != Reason::TimedOut,
            Action::Wait | Action::DisableKey => {}
        }
    }

    /// Whether nothing could follow if the call under way failed: then a stream may pass before its first content.
    #[must_use]
    pub fn is_last(&self, conditions: &impl Conditions, now_ns: u64) -> bool {
        let Phase::Calling(called) = self.phase else { return false };
        (0..self.candidates).all(|candidate| {
            let progress = self.progress(candidate);
            // A back-off can be cut short, a hint can't.
            let from_ns = if progress.is_told { now_ns.max(progress.not_before_ns) } else { now_ns };
            let is_left = !progress.is_done
                && (progress.calls == 0 || progress.calls < self.calls_max(candidate, conditions))
                && (candidate == called || self.can_cure(candidate, conditions))
                && self.is_in_time(candidate, conditions, from_ns);
            !is_left
        })
    }

    /// Whether a candidate could be called in place of the one that was asked for: it has not been, is not ruled out and
    /// would have the time.
    #[must_use]
    pub fn may_call(&self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> bool {
        let is_asked_for = matches!(self.phase, Phase::Calling(called) if called == candidate);
        (is_asked_for || self.is_untried(candidate, conditions))
            && !self.progress(candidate).is_done
            && self.is_in_time(candidate, conditions, now_ns)
    }

    /// Another candidate is called than was asked for, since it was the first to have room. When its first content has
    /// to be there (monotonic).
    pub fn call_instead(&mut self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> u64 {
        if let Phase::Calling(called) = self.phase {
            let progress = self.progress_mut(called);
            progress.calls = progress.calls.saturating_sub(1);
            self.calls = self.calls.saturating_sub(1);
        }
        self.begin(candidate, conditions, now_ns)
    }

    /// The call under way was made once more than was asked for: a connection that was kept from earlier died under it,
    /// and nobody knows whether the request went up.
    pub fn note_replacement(&mut self) {
        if let Phase::Calling(candidate) = self.phase {
            self.progress_mut(candidate).calls += 1;
            self.calls += 1;
        }
    }

    /// Calls that were asked for so far.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// Whether the candidate that failed just now is called again, at once or after a wait.
    fn stay(
        &mut self,
        candidate: usize,
        verdict: Verdict,
        failed_ns: u64,
        conditions: &impl Conditions,
        now_ns: u64,
        random: u64,
    ) -> Option<Step> {
        let Progress { is_done, calls, .. } = *self.progress(candidate);
        if is_done || calls >= self.calls_max(candidate, conditions) {
            self.progress_mut(candidate).is_done = true;
            return None;
        }
        if verdict.action == Action::DisableKey {
            if conditions.is_available(candidate, now_ns) && self.is_in_time(candidate, conditions, now_ns) {
                return Some(self.call(candidate, conditions, now_ns));
            }
            self.progress_mut(candidate).is_done = true;
            return None;
        }
        let wait_ns = match verdict.pause_ns {
            Some(hint_ns) => after_hint(hint_ns, random),
            None => full_jitter(self.limits.backoff_ns, self.limits.backoff_max_ns, u32::from(calls) - 1, random),
        };
        let progress = self.progress_mut(candidate);
        progress.not_before_ns = failed_ns.saturating_add(wait_ns);
        progress.is_told = verdict.pause_ns.is_some();
        let share_ns = self.share_ns(candidate, conditions, now_ns);
        let until_ns = self.repeat_at(candidate, share_ns, conditions, now_ns)?;
        let stays = verdict.reason != Reason::TimedOut
            && verdict.pause_ns.is_none_or(|hint_ns| hint_ns <= self.limits.wait_max_ns)
            && self.is_in_time(candidate, conditions, now_ns)
            && conditions.available_from_ns(candidate) <= until_ns;
        if !stays {
            return None;
        }
        if !conditions.take_retry(candidate, now_ns) {
            self.progress_mut(candidate).is_done = true;
            return None;
        }
        Some(self.wait(candidate, until_ns, conditions, now_ns))
    }

    /// The best of those that are left: untried and available; repeated soon; untried; repeated at all.
    fn choose(&mut self, conditions: &impl Conditions, now_ns: u64) -> Step {
        loop {
            let mut is_late = false;
            let mut untried: Option<(u64, usize)> = None;
            let mut repeated: Option<(bool, u64, usize)> = None;
            for candidate in 0..self.candidates {
                let Progress { is_done, calls, .. } = *self.progress(candidate);
                if is_done || !self.can_cure(candidate, conditions) {
                    continue;
                }
                if !self.is_in_time(candidate, conditions, now_ns) {
                    is_late = true;
                } else if calls == 0 {
                    if conditions.is_available(candidate, now_ns) {
                        return self.call(candidate, conditions, now_ns);
                    }
                    let found = (conditions.available_from_ns(candidate), candidate);
                    untried = Some(untried.map_or(found, |best| best.min(found)));
                } else {
                    let left_ns = self.deadline_ns.map_or(u64::MAX, |deadline_ns| deadline_ns.saturating_sub(now_ns));
                    let Some(until_ns) = self.repeat_at(candidate, left_ns, conditions, now_ns) else { continue };
                    let is_soon = until_ns - now_ns <= self.limits.wait_max_ns
                        && conditions.available_from_ns(candidate) <= until_ns
                        && (until_ns > now_ns || conditions.is_available(candidate, now_ns));
                    let found = (!is_soon, until_ns, candidate);
                    repeated = Some(repeated.map_or(found, |best| best.min(found)));
                }
            }
            match (untried, repeated) {
                (Some((_, candidate)), None | Some((true, ..))) => return self.call(candidate, conditions, now_ns),
                (_, Some((_, until_ns, candidate))) => {
                    if conditions.take_retry(candidate, now_ns) {
                        return self.wait(candidate, until_ns, conditions, now_ns);
                    }
                    self.progress_mut(candidate).is_done = true;
                }
                (None, None) => {
                    let over = if is_late { Over::BudgetSpent } else { Over::Exhausted };
                    self.phase = Phase::Over(over);
                    return Step::Over(over);
                }
            }
        }
    }

    fn call(&mut self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> Step {
        Step::Call { candidate, first_content_by_ns: self.begin(candidate, conditions, now_ns) }
    }

    fn begin(&mut self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> u64 {
        let share_ns = self.share_ns(candidate, conditions, now_ns);
        self.progress_mut(candidate).calls += 1;
        self.calls += 1;
        self.phase = Phase::Calling(candidate);
        now_ns.saturating_add(conditions.first_content_limit_ns(candidate).min(share_ns))
    }

    fn wait(&mut self, candidate: usize, until_ns: u64, conditions: &impl Conditions, now_ns: u64) -> Step {
        if until_ns <= now_ns {
            return self.call(candidate, conditions, now_ns);
        }
        self.phase = Phase::Waiting(candidate, until_ns);
        Step::Wait { candidate, until_ns }
    }

    /// When a repeat may begin that has `share_ns` for its wait and its call. `None`: its provider wants to be left
    /// alone for longer.
    fn repeat_at(&self, candidate: usize, share_ns: u64, conditions: &impl Conditions, now_ns: u64) -> Option<u64> {
        let Progress { not_before_ns, is_told, .. } = *self.progress(candidate);
        let latest_ns = if self.deadline_ns.is_none() {
            now_ns.saturating_add(PATIENCE_NS)
        } else {
            let room_ns = conditions.first_content_p50_ns(candidate).map_or(share_ns / 2, needed_ns);
            now_ns.saturating_add(share_ns.saturating_sub(room_ns))
        };
        let until_ns = not_before_ns.max(now_ns);
        if is_told && until_ns > latest_ns { None } else { Some(until_ns.min(latest_ns)) }
    }

    /// What the call of a candidate may take of the time that is left, with the waits before it.
    fn share_ns(&self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> u64 {
        let Some(deadline_ns) = self.deadline_ns else { return u64::MAX };
        let left_ns = deadline_ns.saturating_sub(now_ns);
        let mut later_p50_ns = [0; RESERVED_CANDIDATES];
        let mut later = 0;
        for other in 0..self.candidates {
            if other == candidate || !self.is_untried(other, conditions) || !conditions.is_available(other, now_ns) {
                continue;
            }
            let p50_ns = conditions.first_content_p50_ns(other).unwrap_or(0);
            if p50_ns <= left_ns {
                later_p50_ns[later] = p50_ns;
                later += 1;
                if later == RESERVED_CANDIDATES {
                    break;
                }
            }
        }
        if later == 0 {
            return left_ns;
        }
        let even_ns = left_ns / (later as u64 + 1);
        let reserved_ns = later_p50_ns[..later].iter().fold(0_u64, |sum, p50_ns| {
            let reserve_ns = p50_ns.saturating_mul(RESERVE_TIMES).max(RESERVE_MIN_NS).min(even_ns);
            sum.saturating_add(reserve_ns.max(needed_ns(*p50_ns)))
        });
        let own_ns = conditions.first_content_p50_ns(candidate).map_or(RESERVE_MIN_NS.min(even_ns), needed_ns);
        left_ns.saturating_sub(reserved_ns).max(own_ns.min(left_ns))
    }

    /// Whether somebody else has not been tried and could be right now.
    fn has_other(&self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> bool {
        (0..self.candidates).any(|other| {
            other != candidate
                && self.is_untried(other, conditions)
                && self.is_in_time(other, conditions, now_ns)
                && conditions.is_available(other, now_ns)
        })
    }

    fn is_untried(&self, candidate: usize, conditions: &impl Conditions) -> bool {
        self.progress(candidate).calls == 0 && self.can_cure(candidate, conditions)
    }

    fn is_in_time(&self, candidate: usize, conditions: &impl Conditions, now_ns: u64) -> bool {
        self.deadline_ns.is_none_or(|deadline_ns| {
            let left_ns = deadline_ns.saturating_sub(now_ns);
            left_ns > 0 && conditions.first_content_p50_ns(candidate).is_none_or(|p50_ns| p50_ns <= left_ns)
        })
    }

    fn can_cure(&self, candidate: usize, conditions: &impl Conditions) -> bool {
        !self.has_cause_to_cure
            || (0..self.candidates).all(|failed| {
                let to_cure = self.progress(failed).to_cure;
                to_cure.is_none_or(|reason| failed != candidate && conditions.can_cure(candidate, failed, reason))
            })
    }

    fn calls_max(&self, candidate: usize, conditions: &impl Conditions) -> u16 {
        let calls = u16::try_from(conditions.retries(candidate)).unwrap_or(u16::MAX).saturating_add(1);
        if self.progress(candidate).first_timed_out { calls.min(CALLS_AFTER_TIME_OUT) } else { calls }
    }

    fn progress(&self, candidate: usize) -> &Progress {
        if self.spilled.is_empty() { &self.inline[candidate] } else { &self.spilled[candidate] }
    }

    fn progress_mut(&mut self, candidate: usize) -> &mut Progress {
        if self.spilled.is_empty() { &mut self.inline[candidate] } else { &mut self.spilled[candidate] }
    }
}

/// The least that a call is given: somewhat more than half of the calls need.
fn needed_ns(p50_ns: u64) -> u64 {
    p50_ns.saturating_add(p50_ns / 4)
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
