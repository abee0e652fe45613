//! The attempts of an exchange that came to nothing, in order: a header for the client, a list in the record.

use std::io::Write;
use std::time::Duration;

use fastgate_core::json_object::{JsonObject, write_list};
use fastgate_core::resilience::Reason;
use fastgate_core::tables::Tables;
use fastgate_core::usage::Usage;

use crate::charge::Charge;
use crate::clock::microseconds;
use crate::record_json::write_usage;

/// Attempts that are written down; there can hardly be more.
const LIMIT: usize = 32;

/// An attempt that came to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    /// Index of the deployment.
    pub(crate) deployment: usize,
    /// Why.
    pub(crate) reason: Reason,
    /// What the provider answered with, if it did.
    pub(crate) status: Option<u16>,
    /// How long it took.
    pub(crate) took: Duration,
    /// What the provider billed for it all the same, where it said so.
    pub(crate) billed: Option<Box<Billed>>,
}

/// What an attempt that came to nothing was billed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Billed {
    pub(crate) usage: Usage,
    pub(crate) charge: Charge,
    /// The provider did not say.
    pub(crate) is_estimated: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Trail(Vec<Tried>);

impl Trail {
    pub(crate) fn push(&mut self, tried: Tried) {
        if self.0.len() < LIMIT {
            self.0.push(tried);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that were billed.
    pub(crate) fn billed(&self) -> impl Iterator<Item = &Billed> {
        self.0.iter().filter_map(|tried| tried.billed.as_deref())
    }

    /// Whether this deployment is among them.
    pub(crate) fn has(&self, deployment: usize) -> bool {
        self.0.iter().any(|tried| tried.deployment == deployment)
    }

    /// How many deployments there were.
    pub(crate) fn deployments(&self) -> usize {
        let is_new = |(index, tried): &(usize, &Tried)| {
            !self.0[..*index].iter().any(|earlier| earlier.deployment == tried.deployment)
        };
        self.0.iter().enumerate().filter(is_new).count()
    }

    /// `gpt-4o-us;reason=overloaded;status=503;ms=212, …`: a list of RFC 9651 without its quotes, since ids are words.
    pub(crate) fn header(&self, tables: &Tables) -> Vec<u8> {
        let mut text = Vec::new();
        for tried in &self.0 {
            if !text.is_empty() {
                text.extend_from_slice(b", ");
            }
            // Into memory: nothing here can fail.
            let _ = write!(text, "{};reason={}", tables.deployments[tried.deployment].id, tried.reason.name());
            if let Some(status) = tried.status {
                let _ = write!(text, ";status={status}");
            }
            let _ = write!(text, ";ms={}", tried.took.as_millis());
        }
        text
    }

    /// The same as a JSON array.
    pub(crate) fn write(&self, tables: &Tables, into: &mut Vec<u8>) {
        write_list(into, &self.0, |tried, into| {
            let deployment = &tables.deployments[tried.deployment];
            let mut object = JsonObject::begin(into);
            object.text("deployment", &deployment.id);
            object.text("provider", &tables.providers[deployment.provider].id);
            object.text("reason", tried.reason.name());
            object.number_or_null("status", tried.status);
            object.number("us", microseconds(tried.took));
            if let Some(Billed { usage, charge, is_estimated }) = tried.billed.as_deref() {
                object.object("usage", |object| write_usage(usage, object));
                object.flag("usage_estimated", *is_estimated);
                charge.write(&mut object);
            }
            object.end();
        });
    }
}
