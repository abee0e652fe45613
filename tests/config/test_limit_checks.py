"""What is wrong with limits, at its line."""

import re
from pathlib import Path

import pytest

from fastgate.config import load_text
from fastgate.config.limit_checks import RATE_MAX
from fastgate.errors import ConfigError

HEAD = """\
[providers.p]
base_url = "http://127.0.0.1:9"
[deployments.d]
provider = "p"
model = "m"
[models.chat]
use = ["d"]
"""
DIGEST = "ab" * 32
KEY = f'[[keys]]\ndigest = "sha256:{DIGEST}"\n'


def errors_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(HEAD + text, {}, file="f.toml")
    return str(caught.value).split("\n")


def limit(written: str) -> str:
    return f"[tenants.a]\nlimits = [\n  {{ {written} }},\n]\n"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('window = "1h"', "tenants.a.limits[0]: names no resource (exactly one of requests, "),
        ('tokens = 1, usd = 1, window = "1h"', "tenants.a.limits[0]: names several resources"),
        ("tokens = 1", 'tenants.a.limits[0].window: is required (as "1m", "1h" or "month")'),
        ('tokens = 1, window = "2s"', 'tenants.a.limits[0].window: must be "1s", "1m", a longer duration'),
        ('tokens = 0, window = "1h"', "tenants.a.limits[0].tokens: must be a whole number from 1 to"),
        ('tokens = 1.5, window = "1h"', "tenants.a.limits[0].tokens: must be a whole number"),
        ('usd = "-1", window = "1h"', "tenants.a.limits[0].usd: must be USD from 0 to 9000000"),
        ('usd = "1e3", window = "1h"', "tenants.a.limits[0].usd: must be USD from 0 to 9000000"),
        ('usd = "0.0000000000001", window = "1h"', "tenants.a.limits[0].usd: must have at most 12 decimals"),
        ('usd = 0, window = "1m"', 'usd: must be above 0 and at most 9007 USD in windows of "1s" and "1m"'),
        ('usd = 9008, window = "1s"', "usd: must be above 0 and at most 9007 USD"),
        ('usd = 1, window = "1m", burst = 9008', "burst: must be above 0 and at most 9007 USD"),
        ('tokens = 1, window = "1m", burst = 1.5', "tenants.a.limits[0].burst: must be a whole number"),
        ('tokens = 1, window = "1m", burst = 0', f"burst: must be above 0 and at most {RATE_MAX}"),
        ('tokens = 1, window = "1h", burst = 1', 'limits[0].burst: is for windows of "1s" and "1m" only'),
        ('tokens = 1, window = "1h", time_zone = "UTC"', "time_zone: is for day, week and month only"),
        ('tokens = 1, window = "day", time_zone = "UCT+"', "time_zone: no such time zone"),
        ('concurrent = 1, window = "1h"', "limits[0].window: is not for requests under way"),
        ("concurrent = 1, burst = 1", "limits[0].burst: is not for requests under way"),
        ("concurrent = 1, hard = true", "limits[0].hard: is not for requests under way"),
        ("concurrent = 0", "limits[0].concurrent: must be a whole number from 1 to 1000000"),
        ('per = "users", tokens = 1, window = "1h"', 'limits[0].per: must be "tenant" or "tier" or "key"'),
        ('per = ["user", "user"], tokens = 1, window = "1h"', "limits[0].per: names a scope twice"),
        ('tokens = 1, window = "1h", warn_at = "0%"', "limits[0].warn_at: must be above 0%"),
        ('tokens = 1, window = "1h", warn_at = "101%"', "limits[0].warn_at: must be a share"),
        (
            'tokens = 1, window = "1m", downgrade = { at = "90%", model = "chat" }',
            "limits[0].downgrade: is for quotas",
        ),
        ('concurrent = 1, downgrade = { at = "90%", model = "chat" }', "downgrade: is for quotas"),
        (
            'tokens = 1, window = "1h", downgrade = { at = 0, model = "chat" }',
            "downgrade.at: must be above",
        ),
        (
            'tokens = 1, window = "1h", downgrade = { at = 0.9, model = "caht" }',
            'tenants.a.limits[0].downgrade.model: no such model (did you mean "chat"?)',
        ),
        (
            'tokens = 1, window = "1h", when = { tenant = "a" }',
            "when.tenant: is said by where it stands: tenants",
        ),
        ('tokens = 1, window = "1h", when = { tier = "free" }', "limits[0].when.tier: no such tier"),
        ('tokens = 1, window = "1h", when = { key = "ci" }', "limits[0].when.key: no such key"),
        (
            'tokens = 1, window = "1h", when = { model = "caht" }',
            'when.model: no such model (did you mean "chat"?',
        ),
        ('tokens = 1, window = "1h", when = { user = [] }', "limits[0].when.user: must not be empty"),
        ('tokens = 1, window = "1h", when = { hour = "1-2" }', "limits[0].when.hour: unknown setting"),
        ('name = "", tokens = 1, window = "1h"', "limits[0].name: must be 1 to 128 visible ASCII"),
        (
            'name = \'a"b\', tokens = 1, window = "1h"',
            "limits[0].name: must be 1 to 128 visible ASCII",
        ),
        ('tokens = 1, windw = "1h"', 'limits[0].windw: unknown setting (did you mean "window"?)'),
        ('tokens = 1, window = "1h", when = { user = "ü" }', "limits[0].name: is required (what would be"),
    ],
)
def test_a_limit_by_itself(written: str, said: str) -> None:
    told = errors_of(limit(written))
    assert [line for line in told if line.startswith("f.toml:10: ") and said in line], told


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        # The place of the list does not matter: one of each.
        ("[tiers.t]\nlimits = { usd = 1 }", 9, "tiers.t.limits"),
        (f"{KEY}limits = {{ usd = 1 }}", 10, "keys[0].limits"),
        ('[models.other]\nuse = ["d"]\nlimits = { usd = 1 }', 10, "models.other.limits"),
        ("[[limits]]\nusd = 1", 8, "limits[0].window: is required"),
        ("limits = 5", 8, "models.chat.limits"),
        # Names.
        (
            '[tenants.a]\nlimits = [{ tokens = 1, window = "1h" },\n{ tokens = 2, window = "60m" }]',
            10,
            "tenants.a.limits[1]: has the name of tenants.a.limits[0]: tenant a: tokens per 1h",
        ),
        (
            '[tenants.a]\nlimits = { name = "n", tokens = 1, window = "1h" }\n'
            '[tenants.b]\nlimits = { name = "n", tokens = 1, window = "1h" }',
            11,
            "tenants.b.limits: has the name of tenants.a.limits[0]: n (name one of them)",
        ),
        # Amounts of keys.
        (
            f'[tenants.default]\nlimits = {{ name = "daily", usd = 1, window = "day" }}\n'
            f"{KEY}limit_amounts = {{ dayly = 1 }}",
            12,
            'keys[0].limit_amounts.dayly: no limit has this name (did you mean "daily"?)',
        ),
        (
            f'[tenants.default]\nlimits = {{ name = "n", tokens = 1, window = "day" }}\n'
            f"{KEY}limit_amounts = {{ n = 0.5 }}",
            12,
            "keys[0].limit_amounts.n: must be a whole number",
        ),
        (
            f'[tenants.default]\nlimits = {{ name = "n", tokens = 1, window = "day" }}\n'
            f"{KEY}limit_amounts = {{ n = 0 }}",
            12,
            "keys[0].limit_amounts.n: must be at least 1",
        ),
        (
            f'[tenants.default]\nlimits = {{ name = "n", usd = 1, window = "day" }}\n'
            f"{KEY}limit_amounts = {{ n = 9_000_001 }}",
            12,
            "keys[0].limit_amounts.n: must be USD from 0 to 9000000",
        ),
        (
            f'[tenants.default]\nlimits = {{ name = "n", usd = 1, window = "1m" }}\n'
            f"{KEY}limit_amounts = {{ n = 9_008 }}",
            12,
            "keys[0].limit_amounts.n: must be above 0 and at most 9007 USD",
        ),
        (
            f'[tenants.a]\nlimits = {{ name = "n", usd = 1, window = "day" }}\n'
            f"{KEY}limit_amounts = {{ n = 1 }}",
            12,
            "keys[0].limit_amounts.n: this limit, tenants.a.limits[0], is never about this key",
        ),
        # Who is told, and how much may wait.
        ('[limiting]\nwebhook = "http://example.com/hook"', 9, "limiting.webhook: must be an https:// URL"),
        ('[limiting]\nwebhook = "https://u:p@example.com"', 9, "limiting.webhook: must be an https:// URL"),
        ('[limiting]\nwebhook_secret = "s"', 9, "limiting.webhook_secret: is only for a webhook"),
        ("[limiting]\nidentities = 5", 9, "limiting.identities: must be a whole number from 1000"),
        ('[limiting]\ntime_zone = "Mars"', 9, "limiting.time_zone: no such time zone"),
        # Prices that the operator charges.
        ('[billing]\nrevenue = [{ feature = "x" }]', 9, "billing.revenue[0]: names no amount"),
        (
            "[billing]\nrevenue = [{ usd_per_request = 1, usd_per_session = 1 }]",
            9,
            "billing.revenue[0]: names several amounts",
        ),
        (
            '[billing]\nrevenue = [{ tenant = "x", usd_per_request = 1 }]',
            9,
            "billing.revenue[0].tenant: no such tenant",
        ),
        (
            "[[billing.revenue]]\nusd_per_request = 1\n[[billing.revenue]]\nusd_per_request = 2",
            10,
            "billing.revenue[1]: the same as billing.revenue[0]",
        ),
        (
            '[providers.q]\nbase_url = "http://127.0.0.1:9"\ndiscount = "110%"',
            10,
            "discount: must be a share",
        ),
    ],
)
def test_limits_and_the_rest(text: str, line: int, said: str) -> None:
    told = errors_of(text)
    assert [found for found in told if found.startswith(f"f.toml:{line}: ") and said in found], told


def test_an_alias_is_no_model_of_its_own_and_an_open_provider_serves_any() -> None:
    load_text(HEAD + 'aliases = ["c"]\n[[limits]]\nusd = 1\nwindow = "day"\nwhen = { model = "c" }', {})
    open_provider = '[providers.p]\nbase_url = "http://127.0.0.1:9"\n'
    load_text(open_provider + '[[limits]]\nusd = 1\nwindow = "day"\nwhen = { model = "any" }', {})
    with pytest.raises(ConfigError, match=r"downgrade\.model: no such model"):
        load_text(
            open_provider + '[[limits]]\nusd = 1\nwindow = "day"\ndowngrade = { at = 0.9, model = "any" }', {}
        )


def test_yaml_reads_the_same() -> None:
    text = (
        "providers: {p: {base_url: http://127.0.0.1:9}}\n"
        "tenants:\n  a:\n    limits:\n      - {per: user, usd: 0.1, window: month}\n"
        "      - {usd: x, window: day}\n"
    )
    with pytest.raises(ConfigError, match=r"f.yaml:6: tenants.a.limits\[1\].usd: must be USD"):
        load_text(text, {}, file="f.yaml", yaml=True)
    config = load_text(text.replace("x,", '"0.3",'), {}, file="f.yaml", yaml=True)
    assert [limit.usd for limit in config.settings.tenants["a"].limits] == [10**11, 3 * 10**11]


def test_the_largest_rate_is_the_engines() -> None:
    source = (Path(__file__).parents[2] / "rust/core/src/limits/gcra.rs").read_text()
    assert re.search(r"UNITS_MAX: u64 = 1 << (\d+);", source)[1] == str(RATE_MAX.bit_length() - 1)  # type: ignore[index]


def test_revenue_and_discounts_are_read() -> None:
    settings = load_text(
        HEAD + '[tenants.a]\n[[billing.revenue]]\nfeature = "chat"\nusd_per_1k_tokens = "0.002"\n'
        '[[billing.revenue]]\ntenant = "a"\nusd_per_user_month = 20\n[providers.q]\n'
        'base_url = "http://127.0.0.1:8"\ndiscount = "12.5%"\n',
        {},
    ).settings
    first, second = settings.billing.revenue
    assert (first.feature, first.tenant, first.model) == ("chat", None, None)
    assert (first.unit, first.amount_pusd) == ("1k_tokens", 2 * 10**9)
    assert (second.tenant, second.unit, second.amount_pusd) == ("a", "user_month", 20 * 10**12)
    assert settings.providers["q"].discount == 125_000
