"""Warnings of the core about routes, told where they were written."""

import pytest

from fastgate import _core
from fastgate.config import compile_tables, load_text, route_warnings
from fastgate.errors import ConfigError

TEXT = """\
[providers.p]
base_url = "https://p.example.com"
[deployments."gpt-4.1"]
provider = "p"
model = "m"
[deployments.b]
provider = "p"
model = "n"
[models.last]
use = ["b"]
[models.chat]
aliases = ["gpt-4", "x.rows"]
[[models.chat.rows]]
use = ["b"]
when = { model = "gpt-4" }
[[models.chat.rows]]
use = ["b"]
[[models.chat.rows]]
use = ["gpt-4.1"]
[models."v1.5"]
use = ["b"]
"""


def warnings_of(monkeypatch: pytest.MonkeyPatch, found: list[tuple[str, str]]) -> list[str]:
    """What is told of what the core finds."""
    config = load_text(TEXT, {}, file="f.toml")
    tables = compile_tables(config)

    def check_routes(given: bytes) -> list[tuple[str, str]]:
        assert given is tables
        return found

    monkeypatch.setattr(_core, "check_routes", check_routes)
    warnings = route_warnings(config, tables)
    assert all(isinstance(warning, ConfigError) for warning in warnings)
    return [str(warning) for warning in warnings]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], []),
        # Once for all names of a model, at its own place.
        (
            [(f"models.{name}.rows[2]", "can never match") for name in ("gpt-4", "chat", "x.rows")],
            ["f.toml:18: models.chat.rows[2]: can never match"],
        ),
        # It matches under another name.
        ([("models.chat.rows[2]", "can never match"), ("models.gpt-4.rows[2]", "can never match")], []),
        # The row is for one of the names only.
        ([("models.chat.rows[0]", "can never match")], []),
        (
            [("models.gpt-4.rows[0]", "can never match")],
            ["f.toml:13: models.chat.rows[0]: can never match"],
        ),
        # A model as a whole, of whichever name; its short form has no rows.
        ([("models.gpt-4", "tenant acme")], ["f.toml:11: models.chat: tenant acme"]),
        ([("models.last.rows[0]", "tenant acme")], ["f.toml:9: models.last: tenant acme"]),
        ([("models.v1.5.rows[0]", "tenant acme")], ['f.toml:20: models."v1.5": tenant acme']),
        ([('models."v1.5".rows[0].use', "tenant acme")], ['f.toml:20: models."v1.5": tenant acme']),
        # Nobody wrote these.
        ([("models.gpt-4.1.rows[0]", "tenant acme"), ("models.p/n", "x"), ("models.n", "x")], []),
        # In the order of lines, and several at one place.
        (
            [("models.chat", "b"), ("models.last", "z"), ("models.chat", "a")],
            ["f.toml:9: models.last: z", "f.toml:11: models.chat: b", "f.toml:11: models.chat: a"],
        ),
    ],
)
def test_what_the_core_finds_is_told_at_its_line(
    monkeypatch: pytest.MonkeyPatch, found: list[tuple[str, str]], told: list[str]
) -> None:
    assert warnings_of(monkeypatch, found) == told


def test_the_core_finds_rows_that_never_match_and_tenants_without_a_route() -> None:
    text = TEXT + '[tenants.acme]\nregion = "eu"\n'
    config = load_text(text, {}, file="f.toml")
    told = [str(warning) for warning in route_warnings(config, compile_tables(config))]
    assert any(warning.startswith("f.toml:18: models.chat.rows[2]: ") for warning in told), told
    assert any("acme" in warning for warning in told), told
