"""Durations, sizes, shares, hours, prices, moments and secrets."""

import copy
import pickle
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.config.units import Duration, Hours, Moment, Percent, Rate, Secret, Share, Size


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("1.5s", 1500),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert Duration.parse(text) == milliseconds


@given(st.integers(1, 366 * 86_400_000))
def test_durations_are_written_as_they_are_read(milliseconds: int) -> None:
    assert Duration.parse(str(Duration(milliseconds))) == milliseconds


@pytest.mark.parametrize(
    "value", ["30", 30, "0s", "-1s", "0.1ms", "367d", "1 s", "1sec", "", True, None, "1s\n", "\u0661s"]
)
def test_durations_need_a_unit(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        Duration.parse(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [(1, 1), ("10MB", 10**7), ("64KiB", 65_536), ("1.5 KB", 1500), ("4096", 4096), ("1GiB", 2**30)],
)
def test_sizes(value: object, size: int) -> None:
    assert Size.parse(value) == size


@given(st.integers(1, 2**40))
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert Size.parse(str(Size(size))) == size


@pytest.mark.parametrize("value", [0, -1, True, "10mb", "0.1B", "2048GiB", "9" * 30, None, 1.5, "MB"])
def test_sizes_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        Size.parse(value)


@pytest.mark.parametrize(
    ("value", "permille"),
    [
        ("10%", 100),
        (Decimal("0.1"), 100),
        ("0.1", 100),
        ("12.5%", 125),
        ("0.5%", 5),
        (Decimal("1e-3"), 1),
        (Decimal("0.50000000000"), 500),
        (0, 0),
        ("0%", 0),
        (1, 1000),
        ("100%", 1000),
    ],
)
def test_shares_are_exact(value: object, permille: int) -> None:
    assert Share.parse(value) == permille


@given(st.integers(0, 1000))
def test_shares_are_written_as_they_are_read(permille: int) -> None:
    assert Share.parse(str(Share(permille))) == permille


@pytest.mark.parametrize(
    "value",
    [
        *(0.1, True, None, -1, 2, 10, "10", "101%", "-1%", "10 %", "%", "", "1e-1", "\u0661%", "10%\n"),
        *(Decimal("0.0001"), "0.05%", "33.33%", Decimal("1e-999999"), Decimal("1e999999"), Decimal("1.001")),
        *("10.0000000000000000000000000000001%", Decimal("0.1000000000000000000000000000000001")),
    ],
)
def test_shares_are_never_rounded_or_beyond_the_whole(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        Share.parse(value)


@pytest.mark.parametrize(
    ("value", "millionths"),
    [
        (10, 100_000),
        ("10", 100_000),
        ("10%", 100_000),
        (Decimal("0.5"), 5_000),
        ("0.0001", 1),
        (100, 1_000_000),
    ],
)
def test_percentages_are_exact(value: object, millionths: int) -> None:
    assert Percent.parse(value) == millionths
    assert Percent.parse(str(Percent(millionths))) == millionths


@pytest.mark.parametrize(
    "value", [0, "0%", 101, -1, 0.5, True, None, "ten", Decimal("100.0001"), Decimal("1e-999999"), "0.00001"]
)
def test_percentages_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        Percent.parse(value)


@pytest.mark.parametrize("kind", [Share, Percent, Rate])
@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none(kind: type[Share | Percent | Rate], value: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        kind.parse(Decimal(value))


@given(st.integers(0, 23), st.integers(0, 24), st.booleans())
def test_hours_go_from_the_first_to_before_the_second(start: int, end: int, padded: bool) -> None:
    text = f"{start:02}-{end:02}" if padded else f"{start}-{end}"
    if start == end:
        with pytest.raises(ValueError, match="same hour"):
            Hours.parse(text)
        return
    is_within = [start <= hour < end if start < end else hour >= start or hour < end for hour in range(24)]
    assert [bool(Hours.parse(text) >> hour & 1) for hour in range(32)] == is_within + [False] * 8


@pytest.mark.parametrize(
    "value", [9, "9", "24-6", "9-25", "9-", "-9", "9-17-20", "9:00-17:00", "", None, True]
)
def test_hours_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be hours"):
        Hours.parse(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86_400),
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T01:00:10+01:00", 10),
        ("1970-01-01 00:00:10.5Z", 10),
    ],
)
def test_moments(text: str, seconds: int) -> None:
    assert Moment.parse(text) == seconds
    assert Moment.parse(str(Moment(seconds))) == seconds


@pytest.mark.parametrize("value", ["2027-01-31T10:00:00", "tomorrow", 5, None, "2027-13-01", "20270131"])
def test_moments_without_offset_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        Moment.parse(value)


@pytest.mark.parametrize(
    ("value", "picodollars"),
    [
        (3, 3_000_000),
        (0, 0),
        (Decimal("0.075"), 75_000),
        ("0.000001", 1),
        (Decimal("1e-6"), 1),
        (Decimal("2.50000000000"), 2_500_000),
        (Decimal("1e6"), 10**12),
    ],
)
def test_rates_are_exact(value: object, picodollars: int) -> None:
    assert Rate.parse(value) == picodollars


@given(st.integers(0, 10**12))
def test_rates_are_written_as_they_are_read(picodollars: int) -> None:
    assert Rate.parse(str(Rate(picodollars))) == picodollars


@pytest.mark.parametrize(
    "value",
    [
        *(-1, True, None, 2.5, "", "2,5", "1e3", " 1", "-1", 1_000_001, Decimal("1e999999"), [1]),
        *(
            Decimal("0.0000001"),
            Decimal("1e-999999"),
            "0.1234567",
            Decimal("0.1234560000000000000000000000000001"),
        ),
    ],
)
def test_rates_are_never_rounded(value: object) -> None:
    with pytest.raises(ValueError, match="must"):
        Rate.parse(value)


@pytest.mark.parametrize("value", ["", " x", "x\n", "a\r\nb", "é", 5, None])
def test_secrets_fit_a_header_and_errors_never_show_them(value: object) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        Secret.parse(value)
    assert not isinstance(value, str) or not value.strip() or value not in str(caught.value)


def test_secrets_never_show() -> None:
    secret = Secret.parse("sk-very-secret")
    shown = f"{secret} {secret!r} {secret!s} {[secret]} {{'a': {secret}}}"
    assert "very" not in shown
    assert secret.reveal() == "sk-very-secret"
    assert secret == Secret("sk-very-secret")
    for leak in (pickle.dumps, copy.copy, msgspec.json.encode):
        with pytest.raises(TypeError):
            leak(secret)
