"""A gateway in a process of its own, behind any door, and a client that shows bytes as they are.

`http.client` is the client because it shares no code with the gateway or the SDKs and hides nothing: bodies
come as they were sent, and one that was cut raises.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import openai
from tests.blackbox.configuration import KEY, ONE_ATTEMPT, SECRETS, server
from tests.blackbox.processes import tree
from tests.blackbox.waiting import until

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
CHAT = "/v1/chat/completions"
CLIENT_TIMEOUT_S = 20.0

# `{host}`, `{port}`, `{config}`: the ASGI servers read the configuration's place from FASTGATE_CONFIG.
GRANIAN = [
    str(BIN / "granian"),
    "--host={host}",
    "--port={port}",
    "--runtime-threads=1",
    "--no-ws",
    "--log-level=info",
]
DOORS: dict[str, list[str]] = {
    "native": [str(BIN / "fastgate"), "serve", "-c", "{config}", "--listen", "{host}:{port}"],
    "uvicorn": [
        sys.executable,
        *("-m", "uvicorn", "fastgate.asgi:app", "--loop=uvloop", "--host={host}", "--port={port}"),
        # With a library for WebSockets beside it, it would answer upgrades itself.
        *("--no-access-log", "--timeout-graceful-shutdown=20", "--ws=none"),
    ],
    "granian-asgi": [*GRANIAN, "--interface=asgi", "fastgate.asgi:app"],
    "granian-rsgi": [*GRANIAN, "--interface=rsgi", "fastgate.asgi:rsgi_app"],
    "serve-asgi": [
        str(BIN / "fastgate"),
        *("serve", "--door", "asgi", "-c", "{config}", "--listen", "{host}:{port}"),
    ],
}

# Where a door that is not at the root answers for its health.
READY: dict[str, str] = {}
MOUNT_PREFIX = "/ai"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Answer:
    """A whole answer, with names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def error(self) -> dict[str, Any]:
        """The error in OpenAI's shape; fails if it has another."""
        error: dict[str, Any] = self.json()["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        assert isinstance(error["message"], str)
        return error


def fetch(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENT_TIMEOUT_S)
    try:
        # A server may answer and close before it has taken a whole body; the answer is there to be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def chat_body(model: str = "gpt-4o", **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}).encode()


class Gateway:
    """A gateway that is being run."""

    def __init__(
        self,
        door: str,
        folder: Path,
        config: str,
        *,
        settings: str = "",
        key: str | None = KEY,
        resilience: str = ONE_ATTEMPT,
    ) -> None:
        """Write the configuration and start the process; `settings` are further lines of `[server]`."""
        self.door = door
        self.key = key
        self.port = free_port()
        self.state_dir = folder / "state"
        self.config_file = folder / "fastgate.toml"
        self.log_file = folder / "gateway.log"
        # Only the native door listens there.
        self.admin_port = free_port()
        self._server = server(
            f"127.0.0.1:{self.port}", f"127.0.0.1:{self.admin_port}", str(self.state_dir), settings
        )
        self._server += resilience
        self.configure(config)
        self.process = self.start_process()

    def configure(self, config: str) -> None:
        """Replace the configuration at once: a reader sees the old file or the new one."""
        new = self.config_file.with_suffix(".new")
        new.write_text(self._server + config)
        new.replace(self.config_file)

    def start_process(self, stdout: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
        """Start it; what it prints goes to its log unless `stdout` is given, what it logs always does."""
        values = {"host": "127.0.0.1", "port": str(self.port), "config": str(self.config_file)}
        command = [part.format_map(values) for part in DOORS[self.door]]
        environment = {
            **os.environ,
            "FASTGATE_CONFIG": str(self.config_file),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
        }
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                command, stdout=stdout or log, stderr=log, env=environment, cwd=self.config_file.parent
            )

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, f"the gateway ended:\n{self.log()}"
            try:
                return fetch(self.port, "GET", READY.get(self.door, "/readyz")).status == 200
            except OSError:
                return False

        try:
            until(is_ready, "ready", within_s=20)
        except AssertionError as error:
            raise AssertionError(f"{error}; its log:\n{self.log()}") from None

    def kill(self) -> None:
        """End all its processes as the kernel would, without a word."""
        for process in reversed(tree(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def start_again(self) -> None:
        """Start it anew where it was, once it has ended."""
        self.process = self.start_process()
        self.wait_until_ready()

    def stop(self) -> None:
        """End the process and look through what it logged."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"SIGTERM did not end the gateway:\n{self.log()}") from None
        log = self.log()
        assert code in (0, -signal.SIGTERM), f"exit code {code}:\n{log}"
        assert not [secret for secret in SECRETS if secret in log], f"a secret is in the log:\n{log}"
        assert "panicked" not in log, log
        # ASGI servers are told by an exception that an answer broke off, and log it.
        assert log.count("Traceback") == log.count("AnswerBroken: "), log

    # Clients

    def fetch(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request with the gateway's key, unless `headers` bring another."""
        own = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        return fetch(self.port, method, path, body, own if headers is None else headers)

    def chat(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        own = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        return self.fetch(
            "POST", CHAT, body, {"content-type": "application/json", **(own if headers is None else headers)}
        )

    def send_chat(self, body: bytes, more_head: str = "", key: str | None = None) -> socket.socket:
        """A connection on which a chat was asked for and nothing read yet; `more_head` are further lines of
        its head, `key` is another one than the gateway's."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=CLIENT_TIMEOUT_S)
        head = f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
        key = key or self.key
        credential = f"authorization: Bearer {key}\r\n" if key else ""
        connection.sendall(
            f"{head}{credential}{more_head}content-type: application/json\r\n\r\n".encode() + body
        )
        return connection

    def send_chunked(
        self, body: bytes, path: str = CHAT, content_type: str = "application/json"
    ) -> socket.socket:
        """A connection on which a body was sent in chunks of 10,000 bytes, as far as the gateway took it."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=CLIENT_TIMEOUT_S)
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n"
        key = f"authorization: Bearer {self.key}\r\ncontent-type: {content_type}\r\n\r\n"
        connection.sendall(f"{head}{key}".encode())
        with suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(body), 10_000):
                piece = body[start : start + 10_000]
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
        return connection

    @contextmanager
    def client(self, key: str = KEY, **more: Any) -> Iterator[openai.OpenAI]:
        options = {"max_retries": 0, "timeout": CLIENT_TIMEOUT_S, **more}
        with openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, **options) as client:
            yield client

    def async_client(self, key: str = KEY) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0, timeout=CLIENT_TIMEOUT_S
        )


@contextmanager
def running(
    door: str,
    folder: Path,
    config: str,
    *,
    settings: str = "",
    key: str | None = KEY,
    resilience: str = ONE_ATTEMPT,
) -> Iterator[Gateway]:
    """A gateway that is ready; ended, and its log looked through, at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    gateway = Gateway(door, folder, config, settings=settings, key=key, resilience=resilience)
    try:
        gateway.wait_until_ready()
    except BaseException:
        gateway.process.kill()
        gateway.process.wait()
        raise
    try:
        yield gateway
    finally:
        gateway.stop()
