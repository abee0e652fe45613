"""Many streams held open at once, to see what each keeps in memory.

All are opened first. Once each has brought content and time has passed, memory is read; then they run to
their ends, and every reply is checked.
"""

import contextlib
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.http1 import Connection, ReplyReader
from bench.loop import Check
from bench.processes import BenchError

QUIET_SECONDS = 30.0


@dataclass
class Held:
    """What the moment gave in which all were open, and what became of the streams."""

    measured: int = 0
    right: int = 0
    wrong: int = 0
    problem: str | None = None


@dataclass
class _Stream:
    """One connection with its reply as far as it came."""

    connection: Connection
    reader: ReplyReader = field(default_factory=ReplyReader)
    has_content: bool = False
    tail: bytes = b""

    def read(self) -> bool:
        """Take what is there; True when the reply is over."""
        data = self.connection.socket.recv(65536)
        # A mark may be split between two reads.
        seen = self.tail + data
        self.has_content = self.has_content or b'"delta":{"content":"' in seen or b'"text_delta"' in seen
        self.tail = seen[-32:]
        return self.reader.feed(data) or not data


class _Streams:
    """All streams of one measure."""

    def __init__(self, check: Check, result: Held) -> None:
        self._selector, self._check, self._result = selectors.DefaultSelector(), check, result
        self._streams: list[_Stream] = []

    def open(self, port: int, request: bytes, count: int) -> None:
        """Open `count` of them, and read the others meanwhile."""
        for _ in range(count):
            stream = _Stream(Connection(port))
            self._streams.append(stream)
            stream.connection.socket.sendall(request)
            stream.connection.socket.setblocking(False)
            self._selector.register(stream.connection.socket, selectors.EVENT_READ, stream)
            self.read(0)

    @property
    def without_content(self) -> int:
        """How many have not begun to answer."""
        return sum(not stream.has_content for stream in self._streams)

    @property
    def is_over(self) -> bool:
        """Whether none is open any more."""
        return not self._selector.get_map()

    def read(self, seconds: float) -> bool:
        """Take what comes within `seconds`; False when that is nothing."""
        ready = self._selector.select(seconds)
        for key, _ in ready:
            stream: _Stream = key.data
            with contextlib.suppress(BlockingIOError):
                if stream.read():
                    self._selector.unregister(key.fileobj)
                    self._judge(stream)
        return bool(ready)

    def _judge(self, stream: _Stream) -> None:
        try:
            problem = self._check(stream.reader.finish())
        except (BenchError, ValueError) as error:
            problem = str(error)
        self._result.right += problem is None
        self._result.wrong += problem is not None
        self._result.problem = self._result.problem or problem

    def close(self) -> None:
        """Close every connection."""
        self._selector.close()
        for stream in self._streams:
            stream.connection.close()


def hold(
    port: int, request: bytes, *, count: int, check: Check, measure: Callable[[], int], settle_seconds: float
) -> Held:
    """Open `count` streams, call `measure` once when all have brought content for `settle_seconds`, and read
    them to their ends.

    Raises:
        BenchError: when one was over before all were open, or nothing at all arrives for some time.
    """
    result = Held()
    with contextlib.closing(_Streams(check, result)) as streams:
        streams.open(port, request, count)
        while streams.without_content:
            if not streams.read(QUIET_SECONDS):
                raise BenchError(f"{streams.without_content} of {count} streams do not begin")
        settled = time.monotonic() + settle_seconds
        while (left := settled - time.monotonic()) > 0:
            streams.read(left)
        if result.right or result.wrong:
            ended = result.right + result.wrong
            raise BenchError(f"{ended} of {count} streams were over before all were open: {result.problem}")
        result.measured = measure()
        while not streams.is_over:
            if not streams.read(QUIET_SECONDS):
                raise BenchError(f"nothing received for {QUIET_SECONDS:g} s on any of the held streams")
    return result
