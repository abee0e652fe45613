"""The admin API: a raw ASGI application over the control plane of this process (docs/admin.md).

`fastgate serve` runs it on the admin listener; `app` may also be served or mounted by any ASGI server in the
process that runs the gateway. Nothing of it is imported before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastgate.admin.application import app

__all__ = ["app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fastgate.admin.application import app

    return app
