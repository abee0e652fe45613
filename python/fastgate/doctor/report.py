"""Findings as text for people, or as one JSON document for programs."""

from collections.abc import Sequence

import msgspec

from fastgate.doctor.findings import Finding, Severity, count

_MARKS = {Severity.OK: "ok  ", Severity.WARN: "WARN", Severity.FAIL: "FAIL"}


def as_text(findings: Sequence[Finding]) -> str:
    """One line a finding, and one below it that says what to do."""
    lines = []
    for finding in findings:
        what = f"{finding.check} {finding.subject}".strip()
        lines.append(f"{_MARKS[finding.severity]}  {what}: {finding.message}")
        if finding.advice:
            lines.append(f"      -> {finding.advice}")
    counts = count(findings)
    lines += [
        "",
        f"{counts[Severity.FAIL]} failed, {counts[Severity.WARN]} warnings, {counts[Severity.OK]} ok",
    ]
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """`{"findings": [{severity, check, subject, message, advice}], "counts": {ok, warn, fail}}`."""
    return msgspec.json.encode({"findings": findings, "counts": count(findings)}).decode()
