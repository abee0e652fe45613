"""What stands between a gateway and its provider: something that ends TLS, or a proxy that opens tunnels.

Both pass bytes on to a fixed address, on an event loop in a thread of their own.
"""

import asyncio
import gc
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

Address = tuple[str, int]

# A TLS transport of Python 3.11 that was aborted says that it is not closing once it is closed, so its
# writer takes it for forgotten. For the tests that use a relay; `__exit__` makes it happen inside them.
CLOSED_WRITERS = "ignore:(unclosed <StreamWriter|loop is closed):ResourceWarning"


class Relay:
    """Passes on the bytes of every connection until its `with` block ends."""

    def __init__(self, target: Address, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.address: Address = ("", 0)
        self.protocols: list[str | None] = []
        """What ALPN chose, one per connection."""
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        gc.collect()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.address = server.sockets[0].getsockname()
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*tuple(self._tasks), return_exceptions=True)
        # Lets the transports that were told to go do so.
        for _ in range(3):
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine, so that a connection is known, and closed at the end, before its task first runs.
        task = asyncio.ensure_future(self._pass_on_until_closed(reader, writer))
        self._tasks.add(task)

        def end(_: asyncio.Task[None]) -> None:
            writer.transport.abort()
            self._tasks.discard(task)

        task.add_done_callback(end)

    async def _pass_on_until_closed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._pass_on(reader, writer)

    async def opens(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is passed on."""
        tls = writer.get_extra_info("ssl_object")
        self.protocols.append(tls.selected_alpn_protocol() if tls else None)
        return True

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self.opens(reader, writer):
            return
        onward_reader, onward_writer = await asyncio.open_connection(*self.target)
        pumps = [
            asyncio.ensure_future(pump(reader, onward_writer)),
            asyncio.ensure_future(pump(onward_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            onward_writer.transport.abort()


class Proxy(Relay):
    """Answers CONNECT, and takes every name for that of its target."""

    def __init__(
        self, target: Address, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    ) -> None:
        super().__init__(target)
        self.answer = answer
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    async def opens(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        if b" 200 " in self.answer:
            return True
        writer.write_eof()
        await reader.read()
        return False


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
