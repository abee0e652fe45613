//! Which deployment answers: the one a model's route leads to, the one that made what a request refers to, or the one
//! that keeps files.

use std::cell::Cell;
use std::time::{Duration, Instant};

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::routing::{self, Resolution};
use fastgate_core::tables::Tables;
use http::Method;

use crate::guard::Caller;
use crate::made::Maker;
use crate::operation::Operation;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// Where to, under which name.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) deployment: usize,
    /// The provider's name for the model, where one is asked for.
    pub(crate) model: Option<&'a str>,
    pub(crate) budget: Option<Duration>,
}

impl Choice<'_> {
    fn of(deployment: usize) -> Self {
        Self { deployment, model: None, budget: None }
    }
}

/// Chooses for one caller.
pub(crate) struct Chooser<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) caller: Caller<'a>,
    /// Prices depend on it.
    pub(crate) now_unix_s: i64,
}

/// What a route's deployments are narrowed to.
#[derive(Clone, Copy)]
enum Bound {
    /// Best this one, else another of its provider.
    To(usize),
    Free,
}

impl<'a> Chooser<'a> {
    /// Follows the route of a model. `continues`: what the request goes on from, which only its maker knows.
    ///
    /// # Errors
    /// [`Cause::ModelForbidden`], [`Cause::ModelNotFound`], [`Cause::NoRoute`], [`Cause::PriceUnknown`] or
    /// [`Cause::NotFound`].
    pub(crate) fn by_model<'b>(&self, model: &'b str, continues: Option<&str>) -> Result<Choice<'b>, Failure>
    where
        'a: 'b,
    {
        let tables = self.tables();
        if !self.caller.may_use(model) {
            return Err(about_model(
                Cause::ModelForbidden,
                format!("this key or token may not use the model `{model}`"),
            ));
        }
        let bound = continues.map_or(Ok(Bound::Free), |id| self.bound_by(id))?;
        let lacks_price = Cell::new(false);
        let is_priced = |deployment, model| {
            let is_priced = self.snapshot.rates.admits(tables, deployment, model, self.now_unix_s);
            lacks_price.set(lacks_price.get() || !is_priced);
            is_priced
        };
        let (picked, asked_name, budget) = match routing::resolve(tables, model) {
            Resolution::Route(route) => {
                let pick = |is_fit: &dyn Fn(usize) -> bool| {
                    let is_eligible =
                        |deployment| self.is_eligible(deployment) && is_fit(deployment) && is_priced(deployment, "");
                    route.chain.iter().find_map(|step| routing::pick(step, self.worker.random(), is_eligible))
                };
                let picked = match bound {
                    Bound::Free => pick(&|_| true),
                    Bound::To(maker) => pick(&|deployment| deployment == maker)
                        .or_else(|| pick(&|deployment| self.provider(deployment) == self.provider(maker))),
                };
                (picked, model, route.budget_ms.map(Duration::from_millis))
            }
            Resolution::Open { deployment, model } => {
                let is_fit = match bound {
                    Bound::Free => true,
                    Bound::To(maker) => self.provider(deployment) == self.provider(maker),
                };
                let is_eligible = |deployment| is_fit && self.is_eligible(deployment) && is_priced(deployment, model);
                (Some(deployment).filter(|deployment| is_eligible(*deployment)), model, None)
            }
            Resolution::Unknown => {
                return Err(about_model(Cause::ModelNotFound, format!("the model `{model}` does not exist here")));
            }
        };
        let Some(deployment) = picked else {
            if lacks_price.get() {
                let message = format!("nobody knows what `{model}` costs, and billing.unknown_price is \"block\"");
                return Err(about_model(Cause::PriceUnknown, message));
            }
            let message = match bound {
                Bound::Free => format!("no deployment of `{model}` is in the region this tenant is bound to"),
                Bound::To(_) => {
                    format!("no deployment of `{model}` is at the provider that keeps what this goes on from")
                }
            };
            return Err(about_model(Cause::NoRoute, message));
        };
        let model = Some(tables.deployments[deployment].model.as_deref().unwrap_or(asked_name));
        Ok(Choice { deployment, model, budget })
    }

    /// Whoever made what the id names.
    ///
    /// # Errors
    /// [`Cause::NotFound`], also for what another tenant's request made.
    pub(crate) fn maker(&self, id: &str) -> Result<Choice<'static>, Failure> {
        match self.bound_by(id)? {
            Bound::To(deployment) => Ok(Choice::of(deployment)),
            Bound::Free => self.sole().map(Choice::of).ok_or_else(|| not_found(id)),
        }
    }

    /// The provider that keeps files, where this caller may use it. `id`: of a file or batch.
    ///
    /// # Errors
    /// [`Cause::NoRoute`], [`Cause::ModelForbidden`], [`Cause::SharedAccount`] or [`Cause::NotFound`].
    pub(crate) fn files(&self, operation: &Operation, id: Option<&str>) -> Result<Choice<'static>, Failure> {
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
                self.bound_by(id)?;
            }
            None if operation.method == Method::GET && !self.snapshot.has_one_tenant => {
                let message = "several tenants share the provider's account, so what is in it can't be listed";
                return Err(Failure::new(Cause::SharedAccount, message));
            }
            None => {}
        }
        Ok(Choice::of(deployment))
    }

    /// Who made `id`. What is unknown (after a restart, say) is only let through where it can be nobody else's, and
    /// only one provider can have made it.
    fn bound_by(&self, id: &str) -> Result<Bound, Failure> {
        let tables = self.tables();
        let deployments = tables.deployments.iter().map(|deployment| deployment.id.as_str());
        let tenant = &tables.tenants[self.caller.tenant].id;
        match self.worker.shared.made.maker(id, tenant, deployments, Instant::now()) {
            Maker::Own(Some(deployment)) if self.is_eligible(deployment) => Ok(Bound::To(deployment)),
            Maker::Unknown if self.snapshot.has_one_tenant && self.sole().is_some() => Ok(Bound::Free),
            _ => Err(not_found(id)),
        }
    }

    /// A deployment of the only provider there is for this tenant.
    fn sole(&self) -> Option<usize> {
        let mut eligible = (0..self.tables().deployments.len()).filter(|deployment| self.is_eligible(*deployment));
        let first = eligible.next()?;
        eligible.all(|other| self.provider(other) == self.provider(first)).then_some(first)
    }

    fn is_eligible(&self, deployment: usize) -> bool {
        let tables = self.tables();
        let residency = tables.tenants[self.caller.tenant].region.as_deref();
        routing::is_resident(residency, tables.deployments[deployment].region.as_deref())
    }

    fn provider(&self, deployment: usize) -> usize {
        self.tables().deployments[deployment].provider
    }

    fn tables(&self) -> &'a Tables {
        &self.snapshot.tables
    }
}

fn about_model(cause: Cause, message: String) -> Failure {
    Failure { param: Some("model"), ..Failure::new(cause, message) }
}

fn not_found(id: &str) -> Failure {
    let message = format!("`{id}` was not made through this gateway by your tenant, or is no longer known to it");
    Failure::new(Cause::NotFound, message)
}
