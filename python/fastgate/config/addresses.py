"""Listen addresses and URLs: their parts, and whether they stay on this machine."""

import re

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?"
)
_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}|localhost|\[?::1\]?", re.IGNORECASE)
_ANY = ("0.0.0.0", "[::]")  # noqa: S104 - compared with, not bound


def split_address(address: str) -> tuple[str, int] | None:
    """Host and port of `host:port`; None if it is not one."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65_535:
        return None
    return match["host"], int(match["port"])


def is_loopback(address: str) -> bool:
    """Whether a listener on `host:port` can be reached from this machine only."""
    parts = split_address(address)
    return parts is not None and _LOOPBACK.fullmatch(parts[0]) is not None


def split_url(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a plain URL: no user, query or fragment; None if it is not one."""
    match = _URL.fullmatch(url)
    if match is None or any(mark in (match["path"] or "") for mark in "?#"):
        return None
    port = int(match["port"] or (443 if match["scheme"] == "https" else 80))
    return (match["scheme"], match["host"], port) if 0 < port <= 65_535 else None


def points_at(url: str, address: str) -> bool:
    """Whether a URL names the very listener at `address`."""
    target, listener = split_url(url), split_address(address)
    if target is None or listener is None or target[2] != listener[1]:
        return False
    host = listener[0]
    same_machine = _LOOPBACK.fullmatch(target[1]) is not None
    return target[1].lower() == host.lower() or (
        same_machine and (host in _ANY or _LOOPBACK.fullmatch(host) is not None)
    )


def is_trustworthy(url: str) -> bool:
    """Whether nobody on the way can change what a URL answers: TLS, or this very machine."""
    parts = split_url(url)
    return parts is not None and (parts[0] == "https" or is_loopback(f"{parts[1]}:{parts[2]}"))
