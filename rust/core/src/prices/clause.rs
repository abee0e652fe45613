//! Which names mean a model: clauses of the catalogue over names in lower case.

use regex_lite::Regex;
use serde::{Deserialize, Deserializer, de};

/// A condition on a name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Clause {
    /// The name itself.
    Equals(Box<str>),
    /// Its beginning.
    StartsWith(Box<str>),
    /// Its end.
    EndsWith(Box<str>),
    /// A part of it.
    Contains(Box<str>),
    /// An expression found anywhere in it.
    Regex(Pattern),
    /// One of these.
    Any(Box<[Clause]>),
    /// All of these.
    All(Box<[Clause]>),
    /// The opposite.
    Not(Box<Clause>),
}

impl Clause {
    /// `name` in lower case.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == text.as_ref(),
            Self::StartsWith(text) => name.starts_with(text.as_ref()),
            Self::EndsWith(text) => name.ends_with(text.as_ref()),
            Self::Contains(text) => name.contains(text.as_ref()),
            Self::Regex(pattern) => pattern.0.is_match(name),
            Self::Any(clauses) => clauses.iter().any(|clause| clause.matches(name)),
            Self::All(clauses) => clauses.iter().all(|clause| clause.matches(name)),
            Self::Not(clause) => !clause.matches(name),
        }
    }
}

/// A regular expression, compiled when the catalogue is read.
#[derive(Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Whether `text` begins with a match.
    pub(super) fn begins(&self, text: &str) -> bool {
        self.0.find(text).is_some_and(|found| found.start() == 0)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Regex::new(&pattern).map(Self).map_err(de::Error::custom)
    }
}
