"""Files of the state directory that are replaced as a whole.

A reader, or a gateway that starts after a crash, finds the old or the new.
"""

import os
from pathlib import Path


def replace(file: Path, content: bytes) -> None:
    """Write a file in one step, synced before it takes the old one's place; OSError if that can't be done."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
