//! The compiled configuration: what `fastgate.config` hands to the engine as one JSON document.
//!
//! The control plane has checked the file, resolved `${ENV}` and every name clash; these tables hold indices and units
//! only. [`Tables::validate`] is the last guard: an index out of range is refused before the swap, so the data path
//! never meets one. Durations are milliseconds, sizes bytes, times Unix seconds.

use foldhash::HashMap;
use serde::Deserialize;

use crate::prices::RateCard;

mod deployments;
pub mod limits;

pub use deployments::{
    CAPABILITIES, Capability, Credential, Deployment, KnownModels, Latency, ModelFacts, Provider, ProviderDialect,
    Timeouts, Tokenizer,
};
use limits::{LimitRule, LimitSettings};

/// Everything the data path needs to know, immutable once built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// Accounts at vendors.
    pub providers: Vec<Provider>,
    /// One model at one provider.
    pub deployments: Vec<Deployment>,
    /// Every exact name a client may send, and where it leads.
    pub models: HashMap<String, Route>,
    /// Providers without deployments: they serve names that no table lists.
    pub open_providers: Vec<OpenProvider>,
    /// Index into `deployments`: where files and batches are kept.
    pub files_deployment: Option<usize>,
    /// Classes of tenants.
    pub tiers: Vec<Tier>,
    /// Who pays; `keys[].tenant` points here. Index 0 is the tenant of a gateway without keys.
    pub tenants: Vec<Tenant>,
    /// Virtual keys. Empty means, where there are no `jwt_issuers` either, that no key is asked for.
    pub keys: Vec<Key>,
    /// Who else may vouch for a client: issuers of JSON Web Tokens.
    pub jwt_issuers: Vec<JwtIssuer>,
    /// Who may speak to the gateway at all.
    pub access: Access,
    /// Upper bounds of what one request may occupy.
    pub bounds: Bounds,
    /// How records of exchanges are kept.
    pub spool: SpoolSettings,
    /// Prices in place of the catalogue's, by deployment id or model name.
    pub prices: HashMap<String, RateCard>,
    /// How exchanges are billed.
    pub billing: Billing,
    /// What metrics may take.
    pub telemetry: Telemetry,
    /// Where exchanges are logged; `None`: nowhere.
    pub access_log: Option<AccessLog>,
    /// What is done about providers that fail.
    pub resilience: Resilience,
    /// What customers may use.
    #[serde(default)]
    pub limits: Vec<LimitRule>,
    /// What limits and queues may take.
    #[serde(default)]
    pub limiting: LimitSettings,
}

/// Where a model name leads: a policy table, of which the first row that matches gives the chain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Wall clock from receipt to commit.
    pub budget_ms: Option<u64>,
    /// Rows in order; at least one.
    pub rows: Vec<Row>,
    /// Whether `GET /v1/models` shows it.
    pub listed: bool,
}

/// One row of a policy table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which requests it is for.
    pub when: When,
    /// Steps in order of preference; at least one.
    pub chain: Vec<Step>,
}

/// Conditions of a row: all that are given must hold, each by any of its values. None: every request.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Indices into `tenants`.
    pub tenant: Option<Vec<usize>>,
    /// Indices into `tiers`.
    pub tier: Option<Vec<usize>>,
    /// Users by name.
    pub user: Option<Vec<String>>,
    /// Features by name.
    pub feature: Option<Vec<String>>,
    /// The region that the request is bound to, by its tenant or its header.
    pub region: Option<Vec<String>>,
    /// The class of latency that the request asks for.
    pub latency: Option<Vec<Latency>>,
    /// The class of cost that the request asks for.
    pub cost_class: Option<Vec<String>>,
    /// What the request needs.
    pub capability: Option<Vec<Capability>>,
    /// The name that the client sent: an alias of this model, or its own.
    pub model: Option<Vec<String>>,
    /// The request is estimated to have more input tokens than this.
    pub context_over: Option<u64>,
    /// Hours of the day in UTC, one bit each, the lowest for 00:00 to 00:59.
    pub hours: Option<u32>,
    /// At least this share of the requests that may be under way are, in thousandths.
    pub load_permille: Option<u32>,
}

/// A step of a chain: deployments that can stand in for each other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The group's id; `None` for a deployment alone.
    pub group: Option<String>,
    /// How the first of them is chosen.
    pub pick: Pick,
    /// What sticky requests stick by.
    pub sticky_by: StickyBy,
    /// At least one.
    pub members: Vec<Member>,
}

/// How a member of a group is chosen.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// By share.
    Weighted,
    /// The one with the lowest peak EWMA of time to first content and time per token.
    Fastest,
    /// The lowest price of this request.
    Cheapest,
    /// The fewest requests under way.
    LeastBusy,
    /// By share, and the same one for the same session (or user).
    Sticky,
}

/// What sticky requests stick by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum StickyBy {
    /// The session, or else the user.
    Session,
    /// The user.
    User,
}

/// A deployment within a step, with its share of the traffic.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Index into `deployments`.
    pub deployment: usize,
    /// Share relative to its siblings; at least 1.
    pub weight: u32,
}

/// A provider that serves names beyond those configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenProvider {
    /// Index into `deployments`: a deployment with `model: null`.
    pub deployment: usize,
    /// Bare names starting with one of these are its own.
    pub prefixes: Vec<String>,
    /// It takes every bare name (it is the only provider).
    pub any: bool,
}

/// A class of tenants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Name in the configuration.
    pub id: String,
    /// Share of waiting capacity relative to other tiers.
    pub weight: u32,
}

/// Who pays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Name in the configuration.
    pub id: String,
    /// Index into `tiers`.
    pub tier: Option<usize>,
    /// Residency: a deployment elsewhere, or of unknown region, is never used.
    pub region: Option<String>,
}

/// A virtual key. Only its digest is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Hex SHA-256 of the whole key string, lower case, without `sha256:`.
    pub digest: String,
    /// Index into `tenants`.
    pub tenant: usize,
    /// The user it fixes.
    pub user: Option<String>,
    /// The feature it fixes.
    pub feature: Option<String>,
    /// The model names it may ask for; `None` means all.
    pub models: Option<Vec<String>>,
    /// Indices of the deployments it may be served by; `None` means all.
    pub deployments: Option<Vec<usize>>,
    /// Refused from this moment on.
    pub expires_unix_s: Option<i64>,
}

impl Key {
    /// Names the key in records: the first 12 hex digits of its digest.
    #[must_use]
    pub fn id(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }
}

/// An issuer whose tokens are accepted, and how their claims are read. Its keys come from `Engine.set_jwks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuer {
    /// The claim `iss`, to the byte.
    pub issuer: String,
    /// One of them has to be in the claim `aud`.
    pub audiences: Vec<String>,
    /// What a token may be signed with.
    pub algorithms: Vec<JwtAlgorithm>,
    /// How far the issuer's clock may be off; added to `exp`, taken from `nbf`.
    pub leeway_s: i64,
    /// Claims that have to be there, beside `exp`.
    pub required: Vec<String>,
    /// The claim that says who pays.
    pub tenant_claim: Option<String>,
    /// Its values, as indices into `tenants`.
    pub tenants: HashMap<String, usize>,
    /// Index of who pays for tokens without that claim. `None`: they are refused.
    pub default_tenant: Option<usize>,
    /// The claim that says who asked.
    pub user_claim: String,
    /// The claim that fixes the feature.
    pub feature_claim: Option<String>,
    /// The claim that lists the model names the client may ask for.
    pub models_claim: Option<String>,
}

/// Signatures that are accepted: public keys only, so `none` and `HS256` can't be written down.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[expect(missing_docs, reason = "named as in RFC 7518 and RFC 8037")]
pub enum JwtAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// Who may speak to the gateway at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Hosts that requests may name, lower case, without port. `None`: any host where keys exist, loopback names and
    /// the listen address where none do.
    pub allowed_hosts: Option<Vec<String>>,
    /// Origins that browsers may call from.
    pub allowed_origins: Vec<String>,
}

/// Upper bounds of what one request, one connection and all of them may occupy.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Largest request body.
    pub request_body_bytes: usize,
    /// Largest multipart form.
    pub multipart_body_bytes: usize,
    /// What a request's header lines may add up to: names, values, and the four bytes around them.
    pub request_headers_bytes: usize,
    /// Header lines a request may have; at most 100, the native door's own bound.
    pub request_header_fields: usize,
    /// Longest path with its query.
    pub request_target_bytes: usize,
    /// Deepest nesting of a request's JSON.
    pub json_depth: usize,
    /// Largest answer of a provider, streams included.
    pub answer_body_bytes: u64,
    /// Client connections open at once (native door).
    pub connections: usize,
    /// Requests under way at once.
    pub in_flight: usize,
    /// How clients are timed (native door).
    pub clients: ClientTimes,
    /// Largest event of a stream.
    pub stream_event_bytes: usize,
    /// A translated stream that is silent for so long sends a sign of life.
    pub stream_ping_ms: u64,
    /// Idle upstream connections kept per core and provider address.
    pub idle_connections: usize,
    /// How long one is kept.
    pub idle_timeout_ms: u64,
}

/// How records of exchanges are kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SpoolSettings {
    /// A segment of this size is closed.
    pub segment_size_bytes: u64,
    /// A segment of this age is closed.
    pub segment_age_ms: u64,
    /// Whether closed segments are compressed.
    pub compress: bool,
    /// With less free space than this there is an alarm.
    pub free_space_floor_bytes: u64,
    /// With larger segments than this in all there is an alarm.
    pub total_size_bytes: u64,
}

/// How exchanges are billed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// What becomes of a request whose price is unknown.
    pub unknown_price: UnknownPrice,
}

/// What becomes of a request whose price is unknown.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPrice {
    /// It passes, and its cost is recorded as unknown.
    Allow,
    /// It is refused.
    Block,
}

/// What metrics may take.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Tenants, models and deployments with series of their own, each; ten times as many combinations.
    pub label_values: usize,
}

/// A log with a line per exchange.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// The file; `None`: standard output.
    pub path: Option<String>,
    /// Lines of one core that may wait to be written.
    pub buffer_bytes: usize,
}

/// What is done about providers that fail.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Resilience {
    /// The first repeat of a call waits for a random time up to this; the next up to twice as long.
    pub backoff_ms: u64,
    /// No back-off is longer.
    pub backoff_max_ms: u64,
    /// A provider that asks for a longer pause is left for the next one in the chain, if there is one.
    pub wait_max_ms: u64,
    /// Repeats that a provider may get, in thousandths of its first calls.
    pub retry_permille: u32,
    /// The same, per second, whatever the traffic.
    pub retries_per_second: u32,
    /// When a deployment or a credential is left alone.
    pub breaker: BreakerSettings,
    /// A credential that was refused is left alone for this long.
    pub credential_pause_ms: u64,
    /// Whether calls under way are limited while a provider says that it is overloaded.
    pub adaptive_concurrency: bool,
    /// How often deployments that are left alone are asked for their models; `None`: never.
    pub probe_interval_ms: Option<u64>,
    /// How long an answer is kept for repeats with the same `Idempotency-Key`.
    pub idempotency_ms: u64,
    /// How large all kept answers together may be.
    pub idempotency_bytes: usize,
}

/// When a deployment or a credential is left alone, and for how long.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub consecutive_failures: u32,
    /// It also opens when fewer than this many in a thousand recent calls succeed.
    pub success_permille: u32,
    /// Calls that have to be known before that counts.
    pub minimum_calls: u32,
    /// How long it stays open the first time; doubled each time that the trial call fails.
    pub open_ms: u64,
    /// No longer than this.
    pub open_max_ms: u64,
}

/// How long a client may take, in milliseconds; what ASGI servers bound themselves.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ClientTimes {
    /// From a connection's or a request's first byte to the end of the request's headers.
    pub head_ms: u64,
    /// Between two pieces of a request's body.
    pub body_gap_ms: u64,
    /// For a request's body as a whole.
    pub body_ms: u64,
    /// Without taking a byte of an answer that is ready.
    pub write_gap_ms: u64,
    /// Without a request on an open connection.
    pub keep_alive_ms: u64,
    /// From a request's headers to its answer's last byte.
    pub exchange_ms: u64,
}

impl Tables {
    /// Reads the document and checks every index in it.
    ///
    /// # Errors
    /// A message that names the table, the entry and what is wrong with it; never a secret.
    pub fn from_json(document: &[u8]) -> Result<Self, String> {
        let tables: Self =
            serde_json::from_slice(document).map_err(|error| format!("compiled configuration: {error}"))?;
        tables.validate()?;
        Ok(tables)
    }

    /// Whether no client is asked for a credential.
    #[must_use]
    pub fn is_keyless(&self) -> bool {
        self.keys.is_empty() && self.jwt_issuers.is_empty()
    }

    fn validate(&self) -> Result<(), String> {
        if self.tenants.is_empty() {
            return Err("tenants: at least one is needed".into());
        }
        for deployment in &self.deployments {
            check_index("deployments", &deployment.id, "provider", deployment.provider, self.providers.len())?;
        }
        for (name, route) in &self.models {
            self.validate_route(name, route)?;
        }
        for open in &self.open_providers {
            check_index("open_providers", "", "deployment", open.deployment, self.deployments.len())?;
        }
        if let Some(deployment) = self.files_deployment {
            check_index("files_deployment", "", "deployment", deployment, self.deployments.len())?;
        }
        for tenant in &self.tenants {
            if let Some(tier) = tenant.tier {
                check_index("tenants", &tenant.id, "tier", tier, self.tiers.len())?;
            }
        }
        for key in &self.keys {
            check_index("keys", &key.digest, "tenant", key.tenant, self.tenants.len())?;
            for deployment in key.deployments.iter().flatten() {
                check_index("keys", &key.digest, "deployment", *deployment, self.deployments.len())?;
            }
            if key.digest.len() != 64 || !key.digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return Err("keys: a digest is 64 lower-case hex digits".into());
            }
        }
        for (index, issuer) in self.jwt_issuers.iter().enumerate() {
            for tenant in issuer.tenants.values().chain(&issuer.default_tenant) {
                check_index("jwt_issuers", &issuer.issuer, "tenant", *tenant, self.tenants.len())?;
            }
            if self.jwt_issuers[..index].iter().any(|other| other.issuer == issuer.issuer) {
                return Err(format!("jwt_issuers.{}: the same issuer twice", issuer.issuer));
            }
        }
        Ok(())
    }

    fn validate_route(&self, name: &str, route: &Route) -> Result<(), String> {
        if route.rows.is_empty() {
            return Err(format!("models.{name}: at least one row is needed"));
        }
        for row in &route.rows {
            if row.chain.is_empty() || row.chain.iter().any(|step| step.members.is_empty()) {
                return Err(format!("models.{name}: a chain needs at least one deployment in every step"));
            }
            for tenant in row.when.tenant.iter().flatten() {
                check_index("models", name, "tenant", *tenant, self.tenants.len())?;
            }
            for tier in row.when.tier.iter().flatten() {
                check_index("models", name, "tier", *tier, self.tiers.len())?;
            }
            for member in row.chain.iter().flat_map(|step| &step.members) {
                check_index("models", name, "deployment", member.deployment, self.deployments.len())?;
                if member.weight == 0 {
                    return Err(format!("models.{name}: a weight must be at least 1"));
                }
            }
        }
        Ok(())
    }
}

fn check_index(table: &str, entry: &str, field: &str, index: usize, length: usize) -> Result<(), String> {
    if index < length {
        return Ok(());
    }
    Err(format!("{table}.{entry}: {field} {index} is out of range ({length} known)"))
}
