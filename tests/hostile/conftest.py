"""Requests nobody should send, at every door; with the fixtures of the suites for doors and transports."""

from tests.blackbox.conftest import door, gateway, provider, start, upstream
from tests.transport.conftest import authority, mock, no_proxies

__all__ = ["authority", "door", "gateway", "mock", "no_proxies", "provider", "start", "upstream"]
