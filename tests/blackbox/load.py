"""Two load generators on loopback.

`Load` is about right and wrong: workers with a kept connection each check every answer to its last byte.
`hammer` is about quantity: one thread, many sockets, only status and length are looked at.
"""

import http.client
import re
import selectors
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.blackbox.gateway import CHAT, CLIENT_TIMEOUT_S, chat_body


@dataclass
class Load:
    """Workers that ask until told to end; every second one for streams.

    A request is *answered* if a whole, right answer came. It is *refused* if it began after `mark_stop` and
    got not one byte: an idle connection was gone. It is refused too if `mark_stop` came while it still
    connected and the listener was gone: nothing of it was ever sent. Anything else has *failed*; but where
    `drops_backlog`, a new connection that a stop resets before any byte came was refused as well.
    """

    port: int
    key: str
    workers: int = 8
    new_connections: bool = False
    """Every request on a connection of its own, for every fourth worker."""
    drops_backlog: bool = False
    """The server closes its listener on connections that it has not accepted; the kernel resets those."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _stopped_at: float | None = None
    _end: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Load":
        for index in range(self.workers):
            thread = threading.Thread(target=self._work, args=(index,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(CLIENT_TIMEOUT_S * 2)
        assert not any(thread.is_alive() for thread in self._threads), "a worker hangs"

    def mark_stop(self) -> None:
        """From here on a new request may find nobody."""
        self._stopped_at = time.monotonic()

    def answered(self) -> int:
        return self.counts["answered"]

    def _work(self, index: int) -> None:
        is_stream = index % 2 == 1
        keeps = not (self.new_connections and index % 4 == 0)
        connection: http.client.HTTPConnection | None = None
        while not self._end.is_set():
            connection = connection or http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=CLIENT_TIMEOUT_S
            )
            began = time.monotonic()
            is_new = connection.sock is None
            outcome, detail = self._ask(connection, is_stream)
            if outcome == "reset" and not (self.drops_backlog and is_new):
                outcome = "nothing"
            if outcome in ("nothing", "no_listener", "reset"):
                latest = began if outcome == "nothing" else time.monotonic()
                after_stop = self._stopped_at is not None and latest >= self._stopped_at
                outcome = "refused" if after_stop else "failed"
            with self._lock:
                self.counts[outcome] += 1
                if outcome == "failed":
                    self.failures.append(f"{'stream' if is_stream else 'json'}: {detail}")
            if outcome != "answered" or not keeps:
                connection.close()
                connection = None
            if outcome == "refused":
                return
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, is_stream: bool) -> tuple[str, str]:
        """`nothing` if not one byte of an answer came, `reset` if what was sent was not read either,
        `no_listener` if it could not even connect.
        """
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}"}
        try:
            connection.request("POST", CHAT, chat_body(stream=is_stream), headers)
            response = connection.getresponse()
        except ConnectionRefusedError as error:
            return "no_listener", repr(error)
        except http.client.RemoteDisconnected as error:
            return "nothing", repr(error)
        except ConnectionError as error:
            return "reset", repr(error)
        except (OSError, http.client.HTTPException) as error:
            return "failed", repr(error)
        try:
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return "failed", f"status {response.status}, then {error!r}"
        ends_well = body.endswith(b"data: [DONE]\n\n") if is_stream else body.startswith(b"{")
        if response.status != 200 or not ends_well or b'"error"' in body:
            return "failed", f"status {response.status}: {body[-200:]!r}"
        return "answered", ""


LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def hammer(port: int, key: str, count: int, *, connections: int = 32) -> int:
    """Ask `count` times over kept connections; how many were not answered with 200 and a whole body."""
    body = chat_body()
    request = (
        f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    selector = selectors.DefaultSelector()
    received: dict[socket.socket, bytes] = {}
    sockets: dict[int, socket.socket] = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ)
        received[connection] = b""
        sockets[connection.fileno()] = connection
    sent = wrong = 0

    def send_next(connection: socket.socket) -> None:
        nonlocal sent
        if sent < count:
            sent += 1
            connection.send(request)
        else:
            selector.unregister(connection)
            connection.close()
            del received[connection]

    for connection in list(received):
        send_next(connection)
    while received:
        ready = selector.select(CLIENT_TIMEOUT_S)
        assert ready, f"no answer within {CLIENT_TIMEOUT_S} s, {sent} of {count} sent"
        for registered, _ in ready:
            connection = sockets[registered.fd]
            piece = connection.recv(65_536)
            assert piece, f"a kept connection was closed, {sent} of {count} sent"
            answer = received[connection] + piece
            head_end = answer.find(b"\r\n\r\n")
            length = LENGTH.search(answer, 0, head_end) if head_end >= 0 else None
            if length is None or len(answer) < head_end + 4 + int(length[1]):
                received[connection] = answer
                continue
            wrong += not answer.startswith(b"HTTP/1.1 200")
            received[connection] = b""
            send_next(connection)
    for connection in received:
        connection.close()
    selector.close()
    return wrong
