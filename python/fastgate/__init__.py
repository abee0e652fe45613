"""fastgate: an AI gateway with a Rust engine and a Python control plane.

`Gateway` is the whole engine embedded, `fastgate.core` its pieces alone, `fastgate.asgi` the application for
ASGI servers.
"""

import typing as _typing

from fastgate._core import __version__

__all__ = ["Gateway", "Response", "__version__"]

if _typing.TYPE_CHECKING:
    from fastgate.gateway import Gateway, Response
else:

    def __getattr__(name):
        # Loaded when asked for: the command line and `fastgate.core` do without.
        if name in ("Gateway", "Response"):
            from fastgate import gateway

            return getattr(gateway, name)
        raise AttributeError(f"module 'fastgate' has no attribute {name!r}")
