"""Streams held open at once, against a mock that counts them itself."""

import pytest
from bench.checks import same_content
from bench.held import Held, hold
from bench.payload import Dialect, Kind, request
from bench.processes import BenchError

from fastgate._core import MockProvider

STREAMS = 20
WHOLE = b'data: {"choices":[{"delta":{"content":"a b c"}}]}\n\ndata: [DONE]\n\n'


def held(provider: MockProvider, dialect: Dialect = Dialect.OPENAI) -> Held:
    port = int(provider.address.rpartition(":")[2])
    return hold(
        port,
        request(Kind.HELD, dialect=dialect).encode(port),
        count=STREAMS,
        check=same_content(WHOLE, dialect),
        measure=lambda: provider.counts()["in_flight"],
        settle_seconds=0.05,
    )


@pytest.mark.parametrize("dialect", list(Dialect))
def test_all_are_open_when_it_is_measured_and_all_are_read(dialect: Dialect) -> None:
    provider = MockProvider(content="a b c", gap_ms=300)
    found = held(provider, dialect)
    provider.stop()
    assert (found.measured, found.right, found.wrong) == (STREAMS, STREAMS, 0)


def test_a_stream_without_its_end_is_wrong() -> None:
    script = '{"steps": [{"omit": "done"}]}'
    provider = MockProvider(content="a b c", gap_ms=300, script=script)
    found = held(provider)
    provider.stop()
    assert (found.measured, found.right, found.wrong) == (STREAMS, STREAMS - 1, 1)
    assert "without [DONE]" in (found.problem or "")


@pytest.mark.parametrize("step", ["{}", '{"times": 1, "cut": "events:2", "gap_ms": 300}'])
def test_streams_that_end_early_are_no_measurement(step: str) -> None:
    gap_ms = 0 if step == "{}" else 300
    provider = MockProvider(content="a b c", gap_ms=gap_ms, script=f'{{"steps": [{step}]}}')
    with pytest.raises(BenchError, match="were over before all were open"):
        held(provider)
    provider.stop()
