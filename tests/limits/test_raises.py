"""What a raise is, from what the admin API is sent."""

from typing import Any

import msgspec
import pytest
from tests.limits.conftest import DIGEST, HOUR_MS, START_MS, rules_of

from fastgate.limits.raises import RaiseRefused, amount_shown, identity_text, read_raise

KEY = DIGEST[:12]


def read(**asked: Any) -> Any:
    whole = {"rule": "budget", "to": 8, "for": "2h", **asked}
    return read_raise(whole, rules_of(), "r1", START_MS, by="alice")


@pytest.mark.parametrize(
    ("to", "pusd"),
    [
        (8, 8 * 10**12),
        ("8", 8 * 10**12),
        ("5.000000000001", 5 * 10**12 + 1),
        (5.1, 51 * 10**11),
        (1e3, 10**15),
    ],
)
def test_money_is_read_from_what_was_written(to: object, pusd: int) -> None:
    raised = read(to=to)
    assert raised.amount == pusd
    assert (raised.identity, raised.resource) == (None, "usd")
    assert (raised.starts_unix_ms, raised.ends_unix_ms) == (START_MS, START_MS + 2 * HOUR_MS)
    assert raised.for_engine() == {
        "rule": "budget",
        "identity": None,
        "amount": pusd,
        "ends_unix_ms": START_MS + 2 * HOUR_MS,
    }
    assert msgspec.json.encode(raised.for_engine())


def test_what_a_limit_says_of_whose_it_is_need_not_be_said() -> None:
    raised = read(rule="tenant acme: tokens per user and 1h", to=2_000, identity={"user": "u1"})
    assert raised.identity == {"tenant": "acme", "user": "u1"}
    assert str(raised) == (
        "r1: tenant acme: tokens per user and 1h of tenant acme, user u1 to 2000 until 2027-01-15 10:00:00Z"
    )
    assert read(identity={}).identity == {"tenant": "acme"}
    both = read(rule="features", to=90, identity={"tenant": "default", "feature": "a"})
    assert both.identity == {"tenant": "default", "feature": "a"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rule": "bugdet"}, 'there is no limit bugdet (did you mean "budget"?)'),
        ({"rule": 5}, "Expected `str`"),
        ({"to": None}, "Expected `int | float | str`"),
        ({"why": "x"}, "unknown field `why`"),
        ({"for": "soon"}, "for: must be a duration"),
        ({"for": "32d"}, "for: must be at most 31d"),
        ({"to": 5}, "to: must be above the amount of the limit, 5"),
        ({"to": "4.999999"}, "to: must be above the amount of the limit, 5"),
        ({"to": -1}, "to: must be a number from 0"),
        ({"to": float("nan")}, "to: must be a number from 0"),
        ({"to": float("inf")}, "to: must be a number from 0"),
        ({"to": "5.0000000000001"}, "to: must have at most 12 decimals"),
        ({"to": 9_000_001}, "to: must be USD from 0 to 9000000"),
        ({"to": "much"}, "to: must be a number"),
        ({"rule": "features", "to": 60.5}, "to: must be a whole number"),
        ({"identity": {"user": "u"}}, "identity: budget is not counted per user, but per tenant"),
        ({"identity": {"tenant": "b"}}, "identity: budget is never about this tenant, only about acme"),
        ({"identity": {"tenant": ""}}, "identity: the tenant must have 1 to 256 characters"),
        ({"identity": {"tenant": "x" * 257}}, "identity: the tenant must have 1 to 256 characters"),
        ({"rule": "features", "to": 90, "identity": {"feature": "a"}}, "identity: say which tenant as well"),
        (
            {"rule": "features", "to": 90, "identity": {"feature": "c", "tenant": "a"}},
            "never about this feature, only about a, b",
        ),
        # Where a key has an amount of its own, that is what is raised.
        ({"rule": "keys", "to": 50, "identity": {"key": KEY}}, "must be above the amount of the limit, 50"),
    ],
)
def test_what_is_no_raise(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RaiseRefused) as caught:
        read(**asked)
    assert said in str(caught.value)
    is_unknown = said.startswith("there is no limit")
    assert (caught.value.status, caught.value.code) == (
        (404, "unknown_limit") if is_unknown else (400, "invalid_raise")
    )


def test_a_keys_own_amount_is_what_is_raised() -> None:
    assert read(rule="keys", to=51, identity={"key": KEY}).amount == 51
    assert read(rule="keys", to=11, identity={"key": "0" * 12}).amount == 11


def test_amounts_are_shown_as_they_are_written() -> None:
    assert amount_shown("usd", 5 * 10**11) == "0.5"
    assert amount_shown("usd", 0) == "0"
    assert amount_shown("tokens", 5) == 5


def test_names_of_clients_steer_no_log() -> None:
    assert identity_text({"user": "a\nb\x1b[31m", "tenant": "t"}) == "tenant t, user a?b?[31m"
