"""Following a spool: its segments, and what has been written to them behind a position (docs/spool.md).

A position is an offset in the segment before compression, so it outlives the renames. Of an open segment
nothing is skipped at its end: what looks like damage there may be a record that is being written.
"""

import struct
import tempfile
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TypeAlias

import msgspec

from fastgate._core import SpoolReader

STAGES = (".open", ".spool", ".spool.zst")
_OPEN, _COMPRESSED = 0, 2
MAGIC = b"\xfffgr"
_HEADER = struct.Struct("<4sBBHII")
_VERSION, _JSON = 1, 1
_SEED = zlib.crc32(bytes([_VERSION, _JSON]))
_PAYLOAD_MAX_BYTES = 16 << 20
CHUNK_BYTES = 1 << 22

Problem: TypeAlias = tuple[int, int, str]
"""A place without a record: offset, length, what is wrong."""


class Segment(msgspec.Struct, frozen=True, order=True):
    """One file of a spool."""

    began_unix_ms: int
    name: str
    stage: int


class Chunk(msgspec.Struct):
    """Records that stand one behind the other."""

    payloads: list[bytes]
    problems: list[Problem]
    offset: int
    """Behind the last of them."""
    is_done: bool = False
    """Nothing will ever follow."""


def segments(directory: Path) -> list[Segment]:
    """Every segment once, in its latest stage, the oldest first.

    Raises:
        OSError: The directory can't be read; FileNotFoundError if there is none.
    """
    found: dict[str, Segment] = {}
    for path in directory.iterdir():
        segment = _parse(path.name)
        if segment is not None and (segment.name not in found or found[segment.name].stage < segment.stage):
            found[segment.name] = segment
    return sorted(found.values())


def read(directory: Path, segment: Segment, offset: int) -> Iterator[Chunk]:
    """What stands behind `offset` by now, in chunks of a few megabytes; nothing if there is nothing new.

    Raises:
        OSError: The segment can't be read, other than that it is gone.
    """
    for stage in range(segment.stage, len(STAGES)):
        path = directory / f"{segment.name}{STAGES[stage]}"
        try:
            if stage == _COMPRESSED:
                if path.exists():
                    yield from _read_compressed(path, offset)
                return
            yield from _read_plain(path, offset, is_open=stage == _OPEN)
        except FileNotFoundError:
            # It has got on since it was looked for.
            continue
        return


def frame(payload: bytes) -> bytes:
    """A record as it stands in a segment."""
    payload_check = zlib.crc32(payload)
    check = _check(struct.pack("<II", len(payload), payload_check))
    return _HEADER.pack(MAGIC, _VERSION, _JSON, check, len(payload), payload_check) + payload


def _read_plain(path: Path, offset: int, *, is_open: bool) -> Iterator[Chunk]:
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        wanted = CHUNK_BYTES
        # Room for more records is zeros: not worth a megabyte each time one looks.
        if is_open and not file.read(len(MAGIC)).strip(b"\0"):
            return
        file.seek(offset)
        while True:
            data = _read_fully(file, wanted)
            is_at_end = len(data) < wanted
            payloads, problems, length = scan(data, offset, is_at_end=is_at_end, is_open=is_open)
            offset += length
            if length or (is_at_end and not is_open):
                yield Chunk(payloads, problems, offset, is_done=is_at_end and not is_open)
            if is_at_end:
                return
            # A record, or damage, that is longer than a chunk.
            wanted = CHUNK_BYTES if length else wanted * 2
            file.seek(offset)


def _read_fully(file: FileIO, wanted: int) -> bytes:
    parts = []
    while wanted > 0 and (part := file.read(wanted)):
        parts.append(part)
        wanted -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def scan(
    data: bytes, start: int, *, is_at_end: bool, is_open: bool
) -> tuple[list[bytes], list[Problem], int]:
    """Records of some bytes of a segment, places without one, and the length of both.

    Args:
        data: The bytes.
        start: Where they begin in the segment.
        is_at_end: Nothing follows them at the moment.
        is_open: Something may follow later, also in place of zeros.
    """
    payloads, problems = list[bytes](), list[Problem]()
    place, end, header = 0, len(data), _HEADER.size
    while place < end:
        fault = "no record"
        if end - place >= header:
            magic, version, kind, check, length, payload_check = _HEADER.unpack_from(data, place)
            if magic == MAGIC:
                fault = "damaged header"
                is_known = version == _VERSION and kind == _JSON
                seed = _SEED if is_known else zlib.crc32(data[place + 4 : place + 6])
                covered = data[place + 8 : place + header]
                if check == _check(covered, seed) and length <= _PAYLOAD_MAX_BYTES:
                    payload = data[place + header : place + header + length]
                    whole = place + header + length
                    if len(payload) == length and zlib.crc32(payload) == payload_check:
                        if is_known:
                            payloads.append(payload)
                        else:
                            problems.append((start + place, whole - place, "unknown version"))
                        place = whole
                        continue
                    fault = "damaged payload" if len(payload) == length else "torn tail"
        # What a mapped segment shows is no one moment of it: a page that was copied early may lack a record
        # that later ones have others behind. Its magic is written last, so it is no damage.
        if is_open and not data[place : place + len(MAGIC)].strip(b"\0"):
            break
        following = data.find(MAGIC, place + 1)
        if following < 0:
            if is_open or not is_at_end:
                break
            following = end
        elif fault == "torn tail":
            fault = "damaged payload"
        problems.append((start + place, following - place, fault))
        place = following
    return payloads, problems, place


def _read_compressed(path: Path, offset: int) -> Iterator[Chunk]:
    """Through the extension, which finds segments in a directory: one with a link to this one only."""
    with tempfile.TemporaryDirectory(prefix="fastgate-") as folder:
        (Path(folder) / path.name).symlink_to(path.absolute())
        reached = 0
        for payloads, found in SpoolReader(folder):
            chunk = Chunk([], [], reached)
            waiting = iter(found)
            problem = next(waiting, None)
            for payload in [*payloads, None]:
                while problem is not None and (problem[1] == chunk.offset or payload is None):
                    _, at, length, fault, _ = problem
                    if at >= offset:
                        chunk.problems.append((at, length, fault))
                    chunk.offset = at + length
                    problem = next(waiting, None)
                if payload is not None:
                    if chunk.offset >= offset:
                        chunk.payloads.append(payload)
                    chunk.offset += _HEADER.size + len(payload)
            reached = chunk.offset
            if reached > offset or chunk.problems:
                yield chunk
        yield Chunk([], [], max(reached, offset), is_done=True)


def _parse(file_name: str) -> Segment | None:
    name, dot, extension = file_name.partition(".")
    parts = name.split("-")
    if f"{dot}{extension}" not in STAGES or len(parts) != 4 or not all(map(_is_digits, parts)):
        return None
    return Segment(int(parts[0]), name, STAGES.index(f"{dot}{extension}"))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _check(covered: bytes, seed: int = _SEED) -> int:
    """The check of a header: of version and kind (`seed`), then length and payload check (`covered`)."""
    check = zlib.crc32(covered, seed)
    return check >> 16 ^ check & 0xFFFF
