//! What a request may use: an estimate for soft limits, an upper bound for hard ones.

use fastgate_core::limits::Amounts;
use fastgate_core::routing::Needs;
use fastgate_core::tables::Capability;
use fastgate_core::tables::limits::{LimitRule, Resource};
use fastgate_core::usage::Usage;
use smallvec::{Array, SmallVec};

use super::customers::Customers;
use crate::operation::{Operation, Takes};
use crate::payload::Payload;
use crate::record::{Books, Record};
use crate::vocabularies::Vocabularies;

/// Output that a soft limit reserves for while no answer is known.
const FIRST_ESTIMATE_TOKENS: u64 = 256;
/// Sound takes at least so many bytes a token: 10 tokens a second of speech at 6 kbit/s.
const SOUND_BYTES_PER_TOKEN: u64 = 75;
/// What an input may come to that is not in the request: a picture or file by its address, an earlier response.
const REFERRED_TOKENS: u64 = 131_072;

/// What a request may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// For soft limits.
    estimate: Amounts,
    /// For hard ones.
    pub(super) bound: Amounts,
    /// Output that has to be asked for, so that the bound is one.
    pub(super) asks_for_output_tokens: Option<u64>,
}

/// No price of a deployment is known, so nothing bounds what it may cost.
pub(super) struct Unpriced;

/// What is looked at to tell them.
pub(super) struct Question<'a> {
    pub(super) operation: &'static Operation,
    pub(super) payload: &'a Payload,
    pub(super) record: &'a Record,
    pub(super) vocabularies: &'a Vocabularies,
    pub(super) customers: &'a Customers,
    /// Rules that apply.
    pub(super) rules: &'a [&'a LimitRule],
    /// Name for deployments without a model of their own.
    pub(super) asked_name: &'a str,
    /// What the body says it needs, where that was read already.
    pub(super) needs: Option<Needs>,
}

impl Costs {
    /// Reads them off a request, at the dearest of some deployments. A deployment without a known price is taken out
    /// where a hard limit on money applies.
    ///
    /// # Errors
    /// None is left.
    pub(super) fn read<A>(question: &Question<'_>, deployments: &mut SmallVec<A>) -> Result<Self, Unpriced>
    where
        A: Array<Item = usize>,
    {
        let has = |is_wanted: &dyn Fn(&LimitRule) -> bool| question.rules.iter().any(|rule| is_wanted(rule));
        let counts = |rule: &LimitRule| !rule.resource.is_one_each();
        let one = Amounts { requests: 1, ..Amounts::default() };
        let mut costs = Self { estimate: one, bound: one, asks_for_output_tokens: None };
        if question.operation.books == Books::Nothing || !has(&counts) {
            return Ok(costs);
        }
        let is_hard = has(&|rule| rule.is_hard && counts(rule));
        if has(&|rule| !rule.is_hard && counts(rule)) {
            costs.estimate(question);
        }
        let media = if is_hard { costs.bound(question, deployments) } else { false };
        let is_money =
            |is_hard: bool| move |rule: &LimitRule| rule.resource == Resource::Usd && rule.is_hard == is_hard;
        if has(&is_money(true)) {
            costs.price_bound(question, deployments, media)?;
        }
        if has(&is_money(false)) {
            costs.price_estimate(question, deployments);
        }
        Ok(costs)
    }

    /// What a rule is asked for.
    pub(super) fn of(&self, rule: &LimitRule) -> u64 {
        if rule.is_hard { &self.bound } else { &self.estimate }.of(rule.resource)
    }

    fn estimate(&mut self, question: &Question<'_>) {
        let Question { operation, payload, record, vocabularies, customers, .. } = question;
        let estimated = estimate(operation, payload, record, vocabularies, customers);
        (self.estimate.input_tokens, self.estimate.output_tokens) = estimated;
    }

    /// Whether there is more than text.
    fn bound(&mut self, question: &Question<'_>, deployments: &[usize]) -> bool {
        let Question { payload, record, .. } = question;
        let tables = &record.snapshot.tables;
        let longest = |of: &dyn Fn(usize) -> Option<u64>| {
            deployments.iter().map(|deployment| of(*deployment)).try_fold(0, |longest, it| it.map(|it| longest.max(it)))
        };
        let read = || {
            let body = payload.json().filter(|body| !Needs::is_text_alone(body))?;
            Needs::read(body, tables.bounds.json_depth, |bytes| bytes).ok()
        };
        let needs = question.needs.or_else(read);
        let has = |capability| needs.is_some_and(|needs| needs.capabilities.contains(capability));
        let is_form = question.operation.takes == Takes::Form;
        let has_media = is_form
            || [Capability::ImageInput, Capability::AudioInput, Capability::AudioOutput].into_iter().any(has)
            || question.operation.name == "image_generation";
        let refers = has(Capability::ImageInput)
            || has(Capability::FileInput)
            || payload.request().is_some_and(|request| request.continues.is_some());
        // No tokenizer makes more than a token of a byte.
        let bytes = if is_form { payload.length().div_ceil(SOUND_BYTES_PER_TOKEN) } else { payload.length() };
        let window = longest(&|deployment| tables.deployments[deployment].context_tokens);
        let referred = if refers { window.unwrap_or(REFERRED_TOKENS) } else { 0 };
        self.bound.input_tokens = bytes.saturating_add(referred).min(window.unwrap_or(u64::MAX));
        let request = payload.request();
        let asked = request.and_then(|request| request.output_tokens);
        let most = longest(&|deployment| tables.deployments[deployment].output_tokens);
        let nothing = (!question.operation.gives_tokens()).then_some(0);
        let per_choice = asked.or(nothing).or(most).unwrap_or_else(|| {
            let tokens = tables.limiting.output_tokens;
            self.asks_for_output_tokens = Some(tokens);
            tokens
        });
        self.bound.output_tokens = per_choice.saturating_mul(request.map_or(1, |request| request.billed_choices));
        has_media
    }

    fn price_bound<A>(
        &mut self,
        question: &Question<'_>,
        deployments: &mut SmallVec<A>,
        has_media: bool,
    ) -> Result<(), Unpriced>
    where
        A: Array<Item = usize>,
    {
        let snapshot = &question.record.snapshot;
        let mut dearest = 0;
        deployments.retain(|deployment| {
            let model = snapshot.model_name(*deployment, question.asked_name);
            let (input, output) = (self.bound.input_tokens, self.bound.output_tokens);
            let bound = snapshot.rates.bound_pusd(&snapshot.tables, *deployment, model, (input, output), has_media);
            dearest = dearest.max(bound.unwrap_or(0));
            bound.is_some()
        });
        self.bound.cost_pusd = dearest;
        if deployments.is_empty() { Err(Unpriced) } else { Ok(()) }
    }

    fn price_estimate(&mut self, question: &Question<'_>, deployments: &[usize]) {
        let Question { record, .. } = question;
        let snapshot = &record.snapshot;
        let Amounts { input_tokens, output_tokens, .. } = self.estimate;
        let usage = Usage { input_tokens, output_tokens, ..Usage::default() };
        let price = |deployment: &usize| {
            let model = snapshot.model_name(*deployment, question.asked_name);
            let price =
                snapshot.rates.price(&snapshot.tables, *deployment, model, &usage, record.started_unix_s(), &[]);
            price.map_or(0, |price| u64::try_from(price.cost_pusd).unwrap_or(0))
        };
        self.estimate.cost_pusd = deployments.iter().map(price).max().unwrap_or(0);
    }
}

/// Tokens in and out that a request is likely to use.
pub(super) fn estimate(
    operation: &Operation,
    payload: &Payload,
    record: &Record,
    vocabularies: &Vocabularies,
    customers: &Customers,
) -> (u64, u64) {
    let bytes = payload.length();
    let input_tokens = match operation.takes {
        Takes::Form => bytes / SOUND_BYTES_PER_TOKEN / 4,
        _ => vocabularies.estimate_bytes("", bytes),
    };
    let usual = customers.estimated_output(record).unwrap_or(FIRST_ESTIMATE_TOKENS);
    (input_tokens, usual.min(payload.output_tokens_max().unwrap_or(u64::MAX)))
}
