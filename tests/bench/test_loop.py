"""The checked loop against a server that misbehaves on purpose: what goes wrong must be seen."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from bench.checks import exact
from bench.http1 import END_OF_HEAD
from bench.idle import round_trips
from bench.loop import closed_loop
from bench.measure import Verified
from bench.processes import BenchError

BODY = b'{"id":"chatcmpl-1"}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
WRONG = GOOD.replace(b"}", b"]")
BUSY = GOOD.replace(b"200 OK", b"503 Busy")
CUT = GOOD[:-3]
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def server(replies: Sequence[bytes]) -> Iterator[int]:
    """A server that gives the replies in turn, over all connections; it hangs up after a cut one."""
    turn, lock = iter(replies), threading.Lock()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            data = b""
            while part := connection.recv(4096):
                data += part
                while END_OF_HEAD in data:
                    data = data.partition(END_OF_HEAD)[2]
                    with lock:
                        reply = next(turn, GOOD)
                    connection.sendall(reply)
                    if reply is CUT:
                        return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)


def test_right_replies_are_counted_exactly() -> None:
    with server([]) as port:
        result = closed_loop(port, REQUEST, connections=4, total=50, check=exact(BODY))
    assert (result.sent, result.right, result.errors, result.problem) == (50, 50, 0, None)
    assert len(result.whole_ns) == len(result.first_byte_ns) == 50


@pytest.mark.parametrize(
    ("bad", "wrong", "failed"), [(WRONG, 1, 0), (BUSY, 1, 0), (CUT, 0, 1)], ids=["wrong", "busy", "cut"]
)
def test_one_bad_reply_is_one_error_and_the_rest_goes_on(bad: bytes, wrong: int, failed: int) -> None:
    with server([GOOD, GOOD, bad]) as port:
        result = closed_loop(port, REQUEST, connections=3, total=20, check=exact(BODY))
    assert (result.sent, result.right, result.wrong, result.failed) == (20, 19, wrong, failed)
    assert result.problem


def test_what_the_upstream_did_not_receive_or_received_twice_is_seen() -> None:
    with server([]) as port:
        result = closed_loop(port, REQUEST, connections=2, total=10, check=exact(BODY))
    assert (Verified(result, 10).lost, Verified(result, 10).doubled) == (0, 0)
    assert Verified(result, 9).lost == 1
    assert Verified(result, 12).doubled == 2


def test_round_trips_are_timed_and_checked() -> None:
    with server([]) as port:
        times = round_trips(port, REQUEST, count=20, warm_up=5, check=exact(BODY))
    assert len(times) == 20
    assert min(times) > 0
    with server([GOOD] * 10 + [WRONG]) as port, pytest.raises(BenchError, match="round trip 9"):
        round_trips(port, REQUEST, count=20, warm_up=5, check=exact(BODY))
