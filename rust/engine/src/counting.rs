//! Token counts that the gateway makes itself, in front of a provider that has no call for them: by the deployment's
//! tokenizer where it has one, else by the estimate that limits go by. Nobody is called.

use bytes::Bytes;
use fastgate_core::translators::token_counts;
use http::{HeaderValue, Response, header};

use crate::answer::Reply;
use crate::attempt::{Asked, Failed, Leg};
use crate::crossing::Pair;
use crate::payload::{self, Payload};
use crate::record::{Record, Stage};
use crate::upload::UpstreamBody;

/// How the gateway came to a count of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CountedBy {
    /// With the deployment's tokenizer.
    Tokenizer,
    /// By the length of the text.
    Estimate,
}

impl CountedBy {
    /// The word for it in headers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokenizer => "tokenizer",
            Self::Estimate => "estimate",
        }
    }
}

impl Asked<'_> {
    /// Counts a prompt as this deployment would be sent it.
    pub(crate) async fn count(
        &self,
        record: &mut Record,
        payload: &Payload,
        leg: &Leg<'_>,
        pair: Pair,
    ) -> Result<Reply, Failed> {
        let (upstream, losses) = self.translated(record.is_stream, payload, leg, pair)?;
        record.dropped = losses;
        let UpstreamBody::Whole(prompt) = upstream.body else {
            return Err(Failed::Exchange(payload::untranslatable()));
        };
        let deployment = &self.snapshot.tables.deployments[leg.deployment].id;
        let vocabularies = &self.worker.shared.vocabularies;
        let exact = vocabularies.count_prompt(deployment, prompt.clone()).await;
        let (tokens, by) = match exact {
            Some(tokens) => (tokens, CountedBy::Tokenizer),
            None => (vocabularies.estimate_prompt(deployment, &prompt), CountedBy::Estimate),
        };
        record.lap(Stage::Route);
        record.counted_by = Some(by);
        let (mut head, ()) = Response::new(()).into_parts();
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Reply::Whole { head, body: Bytes::from(token_counts::write_answer(pair.client, tokens)) })
    }
}
