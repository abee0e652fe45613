//! One line of the access log: a JSON object per exchange, every field bounded, nothing secret.
//!
//! Money is written from its integer, as decimal text of USD. Field names are those of the spool's records.

use super::series::{Cost, TOKEN_CLASSES, TokenCount};
use crate::json_object::JsonObject;

/// Text is cut here: ids and names are short, and a client may choose some of them.
const TEXT_BYTES_MAX: usize = 256;

/// What a line says. Times are ns; `None` is left out.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    /// When the request came, ms since 1970.
    pub unix_ms: u64,
    /// Names the exchange.
    pub request_id: &'a str,
    /// 32 hex digits.
    pub trace_id: Option<&'a str>,
    /// Who pays.
    pub tenant: Option<&'a str>,
    /// Who asked.
    pub user: Option<&'a str>,
    /// Which product surface.
    pub feature: Option<&'a str>,
    /// Which key, by the id that `fastgate keys` shows; never the key.
    pub key_id: Option<&'a str>,
    /// The name the client asked for.
    pub model: Option<&'a str>,
    /// Where it was sent.
    pub deployment: Option<&'a str>,
    /// The HTTP status that went out; `None` if the client left before.
    pub status: Option<u16>,
    /// A word of the closed vocabulary.
    pub outcome: &'a str,
    /// Tokens by class.
    pub tokens: TokenCount,
    /// What they cost.
    pub cost: Cost,
    /// From receipt to the end of the answer.
    pub duration_ns: u64,
    /// The gateway's own part.
    pub overhead_ns: u64,
    /// Waiting for the provider.
    pub upstream_ns: Option<u64>,
    /// From receipt to the first content of a stream.
    pub first_content_ns: Option<u64>,
}

impl AccessLine<'_> {
    /// Appends the line with its end.
    pub fn write(&self, line: &mut Vec<u8>) {
        let mut object = JsonObject::begin(line);
        object.value("time", |line| {
            line.push(b'"');
            write_time(line, self.unix_ms);
            line.push(b'"');
        });
        for (name, text) in [
            ("request_id", Some(self.request_id)),
            ("trace_id", self.trace_id),
            ("tenant", self.tenant),
            ("user", self.user),
            ("feature", self.feature),
            ("key_id", self.key_id),
            ("model", self.model),
            ("deployment", self.deployment),
            ("outcome", Some(self.outcome)),
        ] {
            if let Some(text) = text {
                object.text(name, shortened(text));
            }
        }
        if let Some(status) = self.status {
            object.number("status", status);
        }
        self.write_tokens(&mut object);
        match self.cost {
            Cost::NotApplicable => {}
            Cost::Unknown => object.literal("cost_usd", b"null"),
            Cost::Known(pusd) => object.value("cost_usd", |line| {
                line.push(b'"');
                write_usd(line, i128::from(pusd));
                line.push(b'"');
            }),
        }
        for (name, time_ns) in [
            ("duration_us", Some(self.duration_ns)),
            ("overhead_us", Some(self.overhead_ns)),
            ("upstream_us", self.upstream_ns),
            ("first_content_us", self.first_content_ns),
        ] {
            if let Some(time_ns) = time_ns {
                object.number(name, time_ns / 1_000);
            }
        }
        object.end();
        line.push(b'\n');
    }

    fn write_tokens(&self, object: &mut JsonObject<'_>) {
        let (tokens, is_estimated) = match self.tokens {
            TokenCount::NotApplicable => return,
            TokenCount::Missing => return object.literal("tokens", b"null"),
            TokenCount::Reported(tokens) => (tokens, false),
            TokenCount::Estimated(tokens) => (tokens, true),
        };
        object.object("tokens", |object| {
            for (name, count) in TOKEN_CLASSES.iter().zip(tokens).filter(|(_, count)| *count > 0) {
                object.number(name, count);
            }
        });
        if is_estimated {
            object.flag("tokens_estimated", true);
        }
    }
}

/// Appends USD as decimal text, exactly: no more digits than needed, at least one before the point.
pub fn write_usd(text: &mut Vec<u8>, pusd: i128) {
    const PUSD_PER_USD: u128 = 1_000_000_000_000;
    if pusd < 0 {
        text.push(b'-');
    }
    let amount = pusd.unsigned_abs();
    text.extend_from_slice(itoa::Buffer::new().format(amount / PUSD_PER_USD).as_bytes());
    write_fraction(text, u64::try_from(amount % PUSD_PER_USD).unwrap_or(0), 12);
}

/// Appends `.` and the fraction's digits up to the last that is not 0, or nothing.
pub fn write_fraction(text: &mut Vec<u8>, mut fraction: u64, mut digits: u32) {
    if fraction == 0 {
        return;
    }
    while fraction.is_multiple_of(10) {
        (fraction, digits) = (fraction / 10, digits - 1);
    }
    text.push(b'.');
    write_padded(text, fraction, digits);
}

fn write_padded(text: &mut Vec<u8>, mut number: u64, digits: u32) {
    let start = text.len();
    text.resize(start + digits as usize, b'0');
    for digit in text[start..].iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

/// The text up to the last character that fits.
fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(TEXT_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// RFC 3339 in UTC, ms. The calendar is Howard Hinnant's `civil_from_days`.
pub fn write_time(line: &mut Vec<u8>, unix_ms: u64) {
    let (days, ms_of_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    for (number, digits, separator) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (ms_of_day / 3_600_000, 2, b':'),
        (ms_of_day / 60_000 % 60, 2, b':'),
        (ms_of_day / 1_000 % 60, 2, b'.'),
        (ms_of_day % 1_000, 3, b'Z'),
    ] {
        write_padded(line, number, digits);
        line.push(separator);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(model: &str, cost: Cost, tokens: TokenCount) -> serde_json::Value {
        let mut bytes = Vec::new();
        AccessLine {
            unix_ms: 1_709_164_800_007,
            request_id: "fgr_1",
            trace_id: None,
            tenant: Some("acme"),
            user: None,
            feature: None,
            key_id: None,
            model: Some(model),
            deployment: None,
            status: Some(200),
            outcome: "answered",
            tokens,
            cost,
            duration_ns: 1_999,
            overhead_ns: 0,
            upstream_ns: Some(5_000),
            first_content_ns: None,
        }
        .write(&mut bytes);
        assert_eq!(bytes.iter().filter(|byte| **byte < b' ').count(), 1, "one line, no control characters");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_of_json(model: String) {
            let written = line(&model, Cost::NotApplicable, TokenCount::NotApplicable);
            prop_assert_eq!(written["model"].as_str(), Some(shortened(&model)));
        }

        #[test]
        fn dollars_are_exact(pusd: i64) {
            let written = line("m", Cost::Known(pusd), TokenCount::Missing);
            let text = written["cost_usd"].as_str().expect("text");
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            prop_assert!(!fraction.ends_with('0') && fraction.len() <= 12);
            prop_assert_eq!(format!("{whole}{fraction:0<12}").parse::<i128>().expect("digits"), i128::from(pusd));
            prop_assert!(written["tokens"].is_null());
        }
    }

    #[test]
    fn cuts_long_text_between_characters() {
        let cut = line(&"é".repeat(1_000), Cost::NotApplicable, TokenCount::NotApplicable);
        assert_eq!(cut["model"].as_str(), Some("é".repeat(128).as_str()));
        let cut = line(&format!("a{}", "é".repeat(1_000)), Cost::NotApplicable, TokenCount::NotApplicable);
        assert_eq!(cut["model"].as_str().map(str::len), Some(255));
    }

    #[test]
    fn writes_what_is_known() {
        let mut tokens = [0; TOKEN_CLASSES.len()];
        (tokens[0], tokens[11]) = (12, 3);
        let written = line("m", Cost::Unknown, TokenCount::Estimated(tokens));
        assert_eq!(
            written,
            serde_json::json!({
                "time": "2024-02-29T00:00:00.007Z", "request_id": "fgr_1", "tenant": "acme", "model": "m",
                "outcome": "answered", "status": 200, "tokens": {"input": 12, "output_audio": 3},
                "tokens_estimated": true, "cost_usd": null, "duration_us": 1, "overhead_us": 0, "upstream_us": 5,
            })
        );
        let time = |unix_ms| {
            let mut text = Vec::new();
            write_time(&mut text, unix_ms);
            String::from_utf8(text).expect("ASCII")
        };
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(time(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
