//! Token counts of messages already seen: a conversation's next request repeats all but the last.
//!
//! Bounded and sharded. A shard keeps two generations: when the younger is full the older is dropped, so what is asked
//! for again survives and nothing tracks ages. Lock order: one shard, nothing inside it.

use std::collections::HashMap;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

const SHARDS: usize = 16;
/// Two generations of 16 shards: at most 32,768 counts, some 1.5 MB.
const GENERATION_COUNTS: usize = 1_024;

/// 128 bits of SHA-256: nobody can make two messages share one.
pub(super) type MessageKey = [u8; 16];

#[derive(Debug, Default)]
pub(super) struct MessageCounts {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    young: HashMap<MessageKey, u64>,
    old: HashMap<MessageKey, u64>,
}

/// The key of a message's bytes as the tokenizer with this identity counts them.
pub(super) fn message_key(tokenizer: u64, message: &[u8]) -> MessageKey {
    let digest = Sha256::new().chain_update(tokenizer.to_le_bytes()).chain_update(message).finalize();
    let mut key = MessageKey::default();
    key.copy_from_slice(&digest[..16]);
    key
}

impl MessageCounts {
    pub(super) fn get(&self, key: &MessageKey) -> Option<u64> {
        let mut shard = self.shard(key).lock();
        if let Some(count) = shard.young.get(key) {
            return Some(*count);
        }
        let count = shard.old.remove(key)?;
        shard.insert(*key, count);
        Some(count)
    }

    pub(super) fn insert(&self, key: MessageKey, count: u64) {
        self.shard(&key).lock().insert(key, count);
    }

    fn shard(&self, key: &MessageKey) -> &Mutex<Shard> {
        &self.shards[usize::from(key[0]) % SHARDS]
    }
}

impl Shard {
    fn insert(&mut self, key: MessageKey, count: u64) {
        if self.young.len() >= GENERATION_COUNTS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_found_under_its_bytes_and_its_tokenizer() {
        let counts = MessageCounts::default();
        counts.insert(message_key(1, b"one"), 7);
        assert_eq!(counts.get(&message_key(1, b"one")), Some(7));
        assert_eq!(counts.get(&message_key(2, b"one")), None);
        assert_eq!(counts.get(&message_key(1, b"two")), None);
    }

    #[test]
    fn what_is_asked_for_survives_and_the_rest_is_bounded() {
        let counts = MessageCounts::default();
        let kept = message_key(1, b"the system prompt");
        counts.insert(kept, 1);
        for index in 0..200_000_u64 {
            counts.insert(message_key(index, b"passing by"), index);
            assert_eq!(counts.get(&kept), Some(1));
        }
        let held = counts.shards.iter().map(|shard| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        });
        let held: usize = held.sum();
        assert!(held <= 2 * SHARDS * GENERATION_COUNTS, "{held}");
        assert_eq!(counts.get(&message_key(0, b"passing by")), None);
    }
}
