"""What token counts cost, from published rates: what `fastgate._core.rates` says, with pencil and paper."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgate._core import DatedRates, Rates

# Each class of tokens with the meters that may bill it, the most particular first.
INPUT = {
    "input_tokens": ("input",),
    "cache_read_tokens": ("cache_read", "input"),
    "cache_write_5m_tokens": ("cache_write_5m", "cache_write", "input"),
    "cache_write_1h_tokens": ("cache_write_1h", "cache_write", "input"),
    "cache_write_other_tokens": ("cache_write", "input"),
    "input_audio_tokens": ("input_audio", "input"),
    "input_image_tokens": ("input_image", "input"),
    "cache_read_audio_tokens": ("cache_read_audio", "cache_read", "input_audio", "input"),
    "cache_read_image_tokens": ("cache_read_image", "cache_read", "input_image", "input"),
}
OUTPUT = {
    "output_tokens": ("output",),
    "reasoning_tokens": ("reasoning", "output"),
    "output_audio_tokens": ("output_audio", "output"),
    "output_image_tokens": ("output_image", "output"),
}


def price_pusd(rates: "Rates", usage: Mapping[str, int], at: int, context: Mapping[str, str]) -> int | None:
    """Picodollars, rounded once, half to even; None where something else than tokens is billed."""
    standard = next((dated for dated in reversed(rates["prices"]) if holds(dated, at)), rates["prices"][0])
    if not standard["rates"] and standard["other"]:
        return None
    variants = [
        dated for dated in rates["variants"] if dated["when"].items() <= context.items() and holds(dated, at)
    ]
    tokens_in = sum(usage.get(name, 0) for name in INPUT)

    def rate_of(meters: tuple[str, ...]) -> Fraction:
        for meter in meters:
            for dated in (*variants, standard):
                if meter in dated["rates"]:
                    steps = dated["rates"][meter]
                    return Fraction([rate for above, rate in steps if above is None or tokens_in > above][-1])
        return Fraction(0)

    tokens = sum(usage.get(name, 0) * rate_of(meters) for name, meters in (INPUT | OUTPUT).items())
    return round(tokens + rate_of(("request",)))


def holds(dated: "DatedRates", at: int) -> bool:
    """Whether dated rates are in force at a time."""
    if dated["from_unix_s"] is not None and at < dated["from_unix_s"]:
        return False
    if dated["daily_s"] is None:
        return True
    begin, end = dated["daily_s"]
    second = at % 86_400
    return begin <= second < end if begin <= end else second >= begin or second < end
