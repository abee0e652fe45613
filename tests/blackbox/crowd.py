"""Requests that are held at the provider, and those that wait behind them for its capacity.

What is held ends when its client leaves, so a test says when there is room, and no clock does. How many wait
is read from the metrics, which is why the door behind an ASGI server is one that shows them.
"""

import http.client
import json
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.blackbox.configuration import KEY
from tests.blackbox.gateway import DOORS, Answer, Gateway, chat_body, fetch
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

FULL = "as many requests wait as may"
WATCHED = "watched"
CROWD_DOORS = ("native", WATCHED)
DOORS[WATCHED] = [
    sys.executable,
    *("-m", "uvicorn", "tests.blackbox.watched:app", "--loop=uvloop", "--host={host}", "--port={port}"),
    *("--no-access-log", "--timeout-graceful-shutdown=20"),
]


class Pending:
    """A request that went up and whose answer was not read."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def answer(self) -> Answer:
        """The whole answer; closes the connection."""
        with self.connection:
            response = http.client.HTTPResponse(self.connection, method="POST")
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def leave(self) -> None:
        """The client goes."""
        self.connection.close()


def headers_of(key: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **headers}


def send(gateway: Gateway, model: str, *, key: str = KEY, user: str = "", **more: Any) -> Pending:
    """Ask on a connection of its own; `headers` beside the key, all else is of the body."""
    headers = headers_of(key, more.pop("headers", {}))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Pending(gateway.send_chat(chat_body(model, user=user or "somebody", **more), head))


def ask(gateway: Gateway, model: str, *, key: str = KEY, budget_ms: int | None = None, **more: Any) -> Answer:
    """One request and its answer."""
    headers = headers_of(key, more.pop("headers", {}))
    if budget_ms is not None:
        headers["x-fastgate-budget-ms"] = str(budget_ms)
    return gateway.chat(chat_body(model, **more), headers)


@contextmanager
def held(gateway: Gateway, upstream: Upstream, *models: str, key: str = KEY) -> Iterator[list[Pending]]:
    """One request for each of `models` that the provider does not answer; their clients leave at the end, if
    they have not. What comes after them is answered by the script as it is.
    """
    step = {"times": len(models), "stall": "before_headers"}
    upstream.mock.append_script(json.dumps({"steps": [step]}))
    holders: list[Pending] = []
    before = len(upstream.seen())
    try:
        for model in models:
            holders.append(send(gateway, model, key=key, user="holder"))
            # One by one: each takes what it asks for, and the script's step.
            until(lambda: len(upstream.seen()) == before + len(holders), f"{model} is held")
        yield holders
    finally:
        for holder in holders:
            holder.leave()


def metrics(gateway: Gateway) -> str:
    """The page of metrics."""
    if gateway.door == WATCHED:
        return fetch(gateway.port, "GET", "/ops/metrics").body.decode()
    return fetch(gateway.admin_port, "GET", "/metrics").body.decode()


def metric(gateway: Gateway, name: str, **labels: str) -> float:
    """A sample; fails if there is none."""
    page = metrics(gateway)
    text = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"^{name}\{{{text}\}} (\S+)$", page, re.MULTILINE)
    assert found, "\n".join([f"no {name} {labels}", *re.findall(f"^{name}.*", page, re.MULTILINE)])
    return float(found[1])


def waiting(gateway: Gateway, tier: str = "") -> int:
    """How many requests of a tier wait."""
    return int(metric(gateway, "fastgate_queue_waiting", tier=tier))


def until_waiting(gateway: Gateway, count: int, tier: str = "") -> None:
    until(lambda: waiting(gateway, tier) == count, f"{count} of {tier or 'no tier'} wait")


def users(upstream: Upstream) -> list[str]:
    """Who was sent to the provider, in order, but for who is held there."""
    found = [json.loads(seen.body)["user"] for seen in upstream.seen()]
    return [user for user in found if user != "holder"]
