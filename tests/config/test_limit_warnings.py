"""Limits that will be regretted: never met, never reached, blind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.config import limit_warnings, load_text
from fastgate.config.limit_rules import Known, rules
from fastgate.config.limit_warnings import _binds_first

HEAD = """\
[providers.p]
base_url = "http://127.0.0.1:9"
[deployments.d]
provider = "p"
model = "gpt-4o"
[models.chat]
use = ["d"]
[tiers.free]
[tiers.paid]
[tenants.a]
tier = "free"
[tenants.b]
tier = "free"
"""
KEY_OF_A = f'[[keys]]\ntenant = "a"\nname = "ka"\ndigest = "sha256:{"a" * 64}"\n'
KEY_OF_B = f'[[keys]]\ntenant = "b"\nname = "kb"\ndigest = "sha256:{"b" * 64}"\n'
KEYS = KEY_OF_A + KEY_OF_B
JWT = '[auth.jwt]\nissuer = "https://i.example.com"\naudiences = ["x"]\nclaims = { tenant = "t" }\n'


def warnings_of(text: str) -> list[str]:
    return [str(warning) for warning in limit_warnings(load_text(HEAD + text, {}, file="f.toml"))]


def limits(*written: str) -> str:
    return "".join(f'[[limits]]\nname = "{index}"\n{one}\n' for index, one in enumerate(written))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            KEYS + limits('usd = 1\nwindow = "day"\nwhen = { tier = "paid" }'),
            "no tenant meets its conditions",
        ),
        (
            KEYS + limits('usd = 1\nwindow = "day"\nwhen = { tier = "free", tenant = "default" }'),
            "no tenant meets its conditions",
        ),
        (
            KEYS + limits('usd = 1\nwindow = "day"\nwhen = { key = "ka", tenant = "b" }'),
            "no tenant meets its conditions",
        ),
        (KEY_OF_A + limits('usd = 1\nwindow = "day"\nwhen = { tenant = "b" }'), "no key belongs to b"),
        (limits('usd = 1\nwindow = "day"\nwhen = { tenant = "b" }'), "every client is tenant default"),
        (
            KEY_OF_A + 'user = "u"\n' + limits('usd = 1\nwindow = "day"\nwhen = { key = "ka", user = "v" }'),
            "what the key says excludes its conditions",
        ),
        (
            KEY_OF_A
            + 'models = ["d"]\n'
            + limits('usd = 1\nwindow = "day"\nwhen = { key = "ka", model = "chat" }'),
            "what the key says excludes its conditions",
        ),
    ],
)
def test_limits_that_no_request_meets(text: str, said: str) -> None:
    (told,) = warnings_of(text)
    assert "limits[0]: can never match: " in told
    assert said in told
    line = text.split("\n").index("[[limits]]") + HEAD.count("\n") + 1
    assert told.startswith(f"f.toml:{line}: ")


def test_a_tiers_limit_that_all_its_tenants_replace() -> None:
    own = 'limits = { usd = 2, window = "day" }\n'
    text = HEAD.replace('tier = "free"\n', f'tier = "free"\n{own}')
    text = text.replace("[tiers.free]\n", '[tiers.free]\nlimits = [{ usd = 1, window = "day" }]\n')
    told = [str(warning) for warning in limit_warnings(load_text(text + KEYS, {}, file="f.toml"))]
    assert told == [
        "f.toml:9: tiers.free.limits[0]: can never match: every tenant of this tier has a limit in its place"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEYS + limits('usd = 1\nwindow = "day"\nwhen = { tenant = "a" }'),
        # Tokens of an issuer may name any tenant.
        KEY_OF_A + JWT + limits('usd = 1\nwindow = "day"\nwhen = { tenant = "b" }'),
        KEY_OF_A
        + 'user = "u"\n'
        + limits('usd = 1\nwindow = "day"\nwhen = { key = "ka", user = ["u", "v"] }'),
        limits('usd = 1\nwindow = "day"\nwhen = { tenant = ["default", "b"] }'),
        limits('usd = 1\nwindow = "day"\nwhen = { user = "anybody" }'),
    ],
)
def test_limits_that_may_be_met(text: str) -> None:
    assert warnings_of(text) == []


REACHED_NEVER = [
    # The same count, of which the first lets less through.
    ('usd = 1\nwindow = "day"', 'usd = 2\nwindow = "day"'),
    ('usd = 1\nwindow = "day"', 'usd = 1\nwindow = "day"'),
    # A smaller window: 24 hours have 24 times its amount; a day may have 25.
    ('requests = 10\nwindow = "1h"', 'requests = 240\nwindow = "24h"'),
    ('requests = 10\nwindow = "1h"', 'requests = 250\nwindow = "day"'),
    # A day that begins within a week brings one more.
    ('requests = 10\nwindow = "day"', 'requests = 90\nwindow = "7d"'),
    # A rate: its burst, and then as much as the time brings.
    ('requests = 60\nwindow = "1m"\nburst = 5', 'requests = 3605\nwindow = "1h"'),
    ('requests = 60\nwindow = "1m"', 'requests = 2\nwindow = "1s"\nburst = 10'),
    ('requests = 10\nwindow = "1h"', 'requests = 60\nwindow = "1m"'),
    # All of what the second counts is in the first.
    ('usd = 1\nwindow = "day"', 'per = "user"\nusd = 2\nwindow = "day"'),
    (
        'usd = 1\nwindow = "day"\nper = "tenant"',
        'per = "key"\nusd = 2\nwindow = "day"\nwhen = { key = "ka" }',
    ),
    ('usd = 1\nwindow = "day"\nwhen = { tier = "free" }', 'usd = 1\nwindow = "day"\nwhen = { tenant = "a" }'),
    ('tokens = 5\nwindow = "day"', 'output_tokens = 5\nwindow = "day"'),
    ("concurrent = 4", 'concurrent = 4\nper = "user"'),
    # It would even warn never.
    ('usd = 1\nwindow = "day"', 'usd = 10\nwindow = "day"\nwarn_at = "10%"'),
]


@pytest.mark.parametrize(("first", "second"), REACHED_NEVER)
def test_limits_that_another_keeps_from_being_reached(first: str, second: str) -> None:
    for text, place in ((limits(first, second), 1), (limits(second, first), 0)):
        if first.splitlines()[:2] == second.splitlines()[:2] and len(second.splitlines()) == 2:
            place = 1  # noqa: PLW2901 - the same twice: the later one is told
        told = warnings_of(KEYS + text)
        assert [warning for warning in told if f"limits[{place}]: can never be reached" in warning], told
        assert len(told) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('usd = 1\nwindow = "day"', 'usd = 2\nwindow = "week"'),
        ('requests = 10\nwindow = "1h"', 'requests = 239\nwindow = "24h"'),
        ('requests = 10\nwindow = "1h"', 'requests = 240\nwindow = "day"'),
        ('requests = 10\nwindow = "day"', 'requests = 70\nwindow = "7d"'),
        ('requests = 60\nwindow = "1m"\nburst = 5', 'requests = 3604\nwindow = "1h"'),
        ('requests = 60\nwindow = "1m"', 'requests = 2\nwindow = "1s"\nburst = 9'),
        ('requests = 10\nwindow = "1h"', 'requests = 54\nwindow = "1m"'),
        ('per = "user"\nusd = 1\nwindow = "day"', 'usd = 2\nwindow = "day"'),
        ('usd = 1\nwindow = "day"\nwhen = { tenant = "a" }', 'per = "tenant"\nusd = 2\nwindow = "day"'),
        ('input_tokens = 5\nwindow = "day"', 'tokens = 6\nwindow = "day"'),
        # The first may be exceeded by what was not foreseen, the second never is.
        ('tokens = 5\nwindow = "day"', 'tokens = 6\nwindow = "day"\nhard = true'),
        ('usd = 8\nwindow = "day"', 'usd = 10\nwindow = "day"\nwarn_at = "50%"'),
        ("concurrent = 4", 'requests = 4\nwindow = "1h"'),
    ],
)
def test_limits_that_may_be_reached(first: str, second: str) -> None:
    assert warnings_of(KEYS + limits(first, second)) == []


def test_a_key_with_more_keeps_the_others_limit_alive() -> None:
    text = limits('usd = 1\nwindow = "day"\nper = "key"', 'usd = 2\nwindow = "day"\nper = "key"')
    assert len(warnings_of(KEYS + text)) == 1
    assert warnings_of(f"{KEYS}limit_amounts = {{ 0 = 5 }}\n{text}") == []


WINDOWS = ["1s", "1m", "90s", "10m", "1h"]
Written = tuple[int, str, int]


@given(
    st.tuples(st.integers(1, 40), st.sampled_from(WINDOWS), st.integers(1, 20)),
    st.tuples(st.integers(1, 400), st.sampled_from(WINDOWS), st.integers(1, 20)),
    st.lists(st.integers(0, 120_000), min_size=1, max_size=60),
)
def test_what_is_told_to_bind_first_does(first: Written, second: Written, gaps_ms: list[int]) -> None:
    """Whatever a slow exact model of the first lets through never fills the second beyond its amount."""
    written = []
    for amount, window, burst in (first, second):
        more = f"\nburst = {burst}" if window in ("1s", "1m") else ""
        written.append(f'requests = {amount}\nwindow = "{window}"{more}')
    settings = load_text(HEAD + limits(*written), {}).settings
    one, other = rules(settings)
    if not _binds_first(one, other, Known(settings)):
        return
    admitted: list[int] = []
    now_ms = 0
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        # As many at once as the first allows.
        for _ in range(100):
            if not fits(first, admitted, now_ms):
                break
            assert fits(second, admitted, now_ms)
            admitted.append(now_ms)


def fits(limit: Written, admitted: list[int], now_ms: int) -> bool:
    """Whether one more request at this moment keeps the law in every window that ends now."""
    amount, window, burst = limit
    lengths_ms = {"1s": 1_000, "1m": 60_000, "90s": 90_000, "10m": 600_000, "1h": 3_600_000}
    length_ms = lengths_ms[window]
    if window in ("1s", "1m"):
        starts = {*admitted, now_ms}
        return all(
            (sum(start <= moment for moment in admitted) + 1 - burst) * length_ms <= amount * (now_ms - start)
            for start in starts
        )
    return sum(moment > now_ms - length_ms for moment in admitted) + 1 <= amount


def test_deployments_without_a_price_under_a_limit_of_money() -> None:
    own = '[deployments.own]\nprovider = "p"\nmodel = "in-house"\n'
    budget = limits('usd = 1\nwindow = "day"')
    assert warnings_of(own) == []
    (told,) = warnings_of(own + budget)
    assert told.startswith(
        "f.toml:14: deployments.own: its price is not known, so no limit of money counts it"
    )
    assert warnings_of(own + budget + '[billing]\nunknown_price = "block"\n') == []
    assert warnings_of(own + budget + "[prices.own]\ninput = 1\noutput = 2\n") == []
    assert warnings_of(own + budget + "[prices.in-house]\ninput = 1\noutput = 2\n") == []
