"""The state directory and the ports, free and taken."""

import os
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest
from tests.blackbox.gateway import free_port

from fastgate.config import load_text
from fastgate.doctor.findings import Finding
from fastgate.doctor.place import check_place
from fastgate.state_lock import StateLock

Usage = namedtuple("Usage", "total used free")


def look(state_dir: Path, listen: str | None = None) -> dict[str, Finding]:
    text = (
        f'[server]\nlisten = "{listen or f"127.0.0.1:{free_port()}"}"\nadmin = "off"\n'
        f'state_dir = "{state_dir}"\n[providers.x]\nbase_url = "http://127.0.0.1:9"\n'
    )
    return {finding.check: finding for finding in check_place(load_text(text, {}))}


def test_a_directory_that_is_yet_to_be_made_is_not_made(tmp_path: Path) -> None:
    found = look(tmp_path / "a" / "b")
    assert {str(finding.severity) for finding in found.values()} == {"ok"}
    assert f"will be made in {tmp_path}" in found["disk"].message
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cant_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert look(tmp_path / "file" / "state")["disk"].severity == "fail"
    assert look(tmp_path / "file")["disk"].severity == "fail"


@pytest.mark.parametrize(("free", "severity"), [(10**8, "fail"), (10**9, "warn"), (10**10, "ok")])
def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, severity: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**11, 0, free))
    assert look(tmp_path)["disk"].severity == severity
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert look(tmp_path, address)["port"].message == "taken by another program"
        with StateLock(str(tmp_path)):
            found = look(tmp_path, address)
    assert found["port"].severity == "ok"
    assert found["lock"].message == f"held by a gateway that is running (process {os.getpid()})"
    assert look(tmp_path)["lock"].message == "free"
