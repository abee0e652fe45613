"""The machine: clock aside, what a gateway takes from it. `root` stands in for `/` where files tell.

Sources: proc(5), cgroup v2 (kernel documentation, admin-guide/cgroup-v2).
"""

import os
import resource
from pathlib import Path

from fastgate.config.settings import Server
from fastgate.doctor.findings import Finding, ok, warn

CHECK = "limits"
OPEN_FILES = 10_240
BACKLOG = 1024
EPHEMERAL_PORTS = 16_384
MEMORY_BYTES = 128 * 2**20
_MIB = 2**20


def check_limits(server: Server, root: Path = Path("/")) -> list[Finding]:
    """What the kernel and the container allow."""
    return [
        _open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *_backlog(root),
        *_ephemeral_ports(root),
        *_memory(root),
        *_cpus(server, root),
    ]


def _open_files(soft: int) -> Finding:
    unlimited = soft == resource.RLIM_INFINITY
    if unlimited or soft >= OPEN_FILES:
        return ok(CHECK, "open files", "unlimited" if unlimited else f"{soft}")
    return warn(
        CHECK,
        "open files",
        f"{soft}: clients and calls to providers take one each, so {soft // 2} requests at once fit",
        "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit",
    )


def _backlog(root: Path) -> list[Finding]:
    value = _number(root / "proc/sys/net/core/somaxconn")
    if value is None:
        return []
    if value >= BACKLOG:
        return [ok(CHECK, "accept queue", f"net.core.somaxconn is {value}")]
    message = f"net.core.somaxconn is {value}: bursts of new connections beyond it are dropped"
    return [warn(CHECK, "accept queue", message, "sysctl -w net.core.somaxconn=4096")]


def _ephemeral_ports(root: Path) -> list[Finding]:
    try:
        first, last = (root / "proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
        count = int(last) - int(first) + 1
    except (OSError, ValueError):
        return []
    if count >= EPHEMERAL_PORTS:
        return [ok(CHECK, "ephemeral ports", f"{count}")]
    message = f"{count}: at most so many connections to one address of a provider"
    return [warn(CHECK, "ephemeral ports", message, "sysctl -w net.ipv4.ip_local_port_range='10240 65535'")]


def _memory(root: Path) -> list[Finding]:
    limit = _number(root / "sys/fs/cgroup/memory.max")
    if limit is None:
        return []
    if limit >= MEMORY_BYTES:
        return [ok(CHECK, "memory", f"{limit // _MIB} MiB in this container")]
    message = f"{limit // _MIB} MiB in this container: large bodies and many streams may end the process"
    return [warn(CHECK, "memory", message, f"give it {MEMORY_BYTES // _MIB} MiB or more")]


def _cpus(server: Server, root: Path) -> list[Finding]:
    threads = server.threads or len(os.sched_getaffinity(0))
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cpus = int(quota) / int(period)
    except (OSError, ValueError):
        cpus = float(len(os.sched_getaffinity(0)))
    if threads <= max(1.0, cpus):
        return [ok(CHECK, "CPUs", f"{cpus:g} for {threads} I/O threads")]
    message = f"{threads} I/O threads share {cpus:g} CPUs: they are throttled, up to 100 ms at a time"
    return [warn(CHECK, "CPUs", message, f"set server.threads = {max(1, int(cpus))}, or allow more CPUs")]


def _number(file: Path) -> int | None:
    """A file's one number; None if there is none, as where `max` says that there is no limit."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
