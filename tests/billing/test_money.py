"""Amounts as text: everything that is printed parses back."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.billing.money import (
    PUSD,
    decimals_for,
    divided,
    exact,
    parse,
    parse_shown,
    permille,
    shown,
)
from fastgate.billing.reports.apportion import apportion

AMOUNTS = st.integers(-(10**26), 10**26)


@given(AMOUNTS)
def test_exact_text_is_the_decimal_number_and_parses_back(pusd: int) -> None:
    text = exact(pusd)
    assert Decimal(text) == Decimal(pusd).scaleb(-12)
    assert "E" not in text
    assert parse(text) == pusd


@given(AMOUNTS, st.integers(0, 6))
def test_shown_text_parses_back_to_what_is_nearest(pusd: int, decimals: int) -> None:
    text, unit = shown(pusd, decimals), 10 ** (12 - decimals)
    back = parse_shown(text)
    assert abs(back - pusd) * 2 <= unit
    assert back % unit == 0
    assert ("<" in text) == (pusd != 0 and back == 0)
    assert text.startswith("-") == (pusd < 0)


@pytest.mark.parametrize(
    ("pusd", "decimals", "text"),
    [
        (0, 2, "$0.00"),
        (1234 * PUSD + PUSD // 2, 2, "$1,234.50"),
        (-PUSD // 4, 2, "-$0.25"),
        (1, 2, "<$0.01"),
        (-1, 2, "-<$0.01"),
        (5 * 10**9, 2, "<$0.01"),
        (15 * 10**9, 2, "$0.02"),
        (123_456_789 * PUSD, 0, "$123,456,789"),
        (1, 0, "<$1"),
    ],
)
def test_shown(pusd: int, decimals: int, text: str) -> None:
    assert shown(pusd, decimals) == text


@pytest.mark.parametrize(
    "text", ["", "1e3", "0x1", "1.0000000000001", "nan", "1,5", "$1", "--1", "9" * 16, "\u0661"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount in USD"):
        parse(text)


def test_decimals_suit_the_largest() -> None:
    assert decimals_for([]) == decimals_for([0]) == 2
    assert decimals_for([3, PUSD]) == 2
    assert decimals_for([-200_000 * PUSD, 3]) == 0
    assert decimals_for([PUSD // 50]) == 4
    assert decimals_for([PUSD // 5000]) == 6


@given(AMOUNTS, st.integers(1, 10**15))
def test_division_rounds_half_to_even(amount: int, by: int) -> None:
    assert divided(amount, by) == round(Fraction(amount, by))


@given(st.integers(-(10**20), 10**20), st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_parts_add_up_and_are_near_their_share(amount: int, weights: list[int]) -> None:
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    if total:
        assert all(
            abs(part * total - amount * weight) < total for part, weight in zip(parts, weights, strict=True)
        )
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if not weight)


def test_a_share_of_nothing_is_unknown() -> None:
    assert permille(1, 0) is None
    assert permille(-1, 4) == -250
    assert permille(3, -2) == 1500
