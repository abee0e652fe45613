"""`SseReader` against the standard's own words."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reference import sse

from fastgate.core import SseEvent, SseReader

LINES = st.sampled_from(
    [
        *(b"data", b"data:", b"data: a", b"data:  b", b"data:\xff", b"datax: no", b"event: e", b"event"),
        *(b"id: 1", b"id", b"id: \x00", b"retry: 20", b"retry: 2x", b"retry:", b": ping", b"", b"", b""),
        b"\xef\xbb\xbfdata: bom",
    ]
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=20).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def plain(event: SseEvent) -> sse.Event:
    return sse.Event(event.event, event.data, event.id, event.retry_ms)


@given(stream=STREAMS, tail=st.sampled_from([b"", b"data: cut"]), cuts=st.lists(st.integers(0, 200)))
def test_reads_as_the_standard_says_however_it_is_cut(stream: bytes, tail: bytes, cuts: list[int]) -> None:
    stream += tail
    reader = SseReader()
    borders = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    events = [plain(event) for start, end in pairwise(borders) for event in reader.feed(stream[start:end])]
    assert events == sse.read(stream)
    if tail and stream != tail:
        assert reader.pending_bytes >= len(tail)


def test_an_event_has_a_limit() -> None:
    reader = SseReader(event_limit_bytes=20)
    [event] = reader.feed(b"data: a\n\ndata: " + b"x" * 30)
    assert event.data == b"a"
    assert repr(event) == 'SseEvent(event="message", 1 bytes of data)'
    with pytest.raises(ValueError, match="longer than 20 bytes"):
        reader.feed(b"\n\n")
    assert reader.pending_bytes == 0
