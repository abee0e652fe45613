"""`python -m fastgate.drills.report STATE_DIRECTORY ID NOW_UNIX_MS`: from the spool to a drill's report.

A process of its own, started by the gateway, at low priority.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from fastgate._core import SpoolReader
from fastgate.drills.comparison import Comparison, Record, Typed
from fastgate.drills.keeping import Folder, Kept
from fastgate.state_files import replace

VERSION = 1
NICENESS = 10


def make(state_dir: Path, kept: Kept, now_unix_ms: int) -> dict[str, Any]:
    """The report on a drill as of now.

    Raises:
        OSError: The spool can't be read.
    """
    drill = kept.drill
    ended_unix_ms = kept.ended_unix_ms or min(now_unix_ms, drill.ends_unix_ms)
    comparison = Comparison(drill, ended_unix_ms)
    decode = msgspec.json.Decoder(Record).decode
    decode_typed = msgspec.json.Decoder(Typed).decode
    unreadable = 0
    since_s = max(0, comparison.since_us // 1_000_000)
    for payloads, problems in SpoolReader(state_dir / "spool", since_unix_s=since_s):
        unreadable += sum(not is_torn for *_, is_torn in problems)
        for payload in payloads:
            try:
                comparison.add(decode(payload))
            except msgspec.MsgspecError:
                try:
                    decode_typed(payload)
                except msgspec.MsgspecError:
                    unreadable += 1
    return {
        "v": VERSION,
        "drill": drill.shown(),
        "state": kept.state,
        "why": kept.why,
        "ended_unix_ms": ended_unix_ms,
        "made_unix_ms": now_unix_ms,
        "is_final": kept.state != "running",
        "unreadable_records": unreadable,
        **comparison.shown(),
    }


def main(arguments: list[str]) -> int:
    """Write the report; 1 with the reason on stderr if that can't be done."""
    os.nice(NICENESS)
    state_dir, drill_id, now_unix_ms = Path(arguments[0]), arguments[1], int(arguments[2])
    folder = Folder(state_dir)
    kept = folder.read(drill_id)
    if kept is None:
        print(f"there is no drill {drill_id}", file=sys.stderr)
        return 1
    try:
        replace(folder.report(drill_id), msgspec.json.encode(make(state_dir, kept, now_unix_ms)))
    except OSError as error:
        print(f"{error.filename or state_dir}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
