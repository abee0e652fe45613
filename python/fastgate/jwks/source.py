"""Where an issuer's public keys come from, and how they are read: a file, a URL, or OIDC discovery.

TLS is verified, redirects are not followed, and size and time are bounded. Sources: RFC 7517, OpenID Connect
Discovery 1.0.
"""

import json
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any

import msgspec

from fastgate.config import Config
from fastgate.config.addresses import is_trustworthy
from fastgate.errors import FastgateError

DISCOVERY_PATH = "/.well-known/openid-configuration"
DOCUMENT_MAX_BYTES = 256 * 1024
WAIT_S = 5.0
"""How long one socket operation may take, and two of them a whole document."""


class KeysUnavailable(FastgateError):
    """An issuer's keys can't be read; the message says where and why."""


class Source(msgspec.Struct, frozen=True):
    """One issuer's keys."""

    issuer: str
    jwks: str | None
    """A URL or a file; None asks the issuer."""
    ca_file: str | None
    refresh_s: float


def sources(config: Config) -> list[Source]:
    """The sources of a configuration, their paths resolved."""
    return [
        Source(
            issuer=issuer.issuer,
            jwks=issuer.jwks if issuer.jwks is None or "://" in issuer.jwks else config.resolve(issuer.jwks),
            ca_file=config.resolve(issuer.ca_file) if issuer.ca_file else None,
            refresh_s=issuer.refresh / 1000,
        )
        for issuer in config.settings.auth.jwt
    ]


def read_keys(source: Source) -> bytes:
    """The JWKS document, as published.

    Raises:
        KeysUnavailable: It can't be had.
    """
    if source.jwks is None:
        return _fetch(_discover(source), source.ca_file)
    if "://" in source.jwks:
        return _fetch(source.jwks, source.ca_file)
    try:
        with Path(source.jwks).open("rb") as file:
            return _bounded(file.read(DOCUMENT_MAX_BYTES + 1), source.jwks)
    except OSError as error:
        raise KeysUnavailable(f"{source.jwks}: {error.strerror}") from None


def _discover(source: Source) -> str:
    url = source.issuer.rstrip("/") + DISCOVERY_PATH
    try:
        document = json.loads(_fetch(url, source.ca_file))
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("issuer") != source.issuer:
        raise KeysUnavailable(f"{url}: is not the metadata of this issuer")
    found = document.get("jwks_uri")
    if not isinstance(found, str) or not is_trustworthy(found):
        raise KeysUnavailable(f"{url}: names no https:// URL as jwks_uri")
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it could lead from TLS to plain HTTP, or into the local network."""

    def redirect_request(  # noqa: PLR0917 - the signature of urllib
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        return None


def _fetch(url: str, ca_file: str | None) -> bytes:
    ends = time.monotonic() + 2 * WAIT_S
    try:
        trust = ssl.create_default_context(cafile=ca_file)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust), _NoRedirect)
        request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310 - checked
        with opener.open(request, timeout=WAIT_S) as response:
            return _bounded(_read_until(response, ends), url)
    except urllib.error.HTTPError as error:
        error.close()
        raise KeysUnavailable(f"{url}: answered {error.code}") from None
    except urllib.error.URLError as error:
        raise KeysUnavailable(f"{url}: {error.reason}") from None
    except HTTPException as error:
        # Its text may be the server's.
        raise KeysUnavailable(f"{url}: is not answered in HTTP ({type(error).__name__})") from None
    except OSError as error:
        raise KeysUnavailable(f"{url}: {error or type(error).__name__}") from None


def _read_until(response: HTTPResponse, ends: float) -> bytes:
    """The body, up to one byte more than is allowed."""
    body = b""
    while len(body) <= DOCUMENT_MAX_BYTES and (piece := response.read1(DOCUMENT_MAX_BYTES + 1 - len(body))):
        body += piece
        if time.monotonic() > ends:
            raise TimeoutError(f"not whole within {2 * WAIT_S:.0f} s")
    return body


def _bounded(document: bytes, place: str) -> bytes:
    if len(document) > DOCUMENT_MAX_BYTES:
        raise KeysUnavailable(f"{place}: larger than {DOCUMENT_MAX_BYTES} bytes")
    return document
