"""The examples of `docs/limits.md` are configurations that can be used."""

import re
from pathlib import Path

import pytest

from fastgate import _core
from fastgate.config import compile_tables, limit_warnings, load_text
from fastgate.config.limit_rules import rules

MANUAL = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)
REST = """
[providers.p]
base_url = "http://127.0.0.1:9"
[deployments.small-us]
provider = "p"
model = "gpt-4o-mini"
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_used(example: str) -> None:
    config = load_text(example + REST, {}, file="limits.md")
    _core.check_tables(compile_tables(config))


def test_what_the_manual_says_of_names() -> None:
    names = {rule.name for rule in rules(load_text(EXAMPLES[0] + REST, {}).settings)}
    assert {"tenant acme: tokens per user and 1h", "acme budget"} <= names
    assert "tenant acme: tokens per user and 1h" in MANUAL


def test_no_example_will_be_regretted() -> None:
    keys = [
        f'[[keys]]\ntenant = "{tenant}"\ndigest = "sha256:{digit * 64}"\n'
        for tenant, digit in (("acme", "a"), ("trial", "b"))
    ]
    assert limit_warnings(load_text(EXAMPLES[0] + REST + "".join(keys), {})) == []
