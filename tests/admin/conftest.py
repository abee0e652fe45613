"""A real engine's admin listener, and a gateway around it whose parts are in hand."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.drills.conftest import FakeEngine as DrillEngine
from tests.limits.conftest import FakeEngine as LimitEngine
from tests.limits.conftest import settings_of

from fastgate._core import AdminRequest, Engine
from fastgate.config import Config, load_text
from fastgate.drills.running import Drills, Known
from fastgate.keys import digest
from fastgate.limits.watching import Limits

TABLES = Path(__file__).parents[2] / "rust" / "core" / "tests" / "tables.json"
CLIENT_TIMEOUT_S = 20.0

OPERATOR = "fga_operator_0123456789"
VIEWER = "fga_viewer_0123456789"
ADMIN = "fga_admin_0123456789"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        """The error's code; fails if the error has another shape than every error has."""
        error = self.json()["error"]
        assert error.keys() == {"message", "code"}
        assert error["message"]
        code: str = error["code"]
        return code


class Listener:
    """An engine whose admin listener is open."""

    def __init__(self, engine: Engine, admin: str = "127.0.0.1:0") -> None:
        self.engine = engine
        bound = engine.serve(listen="127.0.0.1:0", admin=admin, threads=1)[1]
        assert bound is not None
        self.address = bound
        self.host, port = bound.rsplit(":", 1)
        self.port = int(port)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        host: str | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        with self.connection(host) as connection:
            connection.request(method, path, body, dict(headers or {}))
            return read(connection)

    @contextmanager
    def connection(self, host: str | None = None) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(host or self.host, self.port, timeout=CLIENT_TIMEOUT_S)
        try:
            yield connection
        finally:
            connection.close()

    def take(self) -> AdminRequest:
        """The next request, as the control plane gets it."""
        request = self.engine.take_admin_request(CLIENT_TIMEOUT_S)
        assert request is not None
        return request


def read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, response.read())


@contextmanager
def listening(admin: str = "127.0.0.1:0") -> Iterator[Listener]:
    engine = Engine(TABLES.read_bytes())
    try:
        yield Listener(engine, admin)
    finally:
        engine.stop(0)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


class GatewayEngine:
    """A real engine's listener and counts, with made-up health, explanations and drills."""

    def __init__(self, engine: Engine) -> None:
        self.real = engine
        self.drills = DrillEngine()
        self.limits = LimitEngine()
        self.explained: list[bytes] = []
        self.explaining = threading.Event()
        self.may_explain = threading.Event()
        self.may_explain.set()

    def take_admin_request(self, timeout_s: float) -> AdminRequest | None:
        return self.real.take_admin_request(timeout_s)

    def statistics(self) -> dict[str, int]:
        return self.real.statistics()

    def metrics(self, accept: bytes | None = None) -> tuple[str, str]:
        return self.real.metrics(accept)

    def health(self) -> bytes:
        return json.dumps(
            {
                "providers": [
                    {"id": "anthropic", "deployments": [{"id": "opus", "state": "open"}]},
                    {"id": "x y", "deployments": [{"id": "gpt", "state": "closed"}]},
                ]
            }
        ).encode()

    def explain(self, asking: bytes) -> bytes:
        self.explaining.set()
        assert self.may_explain.wait(CLIENT_TIMEOUT_S)
        self.explained.append(asking)
        if json.loads(asking).get("request") is None:
            raise ValueError("request: missing")
        return b'{"chain": ["opus"]}'


class FakeGateway:
    """What the admin API asks of a control plane."""

    def __init__(self, engine: GatewayEngine, state_dir: Path) -> None:
        self.engine: Any = engine
        self.config = configuration()
        self.generation = 3
        self.started_s = time.monotonic()
        self.admin_address: str | None = None
        self.file: Path | None = Path("/etc/fastgate.toml")
        known = Known(("anthropic", "openai"), ("default", "staging"))
        self.drills = Drills(engine.drills, state_dir, known)
        self.limits = Limits(engine.limits, state_dir, settings_of())
        self.rejects: Exception | None = None

    def tables(self) -> bytes:
        chain = [{"members": [{"deployment": 0, "weight": 1}]}]
        return json.dumps(
            {
                "providers": [{"id": "anthropic", "credentials": [{"secret": "sk-secret"}]}],
                "deployments": [{"id": "opus", "provider": 0}],
                "models": {"chat": {"rows": [{"chain": chain}], "listed": True}},
                "open_providers": [],
            }
        ).encode()

    def apply(self) -> list[str]:
        if self.rejects is not None:
            raise self.rejects
        self.generation += 1
        return ["server.listen"]


def configuration(*, tokens: bool = True) -> Config:
    """One provider and, unless told otherwise, a token of each role."""
    entries = [
        (VIEWER, "viewer", 'name = "eve"'),
        (OPERATOR, "operator", 'name = "alice"'),
        (ADMIN, "admin", ""),
    ]
    tables = [
        f'[[admin.tokens]]\ndigest = "{digest(token)}"\nrole = "{role}"\n{name}\n'
        for token, role, name in entries
        if tokens
    ]
    return load_text('[providers.anthropic]\nbase_url = "http://x"\n' + "".join(tables), {})
