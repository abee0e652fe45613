"""From lists of limits, wherever they stand, to rules that say all."""

import json
from typing import Any

import pytest

from fastgate.config import compile_tables, load_text
from fastgate.config.limit_rules import Rule, places, rules

HEAD = """
[providers.p]
base_url = "http://127.0.0.1:9"
[deployments.d]
provider = "p"
model = "m"
"""
DIGEST = "0123456789AB" + "0" * 52


def rules_of(text: str) -> list[Rule]:
    return list(rules(load_text(HEAD + text, {}).settings))


def only(text: str) -> Rule:
    (rule,) = rules_of(text)
    return rule


@pytest.mark.parametrize(
    ("text", "per", "when", "name"),
    [
        (
            '[tenants.acme]\nlimits = { tokens = 5, window = "1h" }',
            ("tenant",),
            {"tenant": ("acme",)},
            "tenant acme: tokens per 1h",
        ),
        (
            '[tenants.acme]\nlimits = [{ per = "tenant", tokens = 5, window = "60m" }]',
            ("tenant",),
            {"tenant": ("acme",)},
            "tenant acme: tokens per 1h",
        ),
        (
            '[tenants.acme]\nlimits = [{ per = ["model", "user"], input_tokens = 5, window = "day" }]',
            ("tenant", "user", "model"),
            {"tenant": ("acme",)},
            "tenant acme: input tokens per user, model and day",
        ),
        (
            '[tenants.acme]\nlimits = [{ per = [], requests = 5, window = "1s" }]',
            ("tenant",),
            {"tenant": ("acme",)},
            "tenant acme: requests per 1s",
        ),
        (
            "[tenants.acme]\nlimits = "
            '{ usd = 5, window = "1d", when = { feature = "chat", user = ["a", "b"] } }',
            ("tenant",),
            {"tenant": ("acme",), "user": ("a", "b"), "feature": ("chat",)},
            "tenant acme: usd of user a, b of feature chat per 1d",
        ),
        (
            '[tiers.free]\nlimits = { requests = 5, window = "1m" }\n[tenants.a]\ntier = "free"',
            ("tenant",),
            {"tier": ("free",)},
            "tier free: requests per tenant and 1m",
        ),
        (
            '[tiers.free]\nlimits = { per = "tier", concurrent = 5 }\n[tenants.a]\ntier = "free"',
            ("tier",),
            {"tier": ("free",)},
            "tier free: concurrent",
        ),
        (
            '[tiers.free]\nlimits = { per = "model", concurrent = 5 }\n[tenants.a]\ntier = "free"',
            ("model",),
            {"tier": ("free",)},
            "tier free: concurrent per model",
        ),
        (
            f'[[keys]]\ndigest = "sha256:{DIGEST}"\nlimits = [{{ requests = 5, window = "1m" }}]',
            ("key",),
            {"key": ("0123456789ab",)},
            "key 0123456789ab: requests per 1m",
        ),
        (
            f'[[keys]]\nname = "ci"\ndigest = "sha256:{DIGEST}"\n'
            'limits = [{ per = "session", requests = 5, window = "1m" }]',
            ("tenant", "key", "session"),
            {"key": ("0123456789ab",)},
            "key ci: requests per session and 1m",
        ),
        (
            '[models.chat]\nuse = ["d"]\nlimits = { tokens = 5, window = "1m" }',
            (),
            {"model": ("chat",)},
            "model chat: tokens per 1m",
        ),
        (
            # Under several names it has one count: no alias doubles a limit.
            '[models.chat]\nuse = ["d"]\naliases = ["c"]\n'
            'limits = { per = "tenant", tokens = 5, window = "1m" }',
            ("tenant",),
            {"model": ("chat", "c")},
            "model chat: tokens per tenant and 1m",
        ),
        ('[[limits]]\nusd = 5\nwindow = "month"', (), {}, "limits: usd per month"),
        (
            '[[limits]]\nusd = 5\nwindow = "month"\nper = "feature"',
            ("tenant", "feature"),
            {},
            "limits: usd per feature and month",
        ),
        (
            '[models.chat]\nuse = ["d"]\naliases = ["c"]\n'
            '[[limits]]\nusd = 5\nwindow = "day"\nwhen = { model = "c" }',
            (),
            {"model": ("chat", "c")},
            "limits: usd of model c per day",
        ),
        (
            f'[[keys]]\nname = "ci"\ndigest = "sha256:{DIGEST}"\n'
            '[[limits]]\nname = "mine"\nusd = 5\nwindow = "day"\nwhen = { key = ["ci", "0123456789AB"] }',
            (),
            {"key": ("0123456789ab",)},
            "mine",
        ),
        (
            '[tenants.a]\n[[limits]]\nconcurrent = 5\nwhen = { tenant = ["a", "default"] }\nper = "user"',
            ("tenant", "user"),
            {"tenant": ("a", "default")},
            "limits: concurrent of tenant a, default per user",
        ),
    ],
)
def test_where_a_limit_stands_says_whose_it_is(
    text: str, per: tuple[str, ...], when: dict[str, tuple[str, ...]], name: str
) -> None:
    rule = only(text)
    assert (rule.per, rule.when, rule.name) == (per, when, name)


@pytest.mark.parametrize(
    ("written", "burst"),
    [
        ('requests = 60, window = "1m"', 10),
        ('requests = 65, window = "1m"', 10),
        ('requests = 5, window = "1m"', 1),
        ('requests = 5, window = "1s"', 5),
        ('requests = 60, window = "1m", burst = 60', 60),
        ('usd = "0.6", window = "1m"', 10**11),
        ('usd = "0.6", window = "1m", burst = 0.25', 25 * 10**10),
        ('requests = 60, window = "1h"', None),
        ("concurrent = 60", None),
    ],
)
def test_bursts(written: str, burst: int | None) -> None:
    assert only(f"[tenants.a]\nlimits = {{ {written} }}").burst == burst


def test_money_is_hard_and_nothing_else_unless_said() -> None:
    def is_hard(written: str) -> bool:
        return only(f"[tenants.a]\nlimits = {{ {written} }}").is_hard

    assert is_hard('usd = 1, window = "day"')
    assert not is_hard('usd = 1, window = "day", hard = false')
    assert not is_hard('tokens = 1, window = "day"')
    assert is_hard('tokens = 1, window = "day", hard = true')


TIER = """
[tiers.free]
limits = [
  { per = "user", tokens = 100, window = "1h" },
  { per = "user", tokens = 500, window = "day" },
  { per = "tenant", usd = 1, window = "day" },
]
[tenants.a]
tier = "free"
[tenants.b]
tier = "free"
"""


def test_a_tenants_limit_takes_the_place_of_its_tiers_for_the_same_count() -> None:
    own = 'limits = [{ per = "user", tokens = 900, window = "60m" }, { usd = 20, window = "month" }]\n'
    text = TIER.replace('[tenants.b]\ntier = "free"\n', f'[tenants.b]\ntier = "free"\n{own}')
    found = {rule.name: rule for rule in rules_of(text)}
    assert found["tier free: tokens per user and 1h"].when == {"tenant": ("a",)}
    # Another window, so another count: both hold for b.
    assert found["tier free: tokens per user and day"].when == {"tier": ("free",)}
    assert found["tier free: usd per tenant and day"].when == {"tier": ("free",)}
    assert found["tenant b: tokens per user and 1h"].amount == 900
    assert found["tenant b: usd per month"].amount == 20 * 10**12
    # What was used is kept: the count of a is still the same one.
    assert found["tier free: tokens per user and 1h"].per == ("tenant", "user")


def test_a_tiers_limit_that_all_replace_is_gone() -> None:
    own = 'limits = [{ per = "user", tokens = 900, window = "1h" }]\n'
    names = [rule.name for rule in rules_of(TIER.replace('tier = "free"\n', f'tier = "free"\n{own}'))]
    assert "tier free: tokens per user and 1h" not in names
    assert "tier free: tokens per user and day" in names


def test_a_tenants_limit_with_a_condition_takes_no_place() -> None:
    own = 'limits = [{ per = "user", tokens = 900, window = "1h", when = { feature = ["x"] } }]\n'
    found = rules_of(TIER.replace('[tenants.b]\ntier = "free"\n', f'[tenants.b]\ntier = "free"\n{own}'))
    assert next(rule for rule in found if rule.name == "tier free: tokens per user and 1h").when == {
        "tier": ("free",)
    }


def test_a_tiers_own_condition_holds_for_those_that_are_left() -> None:
    tier = TIER.replace(
        'tokens = 100, window = "1h"', 'tokens = 100, window = "1h", when = { tenant = ["a", "b"] }'
    )
    own = 'limits = [{ per = "user", tokens = 900, window = "1h" }]\n'
    found = rules_of(tier.replace('[tenants.b]\ntier = "free"\n', f'[tenants.b]\ntier = "free"\n{own}'))
    assert found[1].name.startswith("tier free: tokens of tenant a, b per user")
    assert found[1].when == {"tenant": ("a",)}


def test_keys_with_one_name_are_told_apart_by_their_ids() -> None:
    limits = 'limits = { requests = 1, window = "day" }'
    keys = [f'[[keys]]\nname = "ci"\ndigest = "sha256:{digit * 64}"\n{limits}\n' for digit in "AB"]
    assert [rule.name for rule in rules_of("".join(keys))] == [
        "key aaaaaaaaaaaa: requests per day",
        "key bbbbbbbbbbbb: requests per day",
    ]


def test_amounts_of_keys() -> None:
    rule = only(
        f'[tenants.a]\nlimits = [{{ name = "n", usd = 1, window = "day" }}]\n[[keys]]\ntenant = "a"\n'
        f'digest = "sha256:{DIGEST}"\nlimit_amounts = {{ n = "2.5" }}'
    )
    assert rule.key_amounts == {"0123456789ab": 25 * 10**11}


def test_the_time_zone_is_the_limits_own_or_that_of_all() -> None:
    zones = {
        rule.name: rule.time_zone
        for rule in rules_of(
            '[limiting]\ntime_zone = "Asia/Tokyo"\n[tenants.a]\nlimits = [{ usd = 1, window = "day" }, '
            '{ usd = 2, window = "week", time_zone = "Europe/Berlin" }]'
        )
    }
    assert zones == {"tenant a: usd per day": "Asia/Tokyo", "tenant a: usd per week": "Europe/Berlin"}


def test_many_limits_compile_in_no_time() -> None:
    """Thousands of tenants and keys with limits: comparing each with each would take minutes."""
    tenants = [f'[tenants.t{number}]\nlimits = {{ usd = 1, window = "day" }}\n' for number in range(2_000)]
    keys = [
        f'[[keys]]\ntenant = "t{number}"\ndigest = "sha256:{number:012x}{0:052x}"\n'
        'limits = { requests = 1, window = "day" }\n'
        for number in range(2_000)
    ]
    config = load_text(HEAD + "".join(tenants + keys), {})
    tables: Any = json.loads(compile_tables(config))
    assert len(tables["limits"]) == 4_000
    assert sum(len(place.limits) for place in places(config.settings)) == 4_000
