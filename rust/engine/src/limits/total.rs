//! What an exchange used in all: its last attempt, and those before it that were billed.

use fastgate_core::limits::Amounts;
use fastgate_core::tables::limits::Resource;
use fastgate_core::telemetry::series::Cost;

use crate::charge;
use crate::record::Record;

/// Sums over attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Total {
    amounts: Amounts,
    /// The price of everything is.
    is_cost_known: bool,
}

impl Total {
    /// Of the whole exchange. One that never reached a provider used nothing, unless the gateway did its work.
    pub(super) fn of(record: &Record) -> Self {
        if record.attempts == 0 && record.counted_by.is_none() {
            return Self::new(Amounts::default(), Cost::NotApplicable);
        }
        let mut amounts = Amounts { requests: 1, ..of_trail(record) };
        if let Some(usage) = &record.usage {
            amounts.add_tokens(usage);
        }
        Self::new(amounts, record.cost())
    }

    /// Of the attempts that came to nothing; what nobody knows of them is left out.
    pub(super) fn of_trail(record: &Record) -> Amounts {
        let cost = charge::sum(record.trail.billed().map(|billed| billed.charge));
        Self::new(of_trail(record), cost).amounts
    }

    fn new(amounts: Amounts, cost: Cost) -> Self {
        let cost_pusd = cost.known().map_or(0, |pusd| u64::try_from(pusd).unwrap_or(0));
        Self { amounts: Amounts { cost_pusd, ..amounts }, is_cost_known: cost != Cost::Unknown }
    }

    /// What was used of a resource; `None` if nobody knows.
    pub(super) fn of_resource(&self, resource: Resource) -> Option<u64> {
        (resource != Resource::Usd || self.is_cost_known).then(|| self.amounts.of(resource))
    }
}

/// Tokens of the attempts that came to nothing.
fn of_trail(record: &Record) -> Amounts {
    let mut amounts = Amounts::default();
    for billed in record.trail.billed() {
        amounts.add_tokens(&billed.usage);
    }
    amounts
}
