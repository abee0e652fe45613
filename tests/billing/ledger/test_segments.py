"""Following segments, against the extension's reader and whatever was written to them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.blackbox.waiting import until
from tests.reference.spool import damaged, frame, intact_records

from fastgate._core import Engine, SpoolReader
from fastgate.billing.ledger import segments
from fastgate.config import compile_tables, load_text

NAME = "1000-1-0-000000"
PAYLOADS = st.lists(st.text(max_size=60).map(str.encode), max_size=12)
DAMAGE = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=4)


def follow(folder: Path, offset: int = 0) -> tuple[list[bytes], list[tuple[int, int, str]], int, bool]:
    """Everything behind an offset."""
    payloads, problems, is_done = list[bytes](), list[tuple[int, int, str]](), False
    for segment in segments.segments(folder):
        for chunk in segments.read(folder, segment, offset):
            payloads += chunk.payloads
            problems += chunk.problems
            offset, is_done = chunk.offset, chunk.is_done
    return payloads, problems, offset, is_done


@given(PAYLOADS, DAMAGE, st.integers(0, 10_000), st.sampled_from([40, 200, segments.CHUNK_BYTES]))
def test_a_closed_segment_is_read_as_the_extension_does(
    tmp_path_factory: pytest.TempPathFactory,
    payloads: list[bytes],
    damage: list[tuple[int, int]],
    cut: int,
    chunk_bytes: int,
) -> None:
    data = damaged(payloads, damage, cut)
    folder = tmp_path_factory.mktemp("spool")
    (folder / f"{NAME}.spool").write_bytes(data)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments, "CHUNK_BYTES", chunk_bytes)
        found, problems, offset, is_done = follow(folder)
    assert found == intact_records(data)
    assert found == [payload for batch, _ in SpoolReader(folder) for payload in batch]
    assert (offset, is_done) == (len(data), True)
    lost = sum(length for _, length, _ in problems)
    assert lost + sum(16 + len(payload) for payload in found) == len(data), "every byte is accounted for"


@given(PAYLOADS, st.lists(st.integers(0, 2000), max_size=8), st.booleans())
def test_an_open_segment_is_followed_however_it_grows(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], cuts: list[int], is_mapped: bool
) -> None:
    data = b"".join(map(frame, payloads))
    folder = tmp_path_factory.mktemp("spool")
    found, offset = list[bytes](), 0
    for cut in sorted(min(cut, len(data)) for cut in [*cuts, len(data)]):
        room = b"\0" * 100 if is_mapped else b""
        (folder / f"{NAME}.open").write_bytes(data[:cut] + room)
        more, problems, offset, is_done = follow(folder, offset)
        assert (problems, is_done) == ([], False), "what is being written is no damage"
        found += more
    assert found == payloads
    (folder / f"{NAME}.open").rename(folder / f"{NAME}.spool")
    (folder / f"{NAME}.spool").write_bytes(data)
    assert follow(folder, offset) == ([], [], len(data), True)


def test_damage_in_an_open_segment_is_skipped_once_a_record_follows(tmp_path: Path) -> None:
    first, second = bytearray(frame(b'{"id":1}')), frame(b'{"id":2}')
    first[20] ^= 1
    file = tmp_path / f"{NAME}.open"
    file.write_bytes(bytes(first) + b"\0" * 50)
    assert follow(tmp_path) == ([], [], 0, False)
    file.write_bytes(bytes(first) + second + b"\0" * 50)
    assert follow(tmp_path) == (
        [b'{"id":2}'],
        [(0, len(first), "damaged payload")],
        len(first) + len(second),
        False,
    )


def test_a_compressed_segment_has_the_offsets_of_the_plain_one(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    payloads = [b'{"id":"%d"}' % number for number in range(500)]
    data = bytearray(b"".join(map(frame, payloads)))
    third = 16 + len(payloads[0])
    data[third * 2 + 17] ^= 1
    (spool / f"{NAME}.open").write_bytes(data)
    plain = follow(spool)
    engine = Engine(compile_tables(load_text("", {"OPENAI_API_KEY": "k"})), state_dir=tmp_path)
    until(lambda: [path.suffix for path in spool.iterdir()] == [".zst"], "the segment is compressed")
    assert follow(spool) == (*plain[:3], True)
    assert follow(spool, third * 4) == (payloads[4:], [], len(data), True)
    assert follow(spool, len(data)) == ([], [], len(data), True)
    engine.stop(0)


def test_a_damaged_compressed_segment_is_reported_and_done(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.spool.zst").write_bytes(b"no zstd")
    payloads, problems, _, is_done = follow(tmp_path)
    assert payloads == []
    assert is_done
    assert "unreadable" in problems[0][2]


def test_of_two_stages_the_later_one_counts_and_foreign_files_do_not(tmp_path: Path) -> None:
    for name in ("20-1-0-0.open", "9-1-0-0.spool", "9-1-0-0.spool.zst", "9-1-0-0.spool.zst.part", "x.open"):
        (tmp_path / name).write_bytes(b"")
    assert [(found.name, found.stage) for found in segments.segments(tmp_path)] == [
        ("9-1-0-0", 2),
        ("20-1-0-0", 0),
    ]


def test_a_segment_that_gets_on_while_it_is_looked_for_is_found(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.spool").write_bytes(frame(b"{}"))
    seen = segments.Segment(1000, NAME, 0)
    assert [chunk.payloads for chunk in segments.read(tmp_path, seen, 0)] == [[b"{}"]]
    (tmp_path / f"{NAME}.spool").unlink()
    assert list(segments.read(tmp_path, seen, 0)) == []


def test_frames_are_those_of_the_format() -> None:
    assert segments.frame(b'{"a":1}') == frame(b'{"a":1}')
