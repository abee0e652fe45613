"""`[resilience]`, `[drills]` and `[[admin.tokens]]`: what is read, compiled and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from fastgate.config import Config, compile_tables, load_text
from fastgate.errors import ConfigError

BASE = """\
[providers.p]
base_url = "https://p.example.com"
[deployments.a]
provider = "p"
model = "m"
[tenants.acme]
"""
BASE_LINES = BASE.count("\n")
DIGEST = "sha256:" + "0a" * 32
DRILL = '[drills.d]\nprovider = "p"\npercent = 10\nfor = "1h"\n'


def load_below(text: str) -> Config:
    return load_text(BASE + text, {}, file="f.toml")


def errors_of(text: str) -> list[str]:
    """What is said about a text below `BASE`, with lines counted from there."""
    with pytest.raises(ConfigError) as caught:
        load_below(text)
    found = []
    for error in str(caught.value).splitlines():
        _, line, said = error.split(":", maxsplit=2)
        found.append(f"{int(line) - BASE_LINES}:{said}")
    return found


def resilience(text: str) -> Any:
    return json.loads(compile_tables(load_below("[resilience]\n" + text)))["resilience"]


def test_a_deployment_may_have_retries_of_its_own() -> None:
    text = """
[resilience]
retries = 1
[providers.a]
base_url = "https://a.example"
[providers.open]
base_url = "https://b.example"
[deployments.usual]
provider = "a"
model = "m"
[deployments.own]
provider = "a"
model = "n"
retries = 0
"""
    tables = json.loads(compile_tables(load_text(text, {})))
    assert [deployment["retries"] for deployment in tables["deployments"]] == [1, 0, 1]


@pytest.mark.parametrize(
    ("written", "field", "compiled"),
    [
        ('backoff = "100ms"', "backoff_ms", 100),
        ('backoff_max = "10s"', "backoff_max_ms", 10_000),
        ('wait_max = "1m"', "wait_max_ms", 60_000),
        ('retry_share = "20%"', "retry_permille", 200),
        ("retry_share = 0.2", "retry_permille", 200),
        ("retry_share = 0", "retry_permille", 0),
        ("retries_per_second = 0", "retries_per_second", 0),
        ('credential_pause = "1h"', "credential_pause_ms", 3_600_000),
        ("adaptive_concurrency = false", "adaptive_concurrency", False),
        ('probe = "15s"', "probe_interval_ms", 15_000),
        ('idempotency = { keep = "1m" }', "idempotency_ms", 60_000),
        ('idempotency = { size = "1MiB" }', "idempotency_bytes", 1_048_576),
    ],
)
def test_each_setting_is_one_field(written: str, field: str, compiled: object) -> None:
    assert resilience(written) == {**resilience(""), field: compiled}
    assert resilience("")[field] != compiled


@pytest.mark.parametrize(
    ("written", "field", "compiled"),
    [
        ("failures = 3", "consecutive_failures", 3),
        ('success_share = "40%"', "success_permille", 400),
        ("minimum_calls = 10", "minimum_calls", 10),
        ('open = "1s"', "open_ms", 1000),
        ('open_max = "1m"', "open_max_ms", 60_000),
    ],
)
def test_each_setting_of_the_breaker_is_one_field(written: str, field: str, compiled: object) -> None:
    breaker = resilience("")["breaker"]
    assert resilience(f"breaker = {{ {written} }}")["breaker"] == {**breaker, field: compiled}
    assert breaker[field] != compiled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("backoff = 250", "2: resilience.backoff: must be a duration with its unit"),
        ('backoff = "3s"', "2: resilience.backoff: must not be longer than backoff_max"),
        ('backoff_max = "200ms"', "1: resilience.backoff: must not be longer than backoff_max"),
        ("retry_share = 10", '2: resilience.retry_share: must be a share from 0 to 1, as "10%" or 0.1'),
        ('retry_share = "0.01%"', "2: resilience.retry_share: must be in whole thousandths"),
        ("retries_per_second = -1", "2: resilience.retries_per_second: must be a whole number from 0 to"),
        ("breaker = { failures = 0 }", "2: resilience.breaker.failures: must be a whole number from 1 to"),
        ('breaker = { open = "1m" }', "2: resilience.breaker.open: must not be longer than open_max"),
        ("breaker = { minimum_calls = 0 }", "2: resilience.breaker.minimum_calls: must be a whole number"),
        ("breaker = 5", "2: resilience.breaker: must be a table"),
        ('probe = "0s"', "2: resilience.probe: must be between 1ms and 366d"),
        ('adaptive_concurrency = "maybe"', "2: resilience.adaptive_concurrency: must be true or false"),
        ('idempotency = { size = "0MB" }', "2: resilience.idempotency.size: must be between 1 byte"),
        (
            'idempotency = { kep = "1m" }',
            '2: resilience.idempotency.kep: unknown setting (did you mean "keep"?)',
        ),
    ],
)
def test_what_is_wrong_with_resilience_is_told_with_its_line(text: str, said: str) -> None:
    found = errors_of("[resilience]\n" + text)
    assert any(error.startswith(said) for error in found), found


def test_a_drill() -> None:
    drill = load_below(DRILL).settings.drills["d"]
    assert (drill.provider, drill.percent, drill.length) == ("p", 100_000, 3_600_000)
    assert (drill.tenant, drill.feature, drill.start) == (None, None, None)
    assert (drill.error_share, drill.minimum_exchanges) == (50, 20)
    full = load_below(
        '[drills.q1]\nprovider = "p"\npercent = 0.5\ntenant = ["acme", "default"]\nfeature = "search"\n'
        'from = 2027-01-31T09:00:00+01:00\nfor = "1d"\nerror_share = 0.01\nminimum_exchanges = 5\n'
    ).settings.drills["q1"]
    assert (full.percent, full.tenant, full.feature) == (5_000, ["acme", "default"], ["search"])
    assert (full.start, full.length) == (1_801_382_400, 86_400_000)
    assert (full.error_share, full.minimum_exchanges) == (10, 5)


def test_drills_and_admin_tokens_are_not_for_the_data_path() -> None:
    text = DRILL + f'[[admin.tokens]]\ndigest = "{DIGEST}"\nrole = "viewer"\n'
    assert compile_tables(load_below(text)) == compile_tables(load_below(""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DRILL.replace('"p"', '"q"'), "2: drills.d.provider: no such provider (known: p)"),
        (DRILL.replace("10", "0"), "3: drills.d.percent: must be a percentage above 0 and at most 100"),
        (DRILL.replace("10", "100.1"), "3: drills.d.percent: must be a percentage above 0"),
        (DRILL.replace("10", "0.00001"), "3: drills.d.percent: must have at most 4 decimals"),
        (DRILL + 'tenant = "acne"', '5: drills.d.tenant: no such tenant (did you mean "acme"?)'),
        (DRILL + 'tenant = ["acme", "x"]', "5: drills.d.tenant[1]: no such tenant"),
        (DRILL + 'from = "soon"', "5: drills.d.from: must be a date or a time"),
        (DRILL + "error_share = 5", "5: drills.d.error_share: must be a share from 0 to 1"),
        (DRILL + "minimum_exchanges = 0", "5: drills.d.minimum_exchanges: must be a whole number from 1 to"),
        (DRILL + 'length = "1h"', "5: drills.d.length: unknown setting"),
        (DRILL.replace('for = "1h"\n', ""), "1: drills.d.for: is required"),
        (DRILL.replace('"1h"', '"1"'), "4: drills.d.for: must be a duration with its unit"),
        (DRILL.replace('"1h"', '"32d"'), "4: drills.d.for: must not be longer than 31d"),
        (DRILL.replace("drills.d", "drills.d-report"), "1: drills.d-report: a drill's id must not end in"),
        (DRILL.replace("drills.d", 'drills."a b"'), '1: drills."a b": an id must be 1 to 128'),
    ],
)
def test_what_is_wrong_with_a_drill_is_told_with_its_line(text: str, said: str) -> None:
    found = errors_of(text)
    assert any(error.startswith(said) for error in found), found


def test_admin_tokens() -> None:
    text = f'[[admin.tokens]]\ndigest = "{DIGEST}"\nrole = "operator"\nname = "on call"\n'
    text += f'[[admin.tokens]]\ndigest = "sha256:{"0b" * 32}"\nrole = "admin"\n'
    first, second = load_below(text).settings.admin.tokens
    assert (first.digest, first.role, first.name) == (DIGEST, "operator", "on call")
    assert (second.role, second.name) == ("admin", None)
    # They let nobody ask a model.
    assert load_below(text).settings.is_keyless


TOKEN = f'[[admin.tokens]]\ndigest = "{DIGEST}"\nrole = "viewer"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOKEN + TOKEN.replace("0a", "0A"), "5: admin.tokens[1].digest: the same digest as admin.tokens[0]"),
        (
            f'[[keys]]\ndigest = "{DIGEST}"\n' + TOKEN,
            "4: admin.tokens[0].digest: the same digest as keys[0] (a token for the admin listener is no",
        ),
        (TOKEN.replace("sha256", "md5"), '2: admin.tokens[0].digest: must be "sha256:" and 64 hex digits'),
        (
            TOKEN.replace("viewer", "root"),
            '3: admin.tokens[0].role: must be "viewer" or "operator" or "admin"',
        ),
        (TOKEN.replace('role = "viewer"\n', ""), "1: admin.tokens[0].role: is required"),
        (TOKEN + 'tenant = "acme"', "4: admin.tokens[0].tenant: unknown setting"),
        ("[admin]\ntoken = []", '2: admin.token: unknown setting (did you mean "tokens"?)'),
    ],
)
def test_what_is_wrong_with_a_token_is_told_with_its_line(text: str, said: str) -> None:
    found = errors_of(text)
    assert any(error.startswith(said) for error in found), found


def test_yaml_has_the_same_names() -> None:
    text = (
        "providers: { p: { base_url: https://p.example.com } }\n"
        "resilience: { retry_share: 5%, breaker: { success_share: 0.4 } }\n"
        "drills: { d: { provider: p, percent: 12.5, from: 2027-01-31, for: 1h, error_share: 10% } }\n"
        "admin: { tokens: [{ digest: 'sha256:" + "0a" * 32 + "', role: admin }] }\n"
    )
    settings = load_text(text, {}, file=str(Path("f.yaml")), yaml=True).settings
    assert (settings.resilience.retry_share, settings.resilience.breaker.success_share) == (50, 400)
    assert settings.drills["d"].percent == 125_000
    assert settings.drills["d"].start == 1_801_353_600
    assert settings.admin.tokens[0].role == "admin"
