"""Durations, sizes, moments and secrets."""

import copy
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.config.units import Duration, Moment, Secret, Size


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
