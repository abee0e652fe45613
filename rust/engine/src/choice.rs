//! Which deployments may answer: those a model's policy table leads to, the one that made what a request refers to, or
//! the one that keeps files.

use std::time::{Duration, Instant};

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::json_object::JsonObject;
use fastgate_core::routing::{self, Asking, Candidates, Chain, Conditions, Needs, NoRoute, Removed};
use fastgate_core::tables::Tables;
use fastgate_core::usage::Usage;
use http::Method;

use crate::gateway::Shared;
use crate::guard::Caller;
use crate::identity::Identity;
use crate::made::Maker;
use crate::operation::Operation;
use crate::payload::Payload;
use crate::record::Record;
use crate::snapshot::Snapshot;
use crate::wishes::Wishes;
use crate::worker::Worker;

/// Deployments that an explanation in a record names, taken and removed each.
const NAMED_LIMIT: usize = 16;

/// Where to, in order, and under which name.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Indices of deployments; at least one.
    pub(crate) deployments: Candidates,
    /// What deployments without a model of their own are asked for; empty where all have one. `None`: no model is asked.
    pub(crate) asked_name: Option<Box<str>>,
    pub(crate) budget: Option<Duration>,
    /// What the request's body says it needs, where that was read.
    pub(crate) needs: Option<Needs>,
    /// The same request twice does no more than once, or no harm.
    pub(crate) is_repeatable: bool,
    pub(crate) route: Option<Box<RouteTaken>>,
}

impl Choice {
    fn of(deployment: usize, operation: &Operation) -> Self {
        Self {
            deployments: Candidates::from_slice(&[deployment]),
            asked_name: None,
            budget: None,
            needs: None,
            is_repeatable: operation.method == Method::GET || operation.method == Method::DELETE,
            route: None,
        }
    }
}

/// How a route was found.
#[derive(Debug)]
pub(crate) struct RouteTaken {
    row: Option<usize>,
    candidates: Candidates,
    removed: Vec<(usize, Removed)>,
}

impl RouteTaken {
    /// Writes it: the row, the chain, and what was removed from it by which rule.
    pub(crate) fn write(&self, tables: &Tables, object: &mut JsonObject<'_>) {
        let ids = |into: &mut Vec<u8>| {
            let ids: Vec<&str> =
                self.candidates.iter().take(NAMED_LIMIT).map(|index| tables.deployments[*index].id.as_str()).collect();
            // Text into memory: nothing here can fail.
            let _ = serde_json::to_writer(into, &ids);
        };
        object.number_or_null("row", self.row);
        object.value("chain", ids);
        if !self.removed.is_empty() {
            object.object("removed", |object| {
                for (index, rule) in self.removed.iter().take(NAMED_LIMIT) {
                    object.text(&tables.deployments[*index].id, rule.name());
                }
            });
        }
    }
}

/// Chooses for one caller.
pub(crate) struct Chooser<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) caller: Caller<'a>,
    /// Whose request it is, and since when.
    pub(crate) record: &'a Record,
}

/// What a route's deployments are narrowed to.
#[derive(Clone, Copy)]
enum Bound {
    /// Best this one, else another of its provider.
    To(usize),
    Free,
}

impl Chooser<'_> {
    /// Follows the policy table of a model.
    ///
    /// # Errors
    /// [`Cause::ModelForbidden`], [`Cause::ModelNotFound`], [`Cause::NoRoute`], [`Cause::PriceUnknown`] or
    /// [`Cause::NotFound`].
    pub(crate) fn by_model(
        &self,
        operation: &Operation,
        payload: &Payload,
        wishes: &Wishes<'_>,
    ) -> Result<Choice, Failure> {
        let model = self.record.model.as_deref().unwrap_or_default();
        if !self.caller.may_use(model) {
            return Err(forbidden(model));
        }
        // The operator's own choice, so the key need not list it.
        let model = self.record.downgraded_to().unwrap_or(model);
        let continues = payload.request().and_then(|request| request.continues.as_deref());
        let bound = continues.map_or(Ok(Bound::Free), |id| self.bound_by(operation, id))?;
        let (tables, policy) = (self.tables(), &self.snapshot.policy);
        wishes
            .preferences
            .check(policy)
            .map_err(|error| Failure::invalid_request(format!("the header x-fastgate-route: {error}"), None))?;
        let mut asking = asking(
            &self.worker.shared,
            self.snapshot,
            &self.caller,
            (&self.record.identity, wishes),
            (model, payload.json()),
            self.record.started_unix_s(),
        );
        asking.needs.is_count = operation.counts_tokens();
        if let Bound::To(deployment) = bound {
            asking.bound_deployment = Some(deployment);
        }
        let now_ns = self.worker.shared.registry.ns(self.record.last_lap());
        let draw = || self.worker.random();
        let facts = Facts { snapshot: self.snapshot, now_ns, now_unix_s: self.record.started_unix_s(), draw };
        let chain =
            routing::route(tables, policy, &asking, &facts).map_err(|no_route| refuse(&no_route, tables, &asking))?;
        let Chain { mut candidates, row, budget_ms, model, removed } = chain;
        candidates.retain(|deployment| self.snapshot.crossing(operation, *deployment).is_some());
        if candidates.is_empty() {
            let message = format!("no deployment of `{model}` is at a vendor that has `{}`", operation.path);
            return Err(about_model(Cause::NoRoute, message));
        }
        let is_open = candidates.iter().any(|deployment| tables.deployments[*deployment].model.is_none());
        let has_choice = candidates.len() > 1 || !removed.is_empty() || row.is_some_and(|row| row > 0);
        let route = has_choice.then(|| Box::new(RouteTaken { row, candidates: candidates.clone(), removed }));
        Ok(Choice {
            deployments: candidates,
            asked_name: Some(if is_open { model.into() } else { Box::default() }),
            budget: budget_ms.map(Duration::from_millis),
            needs: looks_at_needs(self.snapshot, wishes).then_some(asking.needs),
            is_repeatable: true,
            route,
        })
    }

    /// Whoever made what the id names.
    ///
    /// # Errors
    /// [`Cause::NotFound`], also for what another tenant's request made.
    pub(crate) fn maker(&self, operation: &Operation, id: &str) -> Result<Choice, Failure> {
        match self.bound_by(operation, id)? {
            Bound::To(deployment) => Ok(Choice::of(deployment, operation)),
            Bound::Free => {
                self.sole(operation).map(|deployment| Choice::of(deployment, operation)).ok_or_else(|| not_found(id))
            }
        }
    }

    /// The provider that keeps files, where this caller may use it. `id`: of a file or batch.
    ///
    /// # Errors
    /// [`Cause::NoRoute`], [`Cause::ModelForbidden`], [`Cause::SharedAccount`] or [`Cause::NotFound`].
    pub(crate) fn files(&self, operation: &Operation, id: Option<&str>) -> Result<Choice, Failure> {
        let Some(deployment) = self.tables().files_deployment else {
            let message = "no provider keeps files here: server.files_provider names one";
            return Err(Failure::new(Cause::NoRoute, message));
        };
        if self.caller.models().is_some() {
            let message =
                "a key or token for certain models may not use files and batches, which name models themselves";
            return Err(Failure::new(Cause::ModelForbidden, message));
        }
        if !self.is_eligible(deployment) {
            let message = "files are kept outside the region this tenant is bound to";
            return Err(Failure::new(Cause::NoRoute, message));
        }
        match id {
            Some(id) => {
                self.bound_by(operation, id)?;
            }
            None if operation.method == Method::GET && !self.snapshot.has_one_tenant => {
                let message = "several tenants share the provider's account, so what is in it can't be listed";
                return Err(Failure::new(Cause::SharedAccount, message));
            }
            None => {}
        }
        Ok(Choice::of(deployment, operation))
    }

    /// Who made `id`. What is unknown (after a restart, say) is only let through where it can be nobody else's, and
    /// only one provider can have made it.
    fn bound_by(&self, operation: &Operation, id: &str) -> Result<Bound, Failure> {
        let tables = self.tables();
        let deployments = tables.deployments.iter().map(|deployment| deployment.id.as_str());
        let tenant = &tables.tenants[self.caller.tenant].id;
        match self.worker.shared.made.maker(id, tenant, deployments, Instant::now()) {
            Maker::Own(Some(deployment)) if self.keeps(operation, deployment) => Ok(Bound::To(deployment)),
            Maker::Unknown if self.snapshot.has_one_tenant && self.sole(operation).is_some() => Ok(Bound::Free),
            _ => Err(not_found(id)),
        }
    }

    /// A deployment of the only provider there is for this tenant that can keep what such an operation asks for.
    fn sole(&self, operation: &Operation) -> Option<usize> {
        let all = 0..self.tables().deployments.len();
        let mut eligible = all.filter(|deployment| self.keeps(operation, *deployment));
        let first = eligible.next()?;
        eligible.all(|other| self.provider(other) == self.provider(first)).then_some(first)
    }

    fn is_eligible(&self, deployment: usize) -> bool {
        let tables = self.tables();
        let residency = tables.tenants[self.caller.tenant].region.as_deref();
        routing::is_resident(residency, tables.deployments[deployment].region.as_deref())
    }

    fn keeps(&self, operation: &Operation, deployment: usize) -> bool {
        self.is_eligible(deployment) && self.snapshot.keeps(operation, deployment)
    }

    fn provider(&self, deployment: usize) -> usize {
        self.tables().deployments[deployment].provider
    }

    fn tables(&self) -> &Tables {
        &self.snapshot.tables
    }
}

/// What is asked, and by whom. `payload`: the model's name and the JSON that names it, where it is JSON.
pub(crate) fn asking<'a>(
    shared: &Shared,
    snapshot: &Snapshot,
    caller: &'a Caller<'_>,
    (identity, wishes): (&'a Identity, &'a Wishes<'a>),
    (model, json): (&'a str, Option<&[u8]>),
    now_unix_s: i64,
) -> Asking<'a> {
    let needs = |body: &[u8]| {
        let estimate = |bytes| shared.vocabularies.estimate_bytes("", bytes);
        // A body that can't be read that far was refused before.
        Needs::read(body, snapshot.tables.bounds.json_depth, estimate).unwrap_or_default()
    };
    Asking {
        model,
        tenant: caller.tenant,
        deployments: caller.deployments(),
        user: identity.user.as_deref(),
        feature: identity.feature.as_deref(),
        session: identity.session.as_deref(),
        region: wishes.region,
        latency: wishes.latency,
        cost_class: wishes.cost_class,
        needs: json.filter(|_| looks_at_needs(snapshot, wishes)).map(needs).unwrap_or_default(),
        hour: u8::try_from(now_unix_s.rem_euclid(86_400) / 3600).unwrap_or_default(),
        load_permille: if snapshot.policy.looks_at_load() { load_permille(shared, snapshot) } else { 0 },
        preferences: wishes.preferences.clone(),
        bound_deployment: None,
    }
}

/// Whether a route depends on what a request needs, which is then read from its body.
fn looks_at_needs(snapshot: &Snapshot, wishes: &Wishes<'_>) -> bool {
    snapshot.policy.looks_at_needs() || wishes.preferences.looks_at_needs()
}

/// Share of the requests that may be under way that are.
fn load_permille(shared: &Shared, snapshot: &Snapshot) -> u32 {
    let limit = snapshot.tables.bounds.in_flight.max(1) as u64;
    u32::try_from(shared.in_flight().saturating_mul(1000) / limit).unwrap_or(u32::MAX)
}

/// What the choice depends on beside the request: health, prices, chance.
pub(crate) struct Facts<'a, D> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) now_ns: u64,
    pub(crate) now_unix_s: i64,
    /// The next random number.
    pub(crate) draw: D,
}

impl<D: Fn() -> u64> Conditions for Facts<'_, D> {
    fn is_available(&self, deployment: usize) -> bool {
        self.snapshot.fleet.is_available(deployment, self.now_ns)
    }

    fn is_priced(&self, deployment: usize, model: &str) -> bool {
        self.snapshot.rates.admits(&self.snapshot.tables, deployment, model, self.now_unix_s)
    }

    fn price_pusd(&self, deployment: usize, model: &str, input_tokens: u64, output_tokens: u64) -> Option<i64> {
        let Snapshot { rates, tables, .. } = self.snapshot;
        let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
        rates.price(tables, deployment, model, &usage, self.now_unix_s, &[]).map(|price| price.cost_pusd)
    }

    fn rates_pusd(&self, deployment: usize, model: &str, input_tokens: u64) -> Option<(i64, i64)> {
        const MILLION: u64 = 1_000_000;
        // The length of the input decides the rates, so each is asked for with it.
        let length = input_tokens.max(1);
        let input = self.price_pusd(deployment, model, length, 0)?;
        let both = self.price_pusd(deployment, model, length, MILLION)?;
        let per_million = i128::from(input) * i128::from(MILLION) / i128::from(length);
        Some((i64::try_from(per_million).unwrap_or(i64::MAX), both.saturating_sub(input)))
    }

    fn latency_ns(&self, deployment: usize) -> Option<(u64, u64)> {
        self.snapshot.fleet.latency_ns(deployment, self.now_ns)
    }

    fn in_flight(&self, deployment: usize) -> u32 {
        self.snapshot.fleet.in_flight(deployment)
    }

    fn random(&self) -> u64 {
        (self.draw)()
    }
}

/// The key or token does not list the model.
pub(crate) fn forbidden(model: &str) -> Failure {
    about_model(Cause::ModelForbidden, format!("this key or token may not use the model `{model}`"))
}

fn refuse(no_route: &NoRoute, tables: &Tables, asking: &Asking<'_>) -> Failure {
    let cause = match no_route.cause() {
        Cause::NoRoute if no_route.is_temporary() => Cause::NoRouteNow,
        cause => cause,
    };
    about_model(cause, no_route.message(tables, asking))
}

fn about_model(cause: Cause, message: String) -> Failure {
    Failure { param: Some("model"), ..Failure::new(cause, message) }
}

fn not_found(id: &str) -> Failure {
    let message = format!("`{id}` was not made through this gateway by your tenant, or is no longer known to it");
    Failure::new(Cause::NotFound, message)
}
