//! Tokens that wait, by the deployment they wait for: kept as waiters come and go, so that nobody has to count them.
//!
//! Who may go to several counts for a part at each. Sums over the same deployments are exact then, and over deployments
//! that are shared in part they are what those are likely to carry.

use smallvec::SmallVec;

/// Tokens by deployment.
#[derive(Clone, Debug, Default)]
pub(super) struct Load(SmallVec<[(u64, u64); 2]>);

impl Load {
    /// Somebody comes who waits for one of these.
    pub(super) fn add(&mut self, tokens: u64, deployments: &[u64]) {
        for (at, deployment) in deployments.iter().enumerate() {
            let part = part(tokens, deployments.len(), at);
            match self.0.iter_mut().find(|(known, _)| known == deployment) {
                Some((_, waiting)) => *waiting = waiting.saturating_add(part),
                None => self.0.push((*deployment, part)),
            }
        }
    }

    /// The same one goes.
    pub(super) fn remove(&mut self, tokens: u64, deployments: &[u64]) {
        for (at, deployment) in deployments.iter().enumerate() {
            if let Some((_, waiting)) = self.0.iter_mut().find(|(known, _)| known == deployment) {
                *waiting = waiting.saturating_sub(part(tokens, deployments.len(), at));
            }
        }
        self.0.retain(|(_, waiting)| *waiting > 0);
    }

    /// What these have to carry.
    pub(super) fn of(&self, deployments: &[u64]) -> u64 {
        let carried = self.0.iter().filter(|(deployment, _)| deployments.contains(deployment));
        carried.map(|(_, waiting)| *waiting).fold(0, u64::saturating_add)
    }
}

/// Even, with what does not divide at the first.
fn part(tokens: u64, count: usize, at: usize) -> u64 {
    let count = count as u64;
    tokens / count + if at == 0 { tokens % count } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_all_of_those_who_can_go_nowhere_else_and_a_part_of_the_others() {
        let mut load = Load::default();
        load.add(100, &[1]);
        load.add(11, &[1, 2]);
        load.add(7, &[3]);
        assert_eq!([load.of(&[1, 2]), load.of(&[1]), load.of(&[2]), load.of(&[3, 4])], [111, 106, 5, 7]);
        load.remove(100, &[1]);
        load.remove(11, &[1, 2]);
        assert_eq!((load.of(&[1, 2, 3]), load.0.len()), (7, 1));
    }
}
