//! Proofs of thought on their way through other dialects.
//!
//! In the neutral form a provider's signature has its vendor in front (`gemini:…`), so that no vendor is sent another's.
//! Gemini's clients take `thoughtSignature` for bytes in base64 and write them anew when they send history back, so
//! there another vendor's signature is put into base64 once more, vendor included.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::json_view::Text;
use crate::neutral::signed_by::{self, GEMINI as OWN, REDACTED};

const OTHERS: [&str; 3] = [signed_by::ANTHROPIC, signed_by::OPENAI, signed_by::CHAT_REASONING];

/// What Google documents for calls that another model made: Gemini 3 refuses calls without a signature. This is
/// `skip_thought_signature_validator` in base64.
pub(in crate::translators) const OF_ANOTHER_MODEL: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// What a client sent as a signature.
#[derive(Debug, PartialEq)]
pub(super) enum Sent<'text> {
    Signature(Text<'text>),
    /// Encrypted thoughts of another vendor.
    Redacted(Text<'text>),
}

/// A signature that Gemini gave.
pub(super) fn of_provider(signature: &Text<'_>) -> Text<'static> {
    signature.after(OWN)
}

/// A signature that may go to Gemini, as it stands between quotes.
pub(super) fn for_provider<'a>(signature: &'a Text<'_>) -> Option<&'a str> {
    signature.escaped().strip_prefix(OWN)
}

/// A signature as a client of Gemini's takes it, as it stands between quotes.
pub(super) fn for_client(signature: &Text<'_>) -> String {
    let escaped = signature.escaped();
    if let Some(own) = escaped.strip_prefix(OWN) {
        return own.to_owned();
    }
    if OTHERS.iter().any(|vendor| escaped.starts_with(vendor)) { encode("", signature) } else { escaped.to_owned() }
}

/// Encrypted thoughts as a signature that a client of Gemini's takes.
pub(super) fn redacted_for_client(thoughts: &Text<'_>) -> String {
    encode(REDACTED, thoughts)
}

fn encode(before: &str, text: &Text<'_>) -> String {
    let decoded = text.decoded();
    STANDARD.encode(format!("{before}{}", decoded.as_deref().unwrap_or(text.escaped())))
}

/// A signature that a client sent back.
pub(super) fn of_client(signature: Text<'_>) -> Sent<'_> {
    let bytes = signature.escaped().as_bytes();
    let decoded = STANDARD.decode(bytes).or_else(|_| URL_SAFE.decode(bytes)).ok();
    let Some(decoded) = decoded.and_then(|decoded| String::from_utf8(decoded).ok()) else {
        return Sent::Signature(signature);
    };
    if let Some(thoughts) = decoded.strip_prefix(REDACTED) {
        return Sent::Redacted(Text::of(thoughts));
    }
    if OTHERS.iter().any(|vendor| decoded.starts_with(vendor)) {
        return Sent::Signature(Text::of(&decoded));
    }
    Sent::Signature(signature)
}

/// Whether a client of Gemini's sent what another vendor signed or encrypted.
pub(in crate::translators) fn is_foreign(signature: &str) -> bool {
    match of_client(Text::of(signature)) {
        Sent::Signature(sent) => OTHERS.iter().any(|vendor| sent.escaped().starts_with(vendor)),
        Sent::Redacted(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_other_vendors_survive_a_client_that_takes_them_for_bytes() {
        for own in ["anthropic:EqQB+/==", "openai:gAAAA_-", "chat:reasoning_content"] {
            let sent = for_client(&Text::of(own));
            let bytes = STANDARD.decode(&sent).expect("base64");
            for sent_back in [sent, URL_SAFE.encode(&bytes), URL_SAFE.encode(&bytes).trim_end_matches('=').to_owned()] {
                assert_eq!(of_client(Text::of(&sent_back)), Sent::Signature(Text::of(own)));
            }
        }
        let redacted = redacted_for_client(&Text::of("anthropic:x\"y"));
        assert_eq!(of_client(Text::of(&redacted)), Sent::Redacted(Text::of("anthropic:x\"y")));
    }

    #[test]
    fn ones_own_stays_as_it_was() {
        let own = of_provider(&Text::of("CpYE_-=="));
        assert_eq!((for_client(&own).as_str(), for_provider(&own)), ("CpYE_-==", Some("CpYE_-==")));
        assert_eq!(for_provider(&Text::of("anthropic:a")), None);
        assert_eq!(of_client(Text::of("CpYE_-==")), Sent::Signature(Text::of("CpYE_-==")));
        assert_eq!(STANDARD.decode(OF_ANOTHER_MODEL).expect("base64"), b"skip_thought_signature_validator");
    }
}
