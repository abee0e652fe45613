"""The measures: one function each, one sample per call. Nothing here knows which target it looks at."""

import time
from pathlib import Path

from bench import cpu, held, idle, metrics, wrk
from bench.books import mismatch
from bench.instance import Instance, used_ns
from bench.loop import LoopResult, closed_loop
from bench.options import HELD_GAP_MS, Options
from bench.payload import Kind
from bench.processes import BenchError
from bench.samples import HeldSample, IdleSample, LoadSample, StreamSample
from bench.stats import percentile
from bench.upstream import Counter, Upstream

HELD_BACK = "paced streams are held back: their first byte comes in the second half of their time"


def load(instance: Instance, upstream: Upstream, options: Options, directory: Path, turn: int) -> LoadSample:
    """Verify, run wrk, verify again; compare what was sent with what the upstream received each time."""
    books = instance.books()
    before = verify(instance, upstream, Kind.JSON, options.connections, options.verify_requests)
    policy_before = instance.policy()
    counter = Counter(upstream, Kind.JSON)
    busy, cpu_before, clock = cpu.busy_ns(options.server_cpus), instance.cpu(), time.monotonic_ns()
    result = wrk.run(
        instance.port(Kind.JSON),
        instance.request(Kind.JSON),
        connections=options.connections,
        seconds=options.seconds,
        cpus=list(options.load_cpus),
        directory=directory,
    )
    used = used_ns(cpu_before, instance.cpu())
    elapsed = (time.monotonic_ns() - clock) * len(options.server_cpus)
    foreign = (cpu.busy_ns(options.server_cpus) - busy - (used or 0)) / elapsed
    memory = instance.memory()
    # wrk hangs up with up to one request per connection under way; the upstream may have seen those.
    answered = result.requests - result.bad_status
    received = counter.settled(answered)
    policy_p50_us = metrics.median_us(policy_before, instance.policy())
    after = verify(instance, upstream, Kind.JSON, options.connections, options.verify_requests)
    under_way = options.connections + result.socket_errors
    audit = books.audit(
        replies=before.right + answered + after.right,
        sent=before.sent + result.requests + under_way + after.sent,
        received=before.received + received + after.received,
    )
    return LoadSample(
        target=instance.name,
        round=turn,
        requests=result.requests,
        requests_per_second=result.requests_per_second,
        p50_us=result.p50_us,
        p99_us=result.p99_us,
        p999_us=result.p999_us,
        max_us=result.max_us,
        bad_status=result.bad_status,
        socket_errors=result.socket_errors,
        cpu_us=used / 1000 / result.requests if used is not None and result.requests else None,
        rss_bytes=memory.rss_bytes if memory else None,
        pss_bytes=memory.pss_bytes if memory else None,
        foreign_share=max(0.0, foreign) if used is not None else None,
        policy_p50_us=policy_p50_us,
        verified=before.right + after.right,
        wrong=before.wrong + after.wrong,
        lost=before.lost + after.lost + max(0, answered - received),
        doubled=before.doubled + after.doubled + max(0, received - result.requests - under_way),
        problem=before.problem or after.problem or mismatch(audit),
        books=audit,
    )


class Verified:
    """A loop's result beside what the upstream received meanwhile."""

    def __init__(self, result: LoopResult, received: int) -> None:
        self.right, self.wrong, self.problem = result.right, result.errors, result.problem
        self.sent, self.received = result.sent, received
        self.lost = max(0, result.right - received)
        self.doubled = max(0, received - result.sent)
        self.result = result


def verify(instance: Instance, upstream: Upstream, kind: Kind, connections: int, total: int) -> Verified:
    """An exact number of requests, every byte of every reply checked."""
    counter = Counter(upstream, kind)
    result = closed_loop(
        instance.port(kind),
        instance.encoded(kind),
        connections=connections,
        total=total,
        check=instance.checks[kind],
    )
    return Verified(result, counter.received(result.sent - result.errors))


def idle_trips(instance: Instance, upstream: Upstream, options: Options, turn: int) -> IdleSample:
    """Round trips one at a time on one connection."""
    warm_up = max(50, options.idle_requests // 10)
    books, counter = instance.books(), Counter(upstream, Kind.JSON)
    before = instance.cpu()
    times = idle.round_trips(
        instance.port(Kind.JSON),
        instance.encoded(Kind.JSON),
        count=options.idle_requests,
        warm_up=warm_up,
        check=instance.checks[Kind.JSON],
    )
    used = used_ns(before, instance.cpu())
    sent = len(times) + warm_up + 1
    audit = books.audit(replies=sent, sent=sent, received=counter.received(sent))
    return IdleSample(
        target=instance.name,
        round=turn,
        count=len(times),
        p50_us=percentile(times, 0.5) / 1000,
        p99_us=percentile(times, 0.99) / 1000,
        cpu_us=used / 1000 / sent if used is not None else None,
        books=audit,
    )


def streams(
    instance: Instance, upstream: Upstream, kind: Kind, options: Options, chunks: int, turn: int
) -> StreamSample:
    """Concurrent streams in waves; CPU per chunk the upstream sent."""
    books = instance.books()
    before = instance.cpu()
    done = verify(instance, upstream, kind, options.streams, options.streams * options.waves)
    used = used_ns(before, instance.cpu())
    result = done.result
    audit = books.audit(replies=result.right, sent=result.sent, received=done.received)
    first_us = percentile(result.first_byte_ns or [0], 0.5) / 1000
    whole_us = percentile(result.whole_ns or [0], 0.5) / 1000
    held_back = kind is Kind.PACED and first_us > whole_us / 2
    return StreamSample(
        target=instance.name,
        round=turn,
        kind=kind.value,
        streams=result.sent,
        chunks=chunks,
        cpu_us_per_chunk=used / 1000 / (result.sent * chunks) if used is not None else None,
        first_byte_p50_us=first_us,
        whole_p50_us=whole_us,
        whole_p99_us=percentile(result.whole_ns or [0], 0.99) / 1000,
        wrong=done.wrong,
        lost=done.lost,
        doubled=done.doubled,
        problem=done.problem or (HELD_BACK if held_back else None) or mismatch(audit),
        books=audit,
    )


def held_streams(instance: Instance, upstream: Upstream, options: Options, turn: int) -> HeldSample:
    """Memory of a fresh start, warmed up a little, before streams and with many open at once."""
    books = instance.books()
    warm = [
        verify(instance, upstream, Kind.JSON, options.connections, options.verify_requests),
        verify(instance, upstream, Kind.PACED, options.streams, options.streams),
    ]
    before, counter = _rss_bytes(instance), Counter(upstream, Kind.HELD)
    result = held.hold(
        instance.port(Kind.HELD),
        instance.encoded(Kind.HELD),
        count=options.held_streams,
        check=instance.checks[Kind.HELD],
        measure=lambda: _rss_bytes(instance),
        settle_seconds=HELD_GAP_MS / 1000,
    )
    received = counter.settled(options.held_streams)
    audit = books.audit(
        replies=result.right + sum(one.right for one in warm),
        sent=options.held_streams + sum(one.sent for one in warm),
        received=received + sum(one.received for one in warm),
    )
    return HeldSample(
        target=instance.name,
        round=turn,
        streams=options.held_streams,
        before_rss_bytes=before,
        held_rss_bytes=result.measured,
        wrong=result.wrong + sum(one.wrong for one in warm),
        lost=max(0, result.right - received) + sum(one.lost for one in warm),
        doubled=max(0, received - options.held_streams) + sum(one.doubled for one in warm),
        problem=result.problem or next((one.problem for one in warm if one.problem), None) or mismatch(audit),
        books=audit,
    )


def _rss_bytes(instance: Instance) -> int:
    memory = instance.memory()
    if memory is None:
        raise BenchError("nothing to look at: the target has no process")
    return memory.rss_bytes
