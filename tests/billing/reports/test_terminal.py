"""What a terminal shows: widths, names from anywhere, bars, sparklines."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from fastgate.cli.columns import table
from fastgate.cli.costs_table import count, percent
from fastgate.cli.terminal import Shown, bar, name, sparkline


@given(st.text(max_size=60), st.integers(2, 40))
def test_a_name_fits_is_one_line_and_moves_nothing(text: str, most: int) -> None:
    found = name(text, most)
    assert len(found) <= most
    assert all(unicodedata.category(each) not in ("Cc", "Cf", "Zl", "Zp", "Cs") for each in found)
    if text.isascii() and text.isprintable() and len(text) <= most:
        assert str(found) == text


def test_a_long_name_keeps_both_ends() -> None:
    assert str(name("customer-support-chat", 12)) == "custom…-chat"
    assert str(name("検索の要約アシスタント", 9)) == "検索…ント"
    assert str(name("a\nb\u202ec", 20)) == "a\\u000ab\\u202ec"


def test_wide_characters_are_aligned() -> None:
    rows = [(name(text, 20), "1") for text in ("検索", "abcd", "e\u0301", "x")]
    assert table(rows).splitlines() == ["検索  1", "abcd  1", "e\u0301     1", "x     1"]
    assert table([(each, "|") for each, _ in rows], right={0}).splitlines()[3] == "   x  |"
    assert len(Shown("検索")) == 4


@given(st.integers(-5, 10**20), st.integers(1, 10**20), st.integers(1, 80))
def test_a_bar_is_as_long_as_its_share(value: int, largest: int, width: int) -> None:
    found = bar(value, largest, width)
    assert len(found) <= width
    assert bool(found) == (value > 0)
    if 0 < value <= largest:
        assert abs(len(found) * largest - value * width) <= largest


def test_sparklines() -> None:
    assert sparkline([]) == ""
    assert sparkline([None, 0, 0]) == " ▁▁"
    assert sparkline([0, 1, 2, 7, -3]) == "▁▂▃█▁"
    assert sparkline([None, 10**30]) == " █"


def test_numbers_of_things() -> None:
    assert [count(n) for n in (0, 999, 9999, 10_000, 123_456, 999_999, 10**6, 15 * 10**8, 10**12)] == [
        *("0", "999", "9,999", "10.0k", "123k", "999k", "1.0M", "1.5G", "1.0T")
    ]
    assert all(len(count(10**n - 1)) <= 6 for n in range(15))


def test_shares() -> None:
    assert [percent(n) for n in (None, 0, 5, -5, 100, 125, -1390, 9_994_000, 10**8, -(10**8))] == [
        *("-", "0 %", "0.5 %", "-0.5 %", "10 %", "13 %", "-139 %", "999,400 %", ">999k %", "<-999k %")
    ]
    assert percent(5, "+") == "+0.5 %"
    assert percent(-5, "+") == "-0.5 %"
