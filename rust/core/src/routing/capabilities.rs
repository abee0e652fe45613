//! Sets of capabilities: what requests need and deployments have.

use crate::tables::{CAPABILITIES, Capability};

/// A set of capabilities, one bit each in the order of [`CAPABILITIES`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CapabilitySet(u8);

impl CapabilitySet {
    /// No capability.
    pub const NONE: Self = Self(0);
    /// Every capability.
    pub const ALL: Self = Self((1 << CAPABILITIES.len()) - 1);
    /// How many different sets there are.
    pub(super) const COUNT: usize = 1 << CAPABILITIES.len();

    /// Adds one.
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u8;
    }

    /// Takes one out.
    pub fn remove(&mut self, capability: Capability) {
        self.0 &= !(1 << capability as u8);
    }

    /// Whether it is in.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }

    /// Whether none is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether some capability is in both.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every capability of `other` is in this set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The first capability that is in this set and not in `other`.
    #[must_use]
    pub fn first_missing_in(self, other: Self) -> Option<Capability> {
        let missing = self.0 & !other.0;
        CAPABILITIES.iter().map(|(capability, _)| *capability).find(|one| missing & (1 << *one as u8) != 0)
    }

    /// Its members, in order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        CAPABILITIES.iter().map(|(capability, _)| *capability).filter(move |one| self.contains(*one))
    }

    pub(super) const fn bits(self) -> usize {
        self.0 as usize
    }

    /// The set with these bits; those beyond the last capability are dropped.
    pub(super) const fn from_bits(bits: usize) -> Self {
        Self(bits.to_le_bytes()[0] & Self::ALL.0)
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let mut set = Self::NONE;
        capabilities.into_iter().for_each(|capability| set.insert(capability));
        set
    }
}

/// The name of a capability in configuration, headers and messages.
#[must_use]
pub const fn capability_name(capability: Capability) -> &'static str {
    CAPABILITIES[capability as usize].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_capabilities() {
        let mut set = CapabilitySet::NONE;
        assert!(set.is_empty());
        set.insert(Capability::AudioOutput);
        set.insert(Capability::JsonSchema);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::JsonSchema, Capability::AudioOutput]);
        assert_eq!(set.first_missing_in([Capability::JsonSchema].into_iter().collect()), Some(Capability::AudioOutput));
        assert_eq!(set.first_missing_in(CapabilitySet::ALL), None);
        set.remove(Capability::Tools);
        set.remove(Capability::JsonSchema);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::AudioOutput]);
        for (place, (capability, name)) in CAPABILITIES.iter().enumerate() {
            assert_eq!((*capability as usize, capability_name(*capability)), (place, *name));
        }
    }
}
