//! What can be asked for: every path of OpenAI's interface that is served, as one table.
//!
//! A path is the same behind `/v1` here and behind a provider's base URL there.

use fastgate_core::dialects::Dialect;
use http::Method;

use crate::record::Books;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its word in records and metrics.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// `{}` stands for an id.
    pub(crate) path: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) takes: Takes,
    pub(crate) goes: Goes,
    pub(crate) gives: Gives,
    /// The answer names objects that the provider keeps and that later requests refer to.
    pub(crate) is_kept: bool,
    /// Which token counts belong to it; those of what is kept are booked once, by the first that sees them.
    pub(crate) books: Books,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Takes {
    Nothing,
    Json,
    /// A multipart form, passed on as it arrives; JSON where the client sends that.
    Form,
}

/// What decides which deployment answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Goes {
    /// The model that the request names.
    ByModel,
    /// The id: to whoever made what it names.
    ToMaker,
    /// The configuration: to the one provider that keeps files.
    ToFiles,
}

/// What a successful answer may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gives {
    /// A JSON object, or a stream of events.
    Object,
    /// Sound, text or a file as well.
    Content,
}

const PLAIN: Dialect = Dialect::OpenaiPlain { default_model: None };
const MODERATIONS: Dialect = Dialect::OpenaiPlain { default_model: Some("omni-moderation-latest") };

/// What an operation is beside its path.
#[derive(Clone, Copy)]
enum Kind {
    Usual,
    /// Its answer names what the provider keeps.
    Kept,
    /// Its answer may be content.
    Content,
}

const fn row(
    name: &'static str,
    method: Method,
    path: &'static str,
    (dialect, takes, goes, kind): (Dialect, Takes, Goes, Kind),
) -> Operation {
    // What text costs can be told from its length.
    let books = match (goes, name.as_bytes()) {
        (Goes::ByModel, b"chat" | b"responses" | b"completions" | b"embeddings") => Books::ReportedOrEstimated,
        (Goes::ByModel, _) => Books::Reported,
        _ => Books::Nothing,
    };
    let gives = if matches!(kind, Kind::Content) { Gives::Content } else { Gives::Object };
    let is_kept = matches!(kind, Kind::Kept);
    Operation { name, method, path, dialect, takes, goes, gives, is_kept, books }
}

use Dialect::{OpenaiChat, OpenaiCompletions, OpenaiResponses};
use Goes::{ByModel, ToFiles, ToMaker};
use Kind::{Content, Kept, Usual};
use Takes::{Form, Json, Nothing};

/// Every operation; the busiest first, since a look-up goes through them in order.
pub(crate) static OPERATIONS: [Operation; 24] = [
    row("chat", Method::POST, "/chat/completions", (OpenaiChat, Json, ByModel, Usual)),
    row("responses", Method::POST, "/responses", (OpenaiResponses, Json, ByModel, Kept)),
    row("embeddings", Method::POST, "/embeddings", (PLAIN, Json, ByModel, Usual)),
    row("completions", Method::POST, "/completions", (OpenaiCompletions, Json, ByModel, Usual)),
    row("moderations", Method::POST, "/moderations", (MODERATIONS, Json, ByModel, Usual)),
    row("response_get", Method::GET, "/responses/{}", (OpenaiResponses, Nothing, ToMaker, Kept)),
    row("response_delete", Method::DELETE, "/responses/{}", (OpenaiResponses, Nothing, ToMaker, Usual)),
    row("response_cancel", Method::POST, "/responses/{}/cancel", (OpenaiResponses, Nothing, ToMaker, Kept)),
    row("response_input_items", Method::GET, "/responses/{}/input_items", (OpenaiResponses, Nothing, ToMaker, Usual)),
    row("image_generation", Method::POST, "/images/generations", (PLAIN, Json, ByModel, Usual)),
    row("image_edit", Method::POST, "/images/edits", (PLAIN, Form, ByModel, Usual)),
    row("image_variation", Method::POST, "/images/variations", (PLAIN, Form, ByModel, Usual)),
    row("speech", Method::POST, "/audio/speech", (PLAIN, Json, ByModel, Content)),
    row("transcription", Method::POST, "/audio/transcriptions", (PLAIN, Form, ByModel, Content)),
    row("translation", Method::POST, "/audio/translations", (PLAIN, Form, ByModel, Content)),
    row("file_create", Method::POST, "/files", (PLAIN, Form, ToFiles, Kept)),
    row("file_list", Method::GET, "/files", (PLAIN, Nothing, ToFiles, Usual)),
    row("file_get", Method::GET, "/files/{}", (PLAIN, Nothing, ToFiles, Usual)),
    row("file_delete", Method::DELETE, "/files/{}", (PLAIN, Nothing, ToFiles, Usual)),
    row("file_content", Method::GET, "/files/{}/content", (PLAIN, Nothing, ToFiles, Content)),
    row("batch_create", Method::POST, "/batches", (PLAIN, Json, ToFiles, Kept)),
    row("batch_list", Method::GET, "/batches", (PLAIN, Nothing, ToFiles, Usual)),
    row("batch_get", Method::GET, "/batches/{}", (PLAIN, Nothing, ToFiles, Kept)),
    row("batch_cancel", Method::POST, "/batches/{}/cancel", (PLAIN, Nothing, ToFiles, Kept)),
];

/// Where a path leads.
#[derive(Debug)]
pub(crate) enum Found<'path> {
    Operation(Call<'path>),
    /// The methods that the path takes, as `Allow` names them.
    OtherMethod(String),
    Nothing,
}

/// An operation, and the id in its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'path> {
    /// Index into [`OPERATIONS`].
    pub(crate) index: usize,
    pub(crate) id: Option<&'path str>,
}

impl Call<'_> {
    pub(crate) fn operation(self) -> &'static Operation {
        &OPERATIONS[self.index]
    }
}

/// Finds the operation of a request; `path` is what follows `/v1`.
pub(crate) fn find<'path>(method: &Method, path: &'path str) -> Found<'path> {
    let mut allowed = String::new();
    for (index, operation) in OPERATIONS.iter().enumerate() {
        let Some(Fit { id }) = fit(operation.path, path) else { continue };
        if operation.method == *method {
            return Found::Operation(Call { index, id });
        }
        if !allowed.is_empty() {
            allowed.push_str(", ");
        }
        allowed.push_str(operation.method.as_str());
    }
    if allowed.is_empty() { Found::Nothing } else { Found::OtherMethod(allowed) }
}

/// A path that fits a pattern, with the id in it if the pattern has one.
struct Fit<'path> {
    id: Option<&'path str>,
}

fn fit<'path>(pattern: &str, path: &'path str) -> Option<Fit<'path>> {
    let Some((before, after)) = pattern.split_once("{}") else { return (pattern == path).then_some(Fit { id: None }) };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    is_id(id).then_some(Fit { id: Some(id) })
}

/// Ids of the vendors are words; anything else could change where the provider's path leads.
fn is_id(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=256).contains(&text.len()) && text.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> Option<(&'static str, Option<String>)> {
        match find(method, path) {
            Found::Operation(call) => Some((call.operation().path, call.id.map(str::to_owned))),
            _ => None,
        }
    }

    #[test]
    fn finds_operations_by_method_and_path() {
        assert_eq!(found(&Method::POST, "/chat/completions"), Some(("/chat/completions", None)));
        assert_eq!(found(&Method::GET, "/responses/resp_1"), Some(("/responses/{}", Some("resp_1".into()))));
        let cancel = found(&Method::POST, "/responses/resp-1/cancel");
        assert_eq!(cancel, Some(("/responses/{}/cancel", Some("resp-1".into()))));
        assert!(
            matches!(find(&Method::PUT, "/responses/resp_1"), Found::OtherMethod(allowed) if allowed == "GET, DELETE")
        );
        for path in ["/responses/", "/responses/..", "/responses/a%2fb", "/responses/a/b", "/files/a.b", "", "/chat"] {
            assert!(matches!(find(&Method::GET, path), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn no_row_hides_another() {
        for (index, operation) in OPERATIONS.iter().enumerate() {
            let path = operation.path.replace("{}", "id");
            assert!(matches!(find(&operation.method, &path), Found::Operation(call) if call.index == index), "{path}");
        }
    }
}
