"""The ledger's loader beside a gateway that writes: what it meets half written it takes later, not never."""

from pathlib import Path

import pytest

from fastgate.billing.ledger.segments import frame, read, segments

RECORDS = [f'{{"v":1,"id":"r{number}"}}'.encode() for number in range(3)]


def taken(spool: Path, offset: int) -> tuple[list[bytes], int]:
    """Records behind an offset, and where the loader goes on the next time."""
    (segment,) = segments(spool)
    found: list[bytes] = []
    for chunk in read(spool, segment, offset):
        assert chunk.problems == []
        found += chunk.payloads
        offset = chunk.offset
    return found, offset


@pytest.mark.parametrize("written_bytes", [0, 20], ids=["nothing", "part"])
def test_a_gap_in_an_open_segment_is_waited_for(tmp_path: Path, written_bytes: int) -> None:
    first, second, third = map(frame, RECORDS)
    file = tmp_path / "1795917374142-1-1-000000.open"
    # The magic bytes of a record come last, so of one that is half there they are missing.
    half = (b"\0" * 4 + second[4:written_bytes]).ljust(len(second), b"\0")
    file.write_bytes(first + half + third + b"\0" * 4096)
    found, offset = taken(tmp_path, 0)
    assert found == RECORDS[:1]
    file.write_bytes(first + second + third + b"\0" * 4096)
    found, offset = taken(tmp_path, offset)
    assert found == RECORDS[1:]
    assert taken(tmp_path, offset) == ([], offset)


def test_a_gap_in_a_closed_segment_is_passed_over(tmp_path: Path) -> None:
    first, second, third = map(frame, RECORDS)
    (tmp_path / "1795917374142-1-1-000000.spool").write_bytes(first + b"\0" * len(second) + third)
    (segment,) = segments(tmp_path)
    (chunk,) = read(tmp_path, segment, 0)
    assert chunk.payloads == [RECORDS[0], RECORDS[2]]
    assert [(offset, length) for offset, length, _ in chunk.problems] == [(len(first), len(second))]
    assert chunk.is_done
