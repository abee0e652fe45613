"""The built-in streaming upstream: `python -m bench.paced --port P --chunks N --gap-ms G`.

Every POST is answered with the same events, one write each, `gap_ms` apart on a fixed schedule (0: as fast as
the socket takes them). `GET /_mock/counts` tells how many POSTs came. Independent of the product on purpose:
a fault the gateway and its own mock share would not show between the two.
"""

import argparse
import asyncio
import json

from bench.payload import stream_events

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


class Server:
    """The events to send, ready framed, and the count of requests."""

    def __init__(self, chunks: int, gap_seconds: float) -> None:
        self.frames = [f"{len(event):x}\r\n".encode() + event + b"\r\n" for event in stream_events(chunks)]
        self.gap_seconds = gap_seconds
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One keep-alive connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                if head.startswith("get "):
                    body = json.dumps({"requests": self.requests}).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                    continue
                self.requests += 1
                length = head.partition("content-length:")[2].partition("\r\n")[0]
                await reader.readexactly(int(length or 0))
                await self.stream(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def stream(self, writer: asyncio.StreamWriter) -> None:
        """One answer."""
        writer.write(HEAD)
        clock = asyncio.get_running_loop()
        due = clock.time()
        for frame in self.frames:
            writer.write(frame)
            if self.gap_seconds:
                due += self.gap_seconds
                await asyncio.sleep(max(0.0, due - clock.time()))
            else:
                await writer.drain()
        writer.write(END)
        await writer.drain()


async def main(port: int, chunks: int, gap_seconds: float) -> None:
    """Serve until ended."""
    server = await asyncio.start_server(Server(chunks, gap_seconds).serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="paced server-sent events")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--gap-ms", type=float, default=2.0)
    options = parser.parse_args()
    try:
        import uvloop  # cheaper timers and writes where it is installed
    except ImportError:
        asyncio.run(main(options.port, options.chunks, options.gap_ms / 1000))
    else:
        uvloop.run(main(options.port, options.chunks, options.gap_ms / 1000))
