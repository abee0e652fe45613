"""The figures to hold, as data, and how a run compares with them.

`first` is the gateway with a key and nothing else switched on; `full` has all on: keys, identity, price,
spool, metrics, access log, trace, CORS, bounds. `tight` and `parity` are the rungs after it. Only ratios of
one interleaved run are compared, never figures of two runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PLAIN_STAGE = "first"
STAGES = (PLAIN_STAGE, "full", "tight", "parity")


@dataclass(frozen=True)
class Bar:
    """A limit on one figure of one target; `limits` by stage (None: no bar yet), the last one given holds
    for later stages.
    """

    target: str
    figure: str
    text: str
    limits: tuple[float | None, ...]

    def limit(self, stage: str) -> float | None:
        """The limit at a stage."""
        return self.limits[min(STAGES.index(stage), len(self.limits) - 1)]


BARS = (
    Bar("native", "load_ratio", "CPU per request, ratio to nginx", (1.5, 1.6, 1.25, 1.0)),
    Bar("native-limits", "load_ratio", "CPU per request with 8 limits, ratio to nginx", (None, 1.6)),
    Bar("uvicorn", "load_ratio", "CPU per request, ratio to nginx", (4.0, 4.2)),
    Bar("granian-asgi", "load_ratio", "CPU per request, ratio to nginx", (5.8, 6.0)),
    Bar("granian-rsgi", "load_ratio", "CPU per request, ratio to nginx", (3.8,)),
    Bar("native", "paced_ratio", "CPU per chunk of a paced stream, ratio to nginx", (1.5,)),
    Bar(
        "native-chat-to-anthropic",
        "paced_ratio",
        "CPU per chunk of a translated paced stream, ratio to nginx with the provider's own bytes",
        (None, 2.2),
    ),
    Bar("native-chat-to-anthropic", "held_kib", "KiB per open translated stream", (None, 64.0)),
    Bar("native", "idle_added_ratio", "added p50 on one idle connection, ratio to nginx's", (1.5,)),
    Bar("native", "start_seconds", "seconds from start to first answer", (0.4,)),
    Bar("native", "idle_rss_mb", "resident MB when idle", (45.0,)),
    Bar("native", "rss_mb", "resident MB after load", (None, 45.0)),
    Bar("native-o200k", "rss_mb", "resident MB after load with one vocabulary", (None, 70.0)),
    Bar("native", "policy_p50_us", "µs of policy per request, p50", (None, 5.0)),
    Bar("wheel", "wheel_mb", "MB of the wheel (make wheel)", (None, 20.0)),
)
ERRORS = "errors"


@dataclass(frozen=True)
class Verdict:
    """A bar, what was measured (None: nothing) and whether it holds."""

    text: str
    limit: float
    measured: float | None

    @property
    def holds(self) -> bool:
        """A bar without a measurement does not hold."""
        return self.measured is not None and self.measured <= self.limit

    def line(self) -> str:
        """One line for people."""
        if self.measured is None:
            return f"MISSING  {self.text}: not measured (bar {self.limit:g})"
        return f"{'pass' if self.holds else 'FAIL':7}  {self.text}: {self.measured:.3g} (bar {self.limit:g})"


def compare(figures: Mapping[str, Mapping[str, float | None]], stage: str) -> list[Verdict]:
    """Every bar against `figures[target][figure]`, and no error anywhere."""
    verdicts = [
        Verdict(f"{bar.target}: {bar.text}", limit, figures.get(bar.target, {}).get(bar.figure))
        for bar in BARS
        if (limit := bar.limit(stage)) is not None
    ]
    verdicts += [
        Verdict(f"{target}: requests lost, doubled, wrong or not recorded once", 0, values.get(ERRORS))
        for target, values in figures.items()
        if ERRORS in values
    ]
    return verdicts
