use std::fmt::Write as _;

use super::*;

const MANUAL: &str = include_str!("../../../../docs/provider-errors.md");

fn list(words: &[&str], quote: &str, or: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{quote}{}{quote}", word.trim_end())).collect();
    if quoted.is_empty() { or.to_owned() } else { quoted.join(", ") }
}

/// A row as the manual has it.
fn line(row: &Row) -> String {
    let dialects: Vec<&str> = row.dialects.iter().map(|dialect| dialect.name()).collect();
    let statuses = match row.statuses {
        Statuses::Any => "any".to_owned(),
        Statuses::Are(statuses) => {
            let names = statuses.iter().map(|status| if *status == 0 { "none".to_owned() } else { status.to_string() });
            names.collect::<Vec<_>>().join(", ")
        }
        Statuses::Within(first, last) => format!("{first}–{last}"),
    };
    let mut conditions = String::new();
    if !row.codes.is_empty() {
        write!(conditions, "code {}", list(row.codes, "`", "")).expect("text");
    }
    let body = match row.body {
        Body::Any => String::new(),
        Body::Begins(words) => format!("message begins {}", list(words, "\"", "")),
        Body::Says(words) => format!("message has {}", list(words, "\"", "")),
        Body::Markup => "HTML or XML".to_owned(),
        Body::NotJson => "no JSON".to_owned(),
    };
    let head = match row.head {
        Head::Any => String::new(),
        Head::Lacks(name) => format!("no `{name}`"),
        Head::Has(name, value) => format!("`{name}: {value}`"),
    };
    let conditions: Vec<&str> =
        [conditions.as_str(), &body, &head].into_iter().filter(|condition| !condition.is_empty()).collect();
    let action = match row.action {
        Wait => "wait",
        Move => "move",
        Stop => "stop",
        DisableKey => "disable key",
    };
    let pause = match row.back_off {
        _ if row.action == Stop => "–",
        BackOff::Hinted => "hint",
        BackOff::Own => "own",
    };
    format!(
        "| {} | {} | {statuses} | {} | {action} | `{}` | {pause} |",
        row.what,
        if dialects.is_empty() { "any".to_owned() } else { dialects.join(", ") },
        if conditions.is_empty() { "–".to_owned() } else { conditions.join("; ") },
        row.reason.name(),
    )
}

/// The manual's table is this one, row by row and in its order; so is the one of codes.
#[test]
fn the_manual_lists_every_row() {
    let rows: Vec<String> = TABLE.iter().map(line).collect();
    let statuses: Vec<String> =
        STATUSES.iter().map(|(status, codes)| format!("| {status} | {} |", list(codes, "`", ""))).collect();
    for expected in [rows.join("\n"), statuses.join("\n")] {
        assert!(MANUAL.contains(&format!("|---|\n{expected}\n\n")), "docs/provider-errors.md lacks:\n{expected}");
    }
}

#[test]
fn the_manual_lists_every_reason() {
    for row in TABLE {
        let reason = format!("| `{}` |", row.reason.name());
        assert!(MANUAL.lines().any(|line| line.starts_with(&reason)), "docs/provider-errors.md lacks {reason}");
    }
}

#[test]
fn words_are_as_they_are_compared() {
    for row in TABLE {
        let words = match row.body {
            Body::Begins(words) | Body::Says(words) => words,
            _ => &[],
        };
        for word in words.iter().chain(row.codes) {
            assert_eq!(*word, word.to_lowercase(), "{}", row.what);
            // What is shorter occurs by chance.
            assert!(row.codes.contains(word) || word.len() >= 5, "{word}");
        }
        for code in row.codes {
            assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{code}");
        }
    }
    let codes: Vec<&str> = STATUSES.iter().flat_map(|(_, codes)| *codes).copied().collect();
    for (index, code) in codes.iter().enumerate() {
        assert!(!codes[..index].contains(code), "{code} stands for two statuses");
        assert_eq!(*code, code.to_lowercase());
    }
}

/// What a client wrote may stand in a message, so words in the middle of one never bench a credential where the status
/// is that of a bad request.
#[test]
fn no_words_of_a_client_bench_a_credential() {
    for row in TABLE.iter().filter(|row| matches!(row.reason, QuotaSpent | CredentialsRefused)) {
        let Body::Says(_) = row.body else { continue };
        let Statuses::Are(statuses) = row.statuses else { panic!("{}: any status", row.what) };
        let is_narrow = statuses.iter().all(|status| matches!(status, 401 | 402 | 412 | 429))
            || (statuses == [403] && row.dialects == [Openai]);
        assert!(is_narrow, "{}", row.what);
    }
}
