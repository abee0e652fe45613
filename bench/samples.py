"""What one round of one measure on one target gave. The JSON report is these records and what is computed
from them.
"""

from dataclasses import dataclass

from bench.books import Audit


class Counted:
    """What every sample of replies counts."""

    wrong: int
    lost: int
    doubled: int
    books: Audit | None

    @property
    def errors(self) -> int:
        """Everything that should be zero: replies that were not complete and right, and requests that did not
        arrive, or are not on the books, exactly once."""
        return self.wrong + self.lost + self.doubled + (self.books.errors if self.books else 0)


@dataclass(frozen=True)
class LoadSample(Counted):
    """One wrk run between two verification passes. `lost` and `doubled` compare with what the upstream
    received, `books` (of gateways) with what it wrote down; `policy_p50_us` is the gateway's own figure.
    """

    target: str
    round: int
    requests: int
    requests_per_second: float
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int
    bad_status: int
    socket_errors: int
    cpu_us: float | None
    rss_bytes: int | None
    pss_bytes: int | None
    foreign_share: float | None
    policy_p50_us: float | None
    verified: int
    wrong: int
    lost: int
    doubled: int
    problem: str | None
    books: Audit | None

    @property
    def errors(self) -> int:
        """Everything that should be zero, what wrk saw included."""
        return self.bad_status + self.socket_errors + super().errors


@dataclass(frozen=True)
class IdleSample:
    """Round trips on one connection, one at a time."""

    target: str
    round: int
    count: int
    p50_us: float
    p99_us: float
    cpu_us: float | None
    books: Audit | None


@dataclass(frozen=True)
class StreamSample(Counted):
    """Concurrent streams. `cpu_us_per_chunk` includes the stream's share of its request."""

    target: str
    round: int
    kind: str
    streams: int
    chunks: int
    cpu_us_per_chunk: float | None
    first_byte_p50_us: float
    whole_p50_us: float
    whole_p99_us: float
    wrong: int
    lost: int
    doubled: int
    problem: str | None
    books: Audit | None


@dataclass(frozen=True)
class HeldSample(Counted):
    """Streams held open at once by a fresh start: memory of the whole tree before them, and with all open."""

    target: str
    round: int
    streams: int
    before_rss_bytes: int
    held_rss_bytes: int
    wrong: int
    lost: int
    doubled: int
    problem: str | None
    books: Audit | None

    @property
    def stream_bytes(self) -> float:
        """What one stream took."""
        return (self.held_rss_bytes - self.before_rss_bytes) / self.streams


@dataclass(frozen=True)
class StartSample:
    """One fresh start: time to the first right answer, then memory and CPU time of a second of idleness."""

    target: str
    round: int
    first_answer_seconds: float
    rss_bytes: int
    pss_bytes: int
    idle_cpu_ms_per_second: float


@dataclass(frozen=True)
class Failure:
    """A target that could not be measured, and why."""

    target: str
    measure: str
    message: str
