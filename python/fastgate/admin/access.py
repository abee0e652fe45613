"""Who may do what on the admin API.

A token is needed for every change, and from elsewhere than this machine for everything. What a program on
this machine may read without one, a web page must not: the page's own name may lead here (DNS rebinding), so
the host a request names has to be a loopback name or the listener's own, and a foreign `Origin` is refused.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from enum import IntEnum

import msgspec

from fastgate.admin.answers import Refused
from fastgate.config.settings import Settings

HOW_TO_ADD = "make one with `fastgate keys create --admin` and add the lines it prints to the configuration"

# Headers by which proxies tell whom they speak for.
_FORWARDING = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"cf-connecting-ip")
)


class Role(IntEnum):
    """What a token may be used for; each includes those before."""

    viewer = 1
    operator = 2
    admin = 3


class Token(msgspec.Struct, frozen=True):
    """A token, known by its digest only."""

    name: str
    role: Role
    sha256: bytes


class Request(msgspec.Struct, frozen=True):
    """One request, its body read."""

    method: str
    path: str
    """Below where the application is mounted, percent-encoded."""
    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case."""
    client: str | None
    """The client's address; None if the server does not say."""
    body: bytes = b""
    query: bytes = b""
    """What stands behind the `?`, percent-encoded."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        return next((value for known, value in self.headers if known == name), None)


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the token's name and role, or neither for a reader on this machine."""

    name: str | None = None
    role: Role | None = None


def tokens_of(settings: Settings) -> tuple[Token, ...]:
    """The tokens of a configuration."""
    return tuple(
        Token(
            # What a nameless token did must still be told from what others did.
            name=entry.name or entry.digest.removeprefix("sha256:")[:12].lower(),
            role=Role[entry.role],
            sha256=bytes.fromhex(entry.digest.removeprefix("sha256:")),
        )
        for entry in settings.admin.tokens
    )


def identify(request: Request, tokens: Sequence[Token], listener: str | None) -> Caller:
    """Who asks, if they may ask at all.

    Args:
        request: The request.
        tokens: Those of the configuration in force.
        listener: `host:port` of the admin listener, if there is one.

    Raises:
        Refused: Nothing is told to them.
    """
    presented = _bearer(request.header(b"authorization"))
    token = _find(presented, tokens)
    if presented is not None and token is None:
        raise _unauthorized("invalid_token", "this token is unknown")
    _check_origin(request)
    if token is not None:
        return Caller(token.name, token.role)
    if not is_local(request):
        if not tokens:
            raise Refused(
                403, "no_tokens", f"from another machine, or through a proxy, a token is needed: {HOW_TO_ADD}"
            )
        raise _unauthorized(
            "token_needed",
            "from another machine, or through a proxy, a token is needed: send it as Authorization: Bearer",
        )
    host = _host(request)
    if not _is_loopback_name(host) and (listener is None or host != without_port(listener)):
        raise Refused(403, "host_not_allowed", "without a token only loopback names are served here")
    return Caller()


def require(caller: Caller, role: Role, tokens: Sequence[Token]) -> None:
    """See that the caller may do what takes `role`. Reading takes `viewer`, which whoever was let in may.

    Raises:
        Refused: They may not.
    """
    if role is Role.viewer or (caller.role is not None and caller.role >= role):
        return
    if caller.role is not None:
        raise Refused(
            403,
            "role_too_low",
            f"this takes the role {role.name}; the token {caller.name} is {caller.role.name}",
        )
    if not tokens:
        raise Refused(403, "no_tokens", f"changes need a token, and none is configured: {HOW_TO_ADD}")
    raise _unauthorized("token_needed", "changes need a token: send it as Authorization: Bearer")


def is_local(request: Request) -> bool:
    """Whether a client on this machine asks, for itself."""
    if any(name in _FORWARDING for name, _ in request.headers):
        return False
    return request.client is not None and _is_loopback(request.client)


def without_port(authority: str) -> str:
    """The host of `host`, `host:port`, `[v6]` or `[v6]:port`; brackets removed, lower case."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    host, colon, port = authority.rpartition(":")
    is_port = colon and ":" not in host and port.isascii() and (port.isdigit() or not port)
    return (host if is_port else authority).lower()


def _bearer(header: bytes | None) -> str | None:
    if header is None:
        return None
    scheme, _, presented = header.partition(b" ")
    # Another scheme is not a way in, but it is an attempt.
    return presented.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


def _find(presented: str | None, tokens: Sequence[Token]) -> Token | None:
    if not presented:
        return None
    digest = hashlib.sha256(presented.encode("latin-1")).digest()
    found = None
    # All are compared, each in constant time: the time taken tells nothing.
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    return found


def _check_origin(request: Request) -> None:
    origin = request.header(b"origin")
    if origin is None:
        return
    authority = origin.decode("latin-1").partition("://")[2]
    host = request.header(b"host")
    is_same = host is not None and authority.lower() == host.decode("latin-1").lower()
    if not authority or not (is_same or _is_loopback_name(without_port(authority))):
        raise Refused(403, "origin_not_allowed", "pages of this Origin may not use the admin API")


def _host(request: Request) -> str:
    return without_port((request.header(b"host") or b"").decode("latin-1"))


def _is_loopback_name(host: str) -> bool:
    return host == "localhost" or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _unauthorized(code: str, message: str) -> Refused:
    return Refused(401, code, message, ((b"www-authenticate", b'Bearer realm="fastgate admin"'),))
