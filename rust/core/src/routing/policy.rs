//! What routing needs of a configuration, prepared once so that a request costs a few look-ups.

use foldhash::HashMap;

use super::Asking;
use super::eligibility::DeploymentFacts;
use super::plan::{Column, RoutePlan, index};
use crate::tables::{Pick, Route, Tables};

/// What routing needs of a configuration, in the form it is looked up.
#[derive(Debug)]
pub struct Policy {
    plans: HashMap<Box<str>, RoutePlan>,
    pub(super) deployments: Vec<DeploymentFacts>,
    pub(super) tenants: Vec<TenantFacts>,
    regions: Regions,
    deployment_ids: HashMap<Box<str>, u32>,
    provider_ids: HashMap<Box<str>, u32>,
    looks_at_needs: bool,
    looks_at_load: bool,
}

#[derive(Debug)]
pub(super) struct TenantFacts {
    tier: Option<usize>,
    pub(super) region: Region,
}

/// A region as a number: equal exactly where the names are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Region(u32);

impl Region {
    /// Of a tenant: not bound. Of a deployment: nobody knows where.
    pub(super) const NONE: Self = Self(0);
    /// Named by a request and by nothing else.
    const FOREIGN: Self = Self(u32::MAX);
}

/// A deployment, a provider, or both, that go by one name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Named {
    deployment: Option<usize>,
    provider: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Regions(HashMap<Box<str>, Region>);

impl Regions {
    pub(super) fn intern(&mut self, name: &str) -> Region {
        let next = Region(index(self.0.len()) + 1);
        *self.0.entry(name.into()).or_insert(next)
    }
}

impl Policy {
    /// Prepares what `tables` say.
    #[must_use]
    pub fn prepare(tables: &Tables) -> Self {
        let mut regions = Regions::default();
        let deployments: Vec<DeploymentFacts> = tables
            .deployments
            .iter()
            .map(|deployment| {
                let region = deployment.region.as_deref().map_or(Region::NONE, |name| regions.intern(name));
                DeploymentFacts::new(deployment, region)
            })
            .collect();
        let tenants = tables
            .tenants
            .iter()
            .map(|tenant| TenantFacts {
                tier: tenant.tier,
                region: tenant.region.as_deref().map_or(Region::NONE, |name| regions.intern(name)),
            })
            .collect();
        let plan =
            |(name, route): (&String, &Route)| (name.as_str().into(), RoutePlan::prepare(name, route, &mut regions));
        let plans = tables.models.iter().map(plan).collect();
        let rows = || tables.models.values().flat_map(|route| &route.rows);
        let looks_at_needs = deployments.iter().any(DeploymentFacts::looks_at_needs)
            || rows().any(|row| row.when.capability.is_some() || row.when.context_over.is_some())
            || rows().any(|row| row.chain.iter().any(|step| step.pick == Pick::Cheapest && step.members.len() > 1));
        let ids = |names: &mut dyn Iterator<Item = &String>| {
            names.enumerate().map(|(place, name)| (name.as_str().into(), index(place))).collect()
        };
        Self {
            plans,
            deployments,
            tenants,
            regions,
            deployment_ids: ids(&mut tables.deployments.iter().map(|deployment| &deployment.id)),
            provider_ids: ids(&mut tables.providers.iter().map(|provider| &provider.id)),
            looks_at_needs,
            looks_at_load: rows().any(|row| row.when.load_permille.is_some()),
        }
    }

    /// Whether any row looks at how much is under way.
    #[must_use]
    pub const fn looks_at_load(&self) -> bool {
        self.looks_at_load
    }

    /// Whether any row, deployment or way of picking looks at what a request needs. Where not, its needs have to be
    /// known only for preferences that do ([`super::Preferences::looks_at_needs`]).
    #[must_use]
    pub const fn looks_at_needs(&self) -> bool {
        self.looks_at_needs
    }

    pub(super) fn plan(&self, model: &str) -> Option<&RoutePlan> {
        self.plans.get(model)
    }

    /// Who goes by a name.
    pub(super) fn named(&self, name: &str) -> Named {
        let at = |ids: &HashMap<Box<str>, u32>| ids.get(name).map(|place| *place as usize);
        Named { deployment: at(&self.deployment_ids), provider: at(&self.provider_ids) }
    }

    /// Whether a deployment or its provider is the one that goes by a name.
    pub(super) fn is(&self, deployment: usize, named: Named) -> bool {
        named.deployment == Some(deployment) || named.provider == Some(self.deployments[deployment].provider)
    }

    /// Whether any deployment or provider goes by this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.named(name) != Named::default()
    }

    /// A region that a request names.
    pub(super) fn region(&self, name: &str) -> Region {
        self.regions.0.get(name).copied().unwrap_or(Region::FOREIGN)
    }

    /// The first row that is for this request.
    pub(super) fn first_match(&self, plan: &RoutePlan, asking: &Asking<'_>) -> Option<usize> {
        plan.first_match(|column| self.look_up(column, asking))
    }

    fn look_up(&self, column: &Column, asking: &Asking<'_>) -> u32 {
        let tenant = || &self.tenants[asking.tenant];
        match column {
            Column::Tenant(lookup) => lookup.get(Some(&asking.tenant)),
            Column::Tier(lookup) => lookup.get(tenant().tier.as_ref()),
            Column::User(lookup) => lookup.get(asking.user),
            Column::Feature(lookup) => lookup.get(asking.feature),
            Column::Region(lookup) => match (tenant().region, asking.region) {
                (Region::NONE, None) => lookup.otherwise,
                (Region::NONE, Some(name)) => lookup.get(Some(&self.region(name))),
                (region, _) => lookup.get(Some(&region)),
            },
            Column::CostClass(lookup) => lookup.get(asking.cost_class),
            Column::Latency(sets) => sets[asking.latency.map_or(3, |latency| latency as usize)],
            Column::Capability(sets) => sets[asking.needs.capabilities.bits()],
            Column::InputTokens(thresholds) => thresholds.get(asking.needs.input_tokens),
            Column::Hour(sets) => sets[usize::from(asking.hour % 24)],
            Column::Load(thresholds) => thresholds.get(u64::from(asking.load_permille)),
            Column::Model(set) => *set,
        }
    }
}
