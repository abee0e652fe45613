"""`fastgate mock` as users start it: from arguments to SIGTERM."""

import argparse
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.mock.raw_http import CHAT

from fastgate.cli import mock

START = """
import argparse, sys
from fastgate.cli import mock
parser = argparse.ArgumentParser()
mock.configure(parser)
sys.exit(mock.run(parser.parse_args()))
"""


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    mock.configure(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_address_serves_the_script_and_stops_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"steps": [{"status": 503}]}', encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        START,
        "--listen",
        "127.0.0.1:0",
        "--script",
        str(script),
        "--content",
        "hi",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().rsplit(" ", 1)[1].strip()
        bases = [process.stdout.readline().split() for _ in range(3)]
        root = address.removesuffix("/v1")
        assert bases == [
            ["openai", f"base_url={address}"],
            ["anthropic", f"base_url={root}"],
            ["google-genai", f"base_url={root}"],
        ]
        answers = [httpx.post(f"{address}/chat/completions", json=CHAT) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [503, 200]
        assert answers[1].json()["choices"][0]["message"]["content"] == "hi"
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_a_wrong_flag_is_an_error_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"steps": [{"statsu": 503}]}', encoding="utf-8")
    assert mock.run(arguments("--listen", "127.0.0.1:0", "--script", str(script))) == 2
    assert "step 1" in capsys.readouterr().err
    assert mock.run(arguments("--listen", "127.0.0.1:0", "--latency-ms", "soon")) == 2
    assert "latency_ms" in capsys.readouterr().err
    assert mock.run(arguments("--listen", "127.0.0.1:0", "--script", str(tmp_path / "none.json"))) == 2
    assert "none.json" in capsys.readouterr().err
