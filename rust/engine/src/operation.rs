//! What can be asked for: every path that is served, as one table.
//!
//! A path of OpenAI's is the same behind `/v1` here and behind a provider's base URL there. Anthropic's and Gemini's base
//! URLs end before their version, so there it belongs to the path.

use std::borrow::Cow;

use fastgate_core::dialects::Dialect;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::record::Books;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its word in records and metrics.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// What the path may begin with here.
    pub(crate) roots: &'static [&'static str],
    /// The rest of it: `{}` stands for an id, `{model}` for a model's name.
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
        (
            Goes::ByModel,
            b"chat"
            | b"responses"
            | b"completions"
            | b"embeddings"
            | b"messages"
            | b"generate_content"
            | b"stream_generate_content"
            | b"embed_content"
            | b"batch_embed_contents",
        ) => Books::ReportedOrEstimated,
        // Counting costs nothing.
        (Goes::ByModel, b"messages_count_tokens" | b"count_tokens") => Books::Nothing,
        (Goes::ByModel, _) => Books::Reported,
        _ => Books::Nothing,
    };
    let gives = if matches!(kind, Kind::Content) { Gives::Content } else { Gives::Object };
    let is_kept = matches!(kind, Kind::Kept);
    // Google's SDKs have changed from the one to the other.
    let is_gemini = matches!(dialect, Dialect::Gemini { .. } | Dialect::GeminiPlain);
    let roots: &[&str] = if is_gemini { &["/v1beta", "/v1"] } else { &["/v1"] };
    Operation { name, method, roots, path, dialect, takes, goes, gives, is_kept, books }
}

const GEMINI: Dialect = Dialect::Gemini { stream: false };
const GEMINI_STREAM: Dialect = Dialect::Gemini { stream: true };

/// Index of OpenAI's chat, for requests that are translated to it.
pub(crate) const CHAT: usize = 0;
/// Index of Anthropic's messages.
pub(crate) const MESSAGES: usize = 1;
/// Index of Gemini's content in one piece.
pub(crate) const GENERATE_CONTENT: usize = 3;
/// Index of the same in events.
pub(crate) const STREAM_GENERATE_CONTENT: usize = 4;
/// Index of OpenAI's embeddings.
pub(crate) const EMBEDDINGS: usize = 5;
/// Index of Anthropic's token counts.
pub(crate) const MESSAGES_COUNT_TOKENS: usize = 7;
/// Index of Gemini's.
pub(crate) const COUNT_TOKENS: usize = 8;
/// Index of Gemini's embeddings of several texts.
pub(crate) const BATCH_EMBED_CONTENTS: usize = 9;

use Dialect::{Anthropic, GeminiPlain, OpenaiChat, OpenaiCompletions, OpenaiResponses};
use Goes::{ByModel, ToFiles, ToMaker};
use Kind::{Content, Kept, Usual};
use Takes::{Form, Json, Nothing};

/// Every operation; the busiest first, since a look-up goes through them in order.
pub(crate) static OPERATIONS: [Operation; 31] = [
    row("chat", Method::POST, "/chat/completions", (OpenaiChat, Json, ByModel, Usual)),
    row("messages", Method::POST, "/messages", (Anthropic, Json, ByModel, Usual)),
    row("responses", Method::POST, "/responses", (OpenaiResponses, Json, ByModel, Kept)),
    row("generate_content", Method::POST, "/models/{model}:generateContent", (GEMINI, Json, ByModel, Usual)),
    row(
        "stream_generate_content",
        Method::POST,
        "/models/{model}:streamGenerateContent",
        (GEMINI_STREAM, Json, ByModel, Usual),
    ),
    row("embeddings", Method::POST, "/embeddings", (PLAIN, Json, ByModel, Usual)),
    row("completions", Method::POST, "/completions", (OpenaiCompletions, Json, ByModel, Usual)),
    row("messages_count_tokens", Method::POST, "/messages/count_tokens", (Anthropic, Json, ByModel, Usual)),
    row("count_tokens", Method::POST, "/models/{model}:countTokens", (GeminiPlain, Json, ByModel, Usual)),
    row(
        "batch_embed_contents",
        Method::POST,
        "/models/{model}:batchEmbedContents",
        (GeminiPlain, Json, ByModel, Usual),
    ),
    row("embed_content", Method::POST, "/models/{model}:embedContent", (GeminiPlain, Json, ByModel, Usual)),
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

impl Operation {
    /// Whether a model answers it with JSON, or with events where the client asked for a stream.
    pub(crate) fn is_answered_by_model(&self) -> bool {
        self.goes == Goes::ByModel && self.gives == Gives::Object
    }

    /// Whether it is about how many tokens a prompt has.
    pub(crate) fn counts_tokens(&self) -> bool {
        matches!(self.name, "messages_count_tokens" | "count_tokens")
    }

    /// Whether what comes back is made of tokens: vectors and verdicts are not.
    pub(crate) fn gives_tokens(&self) -> bool {
        !matches!(self.name, "embeddings" | "embed_content" | "batch_embed_contents" | "moderations")
    }
}

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

    /// The model that the path names, decoded.
    pub(crate) fn model(&self) -> Option<Cow<'_, str>> {
        let model = self.id.filter(|_| self.operation().path.contains(MODEL))?;
        Some(percent_decode_str(model).decode_utf8_lossy())
    }
}

/// Finds the operation of a request.
pub(crate) fn find<'path>(method: &Method, path: &'path str) -> Found<'path> {
    let mut allowed = String::new();
    for (index, operation) in OPERATIONS.iter().enumerate() {
        let fits = |root: &&str| path.strip_prefix(root).and_then(|rest| fit(operation.path, rest));
        let Some(Fit { id }) = operation.roots.iter().find_map(fits) else { continue };
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

/// The dialect that whoever asks for a path expects an error in.
pub(crate) fn dialect_at(path: &str) -> Dialect {
    if path.starts_with("/v1/messages") {
        Anthropic
    } else if path.starts_with("/v1beta/") || (path.starts_with("/v1/models/") && path.contains(':')) {
        GEMINI
    } else {
        OpenaiChat
    }
}

/// A path that fits a pattern, with the id in it if the pattern has one.
struct Fit<'path> {
    id: Option<&'path str>,
}

fn fit<'path>(pattern: &str, path: &'path str) -> Option<Fit<'path>> {
    let (before, after, is_fit): (_, _, fn(&str) -> bool) = if let Some((before, after)) = pattern.split_once(MODEL) {
        (before, after, is_model)
    } else if let Some((before, after)) = pattern.split_once("{}") {
        (before, after, is_id)
    } else {
        return (pattern == path).then_some(Fit { id: None });
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    is_fit(id).then_some(Fit { id: Some(id) })
}

const MODEL: &str = "{model}";

/// Names are looked up, never sent on as they are, so they may have slashes and escapes.
fn is_model(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
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
        assert_eq!(found(&Method::POST, "/v1/chat/completions"), Some(("/chat/completions", None)));
        assert_eq!(found(&Method::POST, "/v1/messages"), Some(("/messages", None)));
        assert_eq!(found(&Method::GET, "/v1/responses/resp_1"), Some(("/responses/{}", Some("resp_1".into()))));
        let cancel = found(&Method::POST, "/v1/responses/resp-1/cancel");
        assert_eq!(cancel, Some(("/responses/{}/cancel", Some("resp-1".into()))));
        assert!(
            matches!(find(&Method::PUT, "/v1/responses/resp_1"), Found::OtherMethod(allowed) if allowed == "GET, DELETE")
        );
        for path in ["/responses/", "/responses/..", "/responses/a%2fb", "/responses/a/b", "/files/a.b", "", "/chat"] {
            assert!(matches!(find(&Method::GET, &format!("/v1{path}")), Found::Nothing), "{path}");
            assert!(matches!(find(&Method::GET, path), Found::Nothing), "{path}");
        }
    }

    #[test]
    fn a_path_may_name_a_model() {
        for (name, model) in
            [("gemini-2.5-flash", "gemini-2.5-flash"), ("openai/gpt-4o", "openai/gpt-4o"), ("a%2Fb", "a/b")]
        {
            let path = format!("/v1beta/models/{name}:streamGenerateContent");
            let Found::Operation(call) = find(&Method::POST, &path) else { panic!("{path}") };
            assert_eq!((call.index, call.model().as_deref()), (STREAM_GENERATE_CONTENT, Some(model)));
        }
        let of_newer_sdks = find(&Method::POST, "/v1/models/gemini:generateContent");
        assert!(matches!(of_newer_sdks, Found::Operation(call) if call.index == GENERATE_CONTENT));
        assert!(matches!(find(&Method::POST, "/v1/models/gemini"), Found::Nothing));
        for (index, name) in [
            (CHAT, "chat"),
            (MESSAGES, "messages"),
            (GENERATE_CONTENT, "generate_content"),
            (STREAM_GENERATE_CONTENT, "stream_generate_content"),
            (EMBEDDINGS, "embeddings"),
            (MESSAGES_COUNT_TOKENS, "messages_count_tokens"),
            (COUNT_TOKENS, "count_tokens"),
            (BATCH_EMBED_CONTENTS, "batch_embed_contents"),
        ] {
            assert_eq!(OPERATIONS[index].name, name);
        }
    }

    #[test]
    fn no_row_hides_another() {
        for (index, operation) in OPERATIONS.iter().enumerate() {
            let path = format!("{}{}", operation.roots[0], operation.path.replace("{}", "id").replace(MODEL, "m"));
            assert!(matches!(find(&operation.method, &path), Found::Operation(call) if call.index == index), "{path}");
        }
    }
}
