"""The spool's format in plain Python: the oracle of `fastgate._core.SpoolReader`."""

import struct
import zlib

MAGIC = b"\xfffgr"
HEADER = struct.Struct("<4sBBHII")
VERSION = 1
JSON = 1


def frame(payload: bytes) -> bytes:
    """One record. ValueError for a payload with the byte FF, which no UTF-8 text has."""
    if b"\xff" in payload:
        raise ValueError("a payload is text")
    crc = zlib.crc32(payload)
    check = _check(VERSION, JSON, len(payload), crc)
    return HEADER.pack(MAGIC, VERSION, JSON, check, len(payload), crc) + payload


def damaged(payloads: list[bytes], damage: list[tuple[int, int]], cut: int) -> bytes:
    """Records one behind the other, with flipped bits, and for every third `cut` without an end."""
    data = bytearray(b"".join(map(frame, payloads)))
    for at, mask in damage:
        if data:
            data[at % len(data)] ^= mask
    if cut % 3 == 0:
        del data[cut % (len(data) + 1) :]
    return bytes(data)


def intact_records(data: bytes) -> list[bytes]:
    """Every payload that stands whole in `data`, by trying each place where a record might begin."""
    found = []
    end = 0
    for start in range(len(data) - HEADER.size + 1):
        magic, version, kind, check, length, crc = HEADER.unpack_from(data, start)
        payload = data[start + HEADER.size : start + HEADER.size + length]
        if (
            start >= end
            and magic == MAGIC
            and (version, kind) == (VERSION, JSON)
            and check == _check(version, kind, length, crc)
            and len(payload) == length
            and crc == zlib.crc32(payload)
        ):
            found.append(payload)
            end = start + HEADER.size + length
    return found


def _check(version: int, kind: int, length: int, crc: int) -> int:
    covered = zlib.crc32(struct.pack("<BBII", version, kind, length, crc))
    return covered >> 16 ^ covered & 0xFFFF
