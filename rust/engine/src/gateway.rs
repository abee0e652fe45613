//! What all cores share, and how the configuration in force is replaced.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use fastgate_core::jwt::{KeySet, KeySets};
use fastgate_core::tables::Tables;
use parking_lot::{Condvar, Mutex};

use crate::explain;
use crate::idempotency;
use crate::limits::{CapacityRegistry, Customers, restore};
use crate::made::Made;
use crate::resilience::{self, Registry};
use crate::settlement::Counts;
use crate::snapshot::{Environment, Snapshot};
use crate::spool::Spool;
use crate::telemetry::Telemetry;
use crate::vocabularies::Vocabularies;

/// State shared by all cores: few things, each with its own synchronisation.
#[derive(Debug)]
pub struct Shared {
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// The keys of token issuers: they change when an issuer says so, not with the configuration.
    pub(crate) key_sets: ArcSwap<KeySets>,
    /// Tokens refused because their key is not in the set, or no set is there yet.
    unknown_token_keys: AtomicU64,
    /// What counts tokens for the deployments in force.
    pub vocabularies: Arc<Vocabularies>,
    /// Where the native door listens; its host may be named by clients.
    pub listen: Mutex<Option<SocketAddr>>,
    /// What all cores have counted.
    pub telemetry: Telemetry,
    /// Configurations put in force.
    generation: AtomicU64,
    draining: AtomicBool,
    /// Client connections open on the native door.
    connections: Mutex<usize>,
    /// The same by core; cores add to and take from their own.
    cores: Mutex<Vec<Arc<AtomicUsize>>>,
    all_closed: Condvar,
    counts: Mutex<Vec<Arc<Counts>>>,
    /// Where records of exchanges are kept; `None` for an engine without a state directory.
    pub spool: Option<Arc<Spool>>,
    environment: Environment,
    /// Who made what providers keep.
    pub(crate) made: Made,
    /// Answers to requests with an `Idempotency-Key`.
    pub(crate) idempotency: Arc<idempotency::Store>,
    /// How deployments and credentials do, by name.
    pub(crate) registry: Registry,
    /// How much of what providers allow is in use, by name.
    pub(crate) capacity: CapacityRegistry,
    /// What customers have used of their limits.
    pub(crate) customers: Customers,
}

impl Shared {
    /// Prepares the first configuration. The spool is `spool` in the state directory; without one it is off.
    ///
    /// # Errors
    /// What is wrong with the tables, without secrets, or with the directory.
    pub fn new(tables: Tables, environment: Environment, state_dir: Option<&Path>) -> Result<Arc<Self>, String> {
        Telemetry::check(&tables)?;
        let telemetry = Telemetry::new(&tables);
        let started = tokio::time::Instant::now();
        let registry = Registry::new(started);
        let capacity = CapacityRegistry::new(started, SystemTime::now());
        let snapshot = Snapshot::prepare(tables, &environment, (&registry, &capacity))?;
        let open = |directory: &Path| {
            Spool::open(directory, snapshot.tables.spool)
                .map_err(|error| format!("the spool {} can't be used: {error}", directory.display()))
        };
        let spool = state_dir.map(|directory| open(&directory.join("spool"))).transpose()?;
        let customers = Customers::new(snapshot.tables.limiting.identities);
        if let Some((spool, state_dir)) = spool.as_ref().zip(state_dir)
            && let Some(mut writer) = spool.writer()
        {
            let directory = state_dir.join("spool");
            restore(&customers, &snapshot.limit_rules, &snapshot.tables, &directory, &mut writer)?;
        }
        let vocabularies = Arc::new(Vocabularies::default());
        vocabularies.install(vocabularies.prepare(&snapshot.tables)?);
        telemetry.configure(&snapshot.tables);
        Ok(Arc::new(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            key_sets: ArcSwap::default(),
            unknown_token_keys: AtomicU64::new(0),
            vocabularies,
            listen: Mutex::default(),
            telemetry,
            generation: AtomicU64::new(1),
            draining: AtomicBool::new(false),
            connections: Mutex::new(0),
            cores: Mutex::default(),
            all_closed: Condvar::new(),
            counts: Mutex::default(),
            spool,
            environment,
            made: Made::new(Instant::now()),
            idempotency: idempotency::Store::new(),
            registry,
            capacity,
            customers,
        }))
    }

    /// Replaces the configuration: prepared first (which may fail), then swapped (which can't).
    ///
    /// # Errors
    /// What is wrong with the tables; the old ones stay in force.
    pub fn reload(&self, tables: Tables) -> Result<(), String> {
        let beyond_loopback = self.listen.lock().is_some_and(|address| !address.ip().is_loopback());
        if tables.is_keyless() && beyond_loopback {
            return Err("keys: the last key can't be removed while listening beyond loopback".into());
        }
        Telemetry::check(&tables)?;
        let snapshot = Arc::new(Snapshot::prepare(tables, &self.environment, (&self.registry, &self.capacity))?);
        self.vocabularies.install(self.vocabularies.prepare(&snapshot.tables)?);
        self.telemetry.configure(&snapshot.tables);
        if let Some(spool) = &self.spool {
            spool.set_settings(snapshot.tables.spool);
        }
        self.customers.book.set_identities_max(snapshot.tables.limiting.identities);
        self.snapshot.store(snapshot);
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Configurations put in force since the start.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Replaces the keys that an issuer's tokens are checked with; how many of them can be used.
    ///
    /// # Errors
    /// What is wrong with the JWKS document; the old keys stay.
    pub fn set_jwks(&self, issuer: &str, document: &[u8]) -> Result<usize, String> {
        let keys = KeySet::read(document)?;
        let count = keys.len();
        let configured = Arc::clone(&self.snapshot.load().jwt_issuers);
        let is_configured = |name: &str| configured.iter().any(|known| known.issuer == name);
        // Only the control plane sets keys, but one thread per issuer does.
        let keys = Arc::new(keys);
        self.key_sets.rcu(|sets| sets.with(issuer, &keys, is_configured));
        Ok(count)
    }

    /// Notes a token whose key is not known.
    pub(crate) fn note_unknown_token_key(&self) {
        self.unknown_token_keys.fetch_add(1, Ordering::Relaxed);
    }

    /// Tokens refused because their key is not known: a reason to look for new keys.
    pub fn unknown_token_keys(&self) -> u64 {
        self.unknown_token_keys.load(Ordering::Relaxed)
    }

    /// How every provider, credential and deployment does, as JSON.
    pub fn health(&self) -> Vec<u8> {
        resilience::report(&self.snapshot.load(), tokio::time::Instant::now())
    }

    /// Where a request would go, and why not elsewhere: `{request, headers, tenant, key, user, feature, session, region,
    /// latency, cost_class}` as JSON, all but `request` optional, to a [`fastgate_core::routing::Explanation`].
    ///
    /// # Errors
    /// What is wrong with the question.
    pub fn explain(&self, question: &[u8]) -> Result<Vec<u8>, String> {
        explain::explain(self, question)
    }

    /// Replaces the failover drills under way: a JSON list of `{id, provider, permille, tenants, features, ends_unix_ms}`.
    ///
    /// # Errors
    /// What is wrong with the document; the old ones go on.
    pub fn set_drills(&self, drills: &[u8]) -> Result<(), String> {
        self.registry.drills.set(drills)
    }

    /// What each drill has done so far, as JSON: `{id: {exchanges, failed, forced}}`.
    pub fn drill_counts(&self) -> Vec<u8> {
        self.registry.drills.counts()
    }

    /// Replaces the limits that are higher for a while: a JSON list of `{rule, identity, amount, ends_unix_ms}`.
    ///
    /// # Errors
    /// What is wrong with the document; the old ones go on.
    pub fn set_raises(&self, raises: &[u8]) -> Result<(), String> {
        self.customers.set_raises(raises)
    }

    /// How the counts of limits stand, as JSON; see `docs/limits.md`.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn limit_standings(&self, query: &[u8]) -> Result<Vec<u8>, String> {
        self.customers.standings(&self.snapshot.load(), query)
    }

    /// What happened at limits since the last call, as a JSON list.
    pub fn take_limit_events(&self) -> Vec<u8> {
        self.customers.events.take()
    }

    /// A new core's counts.
    pub fn add_counts(&self) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        self.counts.lock().push(Arc::clone(&counts));
        counts
    }

    /// Exchanges begun, and settled by (outcome, fault's owner), over all cores.
    pub fn totals(&self) -> (u64, Vec<(&'static str, &'static str, u64)>) {
        let mut started = 0;
        let mut settled: Vec<(&'static str, &'static str, u64)> = Vec::new();
        for counts in self.counts.lock().iter() {
            let (core_started, core_settled) = counts.read();
            started += core_started;
            for (name, fault, count) in core_settled {
                // Two causes may have one code: an error that passes, and the same one that does not.
                match settled.iter_mut().find(|(known, whose, _)| (*known, *whose) == (name, fault)) {
                    Some(total) => total.2 += count,
                    None => settled.push((name, fault, count)),
                }
            }
        }
        (started, settled)
    }

    /// Exchanges begun and not yet settled.
    pub fn in_flight(&self) -> u64 {
        let (started, settled) = self.totals();
        started.saturating_sub(settled.iter().map(|(_, _, count)| count).sum())
    }

    /// Client connections open on the native door.
    pub fn connections(&self) -> usize {
        *self.connections.lock()
    }

    /// Client connections open on the native door, by core.
    pub fn connections_by_core(&self) -> Vec<usize> {
        self.cores.lock().iter().map(|core| core.load(Ordering::Relaxed)).collect()
    }

    /// The native door's cores, each with the connections it counts.
    pub(crate) fn set_cores(&self, connections: Vec<Arc<AtomicUsize>>) {
        *self.cores.lock() = connections;
    }

    /// Waits until no client is connected, at the latest until `deadline`. Returns whether none is.
    pub fn wait_for_connections_to_close(&self, deadline: Instant) -> bool {
        let mut connections = self.connections.lock();
        self.all_closed.wait_while_until(&mut connections, |open| *open > 0, deadline);
        *connections == 0
    }

    /// Work is wanted, at this address.
    pub(crate) fn start_serving(&self, listen: SocketAddr) {
        *self.listen.lock() = Some(listen);
        self.draining.store(false, Ordering::Relaxed);
    }

    /// From now on no new work is wanted.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the engine is shutting down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// One open client connection.
#[derive(Debug)]
pub(crate) struct ConnectionCount(Arc<Shared>);

impl ConnectionCount {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        *shared.connections.lock() += 1;
        Self(Arc::clone(shared))
    }
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        let mut connections = self.0.connections.lock();
        *connections -= 1;
        if *connections == 0 {
            self.0.all_closed.notify_all();
        }
    }
}
