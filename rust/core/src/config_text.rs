//! TOML text to values that remember their line.
//!
//! Every value carries the line it was written on, so that an error found much later can name it. Decimal numbers stay
//! text: amounts of money are read from what the user wrote, never from a float. Nothing here knows what a setting
//! means, and no message repeats the file's content, which may hold secrets.

use std::ops::Range;

use toml_edit::{Document, Item, Key, TableLike, Value as TomlValue};

/// A value and the line, counted from 1, on which it (or the key that names it) stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Line, counted from 1.
    pub line: usize,
    /// What stands there.
    pub value: Value,
}

/// What a configuration file can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent, as text without `_`.
    Decimal(String),
    /// A string; dates and times are text as well, in RFC 3339.
    Text(String),
    /// Values in order.
    List(Vec<Located>),
    /// Names and values in the file's order.
    Table(Vec<(String, Located)>),
}

/// Why a text is not TOML that a configuration may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, without quoting the file.
    pub message: String,
}

/// Reads a whole TOML document.
///
/// # Errors
/// The first syntax error, a duplicate key, or a number that is not finite, with its place.
pub fn read_toml(text: &str) -> Result<Located, SyntaxError> {
    let lines = Lines::of(text);
    let document = Document::parse(text)
        .map_err(|error| lines.error(error.span().unwrap_or(0..0), &error.message().replace('\n', ", ")))?;
    let value = read_table(&lines, document.as_table())?;
    Ok(Located { line: 1, value })
}

fn read_table(lines: &Lines<'_>, table: &dyn TableLike) -> Result<Value, SyntaxError> {
    let mut entries = Vec::with_capacity(table.len());
    for (name, item) in table.iter() {
        let line = lines.line(table.key(name).and_then(Key::span).or_else(|| item.span()));
        entries.push((name.to_owned(), Located { line, value: read_item(lines, item)? }));
    }
    Ok(Value::Table(entries))
}

fn read_item(lines: &Lines<'_>, item: &Item) -> Result<Value, SyntaxError> {
    match item {
        Item::None => Ok(Value::Table(Vec::new())),
        Item::Value(value) => read_value(lines, value),
        Item::Table(table) => read_table(lines, table),
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|table| Ok(Located { line: lines.line(table.span()), value: read_table(lines, table)? }))
            .collect::<Result<_, _>>()
            .map(Value::List),
    }
}

fn read_value(lines: &Lines<'_>, value: &TomlValue) -> Result<Value, SyntaxError> {
    Ok(match value {
        TomlValue::Boolean(boolean) => Value::Boolean(*boolean.value()),
        TomlValue::Integer(integer) => Value::Integer(*integer.value()),
        TomlValue::String(string) => Value::Text(string.value().clone()),
        TomlValue::Datetime(moment) => Value::Text(moment.value().to_string()),
        TomlValue::InlineTable(table) => read_table(lines, table)?,
        TomlValue::Float(float) => {
            let span = value.span().unwrap_or(0..0);
            if !float.value().is_finite() {
                return Err(lines.error(span, "a number must be finite and in range"));
            }
            Value::Decimal(lines.text.get(span).unwrap_or_default().replace('_', ""))
        }
        TomlValue::Array(array) => array
            .iter()
            .map(|element| Ok(Located { line: lines.line(element.span()), value: read_value(lines, element)? }))
            .collect::<Result<_, _>>()
            .map(Value::List)?,
    })
}

/// Where lines begin: turns byte offsets into line numbers by binary search.
struct Lines<'text> {
    text: &'text str,
    starts: Vec<usize>,
}

impl<'text> Lines<'text> {
    fn of(text: &'text str) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { text, starts }
    }

    fn line(&self, span: Option<Range<usize>>) -> usize {
        self.starts.partition_point(|start| *start <= span.as_ref().map_or(0, |span| span.start))
    }

    fn error(&self, span: Range<usize>, message: &str) -> SyntaxError {
        let start = span.start;
        let line = self.line(Some(span));
        let before = self.text.get(self.starts[line - 1]..start).unwrap_or_default();
        SyntaxError { line, column: before.chars().count() + 1, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Located, Value, read_toml};

    fn find<'a>(located: &'a Located, path: &[&str]) -> &'a Located {
        path.iter().fold(located, |located, step| match &located.value {
            Value::Table(entries) => &entries.iter().find(|(name, _)| name == step).expect("a key of the table").1,
            Value::List(elements) => &elements[step.parse::<usize>().expect("an index")],
            _ => panic!("{step}: not a container"),
        })
    }

    #[test]
    fn values_know_their_lines() {
        let text = "a = 1\n[b.c]\nd = [\n  true,\n  \"x\",\n]\ne = { f = 2 }\n[[k]]\ng = 1\n[[k]]\ng = 2\n";
        let document = read_toml(text).expect("valid");
        for (path, line) in [
            (vec!["a"], 1),
            (vec!["b", "c"], 2),
            (vec!["b", "c", "d"], 3),
            (vec!["b", "c", "d", "1"], 5),
            (vec!["b", "c", "e", "f"], 7),
            (vec!["k", "0"], 8),
            (vec!["k", "1", "g"], 11),
        ] {
            assert_eq!(find(&document, &path).line, line, "{path:?}");
        }
    }

    #[test]
    fn decimals_keep_their_text() {
        let document = read_toml("a = 0.1000000000000000055\nb = 1_000.50\nc = 1e3").expect("valid");
        let texts = ["a", "b", "c"].map(|name| find(&document, &[name]).value.clone());
        assert_eq!(texts, ["0.1000000000000000055", "1000.50", "1e3"].map(|text| Value::Decimal(text.into())));
    }

    #[test]
    fn dates_are_text() {
        let document = read_toml("a = 2027-01-31\nb = 2027-01-31 10:00:00Z").expect("valid");
        assert_eq!(find(&document, &["a"]).value, Value::Text("2027-01-31".into()));
        assert_eq!(find(&document, &["b"]).value, Value::Text("2027-01-31T10:00:00Z".into()));
    }

    #[test]
    fn errors_name_the_place_and_never_the_content() {
        for (text, line) in [
            ("a = 1\nsecret-value = = 2", 2),
            ("a = 1\n\na = 2", 3),
            ("a = nan", 1),
            ("a = 1\nb = \"secret-value", 2),
            ("[a]\nb = 1e999", 2),
        ] {
            let error = read_toml(text).expect_err("invalid");
            assert_eq!(error.line, line, "{text}");
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let text = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(read_toml(&text).is_err());
    }
}
