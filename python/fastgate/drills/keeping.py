"""Drills on disk, one file each in `drills` of the state directory: a restart goes on where it was."""

import hashlib
import logging
from pathlib import Path
from urllib.parse import quote

import msgspec

from fastgate.config.resilience_settings import DRILL_REPORT_SUFFIX
from fastgate.drills.drill import Counts, Drill, State
from fastgate.state_files import replace

FOLDER = "drills"
VERSION = 1
# Older ones stay on disk and can be reported on by their id.
KEPT_IN_MEMORY = 100
_LONGEST_NAME = 200
_REPORT = f"{DRILL_REPORT_SUFFIX}.json"

logger = logging.getLogger("fastgate.drills")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A drill and what has become of it."""

    v: int = VERSION
    drill: Drill
    state: State
    ended_unix_ms: int | None = None
    why: str | None = None
    """Why it is over, in words."""
    counts: Counts = Counts()
    began: bool = True
    """False for one that was stopped before its time came."""


class Folder:
    """The files of one gateway's drills."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FOLDER

    def write(self, kept: Kept) -> None:
        """Keep a drill's state; OSError if that can't be done."""
        replace(self.path / f"{file_name(kept.drill.id)}.json", msgspec.json.encode(kept))

    def remove(self, drill_id: str) -> None:
        """Forget a drill that did not come to be."""
        (self.path / f"{file_name(drill_id)}.json").unlink(missing_ok=True)

    def read(self, drill_id: str) -> Kept | None:
        """A drill by its id; None if there is none, or its file can't be understood."""
        return _read(self.path / f"{file_name(drill_id)}.json")

    def read_all(self) -> list[Kept]:
        """Every drill that is running, and the newest of those that are over."""
        files = [file for file in self.path.glob("*.json") if not file.name.endswith(_REPORT)]
        found = [kept for kept in map(_read, files) if kept is not None]
        found.sort(key=lambda kept: kept.drill.starts_unix_ms)
        running = [kept for kept in found if kept.state == "running"]
        return [kept for kept in found if kept.state != "running"][-KEPT_IN_MEMORY:] + running

    def report(self, drill_id: str) -> Path:
        """Where a drill's report is, or will be."""
        return self.path / f"{file_name(drill_id)}{_REPORT}"


def file_name(drill_id: str) -> str:
    """An id as a file's name: nothing in it leads to another folder."""
    name = quote(drill_id, safe="")
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(drill_id.encode()).hexdigest()


def _read(file: Path) -> Kept | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        logger.error("drill %s can't be read and is left alone: %s", file, error)
        return None
