"""The access log through a live gateway: one line per exchange, none lost at the end, none waited for."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY, SECRETS
from tests.blackbox.gateway import Gateway as Process
from tests.blackbox.gateway import running
from tests.blackbox.load import Load
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until
from tests.telemetry.conftest import Serve
from tests.telemetry.test_metrics import value
from tests.transport.gateway import chat_body

from fastgate._core import MockProvider


def logging_to(path: Path | str, more: str = "") -> str:
    return f'\n[access_log]\npath = "{path}"\n{more}'


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line of the log; each must be whole."""
    text = path.read_text() if path.exists() else ""
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_says_what_happened(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    gateway = serve(logging_to(log))
    gateway.chat()
    gateway.chat(chat_body(stream=True, user="someone"))
    gateway.chat(b'{"model": "\\u0007\\n\\"", "messages": []')
    until(lambda: len(lines(log)) == 3, "three lines")
    answer, stream, refusal = lines(log)
    assert answer.keys() == {
        *(
            "time",
            "request_id",
            "trace_id",
            "tenant",
            "model",
            "deployment",
            "outcome",
            "status",
            "tokens",
            "cost_usd",
        ),
        *("duration_us", "overhead_us", "upstream_us"),
    }
    assert (answer["tenant"], answer["model"], answer["deployment"]) == ("default", "m", "upstream")
    assert (answer["outcome"], answer["status"]) == ("answered", 200)
    assert answer["tokens"] == stream["tokens"] == {"input": 11, "output": 7}
    assert stream["user"] == "someone"
    assert 0 < stream["first_content_us"] <= stream["duration_us"]
    assert (refusal["outcome"], refusal["status"]) == ("invalid_request", 400)
    assert "tokens" not in refusal
    assert len({line["request_id"] for line in (answer, stream, refusal)}) == 3


def test_hostile_names_stay_one_line_of_json(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    gateway = serve(logging_to(log))
    names = ["\x1b[2J\x07", "a\nb\r\n", '"}\\', "\u2028\u0085\x7f", "é" * 1000]
    for name in names:
        gateway.chat(chat_body().replace(b'"m"', json.dumps(name).encode()))
    until(lambda: log.exists() and log.read_bytes().count(b"\n") == len(names), "all lines")
    assert not set(log.read_bytes()) & {*range(10), *range(11, 32), 127}
    written = [json.loads(line)["model"] for line in log.read_bytes().split(b"\n")[:-1]]
    assert written == [*names[:-1], "é" * 128]


@pytest.mark.parametrize("door", ["native", "uvicorn"])
def test_no_line_is_lost_when_the_gateway_ends(door: str, tmp_path: Path) -> None:
    upstream = Upstream(record=False)
    log = tmp_path / "access.log"
    config = configuration.open_provider(upstream.base_url) + logging_to(log)
    try:
        with running(door, tmp_path / "gateway", config) as gateway, Load(gateway.port, KEY) as load:
            until(lambda: load.answered() >= 200, "load under way")
            load.mark_stop()
            gateway.process.send_signal(signal.SIGTERM)
            gateway.process.wait(20)
    finally:
        upstream.mock.stop()
    assert load.failures == []
    written = lines(log)
    assert sum(line["outcome"] == "answered" for line in written) == load.answered()
    assert len({line["request_id"] for line in written}) == len(written)
    text = log.read_text()
    assert not [secret for secret in SECRETS if secret in text]
    assert {line["key_id"] for line in written} == {written[0]["key_id"]}


def test_standard_output_is_a_place_too(tmp_path: Path) -> None:
    upstream = Upstream(record=False)
    try:
        config = configuration.open_provider(upstream.base_url) + logging_to("stdout")
        with running("native", tmp_path / "gateway", config) as gateway:
            assert gateway.chat(chat_body()).status == 200
            until(lambda: '"outcome":"answered"' in gateway.log(), "the line")
    finally:
        upstream.mock.stop()


def test_a_renamed_file_is_opened_anew(serve: Serve, tmp_path: Path) -> None:
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    gateway = serve(logging_to(log))
    gateway.chat()
    until(lambda: len(lines(log)) == 1, "the first line")
    log.rename(old)
    gateway.chat()
    until(lambda: len(lines(log)) == 1, "the second line, in a new file")
    assert len(lines(old)) == 1


def wait_for_line(log: Path) -> None:
    until(lambda: len(lines(log)) == 1, f"a line in {log.name}")


def test_a_reload_moves_begins_and_ends_the_log(serve: Serve, tmp_path: Path, provider: MockProvider) -> None:
    base = f'[providers.upstream]\nbase_url = "http://{provider.address}/v1"\n'
    gateway = serve()
    gateway.chat()
    for name in ("one", "two"):
        gateway.reload(base + logging_to(tmp_path / name))
        gateway.chat()
        wait_for_line(tmp_path / name)
    gateway.reload(base)
    gateway.chat()
    with pytest.raises(ValueError, match=r"access_log\.path: can't write"):
        gateway.reload(base + logging_to(tmp_path / "no" / "such" / "folder"))
    assert len(lines(tmp_path / "two")) == 1


def test_a_pipe_that_nobody_empties_holds_nothing_up(serve: Serve, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        gateway = serve(logging_to(pipe, 'buffer = "8KB"\n'))
        for _ in range(600):
            assert gateway.chat().status == 200
        dropped = value(gateway, "fastgate_access_log_dropped_total")
        assert dropped > 0
        received = bytearray()

        def drain() -> bool:
            with suppress(BlockingIOError):
                received.extend(os.read(reader, 1 << 20))
            return received.count(b"\n") == 600 - dropped

        until(drain, "everything that was not dropped")
        assert all(json.loads(line) for line in received.splitlines())
    finally:
        os.close(reader)


def test_the_end_does_not_wait_for_such_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    upstream = Upstream(record=False)
    try:
        config = configuration.open_provider(upstream.base_url) + logging_to(pipe)
        with running("native", tmp_path / "gateway", config) as gateway:
            fill(gateway)
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(10) == 0
    finally:
        os.close(reader)
        upstream.mock.stop()


def fill(gateway: Process) -> None:
    """More lines than a pipe holds."""
    for _ in range(300):
        assert gateway.chat(chat_body(user="u" * 200)).status == 200
