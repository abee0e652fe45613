"""`fastgate mock`: a provider that answers, waits and fails as told.

Flags cover what a first run or a benchmark needs; a script (JSON, see docs/mock.md) covers every field.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from fastgate._core import MockProvider

# Flag, type and help of every behaviour field that a flag can set; the field has the flag's name.
FIELDS: tuple[tuple[str, type, str], ...] = (
    ("--status", int, "status of every answer (default 200)"),
    ("--content", str, "text of every answer"),
    ("--reasoning", str, "what reasoning models think before that, where a request asks to see it"),
    ("--content-bytes", int, "size of the text"),
    ("--chunks", int, "content pieces of a stream, and completion tokens (default: one per word)"),
    ("--latency-ms", str, "time to the headers: 20, uniform(10,50) or lognormal(p50,p99)"),
    ("--first-token-ms", str, "time from headers to the first content, written as --latency-ms"),
    ("--gap-ms", str, "time between content pieces, written as --latency-ms"),
    ("--tokens-per-second", float, "pace of a stream, if no gap is given"),
    ("--events-per-write", int, "stream events written at once (default 1)"),
)

# What each vendor's SDK takes as its base URL behind the address.
BASE_PATHS = {"openai": "/v1", "anthropic": "", "google-genai": ""}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument("--listen", default="127.0.0.1:8089", help="address and port (default %(default)s)")
    parser.add_argument("--script", type=Path, help="JSON file with defaults and steps")
    parser.add_argument("--threads", type=int, default=1, help="threads that serve (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="start of the random draws (default %(default)s)")
    parser.add_argument("--no-record", action="store_true", help="keep no requests, for benchmarks")
    for flag, kind, text in FIELDS:
        parser.add_argument(flag, type=kind, help=text)


def run(arguments: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM. Returns 2 if it cannot start."""
    names = [flag.removeprefix("--").replace("-", "_") for flag, _, _ in FIELDS]
    behaviour: dict[str, Any] = {
        name: value for name in names if (value := getattr(arguments, name)) is not None
    }
    try:
        provider = MockProvider(
            listen=arguments.listen,
            threads=arguments.threads,
            record=not arguments.no_record,
            seed=arguments.seed,
            script=arguments.script.read_text(encoding="utf-8") if arguments.script else None,
            **behaviour,
        )
    except (OSError, ValueError) as error:
        print(f"fastgate mock: {error}", file=sys.stderr)
        return 2
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    print(banner(f"http://{provider.address}"), flush=True)
    stopped.wait()
    provider.stop()
    return 0


def banner(address: str) -> str:
    """The address as OpenAI's SDK takes it, then the base URL of each vendor's SDK."""
    bases = (f"  {sdk:<14}base_url={address}{path}" for sdk, path in BASE_PATHS.items())
    return "\n".join((f"mock provider on {address}/v1", *bases))
