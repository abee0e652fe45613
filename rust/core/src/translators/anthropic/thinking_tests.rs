use super::*;
use crate::json_view::Text;
use crate::neutral::Tool;

const WORDS: Option<ReasoningUnit> = Some(ReasoningUnit::Words);
const TOKENS: Option<ReasoningUnit> = Some(ReasoningUnit::Tokens);

fn request(effort: Option<Effort>, budget_tokens: Option<i64>, max_output_tokens: Option<u64>) -> Request<'static> {
    let reasoning = Reasoning { effort, budget_tokens, ..Reasoning::default() };
    Request { reasoning: Some(reasoning), max_output_tokens, ..Request::default() }
}

fn plan(request: &Request<'_>, reasoning: Option<ReasoningUnit>, output_tokens: Option<u64>) -> (Thinking, u64) {
    let plan = Plan::of(request, &Target { model: "m", output_tokens, reasoning }, true);
    (plan.thinking, plan.max_tokens)
}

#[test]
fn room_for_an_answer() {
    let plain = Request::default();
    assert_eq!(plan(&plain, None, None), (Thinking::Unsaid, 4_096));
    assert_eq!(plan(&plain, None, Some(64_000)), (Thinking::Unsaid, 64_000));
    assert_eq!(plan(&Request { max_output_tokens: Some(7), ..plain }, None, Some(64_000)), (Thinking::Unsaid, 7));
}

#[test]
fn budgets_fit_below_the_limit() {
    let asked = |budget, max| request(None, Some(budget), max);
    assert_eq!(plan(&asked(2_000, None), TOKENS, None), (Thinking::Budget(2_000), 6_096));
    assert_eq!(plan(&asked(2_000, None), None, Some(8_192)), (Thinking::Budget(2_000), 8_192));
    assert_eq!(plan(&asked(9_000, None), TOKENS, Some(8_192)), (Thinking::Budget(6_144), 8_192));
    assert_eq!(plan(&asked(4_000, Some(4_000)), TOKENS, None), (Thinking::Budget(3_000), 4_000));
    assert_eq!(plan(&asked(2_000, Some(1_200)), TOKENS, None), (Thinking::Unsaid, 1_200));
    assert_eq!(plan(&asked(1_023, Some(4_000)), TOKENS, None), (Thinking::Unsaid, 4_000));
    assert_eq!(plan(&asked(1_024, Some(1_025)), TOKENS, None), (Thinking::Budget(1_024), 1_025));
    assert_eq!(plan(&asked(i64::MAX, Some(0)), TOKENS, None), (Thinking::Unsaid, 0));
}

#[test]
fn words_and_tokens_stand_for_each_other() {
    let efforts = |effort, budget, unit| {
        let plan = Plan::of(
            &request(effort, budget, None),
            &Target { model: "m", output_tokens: None, reasoning: unit },
            true,
        );
        (plan.thinking, plan.effort)
    };
    assert_eq!(efforts(Some(Effort::High), None, None), (Thinking::Budget(16_384), None));
    assert_eq!(efforts(Some(Effort::Minimal), None, WORDS), (Thinking::Adaptive, Some(Effort::Low)));
    assert_eq!(efforts(None, Some(8_000), WORDS), (Thinking::Adaptive, Some(Effort::Medium)));
    assert_eq!(efforts(None, Some(-1), WORDS), (Thinking::Adaptive, None));
    assert_eq!(efforts(None, Some(-1), TOKENS), (Thinking::Budget(8_192), None));
    for unit in [None, WORDS, TOKENS] {
        assert_eq!(efforts(Some(Effort::None), None, unit), (Thinking::Disabled, None));
        assert_eq!(efforts(None, Some(0), unit), (Thinking::Disabled, None));
        assert_eq!(efforts(None, None, unit), (Thinking::Unsaid, None));
    }
    assert_eq!(efforts(Some(Effort::High), Some(0), WORDS), (Thinking::Disabled, Some(Effort::High)));
}

#[test]
fn thinking_gives_way_to_what_does_not_go_with_it() {
    let tool = Tool { name: Text::of("f"), description: None, parameters: None, strict: None, cache_control: None };
    let forced = |tool_choice| Request {
        tools: vec![tool.clone()],
        tool_choice: Some(tool_choice),
        ..request(Some(Effort::High), None, None)
    };
    for unit in [WORDS, TOKENS] {
        assert_eq!(plan(&forced(ToolChoice::Required), unit, Some(64_000)).0, Thinking::Unsaid);
        assert_eq!(plan(&forced(ToolChoice::Tool(Text::of("f"))), unit, Some(64_000)).0, Thinking::Unsaid);
        assert_ne!(plan(&forced(ToolChoice::Auto), unit, Some(64_000)).0, Thinking::Unsaid);
    }
    let history = |unit| {
        let target = Target { model: "m", output_tokens: None, reasoning: unit };
        Plan::of(&request(Some(Effort::High), None, None), &target, false).thinking
    };
    assert_eq!((history(TOKENS), history(WORDS)), (Thinking::Unsaid, Thinking::Adaptive));
}

#[test]
fn written_as_the_provider_reads_it() {
    let written = |includes_thoughts, budget, unit| {
        let mut request = request(None, Some(budget), None);
        request.reasoning = request.reasoning.map(|reasoning| Reasoning { includes_thoughts, ..reasoning });
        let plan = Plan::of(&request, &Target { model: "m", output_tokens: None, reasoning: unit }, true);
        let mut body = Vec::new();
        let mut object = JsonObject::begin(&mut body);
        plan.write(&mut object);
        object.end();
        String::from_utf8(body).expect("UTF-8")
    };
    assert_eq!(written(Some(true), 2048, TOKENS), r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#);
    let hidden = r#"{"thinking":{"type":"enabled","budget_tokens":2048,"display":"omitted"}}"#;
    assert_eq!(written(Some(false), 2048, TOKENS), hidden);
    assert_eq!(written(Some(true), -1, WORDS), r#"{"thinking":{"type":"adaptive","display":"summarized"}}"#);
    assert_eq!(written(None, 0, WORDS), r#"{"thinking":{"type":"disabled"}}"#);
}
