//! When two requests have the same answer.

pub mod key;
