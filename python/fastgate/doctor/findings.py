"""One thing found, how bad it is, and what to do about it. No text in it holds a secret."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    """The gateway serves, but something is lost: speed, certainty, time until it fails."""
    FAIL = "fail"
    """The gateway does not start, or some requests fail."""


class Finding(msgspec.Struct, frozen=True):
    """What one check says about one thing."""

    severity: Severity
    check: str
    """What was looked at, as `provider`, `clock`, `disk`."""
    subject: str
    """Which one of them, as a provider's id; may be empty."""
    message: str
    advice: str | None = None
    """What to do; None where nothing has to be done."""


def ok(check: str, subject: str, message: str) -> Finding:
    """All is well."""
    return Finding(Severity.OK, check, subject, message)


def warn(check: str, subject: str, message: str, advice: str) -> Finding:
    """Something is lost."""
    return Finding(Severity.WARN, check, subject, message, advice)


def fail(check: str, subject: str, message: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(Severity.FAIL, check, subject, message, advice)


def count(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many there are of each severity."""
    found = [finding.severity for finding in findings]
    return {severity: found.count(severity) for severity in Severity}
