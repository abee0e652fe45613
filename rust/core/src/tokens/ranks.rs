//! A vocabulary's tokens and their ranks, compactly: one arena of bytes and one table of `u32`.
//!
//! A `HashMap<Vec<u8>, u32>` of 200,000 tokens takes some 20 MB. Here a token costs its bytes, four for where it starts
//! and about ten for its slot. A slot holds an 18-bit rank and 14 bits of the token's hash, so a lookup that fails,
//! which is what most lookups of a merge do, nearly never reads the arena.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

const RANK_BITS: u32 = 18;
const RANK_MASK: u32 = (1 << RANK_BITS) - 1;
const EMPTY: u32 = u32::MAX;
/// Larger than any file shipped, small enough that a damaged one is refused.
const UNPACKED_LIMIT_BYTES: usize = 4 << 20;

/// Tokens by rank, ranks by token.
pub(super) struct Ranks {
    arena: Vec<u8>,
    /// Where each token starts in the arena, and where the last one ends.
    starts: Vec<u32>,
    /// Open addressing, linear probing, at most half full; a power of two.
    slots: Vec<u32>,
    longest_bytes: usize,
}

impl Ranks {
    /// Unpacks what `data/pack.py` wrote. `None` if the data is not that: only a damaged build.
    pub(super) fn unpack(packed: &[u8], tokens: usize) -> Option<Self> {
        let mut arena = decompress_to_vec_zlib_with_limit(packed, UNPACKED_LIMIT_BYTES).ok()?;
        if tokens >= RANK_MASK as usize || arena.len() < tokens {
            return None;
        }
        let mut starts = Vec::with_capacity(tokens + 1);
        let (mut end, mut longest_bytes) = (0_u32, 0_usize);
        starts.push(0);
        for length in arena.drain(..tokens) {
            end += u32::from(length);
            longest_bytes = longest_bytes.max(usize::from(length));
            starts.push(end);
        }
        arena.shrink_to_fit();
        if arena.len() != end as usize {
            return None;
        }
        let mut ranks = Self { arena, starts, slots: vec![EMPTY; (tokens * 2).next_power_of_two()], longest_bytes };
        for rank in 0..u32::try_from(tokens).ok()? {
            let (mut slot, mark) = ranks.slot(hash(ranks.token(rank)));
            while ranks.slots[slot] != EMPTY {
                slot = (slot + 1) & (ranks.slots.len() - 1);
            }
            ranks.slots[slot] = mark << RANK_BITS | rank;
        }
        Some(ranks)
    }

    /// The rank of a token; `None` if these bytes are none.
    #[inline]
    pub(super) fn find(&self, token: &[u8]) -> Option<u32> {
        if token.len() > self.longest_bytes {
            return None;
        }
        let (mut slot, mark) = self.slot(hash(token));
        loop {
            let entry = self.slots[slot];
            if entry == EMPTY {
                return None;
            }
            if entry >> RANK_BITS == mark && self.token(entry & RANK_MASK) == token {
                return Some(entry & RANK_MASK);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// How many tokens there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.starts.len() - 1).unwrap()
    }

    /// Memory held.
    #[cfg(test)]
    pub(super) fn resident_bytes(&self) -> usize {
        self.arena.capacity() + 4 * (self.starts.capacity() + self.slots.capacity())
    }

    /// The token of a rank that [`Self::find`] returned.
    #[inline]
    pub(super) fn token(&self, rank: u32) -> &[u8] {
        let rank = rank as usize;
        &self.arena[self.starts[rank] as usize..self.starts[rank + 1] as usize]
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a hash's halves are what is wanted")]
    fn slot(&self, hash: u64) -> (usize, u32) {
        (hash as usize & (self.slots.len() - 1), (hash >> (64 - (32 - RANK_BITS))) as u32)
    }
}

/// Two multiplications for the usual token of up to 16 bytes. The table is fixed, so nobody can fill it with collisions.
#[inline]
fn hash(token: &[u8]) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let (head, tail) = match (token.first_chunk::<8>(), token.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (token.first_chunk::<4>(), token.last_chunk::<4>()) {
            (Some(head), Some(tail)) => (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail))),
            _ => match *token {
                [] => (0, 0),
                [one] => (u64::from(one), 0),
                [one, two] => (u64::from(one), u64::from(two)),
                [one, two, ref rest @ ..] => (u64::from(one) << 8 | u64::from(two), u64::from(rest[0])),
            },
        },
    };
    let mut hash = fold(head ^ SEED ^ token.len() as u64, tail ^ 0xe703_7ed1_a0b4_28db);
    if token.len() > 16 {
        for word in token[8..token.len() - 8].chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            hash = fold(hash ^ SEED, u64::from_le_bytes(padded) ^ 0xa076_1d64_78bd_642f);
        }
    }
    fold(hash, SEED)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
fn fold(left: u64, right: u64) -> u64 {
    let wide = u128::from(left) * u128::from(right);
    (wide >> 64) as u64 ^ wide as u64
}
