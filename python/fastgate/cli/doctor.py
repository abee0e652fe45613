"""`fastgate doctor`: what would keep a gateway from doing well here, and what to do about it."""

import argparse
import os


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="configuration (default: fastgate.toml, if any)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--offline", action="store_true", help="ask no provider and no token issuer")


def run(arguments: argparse.Namespace) -> int:
    """Look at everything; 1 if anything failed, whatever the warnings."""
    from fastgate.config import locate
    from fastgate.doctor.examination import examine
    from fastgate.doctor.findings import Severity
    from fastgate.doctor.report import as_json, as_text

    findings = examine(locate(arguments.config, os.environ), os.environ, offline=arguments.offline)
    print(as_json(findings) if arguments.json else as_text(findings))
    return 1 if any(finding.severity is Severity.FAIL for finding in findings) else 0
