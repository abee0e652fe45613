"""Files that are replaced in one step: never in part, and nothing is left beside them."""

from pathlib import Path

import pytest

from fastgate import state_files


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "limits" / "raises.json"
    for content in (b"one", b"", b"three"):
        state_files.replace(file, content)
        assert file.read_bytes() == content
    assert [each.name for each in file.parent.iterdir()] == ["raises.json"]


def test_what_is_there_stays_if_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "raises.json"
    state_files.replace(file, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        state_files.replace(file, b"new")
    assert file.read_bytes() == b"old"
