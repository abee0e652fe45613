//! One deployment's way to count: a shipped vocabulary, a `tokenizer.json`, or only what its provider reported so far.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use fastgate_core::tables::Tokenizer;
use fastgate_core::tokens::{Encoding, Factor, Vocabulary};

/// A `tokenizer.json`, read.
pub(super) struct TokenizerFile {
    tokenizer: tokenizers::Tokenizer,
    stamp: FileStamp,
    identity: u64,
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct FileStamp {
    path: String,
    modified: Option<SystemTime>,
    length_bytes: u64,
}

impl FileStamp {
    fn of(path: &str) -> Result<Self, String> {
        let metadata = std::fs::metadata(path).map_err(|error| format!("tokenizer {path}: {error}"))?;
        Ok(Self { path: path.into(), modified: metadata.modified().ok(), length_bytes: metadata.len() })
    }
}

impl std::fmt::Debug for TokenizerFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("TokenizerFile").field(&self.stamp).finish()
    }
}

impl TokenizerFile {
    /// Reads a file, or takes it from `known` where it has not changed.
    pub(super) fn load(path: &str, known: &[Arc<Self>]) -> Result<Arc<Self>, String> {
        static NEXT: AtomicU64 = AtomicU64::new(Encoding::ALL.len() as u64);
        let stamp = FileStamp::of(path)?;
        if let Some(file) = known.iter().find(|file| file.stamp == stamp) {
            return Ok(Arc::clone(file));
        }
        let tokenizer = tokenizers::Tokenizer::from_file(path).map_err(|error| format!("tokenizer {path}: {error}"))?;
        Ok(Arc::new(Self { tokenizer, stamp, identity: NEXT.fetch_add(1, Ordering::Relaxed) }))
    }
}

/// What counts exactly.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Shipped(Encoding),
    File(Arc<TokenizerFile>),
}

/// One deployment's counting; what it learned outlives reloads.
#[derive(Debug)]
pub(super) struct Counter {
    source: Option<Source>,
    /// A learned ratio is its model's; another model starts anew.
    model: Option<String>,
    factor: AtomicU64,
}

impl Counter {
    /// The counting of a deployment that was `before` in the last configuration.
    ///
    /// # Errors
    /// The file it names can't be read, or is no tokenizer.
    pub(super) fn prepare(
        tokenizer: Option<&Tokenizer>,
        model: Option<&String>,
        before: Option<&Self>,
        files: &mut Vec<Arc<TokenizerFile>>,
    ) -> Result<Self, String> {
        let source = match tokenizer {
            None => None,
            Some(Tokenizer::Encoding(encoding)) => Some(Source::Shipped(*encoding)),
            Some(Tokenizer::File(path)) => {
                let file = TokenizerFile::load(path, files)?;
                files.push(Arc::clone(&file));
                Some(Source::File(file))
            }
        };
        let learned = before.filter(|before| before.model.as_ref() == model);
        let factor = learned.map_or_else(Factor::default, Self::factor);
        Ok(Self { source, model: model.cloned(), factor: AtomicU64::new(factor.to_bits()) })
    }

    pub(super) fn file(&self) -> Option<&Arc<TokenizerFile>> {
        match &self.source {
            Some(Source::File(file)) => Some(file),
            _ => None,
        }
    }

    /// The shipped vocabulary it needs.
    pub(super) fn encoding(&self) -> Option<Encoding> {
        match self.source {
            Some(Source::Shipped(encoding)) => Some(encoding),
            _ => None,
        }
    }

    /// What tells its counts from another tokenizer's; `None` while it can't count exactly.
    pub(super) fn identity(&self) -> Option<u64> {
        match self.source.as_ref()? {
            Source::Shipped(encoding) => Vocabulary::ready(*encoding).map(|_| *encoding as u64),
            Source::File(file) => Some(file.identity),
        }
    }

    /// Exact tokens of a text; `None` without a tokenizer that is ready. Never waits for one.
    pub(super) fn count(&self, text: &str) -> Option<u64> {
        match self.source.as_ref()? {
            Source::Shipped(encoding) => Vocabulary::ready(*encoding).map(|vocabulary| vocabulary.count(text)),
            Source::File(file) => {
                file.tokenizer.encode_fast(text, false).ok().map(|encoded| encoded.get_ids().len() as u64)
            }
        }
    }

    pub(super) fn factor(&self) -> Factor {
        Factor::from_bits(self.factor.load(Ordering::Relaxed))
    }

    /// Learns from a provider's report.
    pub(super) fn observe(&self, bytes: u64, tokens: u64) {
        let learn = |bits| Some(Factor::from_bits(bits).observe(bytes, tokens).to_bits());
        // Always `Ok`: the closure never declines.
        let _ = self.factor.fetch_update(Ordering::Relaxed, Ordering::Relaxed, learn);
    }
}

/// Counts exactly while its allowance of bytes lasts, and by the ratio found until then.
pub(super) struct Sampler<'counter> {
    counter: &'counter Counter,
    left_bytes: Cell<usize>,
    counted: Cell<(u64, u64)>,
}

impl<'counter> Sampler<'counter> {
    pub(super) fn new(counter: &'counter Counter, allowance_bytes: usize) -> Self {
        Self { counter, left_bytes: Cell::new(allowance_bytes), counted: Cell::default() }
    }

    pub(super) fn count(&self, text: &str) -> u64 {
        let mut head = text.len().min(self.left_bytes.get());
        while !text.is_char_boundary(head) {
            head -= 1;
        }
        let (mut bytes, mut tokens) = self.counted.get();
        let mut exact = 0;
        if head > 0 {
            let Some(counted) = self.counter.count(&text[..head]) else {
                return self.counter.factor().estimate(text.len() as u64);
            };
            exact = counted;
            (bytes, tokens) = (bytes + head as u64, tokens + exact);
            self.counted.set((bytes, tokens));
            self.left_bytes.set(self.left_bytes.get() - head);
        }
        let rest = (text.len() - head) as u64;
        let estimated = match bytes {
            0 => self.counter.factor().estimate(rest),
            _ => (rest * tokens).div_ceil(bytes),
        };
        exact + estimated
    }
}
