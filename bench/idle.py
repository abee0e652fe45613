"""Round trips over one connection, one at a time: what a proxy adds when nothing else is going on."""

import gc
import time

from bench.http1 import END_OF_HEAD, Connection, Reply, ReplyReader
from bench.loop import Check
from bench.processes import BenchError


def round_trips(port: int, request: bytes, *, count: int, warm_up: int, check: Check | None) -> list[int]:
    """Time `count` round trips in ns after `warm_up` of them; every body is compared with `body` unless it is
    None.

    The inner loop knows Content-Length replies by heart and reads others with the general reader, so that the
    client costs little beside what it measures. The collector is off meanwhile.
    """
    times: list[int] = []
    with Connection(port) as connection:
        first = connection.exchange(request)
        length = int(first.headers.get("content-length", -1))
        one = _one_sized if length >= 0 else _one_any
        gc.disable()
        try:
            for at in range(warm_up + count):
                start = time.perf_counter_ns()
                received = one(connection, request, length)
                end = time.perf_counter_ns()
                if check and (problem := check(Reply(200, {}, received))):
                    raise BenchError(f"round trip {at}: {problem}")
                if at >= warm_up:
                    times.append(end - start)
        finally:
            gc.enable()
    return times


def _one_sized(connection: Connection, request: bytes, length: int) -> bytes:
    connection.socket.sendall(request)
    data = connection.socket.recv(65536)
    while True:
        end = data.find(END_OF_HEAD)
        if end >= 0 and len(data) >= end + 4 + length:
            return data[end + 4 :]
        more = connection.socket.recv(65536)
        if not more:
            raise BenchError("connection closed in the middle of a round trip")
        data += more


def _one_any(connection: Connection, request: bytes, _length: int) -> bytes:
    connection.socket.sendall(request)
    reader = ReplyReader()
    while not reader.feed(data := connection.socket.recv(65536)):
        if not data:
            raise BenchError("connection closed in the middle of a round trip")
    return reader.finish().body
