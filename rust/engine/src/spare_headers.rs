//! Header maps that are used again: growing one for every message costs more than filling it.
//!
//! What an exchange takes (for the provider's answer and for its own) it gives back (the client's request and the
//! provider's answer), so a few per core are enough.

use std::cell::RefCell;

use http::HeaderMap;

/// As many as a turn of a core has exchanges, as a rule.
const SPARES: usize = 32;

/// Larger ones are not kept: a message with so many headers is rare.
const KEPT_CAPACITY: usize = 96;

thread_local! {
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty map with room for so many headers, or more.
pub(crate) fn take(room: usize) -> HeaderMap {
    let Some(mut headers) = SPARE.with_borrow_mut(Vec::pop) else { return HeaderMap::with_capacity(room) };
    headers.reserve(room);
    headers
}

/// A map that nobody needs any more.
pub(crate) fn give(mut headers: HeaderMap) {
    if headers.capacity() == 0 || headers.capacity() > KEPT_CAPACITY {
        return;
    }
    headers.clear();
    SPARE.with_borrow_mut(|spares| {
        if spares.len() < SPARES {
            spares.push(headers);
        }
    });
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn maps_come_back_empty_and_not_without_bound() {
        let mut first = take(12);
        first.append("a", HeaderValue::from_static("b"));
        let capacity = first.capacity();
        give(first);
        let again = take(4);
        assert_eq!((again.len(), again.capacity()), (0, capacity));
        give(HeaderMap::with_capacity(1000));
        for _ in 0..2 * SPARES {
            give(HeaderMap::with_capacity(8));
        }
        assert_eq!(SPARE.with_borrow(Vec::len), SPARES);
        assert!(SPARE.with_borrow(|spares| spares.iter().all(|headers| headers.capacity() <= KEPT_CAPACITY)));
    }
}
