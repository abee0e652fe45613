"""Memory of a gateway's processes, from /proc."""

import os
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LOADER = b"fastgate.billing.ledger.child"


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of the tree but for the ledger's loader; pages that processes share count in each."""
    serving = [
        process for process in tree(pid) if LOADER not in Path(f"/proc/{process}/cmdline").read_bytes()
    ]
    return sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_BYTES for process in serving)
