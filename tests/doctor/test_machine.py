"""Limits of the kernel and of the container, from files that tests write."""

import resource
from pathlib import Path

import pytest

from fastgate.config.settings import Server
from fastgate.doctor.machine import check_limits

WELL = {
    "proc/sys/net/core/somaxconn": "4096\n",
    "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "sys/fs/cgroup/memory.max": "max\n",
    "sys/fs/cgroup/cpu.max": "400000 100000\n",
}


def look(root: Path, files: dict[str, str]) -> dict[str, tuple[str, str]]:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = check_limits(Server(threads=4), root)
    return {finding.subject: (str(finding.severity), finding.message) for finding in found}


def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert {severity for severity, _ in look(tmp_path, WELL).values()} == {"ok"}


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert set(look(tmp_path, {})) == {"open files", "CPUs"}


@pytest.mark.parametrize(
    ("file", "text", "subject", "said"),
    [
        ("proc/sys/net/core/somaxconn", "128", "accept queue", "128"),
        ("proc/sys/net/ipv4/ip_local_port_range", "60000 60999", "ephemeral ports", "1000"),
        ("sys/fs/cgroup/memory.max", str(64 * 2**20), "memory", "64 MiB"),
        ("sys/fs/cgroup/cpu.max", "150000 100000", "CPUs", "4 I/O threads share 1.5 CPUs"),
    ],
)
def test_what_is_short_is_told(tmp_path: Path, file: str, text: str, subject: str, said: str) -> None:
    severity, message = look(tmp_path, {**WELL, file: text})[subject]
    assert severity == "warn"
    assert said in message


def test_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert look(tmp_path, WELL)["open files"][0] == "warn"
