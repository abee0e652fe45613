"""A translated stream that has nothing to say shows that it is alive."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from google.genai import types
from tests.blackbox.configuration import KEY, PROVIDER_KEY, key_table
from tests.blackbox.gateway import Gateway, running
from tests.dialects.answers.cases import TEXT, answer
from tests.dialects.answers.said import USAGE
from tests.dialects.clients import CLIENTS
from tests.dialects.conftest import BASE_PATHS
from tests.dialects.matrix import SPEAKS

# What each client is sent where nothing is said.
SIGNS: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "chat": (b"\n: ", "/v1/chat/completions", {"stream": True}),
    "responses": (b"\n: ", "/v1/responses", {"stream": True, "input": "Hello"}),
    "anthropic": (b"event: ping", "/v1/messages", {"stream": True, "max_tokens": 9}),
    "gemini": (b'"text":""', "/v1beta/models/{model}:streamGenerateContent?alt=sse", {}),
}


class Silent(ThreadingHTTPServer):
    """A provider that says the first half of a stream, and the rest once it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Half)
        self.goes_on = threading.Event()


class Half(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        dialect = self.headers["x-dialect"]
        body, content_type, _ = answer(dialect, "stream")
        end = body.index(b"\n\n", len(body) // 3) + 2
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:end])
        assert isinstance(self.server, Silent)
        assert self.server.goes_on.wait(20)
        self.wfile.write(body[end:])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def silent() -> Iterator[Silent]:
    server = Silent()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def gateway(door: str, silent: Silent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    address = f"http://127.0.0.1:{silent.server_port}"
    config = "".join(
        f'[providers.{dialect}]\ndialect = "{dialect}"\nbase_url = "{address}{path}"\n'
        f'api_key = "{PROVIDER_KEY}"\nheaders = {{ x-dialect = "{dialect}" }}\n'
        f'[deployments.at-{dialect}]\nprovider = "{dialect}"\nmodel = "m"\n'
        for dialect, path in BASE_PATHS.items()
    )
    config += '[server.bounds]\nstream_ping = "50ms"\n[tenants.acme]\n' + key_table(KEY)
    with running(door, tmp_path_factory.mktemp(f"{door}-pings"), config) as gateway:
        yield gateway


def has_signs(heard: bytes, client: str) -> bool:
    """Whether there are several, so that each silence was timed anew."""
    return heard.count(SIGNS[client][0]) >= 3


class Watching(httpx.HTTPTransport):
    """Tells the provider to go on once the client was sent signs."""

    def __init__(self, silent: Silent, client: str) -> None:
        super().__init__()
        self.silent, self.client = silent, client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answered = super().handle_request(request)
        stream = answered.stream
        assert isinstance(stream, httpx.SyncByteStream)
        answered.stream = Watched(stream, self)
        return answered


class Watched(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, by: Watching) -> None:
        self.stream, self.by = stream, by

    def __iter__(self) -> Iterator[bytes]:
        heard = b""
        for piece in self.stream:
            heard += piece
            if has_signs(heard, self.by.client):
                self.by.silent.goes_on.set()
            yield piece

    def close(self) -> None:
        self.stream.close()


def needs_translation(client: str, dialect: str) -> None:
    if SPEAKS[client] == dialect:
        pytest.skip("what passes as it is has its provider's own signs")


@pytest.mark.parametrize("dialect", BASE_PATHS)
@pytest.mark.parametrize("client", SIGNS)
def test_silence_is_filled_in_the_clients_own_way(
    gateway: Gateway, silent: Silent, client: str, dialect: str
) -> None:
    needs_translation(client, dialect)
    _, path, more = SIGNS[client]
    model = f"at-{dialect}"
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
    if client == "gemini":
        body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    url = f"http://127.0.0.1:{gateway.port}{path.format(model=model)}"
    silent.goes_on.clear()
    asked = httpx.Request("POST", url, json=body, headers={"authorization": f"Bearer {KEY}"})
    with httpx.Client(transport=Watching(silent, client), timeout=20) as http:
        heard = http.send(asked).read()
    assert silent.goes_on.is_set()
    data = [json.loads(line[6:]) for line in heard.splitlines() if line.startswith(b"data: {")]
    if client == "gemini":
        answers = [types.GenerateContentResponse.model_validate(one) for one in data]
        assert "".join(one.text or "" for one in answers) == TEXT


@pytest.mark.parametrize("dialect", BASE_PATHS)
@pytest.mark.parametrize("name", ["chat", "responses"])
def test_openais_sdk_does_not_mind(gateway: Gateway, silent: Silent, name: str, dialect: str) -> None:
    needs_translation(name, dialect)
    silent.goes_on.clear()
    client = CLIENTS[name](f"http://127.0.0.1:{gateway.port}", KEY, f"at-{dialect}")
    with httpx.Client(transport=Watching(silent, name), timeout=20) as http, closing(client.sdk):
        client.sdk = client.sdk.with_options(http_client=http)
        heard = client.ask("stream")
    assert silent.goes_on.is_set()
    assert (heard.text, heard.finish, heard.usage) == (TEXT, "stop", USAGE)
