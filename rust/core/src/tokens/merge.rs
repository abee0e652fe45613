//! How many tokens a piece becomes: the neighbours whose join ranks lowest are joined, leftmost first, until none can be.
//!
//! Short pieces scan for the lowest rank again after each join, which beats any queue while the piece fits a few cache
//! lines. Long ones, where that would be quadratic, keep the joins in a heap: n log n for a megabyte of one letter too.
//! Algorithm: `tiktoken/_educational.py`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ranks::Ranks;

const NONE: u32 = u32::MAX;
const SHORT_BYTES: usize = 128;

/// Space for merging, kept from piece to piece.
#[derive(Default)]
pub(super) struct Merger {
    /// Short pieces: where each part starts, and the rank of its join with the next one.
    parts: Vec<(u32, u32)>,
    /// Long pieces, by the byte a part starts at: the next part's start, the previous one's, the rank of the join.
    links: Vec<Link>,
    heap: BinaryHeap<Reverse<u64>>,
}

#[derive(Clone, Copy)]
struct Link {
    next: u32,
    previous: u32,
    rank: u32,
}

impl Merger {
    /// Tokens of a piece that is no token itself, of at most `u32::MAX` bytes.
    pub(super) fn count(&mut self, ranks: &Ranks, piece: &[u8]) -> usize {
        if piece.len() <= SHORT_BYTES { self.count_short(ranks, piece) } else { self.count_long(ranks, piece) }
    }

    fn count_short(&mut self, ranks: &Ranks, piece: &[u8]) -> usize {
        let join = |from: u32, to: u32| ranks.find(&piece[from as usize..to as usize]).unwrap_or(NONE);
        let parts = &mut self.parts;
        let end = offset(piece.len());
        parts.clear();
        parts.extend((0..end).map(|start| (start, if start + 2 <= end { join(start, start + 2) } else { NONE })));
        loop {
            let mut lowest = (NONE, 0);
            for (index, (_, rank)) in parts.iter().enumerate() {
                if *rank < lowest.0 {
                    lowest = (*rank, index);
                }
            }
            let (rank, index) = lowest;
            if rank == NONE {
                return parts.len();
            }
            parts.remove(index + 1);
            let end_of = |index: usize| parts.get(index).map_or(end, |part| part.0);
            let joined = |index: usize| {
                if index + 1 < parts.len() { join(parts[index].0, end_of(index + 2)) } else { NONE }
            };
            let (before, here) = (index.checked_sub(1).map(joined), joined(index));
            parts[index].1 = here;
            if let Some(before) = before {
                parts[index - 1].1 = before;
            }
        }
    }

    fn count_long(&mut self, ranks: &Ranks, piece: &[u8]) -> usize {
        let end = offset(piece.len());
        let links = &mut self.links;
        links.clear();
        let mut joins = std::mem::take(&mut self.heap).into_vec();
        joins.clear();
        let join = |from: u32, to: u32| ranks.find(&piece[from as usize..to as usize]).unwrap_or(NONE);
        for start in 0..end {
            let rank = if start + 2 <= end { join(start, start + 2) } else { NONE };
            links.push(Link { next: start + 1, previous: start.wrapping_sub(1), rank });
            if rank != NONE {
                joins.push(entry(rank, start));
            }
        }
        self.heap = BinaryHeap::from(joins);
        let mut tokens = piece.len();
        while let Some(Reverse(key)) = self.heap.pop() {
            let (rank, start) = (offset_of(key >> 32), offset_of(key & u64::from(NONE)));
            let here = links[start as usize];
            // A part that has since been joined, or grown, left its old entry behind.
            if here.rank != rank {
                continue;
            }
            tokens -= 1;
            let next = links[here.next as usize].next;
            links[here.next as usize].rank = NONE;
            links[start as usize].next = next;
            if next < end {
                links[next as usize].previous = start;
            }
            for part in [here.previous, start] {
                let Some(link) = links.get(part as usize).copied() else { continue };
                let rank = match links.get(link.next as usize) {
                    Some(neighbour) => join(part, neighbour.next),
                    None => NONE,
                };
                links[part as usize].rank = rank;
                if rank != NONE {
                    self.heap.push(entry(rank, part));
                }
            }
        }
        // What a hostile text made it grow to is not kept.
        self.heap.shrink_to(SHORT_BYTES);
        tokens
    }
}

fn entry(rank: u32, start: u32) -> Reverse<u64> {
    Reverse(u64::from(rank) << 32 | u64::from(start))
}

fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NONE)
}

#[expect(clippy::cast_possible_truncation, reason = "the caller has masked or shifted to 32 bits")]
fn offset_of(half: u64) -> u32 {
    half as u32
}
