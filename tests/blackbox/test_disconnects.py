"""A client that leaves takes its call to the provider with it, within 100 ms."""

import socket
import statistics
import struct
import time
from typing import Any

import pytest
from tests.blackbox.gateway import Gateway, chat_body
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

CLIENTS = 5
WITHIN_S = 0.1
LINGER_RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (False, {"stall": "before_headers"}),
        (False, {"stall": "bytes:30"}),
        (True, {"stall": "before_headers"}),
        (True, {"stall": "before_content"}),
        (True, {"stall": "events:4"}),
        (True, {"gap_ms": 40, "chunks": 500, "content_bytes": 5000}),
    ],
    ids=str,
)
def test_the_provider_sees_the_client_leave(
    gateway: Gateway, upstream: Upstream, stream: bool, fault: dict[str, Any], leave: str
) -> None:
    upstream.script(**{"content": "one two three four five six", "chunks": 6, "stall_ms": 20_000, **fault})
    connections = [gateway.send_chat(chat_body(stream=stream)) for _ in range(CLIENTS)]
    until(lambda: len(upstream.seen()) == CLIENTS, "the provider has all requests")
    if stream and "before_headers" not in fault.values() and "before_content" not in fault.values():
        for connection in connections:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")

    left_at = time.time()
    for connection in connections:
        if leave == "reset":
            connection.setsockopt(*LINGER_RESET)
        connection.close()
    until(lambda: all(seen.ended_at for seen in upstream.seen()), "the provider sees all leave")

    seen = upstream.seen()
    assert {request.outcome for request in seen} == {"client_closed"}
    # The median, because the machine may be busy with something else; none may be lost, which `until` saw to.
    assert statistics.median((request.ended_at or 0) - left_at for request in seen) <= WITHIN_S


def test_the_gateway_serves_on(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script({"stall": "before_headers", "stall_ms": 20_000, "times": 30})
    for count in range(1, 31):
        client = gateway.send_chat(chat_body())
        # One that leaves before its request is up could be seen by a later test.
        assert upstream.mock.wait(requests=count, in_flight=count)
        client.close()
    until(lambda: upstream.mock.counts()["in_flight"] == 0, "nothing is left upstream")
    upstream.script()
    assert gateway.chat(chat_body()).status == 200
