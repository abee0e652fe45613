//! Why a request goes where it goes: every row with the conditions that fail, every deployment of the row that is taken
//! with its place or what took it out.
//!
//! The chain is [`route`]'s own, not a second opinion: the same conditions and the same draws give the same chain.

use serde::Serialize;

use super::when::{self, Dimension};
use super::{Asking, Chain, Conditions, NoRoute, Policy, Removed, capability_name, resolution, route};
use crate::failure::TABLE;
use crate::tables::{Latency, Member, Pick, Row, Step, Tables, When};

/// All that is to say about one decision.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The name the client sent.
    pub model: String,
    /// Where it leads.
    pub leads_to: LeadsTo,
    /// Every row of the table, in order.
    pub rows: Vec<RowExplained>,
    /// The row that is taken.
    pub row: Option<usize>,
    /// Its steps.
    pub steps: Vec<StepExplained>,
    /// Ids of deployments in order of trying.
    pub chain: Vec<String>,
    /// Wall clock from receipt to commit.
    pub budget_ms: Option<u64>,
    /// Why there is no chain.
    pub error: Option<ErrorExplained>,
}

/// Where a name leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadsTo {
    /// A table of its own.
    Table,
    /// An open provider.
    OpenProvider,
    /// Nowhere.
    Nothing,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct RowExplained {
    /// Its place, from 0.
    pub row: usize,
    /// What became of it.
    pub outcome: RowOutcome,
    /// Conditions that do not hold.
    pub failed: Vec<FailedCondition>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// It is the first that matches.
    Taken,
    /// It matches too, but an earlier one was taken.
    AlsoMatches,
    /// A condition does not hold.
    DoesNotMatch,
}

/// A condition that does not hold.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct FailedCondition {
    /// What it looks at.
    pub condition: Dimension,
    /// Any of these would do.
    pub wants: Vec<String>,
    /// What the request has; empty: nothing.
    pub has: Vec<String>,
}

/// One step of the chain.
#[derive(Debug, Serialize)]
pub struct StepExplained {
    /// The group's id; `None`: a deployment alone.
    pub group: Option<String>,
    /// How its members are put in order.
    pub pick: &'static str,
    /// All of them, in the table's order.
    pub deployments: Vec<DeploymentExplained>,
}

/// One deployment.
#[derive(Debug, Serialize)]
pub struct DeploymentExplained {
    /// Its id.
    pub deployment: String,
    /// Its share in the step.
    pub weight: u32,
    /// Whether it may be called now.
    pub is_available: bool,
    /// Its place in the chain, from 0.
    pub position: Option<usize>,
    /// The rule that takes it out.
    pub rule: Option<&'static str>,
    /// Why it has no place in this step.
    pub reason: Option<String>,
    /// Requests under way.
    pub in_flight: u32,
    /// Peak EWMA of the time to first content.
    pub first_content_ns: Option<u64>,
    /// Peak EWMA of the time per output token.
    pub per_token_ns: Option<u64>,
}

/// Why there is no chain.
#[derive(Debug, Serialize)]
pub struct ErrorExplained {
    /// `error.code` of the answer.
    pub code: &'static str,
    /// The same request may find a route later.
    pub is_temporary: bool,
    /// What the client is told.
    pub message: String,
}

/// Decides as [`route`] does, and says why.
#[must_use]
pub fn explain(tables: &Tables, policy: &Policy, asking: &Asking<'_>, conditions: &impl Conditions) -> Explanation {
    let decision = route(tables, policy, asking, conditions);
    let table = tables.models.get(asking.model);
    let row = match &decision {
        Ok(chain) => chain.row,
        Err(NoRoute::Removed { row, .. }) => *row,
        Err(NoRoute::Unknown | NoRoute::NoRow { .. }) => None,
    };
    let open = if table.is_none() { resolution::open(tables, asking.model) } else { None };
    let steps = match (row.and_then(|row| table?.rows.get(row)), open) {
        (Some(row), _) => row.chain.iter().enumerate().map(|(place, step)| (step, &row.chain[..place])).collect(),
        (None, _) => Vec::new(),
    };
    let explainer = Explainer { tables, asking, conditions, decision: &decision };
    Explanation {
        model: asking.model.to_owned(),
        leads_to: match (table, open) {
            (Some(_), _) => LeadsTo::Table,
            (None, Some(_)) => LeadsTo::OpenProvider,
            (None, None) => LeadsTo::Nothing,
        },
        rows: table.map_or_else(Vec::new, |table| {
            table.rows.iter().enumerate().map(|(place, one)| explainer.row(place, one, row)).collect()
        }),
        row,
        steps: match open {
            Some((deployment, _)) => vec![explainer.alone(deployment)],
            None => steps.into_iter().map(|(step, earlier)| explainer.step(step, earlier)).collect(),
        },
        chain: explainer.chain().iter().map(|deployment| tables.deployments[*deployment].id.clone()).collect(),
        budget_ms: table.and_then(|table| table.budget_ms),
        error: decision.as_ref().err().map(|error| ErrorExplained {
            code: TABLE[error.cause() as usize].code,
            is_temporary: error.is_temporary(),
            message: error.message(tables, asking),
        }),
    }
}

struct Explainer<'a, C> {
    tables: &'a Tables,
    asking: &'a Asking<'a>,
    conditions: &'a C,
    decision: &'a Result<Chain<'a>, NoRoute>,
}

impl<C: Conditions> Explainer<'_, C> {
    fn chain(&self) -> &[usize] {
        self.decision.as_ref().map_or(&[], |chain| &chain.candidates)
    }

    fn removed(&self) -> &[(usize, Removed)] {
        match self.decision {
            Ok(chain) => &chain.removed,
            Err(NoRoute::Removed { removed, .. }) => removed,
            Err(NoRoute::Unknown | NoRoute::NoRow { .. }) => &[],
        }
    }

    fn row(&self, place: usize, row: &Row, taken: Option<usize>) -> RowExplained {
        let failing = when::failing(&row.when, self.tables, self.asking);
        let failed: Vec<FailedCondition> = failing.map(|dimension| self.condition(dimension, &row.when)).collect();
        let outcome = match (taken == Some(place), failed.is_empty()) {
            (true, _) => RowOutcome::Taken,
            (false, true) => RowOutcome::AlsoMatches,
            (false, false) => RowOutcome::DoesNotMatch,
        };
        RowExplained { row: place, outcome, failed }
    }

    fn step(&self, step: &Step, earlier: &[Step]) -> StepExplained {
        let deployments = step.members.iter().enumerate().map(|(place, member)| {
            let has_it = |members: &[Member]| members.iter().any(|other| other.deployment == member.deployment);
            let is_repeated = earlier.iter().any(|step| has_it(&step.members)) || has_it(&step.members[..place]);
            self.deployment(member, is_repeated)
        });
        StepExplained { group: step.group.clone(), pick: pick_name(step.pick), deployments: deployments.collect() }
    }

    fn alone(&self, deployment: usize) -> StepExplained {
        let deployments = vec![self.deployment(&Member { deployment, weight: 1 }, false)];
        StepExplained { group: None, pick: pick_name(Pick::Weighted), deployments }
    }

    fn deployment(&self, member: &Member, is_repeated: bool) -> DeploymentExplained {
        let deployment = member.deployment;
        let removed = self.removed().iter().find(|(other, _)| *other == deployment).map(|(_, rule)| *rule);
        let latency = self.conditions.latency_ns(deployment);
        let repeated = || is_repeated.then(|| "stands in the chain before".to_owned());
        DeploymentExplained {
            deployment: self.tables.deployments[deployment].id.clone(),
            weight: member.weight,
            is_available: self.conditions.is_available(deployment),
            position: self.chain().iter().position(|other| *other == deployment).filter(|_| !is_repeated),
            rule: removed.map(Removed::name),
            reason: removed.map(|rule| rule.reason(self.tables, self.asking)).or_else(repeated),
            in_flight: self.conditions.in_flight(deployment),
            first_content_ns: latency.map(|(first_content_ns, _)| first_content_ns),
            per_token_ns: latency.map(|(_, per_token_ns)| per_token_ns),
        }
    }

    fn condition(&self, condition: Dimension, when: &When) -> FailedCondition {
        let Self { tables, asking, .. } = self;
        let names = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
        let text = |text: Option<&str>| text.map(str::to_owned).into_iter().collect::<Vec<_>>();
        let tenant = &tables.tenants[asking.tenant];
        let (wants, has) = match condition {
            Dimension::Tenant => {
                let wants = when.tenant.iter().flatten().map(|tenant| tables.tenants[*tenant].id.clone());
                (wants.collect(), vec![tenant.id.clone()])
            }
            Dimension::Tier => {
                let name = |tier: &usize| tables.tiers[*tier].id.clone();
                (when.tier.iter().flatten().map(name).collect(), tenant.tier.iter().map(name).collect())
            }
            Dimension::User => (names(&when.user), text(asking.user)),
            Dimension::Feature => (names(&when.feature), text(asking.feature)),
            Dimension::Region => (names(&when.region), text(when::bound_region(tables, asking))),
            Dimension::Latency => {
                let name = |class: &Latency| latency_name(*class).to_owned();
                (when.latency.iter().flatten().map(name).collect(), asking.latency.iter().map(name).collect())
            }
            Dimension::CostClass => (names(&when.cost_class), text(asking.cost_class)),
            Dimension::Capability => {
                let wants = when.capability.iter().flatten().map(|one| capability_name(*one).to_owned());
                (wants.collect(), asking.needs.capabilities.iter().map(|one| capability_name(one).to_owned()).collect())
            }
            Dimension::Model => (names(&when.model), text(Some(asking.model))),
            Dimension::ContextOver => {
                let wants = when.context_over.map(|limit| format!("over {limit} tokens"));
                (wants.into_iter().collect(), vec![format!("{} tokens", asking.needs.input_tokens)])
            }
            Dimension::Hours => {
                let is_wanted = |hour: &u32| when.hours.is_some_and(|hours| hours & (1 << hour) != 0);
                ((0..24).filter(is_wanted).map(|hour| hour.to_string()).collect(), vec![(asking.hour % 24).to_string()])
            }
            Dimension::Load => {
                let wants = when.load_permille.map(|least| format!("at least {least} ‰"));
                (wants.into_iter().collect(), vec![format!("{} ‰", asking.load_permille)])
            }
        };
        FailedCondition { condition, wants, has }
    }
}

const fn pick_name(pick: Pick) -> &'static str {
    match pick {
        Pick::Weighted => "weighted",
        Pick::Fastest => "fastest",
        Pick::Cheapest => "cheapest",
        Pick::LeastBusy => "least_busy",
        Pick::Sticky => "sticky",
    }
}

const fn latency_name(latency: Latency) -> &'static str {
    match latency {
        Latency::Interactive => "interactive",
        Latency::Background => "background",
        Latency::Batch => "batch",
    }
}

#[cfg(test)]
#[path = "explanation_tests.rs"]
mod tests;
