//! One vector: a list of numbers, or the same packed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json_view::{Kind, Text, View};

/// A vector as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector<'text> {
    /// A JSON array of numbers.
    Numbers(View<'text>),
    /// Base64 of 32-bit floating-point numbers, least significant byte first.
    Base64(Text<'text>),
}

impl<'text> Vector<'text> {
    /// `None`: neither an array nor a string.
    pub(super) fn read(value: View<'text>) -> Option<Self> {
        match value.kind() {
            Kind::Array => Some(Self::Numbers(value)),
            Kind::Text => value.text().map(Self::Base64),
            _ => None,
        }
    }

    /// Writes it as a list. `None`: it is no vector of finite numbers.
    pub(super) fn write_numbers(&self, written: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Numbers(list) => written.extend_from_slice(list.raw().as_bytes()),
            Self::Base64(text) => {
                let packed = STANDARD.decode(text.decoded()?.as_bytes()).ok()?;
                let (numbers, rest) = packed.as_chunks();
                let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                if !rest.is_empty() || !numbers.iter().all(|number| number.is_finite()) {
                    return None;
                }
                // Into memory: nothing here can fail.
                serde_json::to_writer(written, &numbers).ok()?;
            }
        }
        Some(())
    }

    /// Writes it as base64. `None`: it is no list of numbers.
    pub(super) fn write_base64(&self, written: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Numbers(list) => {
                let numbers: Vec<f32> = serde_json::from_str(list.raw()).ok()?;
                let packed: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                written.push(b'"');
                written.extend_from_slice(STANDARD.encode(packed).as_bytes());
                written.push(b'"');
            }
            Self::Base64(text) => text.write(written),
        }
        Some(())
    }
}
