//! Rates of a model: per meter, by context length, by date and time of day, by the context a vendor billed in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::Context;

/// Rates count picodollars per this many tokens: vendors' prices go down to 10⁻¹² of a picodollar per token.
pub(super) const SCALE: u128 = 1_000_000_000_000;
const DECIMALS: usize = 12;
/// A dollar per token: 200 times the dearest price known, and far from overflow.
const LIMIT: u128 = SCALE * SCALE;
const DAY_S: i64 = 86_400;

/// What a rate is for. A class of tokens without a meter of its own is billed by the next more general one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Input text, and all input without a meter of its own.
    Input,
    /// Input from the prompt cache.
    CacheRead,
    /// Input into the prompt cache.
    CacheWrite,
    /// Input into the prompt cache for 5 minutes.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Input into the prompt cache for an hour.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Audio in.
    InputAudio,
    /// Audio from the prompt cache.
    CacheReadAudio,
    /// Images in.
    InputImage,
    /// Images from the prompt cache.
    CacheReadImage,
    /// Output text, and all output without a meter of its own.
    Output,
    /// Reasoning out.
    Reasoning,
    /// Audio out.
    OutputAudio,
    /// Images out.
    OutputImage,
    /// A fee per call, whatever its length.
    Request,
}

impl Meter {
    /// Its name in the catalogue and in `[prices]`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::InputAudio => "input_audio",
            Self::CacheReadAudio => "cache_read_audio",
            Self::InputImage => "input_image",
            Self::CacheReadImage => "cache_read_image",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
            Self::Request => "request",
        }
    }
}

/// The price of one token (or call), which may rise with the length of the input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rate {
    base: u128,
    /// Ascending; the highest one exceeded holds for the whole request.
    tiers: Box<[Tier]>,
}

/// What a rate becomes above a number of input tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Tier {
    /// Holds where the input, of all classes, is longer than this.
    above_tokens: u64,
    rate: u128,
}

impl Rate {
    /// Picodollars per 10¹² tokens for a request with so many input tokens.
    pub(super) fn over(&self, context_tokens: u64) -> u128 {
        let tier = self.tiers.iter().rev().find(|tier| context_tokens > tier.above_tokens);
        tier.map_or(self.base, |tier| tier.rate)
    }

    /// The dearest for requests with up to so many input tokens.
    fn up_to(&self, context_tokens: u64) -> u128 {
        let reached = self.tiers.iter().filter(|tier| context_tokens > tier.above_tokens).map(|tier| tier.rate);
        reached.fold(self.base, u128::max)
    }

    /// The rate of short requests, and those above each threshold: picodollars per token as decimal text.
    pub fn steps(&self) -> impl Iterator<Item = (Option<u64>, String)> {
        let tiers = self.tiers.iter().map(|tier| (Some(tier.above_tokens), decimal(tier.rate)));
        std::iter::once((None, decimal(self.base))).chain(tiers)
    }
}

fn decimal(rate: u128) -> String {
    let text = format!("{}.{:012}", rate / SCALE, rate % SCALE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn parse(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || fraction.len() > DECIMALS || !text.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit())
    {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<12}").parse().ok()?;
    Some(u128::from(whole) * SCALE + u128::from(fraction)).filter(|rate| *rate <= LIMIT)
}

impl<'de> Deserialize<'de> for Rate {
    /// `1250000`, `"83333.3333333333"` or `[1250000, [200000, 2500000]]`: picodollars per token.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Rate;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("picodollars per token, up to a dollar, or a list of rates by input tokens")
            }

            fn visit_u64<E: de::Error>(self, whole: u64) -> Result<Rate, E> {
                self.visit_str(&whole.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                let base = parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(Rate { base, tiers: Box::default() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut steps: A) -> Result<Rate, A::Error> {
                let mut rate: Rate = steps.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let mut tiers = Vec::new();
                while let Some((above_tokens, step)) = steps.next_element::<(u64, Rate)>()? {
                    tiers.push(Tier { above_tokens, rate: step.base });
                }
                if !tiers.is_sorted_by_key(|tier| tier.above_tokens) {
                    return Err(de::Error::custom("thresholds must ascend"));
                }
                rate.tiers = tiers.into();
                Ok(rate)
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

/// The rates that hold together. Few meters have one, so they are searched, not indexed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(from = "BTreeMap<Meter, Rate>")]
pub struct RateCard(Box<[(Meter, Rate)]>);

impl From<BTreeMap<Meter, Rate>> for RateCard {
    fn from(rates: BTreeMap<Meter, Rate>) -> Self {
        Self(rates.into_iter().collect())
    }
}

impl RateCard {
    /// The rate of exactly this meter.
    #[must_use]
    pub fn get(&self, meter: Meter) -> Option<&Rate> {
        self.0.iter().find_map(|(known, rate)| (*known == meter).then_some(rate))
    }

    /// Every meter with a rate.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, &Rate)> {
        self.0.iter().map(|(meter, rate)| (*meter, rate))
    }
}

/// Rates, and when they hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatedRates {
    /// What the context must say; empty for standard rates.
    #[serde(default)]
    pub when: BTreeMap<Box<str>, Box<str>>,
    /// They hold from this moment on.
    pub from_unix_s: Option<i64>,
    /// They hold each day from the first to before the second of these seconds of the UTC day, over midnight too.
    pub daily_s: Option<(i64, i64)>,
    /// Picodollars per token or call. In a context, a meter without a rate keeps its standard one.
    pub rates: RateCard,
    /// What the model is billed by besides (audio hours, pages, searches), by the package's names.
    #[serde(default)]
    pub other: Box<[Box<str>]>,
}

impl DatedRates {
    fn holds(&self, now_unix_s: i64) -> bool {
        let second = now_unix_s.rem_euclid(DAY_S);
        self.from_unix_s.is_none_or(|from| now_unix_s >= from)
            && self.daily_s.is_none_or(|(start, end)| {
                if end < start { second >= start || second < end } else { (start..end).contains(&second) }
            })
    }

    /// False where all that is known is a price per hour, page or character: the tokens' cost is then unknown, not
    /// nothing. A free model has no prices at all, and costs nothing.
    fn meters_tokens(&self) -> bool {
        !self.rates.0.is_empty() || self.other.is_empty()
    }

    fn fits(&self, now_unix_s: i64, context: Context<'_>) -> bool {
        self.when.iter().all(|(key, value)| context.contains(&(key.as_ref(), value.as_ref()))) && self.holds(now_unix_s)
    }
}

/// All a model may cost; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rates {
    /// The last that holds is used; the first if none does.
    pub standard: Arc<[DatedRates]>,
    /// What replaces standard rates in a context; for each meter the first that fits.
    pub variants: Arc<[DatedRates]>,
}

impl Rates {
    /// Rates that always hold, as a configuration states them.
    #[must_use]
    pub fn fixed(rates: RateCard) -> Self {
        let always =
            DatedRates { when: BTreeMap::new(), from_unix_s: None, daily_s: None, rates, other: Box::default() };
        Self { standard: Arc::new([always]), variants: Arc::new([]) }
    }

    /// Whether it is billed by tokens, whenever that is.
    #[must_use]
    pub fn meters_tokens(&self) -> bool {
        self.standard.iter().all(DatedRates::meters_tokens)
    }

    /// The most that a call with so many tokens of any class can come to, in picodollars, whenever and in whatever
    /// context the vendor bills it. `None`: it is billed by something other than tokens, or beyond any sum.
    ///
    /// `has_media`: sound or images go in or come out.
    #[must_use]
    pub fn bound_pusd(&self, input_tokens: u64, output_tokens: u64, has_media: bool) -> Option<i64> {
        const INPUT: [Meter; 5] =
            [Meter::Input, Meter::CacheRead, Meter::CacheWrite, Meter::CacheWrite5m, Meter::CacheWrite1h];
        const INPUT_MEDIA: [Meter; 4] =
            [Meter::InputAudio, Meter::CacheReadAudio, Meter::InputImage, Meter::CacheReadImage];
        const OUTPUT: [Meter; 2] = [Meter::Output, Meter::Reasoning];
        const OUTPUT_MEDIA: [Meter; 2] = [Meter::OutputAudio, Meter::OutputImage];
        if !self.meters_tokens() {
            return None;
        }
        let (mut input, mut output, mut fee) = (0, 0, 0);
        for (meter, rate) in self.standard.iter().chain(&*self.variants).flat_map(|dated| dated.rates.iter()) {
            let dearest = rate.up_to(input_tokens);
            let is_of =
                |text: &[Meter], media: &[Meter]| text.contains(&meter) || (has_media && media.contains(&meter));
            if is_of(&INPUT, &INPUT_MEDIA) {
                input = dearest.max(input);
            } else if is_of(&OUTPUT, &OUTPUT_MEDIA) {
                output = dearest.max(output);
            } else if meter == Meter::Request {
                fee = dearest.max(fee);
            }
        }
        let of_input = input.checked_mul(u128::from(input_tokens))?;
        let of_output = output.checked_mul(u128::from(output_tokens))?;
        let total = of_input.checked_add(of_output)?.checked_add(fee)?;
        i64::try_from(total.div_ceil(SCALE)).ok()
    }

    pub(super) fn at<'a>(&'a self, now_unix_s: i64, context: Context<'a>) -> Active<'a> {
        let holding = self.standard.iter().rev().find(|dated| dated.holds(now_unix_s));
        let variants = if context.is_empty() { &[] as &[DatedRates] } else { &self.variants };
        Active { standard: holding.or(self.standard.first()), variants, now_unix_s, context }
    }
}

/// The rates of one moment and context.
pub(super) struct Active<'a> {
    standard: Option<&'a DatedRates>,
    variants: &'a [DatedRates],
    now_unix_s: i64,
    context: Context<'a>,
}

impl<'a> Active<'a> {
    pub(super) fn rate(&self, meter: Meter) -> Option<&'a Rate> {
        let mut fitting = self.variants.iter().filter(|variant| variant.fits(self.now_unix_s, self.context));
        fitting
            .find_map(|variant| variant.rates.get(meter))
            .or_else(|| self.standard.and_then(|standard| standard.rates.get(meter)))
    }

    /// As [`DatedRates::meters_tokens`].
    pub(super) fn meters_tokens(&self) -> bool {
        self.standard.is_some_and(DatedRates::meters_tokens)
    }
}
