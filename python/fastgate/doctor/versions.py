"""What is installed, and how the extension was built."""

import importlib.metadata
import platform

import fastgate
from fastgate import _core
from fastgate.doctor.findings import Finding, fail, ok, warn

CHECK = "versions"
DEPENDENCIES = ("granian", "msgspec", "uvloop")


def check_versions() -> list[Finding]:
    """Versions of the package, its extension, Python, and what the ASGI door runs on."""
    found = [_extension(_core.__version__, _core.__profile__)]
    python = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.platform(terse=True)}"
    )
    found.append(ok(CHECK, "python", python))
    for name in DEPENDENCIES:
        try:
            found.append(ok(CHECK, name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append(warn(CHECK, name, "is not installed", "pip install --force-reinstall fastgate"))
    return found


def _extension(version: str, profile: str) -> Finding:
    said = f"{fastgate.__version__}, extension {version} ({profile} build)"
    if version != fastgate.__version__:
        return fail(CHECK, "fastgate", said, "install it again: package and extension are of two versions")
    if profile != "release":
        return warn(CHECK, "fastgate", said, "make build: this one is made for tests and is slower")
    return ok(CHECK, "fastgate", said)
