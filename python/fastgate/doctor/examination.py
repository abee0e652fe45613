"""All checks, side by side and bounded in time: one provider that hangs delays the report by seconds only."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from fastgate.doctor.configuration import check_configuration
from fastgate.doctor.findings import Finding, fail, ok
from fastgate.doctor.issuers import check_issuer
from fastgate.doctor.machine import check_limits
from fastgate.doctor.place import check_place
from fastgate.doctor.providers import LIMIT_S, check_provider
from fastgate.doctor.proxies import check_proxies
from fastgate.doctor.versions import check_versions
from fastgate.jwks.source import sources

# Name look-ups can't be given a time limit, so those that overstay are left behind.
GRACE_S = 1.0

Check = tuple[str, str, Callable[[], list[Finding]]]
"""What is looked at, which one, and the check itself."""


def examine(
    file: Path | None,
    environment: Mapping[str, str],
    *,
    offline: bool = False,
    limit_s: float = LIMIT_S + GRACE_S,
) -> list[Finding]:
    """Everything there is to say, in the order of the checks."""
    config, found = check_configuration(file, environment, time.time())
    checks: list[Check] = [("versions", "", check_versions)]
    if config is not None:
        server = config.settings.server
        checks += [("place", "", lambda: check_place(config)), ("limits", "", lambda: check_limits(server))]
        if not offline:
            checks.append(("proxy", "", check_proxies))
            checks += [
                (
                    "provider",
                    name,
                    partial(check_provider, name, provider, config),
                )
                for name, provider in config.settings.providers.items()
                if not config.mock
            ]
            checks += [
                ("issuer", source.issuer, partial(check_issuer, source, config)) for source in sources(config)
            ]
    found += run(checks, limit_s)
    if offline:
        found.append(ok("provider", "", "none was asked (--offline)"))
    return found


def run(checks: Sequence[Check], limit_s: float) -> list[Finding]:
    """The findings of all checks, each in a thread of its own; what is late or breaks is a finding, too."""
    results: list[list[Finding] | None] = [None] * len(checks)

    def run_one(index: int) -> None:
        what, which, check = checks[index]
        try:
            results[index] = check()
        except Exception as error:
            # Its text may quote what no report may show.
            results[index] = [
                fail(
                    what,
                    which,
                    f"the check itself broke ({type(error).__name__})",
                    "please report this as a bug",
                )
            ]

    threads = [threading.Thread(target=run_one, args=(index,), daemon=True) for index in range(len(checks))]
    ends = time.monotonic() + limit_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, ends - time.monotonic()))
    found: list[Finding] = []
    for (what, which, _), result in zip(checks, results, strict=True):
        late = fail(
            what, which, f"no result within {limit_s:g} s", "look at DNS and the network, and try again"
        )
        found += [late] if result is None else result
    return found
