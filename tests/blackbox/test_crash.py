"""`kill -9` under load: whoever got an answer finds its exchange on record, and the next start goes on."""

import http.client
import json
import subprocess
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.blackbox import configuration
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import BIN, CHAT, CLIENT_TIMEOUT_S, Gateway, chat_body
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until
from tests.reference.spool import frame

CLIENTS = 6
KILLED_AFTER = 400
CLIENT_REQUESTS_MAX = 5000


class Clients:
    """Threads that ask over kept connections until the gateway is gone, and note what was answered."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.answered: set[str] = set()
        self.wrong: list[int] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {self.gateway.key}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=CLIENT_TIMEOUT_S)
        with suppress(OSError, http.client.HTTPException):
            for _ in range(CLIENT_REQUESTS_MAX):
                connection.request("POST", CHAT, chat_body(), headers)
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.answered.add(response.headers["x-fastgate-request-id"])
                else:
                    self.wrong.append(response.status)
        connection.close()

    def have_answers(self, count: int) -> bool:
        return len(self.answered) >= count

    def join(self) -> None:
        for thread in self._threads:
            thread.join(CLIENT_TIMEOUT_S * 2)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"


def spool(gateway: Gateway, action: str) -> str:
    """What `fastgate spool` prints; it must find nothing damaged."""
    command = [str(BIN / "fastgate"), "spool", action, "--state-dir", str(gateway.state_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def torn_tails(gateway: Gateway) -> int:
    """Torn tails that `spool check` counts in a spool that is sound otherwise."""
    lines = [line.split() for line in spool(gateway, "check").splitlines()]
    assert lines[0][-1] == "ok"
    assert ["duplicates", "0"] in lines
    assert ["damaged", "0"] in lines
    return next(int(line[2]) for line in lines if line[:2] == ["torn", "tails"])


def recorded(gateway: Gateway) -> dict[str, Any]:
    """The outcome of each exchange on record, as `spool cat` prints them."""
    records = [json.loads(line) for line in spool(gateway, "cat").splitlines()]
    outcomes = {record["id"]: record["outcome"] for record in records}
    assert len(outcomes) == len(records)
    return outcomes


def leave_half_a_record(segment: Path) -> None:
    """What death in the middle of a copy leaves at the end: no loss, for nobody was told of it."""
    with segment.open("r+b") as file:
        file.seek(len(file.read().rstrip(b"\0")))
        # The magic bytes come last.
        file.write(b"\0\0\0\0" + frame(b'{"id":"torn"}')[4:-1])


def test_kill_under_load_loses_no_record(start: Start, upstream: Upstream) -> None:
    upstream.script()
    gateway = start("native", configuration.open_provider(upstream.base_url))
    before: dict[str, Any] = {}
    for _ in range(2):
        clients = Clients(gateway)
        until(partial(clients.have_answers, KILLED_AFTER), "load under way")
        gateway.process.kill()
        gateway.process.wait()
        clients.join()
        assert clients.wrong == []

        leave_half_a_record(next(iter((gateway.state_dir / "spool").glob("*.open"))))
        assert torn_tails(gateway) >= 1
        records = recorded(gateway)
        assert clients.answered <= records.keys()
        assert {records[request_id] for request_id in clients.answered} == {"answered"}
        untold = records.keys() - clients.answered - before.keys()
        assert len(untold) <= CLIENTS, "each client waited for one answer at most"

        gateway.process = gateway.start_process()
        gateway.wait_until_ready()
        answer = gateway.chat(chat_body())
        assert answer.status == 200
        before = recorded(gateway)
        assert before.keys() == records.keys() | {answer.headers["x-fastgate-request-id"]}
        until(lambda: torn_tails(gateway) == 0, "the torn tail cut by the new owner")
