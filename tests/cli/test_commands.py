"""The command line: what each command prints and returns."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fastgate import __version__, _core
from fastgate.cli import COMMANDS, main
from fastgate.cli.banner import banner
from fastgate.cli.serve import Signals, serve
from fastgate.config import load, load_text
from fastgate.control import ControlPlane
from fastgate.keys import digest, generate_key, has_valid_checksum


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL")) or name == "FASTGATE_CONFIG":
            monkeypatch.delenv(name)


def run(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec(f"fastgate.cli.{name}") is None:
        pytest.skip(f"fastgate.cli.{name} is not in this tree")
    assert run(name, "--help") == 0
    assert f"fastgate {name}" in capsys.readouterr().out


def test_help_version_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"fastgate {__version__}\n"
    assert run("--help") == 0
    help_text = capsys.readouterr().out
    assert all(name in help_text for name in COMMANDS)
    assert run() == 2
    assert run("nonsense") == 2
    assert run("check", "--nonsense") == 2


def test_only_the_asked_command_is_imported() -> None:
    code = (
        "import sys; from fastgate.cli import main; main(['init', 'x.toml']);"
        "heavy = {'asyncio', 'yaml', 'granian', 'fastgate.config', 'msgspec', 'ssl'};"
        "loaded = heavy & set(sys.modules);"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_serving_imports_nothing_slow() -> None:
    code = (
        "import sys, fastgate.cli.serve; from fastgate.config import load; load(None, {'GROQ_API_KEY': 'x'});"
        "slow = {'asyncio', 'yaml', 'granian', 'httpx', 'ssl', 'http', 'email'} & set(sys.modules);"
        "sys.exit(str(slow) if slow else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check_says_what_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    Path("fastgate.toml").write_text('[providers.groq]\napi_key = "sk-very-secret"\n')
    assert run("check") == 0
    out = capsys.readouterr().out
    assert "fastgate.toml: ok" in out
    assert "secret" not in out


def test_check_tells_errors_with_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text("[server]\nthreads = 0\nlistn = 5\n")
    assert run("check", "-c", "a.toml") == 1
    assert capsys.readouterr().err.splitlines() == [
        "a.toml:2: server.threads: must be a whole number from 1 to 1024",
        'a.toml:3: server.listn: unknown setting (did you mean "listen"?)',
    ]


def test_check_tells_warnings_and_succeeds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_core, "check_routes", lambda tables: [("models.chat.rows[1]", "can never match")])
    Path("a.toml").write_text(
        '[providers.groq]\napi_key = "x"\n[deployments.a]\nprovider = "groq"\nmodel = "m"\n[models.chat]\n'
        'rows = [\n  { use = ["a"] },\n  { use = ["a"] },\n]\n'
    )
    assert run("check", "-c", "a.toml") == 0
    printed = capsys.readouterr()
    assert printed.err == "warning: a.toml:9: models.chat.rows[1]: can never match\n"
    assert "a.toml: ok" in printed.out


def test_check_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "fastgate"


def test_init_writes_a_file_that_is_valid_and_never_overwrites(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("init") == 0
    assert run("check") == 1
    assert "environment variable OPENAI_API_KEY is not set" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert run("check") == 0
    text = Path("fastgate.toml").read_text()
    assert run("init") == 1
    assert "exists already" in capsys.readouterr().err
    assert Path("fastgate.toml").read_text() == text
    # What is commented out must be valid as well.
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    settings = [line.replace(', "gpt-4o-eu" = 1', "") for line in lines if line[:1] == "[" or " = " in line]
    load_text("\n".join(settings), os.environ)


def test_keys_create_prints_the_key_once_and_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("keys", "create", "--tenant", "acme", "--models", "a, b", "--expires", "30d", "--user", "u") == 0
    )
    out = capsys.readouterr().out
    key = out.splitlines()[0]
    assert has_valid_checksum(key)
    assert out.count(key) == 1
    table = out.partition("\n")[2]
    config = load_text('[tenants.acme]\n[providers.x]\nbase_url = "http://x"\n' + table, {})
    (found,) = config.settings.keys
    assert (found.digest, found.tenant, found.models, found.user) == (digest(key), "acme", ["a", "b"], "u")


def test_keys_create_appends_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.toml").write_text('[providers.x]\nbase_url = "http://x"')
    assert run("keys", "create", "--append", "f.toml") == 0
    assert run("keys", "create", "--append", "f.toml") == 0
    keys = capsys.readouterr().out.split()
    assert [item.digest for item in load(Path("f.toml"), {}).settings.keys] == [digest(key) for key in keys]


@pytest.mark.parametrize("name", ["f.yaml", "broken.toml", "missing.toml"])
def test_keys_are_not_appended_to_what_is_not_toml(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.yaml").write_text("server: {}\n")
    Path("broken.toml").write_text("a =\n")
    assert run("keys", "create", "--append", name) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert name in captured.err


def test_keys_create_refuses_a_past_expiry(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", "create", "--expires", "2020-01-01") == 2
    assert "must be in the future" in capsys.readouterr().err


def test_keys_verify_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = generate_key()
    monkeypatch.setattr(sys, "stdin", io.StringIO(key + "\n"))
    assert run("keys", "verify") == 0
    assert digest(key) in (out := capsys.readouterr().out)
    assert key not in out
    monkeypatch.setattr(sys, "stdin", io.StringIO(key[:-1] + "\n"))
    assert run("keys", "verify") == 1


def test_the_banner_shows_how_to_call_and_no_secret() -> None:
    config = load_text("[providers.openai]\n", {"OPENAI_API_KEY": "sk-very-secret"})
    text = banner(config, "0.0.0.0:8080", "127.0.0.1:8081")
    assert "http://127.0.0.1:8080/v1/chat/completions" in text
    assert "openai/MODEL" in text
    assert "secret" not in text
    assert "NO PROVIDER" not in text
    assert "NO PROVIDER IS CONFIGURED" in banner(load(None, {}), "127.0.0.1:8080", None)


def test_the_banner_cuts_a_long_list_of_providers() -> None:
    names = [f"p{number:02}" for number in range(13)]
    file = "".join(f'[providers.{name}]\nbase_url = "http://{name}"\n' for name in names)
    text = banner(load_text(file, {}), "127.0.0.1:8080", None)
    assert f"providers: {', '.join(names[:12])} …" in text.splitlines()
    assert "p12" not in text


class ScriptedEngine:
    """Raises a signal in its own process when asked to serve, as an operator would."""

    signals: tuple[int, ...] = ()

    def __init__(self, tables: bytes) -> None:
        self.reloads = 0

    def serve(self, **_: object) -> tuple[str, str | None]:
        for number in self.signals:
            os.kill(os.getpid(), number)
        return "127.0.0.1:8080", None

    def reload(self, tables: bytes) -> None:
        self.reloads += 1
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self, grace_s: float) -> bool:
        return grace_s == 30

    def set_jwks(self, issuer: str, document: bytes) -> int:
        return 1

    def unknown_token_keys(self) -> int:
        return 0

    def take_notices(self) -> list[tuple[bool, str]]:
        return []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_serving(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedEngine, "signals", (number,))
    before = signal.getsignal(number)
    assert serve(ControlPlane(None, {"OPENAI_API_KEY": "x"}, make_engine=ScriptedEngine)) == 0
    assert signal.getsignal(number) is before


def test_sighup_reads_the_configuration_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedEngine, "signals", (signal.SIGHUP,))
    control = ControlPlane(None, {"OPENAI_API_KEY": "x"}, make_engine=ScriptedEngine)
    assert serve(control) == 0
    assert isinstance(control.engine, ScriptedEngine)
    assert control.engine.reloads == 1


def test_the_second_signal_does_not_wait_for_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda _: ended.set())

    class Busy(ScriptedEngine):
        signals = (signal.SIGTERM,)

        def stop(self, grace_s: float) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            assert ended.wait(10)
            return False

    assert serve(ControlPlane(None, {"OPENAI_API_KEY": "x"}, make_engine=Busy)) == 1
    assert ended.is_set()


def test_the_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop.wait(5)
        assert ended == []
        os.kill(os.getpid(), signal.SIGINT)
    assert ended == [128 + signal.SIGINT]
