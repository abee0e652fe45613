//! What one attempt comes to: what the provider itself says, else the price list less the account's discount.

use fastgate_core::json_object::JsonObject;
use fastgate_core::telemetry::series::Cost;

use crate::rates::Priced;

/// The cost of an attempt, and what it goes by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Charge {
    /// What counts.
    pub(crate) cost: Cost,
    /// Picodollars by the price list, before a discount; `None`: unknown, or nothing was used.
    list_pusd: Option<i64>,
    /// Picodollars that the provider said.
    reported_pusd: Option<i64>,
}

impl Charge {
    /// Nothing was used.
    pub(crate) const NONE: Self = Self { cost: Cost::NotApplicable, list_pusd: None, reported_pusd: None };

    /// Of what was used: `None` where it has no known price.
    pub(crate) fn of(priced: Option<Priced>, reported_pusd: Option<i64>) -> Self {
        let cost_pusd = reported_pusd.or(priced.map(|priced| priced.cost_pusd));
        Self {
            cost: cost_pusd.map_or(Cost::Unknown, Cost::Known),
            list_pusd: priced.map(|priced| priced.list_pusd),
            reported_pusd,
        }
    }

    /// Writes it; the list price only where it is not the cost.
    pub(crate) fn write(&self, object: &mut JsonObject<'_>) {
        object.number_or_null("cost_pusd", self.cost.known());
        if let Some(list_pusd) = self.list_pusd.filter(|list_pusd| self.cost != Cost::Known(*list_pusd)) {
            object.number("list_cost_pusd", list_pusd);
        }
        if let Some(reported_pusd) = self.reported_pusd {
            object.number("reported_cost_pusd", reported_pusd);
        }
    }
}

/// What several attempts come to; unknown where any of them is.
pub(crate) fn sum(charges: impl Iterator<Item = Charge>) -> Cost {
    charges.fold(Cost::NotApplicable, |sum, charge| match (sum, charge.cost) {
        (Cost::Unknown, _) | (_, Cost::Unknown) => Cost::Unknown,
        (Cost::NotApplicable, cost) | (cost, Cost::NotApplicable) => cost,
        (Cost::Known(sum), Cost::Known(pusd)) => Cost::Known(sum.saturating_add(pusd)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(charge: Charge) -> String {
        let mut text = Vec::new();
        let mut object = JsonObject::begin(&mut text);
        charge.write(&mut object);
        object.end();
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn what_the_provider_says_counts() {
        let priced = |list_pusd, cost_pusd| Some(Priced { list_pusd, cost_pusd });
        assert_eq!(written(Charge::NONE), r#"{"cost_pusd":0}"#);
        assert_eq!(written(Charge::of(None, None)), r#"{"cost_pusd":null}"#);
        assert_eq!(written(Charge::of(priced(5, 5), None)), r#"{"cost_pusd":5}"#);
        assert_eq!(written(Charge::of(priced(5, 4), None)), r#"{"cost_pusd":4,"list_cost_pusd":5}"#);
        let reported = r#"{"cost_pusd":9,"list_cost_pusd":5,"reported_cost_pusd":9}"#;
        assert_eq!(written(Charge::of(priced(5, 4), Some(9))), reported);
        assert_eq!(written(Charge::of(None, Some(0))), r#"{"cost_pusd":0,"reported_cost_pusd":0}"#);
        assert_eq!(written(Charge::of(priced(0, 0), Some(0))), r#"{"cost_pusd":0,"reported_cost_pusd":0}"#);
    }

    #[test]
    fn a_sum_is_known_where_all_of_it_is() {
        let of = |costs: &[Option<i64>]| sum(costs.iter().map(|cost| Charge::of(None, *cost)));
        assert_eq!(of(&[]), Cost::NotApplicable);
        assert_eq!(of(&[Some(2), Some(3)]), Cost::Known(5));
        assert_eq!((of(&[Some(2), None]), of(&[None, Some(2)])), (Cost::Unknown, Cost::Unknown));
        assert_eq!(of(&[Some(i64::MAX), Some(1)]), Cost::Known(i64::MAX));
        let with_nothing = [Charge::NONE, Charge::of(None, Some(2)), Charge::NONE];
        assert_eq!(sum(with_nothing.into_iter()), Cost::Known(2));
    }
}
