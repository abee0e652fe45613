"""`python -m bench`: run, report, exit 1 when anything was lost, doubled or wrong, or a compared bar does not
hold.
"""

import datetime
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from bench import bars, report
from bench.figures import figures
from bench.options import HERE, parse
from bench.processes import BenchError
from bench.runner import Run
from bench.versions import versions


def newest_wheel_bytes() -> int | None:
    """Size of the wheel that `make wheel` left; None where there is none."""
    wheels = sorted((HERE.parent / "dist").glob("fastgate-*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return wheels[-1].stat().st_size if wheels else None


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that everything started is stopped."""
    raise SystemExit(143)


def main() -> int:
    """Run the bench; the exit status."""
    options = parse()
    signal.signal(signal.SIGTERM, _end)
    missing = [tool for tool in ("wrk", "nginx") if not shutil.which(tool)]
    if missing:
        print(
            f"not installed: {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}",
            file=sys.stderr,
        )
        return 2
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    directory = Path(tempfile.mkdtemp(prefix="fastgate-bench-"))
    try:
        results = Run(options, directory).run()
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if options.keep:
            print(f"configs and logs are in {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    results.wheel_bytes = newest_wheel_bytes()
    found = figures(results)
    verdicts = bars.compare(found, options.compare_bars) if options.compare_bars else []
    path = report.write(Path(options.output), found, results, options, versions(), verdicts, when)
    print(path.read_text())
    print(f"written to {path} and {path.with_suffix('.json').name}", file=sys.stderr)
    errors = sum(values.get(bars.ERRORS) or 0 for values in found.values())
    return int(errors > 0 or bool(results.failures) or any(not verdict.holds for verdict in verdicts))


if __name__ == "__main__":
    raise SystemExit(main())
