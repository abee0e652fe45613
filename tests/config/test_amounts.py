"""Money, quantities, discounts and multiples, exact to the last digit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.config import load_values
from fastgate.config.amounts import MAX_USD, PUSD, Discount, Dollars, Multiple, Quantity


@pytest.mark.parametrize(
    ("value", "pusd"),
    [
        (500, 500 * PUSD),
        ("0.5", PUSD // 2),
        (Decimal("0.1"), PUSD // 10),
        ("0.000000000001", 1),
        (Decimal("1e-12"), 1),
        (0, 0),
        (MAX_USD, MAX_USD * PUSD),
        ("8999999.999999999999", MAX_USD * PUSD - 1),
        (Decimal("1.0000000000000000"), PUSD),
    ],
)
def test_dollars_are_exact(value: object, pusd: int) -> None:
    assert Dollars.parse(value) == pusd


@given(st.integers(0, MAX_USD * PUSD))
def test_money_is_written_as_it_is_read(pusd: int) -> None:
    assert Dollars.parse(str(Dollars(pusd))) == pusd
    assert Dollars.parse(Decimal(pusd).scaleb(-12)) == pusd
    assert Quantity.parse(str(Dollars(pusd))).pusd() == pusd


@pytest.mark.parametrize(
    "value",
    [
        *(
            -1,
            MAX_USD + 1,
            "9000000.000000000001",
            "0.0000000000001",
            0.5,
            True,
            None,
            "1e3",
            "",
            "$5",
            " 1",
            "1,5",
        ),
        *(Decimal("NaN"), Decimal("Infinity"), Decimal("1e-13"), Decimal("-0.1"), "\u0661", "9" * 40, [5]),
    ],
)
def test_what_is_no_amount_of_money(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        Dollars.parse(value)


def test_no_float_stands_between_plain_values_and_money() -> None:
    values: dict[str, Any] = {
        "providers": {"p": {"base_url": "http://127.0.0.1:9"}},
        "limits": [{"usd": 0.1, "window": "day"}, {"usd": "0.3", "window": "1h"}],
    }
    assert [limit.usd for limit in load_values(values, {}).settings.limits] == [PUSD // 10, 3 * PUSD // 10]


def test_a_quantity_is_units_or_money() -> None:
    assert Quantity.parse(1000).units() == 1000
    assert Quantity.parse("1000").units() == 1000
    assert Quantity.parse(Decimal("1000.0")).units() == 1000
    assert Quantity.parse(10**15).units() == 10**15
    with pytest.raises(ValueError, match="must be a whole number"):
        Quantity.parse("0.5").units()
    with pytest.raises(ValueError, match="must be USD from 0 to 9000000"):
        Quantity.parse(9_000_001).pusd()
    with pytest.raises(ValueError, match="from 0 to"):
        Quantity.parse(10**15 + 1)


@pytest.mark.parametrize(
    ("value", "millionths"),
    [("10%", 100_000), (Decimal("0.1"), 100_000), ("12.3456%", 123_456), (0, 0), (1, 10**6), ("100%", 10**6)],
)
def test_discounts(value: object, millionths: int) -> None:
    assert Discount.parse(value) == millionths
    assert Discount.parse(str(Discount(millionths))) == millionths


@pytest.mark.parametrize("value", ["101%", 2, -1, "10 %", "12.34567%", "x", None, True, 0.1])
def test_what_is_no_discount(value: object) -> None:
    with pytest.raises(ValueError, match="must be a share"):
        Discount.parse(value)


def test_multiples() -> None:
    assert [Multiple.parse(value) for value in (5, "5", Decimal("0.1"), 0, 1000)] == [
        5000,
        5000,
        100,
        0,
        10**6,
    ]
    assert str(Multiple.parse("2.5")) == "2.5"
    for value in (1001, -1, Decimal("0.0001"), "5x", True):
        with pytest.raises(ValueError, match="must"):
            Multiple.parse(value)
