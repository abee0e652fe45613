"""The control plane over a fake engine: reload in two phases, exposure, restart notices, the end."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.blackbox.waiting import until

from fastgate import _core
from fastgate.control import ControlPlane
from fastgate.errors import ConfigError, StartError, StateInUse

ENVIRONMENT = {"OPENAI_API_KEY": "sk-very-secret", "GROQ_API_KEY": "g", "XAI_API_KEY": "x"}
KEY = f'[[keys]]\ndigest = "sha256:{"0" * 64}"\n'


class FakeEngine:
    """Keeps the tables it is given."""

    def __init__(self, tables: bytes) -> None:
        self.tables = json.loads(tables)
        self.reloads = 0
        self.refuse: Exception | None = None
        self.served: dict[str, object] = {}
        self.stopped: list[float] = []
        self.notices: list[tuple[bool, str]] = []
        self.jwks: dict[str, bytes] = {}

    def set_jwks(self, issuer: str, document: bytes) -> int:
        self.jwks[issuer] = document
        return 1

    def unknown_token_keys(self) -> int:
        return 0

    def reload(self, tables: bytes) -> None:
        if self.refuse:
            raise self.refuse
        self.tables = json.loads(tables)
        self.reloads += 1

    def serve(self, **arguments: object) -> tuple[str, str | None]:
        if self.refuse:
            raise self.refuse
        self.served = arguments
        return "127.0.0.1:1", None

    def take_notices(self) -> list[tuple[bool, str]]:
        notices, self.notices = self.notices, []
        return notices

    def stop(self, grace_s: float) -> bool:
        self.stopped.append(grace_s)
        return True


class FakeMock:
    address = "127.0.0.1:4321"

    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class Gateway:
    """A control plane over a file in a directory of its own."""

    def __init__(self, folder: Path, text: str, environment: dict[str, str] | None = None) -> None:
        self.file = folder / "fastgate.toml"
        self.version = 0
        self.write(text)
        self.mock = FakeMock()
        environment = ENVIRONMENT if environment is None else environment
        self.control = ControlPlane(
            self.file, environment, make_engine=FakeEngine, make_mock=lambda: self.mock
        )
        assert isinstance(self.control.engine, FakeEngine)
        self.engine = self.control.engine

    def write(self, text: str) -> None:
        """Write with a modification time of its own: no test depends on the clock's grain."""
        self.version += 1
        self.file.write_text(text)
        os.utime(self.file, ns=(self.version, self.version))


MakeGateway: TypeAlias = Callable[..., Gateway]


@pytest.fixture
def make_gateway(tmp_path: Path) -> Iterator[MakeGateway]:
    """Makes gateways in `tmp_path`, and closes them."""
    made = []

    def make(text: str, environment: dict[str, str] | None = None) -> Gateway:
        made.append(Gateway(tmp_path, text, environment))
        return made[-1]

    yield make
    for gateway in made:
        gateway.control.close()


def test_a_change_is_read_once_it_has_settled(make_gateway: MakeGateway) -> None:
    gateway = make_gateway("")
    assert gateway.control.poll() is None
    gateway.write("[providers.groq]")
    assert gateway.control.poll() is None
    assert gateway.engine.reloads == 0
    assert gateway.control.poll() is True
    assert [provider["id"] for provider in gateway.engine.tables["providers"]] == ["groq"]
    assert gateway.control.poll() is None
    assert gateway.engine.reloads == 1


def test_a_file_that_is_still_being_written_is_left_alone(make_gateway: MakeGateway) -> None:
    gateway = make_gateway("[providers.groq]")
    for text in ("", "[prov", "[providers.xai]"):
        gateway.write(text)
        assert gateway.control.poll() is None
    assert gateway.control.poll() is True
    assert gateway.engine.reloads == 1


def test_what_the_engine_has_to_say_is_logged_once(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make_gateway("")
    gateway.engine.notices = [(True, "the disk is nearly full"), (False, "adopted a segment")]
    with caplog.at_level(logging.INFO, "fastgate.control"):
        gateway.control.poll()
        gateway.control.poll()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "the disk is nearly full"),
        ("INFO", "adopted a segment"),
    ]


def test_what_routes_will_be_regretted_for_is_logged_at_the_start_and_after_a_reload(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_core, "check_routes", lambda tables: [("models.chat.rows[1]", "can never match")])
    text = '[providers.groq]\n[deployments.a]\nprovider = "groq"\nmodel = "m"\n[models.chat]\n'
    rows = '[[models.chat.rows]]\nuse = ["a"]\n' * 2
    with caplog.at_level(logging.WARNING, "fastgate.control"):
        gateway = make_gateway(text + rows)
        first = f"{gateway.file}:8: models.chat.rows[1]: can never match"
        assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", first)]
        gateway.write("\n" + text + rows)
        assert gateway.control.reload() is True
        assert [record.message for record in caplog.records] == [first, first.replace(":8:", ":9:")]
        gateway.engine.refuse = ValueError("refused")
        assert gateway.control.reload() is False
    assert sum("can never match" in record.message for record in caplog.records) == 2


def test_a_symlink_to_another_file_is_a_change(tmp_path: Path, make_gateway: MakeGateway) -> None:
    gateway = make_gateway("")
    (tmp_path / "other").write_text("[providers.groq]")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    (tmp_path / "link").rename(gateway.file)
    assert gateway.control.poll() is None
    assert gateway.control.poll() is True


def test_a_wrong_file_keeps_the_old_one_and_says_where(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make_gateway("[providers.groq]")
    before = gateway.control.config
    gateway.write('[server]\nlisten = "${OPENAI_API_KEY}"\n')
    gateway.control.poll()
    assert gateway.control.poll() is False
    assert gateway.control.config is before
    assert gateway.engine.reloads == 0
    assert f"{gateway.file}:2: server.listen: must be host:port" in caplog.text
    assert "very-secret" not in caplog.text
    assert gateway.control.poll() is None, "the same wrong file is not read again"
    gateway.write("[providers.xai]")
    gateway.control.poll()
    assert gateway.control.poll() is True


def test_tables_that_the_engine_refuses_keep_the_old_configuration(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make_gateway("[providers.groq]")
    before = gateway.control.config
    gateway.engine.refuse = ValueError("ca_file: no such file")
    assert gateway.control.reload() is False
    assert gateway.control.config is before
    assert "no such file" in caplog.text


def test_a_file_that_is_gone_changes_nothing(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make_gateway("[providers.groq]")
    gateway.file.unlink()
    assert [gateway.control.poll() for _ in range(3)] == [None, None, None]
    assert caplog.text.count("is gone") == 1
    gateway.write("[providers.xai]")
    gateway.control.poll()
    assert gateway.control.poll() is True


def test_the_last_key_stays_while_the_listener_is_exposed(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    exposed = '[server]\nlisten = "0.0.0.0:8080"\n'
    gateway = make_gateway(exposed + KEY)
    for text in (exposed, "", '[server]\nlisten = "127.0.0.1:8080"\n'):
        gateway.write(text)
        assert gateway.control.reload() is False
        assert len(gateway.engine.tables["keys"]) == 1
    assert "beyond loopback" in caplog.text
    assert "last key" in caplog.text


def test_tokens_of_an_issuer_are_keys_too(
    make_gateway: MakeGateway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "keys.json").write_text('{"keys": []}')
    jwt = '[auth.jwt]\nissuer = "i"\naudiences = ["a"]\njwks = "keys.json"\ndefault_tenant = "default"\n'
    exposed = '[server]\nlisten = "0.0.0.0:8080"\n'
    gateway = make_gateway(exposed + jwt)
    assert gateway.engine.jwks == {"i": b'{"keys": []}'}, "known before the first request"
    gateway.write(exposed)
    assert gateway.control.reload() is False
    assert len(gateway.engine.tables["jwt_issuers"]) == 1
    gateway.write(exposed + KEY)
    assert gateway.control.reload() is True
    gateway.write(exposed + KEY + jwt.replace('"i"', '"j"'))
    assert gateway.control.reload() is True
    until(lambda: "j" in gateway.engine.jwks, "the new issuer's keys")


def test_on_loopback_the_last_key_may_go(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(KEY)
    gateway.write("")
    assert gateway.control.reload() is True
    assert gateway.engine.tables["keys"] == []


def test_what_needs_a_restart_is_said_and_the_rest_applied(
    make_gateway: MakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make_gateway("")
    gateway.write('[server]\nlisten = "127.0.0.1:9"\nthreads = 2\nallowed_hosts = ["a"]\n')
    caplog.set_level(logging.INFO)
    assert gateway.control.reload() is True
    assert "needs a restart to take effect: server.listen, server.threads" in caplog.text
    assert gateway.engine.tables["access"]["allowed_hosts"] == ["a"]


def test_the_mock_is_started_when_nothing_is_configured_and_stopped_at_the_end(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway("", {})
    assert gateway.control.mock_address == "127.0.0.1:4321"
    assert gateway.engine.tables["providers"][0]["base_url"] == "http://127.0.0.1:4321/v1"
    gateway.write('[providers.x]\nbase_url = "http://x"')
    assert gateway.control.reload() is True
    assert gateway.control.mock_address is None
    gateway.control.close()
    assert gateway.mock.stopped


def test_the_directory_is_locked_until_the_end(make_gateway: MakeGateway) -> None:
    gateway = make_gateway("[server]\nshutdown_grace = '1500ms'")
    with pytest.raises(StateInUse):
        make_gateway("")
    assert gateway.control.close() is True
    assert gateway.control.close() is True
    assert gateway.engine.stopped == [1.5]
    make_gateway("").control.close()


def test_serve_hands_over_what_the_listener_needs(tmp_path: Path, make_gateway: MakeGateway) -> None:
    text = '[server]\nadmin = "off"\nthreads = 3\n[server.tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).touch()
    gateway = make_gateway(text)
    assert gateway.control.serve() == ("127.0.0.1:1", None)
    assert gateway.engine.served == {
        "listen": "127.0.0.1:8080",
        "admin": None,
        "threads": 3,
        "tls_certificate": str(tmp_path / "c.pem"),
        "tls_key": str(tmp_path / "k.pem"),
    }


def test_a_taken_port_refuses_to_start(make_gateway: MakeGateway) -> None:
    gateway = make_gateway("")
    gateway.engine.refuse = OSError("address in use")
    with pytest.raises(
        StartError, match=r"can't listen on 127\.0\.0\.1:8080 and 127\.0\.0\.1:8081: address in use"
    ):
        gateway.control.serve()


def test_a_refused_start_leaves_nothing_behind(tmp_path: Path) -> None:
    def refuse(_: bytes) -> FakeEngine:
        raise ValueError("bad tables")

    file = tmp_path / "fastgate.toml"
    file.write_text("")
    mock = FakeMock()
    with pytest.raises(StartError, match="bad tables"):
        ControlPlane(file, {}, make_engine=refuse, make_mock=lambda: mock)
    assert mock.stopped
    ControlPlane(file, ENVIRONMENT, make_engine=FakeEngine).close()
    with pytest.raises(ConfigError):
        ControlPlane(tmp_path / "missing.toml", ENVIRONMENT, make_engine=FakeEngine)


def test_the_watcher_ends_when_told_and_survives_surprises(
    make_gateway: MakeGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = make_gateway("")
    stop = threading.Event()
    polls = []

    def poll() -> None:
        polls.append(1)
        if len(polls) == 3:
            stop.set()
        raise RuntimeError("surprise")

    monkeypatch.setattr(gateway.control, "poll", poll)
    gateway.control.watch(stop, interval_s=0)
    assert len(polls) == 3
    assert "surprise" in caplog.text
