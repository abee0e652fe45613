"""The Rust engine, as Python sees it."""

from typing import Any

__version__: str

def read_toml(text: str) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int]]:
    """Values of a TOML document, and the line of each by its path.

    Decimals are `decimal.Decimal`, dates and times RFC 3339 text.

    Raises:
        ValueError: `(message, line, column)`; the message never quotes the file.
    """

def check_tables(document: bytes) -> None:
    """Raise ValueError if the engine would refuse this compiled configuration."""

class Engine:
    """The data path. Threads start with `serve`."""

    def __init__(self, tables: bytes) -> None:
        """ValueError, with what is wrong, on tables that do not hold together."""

    def reload(self, tables: bytes) -> None:
        """Swap the tables; ValueError leaves the old ones in force."""

    def serve(
        self,
        *,
        listen: str,
        admin: str | None,
        threads: int,
        tls_certificate: str | None = None,
        tls_key: str | None = None,
    ) -> tuple[str, str | None]:
        """Start the native door; the bound addresses. OSError if a port is taken."""

    def stop(self, grace_s: float) -> bool:
        """Finish what is in flight within `grace_s` seconds; True if everything did. Releases the GIL."""

    def statistics(self) -> dict[str, int]:
        """Counters since the start."""

class MockProvider:
    """A scriptable provider that runs inside this process."""

    address: str

    def __init__(self, *, listen: str = "127.0.0.1:0") -> None: ...
    def stop(self) -> None: ...
