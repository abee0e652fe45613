"""`fastgate routes explain`: what is asked, and how the explanation reads."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.admin.conftest import OPERATOR, listening
from tests.admin.test_thread import Served

from fastgate import _core
from fastgate.cli import main
from fastgate.cli.routes import explanation_text
from fastgate.keys import digest

# As the core explains (rust/core/src/routing/explanation.rs).
EXPLANATION: dict[str, Any] = {
    "model": "chat",
    "leads_to": "table",
    "rows": [
        {
            "row": 0,
            "outcome": "does_not_match",
            "failed": [
                {"condition": "tier", "wants": ["free", "trial"], "has": ["paid"]},
                {"condition": "user", "wants": ["bob"], "has": []},
            ],
        },
        {"row": 1, "outcome": "taken", "failed": []},
        {"row": 2, "outcome": "also_matches", "failed": []},
    ],
    "row": 1,
    "steps": [
        {
            "group": "fast",
            "pick": "weighted",
            "deployments": [
                {
                    "deployment": "gpt-us",
                    "weight": 3,
                    "is_available": True,
                    "position": None,
                    "rule": "residency",
                    "reason": "runs in us, and the request is bound to eu",
                    "in_flight": 0,
                    "first_content_ns": None,
                    "per_token_ns": None,
                },
                {
                    "deployment": "gpt-eu",
                    "weight": 1,
                    "is_available": False,
                    "position": 0,
                    "rule": None,
                    "reason": None,
                    "in_flight": 4,
                    "first_content_ns": 350_000_000,
                    "per_token_ns": 9_000_000,
                },
            ],
        },
        {
            "group": None,
            "pick": "weighted",
            "deployments": [
                {
                    "deployment": "haiku-eu",
                    "weight": 1,
                    "is_available": True,
                    "position": 1,
                    "rule": None,
                    "reason": None,
                    "in_flight": 0,
                    "first_content_ns": None,
                    "per_token_ns": None,
                },
            ],
        },
    ],
    "chain": ["gpt-eu", "haiku-eu"],
    "budget_ms": 12_500,
    "error": None,
}
NO_ROUTE: dict[str, Any] = {
    **EXPLANATION,
    "leads_to": "nothing",
    "rows": [],
    "steps": [],
    "chain": [],
    "budget_ms": None,
    "error": {
        "code": "model_not_found",
        "is_temporary": False,
        "message": "the model `x` does not exist here",
    },
}
KEY = "fg_some_key"


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTGATE_CONFIG", raising=False)
    Path("request.json").write_text('{"model": "chat", "messages": []}')
    key = f'[[keys]]\ndigest = "{digest(KEY)}"\nname = "staging key"\n'
    Path("fastgate.toml").write_text(f'[providers.x]\nbase_url = "http://x"\napi_key = "sk-secret"\n{key}')


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What the core was asked offline: tables, question."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def explain(tables: bytes, asking: bytes) -> bytes:
        question = json.loads(asking)
        found.append((json.loads(tables), question))
        if question["request"].get("model") == "broken":
            raise ValueError("request: messages: missing")
        return json.dumps(NO_ROUTE if question["request"].get("model") == "x" else EXPLANATION).encode()

    monkeypatch.setattr(_core, "explain_route", explain)
    return found


def run(*arguments: str) -> int:
    try:
        return main(("routes", "explain", *arguments))
    except SystemExit as end:
        return int(end.code or 0)


def test_the_question_has_what_was_said(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--user", "u", "--feature", "f", "--session", "s", "--region", "eu", "--latency", "batch")
    more = ("--cost-class", "premium", "--header", "X-Fastgate-Order: a, b", "--header", "x-y:z")
    assert run("request.json", "--tenant", "acme", *options, *more) == 0
    ((tables, question),) = asked
    assert [provider["id"] for provider in tables["providers"]] == ["x"]
    assert question == {
        "request": {"model": "chat", "messages": []},
        "headers": {"x-fastgate-order": "a, b", "x-y": "z"},
        "tenant": "acme",
        "user": "u",
        "feature": "f",
        "session": "s",
        "region": "eu",
        "latency": "batch",
        "cost_class": "premium",
    }
    assert "secret" not in capsys.readouterr().out


def test_a_request_from_standard_input_as_json(
    asked: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"model": "y"}'))
    assert run("-", "--json") == 0
    assert asked[0][1] == {"request": {"model": "y"}, "headers": {}}
    assert json.loads(capsys.readouterr().out) == EXPLANATION


def test_a_request_without_a_route(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    Path("request.json").write_text('{"model": "x"}')
    assert run("request.json") == 1
    assert "no route (model_not_found): the model `x` does not exist here" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["staging key", digest(KEY), digest(KEY)[7:19], digest(KEY)[7:].upper()])
def test_a_key_by_its_name_or_digest(asked: list[Any], name: str) -> None:
    assert run("request.json", "--key", name) == 0
    assert asked[0][1]["key"] == digest(KEY).removeprefix("sha256:")


@pytest.mark.parametrize("name", ["staging", digest(KEY)[7:18], "", KEY])
def test_a_key_that_nobody_has(asked: list[Any], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("request.json", "--key", name) == 1
    assert "no key has this name or digest" in capsys.readouterr().err
    assert asked == []


def test_what_can_not_be_explained_is_said(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    for content, said in (
        ("{", "request.json: no JSON"),
        ("[]", "must be a JSON object"),
        ('{"model": "broken"}', "request: messages: missing"),
    ):
        Path("request.json").write_text(content)
        assert run("request.json") == 1
        assert said in capsys.readouterr().err
    assert run("missing.json") == 1
    assert "missing.json: No such file" in capsys.readouterr().err
    Path("request.json").write_bytes(b'{"model": "\xff"}')
    assert run("request.json") == 1
    assert "utf-8" in capsys.readouterr().err
    assert run("request.json", "--tenant", "a", "--key", "b") == 2
    Path("request.json").write_text("{}")
    assert run("request.json", "--header", "nonsense") == 1
    assert "must be NAME:VALUE" in capsys.readouterr().err


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with listening() as listener:
        found = Served(listener, tmp_path / "state")
        yield found
        listener.engine.stop(0)
        found.thread.close()


def test_the_running_gateway_is_asked(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.engine, "explain", lambda asking: json.dumps(EXPLANATION).encode())
    live = ("request.json", "--live", "--admin", served.listener.address)
    assert run(*live) == 0
    assert "tried in this order: gpt-eu, haiku-eu" in capsys.readouterr().out
    assert run(*live, "--key", "staging key", "--token", OPERATOR) == 0
    assert run(*live, "--token", "wrong") == 1
    assert "this token is unknown" in capsys.readouterr().err


def test_how_an_explanation_reads() -> None:
    lines = [" ".join(line.split()) for line in explanation_text(EXPLANATION).splitlines()]
    assert lines == [
        "model chat: an entry of the configuration, to be answered within 12.5 s",
        "",
        "row",
        "0 does not match tier: wants free or trial, has paid; user: wants bob, has none",
        "1 taken",
        "2 matches too, but comes later",
        "",
        "step 1: group fast, weighted",
        "deployment weight",
        "- gpt-us 3 residency: runs in us, and the request is bound to eu",
        "1 gpt-eu 1 left alone for now 4 under way, first content 350 ms",
        "",
        "step 2: a deployment alone",
        "deployment weight",
        "2 haiku-eu 1",
        "",
        "tried in this order: gpt-eu, haiku-eu",
    ]


def test_an_error_that_may_pass_says_so() -> None:
    error = {"code": "no_route", "is_temporary": True, "message": "all are left alone"}
    text = explanation_text({**NO_ROUTE, "error": error})
    assert text.endswith("no route (no_route): all are left alone; it may find one later")
