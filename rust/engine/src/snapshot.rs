//! The tables, prepared: addresses parsed, request heads built, keys hashed. Immutable; an exchange keeps the one it
//! began with.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use fastgate_core::dialects::Dialect;
use fastgate_core::keys::KeyRing;
use fastgate_core::limits::Rules;
use fastgate_core::routing::Policy;
use fastgate_core::tables::limits::Capacity;
use fastgate_core::tables::{Credential, Deployment, JwtIssuer, Provider, ProviderDialect, Tables};
use http::{HeaderValue, Uri};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

use crate::crossing::Crossing;
use crate::limits::{Capacities, CapacityRegistry, Credentials};
use crate::operation::{Call, OPERATIONS, Operation};
use crate::rates::RateBook;
use crate::resilience::{Fleet, Registry};
use crate::upstream::{Address, CountsByOrigin, CredentialHead, Origin, ProxyMatcher, TlsRoots};

/// What preparation takes from outside: proxies of the environment, trusted roots.
#[derive(Debug)]
pub struct Environment {
    /// `HTTPS_PROXY` and `NO_PROXY`, as they were at start.
    pub(crate) proxies: ProxyMatcher,
    /// Roots for providers without a `ca_file`.
    pub(crate) roots: TlsRoots,
    /// Connections by origin, whichever configuration they were opened under.
    pub(crate) connections: CountsByOrigin,
}

impl Environment {
    /// Reads the process's environment.
    #[must_use]
    pub fn from_process() -> Self {
        Self {
            proxies: ProxyMatcher::from_environment(),
            roots: TlsRoots::default(),
            connections: CountsByOrigin::default(),
        }
    }
}

impl Credentials for Fleet {
    fn credential(&self, deployment: usize, random: u64, now: Instant) -> usize {
        Self::credential(self, deployment, random, now)
    }

    fn credential_pauses_ns(&self, provider: usize, now: Instant) -> Vec<u64> {
        Self::credential_pauses_ns(self, provider, now)
    }
}

/// A configuration ready for use.
#[derive(Debug)]
pub struct Snapshot {
    /// The tables it was prepared from.
    pub tables: Tables,
    /// Virtual keys by digest.
    pub keys: KeyRing,
    /// Issuers whose tokens are accepted.
    pub jwt_issuers: Arc<[JwtIssuer]>,
    /// One per provider, in the tables' order.
    pub(crate) targets: Vec<Target>,
    /// All that is made is made for one tenant, because no key or token belongs to another.
    pub(crate) has_one_tenant: bool,
    /// What `x-fastgate-deployment` says, one per deployment.
    pub(crate) deployment_names: Vec<HeaderValue>,
    /// What each deployment costs.
    pub rates: RateBook,
    /// The policy tables, ready to be asked.
    pub(crate) policy: Policy,
    /// Limits of customers, ready to be asked.
    pub(crate) limit_rules: Rules,
    /// How each deployment does.
    pub(crate) fleet: Arc<Fleet>,
    /// What providers let each deployment do.
    pub(crate) capacities: Arc<Capacities>,
    /// Seconds since 1970 when it was prepared; what `GET /v1/models` calls `created`.
    pub prepared_unix_s: u64,
}

/// A provider, ready to be called.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) origin: Arc<Origin>,
    /// Path of the base URL.
    base_path: String,
    dialect: ProviderDialect,
    /// Where the operations without an id are, in the order of [`OPERATIONS`]; `None` for the others.
    addresses: Vec<Option<Address>>,
    /// Where its models are, which a probe asks for.
    pub(crate) probe: Address,
    /// Request heads, one per credential (or one without).
    pub(crate) heads: Vec<CredentialHead>,
    pub(crate) secrets: Arc<Secrets>,
}

/// The credentials of a provider's account, which some vendors echo in errors.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Vec<u8>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    pub(crate) fn new(credentials: &[Credential]) -> Self {
        let secrets = credentials.iter().map(|credential| credential.secret.clone().into_bytes());
        Self(secrets.filter(|secret| !secret.is_empty()).collect())
    }

    /// The text without any of them.
    pub(crate) fn remove_from(&self, text: Bytes) -> Bytes {
        let mut clean = text;
        for secret in &self.0 {
            if memmem::find(&clean, secret).is_some() {
                clean = replace_all(&clean, secret, b"[redacted]").into();
            }
        }
        clean
    }
}

impl Snapshot {
    /// Prepares tables for use. `known`: how deployments do and what of their capacity is in use, by name.
    ///
    /// # Errors
    /// Which provider can't be prepared, and why; never a secret.
    pub(crate) fn prepare(
        mut tables: Tables,
        environment: &Environment,
        known: (&Registry, &CapacityRegistry),
    ) -> Result<Self, String> {
        let targets = tables
            .providers
            .iter()
            .map(|provider| {
                Target::prepare(provider, environment).map_err(|error| format!("providers.{}: {error}", provider.id))
            })
            .collect::<Result<_, _>>()?;
        let deployment_names = tables
            .deployments
            .iter()
            .map(|deployment| {
                HeaderValue::from_str(&deployment.id)
                    .map_err(|_| format!("deployments.{}: not a name a header may carry", deployment.id))
            })
            .collect::<Result<_, _>>()?;
        let has_one_tenant = has_one_tenant(&tables);
        let policy = Policy::prepare(&tables);
        let limit_rules = Rules::prepare(&tables)?;
        let fleet = Arc::new(known.0.fleet(&tables));
        let capacities = known.1.capacities(&tables, Arc::clone(&fleet) as _, Instant::now());
        let keys = KeyRing::new(std::mem::take(&mut tables.keys));
        let jwt_issuers = std::mem::take(&mut tables.jwt_issuers).into();
        let prepared_unix_s =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let rates = RateBook::prepare(&tables);
        Ok(Self {
            tables,
            keys,
            jwt_issuers,
            targets,
            has_one_tenant,
            deployment_names,
            rates,
            policy,
            limit_rules,
            fleet,
            capacities,
            prepared_unix_s,
        })
    }

    /// The provider of the deployment with this index.
    pub(crate) fn provider(&self, deployment: usize) -> &Provider {
        &self.tables.providers[self.tables.deployments[deployment].provider]
    }

    /// How a request gets to a deployment's provider; `None`: that can't do what is asked for.
    pub(crate) fn crossing(&self, operation: &Operation, deployment: usize) -> Option<Crossing> {
        Crossing::find(operation, self.provider(deployment))
    }

    /// Whether a deployment's provider knows what it answered by its id. What was translated has an id too, but nobody
    /// who keeps it.
    pub(crate) fn keeps(&self, operation: &Operation, deployment: usize) -> bool {
        self.crossing(operation, deployment) == Some(Crossing::Same)
    }

    /// What a deployment's provider calls the model that a client names so.
    pub(crate) fn model_name<'a>(&'a self, deployment: usize, asked_name: &'a str) -> &'a str {
        self.tables.deployments[deployment].model.as_deref().unwrap_or(asked_name)
    }

    /// Whether no client is asked for a credential.
    pub(crate) fn is_keyless(&self) -> bool {
        self.keys.is_empty() && self.jwt_issuers.is_empty()
    }

    pub(crate) fn target(&self, deployment: &Deployment) -> &Target {
        &self.targets[deployment.provider]
    }
}

impl Target {
    fn prepare(provider: &Provider, environment: &Environment) -> Result<Self, String> {
        let base: Uri = provider.base_url.parse().map_err(|error| format!("base_url: {error}"))?;
        let origin = Origin::prepare(&base, provider, environment)?;
        let base_path = base.path().trim_end_matches('/').to_owned();
        let addresses = OPERATIONS
            .iter()
            .map(|operation| {
                let is_its = Crossing::find(operation, provider) == Some(Crossing::Same);
                let is_fixed = is_its && !operation.path.contains('{');
                let path = || format!("{base_path}{}{}", version(provider.dialect), operation.path);
                is_fixed.then(|| Address::new(&origin, &path())).transpose()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| format!("base_url: {error}"))?;
        let anonymous = Credential { secret: String::new(), weight: 1, limits: Capacity::default() };
        let credentials =
            if provider.credentials.is_empty() { std::slice::from_ref(&anonymous) } else { &provider.credentials };
        let heads = credentials
            .iter()
            .map(|credential| CredentialHead::prepare(provider, &origin, credential))
            .collect::<Result<_, _>>()?;
        let secrets = Arc::new(Secrets::new(&provider.credentials));
        let probe = Address::new(&origin, &format!("{base_path}{}/models", version(provider.dialect)));
        let probe = probe.map_err(|error| format!("base_url: {error}"))?;
        Ok(Self { origin, base_path, dialect: provider.dialect, addresses, probe, heads, secrets })
    }

    /// Where an operation is. Only an id, a model in the path or a query costs a formatting.
    ///
    /// # Errors
    /// A query that can't be part of an address.
    pub(crate) fn address(
        &self,
        call: Call<'_>,
        model: Option<&str>,
        query: Option<&str>,
    ) -> Result<Cow<'_, Address>, http::uri::InvalidUri> {
        if let (Some(Some(address)), None) = (self.addresses.get(call.index), query) {
            return Ok(Cow::Borrowed(address));
        }
        let operation = call.operation();
        let model = utf8_percent_encode(model.unwrap_or_default(), OF_A_NAME).to_string();
        let path = operation.path.replace("{}", call.id.unwrap_or_default()).replace("{model}", &model);
        let query = match operation.dialect {
            // What clients get in an array comes in events all the same.
            Dialect::Gemini { stream: true } => "?alt=sse".to_owned(),
            _ => query.map(|query| format!("?{query}")).unwrap_or_default(),
        };
        let version = version(self.dialect);
        Address::new(&self.origin, &format!("{}{version}{path}{query}", self.base_path)).map(Cow::Owned)
    }
}

/// What a path begins with behind the base URL, which has it where the vendor's SDK takes it so.
const fn version(dialect: ProviderDialect) -> &'static str {
    match dialect {
        ProviderDialect::Openai => "",
        ProviderDialect::Anthropic => "/v1",
        ProviderDialect::Gemini => "/v1beta",
    }
}

/// What must not stand in a path as it is.
const OF_A_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn replace_all(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut start = 0;
    for at in memmem::find_iter(text, from) {
        replaced.extend_from_slice(&text[start..at]);
        replaced.extend_from_slice(to);
        start = at + from.len();
    }
    replaced.extend_from_slice(&text[start..]);
    replaced
}

fn has_one_tenant(tables: &Tables) -> bool {
    let of_tokens =
        tables.jwt_issuers.iter().flat_map(|issuer| issuer.tenants.values().copied().chain(issuer.default_tenant));
    let mut tenants = tables.keys.iter().map(|key| key.tenant).chain(of_tokens);
    tenants.next().is_none_or(|first| tenants.all(|other| other == first))
}
