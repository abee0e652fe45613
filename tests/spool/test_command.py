"""`fastgate spool cat` and `fastgate spool check`."""

import json
from pathlib import Path

import pytest
from tests.reference.spool import frame

from fastgate.cli import main


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = tmp_path / "state" / "spool"
    directory.mkdir(parents=True)
    return directory


def run(*arguments: str) -> int:
    try:
        return main(["spool", *arguments])
    except SystemExit as end:
        return int(end.code or 0)


def fill(spool: Path, *records: object, name: str = "1000-1-0-000000.open") -> bytes:
    data = b"".join(frame(json.dumps(record).encode()) for record in records)
    (spool / name).write_bytes(data)
    return data


def test_cat_prints_a_line_for_each_record(spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(spool, {"id": "2"}, name="2000-1-0-000000.open")
    (spool / "1000-1-0-000000.spool").write_bytes(frame('{"id":\n"☃"}'.encode()))
    assert run("cat", "--state-dir", str(spool.parent)) == 0
    printed = capfd.readouterr()
    assert printed.out == '{"id": "☃"}\n{"id": "2"}\n'
    assert printed.err == ""


def test_cat_goes_on_behind_damage_and_says_where_it_was(
    spool: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(fill(spool, {"id": "1"}, {"id": "2"}))
    data[20] ^= 1
    (spool / "1000-1-0-000000.open").write_bytes(data)
    assert run("cat", "--state-dir", str(spool.parent)) == 1
    printed = capfd.readouterr()
    assert printed.out == '{"id": "2"}\n'
    assert printed.err == "segment 1000-1-0-000000 at 0: damaged payload, 27 bytes\n"


def test_the_directory_is_the_configurations(
    spool: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(spool, {"id": "1"})
    file = spool.parents[1] / "gateway.toml"
    file.write_text('[providers.openai]\napi_key = "k"\n')
    monkeypatch.chdir("/")
    assert run("cat", "-c", str(file)) == 0
    assert capfd.readouterr().out == '{"id": "1"}\n'


def test_since_takes_an_age_or_a_moment(spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(spool, {"id": "1"}, name="1000-1-0-000000.spool")
    for since, printed in (("1h", '{"id": "1"}\n'), ("2020-01-01", '{"id": "1"}\n'), ("2999-01-01", "")):
        assert run("cat", "--state-dir", str(spool.parent), "--since", since) == 0
        assert capfd.readouterr().out == printed
    assert run("cat", "--since", "yesterday") == 2
    assert "must be" in capfd.readouterr().err


def test_check_counts_and_accepts_a_torn_tail(spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = fill(spool, {"id": "a"}, {"id": "b"}, {"id": "a"}, {"no": "id"}, {"id": "torn"})
    (spool / "1000-1-0-000000.open").write_bytes(data[:-1])
    assert run("check", "--state-dir", str(spool.parent)) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == f"{spool}: ok"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["segments", "1"],
        ["records", "4"],
        ["duplicates", "1"],
        ["a"],
        ["without", "id"],
        ["torn", "tails"],
        ["damaged", "0"],
        ["segment", "1000-1-0-000000"],
    ]
    assert "torn tail, 29 bytes" in lines[-1]


def test_a_reservation_has_the_id_of_its_exchange(spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    held = {"type": "reservation", "id": "a"}
    fill(spool, held, {"id": "a"}, held)
    assert run("check", "--state-dir", str(spool.parent)) == 0
    lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert ["duplicates", "1"] in lines


def test_check_fails_on_damage(spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(spool, {"id": "a"})
    (spool / "2000-1-0-000000.spool.zst").write_bytes(b"no zstd")
    assert run("check", "--state-dir", str(spool.parent)) == 1
    printed = capfd.readouterr().out
    assert f"{spool}: damaged" in printed
    assert "segment 2000-1-0-000000 at 0: unreadable from here" in printed


def test_no_spool_is_said_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for action in ("cat", "check"):
        assert run(action, "--state-dir", str(tmp_path)) == 1
        assert "can't read the spool" in capfd.readouterr().err
