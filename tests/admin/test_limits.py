"""The admin API's paths about limits."""

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.admin.conftest import OPERATOR, VIEWER
from tests.admin.test_application import Api
from tests.limits.conftest import FakeEngine

RAISE = {"rule": "tenant acme: tokens per user and 1h", "to": 2_000, "for": "2h", "identity": {"user": "u1"}}
STANDING = {
    "rule": "budget",
    "identity": {"tenant": "acme"},
    "amount": 5 * 10**12,
    "used": 10**12,
    "reserved": 0,
    "remaining": 4 * 10**12,
    "reset_after_s": 60,
}


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def engine_of(api: Api) -> FakeEngine:
    return api.engine.limits


def test_how_limits_stand(api: Api) -> None:
    engine_of(api).standings = [STANDING]
    query = b"tenant=acme&user=a%20b&rule=budget&limit=5"
    answer = api.ask("GET", "/admin/limits", query_string=query)
    assert answer.status == 200
    told = answer.json()
    assert told["raises"] == []
    (budget,) = told["limits"]
    assert (budget["limit"], budget["amount"], budget["used"], budget["remaining"]) == (
        "budget",
        "5",
        "1",
        "4",
    )
    assert engine_of(api).queries == [{"limit": 5, "tenant": "acme", "user": "a b", "rule": "budget"}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (b"tenat=a", "tenat: is not known"),
        (b"limit=much", "limit: must be a whole number"),
        (b"limit=", "limit: must be a whole number"),
        (b"user=a&user=b", "user: stands more than once"),
        (b"user=%ff", "can't decode byte"),
        (b"user=\xff", "can't decode byte"),
        (b"&".join([b"user=a"] * 21), "Max number of fields exceeded"),
    ],
)
def test_queries_that_can_not_be(api: Api, query: bytes, said: str) -> None:
    answer = api.ask("GET", "/admin/limits", query_string=query)
    assert (answer.status, answer.code()) == (400, "invalid_query")
    assert said in answer.json()["error"]["message"]
    assert engine_of(api).queries == []


def test_a_query_that_the_engine_refuses(api: Api) -> None:
    engine_of(api).refuse = "no such rule"
    answer = api.ask("GET", "/admin/limits", query_string=b"rule=x")
    assert (answer.status, answer.code()) == (400, "invalid_query")


def test_a_raise_from_its_start_to_its_end(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fastgate.audit"):
        answer = api.ask("POST", "/admin/limits/raises", RAISE, token=OPERATOR)
        assert answer.status == 201
        raised = answer.json()["raise"]
        assert (raised["state"], raised["amount"], raised["raised_by"]) == ("in force", 2_000, "alice")
        assert raised["identity"] == {"tenant": "acme", "user": "u1"}
        assert [one["amount"] for one in engine_of(api).raises] == [2_000]
        (shown,) = api.ask("GET", "/admin/limits").json()["raises"]
        assert shown == raised
        path = f"/admin/limits/raises/{raised['id']}"
        ended = api.ask("DELETE", path, token=OPERATOR)
        assert (ended.status, ended.json()["raise"]["why"]) == (200, "ended by alice")
    assert engine_of(api).raises == []
    assert api.ask("GET", "/admin/limits").json()["raises"] == []
    (over,) = api.ask("GET", "/admin/limits/raises").json()["raises"]
    assert over["state"] == "over"
    again = api.ask("DELETE", path, token=OPERATOR)
    assert (again.status, again.code()) == (409, "raise_is_over")
    audited = [record.message for record in caplog.records if record.name == "fastgate.audit"]
    assert audited[0].startswith(
        f"alice: raised limit {raised['id']}: tenant acme: tokens per user and 1h of "
    )
    assert audited[1] == f"alice: ended raise {raised['id']} of limit tenant acme: tokens per user and 1h"


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ([], 400, "invalid_raise"),
        ({**RAISE, "to": 5}, 400, "invalid_raise"),
        ({**RAISE, "rule": "x"}, 404, "unknown_limit"),
        ({**RAISE, "identity": {"user": "u", "model": "m"}}, 400, "invalid_raise"),
        (b"{", 400, "invalid_json"),
    ],
)
def test_raises_that_can_not_be(api: Api, wrong: Any, status: int, code: str) -> None:
    answer = api.ask("POST", "/admin/limits/raises", wrong, token=OPERATOR)
    assert (answer.status, answer.code()) == (status, code)
    assert engine_of(api).raises == []


def test_raising_takes_an_operator(api: Api) -> None:
    assert api.ask("POST", "/admin/limits/raises", RAISE).code() == "token_needed"
    assert api.ask("POST", "/admin/limits/raises", RAISE, token=VIEWER).code() == "role_too_low"
    assert api.ask("DELETE", "/admin/limits/raises/x", token=VIEWER).code() == "role_too_low"
    assert api.ask("DELETE", "/admin/limits/raises/x", token=OPERATOR).code() == "unknown_raise"
    assert engine_of(api).told == 0
