"""The command line of `python -m bench`."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.bars import PLAIN_STAGE, STAGES
from bench.payload import Kind

HERE = Path(__file__).parent
DEFAULT_TARGETS = ("nginx", "native", "uvicorn", "granian-asgi", "granian-rsgi")
# What an OpenAI client costs before an Anthropic provider, and nginx passing on that provider's own bytes.
TRANSLATING_TARGETS = ("nginx-anthropic", "native-chat-to-anthropic")
FULL_TARGETS = (*DEFAULT_TARGETS, "native-o200k", "native-limits", *TRANSLATING_TARGETS)
TRANSLATED_TARGETS = ("nginx", "native", *TRANSLATING_TARGETS, "native-anthropic", "native-anthropic-to-chat")
PEER_TARGETS = ("litellm", "portkey")
MEASURES = ("load", "idle", "paced", "unpaced", "start")
TRANSLATED_MEASURES = ("load", "paced", "held")
ALL_MEASURES = (*MEASURES, "held")
# A held stream: long enough for thousands to be opened, idle enough that memory is all it takes.
HELD_CHUNKS = 10
HELD_GAP_MS = 1000


@dataclass(frozen=True)
class Options:
    """Everything a run can be told; the report repeats it."""

    targets: tuple[str, ...] = DEFAULT_TARGETS
    measures: tuple[str, ...] = MEASURES
    rounds: int = 7
    seconds: int = 5
    connections: int = 32
    idle_requests: int = 3000
    streams: int = 20
    waves: int = 5
    chunks: int = 100
    gap_ms: float = 2.0
    held_streams: int = 2000
    held_rounds: int = 3
    starts: int = 5
    verify_requests: int = 320
    server_cpus: tuple[int, ...] = (0,)
    load_cpus: tuple[int, ...] = (1,)
    upstream: str = "auto"
    mock_command: str = ""
    mock_json: str = "--no-record --content-bytes 20"
    mock_paced: str = ""
    mock_unpaced: str = ""
    bin_dir: str = ""
    asgi_app: str = "fastgate.asgi:app"
    rsgi_app: str = "fastgate.asgi:rsgi_app"
    plain: bool = False
    config_extra: str | None = None
    nginx_access_log: bool = False
    output: str = str(HERE / "results")
    label: str = ""
    compare_bars: str | None = None
    keep: bool = False

    @property
    def workers(self) -> int:
        """Workers of servers that have a setting for it: one per CPU they may use."""
        return len(self.server_cpus)

    @property
    def mock_arguments(self) -> dict[Kind, str]:
        """Arguments of the mock per kind of answer."""
        paced = self.mock_paced or f"--no-record --chunks {self.chunks} --gap-ms {self.gap_ms:g}"
        unpaced = self.mock_unpaced or f"--no-record --chunks {self.chunks} --gap-ms 0"
        held = f"--no-record --chunks {HELD_CHUNKS} --gap-ms {HELD_GAP_MS}"
        return {Kind.JSON: self.mock_json, Kind.PACED: paced, Kind.UNPACED: unpaced, Kind.HELD: held}

    def as_dict(self) -> dict[str, object]:
        """For the report."""
        return asdict(self)


def quick(options: Options) -> Options:
    """A run of about a minute: enough to see that all works, too short to quote."""
    short = replace(options, rounds=2, seconds=1, idle_requests=500, waves=2, starts=1, verify_requests=64)
    return replace(short, held_streams=200, held_rounds=1)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _cpus(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in _words(text))


def _default_cpus() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Servers on the first CPU, load and upstream on the others (on the same one where there is only one)."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0],), tuple(available[1:2] or available)


def parser() -> argparse.ArgumentParser:
    """The parser; defaults are those of `Options`."""
    base = Options()
    server, load = _default_cpus()
    result = argparse.ArgumentParser(
        prog="python -m bench", description="Doors, nginx and peers in interleaved rounds."
    )
    add = result.add_argument
    add(
        "--targets",
        type=_words,
        help="comma-separated: direct, stand-in, "
        + ", ".join(dict.fromkeys(FULL_TARGETS + TRANSLATED_TARGETS)),
    )
    add(
        "--peers",
        action="store_true",
        help="add " + " and ".join(PEER_TARGETS) + " (see python -m bench.peers)",
    )
    add(
        "--translated",
        action="store_true",
        help="clients of one dialect before a provider of another, and what they are compared with",
    )
    add("--measures", type=_words, help="comma-separated, of: " + ", ".join(ALL_MEASURES))
    add("--quick", action="store_true", help="two short rounds")
    add("--rounds", type=int, help=f"rounds of every measure (default {base.rounds})")
    add("--seconds", type=int, help=f"length of one wrk run (default {base.seconds})")
    add("--connections", type=int, default=base.connections, help="of wrk (default %(default)s)")
    add(
        "--idle-requests",
        type=int,
        help=f"round trips per round on one connection (default {base.idle_requests})",
    )
    add("--streams", type=int, default=base.streams, help="concurrent streams (default %(default)s)")
    add("--waves", type=int, help=f"streams one after the other on each connection (default {base.waves})")
    add("--chunks", type=int, default=base.chunks, help="events per stream (default %(default)s)")
    add(
        "--gap-ms",
        type=float,
        default=base.gap_ms,
        help="between the events of a paced stream (default %(default)s)",
    )
    add("--held-streams", type=int, help=f"streams held open at once (default {base.held_streams})")
    add("--held-rounds", type=int, help=f"how often they are (default {base.held_rounds})")
    add("--starts", type=int, help=f"timed starts per target (default {base.starts})")
    add("--verify-requests", type=int, help="checked requests before and after each wrk run")
    add(
        "--server-cpus",
        type=_cpus,
        default=server,
        help="CPUs of the targets, and their worker count (default 0)",
    )
    add("--load-cpus", type=_cpus, default=load, help="CPUs of load and upstream (default 1)")
    add(
        "--upstream",
        choices=("auto", "mock", "builtin"),
        default=base.upstream,
        help="auto: mock where there is one",
    )
    add("--mock-command", default="", help="default: `fastgate mock` of --bin-dir")
    add("--mock-json", default=base.mock_json, help="arguments of the JSON mock (default: %(default)s)")
    add("--mock-paced", default="", help="arguments of the paced mock")
    add("--mock-unpaced", default="", help="arguments of the unpaced mock")
    add("--bin-dir", default=str(Path(sys.executable).parent), help="where fastgate, uvicorn, granian are")
    add("--asgi-app", default=base.asgi_app, help="default %(default)s")
    add("--rsgi-app", default=base.rsgi_app, help="default %(default)s")
    add("--plain", action="store_true", help="a gateway with a key and a price, nothing else switched on")
    add("--config-extra", help="a TOML file appended to the gateway's config: what to switch on")
    add("--nginx-access-log", action="store_true", help="nginx writes its access log")
    add("--output", default=base.output, help="directory of the report (default bench/results)")
    add("--label", default="", help="a word for the report's name and title")
    add(
        "--compare-bars",
        nargs="?",
        const="first",
        choices=STAGES,
        help="print pass or fail for each bar; exit 1 on a miss; `first` implies --plain",
    )
    add("--keep", action="store_true", help="keep the run's directory (configs, logs)")
    return result


def options_from(namespace: argparse.Namespace) -> Options:
    """Options from what `parser` read; what is given wins over `--quick`."""
    given = dict(vars(namespace))
    peers, short, translated = given.pop("peers"), given.pop("quick"), given.pop("translated")
    options = quick(Options()) if short else Options()
    if translated:
        options = replace(options, targets=TRANSLATED_TARGETS, measures=TRANSLATED_MEASURES)
    options = replace(options, **{name: value for name, value in given.items() if value is not None})
    if options.compare_bars not in (None, PLAIN_STAGE) and not translated:
        targets = FULL_TARGETS if given["targets"] is None else options.targets
        measures = ALL_MEASURES if given["measures"] is None else options.measures
        options = replace(options, targets=targets, measures=measures)
    if options.compare_bars == PLAIN_STAGE:
        options = replace(options, plain=True)
    unknown = set(options.measures) - set(ALL_MEASURES)
    if unknown:
        raise SystemExit(f"unknown measures: {', '.join(sorted(unknown))}")
    return replace(options, targets=(*options.targets, *PEER_TARGETS)) if peers else options


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Options from the command line."""
    return options_from(parser().parse_args(arguments))
