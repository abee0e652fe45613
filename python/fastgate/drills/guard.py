"""When a drill has to stop by itself: too many of its exchanges fail.

Judged over the whole drill and over the last minute: after a day that went well, what begins to fail would
take hours to show in the whole.
"""

from collections import deque

from fastgate.drills.drill import Counts

WINDOW_MS = 60_000


class Guard:
    """Watches the counts of one drill."""

    def __init__(self, error_share_permille: int, minimum_exchanges: int) -> None:
        self._error_share_permille = error_share_permille
        self._minimum_exchanges = minimum_exchanges
        self._seen: deque[tuple[int, Counts]] = deque()

    def judge(self, counts: Counts, now_ms: int) -> str | None:
        """Why the drill has to stop; None if it may go on. `counts` are those since its start."""
        while len(self._seen) > 1 and self._seen[1][0] <= now_ms - WINDOW_MS:
            self._seen.popleft()
        before = self._seen[0][1] if self._seen else Counts()
        if not self._seen or self._seen[-1][1] != counts:
            self._seen.append((now_ms, counts))
        return self._judge(counts.exchanges, counts.failed, "") or self._judge(
            counts.exchanges - before.exchanges, counts.failed - before.failed, " of the last minute"
        )

    def _judge(self, exchanges: int, failed: int, of: str) -> str | None:
        is_enough = exchanges >= self._minimum_exchanges
        if not is_enough or failed * 1000 <= self._error_share_permille * exchanges:
            return None
        share, allowed = failed * 1000 // exchanges, self._error_share_permille
        return (
            f"{failed} of {exchanges} exchanges{of} failed ({share / 10:g} %), more than {allowed / 10:g} %"
        )
