"""The gateway's own books: is there exactly one record of every request?

What a client and the upstream counted is compared with the spool, measure by measure. Records are told apart
by when their exchange began, so nothing is kept between measures but the time of day.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.payload import INPUT_PUSD, OUTPUT_PUSD
from fastgate._core import SpoolReader, check_spool

SETTLED_SECONDS = 5.0


class Usage(msgspec.Struct):
    """The token classes that the bench's upstream reports."""

    input_tokens: int
    output_tokens: int


class Record(msgspec.Struct):
    """What the audit reads of a record; `docs/spool.md` has the format."""

    id: str
    started_unix_us: int
    attempts: int
    outcome: str
    usage: Usage | None
    usage_estimated: bool
    cost_pusd: int | None

    @property
    def is_complete(self) -> bool:
        """An answer's record has the provider's token counts, and their cost by the configured price."""
        if self.usage is None or self.usage_estimated or not self.usage.output_tokens:
            return False
        tokens = self.usage
        return self.cost_pusd == tokens.input_tokens * INPUT_PUSD + tokens.output_tokens * OUTPUT_PUSD


class Typed(msgspec.Struct):
    """A record of something else than an exchange: money held for one, or a correction."""

    type: str


@dataclass(frozen=True)
class Entries:
    """The records of one measure, counted: all, those by outcome, calls upstream, ids that came before,
    answers without usage or the right cost.
    """

    records: int = 0
    answered: int = 0
    client_gone: int = 0
    attempts: int = 0
    repeated: int = 0
    incomplete: int = 0


@dataclass(frozen=True)
class Audit:
    """Records against requests. `replies`: whole right answers clients got; `sent`: requests they may have
    begun; `received`: what the upstream saw.
    """

    entries: Entries
    replies: int
    sent: int
    received: int

    @property
    def unrecorded(self) -> int:
        """Answers, or requests that reached the upstream, without a record."""
        return max(0, self.replies - self.entries.answered, self.received - self.entries.attempts)

    @property
    def surplus(self) -> int:
        """Records of no request, or second ones of the same."""
        return max(0, self.entries.records - self.sent) + self.entries.repeated

    @property
    def unsettled(self) -> int:
        """Records of requests that were neither answered nor given up by their client."""
        return self.entries.records - self.entries.answered - self.entries.client_gone

    @property
    def errors(self) -> int:
        """Everything that should be zero."""
        return self.unrecorded + self.surplus + self.unsettled + self.entries.incomplete

    @property
    def problem(self) -> str | None:
        """What does not fit, in words."""
        if not self.errors:
            return None
        return (
            f"records: {self.unrecorded} missing, {self.surplus} too many, "
            f"{self.unsettled} of other outcomes, "
            f"{self.entries.incomplete} answers without usage or the right cost "
            f"({self.entries.records} records, {self.replies} replies, {self.sent} sent, "
            f"{self.received} upstream)"
        )


def count(payloads: Iterable[bytes], since_unix_us: int) -> Entries:
    """The records of exchanges that began at `since_unix_us` or later."""
    decode = msgspec.json.Decoder(Record).decode
    decode_typed = msgspec.json.Decoder(Typed).decode
    seen: set[str] = set()
    records = answered = client_gone = attempts = incomplete = 0
    for payload in payloads:
        try:
            record = decode(payload)
        except msgspec.ValidationError:
            decode_typed(payload)
            continue
        if record.started_unix_us < since_unix_us:
            continue
        seen.add(record.id)
        records += 1
        attempts += record.attempts
        client_gone += record.outcome == "client_gone"
        if record.outcome == "answered":
            answered += 1
            incomplete += not record.is_complete
    return Entries(records, answered, client_gone, attempts, records - len(seen), incomplete)


def mismatch(audit: Audit | None) -> str | None:
    """What does not fit, where there are books at all."""
    return audit.problem if audit else None


class Books:
    """The spool from the moment this was made; None for targets that keep no records."""

    def __init__(self, spool: Path | None) -> None:
        self.spool = spool
        self.since_unix_us = time.time_ns() // 1000

    def audit(self, *, replies: int, sent: int, received: int) -> Audit | None:
        """Compare; call it when nothing is under way. A record may follow its client's hang-up a little
        later, so while one is missing the spool is read again for a few seconds.
        """
        if self.spool is None:
            return None
        deadline = time.monotonic() + SETTLED_SECONDS
        while True:
            audit = Audit(count(self._payloads(self.spool), self.since_unix_us), replies, sent, received)
            if not audit.unrecorded or time.monotonic() > deadline:
                return audit
            time.sleep(0.1)

    def _payloads(self, spool: Path) -> Iterable[bytes]:
        for payloads, _ in SpoolReader(spool, since_unix_s=self.since_unix_us // 1_000_000):
            yield from payloads


def damage(spool: Path) -> str | None:
    """What is wrong with a whole spool that nobody writes to: damage, an id twice, a record without one."""
    report = check_spool(spool)
    if not (report["duplicates"] or report["without_id"] or report["problems"]):
        return None
    return (
        f"spool of {report['records']} records: {report['duplicates']} duplicates, "
        f"{report['without_id']} without id, {len(report['problems'])} damaged places"
    )
