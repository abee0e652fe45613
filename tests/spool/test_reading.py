"""`SpoolReader` and `check_spool` against the format in plain Python."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.blackbox.waiting import until
from tests.reference.spool import damaged, frame, intact_records

from fastgate._core import Engine, SpoolReader, check_spool
from fastgate.config import compile_tables, load_text

PAYLOADS = st.lists(st.text(max_size=60).map(str.encode), max_size=12)
DAMAGE = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=4)


def records(directory: Path, since_unix_s: int | None = None) -> list[bytes]:
    reader = SpoolReader(directory, since_unix_s=since_unix_s)
    return [payload for payloads, _ in reader for payload in payloads]


@given(PAYLOADS, DAMAGE, st.integers(0, 10_000))
def test_whatever_is_damaged_both_readers_find_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    payloads: list[bytes],
    damage: list[tuple[int, int]],
    cut: int,
) -> None:
    data = damaged(payloads, damage, cut)
    directory = tmp_path_factory.mktemp("spool")
    (directory / "1-1-0-0.open").write_bytes(data)
    found = records(directory)
    assert found == intact_records(data)
    report = check_spool(directory)
    lost = sum(length for _, _, length, _, _ in report["problems"])
    assert report["records"] == len(found)
    assert lost + sum(16 + len(payload) for payload in found) == len(data), "every byte is accounted for"


def test_segments_come_in_the_order_they_began_and_old_ones_can_be_left_out(tmp_path: Path) -> None:
    for name, payload, modified in (("20-1-0-0.open", b"young", 2000), ("10-1-0-0.spool", b"old", 1000)):
        (tmp_path / name).write_bytes(frame(payload))
        os.utime(tmp_path / name, (modified, modified))
    assert records(tmp_path) == [b"old", b"young"]
    assert records(tmp_path, since_unix_s=1000) == [b"old", b"young"]
    assert records(tmp_path, since_unix_s=1001) == [b"young"]


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        SpoolReader(tmp_path / "none")
    with pytest.raises(OSError, match="No such file"):
        check_spool(tmp_path / "none")


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[[str], Engine]:
    """Makes engines whose state directory is `tmp_path`."""

    def make(text: str) -> Engine:
        tables = compile_tables(load_text(text, {"OPENAI_API_KEY": "k"}))
        return Engine(tables, state_dir=tmp_path)

    return make


def test_an_engine_adopts_and_compresses_what_a_dead_one_left(
    tmp_path: Path, make_engine: Callable[[str], Engine]
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    payloads = [json.dumps({"id": str(number)}).encode() for number in range(500)]
    data = b"".join(map(frame, payloads))
    (spool / "1000-1-0-000000.open").write_bytes(data[:-3])
    assert [problem[-1] for problem in check_spool(spool)["problems"]] == [True]
    engine = make_engine("")
    until(lambda: [path.suffix for path in spool.iterdir()] == [".zst"], "the segment is compressed")
    assert records(spool) == payloads[:-1]
    report = check_spool(spool)
    assert (report["records"], report["problems"], report["duplicates"]) == (499, [], 0)
    ((is_warning, text),) = engine.take_notices()
    assert not is_warning
    assert "499 records" in text
    assert engine.take_notices() == []
    assert (next(spool.iterdir()).stat().st_mode & 0o777) == 0o600


def is_alarmed(engine: Engine) -> bool:
    status = engine.spool_status()
    return status is not None and status["is_alarmed"]


def test_the_settings_in_force_decide_about_alarms(
    tmp_path: Path, make_engine: Callable[[str], Engine]
) -> None:
    engine = make_engine("")
    status = engine.spool_status()
    assert status is not None
    assert status["free_bytes"] > 0
    assert (status["records"], status["write_failures"], status["is_alarmed"]) == (0, 0, False)
    tables = compile_tables(load_text('[spool]\nfree_space_floor = "1024GiB"\n', {"OPENAI_API_KEY": "k"}))
    engine.reload(tables.replace(b"1099511627776", b"9" * 18))
    until(lambda: is_alarmed(engine), "the floor is above what is free")
    ((is_warning, text),) = engine.take_notices()
    assert is_warning
    assert "spool.free_space_floor" in text


def test_without_a_state_directory_there_is_no_spool() -> None:
    engine = Engine(compile_tables(load_text("", {"OPENAI_API_KEY": "k"})))
    assert engine.spool_status() is None
    assert engine.take_notices() == []


def test_a_directory_that_can_not_be_used_refuses_to_start(
    tmp_path: Path, make_engine: Callable[[str], Engine]
) -> None:
    (tmp_path / "spool").write_text("a file")
    with pytest.raises(ValueError, match=r"the spool .* can't be used"):
        make_engine("")
