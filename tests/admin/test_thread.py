"""The thread between the admin listener and the application, over sockets."""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.admin.conftest import (
    CLIENT_TIMEOUT_S,
    OPERATOR,
    TABLES,
    FakeGateway,
    GatewayEngine,
    Listener,
    listening,
)
from tests.blackbox.waiting import until
from tests.drills.conftest import FakeEngine
from tests.limits.conftest import FakeEngine as LimitEngine

from fastgate.admin.thread import AT_ONCE, AdminThread


class Served:
    """A listener that is answered."""

    def __init__(self, listener: Listener, state_dir: Path) -> None:
        self.listener = listener
        self.engine = GatewayEngine(listener.engine)
        self.gateway = FakeGateway(self.engine, state_dir)
        self.gateway.admin_address = listener.address
        self.thread = AdminThread(self.gateway)
        self.ask = listener.ask


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with listening() as listener:
        found = Served(listener, tmp_path)
        until(lambda: found.ask("GET", "/admin/nope").status == 404, "an answer")
        yield found
        listener.engine.stop(0)
        found.thread.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastgate-admin")]


def test_operators_get_their_answers(served: Served) -> None:
    assert served.ask("GET", "/admin/status").json()["configuration"]["generation"] == 3
    drill = {"provider": "anthropic", "percent": 100, "for": "1h"}
    headers = {"authorization": f"Bearer {OPERATOR}", "content-type": "application/json"}
    started = served.ask("POST", "/admin/drills", json.dumps(drill).encode(), headers)
    assert started.status == 201
    drill_id = started.json()["drill"]["id"]
    stopped = served.ask("DELETE", f"/admin/drills/{drill_id}", headers=headers)
    assert stopped.json()["drill"]["why"] == "stopped by alice"
    assert served.ask("POST", "/admin/drills", json.dumps(drill).encode()).code() == "token_needed"
    refused = served.ask("GET", "/admin/status", headers={"host": "evil.example"})
    assert (refused.status, refused.code()) == (403, "host_not_allowed")
    assert refused.headers["cache-control"] == "no-store"


def test_one_that_takes_long_delays_no_other(served: Served) -> None:
    served.engine.may_explain.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(served.ask, "POST", "/admin/routes/explain", b'{"request": {}}')
        assert served.engine.explaining.wait(CLIENT_TIMEOUT_S)
        assert served.ask("GET", "/admin/status").status == 200
        served.engine.may_explain.set()
        assert slow.result(CLIENT_TIMEOUT_S).status == 200


def test_only_so_many_are_answered_at_once_and_all_in_the_end(served: Served) -> None:
    served.engine.may_explain.clear()
    many = AT_ONCE + 8
    with ThreadPoolExecutor(many) as pool:
        slow = [
            pool.submit(served.ask, "POST", "/admin/routes/explain", b'{"request": {}}') for _ in range(many)
        ]
        assert served.engine.explaining.wait(CLIENT_TIMEOUT_S)
        until(lambda: served.thread._places._value == 0, "every place taken")
        served.engine.may_explain.set()
        assert [answer.result(CLIENT_TIMEOUT_S).status for answer in slow] == [200] * many
    # One is held by whoever waits for the next request.
    until(lambda: served.thread._places._value == AT_ONCE - 1, "every place given back")


def test_what_breaks_below_the_application_is_an_error_too(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.thread._answering is not None

    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(served.thread._answering, "_application", broken)
    answer = served.ask("GET", "/admin/status")
    assert (answer.status, answer.code()) == (500, "internal_error")
    assert "GET /admin/status failed" in caplog.text
    monkeypatch.undo()
    assert served.ask("GET", "/admin/status").status == 200


def test_the_thread_outlives_an_engine_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked_s: list[float] = []

    class Failing(GatewayEngine):
        def take_admin_request(self, timeout_s: float) -> None:
            asked_s.append(time.monotonic())
            raise OSError("gone")

    engine = object.__new__(Failing)
    engine.drills = FakeEngine()
    engine.limits = LimitEngine()
    thread = AdminThread(FakeGateway(engine, tmp_path))
    with caplog.at_level(logging.ERROR, "fastgate.admin"):
        until(lambda: len(asked_s) > 1, "another try")
        thread.close()
    assert "taking a request of the admin listener failed" in caplog.text
    assert asked_s[1] - asked_s[0] >= 0.2, "it does not spin"


def test_nothing_heavy_is_there_before_the_first_request() -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fastgate._core import Engine\n"
        "from fastgate.admin.thread import AdminThread\n"
        f"engine = Engine(Path({str(TABLES)!r}).read_bytes())\n"
        "class Gateway: pass\n"
        "gateway = Gateway(); gateway.engine = engine\n"
        "engine.serve(listen='127.0.0.1:0', admin='127.0.0.1:0', threads=1)\n"
        "thread = AdminThread(gateway)\n"
        "heavy = {'asyncio', 'ssl', 'http', 'hashlib', 'urllib.request', 'msgspec', 'fastgate.config'}\n"
        "loaded = heavy & set(sys.modules)\n"
        "engine.stop(0); thread.close()\n"
        "sys.exit(str(loaded) if loaded else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
