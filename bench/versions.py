"""What a run ran on: machine, kernel, versions. A figure without these means nothing."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from bench import peers

PACKAGES = ("fastgate", "uvicorn", "granian", "uvloop", "httptools")


def first_line(argv: list[str]) -> str:
    """The first line a program prints, on either stream; empty where it is not installed."""
    if not shutil.which(argv[0]):
        return ""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    return ((done.stdout or done.stderr).strip().splitlines() or [""])[0]


def cpu_model(cpuinfo: str) -> str:
    """`model name` of `/proc/cpuinfo`, with family and model, since virtual machines shorten the name."""
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", cpuinfo, re.MULTILINE))
    name = fields.get("model name", platform.machine())
    return (
        f"{name} (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else name
    )


def versions() -> dict[str, str]:
    """Name to version of everything that took part."""
    found = {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cpus": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "nginx": first_line(["nginx", "-v"]).removeprefix("nginx version: "),
        "wrk": first_line(["wrk", "-v"]).split(" [")[0],
        "commit": first_line(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]),
        "python build": sys.version.split("[")[-1].rstrip("]"),
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found.update(peers.versions())
    if "portkey" in found:
        found["node"] = first_line(["node", "--version"])
    return {name: value for name, value in found.items() if value}
