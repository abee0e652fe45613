//! Pieces of a body joined into one. A single piece, the usual case, is never copied.

use bytes::{Bytes, BytesMut};

/// Pieces in order.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    first: Bytes,
    rest: BytesMut,
}

impl Joined {
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.rest.extend_from_slice(&piece);
        }
    }

    /// All of it; `None` when there is nothing.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            let first = std::mem::take(&mut self.first);
            return (!first.is_empty()).then_some(first);
        }
        let mut whole = BytesMut::with_capacity(self.len());
        whole.extend_from_slice(&self.first);
        whole.extend_from_slice(&self.rest);
        *self = Self::default();
        Some(whole.freeze())
    }
}
