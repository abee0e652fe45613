"""One target before one upstream, for programs that look at one thing only (balance, soak)."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.instance import Instance
from bench.options import Options
from bench.processes import BenchError
from bench.runner import Run
from bench.upstream import Upstream


@contextlib.contextmanager
def alone(name: str, options: Options) -> Iterator[tuple[Instance, Upstream]]:
    """Start upstream and target, yield them, stop both."""
    affinity = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="fastgate-bench-") as place, contextlib.ExitStack() as cleanup:
        run = Run(replace(options, targets=(name,)), Path(place))
        cleanup.callback(os.sched_setaffinity, 0, affinity)
        cleanup.callback(run.stop)
        run.start()
        if name not in run.instances:
            raise BenchError(run.results.failures[0].message)
        yield run.instances[name], run.upstream
