"""A provider of any dialect: it answers what it is told to, and keeps what it was asked."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = "application/json"
EVENTS = "text/event-stream"


Answered = tuple[bytes, str, int]
"""Body, type and status."""


class Provider:
    """What it answers, and what it was asked."""

    def __init__(self, address: str) -> None:
        self.base_url = f"http://{address}"
        self.answers: list[Answered] = [(b"{}", JSON, 200)]
        self.path = ""
        self.headers: dict[str, str] = {}
        self.raw = b""
        self.requests: list[Any] = []

    @property
    def asked(self) -> Any:
        """The last request; `None` if there was none since it was told what to answer."""
        return self.requests[-1] if self.requests else None

    def answer(self, body: bytes, content_type: str = JSON, status: int = 200) -> None:
        """Answer everything so from now on."""
        self.answer_in_turn([(body, content_type, status)])

    def answer_in_turn(self, answers: list[Answered]) -> None:
        """Answer so, one request after the other; whatever comes then is answered as the last."""
        self.answers = list(answers)
        self.requests = []

    def next_answer(self) -> Answered:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider on a port of its own."""
    provider: Provider

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: the second of two would wait for the acknowledgement of the first.
        wbufsize = -1

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            provider.raw = self.rfile.read(length)
            provider.requests.append(json.loads(provider.raw))
            provider.path, provider.headers = self.path, {k.lower(): v for k, v in self.headers.items()}
            body, content_type, status = provider.next_answer()
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A gateway that has read enough hangs up; whatever else goes wrong here is to be seen."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    provider = Provider(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
