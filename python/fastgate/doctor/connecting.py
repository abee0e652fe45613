"""The way to a provider, as the engine goes it: name, port, proxy, certificate."""

import base64
import socket
import ssl
import time
import urllib.parse

from fastgate.config.addresses import split_url
from fastgate.config.settings import Provider
from fastgate.doctor.findings import Finding, ok, warn
from fastgate.doctor.proxies import proxy_of

CHECK = "provider"
CERTIFICATE_SOON_S = 14 * 86_400


class Unreachable(Exception):
    """A step on the way failed: which, why, and what to do."""

    def __init__(self, step: str, advice: str) -> None:
        super().__init__(step)
        self.advice = advice


def connect(
    name: str, provider: Provider, ca_file: str | None, ends: float
) -> tuple[socket.socket, list[Finding]]:
    """A connection as the engine makes it, and what was learned on the way.

    Raises:
        Unreachable: A step failed.
    """
    parts = split_url(provider.base_url)
    assert parts is not None  # the configuration was checked
    scheme, host, port = parts
    proxy = proxy_of(provider)
    target = urllib.parse.urlsplit(proxy) if proxy else None
    at = (target.hostname or "", target.port or 80) if target else (host.strip("[]"), port)
    shown = f"proxy {at[0]}:{at[1]}" if target else f"{at[0]}:{at[1]}"
    began = time.monotonic()
    addresses = _resolve(at)
    resolved = time.monotonic()
    stream = _dial(addresses, shown, ends)
    connected = time.monotonic()
    try:
        if target:
            _tunnel(stream, target, host, port)
        version = ""
        said: list[Finding] = []
        if scheme == "https":
            stream.settimeout(time_left(ends))
            stream = encrypted = _encrypt(stream, host.strip("[]"), ca_file)
            version = f", {encrypted.version()} "
            said = _judge_certificate(name, encrypted)
    except BaseException:
        stream.close()
        raise
    if version:
        version += _ms(time.monotonic() - connected)
    message = f"reached at {shown}: DNS {_ms(resolved - began)}, TCP {_ms(connected - resolved)}{version}"
    return stream, [ok(CHECK, name, message), *said]


def _resolve(at: tuple[str, int]) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(*at, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(
            f"the name {at[0]} has no address: {error.strerror}",
            "compare the name in base_url with the vendor's manual; then look at this machine's DNS "
            "(/etc/resolv.conf), or set a proxy",
        ) from None
    return [(int(family), (str(address[0]), int(address[1]))) for family, _, _, _, address in found]


def _dial(addresses: list[tuple[int, tuple[str, int]]], shown: str, ends: float) -> socket.socket:
    last: OSError = OSError("no address")
    for _, address in addresses:
        try:
            return socket.create_connection(address, timeout=time_left(ends))
        except OSError as error:
            last = error
    raise Unreachable(
        f"no connection to {shown}: {last.strerror or 'timed out'}",
        "look at the port in base_url and at firewalls on the way; behind a proxy set "
        "providers.<id>.proxy or HTTPS_PROXY",
    )


def _tunnel(stream: socket.socket, proxy: urllib.parse.SplitResult, host: str, port: int) -> None:
    authorization = ""
    if proxy.username is not None:
        pair = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
        authorization = f"proxy-authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
    try:
        head = f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n{authorization}\r\n"
        stream.sendall(head.encode())
        answer = b""
        # One byte at a time: what follows the head belongs to TLS.
        while not answer.endswith(b"\r\n\r\n") and len(answer) < 8192 and (byte := stream.recv(1)):
            answer += byte
    except OSError as error:
        raise Unreachable(
            f"the proxy broke off: {error.strerror or 'timed out'}", "ask who runs it"
        ) from None
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        code = status[0].decode("ascii", "replace") if status and status[0].isdigit() else "no HTTP"
        raise Unreachable(
            f"the proxy refuses to connect to {host}:{port} ({code})",
            "let it allow this host (407: it wants a user and a password), or name the host in NO_PROXY",
        )


def _encrypt(stream: socket.socket, host: str, ca_file: str | None) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=ca_file)
        return context.wrap_socket(stream, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"the certificate does not hold: {error.verify_message}",
            "if a TLS-inspecting proxy or an own authority signs it, set ca_file; if the clock "
            "here is wrong, set it right; never switch the check off",
        ) from None
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or "timed out"
        raise Unreachable(
            f"no TLS: {reason}",
            "does base_url say https:// for a server that speaks http://, or another port?",
        ) from None


def _judge_certificate(name: str, encrypted: ssl.SSLSocket) -> list[Finding]:
    ends_at = (encrypted.getpeercert() or {}).get("notAfter")
    if not isinstance(ends_at, str):
        return []
    left_s = ssl.cert_time_to_seconds(ends_at) - time.time()
    if left_s >= CERTIFICATE_SOON_S:
        return []
    return [warn(CHECK, name, f"its certificate ends in {left_s / 86_400:.0f} days", "tell who runs it")]


def time_left(ends: float) -> float:
    """Seconds until `ends` (monotonic); never none, since sockets take 0 for non-blocking."""
    return max(0.01, ends - time.monotonic())


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
