//! Reservations that are open: each is found by its id, and settled once.

use smallvec::SmallVec;

/// Names a reservation of one meter. Settling one that is not open has no effect.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HoldId(pub(super) u64);

/// No place is free.
const NONE: u32 = u32::MAX;

/// Places of reservations, used again when they are settled. One needs no memory of its own.
#[derive(Clone, Debug)]
pub(super) struct Holds {
    places: SmallVec<[Place; 1]>,
    /// The place that was freed last.
    free: u32,
    open: u32,
    /// Tells a reservation from those that had its place before; comes around after 2³².
    serial: u32,
}

/// What was reserved, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Hold {
    /// In the meter's own measure of time.
    pub(super) made: i64,
    pub(super) cost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    serial: u32,
    /// [`NONE`] while it is taken or the last free one; else the place freed before it.
    next_free: u32,
    is_open: bool,
    hold: Hold,
}

impl Holds {
    pub(super) fn new() -> Self {
        Self { places: SmallVec::new(), free: NONE, open: 0, serial: 0 }
    }

    pub(super) fn open(&mut self, hold: Hold) -> HoldId {
        self.serial = self.serial.wrapping_add(1);
        self.open += 1;
        let place = Place { serial: self.serial, next_free: NONE, is_open: true, hold };
        let index = if let Some(free) = self.places.get_mut(self.free as usize) {
            let index = self.free;
            self.free = free.next_free;
            *free = place;
            index
        } else {
            self.places.push(place);
            u32::try_from(self.places.len() - 1).unwrap_or(NONE)
        };
        HoldId(u64::from(self.serial) << 32 | u64::from(index))
    }

    /// What was reserved, if it still was.
    pub(super) fn close(&mut self, HoldId(id): HoldId) -> Option<Hold> {
        let index = u32::try_from(id & u64::from(u32::MAX)).ok()?;
        let place = self.places.get_mut(index as usize)?;
        if !place.is_open || u64::from(place.serial) != id >> 32 {
            return None;
        }
        place.is_open = false;
        place.next_free = self.free;
        self.free = index;
        self.open -= 1;
        Some(place.hold)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Hold> {
        self.places.iter().filter(|place| place.is_open).map(|place| place.hold)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Frees what many reservations at once needed.
    pub(super) fn shrink(&mut self) {
        if self.open == 0 && self.places.spilled() {
            self.places = SmallVec::new();
            self.free = NONE;
        }
    }
}

#[cfg(test)]
#[path = "holds_tests.rs"]
mod tests;
