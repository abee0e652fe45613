"""Each hostile request gets the refusal it deserves, reaches no provider, and leaves no trace."""

import http.client
import json
import tomllib

import pytest
from tests.blackbox.gateway import Gateway, chat_body
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until
from tests.hostile.raw import CLOSED, exchange, final, status
from tests.hostile.table import TABLE, Hostile

REFUSED = {CLOSED, 400, 404, 405, 408, 411, 413, 414, 417, 422, 431, 500, 501, 505}


def allowed(hostile: Hostile, door: str) -> set[int]:
    native = set(hostile.native)
    if door == "native":
        return native
    refused = native | REFUSED
    return refused | {200} if hostile.repaired or 200 in native else refused


def in_flight(gateway: Gateway) -> int:
    """What the gateway itself counts, where it has an admin listener."""
    admin = tomllib.loads(gateway.config_file.read_text())["server"]["admin"]
    connection = http.client.HTTPConnection(admin, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return next(int(line.split()[1]) for line in lines if line.startswith("fastgate_exchanges_in_flight "))


def test_the_table_is_large_and_its_names_differ() -> None:
    assert len(TABLE) >= 60
    assert len({hostile.name for hostile in TABLE}) == len(TABLE)


@pytest.mark.parametrize("hostile", TABLE, ids=lambda hostile: hostile.name)
def test_a_hostile_request(gateway: Gateway, upstream: Upstream, hostile: Hostile) -> None:
    received = exchange(gateway.port, hostile.data, hang_up=hostile.hang_up)
    if hostile.name == "preface-then-garbage":
        # A few frames of HTTP/2, then goodbye.
        assert b"HTTP/1.1 200" not in received
    else:
        found = status(received)
        assert found in allowed(hostile, gateway.door), (found, received[:300])
        if found == 200:
            assert b"smuggled" not in received
            if hostile.closes and gateway.door == "native":
                assert b"\r\nconnection: close\r\n" in received
        elif gateway.door == "native" and not upstream.seen() and final(received).endswith(b"}"):
            error = json.loads(final(received).partition(b"\r\n\r\n")[2])["error"]
            assert {"message", "type", "param", "code", "request_id"} <= error.keys()
    assert len(upstream.seen()) <= (2 if hostile.name == "pipelined" else 1)
    for seen in upstream.seen():
        assert seen.path == "/v1/chat/completions"
    assert gateway.chat(chat_body()).status == 200
    assert upstream.mock.wait(in_flight=0)
    if gateway.door == "native":
        until(lambda: in_flight(gateway) == 0, "nothing is in flight")
