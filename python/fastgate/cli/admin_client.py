"""Asking a running gateway through its admin listener."""

import argparse
import http.client
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from fastgate.config.addresses import split_address
from fastgate.errors import FastgateError

TOKEN_VARIABLE = "FASTGATE_ADMIN_TOKEN"  # noqa: S105 - its name
TIMEOUT_S = 15.0
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared with, not bound


class AdminRefused(FastgateError):
    """The gateway said no, or could not be asked."""

    code = "admin_refused"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say whom to ask, and as whom."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="configuration that names server.admin (default: fastgate.toml)",
    )
    parser.add_argument("--admin", metavar="ADDR", help="host:port of the admin listener instead")
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help=f"admin token; better in {TOKEN_VARIABLE}: arguments show in process lists",
    )


class AdminClient:
    """Asks one gateway.

    Args:
        address: `host:port` of its admin listener.
        token: Shown with every request, if given.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        parts = split_address(address)
        if parts is None:
            raise AdminRefused(f"the admin listener is given as host:port, not {address}")
        self._host, self._port = _ANY_ADDRESS.get(parts[0], parts[0]).strip("[]"), parts[1]
        self._address = address
        self._token = token

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "AdminClient":
        """As the command line says.

        Raises:
            ConfigError: The configuration is wrong.
            AdminRefused: It has no admin listener.
        """
        token = arguments.token or os.environ.get(TOKEN_VARIABLE)
        if arguments.admin:
            return cls(arguments.admin, token)
        from fastgate.config import load, locate

        address = load(locate(arguments.config, os.environ), os.environ).settings.server.admin
        if address == "off":
            raise AdminRefused('this gateway has no admin listener: server.admin is "off"')
        return cls(address, token)

    def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> tuple[int, Any]:
        """One request; the status and what the answer's JSON says. `path`: under `/admin`, not encoded.

        Raises:
            AdminRefused: The gateway is not there, or says no.
        """
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers["content-type"] = "application/json"
        target = "/".join(("", "admin", *(quote(segment, safe="") for segment in path)))
        if query:
            target = f"{target}?{urlencode(query)}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except ValueError as error:
            raise AdminRefused("the token has characters that no header can carry") from error
        except (OSError, http.client.HTTPException) as error:
            raise AdminRefused(
                f"no gateway answers at {self._address}: {error or type(error).__name__}; "
                "is it running, with this configuration?"
            ) from None
        finally:
            connection.close()
        try:
            told = json.loads(answer)
        except ValueError:
            raise AdminRefused(f"{self._address} answered {status} without JSON; is it a fastgate?") from None
        if status >= 400:
            raise AdminRefused(_reason(told, status))
        return status, told


def _reason(told: Any, status: int) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return str(message or f"the gateway answered {status}")
