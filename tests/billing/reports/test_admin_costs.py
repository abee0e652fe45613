"""`GET /admin/costs`: what the command prints, who may ask, and what keeps it from taking the process."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from tests.admin.conftest import VIEWER
from tests.admin.test_application import Api
from tests.billing.reports.books import Event, ExactBooks

import fastgate.admin.costs
from fastgate.admin.costs import AT_ONCE
from fastgate.billing.ledger import Ledger

NOW = datetime.now(UTC)


class OpenBooks(ExactBooks):
    """A ledger that is opened and closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> OpenBooks:
    moment = int(NOW.timestamp()) - 3600
    found = OpenBooks(
        [
            Event(moment, 7 * 10**12, names={"feature": "chat", "tenant": "a&b"}),
            Event(moment, 10**12, names={"feature": "search", "tenant": "c"}),
            Event(moment, 5, names={"feature": None, "tenant": "c"}),
        ]
    )
    monkeypatch.setattr(Ledger, "open", lambda state_dir: found)
    return found


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def ask(api: Api, query: str = "", **options: Any) -> Any:
    return api.ask("GET", "/admin/costs", query_string=query.encode(), **options)


def test_the_report_is_that_of_the_command(api: Api, books: OpenBooks) -> None:
    answer = ask(api, "by=feature&since=2d")
    assert answer.status == 200
    told = answer.json()
    assert [each["group"] for each in told["groups"]] == [
        {"feature": "chat"},
        {"feature": "search"},
        {"feature": None},
    ]
    assert told["total"]["cost_usd"] == "8.000000000005"
    assert told["by"] == ["feature"]
    assert books.closed


def test_names_and_options_come_from_the_query(api: Api, books: OpenBooks) -> None:
    told = ask(
        api, "by=tenant,feature&since=2d&tenant=a%26b&tenant=c&feature=&feature=chat&sort=name&top=1"
    ).json()
    assert [each["group"] for each in told["groups"]] == [{"tenant": "a&b", "feature": "chat"}]
    assert told["others"]["groups"] == 1
    assert told["others"]["cost_pusd"] == 5


def test_a_viewer_may_and_a_stranger_may_not(api: Api, books: OpenBooks) -> None:
    assert ask(api, token=VIEWER, client=("192.0.2.1", 1)).status == 200
    assert ask(api, client=("192.0.2.1", 1)).status == 401


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("by=nothing", "unfit_report"),
        ("by=feature&by=tenant", "unfit_report"),
        ("color=red", "unfit_report"),
        ("top=-1", "unfit_report"),
        ("top=0", "unfit_report"),
        ("sort=beauty", "unfit_report"),
        ("since=soon", "unfit_period"),
        ("time_zone=Mars", "unfit_period"),
        ("feature=%ff", "unfit_report"),
        ("&".join(f"tenant={n}" for n in range(300)), "unfit_report"),
    ],
)
def test_what_can_not_be_asked(api: Api, books: OpenBooks, query: str, code: str) -> None:
    answer = ask(api, query)
    assert (answer.status, answer.code()) == (400, code)


def test_no_ledger_is_said(api: Api) -> None:
    answer = ask(api)
    assert answer.status == 500
    assert answer.code() == "ledger_unusable"
    assert "fastgate ledger load" in answer.json()["error"]["message"]


def test_more_than_a_few_at_once_are_told_to_come_again(
    api: Api, books: OpenBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def summary(*_: Any, **__: Any) -> list[Any]:
        begun.release()
        assert may_end.wait(30)
        return []

    monkeypatch.setattr(books, "summary", summary)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(ask(api).status)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=30)
    refused = ask(api)
    assert (refused.status, refused.code(), refused.headers["retry-after"]) == (503, "overloaded", "1")
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert statuses == [200] * AT_ONCE
    assert ask(api).status == 200


def test_a_report_that_takes_too_long_is_given_up_and_its_place_comes_back(
    api: Api, books: OpenBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastgate.admin.costs, "LIMIT_S", 0.05)
    may_end = threading.Event()
    monkeypatch.setattr(books, "summary", lambda *_, **__: [] if may_end.wait(30) else None)
    timer = threading.Timer(0.3, may_end.set)
    timer.start()
    # The loop ends when its threads have: the answer is there before.
    answer = ask(api)
    timer.join()
    assert (answer.status, answer.code()) == (503, "report_too_slow")
    monkeypatch.setattr(fastgate.admin.costs, "LIMIT_S", 30.0)
    assert [ask(api).status for _ in range(AT_ONCE + 1)] == [200] * (AT_ONCE + 1)


def test_the_object_is_json_with_exact_numbers(api: Api, books: OpenBooks) -> None:
    books.events.append(Event(int(NOW.timestamp()) - 3600, 10**18 + 1, names={"feature": "chat"}))
    total = json.loads(ask(api, "since=2d").body)["total"]
    assert total["cost_pusd"] == 10**18 + 8 * 10**12 + 6
    assert total["cost_usd"] == "1000008.000000000006"
