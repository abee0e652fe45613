//! Which behaviour answers which request.
//!
//! A script is JSON: `defaults`, and `steps` tried in order. A step is taken if its `when` fits and it has uses left
//! (`times`, 1 unless given); when none fits, the defaults answer. A fault in the request itself comes before any step
//! and uses none up.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::behaviour::{Behaviour, parse_fields};
use super::dialect::without_version;
use super::reply::Reply;

/// What comes between a model's name and the fault it asks for: `gpt-4o@mock-fault:status=503`.
const MODEL_FAULT: &str = "mock-fault:";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    defaults: Map<String, Value>,
    #[serde(default)]
    steps: Vec<Map<String, Value>>,
    #[serde(default)]
    cycle: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct When {
    /// Exact, or with one `*` that stands for anything.
    model: Option<String>,
    /// The same of the path behind its version.
    path: Option<String>,
    stream: Option<bool>,
    /// Numbers of calls since the script was set, from 1.
    calls: Vec<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Times {
    #[default]
    Once,
    Always,
    #[serde(untagged)]
    Count(u64),
}

#[derive(Debug, Clone)]
struct Step {
    when: When,
    /// `None`: as often as asked.
    times: Option<u64>,
    reply: Arc<Reply>,
}

/// What a step may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) model: &'a str,
    pub(super) stream: bool,
}

#[derive(Debug)]
pub(super) struct Script {
    /// The fields below every step: the constructor's, then the script's defaults.
    base: Map<String, Value>,
    default: Arc<Reply>,
    steps: Vec<Step>,
    cycle: bool,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default, Clone)]
struct Progress {
    calls: u64,
    used: Vec<u64>,
}

impl Script {
    /// # Errors
    /// Text for the script's author, naming the step (from 1).
    pub(super) fn parse(options: &Map<String, Value>, text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut base = options.clone();
        base.extend(document.defaults);
        let default = reply(&base).map_err(|error| format!("defaults: {error}"))?;
        let mut script = Self { base, default, steps: Vec::new(), cycle: document.cycle, progress: Mutex::default() };
        script.push(document.steps)?;
        Ok(script)
    }

    fn push(&mut self, steps: Vec<Map<String, Value>>) -> Result<(), String> {
        for fields in steps {
            let step = self.step(fields).map_err(|error| format!("step {}: {error}", self.steps.len() + 1))?;
            self.steps.push(step);
        }
        self.progress.get_mut().used.resize(self.steps.len(), 0);
        Ok(())
    }

    fn step(&self, mut own: Map<String, Value>) -> Result<Step, String> {
        let when = own.remove("when").map(serde_json::from_value::<When>).transpose();
        let when = when.map_err(|error| format!("when: {error}"))?.unwrap_or_default();
        let times = own.remove("times").map(serde_json::from_value::<Times>).transpose();
        let times = match times.map_err(|_| "times: want a number or \"always\"")?.unwrap_or_default() {
            Times::Once if when.calls.is_empty() => Some(1),
            Times::Count(count) => Some(count),
            Times::Once | Times::Always => None,
        };
        Ok(Step { when, times, reply: self.layered(own)? })
    }

    fn layered(&self, own: Map<String, Value>) -> Result<Arc<Reply>, String> {
        let mut fields = self.base.clone();
        fields.extend(own);
        reply(&fields)
    }

    /// The same script, its progress kept, with the steps of `text` after its own: a queue of answers grows this way.
    pub(super) fn appended(&self, text: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut script = Self {
            base: self.base.clone(),
            default: Arc::clone(&self.default),
            steps: self.steps.clone(),
            cycle: self.cycle || document.cycle,
            progress: Mutex::new(self.progress.lock().clone()),
        };
        script.push(document.steps)?;
        Ok(script)
    }

    /// Takes the next reply for `call`; `fault` is the request's own, from its header.
    pub(super) fn choose(&self, call: Call<'_>, fault: Option<&str>) -> Result<Arc<Reply>, String> {
        if let Some(fault) = fault.or_else(|| fault_in(call.model)) {
            return self.layered(parse_fields(fault)?);
        }
        if self.steps.is_empty() {
            return Ok(Arc::clone(&self.default));
        }
        let mut progress = self.progress.lock();
        progress.calls += 1;
        let number = progress.calls;
        let fits = |step: &Step| step.when.fits(call, number);
        let free = |progress: &Progress| {
            let left = |index: usize, step: &Step| step.times.is_none_or(|times| progress.used[index] < times);
            self.steps.iter().enumerate().position(|(index, step)| left(index, step) && fits(step))
        };
        let mut found = free(&progress);
        if found.is_none() && self.cycle {
            for (index, _) in self.steps.iter().enumerate().filter(|(_, step)| fits(step)) {
                progress.used[index] = 0;
            }
            found = free(&progress);
        }
        Ok(Arc::clone(found.map_or(&self.default, |index| {
            progress.used[index] += 1;
            &self.steps[index].reply
        })))
    }
}

fn reply(fields: &Map<String, Value>) -> Result<Arc<Reply>, String> {
    Behaviour::from_fields(fields).map(|behaviour| Arc::new(Reply::new(behaviour)))
}

fn fault_in(model: &str) -> Option<&str> {
    model.find(MODEL_FAULT).map(|start| &model[start + MODEL_FAULT.len()..])
}

/// The model's name without the fault it carries; `mock` if nothing is left.
pub(super) fn plain_model(model: &str) -> &str {
    let Some(start) = model.find(MODEL_FAULT) else {
        return model;
    };
    let name = model[..start].trim_end_matches('@');
    if name.is_empty() { "mock" } else { name }
}

impl When {
    fn fits(&self, call: Call<'_>, number: u64) -> bool {
        self.model.as_ref().is_none_or(|wanted| matches(wanted, call.model))
            && self.path.as_ref().is_none_or(|wanted| matches(without_version(wanted), call.path))
            && self.stream.is_none_or(|stream| stream == call.stream)
            && (self.calls.is_empty() || self.calls.contains(&number))
    }
}

fn matches(wanted: &str, found: &str) -> bool {
    match wanted.split_once('*') {
        None => wanted == found,
        Some((start, end)) => found.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Call<'static> = Call { path: "/chat/completions", model: "gpt-4o", stream: false };

    fn statuses(script: &Script, calls: &[Call<'_>]) -> Vec<u16> {
        let status = |call: &Call<'_>| script.choose(*call, None).expect("chooses").behaviour.status.unwrap_or(200);
        calls.iter().map(status).collect()
    }

    fn parse(text: &str) -> Script {
        Script::parse(&Map::new(), text).expect("parses")
    }

    #[test]
    fn first_two_calls_fail_then_all_is_well() {
        let script = parse(r#"{"steps":[{"times":2,"status":503}]}"#);
        assert_eq!(statuses(&script, &[CHAT; 4]), [503, 503, 200, 200]);
    }

    #[test]
    fn cycle_starts_again() {
        let script = parse(r#"{"cycle":true,"steps":[{"status":500},{"times":2,"status":429}]}"#);
        assert_eq!(statuses(&script, &[CHAT; 7]), [500, 429, 429, 500, 429, 429, 500]);
    }

    #[test]
    fn steps_match_model_path_stream_and_call_number() {
        let script = parse(
            r#"{"steps":[{"when":{"calls":[2,4]},"status":504},{"when":{"model":"gpt-4*","stream":true},"times":"always","status":502},
                {"when":{"path":"/v1/embeddings"},"status":401}]}"#,
        );
        let streamed = Call { stream: true, ..CHAT };
        let embeddings = Call { path: "/embeddings", ..CHAT };
        let calls = [CHAT, CHAT, streamed, streamed, embeddings, embeddings, streamed];
        assert_eq!(statuses(&script, &calls), [200, 504, 502, 504, 401, 200, 502]);
    }

    #[test]
    fn one_star_stands_for_anything() {
        let script = parse(
            r#"{"steps":[{"when":{"path":"/v1beta/models/*:generateContent"},"times":"always","status":503},
                {"when":{"model":"*-flash"},"times":"always","status":502}]}"#,
        );
        let gemini = |path| Call { path, model: "gemini-2.5-flash", stream: false };
        let calls = [gemini("/models/gemini-2.5-flash:generateContent"), gemini("/models/m:countTokens"), CHAT];
        assert_eq!(statuses(&script, &calls), [503, 502, 200]);
    }

    #[test]
    fn a_fault_in_the_request_wins_and_uses_no_step_up() {
        let script = parse(r#"{"defaults":{"content":"hi"},"steps":[{"status":503}]}"#);
        let named = Call { model: "gpt-4o@mock-fault:status=418", ..CHAT };
        assert_eq!(statuses(&script, &[named]), [418]);
        let by_header = script.choose(CHAT, Some("status=400")).expect("chooses");
        assert_eq!((by_header.behaviour.status, by_header.behaviour.content.as_deref()), (Some(400), Some("hi")));
        assert_eq!(statuses(&script, &[CHAT, CHAT]), [503, 200]);
        assert!(script.choose(CHAT, Some("nonsense=1")).is_err());
        assert_eq!(plain_model(named.model), "gpt-4o");
        assert_eq!(plain_model("mock-fault:status=1"), "mock");
    }

    #[test]
    fn layers_merge_options_defaults_step() {
        let options = parse_fields("content=a;chunks=2;gap_ms=1").expect("parses");
        let script = Script::parse(&options, r#"{"defaults":{"content":"b"},"steps":[{"gap_ms":5}]}"#).expect("parses");
        let behaviour = &script.choose(CHAT, None).expect("chooses").behaviour;
        assert_eq!((behaviour.content.as_deref(), behaviour.chunks), (Some("b"), Some(2)));
        assert_eq!(behaviour.gap_ms, Some(super::super::delay::Delay::Fixed(5.0)));
    }

    #[test]
    fn appended_steps_come_after_and_keep_progress() {
        let script = parse(r#"{"steps":[{"status":500},{"status":501}]}"#);
        assert_eq!(statuses(&script, &[CHAT]), [500]);
        let script = script.appended(r#"{"steps":[{"status":502}]}"#).expect("parses");
        assert_eq!(statuses(&script, &[CHAT; 3]), [501, 502, 200]);
    }

    #[test]
    fn a_wrong_script_says_which_step() {
        let error = Script::parse(&Map::new(), r#"{"steps":[{"status":500},{"statsu":1}]}"#).expect_err("refused");
        assert!(error.starts_with("step 2: ") && error.contains("statsu"), "{error}");
        assert!(Script::parse(&Map::new(), r#"{"steps":[{"times":"often"}]}"#).is_err());
        assert!(Script::parse(&Map::new(), r#"{"step":[]}"#).is_err());
    }
}
