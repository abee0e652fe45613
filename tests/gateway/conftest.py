"""The loops and the provider of the ASGI door's tests."""

from tests.asgi.conftest import provider, run

__all__ = ["provider", "run"]
