"""Where a gateway would live: its state directory and its ports, and who is there already."""

import errno
import os
import shutil
import socket
import tempfile
from pathlib import Path

from fastgate.config import Config
from fastgate.config.addresses import split_address
from fastgate.doctor.findings import Finding, fail, ok, warn
from fastgate.errors import StateInUse
from fastgate.state_lock import check_free

FREE_WARN_BYTES = 2 * 10**9
FREE_FAIL_BYTES = 200 * 10**6


def check_place(config: Config) -> list[Finding]:
    """State directory, lock and ports; a gateway that runs here already is no failure."""
    server = config.settings.server
    directory = Path(config.resolve(server.state_dir))
    found = [*_disk(directory)]
    is_running = False
    try:
        check_free(str(directory))
        found.append(ok("lock", str(directory), "free"))
    except StateInUse as error:
        is_running = True
        process = f" (process {error.process})" if error.process else ""
        found.append(ok("lock", str(directory), f"held by a gateway that is running{process}"))
    listeners = [("server.listen", server.listen)]
    if server.admin != "off":
        listeners.append(("server.admin", server.admin))
    return found + [_port(setting, address, is_running) for setting, address in listeners]


def _disk(directory: Path) -> list[Finding]:
    subject = str(directory)
    there = next((place for place in (directory, *directory.absolute().parents) if place.exists()), Path("/"))
    try:
        if there == directory:
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(b"\0")
        elif not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"can't be made in {there}")
        usage = shutil.disk_usage(there)
    except OSError as error:
        advice = "set server.state_dir to a directory that this user may write to, on a local disk"
        return [fail("disk", subject, f"can't be written: {error.strerror}", advice)]
    state = "writable" if there == directory else f"will be made in {there}"
    message = f"{state}, {usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} GB"
    advice = "make room, or put server.state_dir on a larger disk: records are written there"
    if usage.free < FREE_FAIL_BYTES:
        return [fail("disk", subject, message, advice)]
    if usage.free < FREE_WARN_BYTES:
        return [warn("disk", subject, message, advice)]
    return [ok("disk", subject, message)]


def _port(setting: str, address: str, is_running: bool) -> Finding:
    subject = f"{setting} {address}"
    parts = split_address(address)
    assert parts is not None  # the configuration was checked
    host, port = parts[0].strip("[]"), parts[1]
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and is_running:
            return ok("port", subject, "in use, as the gateway that is running wants it")
        if error.errno == errno.EADDRINUSE:
            advice = f"find out who has it (ss -ltnp 'sport = :{port}'), or choose another port"
            return fail("port", subject, "taken by another program", advice)
        if error.errno == errno.EACCES:
            advice = "choose a port from 1024 on, or give the program CAP_NET_BIND_SERVICE"
            return fail("port", subject, "this user may not listen there", advice)
        advice = "name an address of this machine (ip address), or 0.0.0.0 for all"
        return fail("port", subject, f"can't be listened on: {error.strerror}", advice)
    return ok("port", subject, "free")
