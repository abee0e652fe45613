"""wrk (https://github.com/wg/wrk): the script it is given and the line it prints back.

The script defines no `request` function, so wrk builds the request once and Lua costs nothing per request.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.payload import Request
from bench.processes import BenchError, pinned

MARK = "bench-json "

DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'MARK{"requests":%d,"duration_us":%d,"bytes":%d,"status":%d,"connect":%d,"read":%d,"write":%d,'
    .. '"timeout":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d}\\n',
    summary.requests, summary.duration, summary.bytes, e.status, e.connect, e.read, e.write,
    e.timeout, latency:percentile(50.0), latency:percentile(99.0), latency:percentile(99.9), latency.max))
end
""".replace("MARK", MARK)


@dataclass(frozen=True)
class WrkResult:
    """One run; `bad_status` counts replies above 399, `socket_errors` connect, read, write errors and
    time-outs.
    """

    requests: int
    seconds: float
    bad_status: int
    socket_errors: int
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int

    @property
    def requests_per_second(self) -> float:
        """Whole replies per second."""
        return self.requests / self.seconds if self.seconds else 0.0


def quote(text: str) -> str:
    """A Lua long string that holds `text` as it is, whatever brackets are in it."""
    level = 0
    while f"]{'=' * level}]" in text or text.endswith("]" + "=" * level):
        level += 1
    # Lua drops a newline right after the opening bracket; giving it one keeps a leading newline of the text.
    return f"[{'=' * level}[\n{text}]{'=' * level}]"


def script(request: Request) -> str:
    """The Lua script that sends `request` and prints the result as one line of JSON."""
    headers = [f"wrk.headers[ {quote(name)} ] = {quote(value)}" for name, value in request.headers.items()]
    return (
        "\n".join(['wrk.method = "POST"', f"wrk.body = {quote(request.body.decode())}", *headers])
        + "\n"
        + DONE
    )


def parse(output: str) -> WrkResult:
    """Read the line that `script` made wrk print."""
    for line in output.splitlines():
        if line.startswith(MARK):
            values: dict[str, int] = json.loads(line.removeprefix(MARK))
            return WrkResult(
                requests=values["requests"],
                seconds=values["duration_us"] / 1e6,
                bad_status=values["status"],
                socket_errors=values["connect"] + values["read"] + values["write"] + values["timeout"],
                p50_us=values["p50_us"],
                p99_us=values["p99_us"],
                p999_us=values["p999_us"],
                max_us=values["max_us"],
            )
    raise BenchError(f"wrk printed no result:\n{output[-2000:]}")


def run(
    port: int, request: Request, *, connections: int, seconds: int, cpus: list[int], directory: Path
) -> WrkResult:
    """Run wrk with one thread on `cpus` against a port on loopback."""
    file = directory / "request.lua"
    file.write_text(script(request))
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(file)]
    with pinned(cpus):
        done = subprocess.run(
            [*argv, f"http://127.0.0.1:{port}{request.path}"],
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=False,
        )
    if done.returncode or done.stderr.strip():  # wrk goes on without its script when that is broken
        raise BenchError(
            f"wrk ended with status {done.returncode}: {done.stderr.strip() or done.stdout[-500:]}"
        )
    return parse(done.stdout)
