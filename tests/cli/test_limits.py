"""`fastgate limits` against an admin listener that is answered."""

import json

import pytest
from tests.admin.conftest import VIEWER
from tests.admin.test_limits import STANDING
from tests.admin.test_thread import Served

from fastgate.cli import limits_text, main

RULE = "tenant acme: tokens per user and 1h"


def run(*arguments: str) -> int:
    try:
        return main(("limits", *arguments))
    except SystemExit as end:
        return int(end.code or 0)


def test_a_raise_from_its_start_to_its_end(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("raises") == 0
    assert capsys.readouterr().out == "no raises\n"
    assert run("raise", RULE, "--to", "2000", "--for", "2h", "--user", "u1") == 0
    out = capsys.readouterr().out
    (raised,) = served.gateway.limits.raises()
    assert (raised["identity"], raised["amount"]) == ({"tenant": "acme", "user": "u1"}, 2_000)
    assert raised["ends_unix_ms"] - raised["starts_unix_ms"] == 7_200_000
    assert f"{raised['id']}: {RULE} of tenant acme, user u1 to 2,000 until " in out
    assert f"fastgate limits end {raised['id']}" in out
    assert run("raises") == 0
    assert "in force" in capsys.readouterr().out
    assert run("raises", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [raised]
    assert run("end", raised["id"]) == 0
    assert capsys.readouterr().out == f"{raised['id']}: ended by alice\n"
    assert run("raises") == 0
    assert "over: ended by alice" in capsys.readouterr().out


def test_money_is_sent_as_it_was_typed(served: Served) -> None:
    assert run("raise", "budget", "--to", "5.000000000001", "--for", "1d") == 0
    assert served.gateway.limits.raises()[0]["amount"] == "5.000000000001"


def test_how_limits_stand(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show") == 0
    assert capsys.readouterr().out == "nothing is used of any limit\n"
    engine = served.engine.limits
    engine.standings = [
        STANDING,
        {**STANDING, "rule": "keys", "identity": {"key": "k\n"}, "amount": 0, "used": 1200},
    ]
    assert run("show", "--tenant", "acme", "--user", "ü b", "--rule", "budget", "--limit", "7") == 0
    assert engine.queries[-1] == {"limit": 7, "tenant": "acme", "user": "ü b", "rule": "budget"}
    heading, budget, keys = capsys.readouterr().out.splitlines()
    assert heading.split() == ["limit", "of", "used", "reserved", "of", "resets", "in"]
    assert budget.split() == [
        "budget",
        "tenant",
        "acme",
        "$1.00",
        "-",
        "$5.00",
        "██░░░░░░░░",
        "20",
        "%",
        "1",
        "min",
    ]
    assert keys.split()[:4] == ["keys", "key", "k?", "1,200"]
    assert run("show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["limits"][0]["used"] == "1"


def test_what_the_gateway_refuses_is_said(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("raise", "bugdet", "--to", "8", "--for", "1h") == 1
    assert 'there is no limit bugdet (did you mean "budget"?)' in capsys.readouterr().err
    assert run("raise", "budget", "--to", "1", "--for", "1h") == 1
    assert "must be above the amount of the limit, 5" in capsys.readouterr().err
    assert run("end", "no/pe") == 1
    assert "there is no raise no/pe" in capsys.readouterr().err
    assert run("show", "--limit", "0") == 1
    assert "limit: must be a whole number from 1 to 1000" in capsys.readouterr().err
    assert run("raise", "budget", "--to", "8", "--for", "1h", "--token", VIEWER) == 1
    assert "takes the role operator" in capsys.readouterr().err
    monkeypatch.delenv("FASTGATE_ADMIN_TOKEN")
    assert run("raise", "budget", "--to", "8", "--for", "1h") == 1
    assert "changes need a token" in capsys.readouterr().err
    assert served.gateway.limits.raises() == []


def test_wrong_usage(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        ((), "required: action"),
        (("raise", "budget", "--to", "8"), "required: --for"),
        (("raise", "budget", "--to", "8", "--for", "soon"), "must be a duration with its unit"),
        (("show", "--limit", "x"), "invalid int value"),
    ):
        assert run(*wrong) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("usd", "5", "$5.00"),
        ("usd", "1234567.5", "$1,234,567.50"),
        ("usd", "0.000000000001", "$0.000000000001"),
        ("usd", "100", "$100.00"),
        ("usd", "0", "$0.00"),
        ("tokens", 1_000_000, "1,000,000"),
    ],
)
def test_amounts(resource: str, amount: int | str, text: str) -> None:
    assert limits_text.shown(resource, amount) == text


def test_lengths() -> None:
    shown = [limits_text.length(seconds) for seconds in (0, 1, 59, 60, 61, 3_600, 86_400, 2_000_000)]
    assert shown == ["-", "1 s", "59 s", "1 min", "2 min", "1 h", "1 d", "24 d"]
