//! Token counts for the deployments in force: exact where a tokenizer is configured, estimated where none is.
//!
//! Counting must never hold up other requests, so the I/O threads count a few KB at most and estimate the rest; whole
//! prompts of more are counted on threads of their own. A shipped vocabulary is built in the background, only if a
//! deployment names it, and kept until the process ends; until it is ready counts are estimates. A `tokenizer.json` is
//! read before a configuration takes effect, so that a bad file is refused with it.

mod counter;
mod messages;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use fastgate_core::tables::Tables;
use fastgate_core::tokens::chat::{self, Parts};
use fastgate_core::tokens::{Encoding, Factor, Vocabulary};
use foldhash::HashMap;
use tokio::sync::Semaphore;

use counter::{Counter, Sampler};
use messages::{MessageCounts, message_key};

/// Counted on an I/O thread: some 40 µs of work.
const INLINE_BYTES: usize = 4 << 10;
/// Looked through for its messages on an I/O thread; a larger body is estimated by its size.
const INLINE_PARSE_BYTES: usize = 256 << 10;
/// Counts under way on threads of their own; more wait for a place.
const BLOCKING_COUNTS: usize = 2;

/// What counts tokens, by deployment.
#[derive(Debug)]
pub struct Vocabularies {
    counters: ArcSwap<Counters>,
    messages: MessageCounts,
    blocking: Arc<Semaphore>,
}

type Counters = HashMap<String, Arc<Counter>>;

/// Counters of a configuration that is not in force yet.
#[derive(Debug)]
pub struct Prepared(Counters);

impl Default for Vocabularies {
    fn default() -> Self {
        Self {
            counters: ArcSwap::default(),
            messages: MessageCounts::default(),
            blocking: Arc::new(Semaphore::new(BLOCKING_COUNTS)),
        }
    }
}

impl Vocabularies {
    /// Reads what a configuration's deployments name, and takes over what is known of those that stay.
    ///
    /// # Errors
    /// Which deployment's `tokenizer.json` can't be used, and why.
    pub fn prepare(&self, tables: &Tables) -> Result<Prepared, String> {
        let current = self.counters.load();
        let mut files = current.values().filter_map(|counter| counter.file().cloned()).collect();
        let counters = tables.deployments.iter().map(|deployment| {
            let before = current.get(&deployment.id).map(Arc::as_ref);
            let counter =
                Counter::prepare(deployment.tokenizer.as_ref(), deployment.model.as_ref(), before, &mut files)
                    .map_err(|error| format!("deployments.{}: {error}", deployment.id))?;
            Ok((deployment.id.clone(), Arc::new(counter)))
        });
        counters.collect::<Result<_, String>>().map(Prepared)
    }

    /// Puts them in force, and has missing vocabularies built by a thread that ends with that.
    pub fn install(&self, prepared: Prepared) {
        let wanted = |encoding: &Encoding| {
            let named = prepared.0.values().any(|counter| counter.encoding() == Some(*encoding));
            named && Vocabulary::ready(*encoding).is_none()
        };
        let missing: Vec<Encoding> = Encoding::ALL.into_iter().filter(wanted).collect();
        self.counters.store(Arc::new(prepared.0));
        if !missing.is_empty() {
            let build = move || {
                for encoding in missing {
                    Vocabulary::shared(encoding);
                }
            };
            // A machine that has no thread left has worse troubles; counts stay estimates.
            drop(std::thread::Builder::new().name("fastgate-vocabulary".into()).spawn(build));
        }
    }

    /// Tokens that a text is likely to be, in at most some 50 µs: exact for up to 4 KB where the deployment's tokenizer
    /// is ready; beyond that the ratio of the first 4 KB, and without a tokenizer what its provider's reports taught.
    /// An unknown deployment counts by the untaught ratio.
    #[must_use]
    pub fn estimate(&self, deployment: &str, text: &[u8]) -> u64 {
        let Some(counter) = self.counter(deployment) else { return Factor::default().estimate(text.len() as u64) };
        Sampler::new(&counter, INLINE_BYTES).count(&String::from_utf8_lossy(text))
    }

    /// Tokens that a chat request's prompt is likely to be, in the same way and time; pictures count as pictures. A body
    /// that is no chat request, or above 256 KB, is estimated as text.
    #[must_use]
    pub fn estimate_prompt(&self, deployment: &str, body: &[u8]) -> u64 {
        let parts = if body.len() <= INLINE_PARSE_BYTES { Parts::read(body).ok() } else { None };
        match (parts, self.counter(deployment)) {
            (Some(parts), Some(counter)) => {
                let sampler = Sampler::new(&counter, INLINE_BYTES);
                parts.tokens(&|text| sampler.count(text))
            }
            _ => self.estimate(deployment, body),
        }
    }

    /// Exact tokens of a chat request's prompt (to what `fastgate_core::tokens::chat` says of tools and pictures).
    /// `None` if the deployment has no tokenizer that is ready, or the body is no chat request. Bodies above 4 KB are
    /// counted off the I/O thread. Counts of messages are kept, so a conversation costs its new messages.
    pub async fn count_prompt(self: &Arc<Self>, deployment: &str, body: Bytes) -> Option<u64> {
        let counter = self.counter(deployment)?;
        counter.identity()?;
        if body.len() <= INLINE_BYTES {
            return self.count_exactly(&counter, &body);
        }
        // The permit goes with the work: dropping this future does not stop a thread.
        let permit = Arc::clone(&self.blocking).acquire_owned().await.ok()?;
        let this = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let count = this.count_exactly(&counter, &body);
            drop(permit);
            count
        });
        work.await.ok().flatten()
    }

    /// Tokens that so many bytes are likely to be, by what the deployment's provider reported so far.
    #[must_use]
    pub fn estimate_bytes(&self, deployment: &str, bytes: u64) -> u64 {
        self.counter(deployment).map_or_else(Factor::default, |counter| counter.factor()).estimate(bytes)
    }

    /// A provider reported `tokens` for `bytes` of text.
    pub fn observe(&self, deployment: &str, bytes: u64, tokens: u64) {
        if let Some(counter) = self.counter(deployment) {
            counter.observe(bytes, tokens);
        }
    }

    fn counter(&self, deployment: &str) -> Option<Arc<Counter>> {
        self.counters.load().get(deployment).cloned()
    }

    fn count_exactly(&self, counter: &Counter, body: &[u8]) -> Option<u64> {
        let identity = counter.identity()?;
        let parts = Parts::read(body).ok()?;
        let count = |text: &str| counter.count(text).unwrap_or_else(|| counter.factor().estimate(text.len() as u64));
        let known = |part: &str, count_part: &dyn Fn() -> u64| {
            let key = message_key(identity, part.as_bytes());
            self.messages.get(&key).unwrap_or_else(|| {
                let tokens = count_part();
                self.messages.insert(key, tokens);
                tokens
            })
        };
        let messages: u64 = parts
            .messages
            .iter()
            .map(|message| known(message.get(), &|| chat::message_tokens(message.get(), &count)))
            .sum();
        let tools = parts.tools.map_or(0, |tools| known(tools.get(), &|| chat::tools_tokens(tools.get(), &count)));
        Some(messages + tools + chat::REPLY_TOKENS)
    }
}

#[cfg(test)]
mod tests;
