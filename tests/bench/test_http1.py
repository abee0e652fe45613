"""Where a reply ends: properties over every way of cutting it."""

from itertools import pairwise

import pytest
from bench.http1 import ReplyReader, decode_chunks, parse_head
from bench.processes import BenchError
from hypothesis import given
from hypothesis import strategies as st

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b: c\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\ndata: \r\n4;x=y\r\na\r\n\n\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(("reply", "body"), [(SIZED, b"hello"), (CHUNKED, b"data: a\r\n\n"), (EMPTY, b"")])
@given(cuts=st.sets(st.integers(1, 100)))
def test_any_cut_gives_the_same_reply_and_ends_at_its_last_byte(
    reply: bytes, body: bytes, cuts: set[int]
) -> None:
    reader = ReplyReader()
    edges = [0, *sorted(cut for cut in cuts if cut < len(reply)), len(reply)]
    whole = [reader.feed(reply[start:end]) for start, end in pairwise(edges)]
    assert whole[-1]
    assert not any(whole[:-1])
    assert reader.finish().body == body


@pytest.mark.parametrize("cut", range(1, len(SIZED)))
def test_a_cut_reply_is_never_taken_for_whole(cut: int) -> None:
    reader = ReplyReader()
    assert not reader.feed(SIZED[:cut])
    with pytest.raises(BenchError):
        reader.finish()


@pytest.mark.parametrize(
    "data", [b"", b"5", b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhelloXX", b"0\r\n\r\nmore"]
)
def test_broken_chunks_are_refused(data: bytes) -> None:
    with pytest.raises(BenchError):
        decode_chunks(data)


def test_head() -> None:
    assert parse_head(b"HTTP/1.1 503 Nope\r\nA: b: c\r\nX-Y:z") == (503, {"a": "b: c", "x-y": "z"})
    with pytest.raises(BenchError, match="not HTTP/1"):
        parse_head(b"SSH-2.0 hello")
