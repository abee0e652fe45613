"""The ASGI door: the engine behind uvicorn, granian or any application that mounts it.

`app` serves ASGI 3, `rsgi_app` granian's own interface. Both read `FASTGATE_CONFIG` and start with the
server's lifespan, or at the first request where none arrives; importing starts nothing. docs/asgi.md has the
settings.
"""

from os import PathLike

from fastgate._core import Engine
from fastgate.asgi.application import Application
from fastgate.asgi.rsgi import RsgiApplication
from fastgate.bridge.doors import Doors

__all__ = ["Application", "RsgiApplication", "app", "create_app", "create_rsgi_app", "rsgi_app"]


def create_app(config: str | PathLike[str] | None = None, *, engine: Engine | None = None) -> Application:
    """An ASGI 3 application.

    Args:
        config: Configuration file; by default that of `FASTGATE_CONFIG`, else `fastgate.toml`, if any.
        engine: An engine to share instead, which its owner configures and stops.
    """
    return Application(Doors(config, engine))


def create_rsgi_app(
    config: str | PathLike[str] | None = None, *, engine: Engine | None = None
) -> RsgiApplication:
    """The same for RSGI."""
    return RsgiApplication(Doors(config, engine, text_headers=True, joins_submissions=True))


app = create_app()
rsgi_app = create_rsgi_app()
