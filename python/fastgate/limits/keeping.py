"""Raises on disk: one file in `limits` of the state directory, replaced in one step."""

import logging
from pathlib import Path

import msgspec

from fastgate.limits.raises import Raise
from fastgate.state_files import replace

VERSION = 1
FOLDER = "limits"
FILE = "raises.json"

logger = logging.getLogger("fastgate.limits")


class Over(msgspec.Struct, frozen=True):
    """A raise that is over."""

    raised: Raise
    ended_unix_ms: int
    why: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to keep."""

    v: int = VERSION
    raises: tuple[Raise, ...] = ()
    """Those in force."""
    over: tuple[Over, ...] = ()
    """The newest of those that are over, the newest last."""


class Keeper:
    """The file of one gateway's raises."""

    def __init__(self, state_dir: Path) -> None:
        self.file = state_dir / FOLDER / FILE

    def write(self, kept: Kept) -> None:
        """Keep this in place of what was kept; OSError if that can't be done."""
        replace(self.file, msgspec.json.encode(kept))

    def read(self) -> Kept:
        """What was kept; nothing if there is no file. One that can't be understood is put aside."""
        try:
            kept = msgspec.json.decode(self.file.read_bytes(), type=Kept)
            if kept.v != VERSION:
                raise msgspec.ValidationError(f"version {kept.v} is of another fastgate")
        except FileNotFoundError:
            return Kept()
        except (OSError, msgspec.MsgspecError) as error:
            aside = self.file.with_name(f"{FILE}.unreadable")
            logger.error("raises of limits can't be read and are lost; see %s: %s", aside, error)
            try:
                self.file.replace(aside)
            except OSError as failed:
                logger.error("%s can't be put aside: %s", self.file, failed)
            return Kept()
        return kept
