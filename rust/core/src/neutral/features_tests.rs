use super::*;
use crate::neutral::{Sampling, Turn, Unexpressed};

#[test]
fn the_table_is_in_the_order_of_the_features() {
    for (index, row) in TABLE.iter().enumerate() {
        assert_eq!(row.feature as usize, index, "{row:?}");
        let is_said = row.fields.iter().any(|field| !field.is_empty());
        assert!(is_said, "{:?} is said by nobody", row.feature);
        for (field, class) in row.fields.iter().zip(row.classes) {
            // ThoughtsInAnswer is what chat gives by itself, or never.
            assert!(!field.is_empty() || class != Class::Expressed, "{:?} has no field where it is said", row.feature);
        }
    }
}

/// The manual's table is this one, row by row.
#[test]
fn the_manual_has_the_table() {
    let manual = include_str!("../../../../docs/dialects.md");
    for row in &TABLE {
        let cells = row.fields.iter().zip(row.classes).map(|(field, class)| match class {
            Class::Expressed => format!("`{field}`"),
            Class::Ignorable => "left out".to_owned(),
            Class::Refused => "refused".to_owned(),
        });
        let line = format!("| {} | {} |", row.name, cells.collect::<Vec<_>>().join(" | "));
        assert!(manual.contains(&line), "docs/dialects.md lacks: {line}");
    }
    let table = manual.split("<!-- table -->").nth(1).and_then(|rest| rest.split("<!-- end").next());
    let listed = table.map_or(0, |table| table.lines().filter(|line| line.starts_with("| ")).count());
    assert_eq!(listed, TABLE.len() + 1, "docs/dialects.md lists rows that do not exist");
}

#[test]
fn what_is_lost_is_named_as_the_client_wrote_it() {
    let sampling = Sampling { seed: Some("7"), presence_penalty: Some("0.0"), ..Sampling::default() };
    let mut request = Request { sampling, choices: Some(1), ..Request::default() };
    let store = |is_essential| Unexpressed { name: "store".into(), is_essential };
    request.unexpressed.push(store(false));
    let losses = check(&request, Format::OpenaiChat, Format::Anthropic);
    assert_eq!(losses, Ok(vec![Cow::Borrowed("seed"), Cow::Borrowed("store")]));
    assert_eq!(check(&request, Format::OpenaiChat, Format::Gemini), Ok(vec![Cow::Borrowed("store")]));
    request.choices = Some(2);
    let refused = check(&request, Format::OpenaiChat, Format::Anthropic).expect_err("two are not given");
    assert_eq!(refused.param, Some("n"));
    request = Request { unexpressed: vec![store(true)], ..Request::default() };
    assert!(check(&request, Format::OpenaiChat, Format::Gemini).is_err());
}

#[test]
fn what_is_within_results_of_tools_counts() {
    let file = Part::new(PartKind::Image { source: Source::File(Text::of("file-1")), detail: None });
    let result = PartKind::ToolResult { id: Text::of("a"), name: None, is_error: true, content: vec![file] };
    let turn = Turn { role: Role::User, name: None, parts: vec![Part::new(result)] };
    let request = Request { turns: vec![turn], ..Request::default() };
    assert!(request.uses(Feature::StoredFile) && request.uses(Feature::FailedToolResult));
}

#[test]
fn thoughts_are_lost_to_all_but_their_own() {
    let thought = |proof| Part { signature: Some(Text::of(proof)), ..Part::new(PartKind::Thinking(Text::of("t"))) };
    let lost = |parts: Vec<Part<'static>>, to| {
        let turns = vec![Turn { role: Role::Assistant, name: None, parts }];
        check(&Request { turns, ..Request::default() }, Format::OpenaiChat, to).expect("nothing essential")
    };
    assert!(lost(vec![thought("anthropic:a")], Format::Anthropic).is_empty());
    assert!(lost(vec![thought("chat:reasoning_content")], Format::OpenaiChat).is_empty());
    assert!(lost(vec![Part::new(PartKind::RedactedThinking(Text::of("gemini:a")))], Format::Gemini).is_empty());
    let named = [Cow::Borrowed("messages.reasoning_content")];
    assert_eq!(lost(vec![thought("anthropic:a")], Format::Gemini), named);
    assert_eq!(lost(vec![thought("anthropic:a"), thought("x")], Format::Anthropic), named);
    assert_eq!(lost(vec![Part::new(PartKind::Thinking(Text::of("t")))], Format::OpenaiChat), named);
}

#[test]
fn sound_at_an_address_is_for_gemini_alone() {
    let sound = PartKind::Audio(Source::Url { url: Text::of("https://a.b/c.mp3"), media_type: None });
    let turns = vec![Turn { role: Role::User, name: None, parts: vec![Part::new(sound)] }];
    let request = Request { turns, ..Request::default() };
    let refused = check(&request, Format::Gemini, Format::OpenaiChat).expect_err("chat takes data alone");
    assert_eq!(refused.param, Some("contents.parts.fileData"));
}
