//! Whether and how long this provider's model is asked to think, and the room that its answer has then.
//!
//! Source: Anthropic, "Extended thinking" (a budget is at least 1,024 tokens and below `max_tokens`; neither `temperature`,
//! `top_k` nor a forced tool goes with it; a turn that called tools begins with its thoughts) and "Adaptive thinking"
//! (how long is said by an effort).

use crate::json_object::JsonObject;
use crate::neutral::{Effort, Reasoning, ReasoningUnit, Request, Target, ToolChoice};

/// The answer's room where nobody says anything else.
const DEFAULT_OUTPUT_TOKENS: u64 = 4_096;
/// No budget may be smaller.
const LEAST_BUDGET_TOKENS: u64 = 1_024;

/// How the model is asked to think.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Thinking {
    /// As it does by itself.
    Unsaid,
    /// Not at all.
    Disabled,
    /// As long as it sees fit.
    Adaptive,
    /// For so many tokens.
    Budget(u64),
}

/// What the request says of thinking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    pub(super) thinking: Thinking,
    pub(super) effort: Option<Effort>,
    pub(super) max_tokens: u64,
    /// Whether thoughts are to be shown, where that isn't so by itself.
    shows_thoughts: Option<bool>,
}

impl Plan {
    /// For this request. `history_allows`: the turn that is gone on with begins with its thoughts, or called no tools.
    pub(super) fn of(request: &Request<'_>, target: &Target<'_>, history_allows: bool) -> Self {
        let mut plan = Self {
            thinking: Thinking::Unsaid,
            effort: None,
            max_tokens: request.max_output_tokens.or(target.output_tokens).unwrap_or(DEFAULT_OUTPUT_TOKENS),
            shows_thoughts: None,
        };
        let Some(reasoning) = &request.reasoning else { return plan };
        if reasoning.budget_tokens == Some(0) || reasoning.effort == Some(Effort::None) {
            plan.thinking = Thinking::Disabled;
            plan.effort = reasoning.effort.filter(|_| target.reasoning == Some(ReasoningUnit::Words)).and_then(word);
            return plan;
        }
        let has_room_of_its_own = request.max_output_tokens.is_none() && target.output_tokens.is_none();
        if target.reasoning == Some(ReasoningUnit::Words) {
            plan.effort = reasoning.effort.or_else(|| Effort::of_budget(reasoning.budget_tokens?)).and_then(word);
            if reasoning.effort.is_none() && reasoning.budget_tokens.is_none() || is_forced(request) {
                return plan;
            }
            plan.thinking = Thinking::Adaptive;
            plan.shows_thoughts = reasoning.includes_thoughts;
            if has_room_of_its_own {
                plan.max_tokens += tokens(plan.effort.unwrap_or(Effort::High).budget_tokens());
            }
        } else if let Some(mut budget) = budget(reasoning).filter(|_| history_allows && !is_forced(request)) {
            if has_room_of_its_own {
                plan.max_tokens += budget;
            } else if budget >= plan.max_tokens {
                // The thoughts are to leave room for an answer.
                budget = plan.max_tokens - plan.max_tokens / 4;
            }
            if budget >= LEAST_BUDGET_TOKENS && budget < plan.max_tokens {
                plan.thinking = Thinking::Budget(budget);
                // Thoughts are shown by themselves.
                plan.shows_thoughts = reasoning.includes_thoughts.filter(|shows| !shows);
            }
        }
        plan
    }

    /// Whether the model thinks because of it.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.thinking, Thinking::Adaptive | Thinking::Budget(_))
    }

    /// Writes the field `thinking`.
    pub(super) fn write(&self, body: &mut JsonObject<'_>) {
        let kind = match self.thinking {
            Thinking::Unsaid => return,
            Thinking::Disabled => "disabled",
            Thinking::Adaptive => "adaptive",
            Thinking::Budget(_) => "enabled",
        };
        body.object("thinking", |thinking| {
            thinking.text("type", kind);
            if let Thinking::Budget(tokens) = self.thinking {
                thinking.number("budget_tokens", tokens);
            }
            if let Some(shows) = self.shows_thoughts {
                thinking.text("display", if shows { "summarized" } else { "omitted" });
            }
        });
    }
}

/// The efforts that this provider has words for.
fn word(effort: Effort) -> Option<Effort> {
    match effort {
        Effort::None => None,
        Effort::Minimal => Some(Effort::Low),
        effort => Some(effort),
    }
}

/// The budget that is asked for in tokens, or stands for what is asked for in words.
fn budget(reasoning: &Reasoning<'_>) -> Option<u64> {
    let said = reasoning.budget_tokens.filter(|budget| *budget > 0);
    let meant = || reasoning.effort.or(reasoning.budget_tokens.and(Some(Effort::Medium))).map(Effort::budget_tokens);
    said.or_else(meant).map(tokens)
}

fn tokens(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn is_forced(request: &Request<'_>) -> bool {
    let choice = request.tool_choice.as_ref().filter(|_| !request.tools.is_empty());
    matches!(choice, Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Among { is_required: true, .. }))
}

#[cfg(test)]
#[path = "thinking_tests.rs"]
mod tests;
