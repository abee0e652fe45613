//! W3C Trace Context, level 1: `traceparent` and `tracestate`, in and out.
//!
//! Strict as the recommendation asks: a `traceparent` that is not valid begins a new trace, and its `tracestate` is
//! dropped with it. The gateway adds no entry of its own to `tracestate`. Source: <https://www.w3.org/TR/trace-context/>.

/// Bytes of a `traceparent` of version 00.
pub const TRACEPARENT_BYTES: usize = 55;

const SAMPLED: u8 = 1;
const TRACESTATE_MEMBERS_MAX: usize = 32;
/// What a vendor should at least carry on; more is dropped whole.
const TRACESTATE_BYTES_MAX: usize = 512;

/// The gateway's place in a trace: one span per exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceContext {
    /// The whole trace; never 0.
    pub trace_id: u128,
    /// This exchange; never 0.
    pub span_id: u64,
    /// The caller's span; `None` where the trace begins here.
    pub parent_id: Option<u64>,
    /// Whether this trace is recorded by those before us; true for one that begins here.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Carries on the trace of a `traceparent` header, or begins one. `random`: two uniform numbers.
    #[must_use]
    pub fn from_headers(traceparent: Option<&[u8]>, random: (u64, u64)) -> Self {
        match traceparent.and_then(parse) {
            Some((trace_id, parent_id, flags)) => Self {
                trace_id,
                span_id: random.0.max(1),
                parent_id: Some(parent_id),
                is_sampled: flags & SAMPLED != 0,
            },
            None => Self {
                trace_id: (u128::from(random.0) << 64 | u128::from(random.1)).max(1),
                span_id: mix(random.0 ^ random.1.rotate_left(32)).max(1),
                parent_id: None,
                is_sampled: true,
            },
        }
    }

    /// The `traceparent` that those we call get: this exchange is their parent.
    #[must_use]
    pub fn traceparent(&self) -> [u8; TRACEPARENT_BYTES] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&mut text[3..35], self.trace_id);
        write_hex(&mut text[36..52], u128::from(self.span_id));
        text[54] += u8::from(self.is_sampled);
        text
    }

    /// The trace's id as 32 hex digits.
    #[must_use]
    pub fn trace_id_hex(&self) -> [u8; 32] {
        let mut text = [0; 32];
        write_hex(&mut text, self.trace_id);
        text
    }
}

/// The `tracestate` to hand on, from all headers of that name in order; `None` where there is none or it is invalid.
pub fn tracestate<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    for header in headers {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(header);
        if joined.len() > TRACESTATE_BYTES_MAX {
            return None;
        }
    }
    let mut keys: Vec<&[u8]> = Vec::new();
    for member in joined.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty()) {
        let equals = member.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&member[..equals], &member[equals + 1..]);
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == TRACESTATE_MEMBERS_MAX {
            return None;
        }
        keys.push(key);
    }
    (!keys.is_empty()).then_some(joined)
}

/// Trace, parent and flags of a valid header. A later version may be longer, behind another `-`.
fn parse(header: &[u8]) -> Option<(u128, u64, u8)> {
    let version = read_hex(header.get(..2)?)?;
    let has_right_length = match header.get(TRACEPARENT_BYTES) {
        None => header.len() == TRACEPARENT_BYTES,
        Some(next) => version > 0 && *next == b'-',
    };
    let has_dashes = [2, 35, 52].iter().all(|index| header.get(*index) == Some(&b'-'));
    if version == 0xff || !has_right_length || !has_dashes {
        return None;
    }
    let trace_id = read_hex(&header[3..35])?;
    let parent_id = u64::try_from(read_hex(&header[36..52])?).ok()?;
    let flags = u8::try_from(read_hex(&header[53..55])?).ok()?;
    (trace_id != 0 && parent_id != 0).then_some((trace_id, parent_id, flags))
}

fn read_hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

fn write_hex(text: &mut [u8], number: u128) {
    for (index, digit) in text.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * index)) as usize & 15];
    }
}

fn trim(member: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = member.iter().position(|byte| !is_space(byte)).unwrap_or(member.len());
    let end = member.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &member[start..end]
}

/// `simple-key` or `tenant@system` of the grammar.
fn is_key(key: &[u8]) -> bool {
    let is_rest =
        |part: &[u8]| part.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'));
    let starts_low = |part: &[u8]| part.first().is_some_and(u8::is_ascii_lowercase);
    match key.iter().position(|byte| *byte == b'@') {
        None => (1..=256).contains(&key.len()) && starts_low(key) && is_rest(key),
        Some(at) => {
            let (tenant, system) = (&key[..at], &key[at + 1..]);
            let tenant_starts = tenant.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            tenant_starts
                && tenant.len() <= 241
                && is_rest(tenant)
                && (1..=14).contains(&system.len())
                && starts_low(system)
                && is_rest(system)
        }
    }
}

fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len()) && value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=')
}

/// Spreads every bit over all (splitmix64's finish).
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The recommendation's own example.
    const EXAMPLE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn carried_on(header: &[u8]) -> bool {
        TraceContext::from_headers(Some(header), (7, 8)).parent_id.is_some()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1_u128.., span in 1_u64.., random in any::<(u64, u64)>(), is_sampled: bool) {
            let ours = TraceContext { trace_id: trace, span_id: span, parent_id: None, is_sampled };
            let theirs = TraceContext::from_headers(Some(&ours.traceparent()), random);
            prop_assert_eq!((theirs.trace_id, theirs.parent_id, theirs.is_sampled), (trace, Some(span), is_sampled));
            prop_assert_eq!(theirs.span_id, random.0.max(1));
            prop_assert_eq!(&theirs.trace_id_hex()[..], &ours.traceparent()[3..35]);
        }

        #[test]
        fn any_other_byte_in_any_place_begins_a_new_trace(index in 0..TRACEPARENT_BYTES, byte: u8) {
            let is_hex = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let is_dash_place = matches!(index, 2 | 35 | 52);
            prop_assume!(if is_dash_place { byte != b'-' } else { !is_hex });
            let mut header = EXAMPLE.to_vec();
            header[index] = byte;
            prop_assert!(!carried_on(&header));
        }

        #[test]
        fn never_panics_and_never_makes_an_id_of_zeros(
            header in prop::collection::vec(any::<u8>(), 0..70),
            random in any::<(u64, u64)>(),
        ) {
            let context = TraceContext::from_headers(Some(&header), random);
            prop_assert!(context.trace_id != 0 && context.span_id != 0);
            let _ = tracestate([header.as_slice()].into_iter());
        }
    }

    #[test]
    fn reads_versions_as_the_recommendation_says() {
        assert!(carried_on(EXAMPLE));
        let with = |version: &str, rest: &str| [version.as_bytes(), &EXAMPLE[2..], rest.as_bytes()].concat();
        for (header, is_valid) in [
            (with("cc", ""), true),
            (with("cc", "-what-the-future-will-be-like"), true),
            (with("cc", ".what-the-future-will-not-be-like"), false),
            (with("00", "-more"), false),
            (with("00", " "), false),
            (with("ff", ""), false),
            (EXAMPLE[..54].to_vec(), false),
            (b"00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_vec(), false),
            (b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_vec(), false),
            (EXAMPLE.to_ascii_uppercase(), false),
        ] {
            assert_eq!(carried_on(&header), is_valid, "{}", String::from_utf8_lossy(&header));
        }
        let zeros = TraceContext::from_headers(None, (0, 0));
        assert!(zeros.trace_id != 0 && zeros.span_id != 0 && zeros.is_sampled);
    }

    #[test]
    fn hands_on_valid_tracestates_only() {
        let joined = |headers: &[&str]| {
            tracestate(headers.iter().map(|header| header.as_bytes()))
                .map(|state| String::from_utf8(state).expect("ASCII"))
        };
        assert_eq!(
            joined(&["rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"]).as_deref(),
            Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
        );
        assert_eq!(joined(&["fw529a3039@dt=FfAAA;x , a=1, ,"]).as_deref(), Some("fw529a3039@dt=FfAAA;x , a=1, ,"));
        for wrong in [
            "",
            " , ",
            "A=1",
            "a",
            "a=",
            "a=1,a=2",
            "a=b=c",
            "a=\u{7f}",
            "@a=1",
            "a@=1",
            "a@1=1",
            "a@bcdefghijklmnop=1",
        ] {
            assert_eq!(joined(&[wrong]), None, "{wrong}");
        }
        let members = |count: usize| (0..count).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join(",");
        assert!(joined(&[&members(32)]).is_some() && joined(&[&members(33)]).is_none());
        assert_eq!(joined(&[&format!("a={}", "v".repeat(257))]), None);
    }
}
