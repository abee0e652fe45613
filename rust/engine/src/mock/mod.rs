//! The mock provider: a scriptable upstream for tests, benchmarks and a first run without an account.
//!
//! It speaks OpenAI's, Anthropic's and Gemini's dialects from templates of its own and misbehaves on request. It shares
//! no code with the gateway's readers and writers, so that neither can hide the other's mistakes. `docs/mock.md` is its
//! manual.

mod answer;
mod anthropic;
mod behaviour;
mod delay;
mod dialect;
mod events;
mod exchange;
mod fields;
mod gemini;
mod ids;
mod inspect;
mod openai;
mod pieces;
mod point;
mod program;
mod record;
mod reply;
mod script;
mod server;
mod turn;
mod vector;
mod wire;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::watch;

use behaviour::Behaviour;
use record::{Counts, Records};
pub use record::{Outcome, Record};
use reply::Reply;
use script::Script;

const EMPTY_SCRIPT: &str = "{}";
/// How often a waiting caller looks at the counters; no request pays for a waiter.
const WAIT_STEP: Duration = Duration::from_millis(1);

/// How to start a mock.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads with a runtime each.
    pub threads: usize,
    /// Whether requests are kept for inspection.
    pub record: bool,
    /// The start of every random draw.
    pub seed: u64,
    /// A script as JSON text.
    pub script: Option<String>,
    /// Behaviour fields below the script's own defaults, as a JSON object.
    pub defaults: Option<String>,
}

/// Why a mock did not start or take a script.
#[derive(Debug)]
pub enum MockError {
    /// The script or the defaults are wrong; the text says where.
    Script(String),
    /// The address could not be bound, or a thread not started.
    Listen(io::Error),
}

impl fmt::Display for MockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(error) => write!(formatter, "mock script: {error}"),
            Self::Listen(error) => write!(formatter, "mock provider: {error}"),
        }
    }
}

impl std::error::Error for MockError {}

/// What all threads of one mock share.
#[derive(Debug)]
struct Shared {
    counts: Counts,
    records: Option<Records>,
    script: ArcSwap<Script>,
    /// Held while a script is read, grown and stored, so that no step is lost.
    script_change: Mutex<()>,
    first_script: String,
    options: Map<String, Value>,
    /// Answers that no script may shape: refusals of the mock itself.
    plain: Arc<Reply>,
    seed: u64,
}

impl Shared {
    fn records(&self) -> Vec<Arc<Record>> {
        self.records.as_ref().map(Records::all).unwrap_or_default()
    }

    fn set_script(&self, text: &str) -> Result<(), String> {
        let script = Script::parse(&self.options, text)?;
        let _changing = self.script_change.lock();
        self.script.store(Arc::new(script));
        Ok(())
    }

    fn append_script(&self, text: &str) -> Result<(), String> {
        let _changing = self.script_change.lock();
        self.script.store(Arc::new(self.script.load().appended(text)?));
        Ok(())
    }

    /// Forgets records and sums and starts the first script again.
    fn reset(&self) {
        self.counts.reset();
        if let Some(records) = &self.records {
            records.clear();
        }
        // It was read when the mock started.
        let _ = self.set_script(&self.first_script);
    }
}

/// A running mock; dropping it stops it.
#[derive(Debug)]
pub struct MockProvider {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl MockProvider {
    /// Binds and starts the threads.
    ///
    /// # Errors
    /// A script that cannot be read, or an address that cannot be bound.
    pub fn start(options: &Options) -> Result<Self, MockError> {
        let defaults = options.defaults.as_deref().unwrap_or("{}");
        let defaults: Map<String, Value> =
            serde_json::from_str(defaults).map_err(|error| MockError::Script(error.to_string()))?;
        let first_script = options.script.clone().unwrap_or_else(|| EMPTY_SCRIPT.to_owned());
        let script = Script::parse(&defaults, &first_script).map_err(MockError::Script)?;
        let shared = Arc::new(Shared {
            counts: Counts::default(),
            records: options.record.then(Records::default),
            script: ArcSwap::from_pointee(script),
            script_change: Mutex::default(),
            first_script,
            options: defaults,
            plain: Arc::new(Reply::new(Behaviour::default())),
            seed: options.seed,
        });
        let listener = server::bind(options.listen).map_err(MockError::Listen)?;
        let address = listener.local_addr().map_err(MockError::Listen)?;
        let (stop, stopped) = watch::channel(false);
        let provider = Self { shared, address, stop, threads: Mutex::default() };
        for index in 0..options.threads.max(1) {
            let thread = listener
                .try_clone()
                .and_then(|listener| server::spawn(listener, Arc::clone(&provider.shared), stopped.clone(), index));
            provider.threads.lock().push(thread.map_err(MockError::Listen)?);
        }
        Ok(provider)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it received, the oldest first; at most 10,000 requests or 64 MiB of bodies.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Record>> {
        self.shared.records()
    }

    /// Every counter by name.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.shared.counts.all().to_vec()
    }

    /// Replaces the script; requests under way finish as they began.
    ///
    /// # Errors
    /// A script that cannot be read; the old one stays.
    pub fn set_script(&self, text: &str) -> Result<(), MockError> {
        self.shared.set_script(text).map_err(MockError::Script)
    }

    /// Puts a script's steps behind those there are.
    ///
    /// # Errors
    /// A script that cannot be read; nothing is added.
    pub fn append_script(&self, text: &str) -> Result<(), MockError> {
        self.shared.append_script(text).map_err(MockError::Script)
    }

    /// Forgets records and sums, and starts the first script again.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Waits until at least `requests` came in and at most `in_flight` are being answered; false if `timeout` is over first.
    #[must_use]
    pub fn wait(&self, requests: u64, in_flight: u64, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        loop {
            if self.shared.counts.reached(requests, in_flight) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(WAIT_STEP);
        }
    }

    /// Closes the listener and every connection, and waits for the threads.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for MockProvider {
    fn drop(&mut self) {
        self.stop();
    }
}
